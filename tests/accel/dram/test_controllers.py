"""Both controllers: skipping clocks changes nothing, no request is lost, no data overlaps."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accel.dram.address import AddressMap, parse_map
from accel.dram.controller import Controller
from accel.dram.dramsim3 import DramSim3Controller
from accel.dram.dramsim3_rules import IDLE_DRAIN
from accel.dram.ramulator2 import Ramulator2Controller
from accel.dram.ramulator2_hbm3 import Hbm3Controller
from accel.dram.ramulator2_lpddr5 import Lpddr5Controller
from accel.dram.replay import Injection, RequestStream, replay
from accel.dram.spec import DramSpec
from accel.dram.transfers import Transfers
from tests.accel.dram.specs import SPEC, TIMING

#: Refreshes come often, so that short streams meet some.
BUSY = replace(SPEC, timing=replace(TIMING, refi=900, rfc=100), read_queue=8, write_queue=12)
CONTROLLERS: dict[str, tuple[Callable[[DramSpec, Transfers], Controller], DramSpec]] = {
    "dramsim3": (DramSim3Controller, BUSY),
    "dramsim3, closed pages": (DramSim3Controller, replace(BUSY, closes_pages=True)),
    "dramsim3, two buses": (DramSim3Controller, replace(BUSY, has_two_command_buses=True)),
    "ramulator2": (Ramulator2Controller, BUSY),
    "ramulator2, FR-FCFS": (Ramulator2Controller, replace(BUSY, row_hits_first=False)),
    "ramulator2, LPDDR5": (
        Lpddr5Controller,
        replace(BUSY, activate_window=8, data_clock_runs_on=1),
    ),
    "ramulator2, HBM3": (
        Hbm3Controller,
        replace(BUSY, has_pseudochannels=True, has_two_command_buses=True),
    ),
}


@st.composite
def streams(draw: st.DrawFn) -> list[tuple[bool, int, int]]:
    """(is write, bank, row) of some requests: few banks and rows, so that they meet."""
    request = st.tuples(st.booleans(), st.sampled_from([0, 1, 5, 17, 30]), st.integers(0, 2))
    return draw(st.lists(request, min_size=1, max_size=120))


@dataclass(frozen=True)
class Run:
    """When each request of a stream was accepted and finished."""

    accepted: list[int]
    finished: list[int]


def requests_of(stream: list[tuple[bool, int, int]]) -> RequestStream:
    addresses = [(row * 32 + bank) * 8 + i % 5 for i, (_, bank, row) in enumerate(stream)]
    return RequestStream(
        channel=array("q", [0]) * len(stream),
        bank=array("q", [bank for _, bank, _ in stream]),
        row=array("q", [row for _, _, row in stream]),
        address=array("q", addresses),
        is_write=array("q", [write for write, _, _ in stream]),
    )


def opened(requests: int) -> Transfers:
    """Return a transfer for each request."""
    transfers = Transfers(requests)
    assert [transfers.open(1) for _ in range(requests)] == list(range(requests))
    return transfers


def skipping(stream: list[tuple[bool, int, int]], name: str, spacing: Fraction) -> Run:
    """Replay a stream as the product does."""
    kind, spec = CONTROLLERS[name]
    transfers = opened(len(stream))
    injection = Injection(width=1, spacing_clocks=spacing)
    accepted = replay(requests_of(stream), [kind(spec, transfers)], injection)
    return Run(accepted.tolist(), list(transfers.last))


def ticking(stream: list[tuple[bool, int, int]], name: str, spacing: Fraction) -> Run:
    """Replay a stream clock by clock."""
    kind, spec = CONTROLLERS[name]
    transfers, requests, clock = opened(len(stream)), requests_of(stream), 0
    accepted: list[int] = []
    controller = kind(spec, transfers)
    while len(accepted) < len(stream) or not controller.is_idle():
        sent = len(accepted)
        if sent < len(stream) and clock >= sent * spacing // 1:
            is_write = bool(requests.is_write[sent])
            if controller.can_accept(is_write):
                place = (requests.address[sent], requests.bank[sent], requests.row[sent])
                controller.accept(*place, is_write, sent, clock)
                accepted.append(clock)
        controller.tick(clock)
        clock += 1
    return Run(accepted, list(transfers.last))


@pytest.mark.parametrize("name", CONTROLLERS)
@settings(max_examples=30)
@given(stream=streams(), spacing=st.sampled_from([Fraction(0), Fraction(9, 2), Fraction(60)]))
def test_skipping_clocks_changes_nothing(
    name: str, stream: list[tuple[bool, int, int]], spacing: Fraction
) -> None:
    assert skipping(stream, name, spacing) == ticking(stream, name, spacing)


@pytest.mark.parametrize("name", CONTROLLERS)
@settings(max_examples=30)
@given(stream=streams())
def test_requests_finish_in_time(name: str, stream: list[tuple[bool, int, int]]) -> None:
    kind, spec = CONTROLLERS[name]
    run = skipping(stream, name, Fraction(0))
    is_left = [finished < 0 for finished in run.finished]
    assert all(write for left, (write, _, _) in zip(is_left, stream, strict=True) if left)
    assert sum(is_left) <= (IDLE_DRAIN if kind is DramSim3Controller else 0)
    shortest = spec.timing.burst + min(spec.timing.read_latency, spec.timing.write_latency)
    for accepted, finished in zip(run.accepted, run.finished, strict=True):
        is_from_buffer = finished == accepted + 1
        assert finished < 0 or is_from_buffer or finished - accepted >= 1 + shortest


@settings(max_examples=20)
@given(repeats=st.integers(100, 400))
def test_reads_of_one_address_share_its_data(repeats: int) -> None:
    """However many there are: they take no room in the queue."""
    run = skipping([(False, 0, 0)] * 5 * repeats, "dramsim3", Fraction(0))
    assert len(set(run.finished)) < repeats
    assert min(run.finished) > 0


@pytest.mark.parametrize("name", ["dramsim3", "ramulator2"])
def test_an_idle_read_takes_its_latencies(name: str) -> None:
    run = skipping([(False, 0, 0)], name, Fraction(0))
    assert run.finished == [1 + TIMING.rcd_read + TIMING.read_latency + TIMING.burst]


@pytest.mark.parametrize("kind", [DramSim3Controller, Ramulator2Controller])
def test_a_posted_write_is_finished_when_it_was_accepted(
    kind: Callable[[DramSpec, Transfers, bool], Controller],
) -> None:
    transfers = opened(1)
    controller = kind(SPEC, transfers, True)
    controller.accept(0, 0, 0, True, 0, 7)
    assert (transfers.complete, transfers.take_complete(), transfers.close(0)) == (1, 0, 8)


def test_a_map_takes_an_address_apart() -> None:
    import numpy as np

    found = parse_map("ch:1 co:3 bg:2 ba:2 ra:1 ro:4").locate(np.array([0b0101_1_10_01_110_1]))
    assert {name: int(found[name][0]) for name in ("ch", "co", "bg", "ba", "ra", "ro")} == {
        "ch": 1,
        "co": 6,
        "bg": 1,
        "ba": 2,
        "ra": 1,
        "ro": 5,
    }


def test_a_field_may_come_in_pieces_and_be_hashed() -> None:
    import numpy as np

    fields = (("co", 2), ("bg", 2), ("co", 2), ("ro", 4))
    address = np.array([0b0011_10_01_11])
    plain = AddressMap(fields=fields).locate(address)
    hashed = AddressMap(fields=fields, is_hashed=True).locate(address)
    assert (int(plain["co"][0]), int(plain["bg"][0]), int(plain["ro"][0])) == (0b1011, 1, 3)
    assert (int(hashed["bg"][0]), int(hashed["ro"][0])) == (1 ^ 0b11, 3 ^ 0b10)


@pytest.mark.parametrize("text", ["co7", "xx:3", "co:-1"])
def test_a_wrong_map(text: str) -> None:
    with pytest.raises(ValueError, match=f"^'{text}': must be one of ch, ra, pc, sid, bg, ba, co"):
        parse_map(text)
