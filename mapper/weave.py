"""Scripts of kernels: what the queues of a lowered program do, straight from arrays of tiles.

The operations and their order are those of `mapper.lower`; a test compares them one by one.
Compiled where there is a C compiler (types in ``weave.pxd``).
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from accel.script import (
    CODE_BITS,
    CODE_MASK,
    PRODUCT,
    SIGNAL,
    TRANSFER,
    VECTOR,
    WAIT,
    QueueScript,
    Script,
)
from mapper.strips import Strips
from mapper.tiling import NONE, ZERO, Tiling


class Line:
    """A queue's operations, or other numbers, in the making.

    Parameters
    ----------
    room
        How many there is room for at first.
    """

    def __init__(self, room: int) -> None:
        self._array = ZERO * room
        self._all = self._array
        self._count = 0

    def numbers(self) -> array[int]:
        """Return them."""
        if self._count < len(self._array):
            self._all = ZERO  # what is looked at can't be shortened
            del self._array[self._count :]
            self._all = self._array
        return self._array

    def append(self, number: int) -> None:
        """Append a number."""
        if self._count == len(self._all):
            self._grow()
        self._all[self._count] = number
        self._count += 1

    def add(self, code: int, argument: int) -> None:
        """Append an operation."""
        self.append(argument << CODE_BITS | code)

    def repeat(self, code: int, argument: int, times: int) -> None:
        """Append an operation several times."""
        for _ in range(times):
            self.add(code, argument)

    def _grow(self) -> None:
        self._array = self._array + ZERO * (len(self._array) + 64)
        self._all = self._array


class Weaver:
    """The operations of a core's queues.

    Attributes
    ----------
    load, matrix, vector, store
        The queues.
    loads, sizes
        Of each load the number of its strip or tile, with the operand as its code, and its bytes.
    """

    def __init__(self) -> None:
        self.load, self.matrix, self.vector, self.store = (Line(0) for _ in range(4))
        self.loads, self.sizes = Line(0), Line(0)

    def compute(
        self,
        tiles: int,
        results: array[int],
        by_array: Sequence[Strips],
        by_vector: Sequence[Strips],
        products: array[int],
        cycles: array[int],
    ) -> None:
        """Weave a kernel that computes something.

        Parameters
        ----------
        tiles
            How many it has.
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
        self._make_room(tiles, len(results), by_array, by_vector)
        outputs = psums + 2 if len(by_array) else psums
        done, accumulates = 0, False
        for tile in range(tiles):
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

    def _make_room(
        self, tiles: int, results: int, by_array: Sequence[Strips], by_vector: Sequence[Strips]
    ) -> None:
        """Make room for about what follows."""
        of_array = sum(strips.strips for strips in by_array)
        loads = of_array + sum(strips.strips for strips in by_vector)
        self.load, self.loads, self.sizes = Line(3 * loads), Line(loads), Line(loads)
        if by_array:
            self.matrix = Line(tiles + 2 * results + 2 * of_array)
        self.vector = Line(5 * results + 2 * (loads - of_array))
        self.store = Line(3 * results)

    def _arrive(self, strips: Strips, operand: int, use: int, consumer: Line) -> None:
        """Load what a use needs, if anything is missing."""
        strip = strips.arrival[use]
        if strip >= 0:
            self.load.repeat(WAIT, 2 * operand + 1, strips.waits[strip])
            self._load(operand, strip, strips.sizes[strip])
            consumer.add(WAIT, 2 * operand)

    def _depart(self, strips: Strips, operand: int, use: int, consumer: Line) -> None:
        """Let go what no other use needs."""
        consumer.repeat(SIGNAL, 2 * operand + 1, strips.departing[use])

    def _store(self, ring: int) -> None:
        self.store.add(WAIT, ring)
        self.store.add(TRANSFER, 0)
        self.store.add(SIGNAL, ring + 1)

    def memories(self, by_operand: array[int]) -> array[int]:
        """Return the memory of each load, from those of operands."""
        loads = self.loads.numbers()
        memories = ZERO * len(loads)
        _choose(by_operand, loads, CODE_MASK, memories)
        return memories

    def script(
        self,
        *,
        memories: array[int],
        stored: array[int],
        stored_in: array[int],
        tokens: Sequence[int],
        products: Sequence[int] = (),
    ) -> Script:
        """Return the script of what was woven.

        Parameters
        ----------
        memories
            Of each load the main memory.
        stored, stored_in
            Of each store the bytes and the main memory.
        tokens, products
            As in `accel.script.Script`.
        """
        nothing = array("q")
        return Script(
            queues=(
                QueueScript(self.load.numbers(), self.sizes.numbers(), memories),
                QueueScript(self.matrix.numbers(), nothing, nothing),
                QueueScript(self.vector.numbers(), nothing, nothing),
                QueueScript(self.store.numbers(), stored, stored_in),
            ),
            tokens=array("q", tokens),
            products=array("q", products),
        )

    def copy(self, sizes: array[int]) -> None:
        """Add tiles that are loaded and stored as they are, through a single ring."""
        for tile in range(len(sizes)):
            self.load.add(WAIT, 1)
            self._load(0, tile, sizes[tile])
            self._store(0)

    def look_up(self, indices: array[int], rows: array[int]) -> None:
        """Add tiles of indices, and rows that they name, from the bytes of both."""
        for tile in range(len(indices)):
            self.load.add(WAIT, 1)
            self._load(0, tile, indices[tile])
            self.load.add(WAIT, 0)
            self.load.add(WAIT, 3)
            self._load(1, tile, rows[tile])
            self.load.add(SIGNAL, 1)
            self._store(2)

    def _load(self, operand: int, part: int, size_bytes: int) -> None:
        self.load.add(TRANSFER, 0)
        self.load.add(SIGNAL, 2 * operand)
        self.loads.add(operand, part)
        self.sizes.append(size_bytes)


def chosen(values: array[int], kinds: array[int]) -> array[int]:
    """Return for each of some kinds its value."""
    found = ZERO * len(kinds)
    _choose(values, kinds, -1, found)
    return found


def _choose(values: array[int], kinds: array[int], mask: int, found: array[int]) -> None:
    """Write down for each kind its value; a mask hides what else its number says."""
    for place in range(len(kinds)):
        found[place] = values[kinds[place] & mask]


def kinds_of(
    tiling: Tiling, tiles: array[int], others: array[int], most: int
) -> tuple[array[int], array[int], array[int]]:
    """Return the kinds of some tiles: equal ones have one size, and the same beside it.

    Parameters
    ----------
    tiling, tiles
        The tiles, by their numbers.
    others, most
        For each of them what tells it from others of its size, a number below ``most``.

    Returns
    -------
    tuple
        For each of them its kind, and for each kind its first place and how often it comes.
    """
    classes = ZERO * len(tiling.sizes)
    total = most
    for d in tiling.cuts:
        total *= _classify(tiling, d, total, classes)
    kinds, examples, times = ZERO * len(tiles), ZERO * len(tiles), ZERO * len(tiles)
    seen = array("q", [NONE]) * total
    count = _number_kinds(tiling, tiles, others, classes, seen, kinds, examples, times)
    return kinds, examples[:count], times[:count]


def _classify(tiling: Tiling, d: int, radix: int, classes: array[int]) -> int:
    """Number the sizes along a dimension in steps of ``radix``; return how many there are."""
    first = tiling.first_part[d]
    known = 0
    for part in range(first, first + tiling.counts[d]):
        classes[part] = NONE
        for other in range(part - 1, first - 1, -1):  # most are as big as the one before
            if tiling.sizes[other] == tiling.sizes[part]:
                classes[part] = classes[other]
                break
        if classes[part] < 0:
            classes[part] = known * radix
            known += 1
    return known


def _number_kinds(
    tiling: Tiling,
    tiles: array[int],
    others: array[int],
    classes: array[int],
    seen: array[int],
    kinds: array[int],
    examples: array[int],
    times: array[int],
) -> int:
    count, width = 0, len(tiling.cuts)
    for number in range(len(tiles)):
        key = others[number]
        for place in range(tiles[number] * width, (tiles[number] + 1) * width):
            key += classes[tiling.parts[place]]
        if seen[key] < 0:
            seen[key] = count
            examples[count] = number
            count += 1
        kinds[number] = seen[key]
        times[seen[key]] += 1
    return count


def accumulating(tiles: int, results: array[int]) -> array[int]:
    """Return for each tile 1 if it adds to the psums of the tile before, else 0."""
    flags = array("q", [1]) * tiles
    flags[0] = 0
    _start_sums(results, flags)
    return flags


def _start_sums(results: array[int], flags: array[int]) -> None:
    """Psums begin behind each result but the last."""
    for number in range(len(results) - 1):
        flags[results[number] + 1] = 0
