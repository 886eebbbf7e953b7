"""The choice of a mapping: the best of all candidates by closed-form cost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from accel.spec import AcceleratorSpec
from foundation.errors import MappingError
from mapper.cost import CostEstimate, score
from mapper.kernel import Kernel
from mapper.layouts import conflict_cycles, with_layouts
from mapper.mapping import Mapping
from mapper.tiling import Tiles, candidate_tiles, loop_orders

#: Estimates closer than this count as equal: the closed form isn't more exact.
TIE = 0.01


class Search:
    """All candidate mappings of a kernel, scored at once.

    The best has the fewest estimated cycles; of those within ``TIE`` of the fewest it is the one
    with the fewest main-memory bytes, then tiles.

    Parameters
    ----------
    kernel, spec
        What is mapped, onto what.
    name
        The layer's, for the error.

    Raises
    ------
    MappingError
        When not even the smallest tile fits: which scratchpad, and both numbers.
    """

    def __init__(self, kernel: Kernel, spec: AcceleratorSpec, name: str) -> None:
        self._kernel = kernel
        self._spec = spec
        self._tiles = candidate_tiles(kernel, spec)
        self._orders = loop_orders(kernel)
        self._scores = [score(kernel, spec, self._tiles, order) for order in self._orders]
        fitting = np.concatenate([one.fits(spec) for one in self._scores])
        if not fitting.any():
            raise _does_not_fit(kernel, spec, name, self._tiles)
        self._cycles = np.where(
            fitting, np.concatenate([one.cycles for one in self._scores]), np.inf
        )
        self._dram_bytes = np.concatenate([one.dram_bytes for one in self._scores])
        self._count = np.concatenate([one.tiles for one in self._scores])
        self.candidates = len(fitting)
        self.fitting = int(fitting.sum())

    def best(self) -> tuple[Mapping, CostEstimate]:
        """Return the best mapping, with layouts for its tiles, and its cost."""
        mapping = with_layouts(self._kernel, self._mapping(self._best()), self._spec)
        estimate = self._estimate(self._best())
        conflicts = conflict_cycles(self._kernel, mapping)
        return mapping, replace(estimate, cycles=estimate.cycles + conflicts)

    def runner_up(self) -> tuple[Mapping, CostEstimate] | None:
        """Return the best mapping that differs from the best; None if there is no other."""
        best = self._mapping(self._best())
        # Two orders of loops of which one doesn't turn are the same.
        ordered = np.argsort(self._cycles, kind="stable")[: 4 * len(self._orders)]
        for number in ordered.tolist():
            if np.isfinite(self._cycles[number]) and self._mapping(number).tile != best.tile:
                return self._mapping(number), self._estimate(number)
        return None

    def fill(self) -> dict[str, float]:
        """Return scratchpad name to the share of it that the best mapping uses."""
        order, chosen = divmod(self._best(), len(self._tiles))
        required = self._scores[order].required_bytes
        return {
            pad.name: float(required[pad.name][chosen]) / pad.capacity_bytes
            for pad in self._spec.scratchpads
            if pad.name in required
        }

    def _best(self) -> int:
        near = np.flatnonzero(self._cycles <= self._cycles.min() * (1 + TIE))
        keys = (self._cycles[near], self._count[near], self._dram_bytes[near])
        return int(near[np.lexsort(keys)[0]])

    def _mapping(self, number: int) -> Mapping:
        order, chosen = divmod(number, len(self._tiles))
        buffers = self._scores[order].num_buffers
        return Mapping(
            tile=tuple(int(size) for size in self._tiles[chosen]),
            order=self._orders[order],
            num_buffers=tuple(int(count[chosen]) for count in buffers),
        )

    def _estimate(self, number: int) -> CostEstimate:
        return CostEstimate(
            cycles=float(self._cycles[number]),
            dram_bytes=int(self._dram_bytes[number]),
            tiles=int(self._count[number]),
        )


def _does_not_fit(kernel: Kernel, spec: AcceleratorSpec, name: str, tiles: Tiles) -> MappingError:
    """Return the error that names the scratchpad which is too small even for the best tile."""
    scores = score(kernel, spec, tiles, loop_orders(kernel)[0])
    capacity = {s.name: s.capacity_bytes for s in spec.scratchpads}
    excess = {
        scratchpad: required / capacity[scratchpad]
        for scratchpad, required in scores.required_bytes.items()
    }
    shares = list(excess.values())
    smallest = int(np.lexsort((np.sum(shares, axis=0), np.maximum.reduce(shares)))[0])
    worst = max(excess, key=lambda scratchpad: float(excess[scratchpad][smallest]))
    needed = int(scores.required_bytes[worst][smallest])
    sizes = ", ".join(
        f"{dimension.name} {size}"
        for dimension, size in zip(kernel.dimensions, tiles[smallest], strict=True)
    )
    return MappingError(
        f"layer '{name}', scratchpad '{worst}': the smallest tile ({sizes}) needs {needed} bytes"
        f" with its buffers but {capacity[worst]} are there; enlarge '{worst}'"
    )
