"""Ramulator 2.1's table of constraints and the numbers of its policies."""

from __future__ import annotations

from collections.abc import Iterator

from accel.dram.commands import (
    ACTIVATE,
    BANK,
    CHANNEL,
    GROUP,
    OTHER_RANKS,
    PRECHARGE,
    PRECHARGE_ALL,
    RANK,
    READ,
    REFRESH,
    WRITE,
    Constraint,
    command_set,
)
from accel.dram.spec import DramSpec, DramTiming

#: Shares of the write buffer above and below which writes start and stop (controller_base.cpp).
_WRITES_START, _WRITES_STOP = 0.8, 0.2

_COLUMNS = (READ, WRITE)
_ROWS = (ACTIVATE, PRECHARGE, PRECHARGE_ALL, REFRESH)


def constraints(spec: DramSpec) -> Iterator[Constraint]:
    """Yield the table of constraints of Ramulator's standards.

    A command that holds the bus for several clocks counts from its first: what follows it waits
    longer, what it follows less long.
    """
    t = spec.timing
    slots = {ACTIVATE: t.activate_slots, READ: t.column_slots, WRITE: t.column_slots}
    for rule in _nominal(t, RANK if spec.has_pseudochannels else CHANNEL):
        for command in rule.preceding:
            for following in rule.following:
                clocks = rule.clocks + slots.get(command, 1) - slots.get(following, 1)
                yield Constraint(rule.level, (command,), (following,), clocks)
    for bus in _buses(spec):
        for command in bus:
            if slots.get(command, 1) > 1:
                yield Constraint(CHANNEL, (command,), bus, slots[command])


def _nominal(t: DramTiming, data_bus: int) -> Iterator[Constraint]:
    yield Constraint(data_bus, (READ,), (READ,), t.burst)
    yield Constraint(data_bus, (WRITE,), (WRITE,), t.burst)
    yield Constraint(RANK, (READ,), (READ,), t.ccd_s)
    yield Constraint(RANK, (WRITE,), (WRITE,), t.ccd_s_write)
    yield Constraint(RANK, (READ,), (WRITE,), t.read_to_write)
    yield Constraint(RANK, (WRITE,), (READ,), t.write_to_read_s)
    if data_bus == CHANNEL:
        yield Constraint(OTHER_RANKS, (READ,), (READ,), t.read_to_read_other)
        yield Constraint(OTHER_RANKS, (READ,), (WRITE,), t.read_to_write_other)
        yield Constraint(OTHER_RANKS, (WRITE,), (READ,), t.write_to_read_other)
    yield Constraint(RANK, (READ,), (PRECHARGE_ALL,), t.rtp)
    yield Constraint(RANK, (WRITE,), (PRECHARGE_ALL,), t.write_to_precharge)
    yield Constraint(RANK, (ACTIVATE,), (ACTIVATE,), t.rrd_s)
    yield Constraint(RANK, (ACTIVATE,), (PRECHARGE_ALL,), t.ras)
    yield Constraint(RANK, (PRECHARGE_ALL,), (ACTIVATE,), t.rp_all)
    if t.ppd:
        both = (PRECHARGE, PRECHARGE_ALL)
        yield Constraint(RANK, both, both, t.ppd)
    yield Constraint(RANK, (ACTIVATE,), (REFRESH,), t.rc)
    yield Constraint(RANK, (PRECHARGE, PRECHARGE_ALL), (REFRESH,), t.rp)
    yield Constraint(RANK, (REFRESH,), (ACTIVATE, PRECHARGE_ALL), t.rfc)
    yield Constraint(GROUP, (READ,), (READ,), t.ccd_l)
    yield Constraint(GROUP, (WRITE,), (WRITE,), t.ccd_l_write)
    yield Constraint(GROUP, (WRITE,), (READ,), t.write_to_read_l)
    yield Constraint(GROUP, (ACTIVATE,), (ACTIVATE,), t.rrd_l)
    yield Constraint(BANK, (ACTIVATE,), (ACTIVATE,), t.rc)
    yield Constraint(BANK, (ACTIVATE,), (READ,), t.rcd_read)
    yield Constraint(BANK, (ACTIVATE,), (WRITE,), t.rcd_write)
    yield Constraint(BANK, (ACTIVATE,), (PRECHARGE,), t.ras)
    yield Constraint(BANK, (PRECHARGE,), (ACTIVATE,), t.rp)
    yield Constraint(BANK, (READ,), (PRECHARGE,), t.rtp)
    yield Constraint(BANK, (WRITE,), (PRECHARGE,), t.write_to_precharge)


def _buses(spec: DramSpec) -> tuple[tuple[int, ...], ...]:
    return (_COLUMNS, _ROWS) if spec.has_two_command_buses else (_COLUMNS + _ROWS,)


def command_buses(spec: DramSpec) -> tuple[int, ...]:
    """Return the commands of each bus as a set: all on one, or columns and rows apart."""
    return tuple(command_set(bus) for bus in _buses(spec))


def drain_thresholds(write_queue: int) -> tuple[int, int]:
    """Return the fewest writes that start writing, and the fewest that don't stop it."""
    filled = range(write_queue + 1)
    start = next(n for n in filled if n / write_queue > _WRITES_START)
    stop = next(n for n in filled if n / write_queue >= _WRITES_STOP)
    return start, stop
