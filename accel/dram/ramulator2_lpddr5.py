"""Ramulator 2.1's controller for LPDDR5, whose activates come in two halves."""

from __future__ import annotations

from accel.dram.commands import ACTIVATE, NEVER, NONE, READ, WRITE
from accel.dram.ramulator2 import Ramulator2Controller
from accel.dram.spec import DramSpec
from accel.dram.transfers import Transfers

#: The list of active requests (`accel.dram.ramulator2`).
ACTIVE = 0


class Lpddr5Controller(Ramulator2Controller):
    """LPDDR5: an activate in two halves, and a data clock that has to be started.

    The second half of an activate is issued when nothing else can be, or at the end of its window;
    no other activate starts before it, so that only one is ever half done. The data clock runs on
    for a while behind each access; when it has stopped, a synchronisation goes before the next
    access, in the clock before it.
    """

    def __init__(
        self, spec: DramSpec, transfers: Transfers | None = None, posts_writes: bool = False
    ) -> None:
        super().__init__(spec, transfers, posts_writes)
        self._activate_window = spec.activate_window
        self._data_clock_runs_on = spec.data_clock_runs_on
        #: The request whose activate is half done, and the last clock for the second half.
        self._activating = NONE
        self._deadline = NEVER
        #: The request for which the data clock was started, and the list it is in.
        self._synchronised = NONE
        self._synchronised_list = NONE
        self._clock_stops = 0

    def next_change(self, clock: int) -> int:
        """Return the first clock behind this one in which a tick may do something by itself."""
        if self._activating != NONE or self._synchronised != NONE:
            return clock + 1
        return Ramulator2Controller.next_change(self, clock)

    def is_idle(self) -> bool:
        """Return whether nothing is left to do but refreshes."""
        return self._activating == NONE and Ramulator2Controller.is_idle(self)

    def _is_held(self, bank: int) -> bool:
        return self._activating != NONE and self._requests.bank[self._activating] == bank

    def _issue_on(self, bus: int, now: int) -> bool:
        if self._synchronised != NONE:
            return self._access_synchronised(now)
        if self._activate_second(now):
            return True
        if self._activating != NONE:
            bus &= ~(1 << ACTIVATE)
        number, slot = ACTIVE, self._best_active(now)
        if slot == NONE:
            if self.refreshes_due:
                return self._issue_for_refresh(bus, now) or self._activate_second(NEVER)
            slot = self._best_waiting(bus, now)
            if slot == NONE:
                return self._activate_second(NEVER)
            number = self._list_of(slot)
        command = self._needed(slot)
        if command in (READ, WRITE) and now >= self._clock_stops:
            if not self._activate_second(now + 1):
                self._synchronised, self._synchronised_list = slot, number
            return True
        self._issue(slot, number, now)
        return True

    def _access_synchronised(self, now: int) -> bool:
        slot = self._synchronised
        if self.banks.earliest(self._needed(slot), self._requests.bank[slot]) > now:
            return False
        self._synchronised = NONE
        self._issue(slot, self._synchronised_list, now)
        return True

    def _activate_second(self, until: int) -> bool:
        """Issue the second half of an activate whose window ends by a clock."""
        slot = self._activating
        if slot == NONE or self._deadline > until:
            return False
        self._activating = NONE
        self._make_active(slot)
        return True

    def _activated(self, slot: int, now: int) -> None:
        self._activating = slot
        self._deadline = now + self._activate_window

    def _access(self, slot: int, clock: int) -> int:
        finished = Ramulator2Controller._access(self, slot, clock)
        self._clock_stops = max(self._clock_stops, finished + self._data_clock_runs_on)
        return finished
