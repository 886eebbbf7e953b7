"""The timeline on a page: the slices of ``timeline.json``, each where it was."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from reports.timeline_record import timeline_record

UNITS = ["matrix", "load:dram"]

#: For each layer a unit's slices: gaps before them and durations, in picoseconds, and a name.
Slices = list[tuple[int, int, str]]
_slice = st.tuples(st.integers(0, 50), st.integers(1, 50), st.sampled_from(["matmul 0", "load 1"]))
_layers = st.lists(st.lists(st.lists(_slice, max_size=6), min_size=2, max_size=2), max_size=5)


def event(name: str, track: int, start: int, end: int, **more: Any) -> dict[str, Any]:
    """Return a slice of a trace, its times in microseconds."""
    return {
        "ph": "X",
        "tid": track,
        "name": name,
        "ts": start / 1e6,
        "dur": (end - start) / 1e6,
    } | more


def heads() -> list[dict[str, Any]]:
    names = ["layers", *UNITS]
    return [{"ph": "M", "tid": n, "args": {"name": name}} for n, name in enumerate(names)]


def timeline(layers: list[list[Slices]]) -> tuple[list[dict[str, Any]], list[tuple[int, int, int]]]:
    """Return events, and the slices as track, start and end."""
    events, start = heads(), 10**9
    expected: list[tuple[int, int, int]] = []
    for number, units in enumerate(layers):
        times = []
        for track, slices in enumerate(units, start=1):
            time = start
            for gap, duration, name in slices:
                times.append((name, track, time + gap, time + gap + duration))
                time += gap + duration
        end = max([start + 1, *(one[3] for one in times)])
        events.append(event(f"layer{number}", 0, start, end, args={"pieces": 1}))
        events += [event(*one) for one in times]
        expected += [(track, start, end) for _, track, start, end in times]
        start = end
    return events, expected


def unpacked(record: dict[str, Any]) -> list[tuple[int, int, int]]:
    """Return the slices of a record as track, start and end: as the page's script reads them."""
    found = []
    for layer, units in record["slices"].items():
        for unit, flat in units.items():
            time = record["layers"][layer][1]
            for gap, duration in zip(flat[::3], flat[1::3], strict=True):
                found.append((unit + 1, time + gap, time + gap + duration))
                time += gap + duration
    return found


@given(_layers)
def test_every_slice_comes_back_to_the_picosecond(layers: list[list[Slices]]) -> None:
    events, expected = timeline(layers)
    record = timeline_record(events)
    assert record["units"] == UNITS
    assert record["joined"] == 1
    assert sorted(unpacked(record)) == sorted(expected)
    assert [layer[0] for layer in record["layers"]] == [f"layer{n}" for n in range(len(layers))]


@given(_layers, st.integers(1, 12))
def test_joined_slices_cover_the_same_times(layers: list[list[Slices]], most: int) -> None:
    events, expected = timeline(layers)
    record = timeline_record(events, max_slices=most)
    found = unpacked(record)
    tracks = len(layers) * len(UNITS)
    assert len(found) <= most + tracks, "a unit's last block may be smaller"
    for track, start, end in expected:
        assert any(t == track and s <= start and end <= e for t, s, e in found)
    for track in (1, 2):
        own = sorted(one[1:] for one in found if one[0] == track)
        assert all(end <= start for (_, end), (start, _) in pairwise(own))


def test_equal_layers_have_the_slices_of_the_first() -> None:
    pieces = {"args": {"pieces": 3}}
    events = [
        *heads(),
        event("a (as b)", 0, 0, 10, **pieces),
        event("c", 0, 10, 20, **pieces),
        event("d (as c)", 0, 20, 30, **pieces),
        event("matmul 0", 1, 12, 15),
    ]
    record = timeline_record(events)
    assert record["layers"] == [
        ["a (as b)", 0, 10, 0, 3],  # a name of its own: no layer 'b' was drawn before it
        ["c", 10, 20, 1, 3],
        ["d", 20, 30, 1, 3],
    ]
    assert record["slices"] == {1: {0: [2, 3, 0]}}
