"""Both controllers: skipping clocks changes nothing, no request is lost, no data overlaps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accel.dram.address import AddressMap, parse_map
from accel.dram.controller import Controller, Request
from accel.dram.dramsim3 import IDLE_DRAIN, DramSim3Controller
from accel.dram.ramulator2 import Ramulator2Controller
from accel.dram.ramulator2_hbm3 import Hbm3Controller
from accel.dram.ramulator2_lpddr5 import Lpddr5Controller
from accel.dram.replay import Injection, replay
from accel.dram.spec import DramSpec
from tests.accel.dram.specs import SPEC, TIMING

#: Refreshes come often, so that short streams meet some.
BUSY = replace(SPEC, timing=replace(TIMING, refi=900, rfc=100), read_queue=8, write_queue=12)
CONTROLLERS: dict[str, tuple[Callable[[DramSpec], Controller], DramSpec]] = {
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


class EveryClock:
    """A controller whose clocks are all ticked."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self.banks = controller.banks

    def can_accept(self, is_write: bool) -> bool:
        return self._controller.can_accept(is_write)

    def accept(self, request: Request, clock: int) -> None:
        self._controller.accept(request, clock)

    def tick(self, clock: int) -> bool:
        self._controller.tick(clock)
        return True

    def next_change(self, clock: int) -> int:
        return clock + 1

    def is_idle(self) -> bool:
        return self._controller.is_idle()


@st.composite
def streams(draw: st.DrawFn) -> list[tuple[bool, int, int]]:
    """(is write, bank, row) of some requests: few banks and rows, so that they meet."""
    request = st.tuples(st.booleans(), st.sampled_from([0, 1, 5, 17, 30]), st.integers(0, 2))
    return draw(st.lists(request, min_size=1, max_size=120))


def run(
    stream: list[tuple[bool, int, int]], controller: Controller, spacing: Fraction
) -> list[Request]:
    requests = [
        Request(address=(row * 32 + bank) * 8 + index % 5, is_write=write, bank=bank, row=row)
        for index, (write, bank, row) in enumerate(stream)
    ]
    injection = Injection(width=1, spacing_clocks=spacing)
    replay([(0, request) for request in requests], [controller], injection)
    return requests


@pytest.mark.parametrize("name", CONTROLLERS)
@settings(max_examples=30)
@given(stream=streams(), spacing=st.sampled_from([Fraction(0), Fraction(9, 2), Fraction(60)]))
def test_skipping_clocks_changes_nothing(
    name: str, stream: list[tuple[bool, int, int]], spacing: Fraction
) -> None:
    kind, spec = CONTROLLERS[name]
    skipping = run(stream, kind(spec), spacing)
    ticking = run(stream, EveryClock(kind(spec)), spacing)
    assert [(r.accepted, r.finished) for r in skipping] == [
        (r.accepted, r.finished) for r in ticking
    ]


@pytest.mark.parametrize("name", CONTROLLERS)
@settings(max_examples=30)
@given(stream=streams())
def test_requests_finish_in_time(name: str, stream: list[tuple[bool, int, int]]) -> None:
    kind, spec = CONTROLLERS[name]
    done = run(stream, kind(spec), Fraction(0))
    unfinished = [request for request in done if request.finished < 0]
    assert not any(not request.is_write for request in unfinished)
    assert len(unfinished) <= (IDLE_DRAIN if kind is DramSim3Controller else 0)
    for request in done:
        from_buffer = request.finished == request.accepted + 1
        shortest = spec.timing.burst + min(spec.timing.read_latency, spec.timing.write_latency)
        is_late_enough = request.finished - request.accepted >= 1 + shortest
        assert request.finished < 0 or from_buffer or is_late_enough


@pytest.mark.parametrize("kind", [DramSim3Controller, Ramulator2Controller])
def test_an_idle_read_takes_its_latencies(kind: Callable[[DramSpec], Controller]) -> None:
    (request,) = run([(False, 0, 0)], kind(SPEC), Fraction(0))
    assert request.finished == 1 + TIMING.rcd_read + TIMING.read_latency + TIMING.burst


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
