"""The scratchpads' ports in closed form."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Quantity = TypeVar("Quantity", float, NDArray[np.float64])


def port_cycles(size_bytes: Quantity, bandwidth_bytes_per_cycle: float) -> Quantity:
    """Return the whole cycles in which a port moves some bytes; none at unlimited bandwidth.

    # Approximation: a scratchpad is one port with a bandwidth; banks don't conflict.
    """
    return rounded_up(size_bytes / bandwidth_bytes_per_cycle)


def rounded_up(cycles: Quantity) -> Quantity:
    """Return the next whole number, for a number or an array."""
    return -(-cycles // 1)
