"""Runs of the analytical engine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rooftile.simulation import simulate
from tests.rooftile.command import Command


@pytest.mark.parametrize(
    ("network", "hardware"),
    [("mobilenet_v2", "tpu_v1"), ("mobilenet_v2", "npu_4core"), ("dqn", "mesh_64core")],
)
def test_the_report_has_the_numbers_of_the_cycle_engine(network: str, hardware: str) -> None:
    cycle = simulate(network, hardware, dtype="int8").report
    analytical = simulate(network, hardware, dtype="int8", engine="analytical").report
    keys = (
        "compute_cycles",
        "stall_cycles",
        "total_cycles",
        "macs",
        "operations",
        "spatial_utilization",
        "mac_utilization",
        "dram_input_bytes",
        "dram_weight_bytes",
        "dram_output_bytes",
        "compulsory_bytes",
        "bound_by",
        "bound_cycles",
        "tiles",
        "folds",
    )
    for one, other in zip(cycle.records(), analytical.records(), strict=True):
        assert {key: one[key] for key in keys} == {key: other[key] for key in keys}
        assert {"waits_for", "stall_causes"} & other.keys() == set()


def test_a_folder_says_that_it_is_an_estimate_and_has_no_timeline(rooftile: Command) -> None:
    done = rooftile(
        *("run", "alexnet", "--hw", "edge_32x32", "--engine", "analytical"),
        *("-o", "out", "--no-plots"),
    )
    assert done.status == 0
    assert done.out.splitlines()[0].endswith(", analytical estimate")
    summary = json.loads(Path("out/summary.json").read_text())
    assert summary["engine"] == "analytical"
    assert "events" not in summary
    assert sorted(path.name for path in Path("out").iterdir()) == [
        "hardware.yaml",
        "layers.csv",
        "mapping.yaml",
        "network.yaml",
        "summary.json",
    ]
    explained = rooftile("explain", "out", "--layer", "conv1")
    assert explained.status == 2
    assert "was made by the analytical engine, which doesn't know what units" in explained.err


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(ValueError, match=r"engine 'magic': must be one of cycle, analytical"):
        simulate("alexnet", "tpu_v1", engine="magic")
