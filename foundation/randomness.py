"""Random numbers that depend on nothing but their place: the same on every machine and run."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_GAMMA = 0x9E3779B97F4A7C15
_MIXES = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))


def random_places(index: NDArray[np.int64], places: int) -> NDArray[np.int64]:
    """Return a place below ``places`` for each index: its SplitMix64 hash, modulo their number.

    References
    ----------
    .. [1] G. Steele et al., "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014.
    """
    mixed = index.astype(np.uint64) + np.uint64(_GAMMA)
    for shift, factor in _MIXES:
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    mixed ^= mixed >> np.uint64(31)
    found: NDArray[np.int64] = (mixed % np.uint64(places)).astype(np.int64)
    return found
