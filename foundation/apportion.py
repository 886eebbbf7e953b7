"""Whole numbers split into whole parts."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate


def apportion(total: int, weights: Sequence[int]) -> list[int]:
    """Return parts of a whole number in proportion to weights; they add up to it.

    Sums of the first parts are rounded down, so that no part is off by more than one. Without any
    weight the first part is everything.

    Parameters
    ----------
    total
        What is split, not negative.
    weights
        Not negative; at least one.
    """
    whole = sum(weights)
    if whole == 0:
        return [total] + [0] * (len(weights) - 1)
    ends = [total * weight // whole for weight in accumulate(weights)]
    return [end - start for start, end in zip([0, *ends], ends, strict=False)]
