"""A stream of requests sent to controllers as fast as it may be, or as fast as they take it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from accel.dram.controller import NEVER, Controller, Request


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


def replay(
    requests: Sequence[tuple[int, Request]], channels: Sequence[Controller], injection: Injection
) -> None:
    """Send requests, in order, to their channels, until all are accepted and done.

    Parameters
    ----------
    requests
        (channel, request) pairs; the clocks of what happens to a request are written into it.
    channels
        The controllers, idle.
    injection
        How fast the stream is.
    """
    wake = [0] * len(channels)
    clock, sent = 0, 0
    numerator, denominator = injection.spacing_clocks.as_integer_ratio()
    while True:
        for _ in range(injection.width):
            if sent == len(requests) or clock < sent * numerator // denominator:
                break
            channel, request = requests[sent]
            if not channels[channel].can_accept(request.is_write):
                break
            channels[channel].accept(request, clock)
            wake[channel] = clock
            sent += 1
        for number, controller in enumerate(channels):
            if wake[number] <= clock:
                acted = controller.tick(clock)
                wake[number] = clock + 1 if acted else controller.next_change(clock)
        if sent == len(requests):
            if all(controller.is_idle() for controller in channels):
                return
            arrival = NEVER
        else:
            arrival = _next_offer(requests[sent], channels, clock, sent * numerator // denominator)
        clock = max(clock + 1, min(arrival, *wake))


def _next_offer(
    request: tuple[int, Request], channels: Sequence[Controller], clock: int, eligible: int
) -> int:
    """Return when the next request can be accepted if no controller does anything before."""
    channel, next_request = request
    if not channels[channel].can_accept(next_request.is_write):
        return NEVER
    return max(clock + 1, eligible)
