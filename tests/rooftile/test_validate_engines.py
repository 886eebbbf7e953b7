"""The comparison of the analytical engine with the cycle engine."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import numpy as np
import pytest

from accel.spec_file import load_preset
from rooftile.validate import engines
from rooftile.validate.engines import Comparison, compare, spearman, validate_engines
from tests.reports.runs import SMALL
from tests.rooftile.command import Command
from workloads.loaders.yaml import load_zoo, parse_network


def test_the_command_shows_a_line_for_each_network_and_machine(rooftile: Command) -> None:
    done = rooftile("validate", "engines", "mobilenet_v2", "--hw", "edge_32x32", "--hw", "tpu_v1")
    assert done.status == 0
    head, *lines, closing, footnote = done.out.splitlines()
    assert head.split()[:3] == ["network", "hardware", "layers"]
    assert [line.split()[:3] for line in lines] == [
        ["mobilenet_v2", "edge_32x32", "64"],
        ["mobilenet_v2", "tpu_v1", "64"],
    ]
    assert closing == "128 layers: 90th percentile 0.00 %"
    assert footnote.startswith("total, median")


@pytest.mark.parametrize("hardware", ["edge_ddr4", "npu_4core"])
def test_engines_agree_with_dram_bank_by_bank(hardware: str) -> None:
    graph, spec = parse_network(SMALL, "small.yaml"), load_preset(hardware)
    validation = validate_engines([(graph, spec)])
    assert validation.passed, validation.text


@pytest.mark.parametrize("hardware", ["edge_32x32", "gemmini_default", "eyeriss_v1_like"])
def test_engines_are_equal_with_bandwidth_and_latency(hardware: str) -> None:
    comparison = compare(load_zoo("alexnet", dtype="int8"), load_preset(hardware), seed=1)
    assert (comparison.simulated == comparison.estimated).all()
    assert (comparison.unequal, comparison.rank) == (0, 1.0)


def test_ideal_memory_answers_at_once() -> None:
    spec = engines.with_ideal_memory(load_preset("npu_4core"))
    assert [(m.bandwidth_bytes_per_s, m.latency_fs, m.dram) for m in spec.memories] == [
        (inf, 0, None)
    ]
    assert spec.network is None


AGREEING = Comparison(
    network="net",
    hardware="chip",
    simulated=np.array([100.0, 200.0, 1000.0]),
    estimated=np.array([100.0, 200.0, 1000.0]),
    unequal=0,
    rank=1.0,
)


@pytest.mark.parametrize(
    ("comparison", "message"),
    [
        (
            replace(AGREEING, estimated=np.array([104.0, 208.0, 1000.0])),
            "net on chip: the median layer is 4.00 % off but 3 % are allowed",
        ),
        (
            replace(AGREEING, estimated=np.array([100.0, 200.0, 1100.0])),
            "all layers: the 90th percentile is 8.00 % off but 5 % are allowed",
        ),
        (replace(AGREEING, unequal=2), "net on chip: 2 layers differ with ideal memory"),
        (
            replace(AGREEING, rank=0.9),
            "net on chip: the rank correlation is 0.900 but 0.95 is needed",
        ),
    ],
)
def test_a_missed_limit_fails(
    monkeypatch: pytest.MonkeyPatch, comparison: Comparison, message: str
) -> None:
    monkeypatch.setattr(engines, "compare", lambda *_: comparison)
    graph, spec = parse_network(SMALL, "small.yaml"), load_preset("edge_32x32")
    validation = validate_engines([(graph, spec)])
    assert not validation.passed
    assert message in validation.text


def test_rank_correlation_of_ties_and_reversals() -> None:
    assert spearman([1, 2, 3], [10, 20, 30]) == pytest.approx(1.0)
    assert spearman([1, 2, 3], [30, 20, 10]) == pytest.approx(-1.0)
    assert spearman([1, 1, 2], [5, 5, 9]) == pytest.approx(1.0)
    assert spearman([1, 1], [5, 5]) == 1.0
    assert spearman([1, 1], [5, 6]) == 0.0
