"""Axes: lists and ranges."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rooftile.sweep.axes import axis_values
from rooftile.sweep.quantities import amount_of


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ([16, 32], (16, 32)),
        (["WS", "OS"], ("WS", "OS")),
        ({"from": 1, "to": 8, "step": 3}, (1, 4, 7)),
        ({"from": 2, "to": 20, "factor": 2}, (2, 4, 8, 16)),
        ({"from": 0, "to": 1, "count": 3}, (0, 0.5, 1)),
        ({"from": 1, "to": 100, "count": 3, "scale": "log"}, (1, 10, 100)),
        ({"from": "64KiB", "to": "256KiB", "factor": 2}, ("64KiB", "128KiB", "256KiB")),
        ({"from": "1GB/s", "to": "3GB/s", "step": "1GB/s"}, ("1GB/s", "2GB/s", "3GB/s")),
        ({"from": "100ns", "to": "300ns", "count": 3}, ("100ns", "200ns", "300ns")),
        ({"from": 1, "to": 3, "count": 1}, (1,)),
    ],
)
def test_values(given_: object, expected: tuple[object, ...]) -> None:
    assert axis_values(given_) == expected


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ([], "is empty"),
        (5, "must be a list of values"),
        ([[1]], "must be a number, a word"),
        ([1, 1], "has a value twice"),
        ({"from": 8, "to": 1, "step": 1}, "is empty: it goes from 8 to 1"),
        ({"from": 1, "to": 8}, "needs one of step, factor and count but has 0"),
        ({"from": 1, "to": 8, "step": 1, "count": 3}, "has 2 of them"),
        ({"from": 1, "to": "8GB/s", "step": 1}, "same kind of unit"),
        ({"from": "1GB/s", "to": "8GB/s", "step": "1KiB"}, "same kind of unit as 'from'"),
        ({"from": "1GB/s", "to": "8GB/s", "step": 0}, "must be positive"),
        ({"from": 1, "to": 8, "factor": 1}, "greater than 1"),
        ({"from": 0, "to": 8, "factor": 2}, "'from' positive"),
        ({"from": 0, "to": 8, "count": 3, "scale": "log"}, "must be positive where"),
        ({"from": 0, "to": 8, "count": 1.5}, "whole number"),
        ({"from": 0, "to": 8, "count": 3, "scale": "cubic"}, "log or linear"),
        ({"from": 0, "to": 10**9, "step": 1}, "1,000,000,001 values but at most 100,000"),
        ({"from": 0, "to": 8, "steps": 3}, "unknown key 'steps'"),
        ({"from": "fast", "to": 8, "step": 3}, "'from' must be a number"),
    ],
)
def test_mistakes(given_: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        axis_values(given_)


@given(low=st.integers(1, 10**6), steps=st.integers(0, 40), step=st.integers(1, 10**4))
def test_a_range_has_its_ends_and_equal_steps(low: int, steps: int, step: int) -> None:
    values = axis_values({"from": low, "to": low + steps * step, "step": step})
    assert values == tuple(range(low, low + steps * step + 1, step))


@given(count=st.integers(2, 30), high=st.integers(2, 1000))
def test_a_log_range_keeps_its_factor(count: int, high: int) -> None:
    given_ = {"from": "1GB/s", "to": f"{high}GB/s", "count": count, "scale": "log"}
    amounts = [amount_of(value) for value in axis_values(given_)]
    numbers = [amount.value for amount in amounts if amount is not None]
    assert len(numbers) == len(amounts)
    assert numbers[0] == 1e9
    assert numbers[-1] == high * 1e9
    factor = high ** (1 / (count - 1))
    for one, after in pairwise(numbers):
        assert after / one == pytest.approx(factor, rel=1e-6)
