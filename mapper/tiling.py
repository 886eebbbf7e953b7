"""The tiles of a loop nest as arrays, and what tiles touch of an operand.

Compiled where there is a C compiler (types in ``tiling.pxd``). Numbers below zero are only divided
where that is exact, as C and Python round differently.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

#: No strip, no tile, no axis, no column.
NONE = -1
ZERO = array("q", [0])


class Tiling:
    """The tiles of a loop nest in the order in which they run.

    Parameters
    ----------
    extents
        Of the iteration space.
    loops
        Pairs of dimension and step, outermost first; a dimension's steps don't grow inwards.
    counts
        Into how many parts each dimension is cut.

    Attributes
    ----------
    count
        Number of tiles.
    turning
        Numbers of the loops that take more than one turn.
    lows, sizes
        For each part of a dimension its first iteration, and its iterations.
    first_part
        Where a dimension's parts begin in ``lows`` and ``sizes``.
    cuts, column
        The dimensions that are cut, and of each dimension its place among these or ``NONE``.
    parts
        For each tile and dimension that is cut the number of its part.
    changed
        For each tile the outermost loop that has gone on since the tile before; 0 for the first.
    """

    def __init__(
        self, extents: Sequence[int], loops: Sequence[tuple[int, int]], counts: Sequence[int]
    ) -> None:
        rank = len(extents)
        self.rank = rank
        self.extents = array("q", extents)
        self.counts = array("q", counts)
        self.turning = _turning(extents, loops)
        cuts = [d for d in range(rank) if counts[d] > 1]
        self.cuts = array("q", cuts)
        self.column = array("q", [NONE]) * rank
        for column, d in enumerate(cuts):
            self.column[d] = column
        self.count = 1
        self.first_part = ZERO * rank
        parts = 0
        for d in range(rank):
            self.first_part[d] = parts
            parts += counts[d]
            self.count *= counts[d]
        self.lows, self.sizes = ZERO * parts, ZERO * parts
        self.parts = ZERO * (self.count * len(cuts))
        self.changed = ZERO * self.count
        self.loop_of = array("q", [d for d, _ in loops])
        self.step_of = array("q", [step for _, step in loops])
        self._fill()

    def columns(self, dimensions: Sequence[int]) -> array[int]:
        """Return the columns of those of some dimensions that are cut."""
        return array("q", [self.column[d] for d in dimensions if self.column[d] != NONE])

    def results(self, depends: Sequence[int]) -> array[int]:
        """Return the numbers of the tiles behind which another part of an operand follows.

        ``depends`` are the dimensions that the operand depends on.
        """
        found = ZERO * self.count
        count = self._find_results(found, self.columns(depends))
        return found[:count]

    def every(self) -> array[int]:
        """Return the numbers of all tiles."""
        numbers = ZERO * self.count
        self._count_up(numbers)
        return numbers

    def _count_up(self, numbers: array[int]) -> None:
        for tile in range(self.count):
            numbers[tile] = tile

    def low(self, tile: int) -> tuple[int, ...]:
        """Return a tile's first iteration of each dimension."""
        return tuple([self.lows[self._part(tile, d)] for d in range(self.rank)])

    def size(self, tile: int) -> tuple[int, ...]:
        """Return a tile's iterations of each dimension."""
        return tuple([self.sizes[self._part(tile, d)] for d in range(self.rank)])

    def _part(self, tile: int, d: int) -> int:
        """Return the number of a tile's part along a dimension."""
        if self.column[d] < 0:
            return self.first_part[d]
        return self.parts[tile * len(self.cuts) + self.column[d]]

    def _find_results(self, found: array[int], columns: array[int]) -> int:
        count, width = 0, len(self.cuts)
        for tile in range(self.count - 1):
            for number in range(len(columns)):
                place = tile * width + columns[number]
                if self.parts[place] != self.parts[place + width]:
                    found[count] = tile
                    count += 1
                    break
        found[count] = self.count - 1
        return count + 1

    def _fill(self) -> None:
        """Go through the loops that take more than one turn anywhere."""
        depth = len(self.turning)
        number = array("q", [*self.turning, 0])
        parent = array("q", [*_parents([self.loop_of[n] for n in self.turning]), 0])
        at, end, first = (ZERO * (depth + 1) for _ in range(3))
        place = array("q", self.first_part)
        for d in range(self.rank):
            self.sizes[place[d]] = self.extents[d]
        self._walk(depth, number, parent, at, end, first, place)

    def _walk(
        self,
        depth: int,
        number: array[int],
        parent: array[int],
        at: array[int],
        end: array[int],
        first: array[int],
        place: array[int],
    ) -> None:
        """Write down tile after tile.

        Parameters
        ----------
        depth, number, parent
            The loops, their numbers in the nest, and the loop of the same dimension outside each.
        at, end, first
            Of each loop where it is, where it ends, and the part with which it began.
        place
            Of each dimension the number of its part.
        """
        width, entered = len(self.cuts), 0
        for tile in range(self.count):
            for level in range(entered, depth):
                outside = parent[level]
                d = self.loop_of[number[level]]
                if outside < 0:
                    at[level], end[level] = 0, self.extents[d]
                else:
                    at[level] = at[outside]
                    end[level] = min(at[outside] + self.step_of[number[outside]], end[outside])
                first[level] = place[d]
            for level in range(max(entered - 1, 0), depth):
                d = self.loop_of[number[level]]
                self.lows[place[d]] = at[level]
                self.sizes[place[d]] = min(self.step_of[number[level]], end[level] - at[level])
            for column in range(width):
                self.parts[tile * width + column] = place[self.cuts[column]]
            if tile + 1 == self.count:
                break
            level = depth - 1
            while at[level] + self.step_of[number[level]] >= end[level]:
                level -= 1
            d = self.loop_of[number[level]]
            following = place[d] + 1
            for inner in range(depth - 1, level, -1):
                place[self.loop_of[number[inner]]] = first[inner]
            place[d] = following
            at[level] += self.step_of[number[level]]
            self.changed[tile + 1] = number[level]
            entered = level + 1


def _turning(extents: Sequence[int], loops: Sequence[tuple[int, int]]) -> list[int]:
    """Return the numbers of the loops that take more than one turn."""
    inside = list(extents)
    found = []
    for number, (d, step) in enumerate(loops):
        if step < inside[d]:
            found.append(number)
            inside[d] = step
    return found


def _parents(dimensions: Sequence[int]) -> list[int]:
    """Return for each loop the next one outside of the same dimension, or ``NONE``."""
    last: dict[int, int] = {}
    found = []
    for number, d in enumerate(dimensions):
        found.append(last.get(d, NONE))
        last[d] = number
    return found


class Axes:
    """The axes of an operand's tensor: what of them tiles touch.

    Parameters
    ----------
    axes
        Offset, distance of neighbouring elements, size of the tensor, and terms of each axis: pairs
        of dimension and coefficient.
    element_bytes
        Of an element.

    Attributes
    ----------
    count
        Number of axes.
    step
        Of each axis the distance of neighbouring elements.
    first, extent
        Of each axis the tensor index of the first element that `span` has found, negative in the
        padding, and the number of elements.
    """

    def __init__(
        self,
        axes: Sequence[tuple[int, int, int, Sequence[tuple[int, int]]]],
        element_bytes: int,
    ) -> None:
        self.count = len(axes)
        self.step = array("q", [axis[1] for axis in axes])
        self.first, self.extent = ZERO * len(axes), ZERO * len(axes)
        self._element_bytes = element_bytes
        self._offset = array("q", [axis[0] for axis in axes])
        self._size = array("q", [axis[2] for axis in axes])
        self._first_term = ZERO * (len(axes) + 1)
        for number, axis in enumerate(axes):
            self._first_term[number + 1] = self._first_term[number] + len(axis[3])
        terms = [term for axis in axes for term in axis[3]]
        self._term_dimension = array("q", [d for d, _ in terms])
        self._coefficient = array("q", [c for _, c in terms])
        #: The same in elements that are touched: nothing is divided tile by tile.
        self._elements = array("q", [c // axis[1] for axis in axes for _, c in axis[3]])
        #: Of the tiles at hand: what all of them touch, and the terms that are cut.
        self._whole = ZERO * len(axes)
        self._first_cut, self._cut = ZERO * (len(axes) + 1), ZERO * len(terms)
        self._column = ZERO * len(terms)

    def tile_bytes(self, tiling: Tiling, tiles: array[int]) -> array[int]:
        """Return the bytes of what some tiles touch, by their numbers: padding isn't moved."""
        sizes = ZERO * len(tiles)
        self.settle(tiling)
        self._fill(tiling, tiles, sizes)
        return sizes

    def _fill(self, tiling: Tiling, tiles: array[int], sizes: array[int]) -> None:
        for number in range(len(tiles)):
            self.span(tiling, tiles[number], tiles[number])
            sizes[number] = self.size_bytes()

    def settle(self, tiling: Tiling) -> None:
        """Prepare for tiles: of most dimensions they all cover the same iterations."""
        cuts = 0
        for axis in range(self.count):
            self._first_cut[axis] = cuts
            self._whole[axis] = 1
            for term in range(self._first_term[axis], self._first_term[axis + 1]):
                d = self._term_dimension[term]
                if tiling.column[d] < 0:
                    self._whole[axis] += self._elements[term] * (tiling.extents[d] - 1)
                else:
                    self._cut[cuts], self._column[cuts] = term, tiling.column[d]
                    cuts += 1
        self._first_cut[self.count] = cuts

    def span(self, tiling: Tiling, begin: int, end: int) -> None:
        """Find what the box touches that reaches from one tile to another."""
        width = len(tiling.cuts)
        for axis in range(self.count):
            first, extent = self._offset[axis], self._whole[axis]
            for cut in range(self._first_cut[axis], self._first_cut[axis + 1]):
                term, column = self._cut[cut], self._column[cut]
                last = tiling.parts[end * width + column]
                low = tiling.lows[tiling.parts[begin * width + column]]
                first += self._coefficient[term] * low
                extent += self._elements[term] * (tiling.lows[last] + tiling.sizes[last] - low - 1)
            self.first[axis], self.extent[axis] = first, extent

    def begin_at(self, axis: int, first: int) -> None:
        """Leave what comes before an index along an axis."""
        step = self.step[axis]
        self.extent[axis] -= (first - self.first[axis]) // step
        self.first[axis] = first

    def size_bytes(self) -> int:
        """Return the bytes of what `span` has found."""
        size = self._element_bytes
        for axis in range(self.count):
            size *= self._inside(axis)
        return size

    def _inside(self, axis: int) -> int:
        """Return how many of the elements exist."""
        first, step, size = self.first[axis], self.step[axis], self._size[axis]
        if first >= size:
            return 0
        if step == 1:  # dividing takes long
            before, stop = max(0, -first), size - first
        else:
            before = (step - 1 - first) // step if first < 0 else 0
            stop = (size - first + step - 1) // step
        return max(0, min(self.extent[axis], stop) - before)

    def dimensions(self, axis: int) -> list[int]:
        """Return the dimensions on which the place along an axis depends."""
        terms = range(self._first_term[axis], self._first_term[axis + 1])
        return [self._term_dimension[term] for term in terms]
