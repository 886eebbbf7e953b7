"""Caches in pages against caches in one piece."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foundation.errors import WorkloadError
from rooftile.generation import generate
from rooftile.simulation import simulate
from rooftile.sources import find_hardware
from rooftile.validate.program import validate_program
from tests.workloads.huggingface.configurations import TINY, built, written
from workloads.evaluate import evaluate
from workloads.loaders.asked import Asked
from workloads.loaders.huggingface.caches import pages_of
from workloads.loaders.huggingface.generation import cache_bytes
from workloads.random_values import random_tensors

PAGE = 4


@pytest.mark.parametrize("name", ["gpt2", "qwen3", "deepseek_v3", "t5"])
def test_pages_hold_the_same_rows(name: str, tmp_path: Path) -> None:
    source: dict[str, Any] = {"dims": {"seq": 6}} if name == "t5" else {}
    common = {"dtype": "fp32", "batch": 2, "phase": "decode:1@12", **source}
    paged = built(tmp_path, TINY[name], page=PAGE, **common)
    whole = built(tmp_path, TINY[name], **common)
    values = random_tensors(paged, seed=5)
    given = {key: values[key] for key in whole.tensors if key in values}
    for key in whole.tensors:
        if f"{key}_pages" in values:
            pages = values[key][values[f"{key}_pages"]]  # (batch, pages, elements of a page)
            given[key] = pages.reshape(whole.tensors[key].shape)
    last = whole.layers[-1].name
    np.testing.assert_array_equal(evaluate(paged, values)[last], evaluate(whole, given)[last])
    assert paged.total_macs == whole.total_macs
    assert cache_bytes(paged) == cache_bytes(whole)


@pytest.mark.parametrize("context", [1, 4, 5, 11, 30])
def test_rows_are_those_of_whole_pages(context: int, tmp_path: Path) -> None:
    paged = built(tmp_path, TINY["llama"], page=PAGE, phase=f"decode:1@{context}", batch=3)
    rounded = -(-context // PAGE) * PAGE
    padded = built(tmp_path, TINY["llama"], phase=f"decode:1@{rounded}", batch=3)
    assert cache_bytes(paged) == cache_bytes(padded)
    assert paged.total_macs == padded.total_macs


@pytest.mark.parametrize("page", [1, 3, 8])
@pytest.mark.parametrize("window", [1, 2, 5, 8, 9, None])
def test_a_window_has_the_pages_that_it_may_touch(page: int, window: int | None) -> None:
    for context in range(1, 40):
        touched = []
        # Where in a page the sequence ends doesn't matter: the most of all contexts up to this one.
        for end in range(1, context + 1):
            start = 0 if window is None else max(0, end - window)
            touched.append(len({token // page for token in range(start, end)}))
        most = pages_of(context, page, window)
        assert touched[-1] <= most
        if window is None or context >= window + page:
            assert most == max(touched)


def test_the_dma_moves_pages(tmp_path: Path) -> None:
    paged = built(tmp_path, TINY["gpt2"], page=PAGE, phase="decode:1@11", batch=2)
    report = simulate(paged, "edge_32x32").report
    gathers = [layer for layer in report.layers if layer.operator == "gather"]
    assert len(gathers) == 4
    each = 2 * 3 * PAGE * 24  # three pages of two sequences
    for layer in gathers:
        assert layer.work.dram_bytes == {"input": 2 * 3 * 4 + each, "weight": 0, "output": each}


def test_beams_share_pages(tmp_path: Path) -> None:
    beams = built(tmp_path, TINY["gpt2"], page=PAGE, phase="decode:1@11", beams=3)
    assert not any(layer.name.endswith("_in_order") for layer in beams.layers)


@pytest.mark.parametrize(("name", "phase"), [("gpt2", "decode:1@7,4"), ("t5", "decode:1@5")])
def test_programs(name: str, phase: str, tmp_path: Path) -> None:
    graph = built(tmp_path, TINY[name], page=3, phase=phase)
    validation = validate_program(graph, find_hardware("edge_32x32"), seed=1)
    assert validation.passed, validation.text


def test_a_generation_has_a_step_for_each_page(tmp_path: Path) -> None:
    path = written(tmp_path, TINY["gpt2"])
    report = generate(path, "tpu_v1", prompt=8, tokens=25, tolerance=0.0, asked=Asked(page=8))
    assert report.steps is not None
    cycles = [report.steps.at(context) for context in report.contexts]
    assert len(set(cycles)) == 3


@pytest.mark.parametrize(
    ("name", "asked", "message"),
    [
        ("gpt2", {"page": 4}, "only steps of decoding .* read caches in pages; leave --page out"),
        ("gpt2", {"page": 4, "phase": "prefill:4"}, "read caches in pages"),
        ("gpt2", {"page": 0, "phase": "decode:1@4"}, "page is 0 but must be at least 1"),
        ("mamba", {"page": 4, "phase": "decode:1@4"}, "mamba: has no keys and values to keep in"),
    ],
)
def test_bad_pages(name: str, asked: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(WorkloadError, match=message):
        built(tmp_path, TINY[name], **asked)
