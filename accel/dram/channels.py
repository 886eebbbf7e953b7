"""The channels of one memory, and the engines that send them requests as they come."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from accel.dram.commands import NEVER, NONE
from accel.dram.controller import Controller
from accel.dram.states import DATA, IDLE, LATENCY, QUEUE, REFRESHING, ROW, STATES
from accel.dram.transfers import Transfers


class Window(Transfers):
    """Transfers whose requests hold a place in their engine's window while they are under way.

    A controller knows a request by its *ticket*, its place in the window. An engine takes its
    places back in order: the oldest request's is free when its data has crossed the bus.

    Parameters
    ----------
    engines
        Number of them.
    size
        Requests that an engine may have under way.
    """

    def __init__(self, engines: int, size: int) -> None:
        super().__init__(64)
        self._size = size
        #: The next place of each engine, and the engine of each place.
        self._place = array("q", [engine * size for engine in range(engines)])
        self._engine_of = array("q", [place // size for place in range(engines * size)])
        #: Whether it became known when a place will be free for which its engine waits.
        self.is_released = False
        self._transfer_of = array("q", [NONE]) * (engines * size)
        self._free_from = array("q", [0]) * (engines * size)

    def free_from(self, engine: int) -> int:
        """Return when an engine may send its next request; never, if that isn't known yet."""
        return self._free_from[self._place[engine]]

    def ticket(self, engine: int, transfer: int) -> int:
        """Return a place in an engine's window for a request of a transfer."""
        place = self._place[engine]
        following = place + 1
        self._place[engine] = following
        if following == len(self._engine_of) or self._engine_of[following] != engine:
            self._place[engine] = following - self._size
        self._transfer_of[place] = transfer
        self._free_from[place] = NEVER
        return place

    def finish(self, number: int, clock: int) -> None:
        """Note that the data of the request with a ticket has crossed the bus by a clock."""
        self._free_from[number] = clock
        if self._place[self._engine_of[number]] == number:
            self.is_released = True
        Transfers.finish(self, self._transfer_of[number], clock)


class Segment:
    """Requests of one transfer to one channel, in order: arrays of one length.

    Parameters
    ----------
    transfer
        Its number.
    is_write
        Whether they write.
    arrival
        Clock from which they can be sent.
    address, bank, row
        Arrays of 64-bit numbers.
    """

    def __init__(
        self,
        transfer: int,
        is_write: bool,
        arrival: int,
        address: array[int],
        bank: array[int],
        row: array[int],
    ) -> None:
        self.transfer = transfer
        self.is_write = is_write
        self.arrival = arrival
        self.address, self.bank, self.row = address, bank, row
        self.sent = 0
        self.count = len(address)
        self.following: Segment | None = None


class Channels:
    """Controllers side by side, advanced together from clock to clock in which something happens.

    Each engine has a line of segments at each channel. In each clock a channel takes one request;
    the engines that have one take turns.

    Parameters
    ----------
    controllers
        One for each channel; their transfers are ``window``.
    window
        What requests belong to.
    engines
        Number of engines.
    column_clocks, turnaround_clocks
        Clocks for which a column command keeps others from the data bus, and for which it may do so
        where the bus changes its direction.
    start_clock
        Clock in which the first request may come.
    """

    def __init__(
        self,
        controllers: Sequence[Controller],
        window: Window,
        engines: int,
        column_clocks: int,
        turnaround_clocks: int,
        start_clock: int,
    ) -> None:
        self.window = window
        self.clock = start_clock
        self._controllers = list(controllers)
        self._channels = len(self._controllers)
        self._engines = engines
        self._column_clocks = column_clocks
        self._turnaround_clocks = turnaround_clocks
        self._heads: list[Segment | None] = [None] * (self._channels * engines)
        self._tails: list[Segment | None] = [None] * (self._channels * engines)
        self._lines = array("q", [0]) * self._channels
        self._turn = array("q", [0]) * self._channels
        self._wake = array("q", [start_clock]) * self._channels
        self._accounted = array("q", [start_clock]) * self._channels
        #: Clocks of all channels by what they were spent on.
        self.spent = array("q", [0]) * STATES
        #: Requests accepted so far, whose data takes part in ``spent``.
        self.requests = 0

    def send(self, engine: int, channel: int, segment: Segment) -> None:
        """Put a segment at the end of an engine's line at a channel."""
        line = channel * self._engines + engine
        tail = self._tails[line]
        if tail is None:
            self._heads[line] = segment
            self._lines[channel] += 1
        else:
            tail.following = segment
        self._tails[line] = segment
        arrival = max(segment.arrival, self.clock)
        if arrival < self._wake[channel]:
            self._wake[channel] = arrival

    def advance(self, until: int) -> None:
        """Do what happens before a clock, or up to the first in which a transfer completes."""
        while self.clock < until and self.window.complete == 0:
            for channel in range(self._channels):
                if self._wake[channel] <= self.clock:
                    self._step(channel)
            self.clock += 1
            if self.window.is_released:
                self._wake_waiting()
            first = NEVER
            for channel in range(self._channels):
                if self._wake[channel] < first:
                    first = self._wake[channel]
            if self.window.complete == 0 and first > self.clock:
                self.clock = first if first < until else until

    def _wake_waiting(self) -> None:
        """Let all channels look at their lines: an engine may send again."""
        self.window.is_released = False
        for channel in range(self._channels):
            if self._lines[channel]:
                self._wake[channel] = min(self._wake[channel], self.clock)

    def account(self) -> None:
        """Bring ``spent`` up to the present clock."""
        for channel in range(self._channels):
            self._account(channel)

    def _step(self, channel: int) -> None:
        """Let a channel take a request and tick, and note when to come back."""
        controller: Controller = self._controllers[channel]
        self._account(channel)
        offered = NEVER
        if self._lines[channel]:
            offered = self._offer(channel, controller)
        if controller.tick(self.clock):
            self._wake[channel] = self.clock + 1
        else:
            self._wake[channel] = min(offered, controller.next_change(self.clock))

    def _offer(self, channel: int, controller: Controller) -> int:
        """Take the next request in turn; return when to try again if the controller does nothing.

        A controller that has no room makes some only by what it does.
        """
        again = NEVER
        for step in range(self._engines):
            engine = (self._turn[channel] + step) % self._engines
            segment = self._heads[channel * self._engines + engine]
            if segment is None:
                continue
            ready = max(segment.arrival, self.window.free_from(engine))
            if ready > self.clock:
                again = min(again, ready)
            elif controller.can_accept(segment.is_write):
                self._accept(channel, engine, segment, controller)
                self._turn[channel] = (engine + 1) % self._engines
                return self.clock + 1
        return again

    def _accept(self, channel: int, engine: int, segment: Segment, controller: Controller) -> None:
        request = segment.sent
        controller.accept(
            segment.address[request],
            segment.bank[request],
            segment.row[request],
            segment.is_write,
            self.window.ticket(engine, segment.transfer),
            self.clock,
        )
        self.requests += 1
        segment.sent += 1
        if segment.sent == segment.count:
            line = channel * self._engines + engine
            self._heads[line] = segment.following
            if segment.following is None:
                self._tails[line] = None
                self._lines[channel] -= 1

    def _account(self, channel: int) -> None:
        """Say what a channel's clocks since the last time were spent on."""
        controller: Controller = self._controllers[channel]
        start, end = self._accounted[channel], self.clock
        if end <= start:
            return
        self._accounted[channel] = end
        busy = min(end, controller.last_column + self._column_clocks)
        if busy > start:
            self.spent[DATA] += busy - start
            start = busy
        if start < end:
            self._account_waiting(channel, controller, start, end)

    def _account_waiting(self, channel: int, controller: Controller, start: int, end: int) -> None:
        """Say what clocks were spent on in which no data was asked for."""
        if controller.is_idle():
            if self._lines[channel]:
                self.spent[QUEUE] += end - start
                return
            in_flight = min(end, max(start, controller.last_data))
            self.spent[LATENCY] += in_flight - start
            self.spent[IDLE] += end - in_flight
            return
        refreshing = end if controller.refreshes_due else controller.refreshed
        refreshing = min(end, max(start, refreshing))
        self.spent[REFRESHING] += refreshing - start
        turning = refreshing
        if not controller.waits_for_row():
            turning = controller.last_column + self._turnaround_clocks
            turning = min(end, max(refreshing, turning))
        self.spent[DATA] += turning - refreshing
        self.spent[ROW] += end - turning
