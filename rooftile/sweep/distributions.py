"""What a variable of a search space may be: distributions by their quantiles.

References
----------
.. [1] Neural Network Intelligence 2.10, "Search Space",
   https://nni.readthedocs.io/en/v2.10/hpo/search_space.html: the types, and how each is rounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, isfinite, log
from statistics import NormalDist

# Approximation: a normal variable ends 8.2 deviations from its mean; others have no end.
_LEAST, _MOST = 2.0**-53, 1 - 2.0**-53
#: Whole numbers are kept in 64 bits.
LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """A uniform or normal distribution, or one whose logarithm is.

    Parameters
    ----------
    is_normal, is_log
        Which of the four.
    first, second
        Low and high of a uniform one, themselves also where its logarithm is uniform; mean and
        deviation of a normal one, of the logarithm where that is normal.
    step
        Values are rounded to its multiples; None leaves them.
    """

    is_normal: bool
    is_log: bool
    first: float
    second: float
    step: float | None = None

    def mistake(self) -> str:
        """Return why there is no such distribution; nothing if there is."""
        if self.step is not None and self.step <= 0:
            return f"the step q must be positive but is {self.step:g}"
        if self.is_normal:
            return "" if self.second > 0 else f"sigma must be positive but is {self.second:g}"
        if self.first >= self.second:
            return f"low must be less than high but they are {self.first:g} and {self.second:g}"
        if self.is_log and self.first <= 0:
            return f"low must be positive, since it has a logarithm, but is {self.first:g}"
        return ""

    def value(self, quantile: float) -> float:
        """Return the value below which this part of all values is, from 0 to 1.

        Raises
        ------
        ValueError
            When it is beyond what is kept.
        """
        try:
            value = self._rounded(self._between(quantile))
        except OverflowError:
            value = float("inf")
        if not isfinite(value) or abs(value) > LARGEST:
            raise ValueError(f"a value of {value:g} is beyond the {LARGEST:,} allowed")
        return value

    def _between(self, quantile: float) -> float:
        if self.is_normal:
            found = NormalDist(self.first, self.second).inv_cdf(max(_LEAST, min(quantile, _MOST)))
        else:
            low, high = (
                (log(self.first), log(self.second)) if self.is_log else (self.first, self.second)
            )
            found = low + quantile * (high - low)
        return exp(found) if self.is_log else found

    def _rounded(self, value: float) -> float:
        if self.step is not None:
            value = round(value / self.step) * self.step
        return value if self.is_normal else max(self.first, min(value, self.second))
