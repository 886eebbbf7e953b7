"""Causes of stalls add up, and are those of the transfers under way; bandwidth holds all bytes."""

from __future__ import annotations

import json
from io import StringIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel.trace import TRANSFER_CAUSES, Trace
from foundation.apportion import apportion
from reports.attribution import causes_of_stalls
from reports.bandwidth import bandwidth_over_time
from reports.timeline import write_timeline
from tests.reports.runs import FS_PER_CYCLE, Row, small, trace_by_hand, zoo_run


def with_transfers(rows: list[Row], *, end_cycle: int, parts: dict[int, dict[str, int]]) -> Trace:
    """Return a trace whose rows of these numbers are transfers with (cause, cycles) parts."""
    trace = trace_by_hand(rows, end_cycle=end_cycle)
    for row, causes in parts.items():
        trace["operand"][row] = 0
        trace["bytes"][row] = 1000
        for cause, cycles in causes.items():
            trace[f"{cause}_fs"][row] = cycles * FS_PER_CYCLE
    return trace


def test_a_stall_is_split_as_its_transfer_is() -> None:
    rows: list[Row] = [
        ("load:dram", 0, 100, None),
        ("matrix", 0, 100, "weight_ready"),
        ("matrix", 100, 150, None),
    ]
    parts = {0: {"dram_bandwidth": 60, "row_conflict": 30, "refresh": 10}}
    trace = with_transfers(rows, end_cycle=150, parts=parts)
    assert causes_of_stalls(trace, {"weight load": 100}) == {
        "DRAM bandwidth": 60,
        "row conflicts": 30,
        "refresh": 10,
    }


def test_what_a_transfer_does_behind_work_does_not_count() -> None:
    rows: list[Row] = [
        ("load:dram", 0, 100, None),
        ("load:dram", 100, 140, None),
        ("matrix", 0, 100, None),
        ("matrix", 100, 140, "weight_ready"),
        ("matrix", 140, 150, None),
    ]
    parts = {0: {"refresh": 100}, 1: {"dram_latency": 40}}
    trace = with_transfers(rows, end_cycle=150, parts=parts)
    assert causes_of_stalls(trace, {"weight load": 40}) == {"DRAM latency": 40}


def test_time_without_any_transfer_is_a_dependency() -> None:
    rows: list[Row] = [
        ("load:dram", 0, 30, None),
        ("matrix", 0, 100, "weight_ready"),
        ("matrix", 100, 150, None),
    ]
    trace = with_transfers(rows, end_cycle=150, parts={0: {"dram_bandwidth": 30}})
    stalls = {"weight load": 90, "vector unit": 7, "DMA slot": 3}
    assert causes_of_stalls(trace, stalls) == {
        "DRAM bandwidth": 27,
        "dependency": 63 + 7,
        "queue full": 3,
    }


@pytest.mark.parametrize("hardware", ["edge_ddr4", "edge_32x32", "tpu_v1"])
def test_causes_add_up_over_a_network(hardware: str) -> None:
    report = zoo_run("resnet18", hardware).report
    for layer in report.layers:
        assert sum(layer.work.causes.values()) == layer.work.stall_cycles
        assert sum(layer.work.stalls.values()) == layer.work.stall_cycles


@pytest.mark.parametrize("hardware", ["edge_ddr4", "edge_32x32"])
def test_the_parts_of_a_transfer_are_its_time(hardware: str) -> None:
    for pieces in zoo_run("resnet18", hardware).traces:
        for piece in pieces:
            trace = piece.trace
            rows = trace["operand"] >= 0
            parts = np.sum([trace[f"{cause}_fs"] for cause in TRANSFER_CAUSES], axis=0)
            assert (parts == (trace["end_fs"] - trace["start_fs"]) * rows).all()


def test_without_a_bank_there_are_no_row_conflicts() -> None:
    causes = {cause for layer in small().report.layers for cause in layer.work.causes}
    assert causes <= {"DRAM bandwidth", "DRAM latency", "dependency", "queue full"}


@given(total=st.integers(0, 10**15), weights=st.lists(st.integers(0, 10**12), min_size=1))
def test_parts_add_up(total: int, weights: list[int]) -> None:
    parts = apportion(total, weights)
    assert sum(parts) == total
    assert min(parts) >= 0
    whole = sum(weights)
    if whole:
        for part, weight in zip(parts, weights, strict=True):
            assert abs(part - total * weight / whole) <= 1 + total * 1e-15


def test_bandwidth_over_time_holds_every_byte() -> None:
    for pieces in zoo_run("resnet18", "edge_ddr4").traces:
        for piece in pieces:
            trace = piece.trace
            number = trace.units.index("load:dram")
            rows = (trace["unit"] == number) & (trace["operand"] >= 0)
            edges, rates = bandwidth_over_time(trace, "load:dram", 50)
            moved = float((rates * np.diff(edges)).sum()) / 1e15
            assert moved == pytest.approx(int(trace["bytes"][rows].sum()), rel=1e-6)
            assert moved <= 19.2e9 * trace.end_fs / 1e15


def test_an_idle_engine_has_no_bandwidth() -> None:
    trace = trace_by_hand([("matrix", 0, 5, None)], end_cycle=5)
    assert not bandwidth_over_time(trace, "load:dram", 10).bytes_per_s.any()


def test_the_timeline_has_a_curve_of_bandwidth() -> None:

    result, stream = small(), StringIO()
    write_timeline(stream, result.report, result.plan, result.traces)
    events = json.loads(stream.getvalue())["traceEvents"]
    names = {event["name"] for event in events if event["ph"] == "C"}
    assert names == {"load:dram (GB/s)", "store:dram (GB/s)"}
