"""Statistics of traces: where every unit's cycles went. Pure functions of arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from accel.trace import OPCODES, Column, Trace
from accel.units import Clock
from foundation.distinct import distinct

Intervals = tuple[Column, Column]
Number = TypeVar("Number", int, float)

#: What a queue lacks, in words, by the end of its semaphore's name; `cause_in_words` has the rest.
_WORDS = {
    "psum_free": "vector unit",
    "psum_ready": "array",
    "output_free": "store",
    "output_ready": "vector unit",
    "data_free": "store",
    "data_ready": "load",
    "passed_ready": "layer before",
    "border_ready": "border",
    "dma_slot": "DMA slot",
    "memory_busy": "memory busy",
    "scratchpad_port": "scratchpad port",
    "bank_conflict": "bank conflict",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitCycles:
    """Where one unit's cycles went; the parts add up to the total.

    Parameters
    ----------
    busy
        Cycles in which it worked.
    waits
        Cause in words to cycles in which it waited for it.
    idle
        Cycles in which it had nothing left to do, or not yet.
    """

    busy: int
    waits: Mapping[str, int]
    idle: int

    @property
    def total(self) -> int:
        """All cycles."""
        return self.busy + sum(self.waits.values()) + self.idle


def cause_in_words(cause: str) -> str:
    """Return what a unit waits for when it waits for a semaphore of this name."""
    role, _, end = cause.rpartition("_")
    role = role.rstrip("0123456789")
    if f"{role}_{end}" in _WORDS:
        return _WORDS[f"{role}_{end}"]
    if end == "free":
        return "buffer in use"
    return f"{role if role in ('input', 'weight') else 'parameter'} load"


def words_of_causes(trace: Trace) -> tuple[str, ...]:
    """Return what waits are for, in words, by number of the cause.

    Where the vector unit has no work, as in an embedding, outputs come straight from loads.
    """
    words = tuple(cause_in_words(cause) for cause in trace.causes)
    if (trace["opcode"] == OPCODES.index("vector")).any():
        return words
    return tuple(
        "load" if cause == "output_ready" else word
        for cause, word in zip(trace.causes, words, strict=True)
    )


def unit_cycles(trace: Trace, clock: Clock) -> dict[str, UnitCycles]:
    """Return where the cycles of every unit that works went.

    A DMA engine's queue waits on its behalf. Where a unit both works and waits, it works.
    """
    start, end = clock.cycles(trace["start_fs"]), clock.cycles(trace["end_fs"])
    total = clock.cycle_at_or_after(trace.end_fs)
    is_wait, words_by_cause = trace["cause"] >= 0, words_of_causes(trace)
    result = {}
    for number, name in enumerate(trace.units):
        if name.rpartition(".")[2] in ("load", "store"):
            continue
        queue = trace.units.index(name.partition(":")[0])
        busy = ~is_wait & (trace["unit"] == number)
        waiting = is_wait & ((trace["unit"] == number) | (trace["unit"] == queue))
        causes: dict[str, Intervals] = {}
        for cause in distinct(trace["cause"][waiting])[::-1]:  # structural causes first
            rows = waiting & (trace["cause"] == cause)
            words = words_by_cause[cause]
            causes[words] = _joined(causes.get(words), (start[rows], end[rows]))
        result[name] = _attribute((start[busy], end[busy]), causes, total)
    return result


def _attribute(busy: Intervals, causes: Mapping[str, Intervals], total: int) -> UnitCycles:
    """Split ``total`` into busy, waits and the rest, each cycle once."""
    covered, covered_cycles = busy, union_cycles(busy)
    busy_cycles, waits = covered_cycles, {}
    for cause, intervals in causes.items():
        covered = _joined(covered, intervals)
        length = union_cycles(covered)
        if length > covered_cycles:
            waits[cause] = length - covered_cycles
        covered_cycles = length
    return UnitCycles(busy=busy_cycles, waits=waits, idle=total - covered_cycles)


def union_cycles(intervals: Intervals) -> int:
    """Return the length of the union of intervals, given as starts and ends."""
    start, end = intervals
    if not len(start):
        return 0
    order = np.argsort(start, kind="stable")
    start, end = start[order], end[order]
    reached = np.maximum.accumulate(end)
    from_here = np.maximum(start[1:], reached[:-1])
    return int(end[0] - start[0] + np.maximum(0, end[1:] - from_here).sum())


def _joined(first: Intervals | None, second: Intervals) -> Intervals:
    if first is None:
        return second
    return np.concatenate([first[0], second[0]]), np.concatenate([first[1], second[1]])


def primary_unit(trace: Trace) -> str | None:
    """Return the array's name if it works, else the vector unit's; None if neither does."""
    for name in ("matrix", "vector"):
        own = (trace["unit"] == trace.units.index(name)) & (trace["cause"] < 0)
        if (trace["end_fs"][own] > trace["start_fs"][own]).any():
            return name
    return None


def stalls(
    trace: Trace, clock: Clock, units: Mapping[str, UnitCycles]
) -> tuple[int, dict[str, int]]:
    """Return a layer's compute cycles, and its stall cycles by cause.

    Compute cycles are those of the primary unit: the array if it works, else the vector unit. What
    it doesn't wait for itself is the tail: the vector unit, or what that waits for, then stores. A
    layer that only moves data has no primary unit: it stalls for loads, then for stores.
    """
    primary = primary_unit(trace)
    found = dict(units[primary].waits) if primary else {}
    compute = units[primary].busy if primary else 0
    start, end = clock.cycles(trace["start_fs"]), clock.cycles(trace["end_fs"])
    own = trace["unit"] == (trace.units.index(primary) if primary else -1)
    covered = start[own], end[own]
    covered_cycles = compute + sum(found.values())
    for words, rows in _tail(trace, has_primary=primary is not None):
        covered = _joined(covered, (start[rows], end[rows]))
        length = union_cycles(covered)
        found[words] = found.get(words, 0) + length - covered_cycles
        covered_cycles = length
    rest = clock.cycle_at_or_after(trace.end_fs) - covered_cycles
    if rest:
        found["latency"] = found.get("latency", 0) + rest
    return compute, {cause: cycles for cause, cycles in found.items() if cycles}


def _tail(trace: Trace, *, has_primary: bool) -> Iterable[tuple[str, NDArray[np.bool_]]]:
    """Yield what can hold a layer up after its primary unit's work, first to count first."""
    is_wait = trace["cause"] >= 0
    vector, words = trace["unit"] == trace.units.index("vector"), words_of_causes(trace)
    yield "vector unit", vector & ~is_wait
    for cause in distinct(trace["cause"][vector & is_wait])[::-1]:
        yield words[cause], vector & (trace["cause"] == cause)
    for engine in ("store",) if has_primary else ("load", "store"):
        numbers = [n for n, name in enumerate(trace.units) if name.startswith(f"{engine}:")]
        yield engine, np.isin(trace["unit"], numbers) & ~is_wait


def largest(parts: Mapping[str, int]) -> tuple[str, int] | None:
    """Return the largest part, the first of equals; None if there is none."""
    return max(parts.items(), key=lambda item: item[1], default=None)


def added(parts: Iterable[Mapping[str, Number]]) -> dict[str, Number]:
    """Return the sums of mappings by key, in the order in which keys appear."""
    total: dict[str, Number] = {}
    for part in parts:
        for key, value in part.items():
            total[key] = total[key] + value if key in total else value
    return total
