"""Distributions of whole numbers: what takes how long with which probability."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

#: The most values that a distribution has; neighbours are joined beyond it.
MAX_VALUES = 1000
#: By how much probabilities may miss a sum of 1: what rounding leaves of decimal numbers.
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Distribution:
    """A random whole number.

    Approximation: with more than ``MAX_VALUES`` values, neighbours that have a thousandth of the
    probability together are joined at their mean. The mean stays but for rounding.

    Parameters
    ----------
    values
        int64, in ascending order, each once.
    probabilities
        float64, of each value, greater than 0; their sum is 1.
    """

    values: NDArray[np.int64]
    probabilities: NDArray[np.float64]

    @classmethod
    def certain(cls, value: int) -> Distribution:
        """Return the distribution of what has one value."""
        return cls(values=np.array([value]), probabilities=np.ones(1))

    @classmethod
    def of(cls, values: NDArray[np.int64], probabilities: NDArray[np.float64]) -> Distribution:
        """Return the distribution of values in any order, some of them several times."""
        distinct, places = np.unique(values, return_inverse=True)
        weights = np.bincount(places.ravel(), probabilities).astype(np.float64)
        kept = weights > 0
        return cls(values=distinct[kept], probabilities=weights[kept])._thinned()

    @property
    def mean(self) -> float:
        """The expected value."""
        return float(self.values @ self.probabilities)

    def quantile(self, share: float) -> int:
        """Return the least value that isn't exceeded with a probability of ``share``."""
        place = np.searchsorted(np.cumsum(self.probabilities), share - ROUNDING)
        return int(self.values[min(int(place), len(self.values) - 1)])

    def then(self, other: Distribution) -> Distribution:
        """Return the distribution of the sum with an independent number."""
        return self.of(
            np.add.outer(self.values, other.values).ravel(),
            np.multiply.outer(self.probabilities, other.probabilities).ravel(),
        )

    def times(self, count: int) -> Distribution:
        """Return the distribution of the sum of independent numbers of this distribution."""
        total, power = Distribution.certain(0), self
        while count:
            if count & 1:
                total = total.then(power)
            count >>= 1
            if count:
                power = power.then(power)
        return total

    def _thinned(self) -> Distribution:
        """Return the distribution with neighbours joined where there are too many values."""
        if len(self.values) <= MAX_VALUES:
            return self
        middle = np.cumsum(self.probabilities) - self.probabilities / 2
        bins = np.minimum((middle * MAX_VALUES).astype(np.int64), MAX_VALUES - 1)
        weights = np.bincount(bins, self.probabilities).astype(np.float64)
        sums = np.bincount(bins, self.probabilities * self.values)
        kept = weights > 0
        values = np.rint(sums[kept] / weights[kept]).astype(np.int64)
        return Distribution(values=values, probabilities=weights[kept])


def in_turn(parts: Iterable[Distribution]) -> Distribution:
    """Return the distribution of a sum of independent numbers."""
    return reduce(Distribution.then, parts, Distribution.certain(0))


def mixed(parts: Sequence[tuple[float, Distribution]]) -> Distribution:
    """Return the distribution of what is one of the parts, each with its probability."""
    return Distribution.of(
        np.concatenate([part.values for _, part in parts]),
        np.concatenate([share * part.probabilities for share, part in parts]),
    )


def latest(parts: Sequence[Distribution]) -> Distribution:
    """Return the distribution of the largest of independent numbers; 0 without any."""
    values = np.unique(np.concatenate([np.zeros(1, np.int64), *(part.values for part in parts)]))
    below = np.ones(len(values))
    for part in parts:
        known = np.concatenate([[0.0], np.cumsum(part.probabilities)])
        below = below * known[np.searchsorted(part.values, values, side="right")]
    return Distribution.of(values, np.diff(below, prepend=0.0))
