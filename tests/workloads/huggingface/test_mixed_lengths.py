"""Batches of mixed lengths against each length alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foundation.errors import WorkloadError
from rooftile.sources import find_hardware
from rooftile.validate.program import validate_program
from tests.workloads.huggingface.configurations import TINY, built
from workloads.evaluate import evaluate
from workloads.graph import Graph, TensorKind
from workloads.loaders.huggingface.run import lengths_of
from workloads.random_values import random_tensors

LENGTHS = {7: 1, 4: 2, 3: 3}
TEXT = ",".join(f"{length}x{count}" for length, count in LENGTHS.items())


def _rows(step: bool) -> list[tuple[int, int, int]]:
    """Return each length, how many have it, and the tokens of all of them in the pass."""
    return [(n, count, count * (1 if step else n)) for n, count in LENGTHS.items()]


@pytest.mark.parametrize("step", [False, True])
@pytest.mark.parametrize("name", ["gpt2", "opt", "llama", "gemma2"])
def test_every_sequence_gets_what_it_gets_alone(name: str, step: bool, tmp_path: Path) -> None:
    kind = "decode:1@" if step else "prefill:"
    mixed = built(tmp_path, TINY[name], dtype="fp32", phase=kind + TEXT)
    assert mixed.batch == sum(LENGTHS.values())
    values = {
        # Small weights keep scores apart by little.
        key: value if value.dtype.kind == "i" or key.endswith("gamma") else value * 0.4
        for key, value in random_tensors(mixed, seed=3).items()
    }
    for key in {"cosine", "sine"} & values.keys():  # sequences of one length have equal positions
        start = 0
        for _, count, tokens in _rows(step):
            angles = values[key][start : start + tokens // count]
            values[key][start : start + tokens] = np.tile(angles, (count, 1, 1))
            start += tokens
    expected = evaluate(mixed, values)[mixed.layers[-1].name]
    start, row, macs = 0, 0, 0
    for index, (length, count, tokens) in enumerate(_rows(step)):
        alone = built(tmp_path, TINY[name], dtype="fp32", phase=f"{kind}{length}", batch=count)
        given = _given(alone, values, index, start, tokens, (count, tokens // count))
        found = evaluate(alone, given)[alone.layers[-1].name]
        np.testing.assert_allclose(
            expected[0, row : row + count], found[:, 0], rtol=1e-3, atol=1e-4
        )
        start, row, macs = start + tokens, row + count, macs + alone.total_macs
    assert expected.shape == (1, row, 50)
    assert mixed.total_macs == macs


def _given(
    alone: Graph,
    values: dict[str, Any],
    index: int,
    start: int,
    tokens: int,
    shape: tuple[int, int],
) -> dict[str, Any]:
    """Return inputs and parameters of one length, all as in the mixed batch."""
    given = {}
    for key, tensor in alone.tensors.items():
        prefix, _, last = key.rpartition(".")
        if tensor.kind is TensorKind.ACTIVATION:
            continue
        if key in ("tokens", "positions"):
            given[key] = values[key][0, start : start + tokens].reshape(shape)
        elif key in ("cosine", "sine"):
            given[key] = values[key][start : start + shape[1]]
        else:
            own = f"{prefix}.part{index}.{last}"  # caches, and the constant that bounds scores
            given[key] = values[own if own in values else key]
    return given


def test_one_length_with_a_count_is_a_batch(tmp_path: Path) -> None:
    for phase in ("prefill:5", "decode:2@9"):
        counted = built(tmp_path, TINY["llama"], phase=f"{phase}x3")
        assert counted == built(tmp_path, TINY["llama"], phase=phase, batch=3)


def test_products_with_weights_see_all_tokens_at_once(tmp_path: Path) -> None:
    mixed = built(tmp_path, TINY["llama"], phase=f"prefill:{TEXT}")
    tokens = sum(length * count for length, count in LENGTHS.items())
    assert mixed.tensors["decoder.0.query"].shape == (1, tokens, 24)
    shapes = [mixed.tensors[f"decoder.0.part{n}.scores"].shape for n in range(3)]
    assert shapes == [(n, 2, length * 2, length) for length, n in LENGTHS.items()]
    assert mixed.tensors["all_parts"].shape == (1, 6, 24)


def test_beams_multiply_each_length(tmp_path: Path) -> None:
    mixed = built(tmp_path, TINY["gpt2"], phase="decode:1@9,5x2", beams=4)
    assert mixed.batch == 12
    assert mixed.tensors["decoder.1.part1.key_cache"].shape == (8, 5, 3, 8)


@pytest.mark.parametrize("phase", ["prefill:4,2x2", "decode:1@6,3x2"])
def test_programs(phase: str, tmp_path: Path) -> None:
    graph = built(tmp_path, TINY["qwen3"], phase=phase)
    validation = validate_program(graph, find_hardware("edge_32x32"), seed=1)
    assert validation.passed, validation.text


def test_equal_lengths_are_one() -> None:
    assert lengths_of("5,7x2,5x3,7") == {5: 4, 7: 3}


@pytest.mark.parametrize(
    ("name", "asked", "message"),
    [
        ("gpt2", {"phase": "prefill:5,"}, "phase 'prefill:5,': must be prefill:TOKENS or decode:"),
        ("gpt2", {"phase": "decode:1@5,0"}, "a batch of mixed lengths has several with commas"),
        ("gpt2", {"phase": "prefill:5x0"}, "such as prefill:2048,512x3"),
        ("gpt2", {"phase": "prefill:5,6", "batch": 2}, "says what --batch would; leave out one"),
        ("gpt2", {"phase": "decode:4@9,3"}, "the context is 3 but includes the 4 new tokens"),
        ("gpt2", {"phase": "decode:1@9,65"}, "65 tokens are asked for but there are positions for"),
        ("deepseek_v3", {"phase": "prefill:5,6"}, "mixed lengths are built for gemma, gemma2, gpt"),
    ],
)
def test_bad_lengths(name: str, asked: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(WorkloadError, match=message):
        built(tmp_path, TINY[name], **asked)
