"""The timeline: valid JSON, right times, and slices that a viewer can draw."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from accel.spec_file import load_preset
from accel.units import Clock
from reports import timeline
from reports.timeline import write_timeline
from rooftile.simulation import Result
from tests.reports.runs import SMALL, run, small, zoo_run

Event = dict[str, Any]


def events_of(made: Result) -> list[Event]:
    stream = io.StringIO()
    write_timeline(stream, made.report, made.plan, made.traces)
    loaded = json.loads(stream.getvalue())
    assert loaded["displayTimeUnit"] == "ns"
    events: list[Event] = loaded["traceEvents"]
    return events


def tracks_of(events: list[Event]) -> dict[str, list[Event]]:
    """Return track name to slices in order of time."""
    names = {e["tid"]: e["args"]["name"] for e in events if e["ph"] == "M"}
    tracks: dict[str, list[Event]] = {name: [] for name in names.values()}
    for event in events:
        if event["ph"] == "X":
            tracks[names[event["tid"]]].append(event)
    return {name: sorted(es, key=lambda e: float(e["ts"])) for name, es in tracks.items()}


def test_one_track_per_unit_and_one_for_layers() -> None:
    assert list(tracks_of(events_of(small()))) == [
        "layers",
        "load queue (waits)",
        "matrix",
        "vector",
        "store queue (waits)",
        "load:dram",
        "store:dram",
    ]


def test_layers_stand_end_to_end_in_microseconds() -> None:
    report = small().report
    clock = Clock(hz=report.spec.clock_hz)
    slices = tracks_of(events_of(small()))["layers"]
    assert [s["name"] for s in slices] == ["conv", "pool", "crop", "fc.0", "fc.1 (as fc.0)"]
    start_cycle = 0
    for shown in slices:
        assert shown["ts"] == pytest.approx(clock.edge_fs(start_cycle) / 1e9)
        start_cycle += shown["args"]["total_cycles"]
    assert slices[-1]["ts"] + slices[-1]["dur"] == pytest.approx(report.time_fs / 1e9)


def test_equal_work_is_drawn_once_where_its_first_layer_runs() -> None:
    tracks = tracks_of(events_of(small()))
    second = tracks["layers"][-1]
    busy = [s for name, slices in tracks.items() if name != "layers" for s in slices]
    assert max(s["ts"] + s["dur"] for s in busy) <= second["ts"] + 1e-6


def test_a_tile_has_the_time_of_its_trace_row() -> None:
    made = small()
    trace = made.traces[0][0].trace
    shown = [s for s in tracks_of(events_of(made))["matrix"] if s["name"] == "matmul 0"]
    row = trace.rows(opcode="matmul")
    assert shown[0]["ts"] == pytest.approx(int(row["start_fs"][0]) / 1e9)
    length_fs = int(row["end_fs"][0] - row["start_fs"][0])
    assert shown[0]["dur"] == pytest.approx(length_fs / 1e9)


@pytest.mark.parametrize("most", [2000, 7, 1])
@pytest.mark.parametrize("hardware", ["edge_32x32", "tpu_v4i_like", "eyeriss_v1_like"])
def test_slices_of_a_track_never_overlap(
    hardware: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeline, "MAX_SLICES", most)
    network = SMALL.replace("[1, 12, 12, 3]", "[2, 40, 40, 3]")
    for slices in tracks_of(events_of(run(network, load_preset(hardware)))).values():
        for first, second in pairwise(slices):
            assert first["dur"] >= 0
            assert first["ts"] + first["dur"] <= second["ts"] + 1e-7


def test_too_many_slices_are_joined_and_say_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    made = run(SMALL.replace("[1, 12, 12, 3]", "[4, 60, 60, 3]"), load_preset("eyeriss_v1_like"))
    before = tracks_of(events_of(made))["matrix"]
    conv_end = tracks_of(events_of(made))["layers"][1]["ts"]
    tiles = [s for s in before if s["name"].startswith("matmul") and s["ts"] < conv_end]
    monkeypatch.setattr(timeline, "MAX_SLICES", 2)
    after = [s for s in tracks_of(events_of(made))["matrix"] if s["ts"] < conv_end]
    joined = -(-len(tiles) // 2)
    assert joined > 1
    assert [s["name"] for s in after] == [
        f"matmul 0 and {joined - 1} more",
        f"matmul {joined} and {joined - 1} more",
    ]
    assert after[0]["ts"] == tiles[0]["ts"]
    assert after[-1]["ts"] + after[-1]["dur"] == pytest.approx(tiles[-1]["ts"] + tiles[-1]["dur"])


def test_a_large_network_has_few_slices_a_unit_and_layer() -> None:
    made = zoo_run("gpt3_175b_prefill", "tpu_v1")
    tracks = tracks_of(events_of(made))
    layers = tracks.pop("layers")
    assert len(layers) == sum(1 for layer in made.report.layers if layer.work.total_cycles)
    drawn = [s for s in layers if " (as " not in s["name"]]
    assert len(drawn) == len(
        {layer.work_number for layer in made.report.layers if layer.work.units}
    )
    most = max(len(piece.trace) for pieces in made.traces for piece in pieces)
    assert most > 4 * timeline.MAX_SLICES
    most_pieces = max(map(len, made.traces))  # each distinct piece is drawn once
    for slices in tracks.values():
        for layer in drawn:
            start, end = layer["ts"], layer["ts"] + layer["dur"]
            inside = [s for s in slices if start <= s["ts"] + 1e-6 < end]
            assert len(inside) <= most_pieces * timeline.MAX_SLICES


LONG = """
name: long
inputs: {data: [1, 96]}
blocks: {dense: {layers: [{name: fc, op: linear, out: 96}]}}
layers: [{name: stage, use: dense, repeat: 60}]
"""


def test_a_run_of_hours_fits() -> None:
    made = run(LONG, replace(load_preset("eyeriss_v1_like"), clock_hz=1))
    assert made.report.time_fs > 2**63
    slices = tracks_of(events_of(made))["layers"]
    assert slices[-1]["ts"] + slices[-1]["dur"] == pytest.approx(made.report.time_s * 1e6)
