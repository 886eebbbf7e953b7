"""The timeline in Chrome's trace-event format, which Perfetto opens: one track per unit.

A piece of work is drawn tile by tile for the first layer that does it; later layers of equal work
are one slice on the track of layers, and name the first. So it is with the equal pieces of a large
layer: the first is drawn, and the slice of the layer says how many there are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from accel.trace import OPCODES, Column, Repeated, Trace
from accel.units import Clock
from mapper.plan import Plan
from reports.bandwidth import bandwidth_over_time
from reports.cores import plain_name
from reports.report import Report
from reports.stats import words_of_causes

#: Slices of one unit in one layer, at most: neighbours are joined beyond that.
MAX_SLICES = 2000
#: Steps of the curve of bandwidth over time in one piece of work.
BANDWIDTH_BINS = 100
FS_PER_MICROSECOND = 10**9
_LAYERS_TRACK = 0


def write_timeline(
    stream: TextIO, report: Report, plan: Plan, traces: Sequence[Sequence[Repeated]]
) -> None:
    """Write all events as JSON; times are microseconds."""
    stream.write('{"displayTimeUnit": "ns", "traceEvents": [\n')
    tracks = _tracks(traces)
    names = {"layers": _LAYERS_TRACK, **tracks}
    events = [_metadata(name, number) for name, number in names.items()]
    events += _layer_events(report, plan, traces)
    stream.write(",\n".join(events))
    clock = Clock(hz=plan.spec.clock_hz)
    start_cycle = 0
    drawn: set[int] = set()
    for layer in report.layers:
        if layer.work_number not in drawn:
            drawn.add(layer.work_number)
            piece_cycle = start_cycle
            for piece in traces[layer.work_number]:
                start_fs = clock.edge_fs(piece_cycle)
                for event in chain(
                    _unit_events(piece.trace, tracks, start_fs),
                    _bandwidth_events(piece.trace, start_fs),
                ):
                    stream.write(",\n")
                    stream.write(event)
                piece_cycle += piece.count * clock.cycle_at_or_after(piece.trace.end_fs)
        start_cycle += layer.work.total_cycles
    stream.write("\n]}\n")


def _tracks(traces: Sequence[Sequence[Repeated]]) -> dict[str, int]:
    """Return a track number for every unit that appears in a trace."""
    names = dict.fromkeys(
        name for pieces in traces for piece in pieces for name in piece.trace.units
    )
    return {name: number for number, name in enumerate(names, start=_LAYERS_TRACK + 1)}


def _metadata(name: str, track: int) -> str:
    is_queue = plain_name(name) in ("load", "store")
    return json.dumps(
        {
            "ph": "M",
            "pid": 0,
            "tid": track,
            "name": "thread_name",
            "args": {"name": f"{name} queue (waits)" if is_queue else name},
        }
    )


def _layer_events(
    report: Report, plan: Plan, traces: Sequence[Sequence[Repeated]]
) -> Iterator[str]:
    clock = Clock(hz=plan.spec.clock_hz)
    first: dict[int, str] = {}
    start_cycle = 0
    for layer in report.layers:
        work = layer.work
        if work.total_cycles:
            alike = first.setdefault(layer.work_number, layer.name)
            start_fs = clock.edge_fs(start_cycle)
            end_fs = clock.edge_fs(start_cycle + work.total_cycles)
            yield json.dumps(
                {
                    "ph": "X",
                    "pid": 0,
                    "tid": _LAYERS_TRACK,
                    "name": layer.name if alike == layer.name else f"{layer.name} (as {alike})",
                    "ts": start_fs / FS_PER_MICROSECOND,
                    "dur": (end_fs - start_fs) / FS_PER_MICROSECOND,
                    "args": {
                        "operator": layer.operator,
                        "shape": layer.shape,
                        "total_cycles": work.total_cycles,
                        "bound_by": work.bound_by,
                        "pieces": sum(piece.count for piece in traces[layer.work_number]),
                    },
                }
            )
        start_cycle += work.total_cycles


def _unit_events(trace: Trace, tracks: dict[str, int], start_fs: int) -> Iterator[str]:
    """Yield the slices of every unit, many neighbours joined into one where there are too many."""
    for number, unit in enumerate(trace.units):
        rows, starts = _disjoint(trace, number)
        if not len(rows):
            continue
        joined = -(-len(rows) // MAX_SLICES)
        firsts = np.arange(0, len(rows), joined)
        lasts = rows[np.minimum(firsts + joined - 1, len(rows) - 1)]
        # The sum can pass 64 bits of femtoseconds, two and a half hours; each term can't.
        start = starts[firsts] / FS_PER_MICROSECOND + start_fs / FS_PER_MICROSECOND
        duration = (trace["end_fs"][lasts] - starts[firsts]) / FS_PER_MICROSECOND
        heads = _names(trace, rows[firsts], joined)
        track = tracks[unit]
        for name, ts, dur in zip(heads, start.tolist(), duration.tolist(), strict=True):
            yield (
                f'{{"ph": "X", "pid": 0, "tid": {track}, "name": "{name}",'
                f' "ts": {ts!r}, "dur": {dur!r}}}'
            )


def _bandwidth_events(trace: Trace, start_fs: int) -> Iterator[str]:
    """Yield how fast each DMA engine moves data over time: a counter track for each."""
    for unit in trace.units:
        if ":" not in unit:
            continue
        edges, rates = bandwidth_over_time(trace, unit, BANDWIDTH_BINS)
        if not rates.any():
            continue
        values = [*(rates / 1e9).tolist(), 0.0]
        for edge, rate in zip(edges.tolist(), values, strict=True):
            ts = edge / FS_PER_MICROSECOND + start_fs / FS_PER_MICROSECOND
            yield (
                f'{{"ph": "C", "pid": 0, "name": "{unit} (GB/s)", "ts": {ts!r},'
                f' "args": {{"GB/s": {rate:.6g}}}}}'
            )


def _disjoint(trace: Trace, unit: int) -> tuple[Column, Column]:
    """Return a unit's rows in order of time, and their starts, such that no two overlap.

    Slices of one track must not overlap. Where a unit both works and waits, it works: a wait starts
    when the work before it ends, and disappears if it ends earlier. Waits are left out where there
    are too many rows to draw each.
    """
    rows = np.flatnonzero(trace["unit"] == unit)
    start, end, is_wait = trace["start_fs"][rows], trace["end_fs"][rows], trace["cause"][rows] >= 0
    busy = np.flatnonzero(~is_wait)
    busy = busy[np.argsort(start[busy], kind="stable")]
    if len(rows) > MAX_SLICES and len(busy):
        return rows[busy], start[busy]
    waits = np.flatnonzero(is_wait)
    waits = waits[np.argsort(end[waits], kind="stable")]
    before = np.searchsorted(start[busy], end[waits]) - 1
    after_work = np.append(end[busy], 0)[before]  # -1, no work before it, picks the 0
    after_wait = np.concatenate([[0], end[waits]])[:-1]
    clipped = np.maximum.reduce([start[waits], after_work, after_wait])
    seen = clipped < end[waits]
    chosen = np.concatenate([busy, waits[seen]])
    starts = np.concatenate([start[busy], clipped[seen]])
    order = np.argsort(starts, kind="stable")
    return rows[chosen[order]], starts[order]


def _names(trace: Trace, rows: NDArray[np.int64], joined: int) -> list[str]:
    """Return the slices' names: opcode and tile, or what is waited for."""
    suffix = f" and {joined - 1} more" if joined > 1 else ""
    words = words_of_causes(trace)
    columns = zip(
        trace["opcode"][rows].tolist(),
        trace["tag"][rows].tolist(),
        trace["cause"][rows].tolist(),
        strict=True,
    )
    return [
        f"wait: {words[cause]}{suffix}" if cause >= 0 else f"{OPCODES[opcode]} {tag}{suffix}"
        for opcode, tag, cause in columns
    ]
