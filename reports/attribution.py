"""Why a layer stalls: every stalled cycle under one cause, and they add up."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from accel.trace import TRANSFER_CAUSES, Column, Trace
from foundation.apportion import apportion
from reports.stats import added, primary_unit

#: Causes of stalls in words, by `accel.trace.TRANSFER_CAUSES`.
CAUSE_WORDS = dict(
    zip(
        TRANSFER_CAUSES,
        (
            "DRAM bandwidth",
            "DRAM latency",
            "row conflicts",
            "refresh",
            "queue full",
            "shared buffer",
            "network",
        ),
        strict=True,
    )
)
DEPENDENCY = "dependency"
#: What is waited for, to its cause where that isn't the main memory.
_OTHER_CAUSES = {
    "scratchpad port": "scratchpad port",
    "bank conflict": "bank conflict",
    "DMA slot": "queue full",
    "vector unit": DEPENDENCY,
    "array": DEPENDENCY,
    "buffer in use": DEPENDENCY,
}


def causes_of_stalls(trace: Trace, stalls: Mapping[str, int]) -> dict[str, int]:
    """Return cause to stall cycles; their sum is that of ``stalls``.

    Parameters
    ----------
    trace
        What happened.
    stalls
        What is waited for, in words, to stall cycles (`reports.stats.stalls`).

    Notes
    -----
    Stall cycles are those in which the primary unit doesn't work. What waits for transfers is split
    by what the transfers under way in that time were spent on, each weighted by how long it was
    under way; time without any transfer is a dependency.

    # Approximation: the split is that of all stalled time of the layer, not of each wait.
    """
    of_memory = sum(cycles for words, cycles in stalls.items() if words not in _OTHER_CAUSES)
    parts = [
        {_OTHER_CAUSES[words]: cycles} for words, cycles in stalls.items() if words in _OTHER_CAUSES
    ]
    if of_memory:
        weights = _memory_weights(trace)
        split = apportion(of_memory, list(weights.values()))
        parts.append(dict(zip(weights, split, strict=True)))
    return {cause: cycles for cause, cycles in added(parts).items() if cycles}


def _memory_weights(trace: Trace) -> dict[str, int]:
    """Return cause to femtoseconds in which the primary unit didn't work."""
    primary = primary_unit(trace)
    is_work = trace["cause"] < 0
    busy = is_work & (trace["unit"] == (trace.units.index(primary) if primary else -1))
    working = _Covered(trace["start_fs"][busy], trace["end_fs"][busy])
    rows = trace["operand"] >= 0
    start, end = trace["start_fs"][rows], trace["end_fs"][rows]
    stalled = (end - start) - working.between(start, end)
    share = stalled / np.maximum(end - start, 1)
    by_cause = {
        CAUSE_WORDS[cause]: float((trace[f"{cause}_fs"][rows] * share).sum())
        for cause in TRANSFER_CAUSES
    }
    moving = _Covered(start, end)
    both = moving.length + working.length - moving.union_with(working)
    covered, whole = moving.length - both, trace.end_fs - working.length
    scale = covered / (sum(by_cause.values()) or 1.0)
    weights = {cause: round(weight * scale) for cause, weight in by_cause.items()}
    return {**weights, DEPENDENCY: max(0, whole - covered)}


class _Covered:
    """The union of intervals."""

    def __init__(self, start: Column, end: Column) -> None:
        order = np.argsort(start, kind="stable")
        start, end = start[order], end[order]
        reached = np.maximum.accumulate(end) if len(end) else end
        is_first = np.ones(len(start), np.bool_)
        is_first[1:] = start[1:] > reached[:-1]
        self._start = start[is_first]
        lasts = np.append(np.flatnonzero(is_first)[1:] - 1, len(start) - 1)
        last = lasts if len(start) else np.zeros(0, np.int64)
        self._end = reached[last]
        self._before = np.concatenate([[0], np.cumsum(self._end - self._start)])

    @property
    def length(self) -> int:
        """Length of the union."""
        return int(self._before[-1])

    def between(self, start: Column, end: Column) -> NDArray[np.int64]:
        """Return how much of each of some intervals is covered."""
        return self._up_to(end) - self._up_to(start)

    def union_with(self, other: _Covered) -> int:
        """Return the length of the union with other intervals."""
        both = _Covered(
            np.concatenate([self._start, other._start]), np.concatenate([self._end, other._end])
        )
        return both.length

    def _up_to(self, time: Column) -> NDArray[np.int64]:
        place = np.searchsorted(self._start, time, side="right")
        inside = np.append(self._end, 0)[place - 1]  # -1, nothing before, picks the 0
        beyond = np.maximum(0, np.where(place > 0, inside - time, 0))
        covered: NDArray[np.int64] = self._before[place] - beyond
        return covered
