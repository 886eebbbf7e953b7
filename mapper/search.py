"""The choice of a mapping: the best of all candidates by closed-form cost."""

from __future__ import annotations

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


def best_mapping(kernel: Kernel, spec: AcceleratorSpec, name: str) -> tuple[Mapping, CostEstimate]:
    """Return the mapping with the fewest estimated cycles, then layouts for its tiles.

    Of those within ``TIE`` of the fewest, the one with the fewest main-memory bytes, then tiles.

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
    tiles = candidate_tiles(kernel, spec)
    orders = loop_orders(kernel)
    scores = [score(kernel, spec, tiles, order) for order in orders]
    fitting = np.concatenate([one.fits(spec) for one in scores])
    if not fitting.any():
        raise _does_not_fit(kernel, spec, name, tiles)
    cycles = np.where(fitting, np.concatenate([one.cycles for one in scores]), np.inf)
    dram_bytes = np.concatenate([one.dram_bytes for one in scores])
    count = np.concatenate([one.tiles for one in scores])
    near = np.flatnonzero(cycles <= cycles.min() * (1 + TIE))
    best = int(near[np.lexsort((cycles[near], count[near], dram_bytes[near]))[0]])
    order, chosen = divmod(best, len(tiles))
    mapping = Mapping(
        tile=tuple(int(size) for size in tiles[chosen]),
        order=orders[order],
        num_buffers=tuple(int(buffers[chosen]) for buffers in scores[order].num_buffers),
    )
    mapping = with_layouts(kernel, mapping, spec)
    estimate = CostEstimate(
        cycles=float(cycles[best]) + conflict_cycles(kernel, mapping),
        dram_bytes=int(dram_bytes[best]),
        tiles=int(count[best]),
    )
    return mapping, estimate


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
