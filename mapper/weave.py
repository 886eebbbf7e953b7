"""Scripts of kernels: what the queues of a lowered program do, straight from arrays of tiles.

The operations and their order are those of `mapper.lower`; a test compares them one by one.
Compiled where there is a C compiler (types in ``weave.pxd``).
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from accel.script import CODES, PRODUCT, SIGNAL, TRANSFER, VECTOR, WAIT
from mapper.tiling import Strips, Tiling


class Boxes:
    """Bytes of an operand's tensor that are moved: padding isn't.

    Parameters
    ----------
    axes
        Offset, distance of neighbouring elements, size of the tensor, and terms of each axis.
    element_bytes
        Of an element.
    """

    def __init__(
        self,
        axes: Sequence[tuple[int, int, int, Sequence[tuple[int, int]]]],
        element_bytes: int,
    ) -> None:
        self._axes = len(axes)
        self._element_bytes = element_bytes
        self._offset = array("q", [axis[0] for axis in axes])
        self._step = array("q", [axis[1] for axis in axes])
        self._size = array("q", [axis[2] for axis in axes])
        terms = [term for axis in axes for term in axis[3]]
        self._first_term = array("q", [0]) * (len(axes) + 1)
        for number, axis in enumerate(axes):
            self._first_term[number + 1] = self._first_term[number] + len(axis[3])
        self._term_dimension = array("q", [d for d, _ in terms])
        self._coefficient = array("q", [c for _, c in terms])
        self._elements = array("q", [c // axis[1] for axis in axes for _, c in axis[3]])

    def of_strips(self, strips: Strips) -> array[int]:
        """Return the bytes of each strip."""
        sizes = array("q", [0]) * strips.strips
        self._fill_strips(strips, sizes)
        return sizes

    def of_tiles(self, tiling: Tiling, tiles: array[int]) -> array[int]:
        """Return the bytes of some tiles, by their numbers."""
        sizes = array("q", [0]) * len(tiles)
        self._fill_tiles(tiling, tiles, sizes)
        return sizes

    def _fill_strips(self, strips: Strips, sizes: array[int]) -> None:
        for strip in range(strips.strips):
            size = self._element_bytes
            for axis in range(self._axes):
                place = strip * self._axes + axis
                size *= self._inside(axis, strips.first[place], strips.extent[place])
            sizes[strip] = size

    def _fill_tiles(self, tiling: Tiling, tiles: array[int], sizes: array[int]) -> None:
        for number in range(len(tiles)):
            row, size = tiles[number] * tiling.rank, self._element_bytes
            for axis in range(self._axes):
                first, extent = self._offset[axis], 1
                for term in range(self._first_term[axis], self._first_term[axis + 1]):
                    d = self._term_dimension[term]
                    part = tiling.first_part[d] + tiling.places[row + d]
                    first += self._coefficient[term] * tiling.lows[part]
                    extent += self._elements[term] * (tiling.sizes[part] - 1)
                size *= self._inside(axis, first, extent)
            sizes[number] = size

    def _inside(self, axis: int, first: int, extent: int) -> int:
        """Return how many of ``extent`` elements exist."""
        step, size = self._step[axis], self._size[axis]
        if first >= size:
            return 0
        if step == 1:  # dividing takes long
            before, stop = max(0, -first), size - first
        else:
            before = (step - 1 - first) // step if first < 0 else 0
            stop = (size - first + step - 1) // step
        return max(0, min(extent, stop) - before)


class Line:
    """A queue's operations in the making."""

    def __init__(self, room: int) -> None:
        self._array = array("q", [0]) * room
        self._all = self._array
        self._count = 0

    def operations(self) -> array[int]:
        """Return them."""
        return self._array[: self._count]

    def add(self, code: int, argument: int) -> None:
        """Append an operation."""
        if self._count == len(self._all):
            self._grow()
        self._all[self._count] = argument * CODES + code
        self._count += 1

    def repeat(self, code: int, argument: int, times: int) -> None:
        """Append an operation several times."""
        for _ in range(times):
            self.add(code, argument)

    def _grow(self) -> None:
        self._array = self._array + array("q", [0]) * (len(self._array) + 64)
        self._all = self._array


class Weaver:
    """The operations of a core's queues.

    Attributes
    ----------
    load, matrix, vector, store
        The queues.
    loads
        Of each load the number of its strip or tile, with the operand as its code.
    """

    def __init__(self, room: int) -> None:
        self.load, self.matrix, self.vector, self.store = (Line(room) for _ in range(4))
        self.loads = Line(room)

    def compute(
        self,
        tiling: Tiling,
        results: array[int],
        by_array: Sequence[Strips],
        by_vector: Sequence[Strips],
        products: array[int],
        cycles: array[int],
    ) -> None:
        """Add a kernel that computes something.

        Parameters
        ----------
        tiling
            Its tiles.
        results
            Numbers of the tiles after which the vector unit has work.
        by_array, by_vector
            What matrix instructions read, and what vector instructions read besides psums. Their
            semaphores come in this order, ready and free, then those of psums if there are
            products, then those of outputs.
        products
            Of each tile the row of its matrix instruction, none without products.
        cycles
            Of each result what its vector instruction takes.
        """
        operands = len(by_array) + len(by_vector)
        psums = 2 * operands
        outputs = psums + 2 if len(by_array) else psums
        done, accumulates = 0, False
        for tile in range(tiling.count):
            is_last = results[done] == tile
            if len(by_array):
                if not accumulates:
                    self.matrix.add(WAIT, psums + 1)
                for number in range(len(by_array)):
                    self._arrive(by_array[number], number, tile, self.matrix)
                self.matrix.add(PRODUCT, products[tile])
                if is_last:
                    self.matrix.add(SIGNAL, psums)
                for number in range(len(by_array)):
                    self._depart(by_array[number], number, tile, self.matrix)
                accumulates = not is_last
            if not is_last:
                continue
            for number in range(len(by_vector)):
                self._arrive(by_vector[number], len(by_array) + number, done, self.vector)
            if len(by_array):
                self.vector.add(WAIT, psums)
            self.vector.add(WAIT, outputs + 1)
            self.vector.add(VECTOR, cycles[done])
            self.vector.add(SIGNAL, outputs)
            if len(by_array):
                self.vector.add(SIGNAL, psums + 1)
            for number in range(len(by_vector)):
                self._depart(by_vector[number], len(by_array) + number, done, self.vector)
            self._store(outputs)
            done += 1

    def _arrive(self, strips: Strips, operand: int, use: int, consumer: Line) -> None:
        """Load what a use needs, if anything is missing."""
        strip = strips.arrival[use]
        if strip < 0:
            return
        self.load.repeat(WAIT, 2 * operand + 1, strips.waits[strip])
        self.load.add(TRANSFER, 0)
        self.load.add(SIGNAL, 2 * operand)
        self.loads.add(operand, strip)
        consumer.add(WAIT, 2 * operand)

    def _depart(self, strips: Strips, operand: int, use: int, consumer: Line) -> None:
        """Let go what no other use needs."""
        consumer.repeat(SIGNAL, 2 * operand + 1, strips.departing[use])

    def _store(self, ring: int) -> None:
        self.store.add(WAIT, ring)
        self.store.add(TRANSFER, 0)
        self.store.add(SIGNAL, ring + 1)

    def sizes(self, by_operand: Sequence[array[int]]) -> array[int]:
        """Return the bytes of each load, from those of each operand's strips or tiles."""
        loads = self.loads.operations()
        sizes = array("q", [0]) * len(loads)
        for operand, own in enumerate(by_operand):
            _pick(loads, operand, own, sizes)
        return sizes

    def copy(self, tiles: int) -> None:
        """Add tiles that are loaded and stored as they are, through a single ring."""
        for tile in range(tiles):
            self.load.add(WAIT, 1)
            self.load.add(TRANSFER, 0)
            self.load.add(SIGNAL, 0)
            self.loads.add(0, tile)
            self._store(0)

    def look_up(self, tiles: int) -> None:
        """Add tiles of indices, and rows that they name."""
        for tile in range(tiles):
            self.load.add(WAIT, 1)
            self.load.add(TRANSFER, 0)
            self.load.add(SIGNAL, 0)
            self.loads.add(0, tile)
            self.load.add(WAIT, 0)
            self.load.add(WAIT, 3)
            self.load.add(TRANSFER, 0)
            self.load.add(SIGNAL, 2)
            self.loads.add(1, tile)
            self.load.add(SIGNAL, 1)
            self._store(2)


def kinds_of(tiling: Tiling) -> tuple[array[int], array[int]]:
    """Return for each tile the kind of its size, and for each kind a tile that has it."""
    kinds, examples = array("q", [0]) * tiling.count, array("q", [0]) * tiling.count
    radix, classes = array("q", [0]) * tiling.rank, array("q", [0]) * len(tiling.sizes)
    total = 1
    for d in range(tiling.rank):
        first = tiling.first_part[d]
        known: dict[int, int] = {}
        for part in range(first, first + tiling.counts[d]):
            classes[part] = known.setdefault(tiling.sizes[part], len(known))
        radix[d] = total
        total *= len(known)
    count = _number_kinds(tiling, classes, radix, array("q", [-1]) * total, kinds, examples)
    return kinds, examples[:count]


def _number_kinds(
    tiling: Tiling,
    classes: array[int],
    radix: array[int],
    seen: array[int],
    kinds: array[int],
    examples: array[int],
) -> int:
    count = 0
    for tile in range(tiling.count):
        key = 0
        for d in range(tiling.rank):
            part = tiling.first_part[d] + tiling.places[tile * tiling.rank + d]
            key += radix[d] * classes[part]
        if seen[key] < 0:
            seen[key] = count
            examples[count] = tile
            count += 1
        kinds[tile] = seen[key]
    return count


def _pick(loads: array[int], operand: int, own: array[int], sizes: array[int]) -> None:
    """Write down the bytes of one operand's loads."""
    for number in range(len(loads)):
        strip = loads[number] // CODES
        if loads[number] - strip * CODES == operand:
            sizes[number] = own[strip]
