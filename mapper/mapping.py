"""A mapping: how one kernel's loops are tiled and ordered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from math import prod

from mapper.kernel import Kernel
from mapper.layout import PACKED, Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """The temporal loop nest of a kernel over the main memories.

    Parameters
    ----------
    tile
        Iterations of each dimension that are resident at once.
    order
        Numbers of the dimensions, outermost loop first.
    num_buffers
        For each operand (inputs, then output): 2 if its next tile is moved while this one is
        used, 1 if there is only one tile.
    layouts, conflict_cycles
        For each operand, then for a product's psums, how a tile lies in its scratchpad, and the
        cycles that one tile costs in bank conflicts; empty where no scratchpad has banks.
    """

    tile: tuple[int, ...]
    order: tuple[int, ...]
    num_buffers: tuple[int, ...]
    layouts: tuple[Layout, ...] = ()
    conflict_cycles: tuple[int, ...] = ()

    def layout(self, number: int) -> Layout:
        """Return how the tiles of operand ``number`` lie in their scratchpad; -1 for psums."""
        return self.layouts[number] if self.layouts else PACKED

    def within(self, extents: tuple[int, ...]) -> Mapping:
        """Return this mapping for a part of the iteration space: no tile is larger than it."""
        return replace(self, tile=tuple(map(min, self.tile, extents)))

    def tile_count(self, extents: tuple[int, ...]) -> int:
        """Return into how many tiles an iteration space is cut."""
        return prod(-(-extent // size) for extent, size in zip(extents, self.tile, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One tile of an iteration space: ``size`` iterations of each dimension from ``low`` on."""

    low: tuple[int, ...]
    size: tuple[int, ...]


def tiles(kernel: Kernel, mapping: Mapping) -> Iterator[Tile]:
    """Yield the tiles in the order in which they run."""
    extents, tile = kernel.extents, mapping.tile
    starts = [range(0, extents[d], tile[d]) for d in mapping.order]
    position = [mapping.order.index(d) for d in range(len(extents))]
    is_ragged = [extent % size != 0 for extent, size in zip(extents, tile, strict=True)]
    for point in product(*starts):
        low = tuple([point[p] for p in position])
        size = tile
        if any(is_ragged):
            size = tuple([min(t, e - at) for t, e, at in zip(tile, extents, low, strict=True)])
        yield Tile(low=low, size=size)
