"""Where the cycles of a piece of work went, over all of its programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from accel.trace import Repeated
from accel.units import Clock
from reports.attribution import causes_of_stalls
from reports.cores import core_view, last_core
from reports.stats import UnitCycles, added, stalls, unit_cycles


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkCycles:
    """Where the cycles of a whole piece of work went.

    Parameters
    ----------
    total, compute
        All cycles, and those of the primary unit of the core that finishes last.
    stalls
        What is waited for, to the other cycles; they add up.
    causes
        Why, to the same cycles; they add up as well.
    units
        Unit to where its cycles went.
    """

    total: int
    compute: int
    stalls: Mapping[str, int]
    causes: Mapping[str, int]
    units: Mapping[str, UnitCycles]


def total_cycles(pieces: Sequence[Repeated], clock: Clock) -> WorkCycles:
    """Return the cycles of pieces that run one after the other, each as often as it repeats."""
    total = compute = 0
    found: list[dict[str, int]] = []
    causes: list[dict[str, int]] = []
    units: dict[str, list[tuple[UnitCycles, int]]] = {}
    for piece in pieces:
        own = unit_cycles(piece.trace, clock)
        last = core_view(piece.trace, last_core(piece.trace))
        own_compute, own_stalls = stalls(last, clock, unit_cycles(last, clock))
        own_total = clock.cycle_at_or_after(piece.trace.end_fs)
        compute += piece.count * own_compute
        found.append(_times(piece.count, own_stalls))
        causes.append(_times(piece.count, causes_of_stalls(last, own_stalls)))
        for name, cycles in own.items():
            before = [(UnitCycles(busy=0, waits={}, idle=total), 1)] if total else []
            units.setdefault(name, before).append((cycles, piece.count))
        total += piece.count * own_total
        for name in units.keys() - own.keys():
            idle = UnitCycles(busy=0, waits={}, idle=own_total)
            units[name].append((idle, piece.count))
    return WorkCycles(
        total=total,
        compute=compute,
        stalls=added(found),
        causes=added(causes),
        units={name: _summed(parts) for name, parts in units.items()},
    )


def _summed(parts: Sequence[tuple[UnitCycles, int]]) -> UnitCycles:
    return UnitCycles(
        busy=sum(count * unit.busy for unit, count in parts),
        waits=added(_times(count, unit.waits) for unit, count in parts),
        idle=sum(count * unit.idle for unit, count in parts),
    )


def _times(count: int, parts: Mapping[str, int]) -> dict[str, int]:
    return {name: count * cycles for name, cycles in parts.items()}
