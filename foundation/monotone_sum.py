"""A sum over many whole numbers from few of its terms, with a bound of the error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from itertools import pairwise


@dataclass(frozen=True, slots=True, kw_only=True)
class MonotoneSum:
    """A sum over whole numbers, some of whose terms are known.

    Parameters
    ----------
    terms
        Number to the function's value there, in order; the first and the last are among them.

    Notes
    -----
    Between two known neighbours a, b the terms are taken to lie on a straight line. If the function
    is monotone between them, each of the n terms lies between f(a) and f(b), and their sum is
    n·(f(a) + f(b)) / 2 to within n·abs(f(b) − f(a)) / 2.
    """

    terms: Mapping[int, int]

    @property
    def total(self) -> float:
        """The sum: exact where all terms are known, or those between known neighbours equal."""
        return sum(self.terms.values()) + sum(
            (b - a - 1) * (self.terms[a] + self.terms[b]) / 2 for a, b in pairwise(self.terms)
        )

    @property
    def error(self) -> float:
        """The most by which the sum is off, if the function is monotone between known terms."""
        return sum(
            (b - a - 1) * abs(self.terms[b] - self.terms[a]) / 2 for a, b in pairwise(self.terms)
        )

    def at(self, number: int) -> float:
        """Return a term, known or on the line between its known neighbours."""
        if number in self.terms:
            return self.terms[number]
        a, b = next((a, b) for a, b in pairwise(self.terms) if a < number < b)
        return self.terms[a] + (self.terms[b] - self.terms[a]) * (number - a) / (b - a)


def monotone_sum(
    function: Callable[[int], int], numbers: range, *, tolerance: float
) -> MonotoneSum:
    """Return the sum of a function over numbers, from as few values as a tolerance asks for.

    The interval that may be off most is cut into halves, until all together are off by no more than
    the tolerance.

    Parameters
    ----------
    function
        What is summed; costly.
    numbers
        Over which, in steps of 1; at least one.
    tolerance
        The largest error over the sum; with 0 every term is known unless its neighbours are equal.
    """
    first, last = numbers[0], numbers[-1]
    terms = {number: function(number) for number in dict.fromkeys((first, last))}
    open_intervals = [_interval(first, last, terms)] if last > first else []
    heapify(open_intervals)
    found = MonotoneSum(terms=terms)
    while found.error > tolerance * found.total:
        _, a, b = heappop(open_intervals)
        middle = (a + b) // 2
        terms[middle] = function(middle)
        for half in ((a, middle), (middle, b)):
            heappush(open_intervals, _interval(*half, terms))
        found = MonotoneSum(terms=dict(sorted(terms.items())))
    return found


def _interval(a: int, b: int, terms: Mapping[int, int]) -> tuple[float, int, int]:
    """Return an interval with its negative error before it, so that the largest comes first."""
    return -(b - a - 1) * abs(terms[b] - terms[a]), a, b
