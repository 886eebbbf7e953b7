"""Lowering: a layer's kernels and mappings become a program."""

from __future__ import annotations

from collections.abc import Mapping as Dictionary
from collections.abc import Sequence
from functools import cache
from typing import assert_never

from accel.spec import AcceleratorSpec
from foundation.dtype import DTYPES
from foundation.functions import FUNCTIONS, FunctionKind
from isa.instruction import Access, Gather, MatMul, Operand, Queue, Vector
from isa.program import Program
from mapper.boxes import OperandTiles
from mapper.kernel import (
    Contraction,
    Copy,
    Kernel,
    Lookup,
    Role,
    VectorBody,
)
from mapper.mapping import Mapping, Tile, tiles
from mapper.operands import Placement, Transfers, input_of, output_of
from mapper.rings import ProgramBuilder


def lower(
    kernels: Sequence[Kernel],
    mappings: Sequence[Mapping],
    spec: AcceleratorSpec,
    placements: Dictionary[str, Placement],
    memory_bytes: Dictionary[str, int],
    free_bytes: Dictionary[str, int],
    core: int = 0,
) -> Program:
    """Return the program of one layer, or of a core's part of it.

    Parameters
    ----------
    kernels, mappings
        What is computed, and how; several kernels (a concatenation) run one after the other.
    spec
        The machine.
    placements
        Role of each operand (``input0``, ``weight``, ``output``, ...) to where its tensor lives.
    memory_bytes
        Main memory name to bytes in use.
    free_bytes
        Scratchpad name to bytes from its start that tiles may take: above are kept tensors.
    core
        Number of the core that runs it.
    """
    builder = ProgramBuilder(spec, memory_bytes, free_bytes, core)
    transfers = Transfers(builder, placements)
    match kernels[0].body:
        case Contraction() as body:
            _ContractionLowering(transfers, kernels[0], mappings[0], body).emit()
        case VectorBody() as body:
            _lower_vector(transfers, kernels[0], mappings[0], body)
        case Copy():
            _lower_copies(transfers, kernels, mappings)
        case Lookup() as body:
            _lower_lookup(transfers, kernels[0], mappings[0], body)
        case unknown:
            assert_never(unknown)
    return builder.program()


class _ContractionLowering:
    """Matmuls over K into a ring of psums; the vector unit empties it into a ring of outputs."""

    def __init__(
        self, transfers: Transfers, kernel: Kernel, mapping: Mapping, body: Contraction
    ) -> None:
        self._transfers = transfers
        self._kernel = kernel
        self._mapping = mapping
        self._body = body
        self._groups, self._rows, self._reduced = (
            kernel.numbers(role) for role in (Role.GROUP, Role.M, Role.K)
        )
        (self._column,) = kernel.numbers(Role.N)
        self._kept = [*self._groups, *self._rows, self._column]
        self._tiles = list(tiles(kernel, mapping))
        output = OperandTiles(kernel, kernel.output)
        parts = [output.part(tile) for tile in self._tiles]
        #: Whether a tile is the last one that adds to its psums: K is innermost.
        self._is_last = [a != b for a, b in zip(parts, [*parts[1:], None], strict=True)]
        results = [tile for tile, last in zip(self._tiles, self._is_last, strict=True) if last]
        self._data, self._weight = (
            input_of(transfers, kernel, mapping, number, self._tiles, Queue.MATRIX)
            for number in range(2)
        )
        self._biases = [
            input_of(transfers, kernel, mapping, number, results, Queue.VECTOR)
            for number in range(2, len(kernel.inputs))
        ]
        accumulator = DTYPES[kernel.inputs[0].dtype.accumulator]
        kept = [mapping.tile[number] for number in self._kept]
        self._psums = transfers.builder.ring(
            "psum",
            "psum",
            slot_bytes=mapping.layout(-1).size_bytes(kept, accumulator.size_bytes),
            slots=mapping.num_buffers[-1],
            producer=Queue.MATRIX,
            consumer=Queue.VECTOR,
        )
        self._psum_strides = cache(self._strides_of_psums)
        self._results = output_of(transfers, kernel, mapping)

    def emit(self) -> None:
        """Emit the whole loop nest."""
        address, accumulate = 0, False
        for tag, (tile, is_last) in enumerate(zip(self._tiles, self._is_last, strict=True)):
            if not accumulate:
                address = self._psums.fill()
            self._matmul(tile, address, accumulate, is_last, tag)
            accumulate = not is_last
            if is_last:
                self._empty(tile, tag)

    def _matmul(self, tile: Tile, address: int, accumulate: bool, is_last: bool, tag: int) -> None:
        size = tile.size
        data, weight = self._data.at(tile, tag), self._weight.at(tile, tag)
        strides = (*self._psum_strides(tile.size), *(0 for _ in self._reduced))
        self._transfers.builder.emit(
            Queue.MATRIX,
            MatMul(
                groups=tuple([size[number] for number in self._groups]),
                m=tuple([size[number] for number in self._rows]),
                n=size[self._column],
                k=tuple([size[number] for number in self._reduced]),
                input=data,
                weight=weight,
                psum=Access(space=self._psums.space, base=address, strides=strides),
                accumulate=accumulate,
                dtype=self._kernel.inputs[0].dtype,
                tag=tag,
            ),
        )
        if is_last:
            self._psums.filled()
        self._data.used()
        self._weight.used()

    def _strides_of_psums(self, size: tuple[int, ...]) -> tuple[int, ...]:
        """Return the strides of psums along groups, M and N."""
        accumulator = DTYPES[self._kernel.inputs[0].dtype.accumulator]
        kept = [size[number] for number in self._kept]
        return self._mapping.layout(-1).strides(kept, accumulator.size_bytes)

    def _empty(self, tile: Tile, tag: int) -> None:
        """Turn one slot of psums into outputs: bias, requantization, activation, store."""
        dtype = self._kernel.output.dtype
        biases = [self._along_kept(bias.at(tile, tag)) for bias in self._biases]
        psum = Access(
            space=self._psums.space, base=self._psums.take(), strides=self._psum_strides(tile.size)
        )
        output = self._results.place(tile, tag)
        self._transfers.builder.emit(
            Queue.VECTOR,
            Vector(
                function=self._body.result_function,
                shape=tuple([tile.size[number] for number in self._kept]),
                reduced=0,
                inputs=(psum, *biases),
                output=self._along_kept(output),
                input_dtype=DTYPES[dtype.accumulator],
                output_dtype=dtype,
                shift=self._body.shift if dtype.is_integer else 0,
                activation=self._body.activation,
                tag=tag,
            ),
        )
        self._psums.release()
        for bias in self._biases:
            bias.used()
        self._results.done(tile, tag)

    def _along_kept(self, access: Access) -> Access:
        """Return an access without the dimensions of K."""
        strides = tuple([access.strides[number] for number in self._kept])
        return Access(space=access.space, base=access.base, strides=strides)


def _lower_vector(transfers: Transfers, kernel: Kernel, mapping: Mapping, body: VectorBody) -> None:
    """One vector instruction for each tile."""
    sequence = list(tiles(kernel, mapping))
    inputs = [
        input_of(transfers, kernel, mapping, number, sequence, Queue.VECTOR)
        for number in range(len(kernel.inputs))
    ]
    results = output_of(transfers, kernel, mapping)
    is_reduction = FUNCTIONS[body.function].kind is FunctionKind.REDUCTION or body.sums_psums
    for tag, tile in enumerate(sequence):
        accesses = tuple([operand.at(tile, tag) for operand in inputs])
        target = results.place(tile, tag)
        transfers.builder.emit(
            Queue.VECTOR,
            Vector(
                function=body.function,
                shape=tile.size,
                reduced=len(kernel.numbers(Role.WHOLE)) if is_reduction else 0,
                inputs=accesses,
                output=target,
                input_dtype=kernel.inputs[0].dtype,
                output_dtype=kernel.output.dtype,
                shift=body.shift if kernel.output.dtype.is_integer else 0,
                activation=body.activation,
                tag=tag,
            ),
        )
        for operand in inputs:
            operand.used()
        results.done(tile, tag)


def _lower_copies(
    transfers: Transfers, kernels: Sequence[Kernel], mappings: Sequence[Mapping]
) -> None:
    """A load and a store for each tile, through one ring that all parts share."""
    outputs = [OperandTiles(kernel, kernel.output) for kernel in kernels]
    slot_bytes = max(
        output.size_bytes(mapping.tile) for output, mapping in zip(outputs, mappings, strict=True)
    )
    # The part with the largest tile may have one buffer, another part two.
    slots = max(mapping.num_buffers[-1] for mapping in mappings)
    ring = transfers.builder.ring(
        "data",
        "output",
        slot_bytes=slot_bytes,
        slots=min(slots, transfers.builder.most_slots("output", slot_bytes)),
        producer=Queue.LOAD,
        consumer=Queue.STORE,
    )
    tag = 0
    for kernel, mapping, output in zip(kernels, mappings, outputs, strict=True):
        source = OperandTiles(kernel, kernel.inputs[0])
        # The slot is packed in the input's order of axes; each output axis is one dimension.
        dimensions = [axis.terms[0][0] for axis in kernel.output.axes]
        for tile in tiles(kernel, mapping):
            transfers.load(source, ring, tile, tag)
            packed = source.iteration_strides(tile.size)
            transfers.store(output, ring, tile, tag, tuple([packed[d] for d in dimensions]))
            tag += 1


def _lower_lookup(transfers: Transfers, kernel: Kernel, mapping: Mapping, body: Lookup) -> None:
    """Load a tile of indices, gather the rows they name, store them."""
    entries, features = (axis.size for axis in body.table.axes)
    index_tiles, row_tiles = (OperandTiles(kernel, operand) for operand in kernel.operands)
    index_slots, row_slots = mapping.num_buffers
    indices = transfers.ring(index_tiles, mapping, index_slots, Queue.LOAD, Queue.LOAD)
    rows = transfers.ring(row_tiles, mapping, row_slots, Queue.LOAD, Queue.STORE)
    table = transfers.whole(body.table)
    for tag, tile in enumerate(tiles(kernel, mapping)):
        transfers.load(index_tiles, indices, tile, tag)
        index = Access(
            space=indices.space,
            base=indices.take(),
            strides=index_tiles.tile_strides(tile.size),
        )
        destination = Access(
            space=rows.space, base=rows.fill(), strides=row_tiles.tile_strides(tile.size)
        )
        transfers.builder.emit(
            Queue.LOAD,
            Gather(
                table=table,
                indices=index,
                destination=destination,
                rows=tile.size[0],
                row_elements=features,
                table_rows=entries,
                element_bytes=body.table.dtype.size_bytes,
                operand=Operand.WEIGHT,
                tag=tag,
            ),
        )
        rows.filled()
        indices.release()
        transfers.store(row_tiles, rows, tile, tag)
