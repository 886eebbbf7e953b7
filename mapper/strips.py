"""The strips in which an operand of a loop nest comes: `mapper.residence` over arrays of tiles."""

from __future__ import annotations

from array import array

from mapper.kernel import Kernel, axis_step
from mapper.mapping import Mapping
from mapper.residence import tiled_windows
from mapper.tiling import Strips, Tiling

#: What `mapper.tiling` says where tiles overlap along no axis.
_NO_AXIS = -1


def strips_of(
    kernel: Kernel, operand: int, mapping: Mapping, tiling: Tiling, uses: array[int]
) -> Strips:
    """Return the strips of operand number ``operand`` for the tiles that use it, by number."""
    what, extents = kernel.operands[operand], kernel.extents
    tiled = tiled_windows(kernel, operand, mapping)
    return Strips(
        tiling,
        uses,
        held=mapping.held[operand],
        buffers=mapping.num_buffers[operand],
        axes=[(axis.offset, axis_step(axis, extents), axis.terms) for axis in what.axes],
        depends=[d for d in range(len(kernel.dimensions)) if what.depends_on(d)],
        sliding=next(iter(tiled), _NO_AXIS),
        # Tiles that overlap along several axes, or by their taps, don't part a region in strips.
        comes_whole=len(tiled) > 1 or any(count > 1 for count in tiled.values()),
    )
