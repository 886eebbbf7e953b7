"""Paces without drift, whatever their numbers."""

from __future__ import annotations

from math import gcd

from hypothesis import given
from hypothesis import strategies as st

from accel.replay import Pace
from accel.units import Clock


@given(hz=st.integers(1, 10**12), cycle=st.integers(0, 10**6))
def test_a_clocks_edges_are_those_of_units(hz: int, cycle: int) -> None:
    common = gcd(10**15, hz)
    pace, clock = Pace(10**15 // common, hz // common), Clock(hz=hz)
    cycle = min(cycle, hz * 9000)  # 2^63 fs are 9223 s
    edge = clock.edge_fs(cycle)
    assert pace.after(cycle) == edge
    for time in (edge - 1, edge, edge + 1):
        if time >= 0:
            assert pace.steps(time) == clock.cycle_at_or_after(time)


def test_a_pace_without_end_takes_no_time() -> None:
    assert Pace(0, 1).after(10**12) == 0
