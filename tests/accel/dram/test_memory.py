"""DRAM behind DMA engines: laws of streams, of channels side by side, of where time goes."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accel.dma import Transfer
from accel.dram.address import AddressMap, parse_map
from accel.dram.memory import DramMemory
from accel.dram.memory_spec import DramMemorySpec
from accel.dram.standards import interleaved_map, load_standard
from accel.memory import Served
from accel.trace import MEMORY_CAUSES
from tests.accel.transfers import served, transfer

CONTROLLERS = ("dramsim3", "ramulator2")


def spec(
    controller: str = "ramulator2",
    standard: str = "ddr4_2400",
    channels: int = 1,
    *,
    ranks: int = 1,
    window: int = 1024,
    queue: int = 32,
    refresh: bool = True,
    address_map: AddressMap | None = None,
) -> DramMemorySpec:
    table = load_standard(standard)
    table = replace(table, organisation=replace(table.organisation, ranks=ranks))
    channel = table.channel(controller)
    timing = channel.timing if refresh else replace(channel.timing, refi=0)
    return DramMemorySpec(
        standard=table,
        controller=controller,
        channel=replace(channel, timing=timing, read_queue=queue, write_queue=queue),
        channels=channels,
        address_map=address_map or interleaved_map(table.organisation.field_sizes(channels)),
        window=window,
    )


def end_fs(what: DramMemorySpec, *transfers: Transfer) -> int:
    """Return when the last of transfers has landed that are all asked for at once."""
    memory, found = DramMemory(what, engines=4), list[Served]()
    for one in transfers:
        memory.request(0, one, found.append)
    while len(found) < len(transfers):
        assert memory.advance(1 << 62)
    return max(one.landed_fs for one in found)


@pytest.mark.parametrize("controller", CONTROLLERS)
def test_an_idle_read_takes_its_latency(controller: str) -> None:
    what = spec(controller)
    assert served(DramMemory(what, engines=1), 0, transfer(64)).landed_fs == pytest.approx(
        what.idle_read_fs, abs=1
    )


@pytest.mark.parametrize(
    ("controller", "standard"),
    [
        ("dramsim3", "ddr4_2400"),
        *(("ramulator2", name) for name in ("ddr5_4800", "lpddr5_6400", "hbm2", "hbm3")),
    ],
)
def test_a_long_stream_gets_nearly_all_of_the_peak(controller: str, standard: str) -> None:
    what = spec(controller, standard, channels=2)
    size = 1 << 22
    share = size / what.peak_bytes_per_s * 1e15 / end_fs(what, transfer(size))
    assert 0.8 < share <= 1


@pytest.mark.parametrize("controller", CONTROLLERS)
def test_without_limits_the_peak_is_reached_to_the_clock(controller: str) -> None:
    """All rows open, no refresh, no bank groups' gap: one burst follows the other."""
    what = spec(controller, refresh=False)
    timing = replace(what.channel.timing, ccd_l=what.channel.timing.ccd_s)
    what = replace(what, channel=replace(what.channel, timing=timing))
    bursts = 512
    first = end_fs(what, transfer(64))
    last = end_fs(what, transfer(64 * bursts))
    clock_fs = 10**15 / what.clock_hz
    assert (last - first) / clock_fs == pytest.approx((bursts - 1) * timing.burst, abs=1e-3)


@pytest.mark.parametrize("controller", CONTROLLERS)
@settings(max_examples=15)
@given(
    kilobytes=st.integers(1, 300),
    base=st.integers(0, 1 << 20),
    is_write=st.booleans(),
    change=st.sampled_from(["channels", "ranks", "queue", "window"]),
)
def test_more_is_never_slower(
    controller: str, kilobytes: int, base: int, is_write: bool, change: str
) -> None:
    size = {"channels": 1, "ranks": 1, "queue": 16, "window": 16}
    stream = transfer(kilobytes << 10, base=base, is_write=is_write)
    ends = []
    for _ in range(2):
        ends.append(
            end_fs(
                spec(
                    controller,
                    channels=size["channels"],
                    ranks=size["ranks"],
                    queue=size["queue"],
                    window=size["window"],
                ),
                stream,
            )
        )
        size[change] *= 2
    before, after = ends
    what = spec(controller)
    refresh_fs = what.channel.timing.refi * 10**15 // what.clock_hz
    assert after <= before + refresh_fs


@pytest.mark.parametrize("controller", CONTROLLERS)
@settings(max_examples=15)
@given(sizes=st.lists(st.integers(1, 20_000), min_size=1, max_size=12), seed=st.integers(0, 99))
def test_all_that_is_asked_for_is_served_in_order_and_accounted_for(
    controller: str, sizes: list[int], seed: int
) -> None:
    what = spec(controller, channels=2, window=32)
    memory, found = DramMemory(what, engines=2), (list[Served](), list[Served]())
    for number, size in enumerate(sizes):
        engine = (number + seed) % 2
        one = transfer(size, base=number * 7919 * 64, engine=engine, is_write=bool(engine))
        memory.request(number * 1000, one, found[engine].append)
    while memory.is_busy():
        assert memory.advance(1 << 62)
    assert sum(len(own) for own in found) == len(sizes)
    for own in found:
        assert all(a.landed_fs <= b.start_fs for a, b in pairwise(own))
        assert all(one.start_fs <= one.landed_fs for one in own)
        assert all(min(one.causes) >= 0 for one in own)


def test_transfers_that_end_out_of_order_land_in_order() -> None:
    """A short one on a free channel is done before a long one on the other; numbers come again."""
    own = parse_map("bg:2 co:7 ba:2 ra:0 ro:16 ch:1 pc:0 sid:0")
    what = spec(channels=2, address_map=own)
    half = what.standard.organisation.capacity_bytes
    memory, found = DramMemory(what, engines=1), list[tuple[int, Served]]()
    sizes = [200_000, *(64 * number for number in range(1, 40))]
    now_fs = 0
    for number, size in enumerate(sizes):
        base = half + number * 4096 if number else 0
        memory.request(now_fs, transfer(size, base=base), partial(_note, found, number))
        now_fs += 200_000_000
        while memory.advance(now_fs):
            pass
    while memory.is_busy():
        assert memory.advance(1 << 62)
    assert [number for number, _ in found] == list(range(len(sizes)))
    assert all(a.landed_fs <= b.landed_fs for (_, a), (_, b) in pairwise(found))


def _note(found: list[tuple[int, Served]], number: int, served: Served) -> None:
    found.append((number, served))


def test_engines_with_channels_of_their_own_do_not_disturb_each_other() -> None:
    own = parse_map("bg:2 co:7 ba:2 ra:0 ro:16 ch:1 pc:0 sid:0")
    what = spec(channels=2, address_map=own)
    half = what.standard.organisation.capacity_bytes
    one = transfer(100_000, engine=0)
    other = transfer(100_000, base=half, engine=1)
    assert end_fs(what, one, other) == end_fs(what, one)
    shared = transfer(100_000, base=1 << 20, engine=1)
    assert end_fs(what, one, shared) > 1.5 * end_fs(what, one)


def test_a_small_window_holds_a_stream_up_and_says_so() -> None:
    what = spec(window=2)
    found = served(DramMemory(what, engines=1), 0, transfer(50_000))
    assert found.causes[4] > sum(found.causes) / 2
    wide = served(DramMemory(spec(window=1024), engines=1), 0, transfer(50_000))
    assert wide.causes[4] == 0
    assert wide.landed_fs < found.landed_fs / 2


def test_a_row_miss_for_each_burst_is_said_to_be_the_rows() -> None:
    what = spec(address_map=parse_map("co:7 bg:2 ba:2 ra:0 ro:16 ch:0 pc:0 sid:0"))
    memory = DramMemory(what, engines=1)
    bank_stride = what.standard.organisation.row_bytes * 16
    causes = [0] * len(MEMORY_CAUSES)
    for row in range(100):
        one = served(memory, row, transfer(64, base=row * bank_stride))
        causes = [a + b for a, b in zip(causes, one.causes, strict=True)]
    assert causes[2] > sum(causes) / 2


def test_a_memory_can_be_advanced_in_steps() -> None:
    what = spec()
    whole = end_fs(what, transfer(30_000))
    memory, found, now = DramMemory(what, engines=1), list[Served](), 0
    memory.request(0, transfer(30_000), found.append)
    while not found:
        now += 12_345_678
        memory.advance(now)
    assert found[0].landed_fs == whole
