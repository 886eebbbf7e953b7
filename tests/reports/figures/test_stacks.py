"""Cycle stacks and energy by level: parts add up to what the report says."""

from __future__ import annotations

import pytest

from foundation.errors import SpecError
from reports.energy import component_name
from reports.figures.cycles import COMPUTE, STALL, cycle_stacks
from reports.figures.energy import energy_stacks
from reports.figures.stacks import Bar, stacked
from rooftile.simulation import simulate
from tests.reports.runs import small, zoo_run


@pytest.mark.parametrize("hardware", ["edge_32x32", "tpu_v4i_like"])
def test_cycles_add_up_part_by_part(hardware: str) -> None:
    report = zoo_run("resnet18", hardware).report
    stacks = cycle_stacks(report)
    assert sum(bar.total for bar in stacks.bars) == report.total_cycles
    assert sum(bar.count for bar in stacks.bars) == sum(
        1 for layer in report.layers if layer.work.total_cycles
    )
    for part in stacks.parts:
        drawn = sum(bar.values.get(part, 0) for bar in stacks.bars)
        work = [layer.work for layer in report.layers]
        told = sum(
            one.compute_cycles if part == COMPUTE else one.causes.get(part, 0) for one in work
        )
        assert drawn == told, part
    assert {part for bar in stacks.bars for part in bar.values} <= set(stacks.parts)


def test_an_analytical_run_knows_no_causes() -> None:
    stacks = cycle_stacks(simulate("lenet", "edge_32x32", engine="analytical").report)
    assert stacks.parts == (COMPUTE, STALL)


def test_energies_add_up_by_component() -> None:
    report = zoo_run("resnet18", "edge_32x32").report
    stacks = energy_stacks(report)
    for component, energy_pj in report.energies_pj.items():
        drawn = sum(bar.values.get(component_name(component), 0) for bar in stacks.bars)
        assert drawn == pytest.approx(energy_pj)
    assert stacks.parts[0] == "dram"
    assert stacks.parts[-1] == "MACs"


def test_without_energies_there_is_no_stack() -> None:
    with pytest.raises(SpecError, match="key 'energy' is missing"):
        energy_stacks(zoo_run("alexnet", "tpu_v1").report)


def test_columns_end_in_their_unit() -> None:
    (first, *_) = cycle_stacks(small().report).records()
    assert [*first][:4] == ["layer", "layers", "compute_cycles", "DRAM_bandwidth_cycles"]
    (first, *_) = energy_stacks(small().report).records()
    assert all(key.endswith("_pj") for key in [*first][2:])


def test_the_smallest_bars_are_one() -> None:
    bars = [Bar(name=str(n), count=1, values={"a": float(n), "b": 1.0}) for n in range(10)]
    kept = stacked(bars, most=4)
    assert [bar.name for bar in kept] == ["6", "7", "8", "9", "6 others"]
    assert kept[-1].values == {"a": 15.0, "b": 6.0}
    assert stacked(bars, most=10) == bars
