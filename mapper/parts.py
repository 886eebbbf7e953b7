"""Parts: a kernel of very many tiles, cut along its outer loops into pieces.

Pieces run one after the other. Most are equal but for their place in memory, on which no timing
depends: each distinct one is simulated once and repeated by reference. A piece starts when the one
before has finished, so a cut costs filling and emptying a tile once in ``TILES_PER_PART`` tiles.
"""

from __future__ import annotations

from collections.abc import Mapping as Dictionary
from dataclasses import dataclass, replace
from itertools import product

from mapper.kernel import Kernel, OperandMap, Role
from mapper.mapping import Mapping

#: What has up to twice as many tiles stays in one piece.
TILES_PER_PART = 2048
#: So many times more stay in one piece where a cut would load again what is held.
TILES_OF_HELD = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Equal pieces of a kernel.

    Parameters
    ----------
    kernel
        The whole.
    mapping
        Of the whole.
    dimensions
        Numbers of the dimensions that are cut.
    size
        Iterations of each of them in a piece.
    lows
        For each piece where it begins along each of them.
    """

    kernel: Kernel
    mapping: Mapping
    dimensions: tuple[int, ...]
    size: tuple[int, ...]
    lows: tuple[tuple[int, ...], ...]

    @property
    def piece_mapping(self) -> Mapping:
        """The mapping of every piece."""
        sizes = dict(zip(self.dimensions, self.size, strict=True))
        return self.mapping.within(
            tuple(sizes.get(d, extent) for d, extent in enumerate(self.kernel.extents))
        )

    def piece(self, number: int) -> Kernel:
        """Return a piece as a kernel of its own."""
        lows = dict(zip(self.dimensions, self.lows[number], strict=True))
        return piece_of(self.kernel, lows, dict(zip(self.dimensions, self.size, strict=True)))


def piece_of(kernel: Kernel, lows: Dictionary[int, int], sizes: Dictionary[int, int]) -> Kernel:
    """Return a kernel's part that begins at ``lows`` and has ``sizes``, by dimension."""
    if not any(lows.values()) and all(kernel.extents[d] == size for d, size in sizes.items()):
        return kernel
    return replace(
        kernel,
        dimensions=tuple(
            replace(dimension, extent=sizes.get(d, dimension.extent))
            for d, dimension in enumerate(kernel.dimensions)
        ),
        inputs=tuple(_moved(operand, lows) for operand in kernel.inputs),
        output=_moved(kernel.output, lows),
    )


def cut(kernel: Kernel, mapping: Mapping) -> tuple[Part, ...]:
    """Return the parts of a kernel, in the order in which they run: equal ones together."""
    inside = mapping.tile_count(kernel.extents)
    if inside <= 2 * TILES_PER_PART:
        return (whole(kernel, mapping),)
    sizes: dict[int, int] = {}
    outermost = min(mapping.held, default=0)
    for depth, (dimension, step) in enumerate(mapping.loops):
        limit = 2 * TILES_PER_PART * (1 if depth < outermost else TILES_OF_HELD)
        if inside <= limit or not _can_be_cut(kernel, dimension):
            break
        turns = -(-sizes.get(dimension, kernel.extents[dimension]) // step)
        inside = -(-inside // turns)
        tiles = max(1, -(-TILES_PER_PART // inside))
        if tiles < turns:
            sizes[dimension] = tiles * step
    places = [range(0, kernel.extents[d], size) for d, size in sizes.items()]
    equal: dict[tuple[int, ...], list[tuple[int, ...]]] = {}
    for lows in product(*places):
        shape = tuple(
            min(size, kernel.extents[d] - low)
            for (d, size), low in zip(sizes.items(), lows, strict=True)
        )
        equal.setdefault(shape, []).append(lows)
    return tuple(
        Part(
            kernel=kernel,
            mapping=mapping,
            dimensions=tuple(sizes),
            size=shape,
            lows=tuple(lows),
        )
        for shape, lows in equal.items()
    )


def whole(kernel: Kernel, mapping: Mapping) -> Part:
    """Return a kernel as one part."""
    return Part(kernel=kernel, mapping=mapping, dimensions=(), size=(), lows=((),))


def _can_be_cut(kernel: Kernel, dimension: int) -> bool:
    """Whether pieces along a dimension are independent and alike: no sum, window or padding."""
    if kernel.dimensions[dimension].role in (Role.K, Role.WHOLE):
        return False
    last = kernel.extents[dimension] - 1
    return all(
        len(axis.terms) == 1 and axis.offset >= 0 and axis.offset + c * last < axis.size
        for operand in kernel.operands
        for axis in operand.axes
        for d, c in axis.terms
        if d == dimension
    )


def _moved(operand: OperandMap, place: Dictionary[int, int]) -> OperandMap:
    """Return an operand whose iteration space begins at ``place``."""
    axes = tuple(
        replace(axis, offset=axis.offset + sum(c * place.get(d, 0) for d, c in axis.terms))
        for axis in operand.axes
    )
    return replace(operand, axes=axes)
