"""The costs of many nests at once: what searches choose by."""

from __future__ import annotations

from collections.abc import Mapping as Dictionary
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from accel.spec import AcceleratorSpec
from mapper.taking import Counts, Reals


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """The costs of many nests under one choice of where operands are held, and in how many slots.

    Parameters
    ----------
    cycles, dram_bytes, tiles
        As in CostEstimate.
    required_bytes
        Scratchpad name to bytes that the regions need, slots counted.
    num_buffers
        For each operand (inputs, then output): 1 or 2.
    energy_pj
        As in CostEstimate.
    """

    cycles: Reals
    dram_bytes: Counts
    tiles: Counts
    required_bytes: dict[str, Counts]
    num_buffers: list[Counts]
    energy_pj: Reals | None = None

    def fits(self, spec: AcceleratorSpec) -> NDArray[np.bool_]:
        """Return which nests fit in every scratchpad."""
        capacity = {s.name: s.capacity_bytes for s in spec.scratchpads}
        return that_fit(np.ones(len(self.cycles), dtype=np.bool_), self.required_bytes, capacity)


def that_fit(
    rows: NDArray[np.bool_], required_bytes: Dictionary[str, Counts], capacity: Dictionary[str, int]
) -> NDArray[np.bool_]:
    """Return which of the nests that are true fit: bytes needed, and there, by scratchpad."""
    for name, required in required_bytes.items():
        rows = rows & (required <= capacity[name])
    return rows
