"""Gates: a command that isn't ready at t - 1 is ready at t."""

from __future__ import annotations

import pytest

from accel.dram.banks import Banks
from accel.dram.commands import (
    ACTIVATE,
    CLOSED,
    PRECHARGE,
    PRECHARGE_ALL,
    READ,
    REFRESH,
    WRITE,
)
from accel.dram.dramsim3_rules import constraints as dramsim3_constraints
from accel.dram.ramulator2_rules import constraints as ramulator2_constraints
from tests.accel.dram.specs import SPEC, TIMING

SAME, SAME_GROUP, SAME_RANK, OTHER_RANK = 0, 1, 4, 16


@pytest.mark.parametrize(
    ("first", "then", "bank", "clocks"),
    [
        (ACTIVATE, READ, SAME, TIMING.rcd_read),
        (ACTIVATE, WRITE, SAME, TIMING.rcd_write),
        (ACTIVATE, PRECHARGE, SAME, TIMING.ras),
        (ACTIVATE, ACTIVATE, SAME, TIMING.rc),
        (ACTIVATE, ACTIVATE, SAME_GROUP, TIMING.rrd_l),
        (ACTIVATE, ACTIVATE, SAME_RANK, TIMING.rrd_s),
        (PRECHARGE, ACTIVATE, SAME, TIMING.rp),
        (READ, READ, SAME_GROUP, TIMING.ccd_l),
        (READ, READ, SAME_RANK, TIMING.ccd_s),
        (READ, READ, OTHER_RANK, TIMING.read_to_read_other),
        (READ, WRITE, SAME_RANK, TIMING.read_to_write),
        (READ, PRECHARGE, SAME, TIMING.rtp),
        (WRITE, READ, SAME_GROUP, TIMING.write_to_read_l),
        (WRITE, READ, SAME_RANK, TIMING.write_to_read_s),
        (WRITE, READ, OTHER_RANK, TIMING.write_to_read_other),
        (WRITE, PRECHARGE, SAME, TIMING.write_to_precharge),
        (REFRESH, ACTIVATE, SAME_RANK, TIMING.rfc),
    ],
)
@pytest.mark.parametrize("controller", ["dramsim3", "ramulator2"])
def test_a_gate(controller: str, first: int, then: int, bank: int, clocks: int) -> None:
    table = (
        dramsim3_constraints(TIMING) if controller == "dramsim3" else ramulator2_constraints(SPEC)
    )
    banks = Banks(SPEC, table)
    assert banks.earliest(then, bank) < 0
    banks.issue(first, SAME, 7, 100)
    assert banks.earliest(then, bank) == 100 + clocks


def test_the_fifth_activate_waits_for_the_first() -> None:
    banks = Banks(SPEC, ())
    for number in range(4):
        banks.issue(ACTIVATE, 4 * number, 0, 10 + number)
    assert banks.earliest(ACTIVATE, 1) == 10 + TIMING.faw
    assert banks.earliest(ACTIVATE, 1 + OTHER_RANK) < 10


def test_rows_open_and_close() -> None:
    banks = Banks(SPEC, ())
    banks.issue(ACTIVATE, 3, 42, 0)
    banks.issue(READ, 3, 42, 20)
    assert (banks.open_row[3], banks.hits[3], banks.activates) == (42, 1, 1)
    banks.issue(PRECHARGE, 3, CLOSED, 60)
    assert (banks.open_row[3], banks.hits[3]) == (CLOSED, 0)
    banks.issue(ACTIVATE, 5, 1, 70)
    banks.issue(ACTIVATE, 5 + OTHER_RANK, 1, 70)
    banks.issue(PRECHARGE_ALL, 0, CLOSED, 200)
    assert banks.open_row[5] == CLOSED
    assert banks.open_row[5 + OTHER_RANK] == 1
