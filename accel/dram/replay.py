"""A stream of requests sent to controllers as fast as it may be, or as fast as they take it."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from accel.dram.commands import NEVER
from accel.dram.controller import Controller


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection:
    """When a stream's requests are offered.

    Parameters
    ----------
    width
        Requests offered in one clock; the first that is refused ends the clock's offers.
    spacing_clocks
        Request i is offered from clock ``floor(i · spacing_clocks)`` on.
    """

    width: int
    spacing_clocks: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestStream:
    """Requests in order: arrays of one length, typecode ``q``.

    Parameters
    ----------
    channel, bank, row
        Where the data of each lies.
    address
        In transactions; equal addresses are the same data.
    is_write
        1 for a write, 0 for a read.
    """

    channel: array[int]
    bank: array[int]
    row: array[int]
    address: array[int]
    is_write: array[int]


def replay(
    stream: RequestStream, channels: Sequence[Controller], injection: Injection
) -> NDArray[np.int64]:
    """Send requests, in order, to their channels, until all are accepted and done.

    Parameters
    ----------
    stream
        The requests; request i is transfer i of the channels' `Transfers`.
    channels
        The controllers, idle.
    injection
        How fast the stream is.

    Returns
    -------
    NDArray[np.int64]
        For each request the clock in which it was accepted.
    """
    numerator, denominator = injection.spacing_clocks.as_integer_ratio()
    run = _Replay(stream, channels, injection.width, numerator, denominator)
    run.run()
    return np.asarray(run.accepted)


class _Replay:
    def __init__(
        self,
        stream: RequestStream,
        channels: Sequence[Controller],
        width: int,
        numerator: int,
        denominator: int,
    ) -> None:
        self._channel, self._bank, self._row = stream.channel, stream.bank, stream.row
        self._address, self._is_write = stream.address, stream.is_write
        self._count = len(stream.address)
        self._controllers = list(channels)
        self._channels = len(channels)
        self._width, self._numerator, self._denominator = width, numerator, denominator
        self._sent = 0
        self._eligible = 0
        self._wake = array("q", [0]) * len(channels)
        self.accepted = array("q", [0]) * self._count

    def run(self) -> None:
        """Go from clock to clock in which something happens."""
        clock = 0
        while clock < NEVER:
            self._offer(clock)
            self._tick(clock)
            clock = self._next_clock(clock)

    def _offer(self, clock: int) -> None:
        for _ in range(self._width):
            request = self._sent
            if request == self._count or clock < self._eligible:
                return
            controller: Controller = self._controllers[self._channel[request]]
            is_write = self._is_write[request] == 1
            if not controller.can_accept(is_write):
                return
            controller.accept(
                self._address[request],
                self._bank[request],
                self._row[request],
                is_write,
                request,
                clock,
            )
            self._wake[self._channel[request]] = clock
            self.accepted[request] = clock
            self._sent += 1
            self._eligible = self._sent * self._numerator // self._denominator

    def _tick(self, clock: int) -> None:
        for number in range(self._channels):
            if self._wake[number] <= clock:
                controller: Controller = self._controllers[number]
                if controller.tick(clock):
                    self._wake[number] = clock + 1
                else:
                    self._wake[number] = controller.next_change(clock)

    def _next_clock(self, clock: int) -> int:
        """Return the next clock in which anything happens; never, when all is done."""
        first = NEVER
        for number in range(self._channels):
            if self._wake[number] < first:
                first = self._wake[number]
        if first <= clock + 1:
            return clock + 1
        if self._sent < self._count:
            controller: Controller = self._controllers[self._channel[self._sent]]
            if controller.can_accept(self._is_write[self._sent] == 1):
                first = min(first, max(clock + 1, self._eligible))
        elif self._is_idle():
            return NEVER
        return first

    def _is_idle(self) -> bool:
        for number in range(self._channels):
            controller: Controller = self._controllers[number]
            if not controller.is_idle():
                return False
        return True
