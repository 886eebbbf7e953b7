"""Searches side by side: several processes find what one finds."""

from __future__ import annotations

from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import pytest

from accel.spec_file import load_preset
from foundation.errors import MappingError
from mapper.planner import make_plan
from mapper.search.cache import MappingCache
from mapper.search.find import DEFAULT
from mapper.workers import process_count, side_by_side
from workloads.loaders.yaml import load_zoo

ONE, TWO = (replace(DEFAULT, processes=count) for count in (1, 2))


def test_two_processes_find_what_one_finds() -> None:
    graph, spec = load_zoo("mobilenet_v2"), load_preset("edge_32x32")
    one, two = (make_plan(graph, spec, options=options) for options in (ONE, TWO))
    assert [work.stages for work in one.works] == [work.stages for work in two.works]
    assert one.layers == two.layers


def test_a_layer_that_does_not_fit_is_named() -> None:
    spec = load_preset("edge_32x32")
    pads = tuple(replace(pad, capacity_bytes=64) for pad in spec.scratchpads)
    tiny = replace(spec, scratchpads=pads)
    messages = []
    for options in (ONE, TWO):
        with pytest.raises(MappingError) as error:
            make_plan(load_zoo("resnet18"), tiny, options=options)
        messages.append(str(error.value))
    assert messages[0] == messages[1]


def test_progress_and_the_cache_s_warning_come_from_the_process_that_waits(tmp_path: Path) -> None:
    graph, spec = load_zoo("resnet18"), load_preset("edge_32x32")
    warnings: list[str] = []
    layers: list[str] = []
    for _ in range(2):
        cache = MappingCache(tmp_path, warn=warnings.append)
        make_plan(graph, spec, options=replace(TWO, cache=cache), progress=layers.append)
        for entry in tmp_path.glob("*.json"):
            entry.write_text("damaged")
    assert len(warnings) == 1
    assert "the entry is damaged" in warnings[0]
    assert layers[0] == "conv1"
    assert layers.count("conv1") == 2


def count_in_a_worker(_: int) -> int:
    return process_count()


def test_workers_start_none() -> None:
    assert list(side_by_side(count_in_a_worker, range(3), 2)) == [1, 1, 1]
    with get_context("fork").Pool(1) as pool:
        assert pool.apply(process_count) == 1
