"""Many loop nests of one kernel at once: sizes, parts and moves at every depth, as arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mapper.kernel import Axis, Kernel, OperandMap, axis_step
from mapper.mapping import Loop, Mapping, parts
from mapper.taking import Counts, Listed, Take


class Nests:
    """Loop nests that differ in their steps only.

    Parameters
    ----------
    kernel
        What is mapped.
    dimensions
        The dimension of each loop, outermost first; every dimension has at least one.
    columns
        For each loop its steps, as in `mapper.mapping.Loop`: int64 arrays of as many axes that
        broadcast against each other. One axis lists nests one by one. Several are a grid of all
        combinations, in which what depends on few loops is computed once for all others.

    Notes
    -----
    Results broadcast to ``shape``; nests are numbered in its row-major order.
    """

    def __init__(
        self, kernel: Kernel, dimensions: Sequence[int], columns: Iterable[Counts]
    ) -> None:
        self.kernel = kernel
        self.dimensions = tuple(dimensions)
        self.columns = tuple(columns)
        sizes = zip(*(column.shape for column in self.columns), strict=True)
        self.shape = tuple(map(max, sizes))
        self._extents = kernel.extents
        self._whole = [_constant(extent) for extent in self._extents]
        #: Dimension to its loops: their numbers and steps. One of extent 1 is never cut.
        self._loops: dict[int, list[tuple[int, Counts]]] = {d: [] for d in self.dimensions}
        for number, (d, column) in enumerate(zip(self.dimensions, self.columns, strict=True)):
            if self._extents[d] > 1:
                self._loops[d].append((number, column))
        self._known: dict[object, Counts] = {}

    def __len__(self) -> int:
        return prod(self.shape)

    def at(self, numbers: Counts) -> Nests:
        """Return some of the nests, one by one."""
        return self.taken(Listed(self.shape, numbers))

    def taken(self, take: Take) -> Nests:
        """Return those of the nests that are taken."""
        return Nests(self.kernel, self.dimensions, (take.each(column) for column in self.columns))

    def copy(self) -> Nests:
        """Return the same nests, of which nothing is known yet: what is found out takes memory."""
        return Nests(self.kernel, self.dimensions, self.columns)

    def within(self, axis: int, choices: slice) -> Nests:
        """Return the part of a grid that has some of the choices along an axis."""
        where = (*(slice(None),) * axis, choices)
        columns = (c[where] if c.shape[axis] > 1 else c for c in self.columns)
        return Nests(self.kernel, self.dimensions, columns)

    @property
    def depth(self) -> int:
        """Number of loops: the depth of tiles."""
        return len(self.dimensions)

    def loops(self, number: int) -> tuple[Loop, ...]:
        """Return the loops of one nest."""
        index = [int(place) for place in np.unravel_index(number, self.shape)]
        steps = (
            column[*(min(i, size - 1) for i, size in zip(index, column.shape, strict=True))]
            for column in self.columns
        )
        return tuple(map(Loop, self.dimensions, map(int, steps)))

    def tiles(self, numbers: Counts) -> Counts:
        """Return the tiles of some of the nests: shape (nests, dimensions)."""
        take = Listed(self.shape, numbers)
        innermost = dict(zip(self.dimensions, self.columns, strict=True))
        return np.stack([take.each(innermost[d]) for d in sorted(innermost)], axis=1)

    def size(self, depth: int, dimension: int) -> Counts:
        """Return the iterations of a dimension inside the outer ``depth`` loops."""
        for number, column in reversed(self._loops[dimension]):
            if number < depth:
                return column
        return self._whole[dimension]

    def parts(self, depth: int, dimension: int) -> Counts:
        """Return into how many parts the outer ``depth`` loops cut a dimension."""
        key = ("parts", dimension, depth)
        found = self._known.get(key)
        if found is None:
            outside = self._steps(depth, dimension)
            found = self._known[key] = self._parts_by(dimension, outside) if outside else _ONE
        return found

    def _parts_by(self, dimension: int, outside: Sequence[Counts]) -> Counts:
        """Return into how many parts the outermost loops of a dimension cut it."""
        key = ("parts by", dimension, len(outside))
        if key not in self._known:
            self._known[key] = parts(self._whole[dimension], outside)
        return self._known[key]

    def folds(
        self, dimensions: Sequence[int], grain: int, steps: Callable[[Counts], Counts] | None = None
    ) -> Counts:
        """Return how often ``grain`` places are filled, tile by tile, along some dimensions.

        A tile is as long as the product of its sizes, or as ``steps`` makes of it; ragged ones
        count at their true size.
        """
        lengths = (self._tile_sizes(d) for d in dimensions)
        total: Any = 0
        for choice in product(*lengths):
            size = prod((size for size, _ in choice), start=_ONE)
            size = size if steps is None else steps(size)
            total = total + prod((count for _, count in choice), start=_ONE) * -(-size // grain)
        result: Counts = np.asarray(total)
        return result

    def _tile_sizes(self, dimension: int) -> list[tuple[Counts, Counts]]:
        """Return the sizes of tiles along a dimension, and how many there are of each; 0 is one."""
        extent, steps = self._whole[dimension], self._steps(self.depth, dimension)
        if not steps:
            return [(extent, _ONE)]
        whole, ragged = _ragged_parts(extent, steps)
        return [(steps[-1], whole), *ragged]

    def turns(self, depth: int) -> Counts:
        """Return the turns of the outer ``depth`` loops: of all, the number of tiles."""
        key = ("turns", depth)
        if key not in self._known:
            cut = [d for d, loops in self._loops.items() if loops and loops[0][0] < depth]
            self._known[key] = _product([self.parts(depth, d) for d in cut])
        return self._known[key]

    def distinct(self, operand: OperandMap, depth: int) -> Counts:
        """Return the number of different parts of an operand at a depth."""
        return _product([self.parts(depth, d) for d in operand.dimensions if self._extents[d] > 1])

    def moves(
        self, operand: OperandMap, depth: int, without: frozenset[int] = frozenset()
    ) -> Counts:
        """Return how often an operand's part changes: in all loops outside its innermost one.

        ``without`` is as in `repeats`.
        """
        return self.distinct(operand, depth) * self.repeats(operand, depth, without)

    def repeats(
        self, operand: OperandMap, depth: int, without: frozenset[int] = frozenset()
    ) -> Counts:
        """Return how often each part of an operand comes: once for each turn of other loops.

        Only loops outside the innermost one that changes the part count, and of those along the
        dimensions in ``without`` only the first turn.

        # Approximation: where inner loops cut all blocks of a dimension but the ragged last, that
        one stays while other loops turn, but counts as often as its neighbours.
        """
        key = ("repeats", operand.role, depth, without)
        if key in self._known:
            return self._known[key]
        repeats, relevant = _ONE, operand.dimensions
        others: dict[int, None] = {}
        for number, dimension in enumerate(self.dimensions[:depth]):
            if self._extents[dimension] == 1:
                continue
            if dimension not in relevant:
                if dimension not in without:
                    others[dimension] = None
                continue
            cut = self.parts(number + 1, dimension) > self.parts(number, dimension)
            turns = _product([self.parts(number + 1, d) for d in others])
            repeats = np.where(cut, turns, repeats)
        self._known[key] = repeats
        return repeats

    def box_bytes(self, operand: OperandMap, depth: int) -> Counts:
        """Return the bytes of an operand's largest part at a depth, padding included."""
        key = ("box", operand.role, depth)
        if key in self._known:
            return self._known[key]
        size: Any = operand.dtype.size_bytes
        for axis in operand.axes:
            step = axis_step(axis, self._extents)
            long = [(d, c) for d, c in axis.terms if self._extents[d] > 1]
            if long:
                size = size * (1 + sum(c // step * (self.size(depth, d) - 1) for d, c in long))
        self._known[key] = np.asarray(size)
        return self._known[key]

    def sweep_bytes(self, operand: OperandMap, depth: int, *, with_padding: bool = False) -> Counts:
        """Return the bytes of all different parts of an operand, ragged ones at their true size.

        # Approximation: without padding, it counts as moved all the same but for the outermost
        parts' where taps of a window stay together. What lies between windows that are further
        apart than they are long counts as moved where a part comes in strips, which leave it out.
        """
        size: Any = operand.dtype.size_bytes
        for axis in operand.axes:
            step = axis_step(axis, self._extents)
            long = [(d, c) for d, c in axis.terms if self._extents[d] > 1]
            boxes = _product([self.parts(depth, d) for d, _ in long])
            elements: Any = boxes
            for d, c in long:
                counts = self.parts(depth, d)
                elements = elements + c // step * (self._extents[d] - counts) * (boxes // counts)
            padding = 0 if with_padding else padding_of(axis, self._extents)
            if padding:
                elements = elements - padding * (boxes == self.parts(depth, axis.terms[0][0]))
            size = size * elements
        result: Counts = np.asarray(size)
        return result

    def _steps(self, depth: int, dimension: int) -> list[Counts]:
        return [column for number, column in self._loops[dimension] if number < depth]


def padding_of(axis: Axis, extents: Sequence[int]) -> int:
    """Return the elements outside of a tensor that an iteration space touches along an axis."""
    step = axis_step(axis, extents)
    last = axis.offset + sum(c * (extents[d] - 1) for d, c in axis.terms)
    before = -(min(0, axis.offset) // step)
    after = -((min(0, axis.size - 1 - last)) // step)
    return min(before, (last - axis.offset) // step + 1) + after


def nest_of(kernel: Kernel, mapping: Mapping) -> Nests:
    """Return the nest of one mapping."""
    dimensions, steps = zip(*mapping.loops, strict=True)
    return Nests(kernel, dimensions, np.array(steps, dtype=np.int64)[:, np.newaxis])


def on_distinct(
    function: Callable[..., tuple[NDArray[Any], ...]], *arguments: Counts
) -> tuple[NDArray[Any], ...]:
    """Return what an element by element function gives, called once for each distinct value.

    Parameters
    ----------
    function
        Of arrays that broadcast against each other, to arrays of their common shape.
    arguments
        Of a grid: along an axis on which one of them repeats its values it is made shorter, and
        what the function returns is spread out again.
    """
    arguments = tuple(np.asarray(argument) for argument in arguments)
    ndim = max(argument.ndim for argument in arguments)
    shorter = [a.reshape((1,) * (ndim - a.ndim) + a.shape) for a in arguments]
    spread: dict[int, Counts] = {}
    for axis in range(ndim):
        changing = [number for number, a in enumerate(shorter) if a.shape[axis] > 1]
        if len(changing) != 1:
            continue
        (number,) = changing
        argument = shorter[number]
        if argument.size != argument.shape[axis]:
            continue
        values, place = np.unique(argument, return_inverse=True)
        shape = [1] * ndim
        shape[axis] = len(values)
        shorter[number], spread[axis] = values.reshape(shape), place.reshape(-1)
    found = function(*shorter)
    for axis, place in spread.items():
        found = tuple(np.take(f, place, axis) if f.shape[axis] > 1 else f for f in found)
    return found


def _ragged_parts(
    extent: Counts, steps: Sequence[Counts]
) -> tuple[Counts, list[tuple[Counts, Counts]]]:
    """Return how many whole innermost parts nested loops make, and size and number of the others.

    Sizes may be 0.
    """
    step, *inner = steps
    blocks, rest = extent // step, extent % step
    if not inner:
        return blocks, [(rest, _ONE)]
    in_block, ragged_in_block = _ragged_parts(step, inner)
    in_rest, ragged_in_rest = _ragged_parts(rest, inner)
    return (
        blocks * in_block + in_rest,
        [*((size, blocks * count) for size, count in ragged_in_block), *ragged_in_rest],
    )


def _product(columns: Iterable[Counts]) -> Counts:
    """Return the product; ones that come of no loop are left out."""
    found = _ONE
    for column in columns:
        if column is not _ONE:
            found = column if found is _ONE else found * column
    return found


def _constant(value: int) -> Counts:
    return np.asarray(value, dtype=np.int64)


_ONE = _constant(1)
