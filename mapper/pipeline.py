"""The time of a mapped kernel on one core, exact for memories of bandwidth and latency.

A program's time is that of its *script* (`accel.script`): which queue waits for what, how long each
instruction takes, how many bytes each transfer moves. `Pipeline` writes the script straight from
arrays of tiles, without lowering, and `accel.replay` runs it.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import cache
from math import gcd, inf, prod
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from accel.durations import Durations
from accel.program_script import product_row, served_cycles
from accel.replay import Outside, Pace, Replay
from accel.script import QueueScript, Script
from accel.spec import AcceleratorSpec
from accel.units import FS_PER_SECOND
from accel.vector import vector_operations
from isa.instruction import Access, MatMul, Vector
from mapper.boxes import OperandTiles
from mapper.held import memory_of
from mapper.instructions import Instructions, Place
from mapper.kernel import Contraction, Copy, Kernel, Lookup, OperandMap, VectorBody, axis_step
from mapper.lower import copy_slots
from mapper.mapping import Mapping, results_of, tile_at, tiling_of
from mapper.moves import Amount, ChainedParts, RowParts, StripParts, TileParts, Woven
from mapper.rings import ProgramBuilder
from mapper.strips import strips_of
from mapper.tiling import Strips, Tiling
from mapper.weave import Boxes, Weaver, kinds_of

Numbers = NDArray[np.int64]


def is_plain(spec: AcceleratorSpec) -> bool:
    """Whether all main memories have bandwidth and latency, and nothing lies before them."""
    has_dram = any(memory.dram is not None for memory in spec.memories)
    return spec.network is None and spec.shared_buffer is None and not has_dram


class Pipeline:
    """Scripts and times of mapped kernels on a core of a machine.

    Parameters
    ----------
    spec
        The machine.
    """

    def __init__(self, spec: AcceleratorSpec) -> None:
        self._spec = spec
        nothing = {memory.name: 0 for memory in spec.memories}
        self._builder = ProgramBuilder(spec, nothing, {})
        self._durations = Durations(spec, self._builder.spaces)
        self.matmul_work = self._durations.matmul_work
        self.product_row = cache(lambda one: product_row(one, self._durations))
        self.served_cycles = cache(lambda one: served_cycles(one, self._durations))

    def cycles(self, kernels: Sequence[Kernel], mappings: Sequence[Mapping]) -> int:
        """Return the cycles of a layer's kernels, or of a piece of them.

        Parameters
        ----------
        kernels, mappings
            As in `mapper.lower.lower`.
        """
        return replay(self._spec, [self.woven(kernels, mappings).script]).run()

    def woven(self, kernels: Sequence[Kernel], mappings: Sequence[Mapping]) -> Woven:
        """Return the script of what `mapper.lower.lower` makes of kernels and mappings."""
        match kernels[0].body:
            case Contraction() | VectorBody():
                return self._computed(kernels[0], mappings[0])
            case Copy():
                return self._copied(kernels, mappings)
            case Lookup() as body:
                return self._looked_up(kernels[0], mappings[0], body)
            case unknown:
                assert_never(unknown)

    def _computed(self, kernel: Kernel, mapping: Mapping) -> Woven:
        tiling = tiling_of(kernel, mapping)
        every = _every(tiling)
        is_product = isinstance(kernel.body, Contraction)
        results = results_of(kernel, tiling) if is_product else every
        first_vector = 2 if is_product else 0
        uses = [every] * first_vector + [results] * (len(kernel.inputs) - first_vector)
        strips = [
            strips_of(kernel, number, mapping, tiling, own) for number, own in enumerate(uses)
        ]
        work = _Work(self, kernel, mapping, tiling, strips, uses, results)
        weaver = Weaver(tiling.count)
        weaver.compute(
            tiling,
            results,
            strips[:first_vector],
            strips[first_vector:],
            work.products,
            work.cycles,
        )
        buffers = mapping.num_buffers[-1]
        tokens = [0, 0] * len(strips) + [0, buffers] * (2 if is_product else 1)
        sizes = [
            _boxes(kernel, operand).of_strips(own)
            for operand, own in zip(kernel.inputs, strips, strict=True)
        ]
        stored = _boxes(kernel, kernel.output).of_tiles(tiling, results)
        memories = self._memories(kernel.inputs, sizes)
        script = self._script(weaver, memories, sizes, kernel.output, stored, tokens, work.rows)
        return Woven(
            script=script,
            loads=weaver.loads.operations(),
            loaded=tuple(
                StripParts(kernel, operand, own)
                for operand, own in zip(kernel.inputs, strips, strict=True)
            ),
            stored=TileParts(kernel, kernel.output, tiling, results),
            operands=tuple(operand.operand for operand in kernel.inputs),
            sum_up=work.amount,
        )

    def _copied(self, kernels: Sequence[Kernel], mappings: Sequence[Mapping]) -> Woven:
        _, slots = copy_slots(kernels, mappings, self._builder)
        loaded, memories, stored = array("q"), array("q"), array("q")
        sources, targets = [], []
        for kernel, mapping in zip(kernels, mappings, strict=True):
            tiling = tiling_of(kernel, mapping)
            every = _every(tiling)
            sizes = _boxes(kernel, kernel.inputs[0]).of_tiles(tiling, every)
            loaded += sizes
            memories += self._memories(kernel.inputs, [sizes])[0]  # one may be learned, others not
            stored += _boxes(kernel, kernel.output).of_tiles(tiling, every)
            sources.append((TileParts(kernel, kernel.inputs[0], tiling, every), tiling.count))
            targets.append((TileParts(kernel, kernel.output, tiling, every), tiling.count))
        weaver = Weaver(4 * len(loaded))
        weaver.copy(len(loaded))
        script = self._script(weaver, [memories], [loaded], kernels[0].output, stored, [0, slots])
        return Woven(
            script=script,
            loads=weaver.loads.operations(),
            loaded=(ChainedParts(sources),),
            stored=ChainedParts(targets),
            operands=(kernels[0].inputs[0].operand,),
        )

    def _looked_up(self, kernel: Kernel, mapping: Mapping, body: Lookup) -> Woven:
        tiling = tiling_of(kernel, mapping)
        every = _every(tiling)
        (indices,) = kernel.inputs
        row_bytes = body.table.axes[-1].size * body.table.dtype.size_bytes
        rows = [tile_at(tiling, number).size[0] for number in every]
        weaver = Weaver(8 * tiling.count)
        weaver.look_up(tiling.count)
        sizes = [
            _boxes(kernel, indices).of_tiles(tiling, every),
            array("q", [count * row_bytes for count in rows]),
        ]
        stored = _boxes(kernel, kernel.output).of_tiles(tiling, every)
        index_slots, row_slots = mapping.num_buffers
        tokens = [0, index_slots, 0, row_slots]
        memories = self._memories((indices, body.table), sizes)
        script = self._script(weaver, memories, sizes, kernel.output, stored, tokens)
        return Woven(
            script=script,
            loads=weaver.loads.operations(),
            loaded=(TileParts(kernel, indices, tiling, every), RowParts(body.table, rows)),
            stored=TileParts(kernel, kernel.output, tiling, every),
            operands=(indices.operand, body.table.operand),
        )

    def _script(
        self,
        weaver: Weaver,
        memories: Sequence[array[int]],
        sizes: Sequence[array[int]],
        stored: OperandMap,
        stored_sizes: array[int],
        tokens: Sequence[int],
        rows: Sequence[tuple[int, ...]] = (),
    ) -> Script:
        """Return a script of what was woven, with the bytes and memories of its transfers."""
        nothing = array("q")
        loads = (weaver.sizes(sizes), weaver.sizes(memories))
        stores = (stored_sizes, array("q", [self._memory(stored)]) * len(stored_sizes))
        return Script(
            queues=(
                QueueScript(weaver.load.operations(), *loads),
                QueueScript(weaver.matrix.operations(), nothing, nothing),
                QueueScript(weaver.vector.operations(), nothing, nothing),
                QueueScript(weaver.store.operations(), *stores),
            ),
            tokens=array("q", tokens),
            products=array("q", [value for row in rows for value in row]),
        )

    def _memories(
        self, operands: Sequence[OperandMap], sizes: Sequence[array[int]]
    ) -> list[array[int]]:
        """Return the memory of each operand's transfers, of which there are as many as sizes."""
        return [
            array("q", [self._memory(operand)]) * len(own)
            for operand, own in zip(operands, sizes, strict=True)
        ]

    def _memory(self, operand: OperandMap) -> int:
        return self._builder.space(memory_of(operand, self._spec).name)

    def vector_amount(self, instruction: Vector) -> Amount:
        """Return what a vector instruction does."""
        return Amount(
            operations=vector_operations(
                function=instruction.function,
                activation=instruction.activation,
                elements=prod(instruction.shape),
                row=instruction.row,
            ),
            vector_cycles=self._durations.vector_cycles(instruction),
        )

    def pad(self, operand: str) -> int:
        """Return the address space of the scratchpad that holds an operand."""
        return self._builder.space(self._spec.scratchpad_of(operand).name)

    def width_bytes(self, operand: str) -> int | None:
        """Return the width of a bank's word where a scratchpad's banks are modelled."""
        pad = self._spec.scratchpad_of(operand)
        return pad.width_bytes if pad.bank_model is not None else None


class _Work:
    """What the array and the vector unit do in each tile: one instruction for each kind of tile.

    Attributes
    ----------
    products
        Of each tile the row of its matrix instruction.
    rows
        The rows.
    cycles
        Of each result what its vector instruction takes.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        kernel: Kernel,
        mapping: Mapping,
        tiling: Tiling,
        strips: Sequence[Strips],
        uses_of: Sequence[array[int]],
        results: array[int],
    ) -> None:
        self._pipeline = pipeline
        self._kernel = kernel
        self._tiling = tiling
        self._instructions = Instructions(kernel, mapping)
        self._operands = [
            _Reach(pipeline, kernel, mapping, number, tiling, own, uses)
            for number, own, uses in zip(range(len(strips)), strips, uses_of, strict=True)
        ]
        #: Instructions and how often they come.
        self._products: list[tuple[MatMul, int]] = []
        self._functions: list[tuple[Vector, int]] = []
        self.products = array("q")
        self.rows: list[tuple[int, ...]] = []
        kinds, _ = kinds_of(tiling)
        sizes = np.frombuffer(kinds, dtype=np.int64)
        uses = np.frombuffer(results, dtype=np.int64)
        vector_inputs = self._operands
        if isinstance(kernel.body, Contraction):
            vector_inputs = self._operands[2:]
            self._multiply(sizes, uses)
        self.cycles = self._apply(sizes[uses], vector_inputs, results)

    def amount(self) -> Amount:
        """Return what all instructions do."""
        total = Amount()
        for product, count in self._products:
            work = self._pipeline.matmul_work(product)
            done = Amount(macs=work.macs, folds=work.folds, mapped_pes=work.mapped_pes)
            total = total.plus(done, times=count)
        for instruction, count in self._functions:
            total = total.plus(self._pipeline.vector_amount(instruction), times=count)
        return total

    def _multiply(self, sizes: Numbers, results: Numbers) -> None:
        """Find the rows of matrix instructions."""
        accumulates = np.ones(len(sizes), dtype=np.int64)
        accumulates[0] = 0
        accumulates[results[:-1] + 1] = 0
        data, weight = self._operands[:2]
        kinds = data.mixed_with(weight.mixed_with(2 * sizes + accumulates))
        examples, numbers = _distinct(kinds)
        times = np.bincount(numbers).tolist()
        psum = Place(self._pipeline.pad("psum"), 0)
        known: dict[tuple[int, ...], int] = {}
        row_of = []
        for tile, count in zip(examples, times, strict=True):
            instruction = self._instructions.product(
                tile_at(self._tiling, tile).size,
                data.access(tile),
                weight.access(tile),
                psum,
                accumulate=bool(accumulates[tile]),
                tag=0,
            )
            self._products.append((instruction, count))
            row_of.append(known.setdefault(self._pipeline.product_row(instruction), len(known)))
        self.rows = list(known)
        self.products = _column(np.array(row_of, dtype=np.int64)[numbers])

    def _apply(self, sizes: Numbers, inputs: Sequence[_Reach], results: array[int]) -> array[int]:
        """Return what vector instructions take."""
        kinds = sizes
        for operand in inputs:
            kinds = operand.mixed_with(kinds)
        examples, numbers = _distinct(kinds)
        times = np.bincount(numbers).tolist()
        output = Place(self._pipeline.pad(self._kernel.output.scratchpad), 0)
        psum = Place(self._pipeline.pad("psum"), 0)
        is_product = isinstance(self._kernel.body, Contraction)
        cycles = []
        for use, count in zip(examples, times, strict=True):
            size = tile_at(self._tiling, results[use]).size
            accesses = [operand.access(use) for operand in inputs]
            instruction = (
                self._instructions.result(size, psum, accesses, output, tag=0)
                if is_product
                else self._instructions.function(size, accesses, output, tag=0)
            )
            self._functions.append((instruction, count))
            cycles.append(self._pipeline.served_cycles(instruction))
        return _column(np.array(cycles, dtype=np.int64)[numbers])


class _Reach:
    """How instructions reach an operand: it matters where banks can conflict.

    Slots begin with a word, so that only a tile's place in its region counts, and of that what it
    leaves over a word.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        kernel: Kernel,
        mapping: Mapping,
        number: int,
        tiling: Tiling,
        strips: Strips,
        uses: array[int],
    ) -> None:
        operand = kernel.operands[number]
        self._space = pipeline.pad(operand.scratchpad)
        self._rank = tiling.rank
        self._width = pipeline.width_bytes(operand.scratchpad)
        if self._width is None:
            return
        self._tiles = OperandTiles(kernel, operand, mapping.layout(number))
        stays = np.array(strips.region_size[: strips.stays * tiling.rank], dtype=np.int64)
        regions, region_of = np.unique(stays.reshape(-1, tiling.rank), axis=0, return_inverse=True)
        self._regions = [tuple(region) for region in regions.tolist()]
        stay_of = np.array(strips.stay_of, dtype=np.int64)
        self._region_of = region_of.ravel()[stay_of]
        strides = np.array([self._tiles.tile_strides(size) for size in self._regions])
        axes = len(operand.axes)
        region_first = np.array(strips.region_first[: strips.stays * axes]).reshape(-1, axes)
        distance = _first_indices(operand, tiling, uses) - region_first[stay_of]
        bytes_ = distance // np.array(self._tiles.steps) * strides[self._region_of]
        self._residues = bytes_.sum(axis=1) % self._width

    def mixed_with(self, kinds: Numbers) -> Numbers:
        """Return kinds that differ where instructions reach the operand differently as well."""
        if self._width is None:
            return kinds
        own = self._region_of * self._width + self._residues
        result: Numbers = kinds * (int(own.max()) + 1) + own
        return result

    def access(self, use: int) -> Access:
        """Return how an instruction reaches the operand."""
        if self._width is None:
            return Access(space=self._space, base=0, strides=(0,) * self._rank)
        region = self._regions[int(self._region_of[use])]
        return Access(
            space=self._space,
            base=int(self._residues[use]),
            strides=self._tiles.iteration_strides(region),
        )


def _first_indices(operand: OperandMap, tiling: Tiling, tiles: array[int]) -> Numbers:
    """Return each tile's first index along the axes of an operand: shape (tiles, axes)."""
    places = np.array(tiling.places, dtype=np.int64).reshape(-1, tiling.rank)[tiles]
    parts = places + np.array(tiling.first_part, dtype=np.int64)
    lows = np.array(tiling.lows, dtype=np.int64)[parts]
    coefficients = np.zeros((tiling.rank, len(operand.axes)), dtype=np.int64)
    for number, axis in enumerate(operand.axes):
        for d, c in axis.terms:
            coefficients[d, number] += c
    offsets = np.array([axis.offset for axis in operand.axes], dtype=np.int64)
    result: Numbers = lows @ coefficients + offsets
    return result


def _distinct(kinds: Numbers) -> tuple[list[int], Numbers]:
    """Return where each kind stands first, and for each place the number of its kind."""
    most = int(kinds.max()) + 1
    if most > 4 * len(kinds) + 64:  # a table of all kinds would be too large
        _, examples, numbers = np.unique(kinds, return_index=True, return_inverse=True)
        return examples.tolist(), numbers.ravel()
    first = np.full(most, -1, dtype=np.int64)
    first[kinds[::-1]] = np.arange(len(kinds) - 1, -1, -1)
    present = np.flatnonzero(first >= 0)
    number_of = np.zeros(most, dtype=np.int64)
    number_of[present] = np.arange(len(present))
    return first[present].tolist(), number_of[kinds]


def _every(tiling: Tiling) -> array[int]:
    """Return the numbers of all tiles."""
    return _column(np.arange(tiling.count))


def _column(values: Numbers) -> array[int]:
    column = array("q")
    column.frombytes(values.tobytes())
    return column


def _boxes(kernel: Kernel, operand: OperandMap) -> Boxes:
    """Return what measures an operand's parts."""
    extents = kernel.extents
    axes = [(axis.offset, axis_step(axis, extents), axis.size, axis.terms) for axis in operand.axes]
    return Boxes(axes, operand.dtype.size_bytes)


def replay(
    spec: AcceleratorSpec, cores: Sequence[Script], outside: Outside | None = None
) -> Replay:
    """Return a machine's queues, ready to run scripts side by side."""
    return Replay(
        _pace(spec.clock_hz),
        spec.dma.outstanding,
        [_pace(memory.bandwidth_bytes_per_s) for memory in spec.memories],
        [memory.latency_fs for memory in spec.memories],
        cores,
        outside,
    )


def _pace(per_second: float) -> Pace:
    """Return the time of a cycle, or of a byte, in femtoseconds."""
    if per_second == inf:
        return Pace(0, 1)
    common = gcd(FS_PER_SECOND, int(per_second))
    return Pace(FS_PER_SECOND // common, int(per_second) // common)
