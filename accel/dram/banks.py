"""Banks under a table of constraints: when may a command be issued, and what does it change?"""

from __future__ import annotations

from array import array
from collections.abc import Iterable

from accel.dram.commands import (
    ACTIVATE,
    BANK,
    CHANNEL,
    CLOSED,
    COMMANDS,
    EVER,
    GROUP,
    OTHER_RANKS,
    PRECHARGE_ALL,
    RANK,
    READ,
    REFRESH,
    WRITE,
    Constraint,
    delay_table,
)
from accel.dram.spec import DramSpec


class Banks:
    """The banks of a channel.

    ``open_row`` and ``hits`` have a number for each bank: its row, and the column commands since
    that was opened. ``activates`` counts the activates of the whole channel.

    Parameters
    ----------
    spec
        How many there are, and the windows of activates.
    constraints
        The standard's table.
    """

    def __init__(self, spec: DramSpec, constraints: Iterable[Constraint]) -> None:
        self.count = spec.banks
        self.ranks = spec.ranks
        self.per_rank = spec.banks_per_rank
        self.groups = spec.ranks * spec.bank_groups
        self.activates = 0
        self.open_row = array("q", [CLOSED]) * spec.banks
        self.hits = array("q", [0]) * spec.banks
        self._group_of = array("q", [b // spec.banks_per_group for b in range(spec.banks)])
        self._rank_of = array("q", [b // spec.banks_per_rank for b in range(spec.banks)])
        #: First clock of each command in each bank, group and rank, and in the channel.
        self._group_times = COMMANDS * self.count
        self._rank_times = self._group_times + COMMANDS * self.groups
        self._channel_times = self._rank_times + COMMANDS * self.ranks
        self._ready = array("q", [EVER]) * (self._channel_times + COMMANDS)
        table = delay_table(constraints)
        self._first, self._following, self._clocks = table.first, table.following, table.clocks
        windows = [
            (count, clocks)
            for count, clocks in ((4, spec.timing.faw), (32, spec.timing.aw32))
            if clocks
        ]
        self._windows = len(windows)
        self._window_length = array("q", [count for count, _ in windows])
        self._window_clocks = array("q", [clocks for _, clocks in windows])
        longest = max((count for count, _ in windows), default=0)
        #: Rings of the last activates, one for each window and rank, and where the oldest stands.
        self._ring_size = longest
        self._activated = array("q", [EVER]) * (longest * len(windows) * spec.ranks)
        self._oldest = array("q", [0]) * (len(windows) * spec.ranks)

    def rank_of(self, bank: int) -> int:
        """Return the number of a bank's rank."""
        return self._rank_of[bank]

    def earliest(self, command: int, bank: int) -> int:
        """Return the first clock in which a bank may get a command."""
        rank = self._rank_of[bank]
        clock = self._ready[command * self.count + bank]
        other = self._ready[self._group_times + command * self.groups + self._group_of[bank]]
        if other > clock:
            clock = other
        other = self._ready[self._rank_times + command * self.ranks + rank]
        if other > clock:
            clock = other
        other = self._ready[self._channel_times + command]
        if other > clock:
            clock = other
        if command == ACTIVATE:
            for window in range(self._windows):
                ring = window * self.ranks + rank
                oldest = self._activated[ring * self._ring_size + self._oldest[ring]]
                if oldest + self._window_clocks[window] > clock:
                    clock = oldest + self._window_clocks[window]
        return clock

    def issue(self, command: int, bank: int, row: int, clock: int) -> None:
        """Issue a command; one for a whole rank goes to any of its banks."""
        self._change_state(command, bank, row, clock)
        rank, group = self._rank_of[bank], self._group_of[bank]
        self._delay(BANK * COMMANDS + command, bank, self.count, clock)
        self._delay(GROUP * COMMANDS + command, self._group_times + group, self.groups, clock)
        self._delay(RANK * COMMANDS + command, self._rank_times + rank, self.ranks, clock)
        self._delay(CHANNEL * COMMANDS + command, self._channel_times, 1, clock)
        for other in range(self.ranks):
            if other != rank:
                first = self._rank_times + other
                self._delay(OTHER_RANKS * COMMANDS + command, first, self.ranks, clock)

    def _delay(self, entry: int, first: int, step: int, clock: int) -> None:
        """Let what follows a command wait, in one bank, group, rank or channel."""
        for place in range(self._first[entry], self._first[entry + 1]):
            at = first + self._following[place] * step
            if clock + self._clocks[place] > self._ready[at]:
                self._ready[at] = clock + self._clocks[place]

    def _change_state(self, command: int, bank: int, row: int, clock: int) -> None:
        if command == ACTIVATE:
            self.open_row[bank] = row
            self.activates += 1
            for window in range(self._windows):
                ring = window * self.ranks + self._rank_of[bank]
                place = self._oldest[ring]
                self._activated[ring * self._ring_size + place] = clock
                self._oldest[ring] = (place + 1) % self._window_length[window]
        elif command in (READ, WRITE):
            self.hits[bank] += 1
        elif command == PRECHARGE_ALL:
            first = self._rank_of[bank] * self.per_rank
            for each in range(first, first + self.per_rank):
                self._close(each)
        elif command != REFRESH:
            self._close(bank)

    def _close(self, bank: int) -> None:
        self.open_row[bank] = CLOSED
        self.hits[bank] = 0
