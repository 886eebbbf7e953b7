"""The sum of a monotone function from few of its values."""

from __future__ import annotations

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.monotone_sum import MonotoneSum, monotone_sum

GROWTH = st.lists(st.integers(0, 1000), min_size=1, max_size=80)


@given(growth=GROWTH, first=st.integers(-5, 5), tolerance=st.sampled_from([0.0, 0.001, 0.05, 1.0]))
def test_the_sum_is_within_its_bound_and_the_bound_within_the_tolerance(
    growth: list[int], first: int, tolerance: float
) -> None:
    values = [1 + value for value in accumulate(growth)]
    numbers = range(first, first + len(values))
    asked: list[int] = []

    def function(number: int) -> int:
        asked.append(number)
        return values[number - first]

    found = monotone_sum(function, numbers, tolerance=tolerance)
    assert abs(found.total - sum(values)) <= found.error <= tolerance * found.total
    assert [*found.terms] == sorted(set(asked)) == sorted(asked)
    if tolerance == 0:
        assert found.total == sum(values)
        assert [found.at(number) for number in numbers] == values


def test_a_line_needs_its_ends_only_where_their_distance_allows_it() -> None:
    found = monotone_sum(lambda n: 1000 + n, range(1, 101), tolerance=0.05)
    assert found.terms == {1: 1001, 100: 1100}
    assert found.total == sum(range(1001, 1101))
    assert found.error == 98 * 99 / 2
    assert found.at(50) == 1050


def test_a_plateau_is_exact() -> None:
    found = monotone_sum(lambda n: min(n, 10), range(1, 10**9), tolerance=0)
    assert found.total == sum(range(1, 10)) + 10 * (10**9 - 10)
    assert len(found.terms) < 60


@pytest.mark.parametrize("numbers", [range(3, 4), range(3, 5)])
def test_one_or_two_terms_are_known(numbers: range) -> None:
    found = monotone_sum(lambda n: n * n, numbers, tolerance=1.0)
    assert found == MonotoneSum(terms={n: n * n for n in numbers})
    assert (found.total, found.error) == (sum(n * n for n in numbers), 0)
