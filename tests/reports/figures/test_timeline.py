"""The timeline: what units and memories do in each step adds up to all that they do."""

from __future__ import annotations

import numpy as np
import pytest

from accel.spec_file import load_preset
from accel.trace import Repeated
from foundation.errors import OutputError
from reports.figures.timeline import timeline_of
from reports.report import make_report
from rooftile.simulation import simulate
from tests.reports.runs import VIEWS, run, small, zoo_run


@pytest.mark.parametrize(
    ("network", "hardware"),
    [("resnet18", "edge_32x32"), ("lenet", "mesh_64core"), ("alexnet", "tpu_v1")],
)
def test_steps_add_up(network: str, hardware: str) -> None:
    result = zoo_run(network, hardware)
    shown = timeline_of(result.report, result.traces)
    step_s = np.diff(shown.edges_us) / 1e6
    for memory in shown.memories:
        moved = ((memory.read_bytes_per_s + memory.written_bytes_per_s) * step_s).sum()
        told = sum(layer.work.memory_bytes.get(memory.name, 0) for layer in result.report.layers)
        assert moved == pytest.approx(told)
    spec = result.report.spec
    busy_cycles = (shown.busy["array"] * step_s).sum() * spec.clock_hz * spec.cores
    told = sum(
        unit.busy
        for layer in result.report.layers
        for name, unit in layer.work.units.items()
        if name.rpartition(".")[2] == "matrix"
    )
    if spec.cores == 1:  # of several cores a report keeps those of the last one
        assert busy_cycles == pytest.approx(told)


def test_each_step_by_counting_cycle_by_cycle() -> None:
    """Of a repeated piece: every cycle of every repetition, one by one."""
    result = small()
    report, traces = result.report, result.traces
    shown = timeline_of(report, traces, bins=50)
    spec = report.spec
    matrix = np.zeros(report.total_cycles)
    start = 0
    for layer in report.layers:
        for piece in traces[layer.work_number]:
            trace = piece.trace
            for _ in range(piece.count):
                unit = trace.units.index("matrix")
                rows = np.flatnonzero((trace["unit"] == unit) & (trace["cause"] < 0))
                for row in rows:
                    first = start + trace["start_fs"][row] * spec.clock_hz // 10**15
                    last = start + trace["end_fs"][row] * spec.clock_hz // 10**15
                    matrix[first:last] += 1
                start += trace.end_fs * spec.clock_hz // 10**15
    sums = np.concatenate([[0], np.cumsum(matrix)])
    edges = np.linspace(0, report.total_cycles, 51)
    expected = np.diff(np.interp(edges, np.arange(len(sums)), sums)) / np.diff(edges)
    assert np.allclose(shown.busy["array"], expected, atol=1e-6)


def test_repetitions_of_a_piece_follow_each_other() -> None:
    result = small()
    traces = [
        tuple(Repeated(trace=piece.trace, count=3) for piece in pieces) for pieces in result.traces
    ]
    report = make_report(result.plan, traces)
    shown = timeline_of(report, traces)
    assert report.total_cycles == 3 * result.report.total_cycles
    once = timeline_of(result.report, result.traces)
    assert shown.busy["array"].mean() == pytest.approx(once.busy["array"].mean())
    assert shown.layers[0] == once.layers[0]


def test_the_csv_has_a_line_for_each_step() -> None:
    records = timeline_of(small().report, small().traces, bins=7).records()
    assert len(records) == 7
    assert list(records[0]) == [
        *("start_us", "end_us", "array_share", "vector_unit_share"),
        *("dram_read_bytes_per_s", "dram_written_bytes_per_s"),
    ]


def test_nothing_to_draw_is_an_error() -> None:
    views = run(VIEWS, load_preset("edge_32x32"))
    with pytest.raises(OutputError, match="nothing in this run takes time"):
        timeline_of(views.report, views.traces)
    estimated = simulate("lenet", "edge_32x32", engine="analytical")
    with pytest.raises(OutputError, match="the analytical engine doesn't know when units work"):
        timeline_of(estimated.report, estimated.traces)
