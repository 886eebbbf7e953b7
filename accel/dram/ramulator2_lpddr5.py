"""Ramulator 2.1's controller for LPDDR5, whose activates come in two halves."""

from __future__ import annotations

from accel.dram.banks import ACTIVATE, COLUMN_COMMANDS
from accel.dram.controller import NEVER, Request
from accel.dram.ramulator2 import Ramulator2Controller
from accel.dram.spec import DramSpec

#: What a request to a bank between the two halves of its activate needs: nobody else's turn.
SECOND_ACTIVATE = -2


class Lpddr5Controller(Ramulator2Controller):
    """LPDDR5: an activate in two halves, and a data clock that has to be started.

    The second half of an activate is issued when nothing else can be, or at the end of its window;
    no other activate starts before it. The data clock runs on for a while behind each access; when
    it has stopped, a synchronisation goes before the next one, in the clock before it.
    """

    def __init__(self, spec: DramSpec) -> None:
        super().__init__(spec)
        #: Bank to (last clock for the second half, request).
        self._activating: dict[int, tuple[int, Request]] = {}
        self._synchronised: tuple[Request, list[Request]] | None = None
        self._clock_stops = 0

    def next_change(self, clock: int) -> int:
        """Return the first clock behind this one in which a tick does something by itself."""
        if self._activating or self._synchronised:
            return clock + 1
        return super().next_change(clock)

    def is_idle(self) -> bool:
        """Return whether nothing is left to do but refreshes."""
        return super().is_idle() and not self._activating

    def _needed(self, request: Request) -> int:
        if request.bank in self._activating:
            return SECOND_ACTIVATE
        return super()._needed(request)

    def _issue_on(self, bus: tuple[int, ...], now: int) -> bool:
        if self._synchronised:
            return self._access_synchronised(now)
        if self._activate_second(now):
            return True
        allowed = tuple(c for c in bus if c != ACTIVATE) if self._activating else bus
        buffer = self._active
        request = self._best(buffer, allowed, now)
        if request is None and self._refreshes:
            if self._issue_for_refresh(allowed, now):
                return True
        elif request is None:
            buffer = self._served_buffer()
            request = self._best(buffer, allowed, now)
        if request is None:
            return self._activate_second(NEVER)
        if request.command in COLUMN_COMMANDS and now >= self._clock_stops:
            if self._activate_second(now + 1):
                return True
            self._synchronised = (request, buffer)
            return True
        self._issue(request, buffer, now)
        return True

    def _access_synchronised(self, now: int) -> bool:
        assert self._synchronised is not None
        request, buffer = self._synchronised
        if self.banks.earliest(request.command, request.bank) > now:
            return False
        self._synchronised = None
        self._issue(request, buffer, now)
        return True

    def _activate_second(self, until: int) -> bool:
        """Issue the second half of an activate whose window ends by a clock."""
        for bank, (deadline, request) in self._activating.items():
            if deadline <= until:
                del self._activating[bank]
                self._active.append(request)
                self._active_in[bank] += 1
                return True
        return False

    def _issue(self, request: Request, buffer: list[Request], now: int) -> None:
        command = request.command
        if command == ACTIVATE:
            self.banks.issue(command, request.bank, request.row, now)
            buffer.remove(request)
            self._activating[request.bank] = (now + self._spec.activate_window, request)
            return
        super()._issue(request, buffer, now)
        if command in COLUMN_COMMANDS:
            stops = request.finished + self._spec.data_clock_runs_on
            self._clock_stops = max(self._clock_stops, stops)

    def _issue_for_refresh(self, bus: tuple[int, ...], now: int) -> bool:
        rank = self._refreshes[0]
        if any(bank in self._activating for bank in self.banks.banks_of(rank)):
            return False
        return super()._issue_for_refresh(bus, now)
