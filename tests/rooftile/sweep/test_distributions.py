"""Distributions of search spaces, against their definitions as NNI's documentation has them."""

from __future__ import annotations

from math import erf, exp, log, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rooftile.sweep.distributions import LARGEST, Distribution

PARTS = st.floats(0, 1)


def uniform(low: float, high: float, step: float | None = None) -> Distribution:
    return Distribution(is_normal=False, is_log=False, first=low, second=high, step=step)


def log_uniform(low: float, high: float, step: float | None = None) -> Distribution:
    return Distribution(is_normal=False, is_log=True, first=low, second=high, step=step)


def normal(mu: float, sigma: float, step: float | None = None) -> Distribution:
    return Distribution(is_normal=True, is_log=False, first=mu, second=sigma, step=step)


def log_normal(mu: float, sigma: float, step: float | None = None) -> Distribution:
    return Distribution(is_normal=True, is_log=True, first=mu, second=sigma, step=step)


@given(PARTS, st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_below_a_uniform_value_is_its_part(part: float, low: float, width: float) -> None:
    value = uniform(low, low + width).value(part)
    assert low <= value <= low + width
    assert (value - low) / width == pytest.approx(part, abs=1e-6)


@given(PARTS, st.floats(1e-3, 1e6), st.floats(1.1, 1e6))
def test_bounds_of_a_loguniform_are_of_the_value(part: float, low: float, ratio: float) -> None:
    value = log_uniform(low, low * ratio).value(part)
    assert low <= value <= low * ratio
    assert log(value / low) / log(ratio) == pytest.approx(part, abs=1e-6)


@given(st.floats(0.001, 0.999), st.floats(-10, 10), st.floats(0.01, 10))
def test_below_a_normal_value_is_its_part(part: float, mu: float, sigma: float) -> None:
    def below(value: float) -> float:
        return (1 + erf((value - mu) / (sigma * sqrt(2)))) / 2

    assert below(normal(mu, sigma).value(part)) == pytest.approx(part, abs=1e-9)
    assert log_normal(mu, sigma).value(part) == pytest.approx(exp(normal(mu, sigma).value(part)))


@pytest.mark.parametrize(
    ("low", "high", "step", "values"),
    [(0, 10, 2.5, [0, 2.5, 5, 7.5, 10]), (2, 10, 5, [2, 5, 10]), (1, 4, 1, [1, 2, 3, 4])],
)
def test_the_documentations_values(
    low: float, high: float, step: float, values: list[float]
) -> None:
    one = uniform(low, high, step)
    assert sorted({one.value(number / 1000) for number in range(1001)}) == values


@given(PARTS, st.sampled_from([0.5, 1, 3, 64]))
def test_steps_are_multiples_within_the_bounds(part: float, step: float) -> None:
    for one in (uniform(7, 100, step), log_uniform(7, 100, step)):
        value = one.value(part)
        assert value in (7, 100) or value % step == 0
        assert 7 <= value <= 100
    for one in (normal(7, 2, step), log_normal(1, 2, step)):
        assert one.value(part) % step == 0, "nothing clips it"


@pytest.mark.parametrize("part", [0.0, 1.0])
def test_the_ends_of_a_normal_are_finite(part: float) -> None:
    assert abs(normal(0, 1).value(part)) == pytest.approx(8.2, abs=0.1)


@pytest.mark.parametrize("one", [log_normal(800, 1), normal(1e19, 1), log_normal(0, 1, 1e-320)])
def test_what_is_too_large_is_an_error(one: Distribution) -> None:
    with pytest.raises(ValueError, match=f"beyond the {LARGEST:,} allowed"):
        one.value(0.5)


@pytest.mark.parametrize(
    ("one", "message"),
    [
        (uniform(2, 1), "low must be less than high but they are 2 and 1"),
        (log_uniform(0, 1), "low must be positive, since it has a logarithm, but is 0"),
        (normal(0, 0), "sigma must be positive but is 0"),
        (uniform(0, 1, 0), "the step q must be positive but is 0"),
        (uniform(0, 1), ""),
    ],
)
def test_mistakes(one: Distribution, message: str) -> None:
    assert one.mistake() == message
