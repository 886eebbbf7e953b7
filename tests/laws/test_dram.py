"""Networks on every DRAM standard and controller: all bytes move, causes add up, runs repeat."""

from __future__ import annotations

import pytest

from accel.dram.controllers import CONTROLLERS
from accel.dram.standards import standard_names
from accel.spec import AcceleratorSpec
from accel.spec_file import parse_spec
from rooftile.simulation import Result, simulate
from tests.reports.runs import SMALL, run


def machine(standard: str, controller: str, more: str = "") -> AcceleratorSpec:
    text = (
        f"base: edge_ddr4\nmemories: {{dram: {{capacity: 256MiB, dram: {{standard: {standard},"
        f" controller: {controller}{more}}}}}}}"
    )
    return parse_spec(text, "test.yaml")


def check(result: Result) -> None:
    for layer in result.report.layers:
        work = layer.work
        assert work.total_dram_bytes >= work.compulsory_bytes
        assert sum(work.causes.values()) == work.stall_cycles
        assert work.total_cycles >= work.bound_cycles


@pytest.mark.parametrize("controller", CONTROLLERS)
@pytest.mark.parametrize("standard", standard_names())
def test_every_standard_runs(standard: str, controller: str) -> None:
    spec = machine(standard, controller, ", channels: 2")
    first, second = run(SMALL, spec), run(SMALL, spec)
    check(first)
    for pieces, again in zip(first.traces, second.traces, strict=True):
        for one, other in zip(pieces, again, strict=True):
            assert all((one.trace[name] == other.trace[name]).all() for name in one.trace.columns)


@pytest.mark.parametrize(
    "more",
    [", pages: closed", ", refresh: false", ", window: 1", ", channels: 4, ranks: 2"],
)
def test_every_option_runs(more: str) -> None:
    check(run(SMALL, machine("ddr4_2400", "dramsim3", more)))


def test_a_network_is_slower_without_a_window_and_with_closed_pages() -> None:
    cycles = [
        run(SMALL, machine("ddr4_2400", "dramsim3", more)).report.total_cycles
        for more in ("", ", pages: closed", ", window: 1")
    ]
    assert cycles[0] < cycles[1]
    assert cycles[0] < cycles[2]


def test_dram_is_never_faster_than_its_bandwidth_alone() -> None:
    banked = machine("ddr4_2400", "ramulator2")
    text = (
        "base: edge_32x32\nmemories: {dram: {capacity: 256MiB, bandwidth: 19.2GB/s, latency: 0ns}}"
    )
    ideal = simulate("resnet18", parse_spec(text, "test.yaml")).report
    found = simulate("resnet18", banked).report
    for layer, least in zip(found.layers, ideal.layers, strict=True):
        assert layer.work.total_cycles >= layer.work.lower_bound_cycles
        # Where transfers take turns as a whole, a store of `pool1` waits for all loads before
        # it; at a DRAM engines take turns by requests (DESIGN, Approximations).
        if layer.name != "pool1":
            assert layer.work.total_cycles >= 0.99 * least.work.total_cycles, layer.name
    assert ideal.total_cycles <= found.total_cycles < 1.5 * ideal.total_cycles
