"""A run's timeline, compact enough for a page: slices of each piece of work, by unit."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

PS_PER_MICROSECOND = 10**6
#: Slices of all units that a page holds; neighbours are joined beyond that.
MAX_SLICES = 120_000
_LAYERS_TRACK = 0

#: Start and end in picoseconds, and name.
Slice = tuple[int, int, str]


def timeline_record(
    events: Iterable[Mapping[str, Any]], *, max_slices: int = MAX_SLICES
) -> dict[str, Any]:
    """Return trace events as a page takes them.

    Parameters
    ----------
    events
        Those of ``timeline.json``.
    max_slices
        How many slices of units are kept.

    Returns
    -------
    dict
        ``layers``: name, start and end in picoseconds, and the number of the layer whose slices are
        its own (itself, unless an equal layer was drawn before it), in order of time. ``units``:
        names. ``names``: those of slices. ``slices``: for each layer that is drawn, for each of its
        units, a flat list of gap (since the end of the slice before, or the layer's start),
        duration, and name. ``joined``: how many neighbours one slice stands for, at most.

    Notes
    -----
    # Approximation: where there are more than ``max_slices``, so many neighbours of a unit are
    joined into one slice, from the start of the first to the end of the last, that fewer are left.
    """
    units: dict[int, str] = {}
    layers: list[dict[str, Any]] = []
    slices: dict[int, list[Slice]] = {}
    for event in events:
        if event["ph"] == "M" and event["tid"] != _LAYERS_TRACK:
            units[event["tid"]] = event["args"]["name"]
        elif event["ph"] == "X" and event["tid"] == _LAYERS_TRACK:
            layers.append(_layer(event, layers))
        elif event["ph"] == "X":
            slices.setdefault(event["tid"], []).append((*_span(event), event["name"]))
    joined = max(1, -(-sum(map(len, slices.values())) // max_slices))
    names: dict[str, int] = {}
    drawn: dict[int, dict[int, list[int]]] = {}
    for number, track in enumerate(units):
        for layer, own in _by_layer(slices.get(track, []), layers).items():
            flat = _flat(own, layers[layer]["start"], joined, names)
            drawn.setdefault(layer, {})[number] = flat
    return {
        "layers": [list(layer.values()) for layer in layers],
        "units": list(units.values()),
        "names": list(names),
        "slices": drawn,
        "joined": joined,
    }


def _span(event: Mapping[str, Any]) -> tuple[int, int]:
    """Return start and end in picoseconds: the end is rounded, not the duration."""
    start, end = event["ts"], event["ts"] + event["dur"]
    return round(start * PS_PER_MICROSECOND), round(end * PS_PER_MICROSECOND)


def _layer(event: Mapping[str, Any], before: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a layer; one that is drawn as another, ``name (as other)``, has that one's number."""
    start, end = _span(event)
    name, alike = event["name"], len(before)
    for number in range(len(before)):
        own = before[number]
        if name.endswith(f" (as {own['name']})"):
            name, alike = name.removesuffix(f" (as {own['name']})"), number
            break
    return {
        "name": name,
        "start": start,
        "end": end,
        "alike": alike,
        "pieces": event["args"]["pieces"],
    }


def _by_layer(
    slices: Sequence[Slice], layers: Sequence[Mapping[str, Any]]
) -> dict[int, list[Slice]]:
    """Return slices by the number of the layer in which they start."""
    starts = [layer["start"] for layer in layers]
    found: dict[int, list[Slice]] = {}
    for one in sorted(slices):
        found.setdefault(max(0, bisect_right(starts, one[0]) - 1), []).append(one)
    return found


def _flat(slices: Sequence[Slice], start: int, joined: int, names: dict[str, int]) -> list[int]:
    """Return slices as gaps, durations and numbers of names, neighbours joined."""
    flat: list[int] = []
    for first in range(0, len(slices), joined):
        group = slices[first : first + joined]
        begin, end, name = group[0][0], group[-1][1], group[0][2]
        if len(group) > 1:
            name = f"{name} and {len(group) - 1} more"
        flat += [begin - start, end - begin, names.setdefault(name, len(names))]
        start = end
    return flat
