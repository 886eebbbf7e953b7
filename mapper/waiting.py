"""Psums that wait in the output's scratchpad while the sums of other tiles go on.

Loops over K outside of a tile come back to its psums. The scratchpad of psums may be small, so that
they are moved to where outputs are held, in accumulator width, and added to there each time.
"""

from __future__ import annotations

from math import prod

from foundation.dtype import DTYPES
from isa.instruction import Access
from mapper.kernel import Contraction, Kernel, Role, row_major_strides
from mapper.mapping import Mapping, Tile
from mapper.residence import Regions
from mapper.rings import ProgramBuilder


def waiting_bytes(kernel: Kernel, mapping: Mapping) -> int:
    """Return the bytes of the psums of a region that wait; 0 if none do."""
    if not mapping.psums_wait or not isinstance(kernel.body, Contraction):
        return 0
    region = mapping.region(len(kernel.inputs), kernel.extents)
    kept = kernel.numbers(Role.GROUP, Role.M, Role.N)
    accumulator = DTYPES[kernel.inputs[0].dtype.accumulator]
    return accumulator.size_bytes * prod(region[d] for d in kept)


class WaitingPsums:
    """The psums of one region of a product, or none if every tile is summed up at once.

    Only the vector unit reads and writes them, in the order of its instructions, so they need no
    semaphore.

    Parameters
    ----------
    builder
        Of the program that they are in.
    kernel, mapping
        The product, and how it runs.
    """

    def __init__(self, builder: ProgramBuilder, kernel: Kernel, mapping: Mapping) -> None:
        self._kernel = kernel
        self._waits = mapping.psums_wait
        self._reduced = kernel.numbers(Role.K)
        if not self._waits:
            return
        number = len(kernel.inputs)
        self._kept = kernel.numbers(Role.GROUP, Role.M, Role.N)
        self._regions = Regions(kernel, number, mapping)
        region = mapping.region(number, kernel.extents)
        extents = [region[d] for d in self._kept]
        element_bytes = DTYPES[kernel.inputs[0].dtype.accumulator].size_bytes
        self._strides = row_major_strides(extents, element_bytes)
        self._space, self._base = builder.reserve("output", waiting_bytes(kernel, mapping))

    def is_first(self, tile: Tile) -> bool:
        """Whether a tile begins its sums."""
        return not self._waits or all(tile.low[d] == 0 for d in self._reduced)

    def is_last(self, tile: Tile) -> bool:
        """Whether a tile ends its sums."""
        extents = self._kernel.extents
        return not self._waits or all(
            tile.low[d] + tile.size[d] == extents[d] for d in self._reduced
        )

    def at(self, tile: Tile) -> Access:
        """Return where the psums of a tile wait."""
        region = self._regions.around(tile)
        distance = sum(
            (tile.low[d] - region.low[d]) * stride
            for d, stride in zip(self._kept, self._strides, strict=True)
        )
        return Access(space=self._space, base=self._base + distance, strides=self._strides)
