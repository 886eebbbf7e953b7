"""Distributions against all outcomes, one by one."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.distribution import MAX_VALUES, Distribution, in_turn, latest, mixed

Outcomes = dict[int, float]


def made(outcomes: Outcomes) -> Distribution:
    values, shares = np.array([*outcomes]), np.array([*outcomes.values()])
    return Distribution.of(values, shares / shares.sum())


def said(distribution: Distribution) -> Outcomes:
    pairs = zip(distribution.values.tolist(), distribution.probabilities.tolist(), strict=True)
    return dict(pairs)


OUTCOMES = st.dictionaries(st.integers(0, 9), st.integers(1, 5).map(float), min_size=1, max_size=4)
PARTS = st.lists(OUTCOMES.map(made), min_size=1, max_size=4)


def by_hand(parts: list[Distribution], joined: Callable[[list[int]], int]) -> Outcomes:
    """Return the distribution of a function of independent numbers, over all their outcomes."""
    found: dict[int, float] = {}
    for outcome in product(*(said(part).items() for part in parts)):
        value = joined([value for value, _ in outcome])
        found[value] = found.get(value, 0.0) + prod(share for _, share in outcome)
    return dict(sorted(found.items()))


@given(parts=PARTS)
def test_sums_and_largest(parts: list[Distribution]) -> None:
    for found, joined in ((in_turn(parts), sum), (latest(parts), max)):
        assert said(found) == pytest.approx(by_hand(parts, joined))
        assert list(found.values) == sorted(set(found.values.tolist()))
        assert found.probabilities.sum() == pytest.approx(1)
    assert in_turn(parts).mean == pytest.approx(sum(part.mean for part in parts))


@given(part=OUTCOMES.map(made), count=st.integers(0, 6))
def test_times(part: Distribution, count: int) -> None:
    assert said(part.times(count)) == pytest.approx(by_hand([part] * count, sum))


@given(parts=PARTS, share=st.floats(0.01, 0.99))
def test_quantiles(parts: list[Distribution], share: float) -> None:
    whole = mixed([(1 / len(parts), part) for part in parts])
    assert whole.mean == pytest.approx(sum(part.mean for part in parts) / len(parts))
    value = whole.quantile(share)
    at_most = sum(p for v, p in said(whole).items() if v <= value)
    below = sum(p for v, p in said(whole).items() if v < value)
    assert below - 1e-6 <= share <= at_most + 1e-6


def test_what_never_happens_is_no_value() -> None:
    assert said(mixed([(0.0, Distribution.certain(3)), (1.0, Distribution.certain(5))])) == {5: 1}


def test_many_values_are_joined_and_the_mean_stays() -> None:
    one = made({n**2: 1.0 for n in range(100)})
    found = in_turn([one] * 5)
    assert len(found.values) <= MAX_VALUES
    assert found.mean == pytest.approx(5 * one.mean, abs=5)
    assert found.probabilities.sum() == pytest.approx(1)
    dense = np.zeros(99**2 + 1)
    dense[one.values] = one.probabilities
    exact = dense
    for _ in range(4):
        exact = np.convolve(exact, dense)
    for share in (0.1, 0.5, 0.9, 0.99):
        expected = np.searchsorted(np.cumsum(exact), share)
        assert found.quantile(share) == pytest.approx(expected, rel=0.005)
