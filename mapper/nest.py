"""Many loop nests of one kernel at once: sizes, parts and moves at every depth, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mapper.kernel import Axis, Kernel, OperandMap, axis_step
from mapper.mapping import Loop, Mapping, parts

Counts = NDArray[np.int64]


class Nests:
    """Loop nests that differ in their steps only.

    Parameters
    ----------
    kernel
        What is mapped.
    dimensions
        The dimension of each loop, outermost first; every dimension has at least one.
    steps
        int64 array, shape (nests, loops): as in `mapper.mapping.Loop`.
    """

    def __init__(self, kernel: Kernel, dimensions: Sequence[int], steps: Counts) -> None:
        self.kernel = kernel
        self.dimensions = tuple(dimensions)
        self.steps = steps
        self._columns = list(np.ascontiguousarray(steps.T))
        self._known: dict[object, Counts] = {}

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def depth(self) -> int:
        """Number of loops: the depth of tiles."""
        return len(self.dimensions)

    def loops(self, number: int) -> tuple[Loop, ...]:
        """Return the loops of one nest."""
        return tuple(map(Loop, self.dimensions, self.steps[number].tolist()))

    def size(self, depth: int, dimension: int) -> Counts:
        """Return the iterations of a dimension inside the outer ``depth`` loops."""
        outside = self._steps(depth, dimension)
        return outside[-1] if outside else self._whole(dimension)

    def parts(self, depth: int, dimension: int) -> Counts:
        """Return into how many parts the outer ``depth`` loops cut a dimension."""
        outside = self._steps(depth, dimension)
        if not outside:
            return self._ones
        key = ("parts", dimension, len(outside))
        if key not in self._known:
            self._known[key] = parts(self._whole(dimension), outside)
        return self._known[key]

    def turns(self, depth: int, without: frozenset[int] = frozenset()) -> Counts:
        """Return the turns of the outer ``depth`` loops: of all, the number of tiles.

        Only the first of those along the dimensions in ``without`` is counted.
        """
        key = ("turns", depth, without)
        if key not in self._known:
            cut = {d for d in self.dimensions[:depth] if self.kernel.extents[d] > 1} - without
            self._known[key] = prod((self.parts(depth, d) for d in cut), start=self._ones)
        return self._known[key]

    def distinct(self, operand: OperandMap, depth: int) -> Counts:
        """Return the number of different parts of an operand at a depth."""
        numbers = {d for axis in operand.axes for d, _ in axis.terms}
        return prod((self.parts(depth, d) for d in numbers), start=self._ones)

    def moves(
        self, operand: OperandMap, depth: int, without: frozenset[int] = frozenset()
    ) -> Counts:
        """Return how often an operand's part changes: in all loops outside its innermost one.

        ``without`` is as in `turns`.
        """
        moves = self._ones
        for number, dimension in enumerate(self.dimensions[:depth]):
            if self.kernel.extents[dimension] > 1 and operand.depends_on(dimension):
                cut = self.parts(number + 1, dimension) > self.parts(number, dimension)
                moves = np.where(cut, self.turns(number + 1, without), moves)
        return moves

    def box_bytes(self, operand: OperandMap, depth: int) -> Counts:
        """Return the bytes of an operand's largest part at a depth, padding included."""
        size: Any = operand.dtype.size_bytes
        for axis in operand.axes:
            step = axis_step(axis, self.kernel.extents)
            size = size * (1 + sum(c // step * (self.size(depth, d) - 1) for d, c in axis.terms))
        result: Counts = np.broadcast_to(size, len(self))
        return result

    def sweep_bytes(self, operand: OperandMap, depth: int) -> Counts:
        """Return the bytes of all different parts of an operand, ragged ones at their true size.

        # Approximation: padding counts as moved but for the outermost parts' where taps of a window
        stay together.
        """
        size: Any = operand.dtype.size_bytes
        for axis in operand.axes:
            step = axis_step(axis, self.kernel.extents)
            boxes = prod((self.parts(depth, d) for d, _ in axis.terms), start=np.int64(1))
            elements: Any = boxes
            for d, c in axis.terms:
                counts = self.parts(depth, d)
                elements = elements + c // step * (self.kernel.extents[d] - counts) * (
                    boxes // counts
                )
            position = axis.terms[0][0] if axis.terms else 0
            padding = _padding(axis, self.kernel.extents)
            if padding:
                elements = elements - padding * (boxes == self.parts(depth, position))
            size = size * elements
        result: Counts = np.broadcast_to(size, len(self))
        return result

    @property
    def _ones(self) -> Counts:
        return self._constant(1)

    def _whole(self, dimension: int) -> Counts:
        return self._constant(self.kernel.extents[dimension])

    def _constant(self, value: int) -> Counts:
        key = ("constant", value)
        if key not in self._known:
            self._known[key] = np.broadcast_to(np.int64(value), len(self))
        return self._known[key]

    def _steps(self, depth: int, dimension: int) -> list[Counts]:
        return [
            column
            for d, column in zip(self.dimensions[:depth], self._columns, strict=False)
            if d == dimension and self.kernel.extents[d] > 1
        ]


def _padding(axis: Axis, extents: Sequence[int]) -> int:
    """Return the elements outside of a tensor that an iteration space touches along an axis."""
    step = axis_step(axis, extents)
    last = axis.offset + sum(c * (extents[d] - 1) for d, c in axis.terms)
    before = -(min(0, axis.offset) // step)
    after = -((min(0, axis.size - 1 - last)) // step)
    return min(before, (last - axis.offset) // step + 1) + after


def nest_of(kernel: Kernel, mapping: Mapping) -> Nests:
    """Return the nest of one mapping."""
    dimensions, steps = zip(*mapping.loops, strict=True)
    return Nests(kernel, dimensions, np.array([steps], dtype=np.int64))
