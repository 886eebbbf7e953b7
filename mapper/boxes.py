"""Boxes: the part of a tensor that a tile touches, and how it lies in a scratchpad."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from operator import mul
from typing import NamedTuple

from mapper.kernel import Kernel, OperandMap, axis_step, row_major_strides
from mapper.layout import PACKED, Layout
from mapper.mapping import Tile


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A box of a tensor with its padding.

    Parameters
    ----------
    start
        Tensor index of the first element that exists, along each axis.
    before, inside, after
        Elements of padding before, elements that exist, elements of padding after.
    """

    start: tuple[int, ...]
    before: tuple[int, ...]
    inside: tuple[int, ...]
    after: tuple[int, ...]


class Span(NamedTuple):
    """A part of a tensor as a kernel sees it, padding included.

    ``first`` is the tensor index of the first element along each axis, negative in the padding
    before it; ``extent`` are elements, ``OperandTiles.steps`` apart.
    """

    first: tuple[int, ...]
    extent: tuple[int, ...]


class OperandTiles:
    """The tiles of one operand of a kernel.

    Parameters
    ----------
    kernel, operand
        The kernel, and one of its operands.
    layout
        How a tile lies in its scratchpad.
    """

    def __init__(self, kernel: Kernel, operand: OperandMap, layout: Layout = PACKED) -> None:
        extents = kernel.extents
        self.operand = operand
        self._layout = layout
        #: Distance of neighbouring elements, along each axis.
        self.steps = tuple(axis_step(axis, extents) for axis in operand.axes)
        self._axes = [(axis.offset, axis.terms) for axis in operand.axes]
        self._depends = tuple(sorted(operand.dimensions))
        self._dimensions = len(kernel.dimensions)
        self._tensor_strides = row_major_strides(
            [axis.size for axis in operand.axes], operand.dtype.size_bytes
        )
        #: Bytes between neighbouring elements of a box in main memory, along each axis.
        self.memory_strides = tuple(
            step * stride for step, stride in zip(self.steps, self._tensor_strides, strict=True)
        )
        self.shape = cache(self._shape)
        self.tile_strides = cache(self._tile_strides)
        self.iteration_strides = cache(self._iteration_strides)

    def part(self, tile: Tile) -> tuple[int, ...]:
        """Return what of a tile's position the operand depends on: equal parts, equal data."""
        low = tile.low
        return tuple([low[number] for number in self._depends])

    def span(self, tile: Tile) -> Span:
        """Return what a tile needs."""
        low, first = tile.low, []
        for index, terms in self._axes:
            for d, c in terms:
                index += c * low[d]
            first.append(index)
        return Span(tuple(first), self.shape(tile.size))

    def box(self, span: Span) -> Box:
        """Return which elements of a span exist."""
        columns = [
            _clip(axis.size, step, count, first)
            for axis, step, count, first in zip(
                self.operand.axes, self.steps, span.extent, span.first, strict=True
            )
        ]
        start, before, inside, after = zip(*columns, strict=True)
        return Box(start=start, before=before, inside=inside, after=after)

    def offset_bytes(self, box: Box) -> int:
        """Return the place of a box's first element, from the start of its tensor."""
        return sum(map(mul, box.start, self._tensor_strides))

    def distance_bytes(self, region: Span, part: Span, strides: tuple[int, ...]) -> int:
        """Return the place of a part's first element, from that of the region that it lies in."""
        steps = zip(part.first, region.first, self.steps, strides, strict=True)
        return sum((one - other) // step * stride for one, other, step, stride in steps)

    def size_bytes(self, size: tuple[int, ...]) -> int:
        """Return the bytes of the box of a tile of ``size`` iterations, padding included."""
        return self._layout.size_bytes(self.shape(size), self.operand.dtype.size_bytes)

    def _shape(self, size: tuple[int, ...]) -> tuple[int, ...]:
        """Return the elements of a tile's box along each axis, padding included."""
        return tuple(
            1 + sum(c // step * (size[d] - 1) for d, c in axis.terms)
            for axis, step in zip(self.operand.axes, self.steps, strict=True)
        )

    def _tile_strides(self, size: tuple[int, ...]) -> tuple[int, ...]:
        """Return the bytes per step along each axis of a tile's box in its layout."""
        return self.box_strides(self.shape(size))

    def _iteration_strides(self, size: tuple[int, ...]) -> tuple[int, ...]:
        """Return the bytes per step of each dimension in a tile's box in its layout."""
        return self.strides_in(self.shape(size))

    def box_strides(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the bytes per step along each axis of a box of some elements in its layout."""
        return self._layout.strides(shape, self.operand.dtype.size_bytes)

    def strides_in(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the bytes per step of each dimension in a box of some elements in its layout."""
        strides = [0] * self._dimensions
        axes = zip(self.operand.axes, self.box_strides(shape), self.steps, strict=True)
        for axis, stride, step in axes:
            for dimension, coefficient in axis.terms:
                strides[dimension] += coefficient // step * stride
        return tuple(strides)


def _clip(size: int, step: int, count: int, first: int) -> tuple[int, int, int, int]:
    """Return start, before, inside and after of ``count`` elements along an axis of ``size``."""
    before = min(count, -(first // step)) if first < 0 else 0
    inside = max(0, min(count, -(-(size - first) // step)) - before)
    start = first + before * step if inside else 0
    return start, before, inside, count - before - inside
