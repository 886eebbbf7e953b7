"""A main memory's bandwidth over time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from accel.trace import Column, Trace


class Bandwidth(NamedTuple):
    """Bytes per second between successive times in femtoseconds."""

    edges_fs: Column
    bytes_per_s: NDArray[np.float64]


def bandwidth_over_time(trace: Trace, engine: str, bins: int) -> Bandwidth:
    """Return how fast an engine moved data, in bins of equal length.

    Parameters
    ----------
    trace
        What happened.
    engine
        Name of the unit, such as ``load:dram``.
    bins
        How many.

    Notes
    -----
    # Approximation: a transfer's bytes are spread evenly over the time it is under way.
    """
    rows = (trace["operand"] >= 0) & (trace["unit"] == trace.units.index(engine))
    start, end = trace["start_fs"][rows], trace["end_fs"][rows]
    rate = trace["bytes"][rows] / np.maximum(end - start, 1)
    times = np.concatenate([start, np.maximum(end, start + 1)])
    changes = np.concatenate([rate, -rate])
    order = np.argsort(times, kind="stable")
    times, slope = times[order], np.cumsum(changes[order])
    moved = np.concatenate([[0.0], np.cumsum(slope[:-1] * np.diff(times))])
    edges = np.linspace(0, max(trace.end_fs, 1), bins + 1).astype(np.int64)
    at_edges = np.interp(edges, times, moved) if len(times) else np.zeros(len(edges))
    lengths_s = np.maximum(np.diff(edges), 1) / 1e15
    return Bandwidth(edges, np.maximum(0.0, np.diff(at_edges)) / lengths_s)
