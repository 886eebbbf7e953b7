"""What the array and the vector unit do for a kernel's tiles: an instruction for each kind of tile.

What an instruction takes depends on its tile's size, on whether it adds to psums, and on how it
reaches its operands where banks can conflict. What is known of one mapping holds for the others of
its kernel, so that few instructions are made.
"""

from __future__ import annotations

from array import array
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from accel.program_script import product_row, served_cycles
from isa.instruction import Access, MatMul, Vector
from mapper.boxes import OperandTiles
from mapper.core_units import CoreUnits
from mapper.instructions import Instructions, Place
from mapper.kernel import Contraction, Kernel, OperandMap
from mapper.mapping import Mapping
from mapper.moves import Amount
from mapper.strips import Strips
from mapper.tiling import ZERO, Tiling
from mapper.weave import accumulating, chosen, kinds_of

Numbers = NDArray[np.int64]


class KernelWork:
    """What the units take for a kernel, in all its mappings.

    Parameters
    ----------
    kernel, units
        What is computed, and by what.

    Attributes
    ----------
    is_product
        Whether the array works on it.
    rows, cycles
        Of each kind of matrix instruction that is known its row of `accel.script.Script.products`,
        and of each kind of vector instruction its cycles.
    """

    def __init__(self, kernel: Kernel, units: CoreUnits) -> None:
        self.kernel = kernel
        self.units = units
        self.is_product = isinstance(kernel.body, Contraction)
        self.psum = Place(units.pad("psum"), 0)
        self.output = Place(units.pad(kernel.output.scratchpad), 0)
        #: Of each input the scratchpad's address space, and its banks' width if they are modelled.
        self.spaces = [units.pad(operand.scratchpad) for operand in kernel.inputs]
        self.widths = [units.width_bytes(operand.scratchpad) for operand in kernel.inputs]
        self.rows: dict[Hashable, tuple[int, ...]] = {}
        self.cycles: dict[Hashable, int] = {}
        self._instructions: dict[Hashable, Instructions] = {}

    def instructions(self, mapping: Mapping) -> Instructions:
        """Return the instructions of mappings with one dataflow and one layout of operands."""
        own = mapping.dataflow, mapping.layouts
        if own not in self._instructions:
            self._instructions[own] = Instructions(self.kernel, mapping)
        return self._instructions[own]


class TileWork:
    """What the units take for the tiles of a mapping.

    Parameters
    ----------
    work
        Of the kernel.
    mapping, tiling
        The mapping, and its tiles.
    strips, uses
        Of each input its strips, and the tiles that use it.
    results
        Tiles behind which the vector unit has work.

    Attributes
    ----------
    products
        Of each tile the row of its matrix instruction.
    rows
        The rows, as in `accel.script.Script.products`, to their numbers.
    cycles
        Of each result what its vector instruction takes.
    """

    def __init__(
        self,
        work: KernelWork,
        mapping: Mapping,
        tiling: Tiling,
        strips: Sequence[Strips],
        uses: Sequence[array[int]],
        results: array[int],
    ) -> None:
        self._work = work
        self._mapping = mapping
        self._tiling = tiling
        self._results = results
        reaches = [
            Reach(work, number, mapping, tiling, *own)
            for number, own in enumerate(zip(strips, uses, strict=True))
        ]
        first_vector = 2 if work.is_product else 0
        self._by_array, self._by_vector = reaches[:first_vector], reaches[first_vector:]
        #: What tells mappings apart besides their tiles.
        self._kind = (mapping.dataflow, mapping.layouts)
        self.products = array("q")
        self.rows: dict[tuple[int, ...], int] = {}
        #: For each kind of instruction the number of a tile or of a result, and how often it comes.
        self._product_examples = self._product_times = array("q")
        if work.is_product:
            self._multiply(uses[0])
        self._apply()

    def _multiply(self, every: array[int]) -> None:
        """Find the rows of matrix instructions."""
        self._accumulates = accumulating(len(every), self._results)
        kinds, self._product_examples, self._product_times = _kinds(
            self._tiling, every, self._accumulates, 2, self._by_array
        )
        known, row_of = self._work.rows, array("q")
        for tile in self._product_examples:
            own = self._key(tile, tile, self._by_array), self._accumulates[tile]
            row = known.get(own)
            if row is None:
                row = known[own] = product_row(self._product(tile), self._work.units.durations)
            row_of.append(self.rows.setdefault(row, len(self.rows)))
        self.products = chosen(row_of, kinds)

    def _apply(self) -> None:
        """Find what vector instructions take."""
        results = self._results
        kinds, self._function_examples, self._function_times = _kinds(
            self._tiling, results, ZERO * len(results), 1, self._by_vector
        )
        known, cycles_of = self._work.cycles, array("q")
        for use in self._function_examples:
            own = self._key(results[use], use, self._by_vector)
            cycles = known.get(own)
            if cycles is None:
                cycles = served_cycles(self._function(use), self._work.units.durations)
                known[own] = cycles
            cycles_of.append(cycles)
        self.cycles = chosen(cycles_of, kinds)

    def _key(self, tile: int, use: int, reaches: Sequence[Reach]) -> Hashable:
        """Return what an instruction's time depends on."""
        return self._kind, self._tiling.size(tile), tuple([reach.key(use) for reach in reaches])

    def amount(self) -> Amount:
        """Return what all instructions do."""
        total, units = Amount(), self._work.units
        for tile, times in zip(self._product_examples, self._product_times, strict=True):
            total = total.plus(units.matrix_amount(self._product(tile)), times=times)
        for use, times in zip(self._function_examples, self._function_times, strict=True):
            total = total.plus(units.vector_amount(self._function(use)), times=times)
        return total

    def _product(self, tile: int) -> MatMul:
        """Return a tile's matrix instruction."""
        data, weight = self._by_array
        return self._work.instructions(self._mapping).product(
            self._tiling.size(tile),
            data.access(tile),
            weight.access(tile),
            self._work.psum,
            accumulate=bool(self._accumulates[tile]),
            tag=0,
        )

    def _function(self, use: int) -> Vector:
        """Return a result's vector instruction."""
        work, size = self._work, self._tiling.size(self._results[use])
        instructions = work.instructions(self._mapping)
        accesses = [reach.access(use) for reach in self._by_vector]
        if not work.is_product:
            return instructions.function(size, accesses, work.output, tag=0)
        return instructions.result(size, work.psum, accesses, work.output, tag=0)


class Reach:
    """How instructions reach an operand: it matters where banks can conflict.

    Slots begin with a word, so that only a tile's place in its region counts, and of that what it
    leaves over a word.
    """

    def __init__(
        self,
        work: KernelWork,
        number: int,
        mapping: Mapping,
        tiling: Tiling,
        strips: Strips,
        uses: array[int],
    ) -> None:
        self._space = work.spaces[number]
        self._rank = tiling.rank
        width = work.widths[number]
        self.has_banks = width is not None
        if width is None:
            return
        operand = work.kernel.inputs[number]
        self._tiles = OperandTiles(work.kernel, operand, mapping.layout(number))
        corners, extents = zip(*map(strips.region, range(strips.stays)), strict=True)
        regions, region_of = np.unique(np.array(extents), axis=0, return_inverse=True)
        self._regions = [tuple(region) for region in regions.tolist()]
        first_use = np.array(strips.first_use, dtype=np.int64)[: strips.stays + 1]
        stay_of = np.repeat(np.arange(strips.stays), np.diff(first_use))
        self._region_of = region_of.ravel()[stay_of]
        strides = np.array([self._tiles.box_strides(region) for region in self._regions])
        distance = _first_indices(operand, tiling, uses) - np.array(corners)[stay_of]
        bytes_ = distance // np.array(self._tiles.steps) * strides[self._region_of]
        self._residues = bytes_.sum(axis=1) % width

    def mixed_with(self, kinds: Numbers) -> Numbers:
        """Return kinds that differ where instructions reach the operand differently as well."""
        own = self._region_of * (int(self._residues.max()) + 1) + self._residues
        result: Numbers = kinds * (int(own.max()) + 1) + own
        return result

    def key(self, use: int) -> Hashable:
        """Return what a use's access depends on."""
        if not self.has_banks:
            return None
        return self._regions[int(self._region_of[use])], int(self._residues[use])

    def access(self, use: int) -> Access:
        """Return how an instruction reaches the operand."""
        if not self.has_banks:
            return Access(space=self._space, base=0, strides=(0,) * self._rank)
        region = self._regions[int(self._region_of[use])]
        return Access(
            space=self._space,
            base=int(self._residues[use]),
            strides=self._tiles.strides_in(region),
        )


def _kinds(
    tiling: Tiling, tiles: array[int], others: array[int], most: int, reaches: Sequence[Reach]
) -> tuple[array[int], array[int], array[int]]:
    """Return `mapper.weave.kinds_of` tiles whose instructions reach operands in some way."""
    with_banks = [reach for reach in reaches if reach.has_banks]
    if with_banks:
        kinds = np.frombuffer(others, dtype=np.int64)
        for reach in with_banks:
            kinds = reach.mixed_with(kinds)
        distinct, numbers = np.unique(kinds, return_inverse=True)
        others, most = array("q"), len(distinct)
        others.frombytes(numbers.astype(np.int64).tobytes())
    return kinds_of(tiling, tiles, others, most)


def _first_indices(operand: OperandMap, tiling: Tiling, tiles: array[int]) -> Numbers:
    """Return each tile's first index along the axes of an operand: shape (tiles, axes)."""
    lows = np.array([tiling.low(tile) for tile in tiles], dtype=np.int64)
    coefficients = np.zeros((tiling.rank, len(operand.axes)), dtype=np.int64)
    for number, axis in enumerate(operand.axes):
        for d, c in axis.terms:
            coefficients[d, number] += c
    offsets = np.array([axis.offset for axis in operand.axes], dtype=np.int64)
    result: Numbers = lows @ coefficients + offsets
    return result
