"""What an array multiplies, how fast, and what of sparse weights it skips."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from accel.timing import Count


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """Types that an array multiplies.

    Parameters
    ----------
    input, weight
        Names of the operands' types.
    macs_per_cycle
        What a PE does in a cycle, along the reduction: 2 is two neighbouring products and their
        sum. Below 1 a product takes several cycles.
    """

    input: str
    weight: str
    macs_per_cycle: Fraction = Fraction(1)

    @property
    def label(self) -> str:
        """Both types, or one if they are the same: ``fp16 x int4``."""
        return self.input if self.input == self.weight else f"{self.input} x {self.weight}"


class Reduction(NamedTuple):
    """How an array goes along the reduction of a product.

    Parameters
    ----------
    macs
        Multiply-accumulates for each index: one, or those of a segment of weights that aren't
        skipped.
    macs_per_cycle
        As in `Product`.
    """

    macs: int = 1
    macs_per_cycle: Fraction = Fraction(1)

    def steps(self, k: Count) -> Count:
        """Return the cycles that a PE spends on ``k`` indices."""
        numerator, denominator = self.macs_per_cycle.as_integer_ratio()
        return -(-(k * (self.macs * denominator)) // numerator)


#: One product an index, one a cycle.
PLAIN = Reduction()
