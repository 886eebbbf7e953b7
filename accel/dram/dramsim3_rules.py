"""DRAMsim3's table of constraints and the numbers of its policies."""

from __future__ import annotations

from collections.abc import Iterator

from accel.dram.commands import (
    ACTIVATE,
    BANK,
    GROUP,
    OTHER_RANKS,
    PRECHARGE,
    RANK,
    READ,
    READ_PRECHARGE,
    REFRESH,
    WRITE,
    WRITE_PRECHARGE,
    Constraint,
)
from accel.dram.spec import DramTiming

#: Hits after which a row gives way to an older request (command_queue.cc, ArbitratePrecharge).
ROW_HIT_LIMIT = 4
#: Writes that are worth draining when nothing else is to do (controller.cc, ScheduleTransaction).
IDLE_DRAIN = 8


def constraints(timing: DramTiming) -> Iterator[Constraint]:
    """Yield the table of constraints of DRAMsim3's timing.cc."""
    reads, writes = (READ, READ_PRECHARGE), (WRITE, WRITE_PRECHARGE)
    t = timing
    for level, read_gap, write_gap, write_to_read in (
        (GROUP, max(t.burst, t.ccd_l), max(t.burst, t.ccd_l), t.write_to_read_l),
        (RANK, max(t.burst, t.ccd_s), max(t.burst, t.ccd_s), t.write_to_read_s),
        (OTHER_RANKS, t.read_to_read_other, t.write_to_write_other, t.write_to_read_other),
    ):
        turnaround = t.read_to_write_other if level == OTHER_RANKS else t.read_to_write
        yield Constraint(level, reads, reads, read_gap)
        yield Constraint(level, writes, writes, write_gap)
        yield Constraint(level, reads, writes, turnaround)
        yield Constraint(level, writes, reads, write_to_read)
    yield Constraint(BANK, (READ,), (PRECHARGE,), t.rtp)
    yield Constraint(BANK, (WRITE,), (PRECHARGE,), t.write_to_precharge)
    yield Constraint(BANK, (READ_PRECHARGE,), (ACTIVATE,), t.burst + t.rtp + t.rp)
    yield Constraint(BANK, (READ_PRECHARGE,), (REFRESH,), t.rtp + t.rp)
    yield Constraint(BANK, (WRITE_PRECHARGE,), (ACTIVATE, REFRESH), t.write_to_precharge + t.rp)
    yield Constraint(BANK, (ACTIVATE,), (ACTIVATE,), t.rc)
    yield Constraint(BANK, (ACTIVATE,), reads, t.rcd_read)
    yield Constraint(BANK, (ACTIVATE,), writes, t.rcd_write)
    yield Constraint(BANK, (ACTIVATE,), (PRECHARGE,), t.ras)
    yield Constraint(GROUP, (ACTIVATE,), (ACTIVATE,), t.rrd_l)
    yield Constraint(RANK, (ACTIVATE,), (ACTIVATE,), t.rrd_s)
    yield Constraint(BANK, (PRECHARGE,), (ACTIVATE, REFRESH), t.rp)
    yield Constraint(RANK, (PRECHARGE,), (PRECHARGE,), t.ppd)
    yield Constraint(RANK, (REFRESH,), (ACTIVATE, REFRESH), t.rfc)
