"""Engines before channels: one engine alone is a replay; several share, and none is forgotten."""

from __future__ import annotations

from array import array
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accel.dram.channels import Channels, Segment, Window
from accel.dram.controllers import CONTROLLERS
from accel.dram.replay import Injection, RequestStream, replay
from accel.dram.transfers import Transfers
from tests.accel.dram.specs import SPEC

Place = tuple[int, int]
STREAMS = st.lists(
    st.tuples(st.sampled_from([0, 1, 5, 17, 30]), st.integers(0, 2)), min_size=1, max_size=150
)


def columns(stream: list[Place]) -> tuple[array[int], array[int], array[int]]:
    """Return addresses, banks and rows: all addresses differ."""
    count = len(stream)
    banks = array("q", [bank for bank, _ in stream])
    return array("q", range(count)), banks, array("q", [row for _, row in stream])


def replayed(controller: str, stream: list[Place]) -> int:
    """Return when a stream of reads ends that is sent as fast as it may be."""
    address, bank, row = columns(stream)
    transfers, none = Transfers(len(stream)), array("q", [0]) * len(stream)
    for _ in stream:
        transfers.open(1)
    requests = RequestStream(channel=none, bank=bank, row=row, address=address, is_write=none)
    channel = CONTROLLERS[controller](SPEC, transfers, False)
    replay(requests, [channel], Injection(width=1, spacing_clocks=Fraction(0)))
    return max(transfers.last)


def channels_of(controller: str, engines: int, window: int, count: int = 1) -> Channels:
    shared = Window(engines, window)
    controllers = [CONTROLLERS[controller](SPEC, shared, False) for _ in range(count)]
    return Channels(controllers, shared, engines, 4, 25, 0)


def last_clocks(channels: Channels, transfers: int) -> dict[int, int]:
    """Return when each of so many transfers has ended."""
    ends: dict[int, int] = {}
    while len(ends) < transfers:
        channels.advance(1 << 40)
        while channels.window.complete:
            number = channels.window.take_complete()
            ends[number] = channels.window.close(number)
    return ends


@pytest.mark.parametrize("controller", CONTROLLERS)
@settings(max_examples=30)
@given(stream=STREAMS, cut=st.integers(0, 150))
def test_one_engine_is_a_replay(controller: str, stream: list[Place], cut: int) -> None:
    channels = channels_of(controller, engines=1, window=1000)
    address, bank, row = columns(stream)
    parts = [part for part in (slice(0, cut), slice(cut, None)) if len(address[part])]
    for part in parts:
        number = channels.window.open(len(address[part]))
        channels.send(0, 0, Segment(number, False, 0, address[part], bank[part], row[part]))
    ends = last_clocks(channels, len(parts))
    assert max(ends.values()) == replayed(controller, stream)
    channels.account()
    assert sum(channels.spent) == channels.clock
    assert channels.requests == len(stream)


@pytest.mark.parametrize("controller", CONTROLLERS)
@settings(max_examples=30)
@given(
    streams=st.lists(STREAMS, min_size=2, max_size=3),
    window=st.integers(1, 20),
    seed=st.integers(0, 7),
)
def test_every_request_of_every_engine_is_served(
    controller: str, streams: list[list[Place]], window: int, seed: int
) -> None:
    channels = channels_of(controller, engines=len(streams), window=window, count=2)
    transfers = 0
    for engine, stream in enumerate(streams):
        address, bank, row = columns(stream)
        apart = array("q", [1000 * engine + number for number in address])
        number = channels.window.open(2 * len(stream))
        for channel in (0, 1):
            segment = Segment(number, False, 11 * (engine ^ seed), apart, bank, row)
            channels.send(engine, channel, segment)
        transfers += 1
    ends = last_clocks(channels, transfers)
    assert channels.requests == 2 * sum(len(stream) for stream in streams)
    alone = max(replayed(controller, stream) for stream in streams)
    assert max(ends.values()) >= alone
    channels.account()
    assert sum(channels.spent) == 2 * channels.clock


def test_engines_take_turns() -> None:
    """Two equal streams end at about the same time, one before them by half of it."""
    stream = [(number % 5, 0) for number in range(400)]
    channels = channels_of("ramulator2", engines=2, window=1000)
    address, bank, row = columns(stream)
    for engine in (0, 1):
        number = channels.window.open(len(stream))
        apart = array("q", [1000 * engine + place for place in address])
        channels.send(engine, 0, Segment(number, False, 0, apart, bank, row))
    first, second = sorted(last_clocks(channels, 2).values())
    assert second - first < 0.1 * second
    assert first > 1.5 * replayed("ramulator2", stream)


def test_a_window_of_one_sends_one_after_the_other() -> None:
    channels = channels_of("ramulator2", engines=1, window=1)
    address, bank, row = columns([(0, 0)] * 3)
    number = channels.window.open(3)
    channels.send(0, 0, Segment(number, False, 0, address, bank, row))
    (end,) = last_clocks(channels, 1).values()
    timing = SPEC.timing
    first = 1 + timing.rcd_read + timing.read_latency + timing.burst
    again = 1 + timing.read_latency + timing.burst
    assert end == first + 2 * again
