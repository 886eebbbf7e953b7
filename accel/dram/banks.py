"""Banks under a table of constraints: when may a command be issued, and what does it change?

A standard's rules are rows of (level, preceding command, following command, clocks): after the
preceding command the following one has to wait so long in the same bank, bank group, rank or
channel, or in the other ranks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from accel.dram.spec import DramSpec

ACTIVATE, PRECHARGE, READ, WRITE, READ_PRECHARGE, WRITE_PRECHARGE, PRECHARGE_ALL, REFRESH = range(8)
COMMANDS = 8
#: Commands that move data.
COLUMN_COMMANDS = (READ, WRITE, READ_PRECHARGE, WRITE_PRECHARGE)
CLOSED = -1
#: No command has to wait: before the first cycle.
EVER = -(1 << 60)

LEVELS = ("bank", "group", "rank", "channel", "other_ranks")


@dataclass(frozen=True, slots=True)
class Constraint:
    """A row of a standard's table; the commands are several of each kind."""

    level: str
    preceding: tuple[int, ...]
    following: tuple[int, ...]
    clocks: int


class Banks:
    """The banks of a channel.

    Parameters
    ----------
    spec
        How many there are, and the windows of activates.
    constraints
        The standard's table.
    """

    def __init__(self, spec: DramSpec, constraints: Iterable[Constraint]) -> None:
        self._spec = spec
        self.open_row = [CLOSED] * spec.banks
        #: Column commands since a bank's row was opened.
        self.hits = [0] * spec.banks
        self.activates = 0
        self._group_of = [bank // spec.banks_per_group for bank in range(spec.banks)]
        self._rank_of = [bank // spec.banks_per_rank for bank in range(spec.banks)]
        self._bank = [[EVER] * spec.banks for _ in range(COMMANDS)]
        self._group = [[EVER] * spec.ranks * spec.bank_groups for _ in range(COMMANDS)]
        self._rank = [[EVER] * spec.ranks for _ in range(COMMANDS)]
        self._channel = [EVER] * COMMANDS
        self._windows = [
            (clocks, [deque([EVER] * count, maxlen=count) for _ in range(spec.ranks)])
            for count, clocks in ((4, spec.timing.faw), (32, spec.timing.aw32))
            if clocks
        ]
        table = list(constraints)
        self._after = {level: _by_command(level, table) for level in LEVELS}

    def earliest(self, command: int, bank: int) -> int:
        """Return the first clock in which a bank may get a command."""
        rank = self._rank_of[bank]
        clock = self._bank[command][bank]
        for other in (
            self._group[command][self._group_of[bank]],
            self._rank[command][rank],
            self._channel[command],
        ):
            if other > clock:
                clock = other
        if command == ACTIVATE:
            for clocks, times in self._windows:
                if times[rank][0] + clocks > clock:
                    clock = times[rank][0] + clocks
        return clock

    def banks_of(self, rank: int) -> range:
        """Return the numbers of a rank's banks."""
        first = rank * self._spec.banks_per_rank
        return range(first, first + self._spec.banks_per_rank)

    def issue(self, command: int, bank: int, row: int, clock: int) -> None:
        """Issue a command; one for a whole rank goes to any of its banks."""
        self._change_state(command, bank, row, clock)
        rank, group = self._rank_of[bank], self._group_of[bank]
        for following, clocks in self._after["bank"][command]:
            _raise(self._bank[following], bank, clock + clocks)
        for following, clocks in self._after["group"][command]:
            _raise(self._group[following], group, clock + clocks)
        for following, clocks in self._after["rank"][command]:
            _raise(self._rank[following], rank, clock + clocks)
        for following, clocks in self._after["channel"][command]:
            _raise(self._channel, following, clock + clocks)
        for following, clocks in self._after["other_ranks"][command]:
            for other in range(self._spec.ranks):
                if other != rank:
                    _raise(self._rank[following], other, clock + clocks)

    def _change_state(self, command: int, bank: int, row: int, clock: int) -> None:
        if command == ACTIVATE:
            self.open_row[bank] = row
            self.activates += 1
            for _, times in self._windows:
                times[self._rank_of[bank]].append(clock)
        elif command in (READ, WRITE):
            self.hits[bank] += 1
        elif command == PRECHARGE_ALL:
            for each in self.banks_of(self._rank_of[bank]):
                self._close(each)
        elif command != REFRESH:
            self._close(bank)

    def _close(self, bank: int) -> None:
        self.open_row[bank] = CLOSED
        self.hits[bank] = 0


def _by_command(level: str, constraints: Iterable[Constraint]) -> list[list[tuple[int, int]]]:
    """Return, for each command, what it delays at a level: the longest delay of each command."""
    longest: list[dict[int, int]] = [{} for _ in range(COMMANDS)]
    for constraint in constraints:
        if constraint.level == level:
            for command in constraint.preceding:
                for following in constraint.following:
                    known = longest[command].get(following, constraint.clocks)
                    longest[command][following] = max(known, constraint.clocks)
    return [list(delays.items()) for delays in longest]


def _raise(times: list[int], index: int, clock: int) -> None:
    if clock > times[index]:
        times[index] = clock
