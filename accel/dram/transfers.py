"""What requests belong to: a transfer is done when its last request is."""

from __future__ import annotations

from array import array

from accel.dram.commands import NONE


class Transfers:
    """Numbered transfers; a number is used again once its transfer was closed.

    ``last`` has, for each transfer, the clock in which its last data so far has crossed the bus.

    Parameters
    ----------
    slots
        Room at the start; it grows when needed.
    """

    def __init__(self, slots: int) -> None:
        self.left = array("q", [0]) * slots
        self.last = array("q", [NONE]) * slots
        self._next_free = array("q", range(1, slots + 1))
        self._next_free[slots - 1] = NONE
        self._free = 0
        self._slots = slots
        #: Transfers that became complete since ``take_complete`` was last called, newest first.
        self.complete = 0
        self._newest = NONE
        self._completed_before = array("q", [NONE]) * slots

    def open(self, requests: int) -> int:
        """Return the number of a new transfer of so many requests."""
        if self._free == NONE:
            self._grow()
        number = self._free
        self._free = self._next_free[number]
        self.left[number] = requests
        self.last[number] = NONE
        return number

    def finish(self, number: int, clock: int) -> None:
        """Note that the data of one of a transfer's requests has crossed the bus by a clock."""
        if clock > self.last[number]:
            self.last[number] = clock
        self.left[number] -= 1
        if self.left[number] == 0:
            self._completed_before[number] = self._newest
            self._newest = number
            self.complete += 1

    def take_complete(self) -> int:
        """Return a transfer that became complete, or ``NONE``: each once."""
        number = self._newest
        if number != NONE:
            self._newest = self._completed_before[number]
            self.complete -= 1
        return number

    def close(self, number: int) -> int:
        """Free a complete transfer's number, and return the clock of its last data."""
        self._next_free[number] = self._free
        self._free = number
        return self.last[number]

    def _grow(self) -> None:
        slots = self._slots
        self.left = array("q", self.left) * 2
        self.last = array("q", self.last) * 2
        self._completed_before = array("q", self._completed_before) * 2
        next_free = array("q", self._next_free) * 2
        for number in range(slots, 2 * slots):
            next_free[number] = number + 1
        next_free[2 * slots - 1] = NONE
        self._next_free = next_free
        self._free = slots
        self._slots = 2 * slots
