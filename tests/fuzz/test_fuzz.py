"""Mutated files of every format are loaded or refused, in bounded time and memory.

Some hundred here; `make fuzz` takes as many as are asked for.
"""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from tests.fuzz.formats import FORMATS, Format
from tests.fuzz.mutator import mutated
from tests.fuzz.networks import NETWORKS
from tests.fuzz.survival import LIMIT_S, files_of, survive
from workloads.loaders.models import OPERATORS
from workloads.loaders.yaml import parse_network


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_mutated_files_are_loaded_or_refused(form: Format, tmp_path: Path) -> None:
    outcome = survive(form, 1, range(100), tmp_path)
    assert outcome.failures == {}
    assert outcome.accepted + outcome.refused == 100
    assert outcome.accepted > 0, "the mutator leaves nothing whole"
    assert outcome.refused > 0, "the mutator breaks nothing"
    assert outcome.slowest_ms < 1000 * LIMIT_S


def test_every_operator_is_in_a_file_that_is_mutated() -> None:
    (network,) = (form for form in FORMATS if form.name == "network")
    text = b"\n".join(network.victims()).decode()
    assert [name for name in OPERATORS if not re.search(rf"op: {name}\b", text)] == []


def test_small_networks_are_valid() -> None:
    for text in NETWORKS:
        assert parse_network(text.decode(), "small.yaml").layers


@pytest.mark.slow
def test_many_mutated_models_are_loaded_or_refused(tmp_path: Path) -> None:
    (onnx,) = (form for form in FORMATS if form.name == "onnx")
    assert survive(onnx, 2, range(10_000), tmp_path).failures == {}


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_a_file_depends_on_seed_and_number_alone(form: Format) -> None:
    first = dict(files_of(form, 7, range(20)))
    assert dict(files_of(form, 7, reversed(range(20)))) == first
    assert dict(files_of(form, 8, range(20))) != first


def test_what_comes_out_besides_is_reported(tmp_path: Path) -> None:
    def load(path: Path, number: int) -> None:
        while number == 1:
            pass
        if number == 2:
            bytearray(1 << 40)
        raise KeyError(path.name)

    form = Format(name="broken", suffix=".txt", victims=lambda: [b"a: 1"], load=load)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.fuzz.survival.LIMIT_S", 0.05)
        failures = survive(form, 1, range(3), tmp_path).failures
    names = ("KeyError", "TookTooLongError", "MemoryError")
    for number, name in enumerate(names):
        assert failures[number].startswith(f"{name} at "), failures


def test_the_mutator_takes_anything() -> None:
    generator = random.Random(1)
    for content in (b"", b"\n", b"\0", b"a", b"a: 1\n", bytes(range(256))):
        results = {mutated(content, [content, b"b: 2\n"], generator) for _ in range(200)}
        assert len(results) > 30 or not content
