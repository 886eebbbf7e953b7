from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest

from accel.spec_file import load_preset
from foundation.errors import SimulationError
from reports.report import Report
from reports.roofline import Ceiling, make_roofline
from rooftile.simulation import simulate
from tests.laws.machines import MACHINES
from tests.reports.runs import two_linears, zoo_run


def small_report() -> Report:
    return simulate(two_linears(), MACHINES[0]).report


def faster(report: Report, total_cycles: int) -> Report:
    """Return the report with its first layer in so many cycles."""
    first = report.layers[0]
    work = replace(first.work, total_cycles=total_cycles)
    return replace(report, layers=(replace(first, work=work), *report.layers[1:]))


def test_ceilings_of_tpu_v1() -> None:
    ceilings = make_roofline(zoo_run("alexnet", "tpu_v1").report).ceilings
    # Jouppi et al., ISCA 2017, table 2: 92 TOP/s and 34 GB/s; PCIe 3.0 x16, figure 1: 14 GiB/s.
    assert ceilings[:5] == (
        Ceiling(label="array 91.8 TOP/s", is_main=True, ops_per_s=2 * 256 * 256 * 700e6),
        Ceiling(label="vector unit 358 GOP/s", is_main=False, ops_per_s=2 * 256 * 700e6),
        Ceiling(label="weights 34 GB/s", is_main=True, bytes_per_s=34e9),
        Ceiling(label="host 15 GB/s", is_main=True, bytes_per_s=14 * 2**30),
        Ceiling(
            label="main memories together 49 GB/s", is_main=True, bytes_per_s=34e9 + 14 * 2**30
        ),
    )
    scratchpads = load_preset("tpu_v1").scratchpads
    assert {c.bytes_per_s for c in ceilings[5:]} == {
        pad.bandwidth_bytes_per_cycle * 700e6 for pad in scratchpads
    } - {inf}
    assert not any(ceiling.is_main for ceiling in ceilings[5:])


def test_equal_bandwidths_are_one_ceiling() -> None:
    spec = MACHINES[2]  # unified scratchpads with 16 B/cycle each
    labels = [c.label for c in make_roofline(simulate(two_linears(), spec).report).ceilings]
    assert labels == [
        "array 40 GOP/s",
        "vector unit 8 GOP/s",
        "dram 4 GB/s",
        "buffer, accumulator 16 GB/s",
    ]


def test_unlimited_bandwidth_has_no_slope() -> None:
    spec = MACHINES[0]
    (memory,) = spec.memories
    ideal = replace(spec, memories=(replace(memory, bandwidth_bytes_per_s=inf, latency_fs=0),))
    roofline = make_roofline(simulate(two_linears(), ideal).report)
    assert [ceiling.bytes_per_s for ceiling in roofline.ceilings] == [None, None]
    assert len(roofline.dots) == 1


def test_a_dot_stands_for_equal_layers() -> None:
    report = small_report()
    (dot,) = make_roofline(report).dots
    layer = report.layers[0]
    assert dot.label == "layer0 ×2"
    assert dot.time_share == 1
    assert dot.bound_by == layer.work.bound_by
    assert dot.intensity_ops_per_byte == layer.operations / layer.work.total_dram_bytes
    assert dot.ops_per_s == pytest.approx(layer.operations / layer.work.total_cycles * 1e9)


def test_shares_of_the_time_add_up() -> None:
    report = zoo_run("resnet18", "edge_32x32").report
    dots = make_roofline(report).dots
    drawn = sum(layer.work.total_cycles for layer in report.layers if layer.operations)
    assert sum(dot.time_share for dot in dots) == pytest.approx(drawn / report.total_cycles)


def test_moves_have_no_dot() -> None:
    report = zoo_run("gpt2", "tpu_v1").report
    labels = {dot.label.partition(" ")[0] for dot in make_roofline(report).dots}
    moves = {layer.name for layer in report.layers if not layer.operations}
    assert moves
    assert not moves & labels


def test_title_says_what_where_and_how_long() -> None:
    report = small_report()
    assert make_roofline(report).title == "random on ws: 208 ns for 1 inference"
    assert make_roofline(replace(report, batch=8)).title.endswith(" for 8 inferences")


def test_a_dot_on_its_roof_is_fine_and_above_it_an_error() -> None:
    report = small_report()
    work, spec = report.layers[0].work, report.spec
    roof = min(12 * 2, 512 / work.total_dram_bytes * 4)  # ops per cycle
    assert report.layers[0].operations == 512
    assert spec.peak_ops_per_s == 24e9
    least = -(-512 // roof)
    assert 512 / least == roof
    make_roofline(faster(report, int(least)))
    with pytest.raises(SimulationError) as error:
        make_roofline(faster(report, 10))
    assert str(error.value) == (
        "roofline, at 10 cycles: layer 'layer0' does 5.12e+10 ops/s but its roof is 1.28e+10 ops/s"
    )
