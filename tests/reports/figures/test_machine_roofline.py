"""The full roofline: peaks and levels of machines, dots at each level, and never above a roof."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest

from accel.spec_file import load_preset, parse_spec
from foundation.errors import SimulationError
from reports.figures.machine_roofline import MAIN, MachineRoofline, design_of_run, peaks_of
from reports.roofline import make_roofline
from rooftile.simulation import simulate
from tests.reports.runs import run, small, zoo_run

LINEAR = """
name: one
inputs: {data: [40, 24]}
layers:
  - {name: fc, op: linear, out: 48}
"""


def test_levels_are_what_has_a_bandwidth_the_furthest_first() -> None:
    result = zoo_run("resnet18", "edge_32x32")
    found = design_of_run(result.report, result.traces)
    clock_hz, pads = result.report.spec.clock_hz, result.report.spec.scratchpads
    assert [level.name for level in found.levels] == ["dram", "input", "weight", "psum", "output"]
    assert [level.is_main for level in found.levels] == [True, False, False, False, False]
    assert [level.bytes_per_s for level in found.levels[1:]] == [
        pad.bandwidth_bytes_per_cycle * clock_hz for pad in pads
    ]


def test_several_main_memories_are_levels_of_their_own_or_one() -> None:
    result = zoo_run("alexnet", "tpu_v1")
    apart = design_of_run(result.report, result.traces)
    assert [level.name for level in apart.levels[:2]] == ["weights", "host"]
    (together,) = design_of_run(result.report, result.traces, only_main=True).levels
    assert together.name == MAIN
    assert together.bytes_per_s == 34e9 + 14 * 2**30  # as presets/tpu_v1.yaml cites


def test_a_shared_buffer_is_a_level() -> None:
    result = zoo_run("lenet", "mesh_64core")
    found = design_of_run(result.report, result.traces)
    spec = result.report.spec
    assert spec.shared_buffer is not None
    (buffer,) = [level for level in found.levels if level.name == "shared buffer"]
    assert buffer.bytes_per_s == spec.shared_buffer.bandwidth_bytes_per_cycle * spec.clock_hz
    assert any(point.level == "shared buffer" for point in found.points)


def test_unlimited_levels_have_no_roof() -> None:
    spec = load_preset("edge_32x32")
    pads = tuple(replace(pad, bandwidth_bytes_per_cycle=inf) for pad in spec.scratchpads)
    result = run(LINEAR, replace(spec, scratchpads=pads))
    found = design_of_run(result.report, result.traces)
    assert [level.name for level in found.levels] == ["dram"]


def test_precisions_are_peaks_of_their_own() -> None:
    spec = parse_spec(
        "base: edge_32x32\narray:\n  dtypes:\n    - int8\n    - bf16\n"
        "    - {input: int8, weight: int4, macs_per_cycle: 2}\n",
        "t.yaml",
    )
    assert [(peak.name, peak.ops_per_s) for peak in peaks_of(spec)] == [
        ("array int8 x int4", 4 * 32 * 32 * 1e9),
        ("array int8, bf16", 2 * 32 * 32 * 1e9),
        ("vector unit", 2 * 32 * 1e9),
    ]


def test_bytes_of_a_level_are_those_that_the_array_accesses() -> None:
    """Counted in elements of one byte, by other columns than the roofline's."""
    result = run(LINEAR, load_preset("edge_32x32"))
    (layer,) = result.report.layers
    found = design_of_run(result.report, result.traces)
    at = {point.level: point.intensity_ops_per_byte for point in found.points}
    accesses = layer.work.scratchpad_accesses
    assert layer.operations / at["weight"] == pytest.approx(accesses["weight_reads"])
    assert layer.operations / at["input"] == pytest.approx(accesses["input_reads"])
    assert layer.operations / at["dram"] == pytest.approx(layer.work.total_dram_bytes)
    assert layer.operations / at["output"] == pytest.approx(40 * 48)


def test_at_main_memory_the_dots_are_those_of_the_runs_roofline() -> None:
    report, traces = small().report, small().traces
    dots = [
        (dot.intensity_ops_per_byte, dot.ops_per_s, dot.time_share)
        for dot in make_roofline(report).dots
    ]
    main = design_of_run(report, traces, only_main=True)
    assert dots == [
        (point.intensity_ops_per_byte, point.ops_per_s, point.time_share) for point in main.points
    ]


@pytest.mark.parametrize(
    ("network", "hardware"),
    [("resnet18", "edge_32x32"), ("lenet", "mesh_64core"), ("alexnet", "tpu_v1")],
)
def test_no_dot_lies_above_the_roof_of_its_level(network: str, hardware: str) -> None:
    result = zoo_run(network, hardware)
    found = design_of_run(result.report, result.traces)
    bandwidths = {level.name: level.bytes_per_s for level in found.levels}
    assert {point.level for point in found.points} == set(bandwidths)
    for point in found.points:
        assert point.ops_per_s <= point.intensity_ops_per_byte * bandwidths[point.level] * 1.000001
        assert point.ops_per_s <= found.peak_ops_per_s


def test_a_dot_above_a_scratchpads_roof_is_an_error() -> None:
    result = run(LINEAR, load_preset("edge_32x32"))
    (layer,) = result.report.layers
    quick = replace(layer, work=replace(layer.work, total_cycles=60))
    with pytest.raises(SimulationError, match=r"layer 'fc' does .* but its roof at '\w+' is "):
        design_of_run(replace(result.report, layers=(quick,)), result.traces)


def test_the_analytical_engine_knows_main_memories() -> None:
    result = simulate("lenet", "edge_32x32", engine="analytical")
    found = design_of_run(result.report, result.traces)
    assert {point.level for point in found.points} == {"dram"}
    assert [level.name for level in found.levels] == ["dram"]


def test_dots_of_a_layer_are_joined_in_the_order_of_the_designs() -> None:
    runs = [zoo_run("resnet18", hardware) for hardware in ("edge_32x32", "tpu_v4i_like")]
    designs = tuple(design_of_run(one.report, one.traces, only_main=True) for one in runs)
    shown = MachineRoofline(title="", designs=designs)
    joined = {points[0].name: points for points in shown.joined()}
    assert "conv1" in joined
    first, second = joined["conv1"]
    assert first in designs[0].points
    assert second in designs[1].points


def test_the_csv_has_every_ceiling_and_dot() -> None:
    found = design_of_run(small().report, small().traces)
    records = MachineRoofline(title="", designs=(found,)).records()
    kinds = [record["kind"] for record in records]
    assert kinds.count("bandwidth") == len(found.levels)
    assert kinds.count("peak") == len(found.peaks)
    assert kinds.count("dot") == len(found.points)
    assert len({tuple(record) for record in records}) == 1
