"""Lowering: a layer's kernels and mappings become a program."""

from __future__ import annotations

from collections.abc import Mapping as Dictionary
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import assert_never

from accel.spec import AcceleratorSpec
from foundation.dtype import DTYPES
from foundation.functions import FUNCTIONS, FunctionKind
from isa.instruction import Access, Gather, Load, MatMul, Operand, Queue, Store, Vector
from isa.program import Program
from mapper.boxes import Box, OperandTiles, Span
from mapper.kernel import (
    Contraction,
    Copy,
    Kernel,
    Lookup,
    OperandMap,
    Role,
    VectorBody,
    row_major_strides,
)
from mapper.mapping import Mapping, Tile, tiles
from mapper.residence import Residence
from mapper.rings import ProgramBuilder, Ring
from mapper.waiting import WaitingPsums


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where a tensor lives: a main memory and the byte address of its first element."""

    memory: str
    address: int


def lower(
    kernels: Sequence[Kernel],
    mappings: Sequence[Mapping],
    spec: AcceleratorSpec,
    placements: Dictionary[str, Placement],
    memory_bytes: Dictionary[str, int],
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
    core
        Number of the core that runs it.
    """
    builder = ProgramBuilder(spec, memory_bytes, core)
    transfers = _Transfers(builder, placements)
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


class _Transfers:
    """What all lowerings share: moving tiles between main memory and rings."""

    def __init__(self, builder: ProgramBuilder, placements: Dictionary[str, Placement]) -> None:
        self.builder = builder
        self._places = {
            role: (builder.space(place.memory), place.address) for role, place in placements.items()
        }

    def ring(
        self, operand: OperandTiles, mapping: Mapping, slots: int, producer: Queue, consumer: Queue
    ) -> Ring:
        """Return a ring that holds an operand's tiles."""
        return self.builder.ring(
            operand.operand.role,
            operand.operand.scratchpad,
            slot_bytes=operand.size_bytes(mapping.tile),
            slots=slots,
            producer=producer,
            consumer=consumer,
        )

    def load(self, operand: OperandTiles, ring: Ring, tile: Tile, tag: int) -> None:
        """Fill a slot with an operand's part of a tile."""
        strides = operand.tile_strides(tile.size)
        self.load_span(operand, ring, operand.span(tile), ring.fill(), strides, tag)

    def load_span(
        self,
        operand: OperandTiles,
        ring: Ring,
        span: Span,
        address: int,
        strides: tuple[int, ...],
        tag: int,
    ) -> None:
        """Move a part of an operand's tensor to an address of a ring's scratchpad."""
        what, box = operand.operand, operand.box(span)
        self.builder.emit(
            Queue.LOAD,
            Load(
                destination=Access(space=ring.space, base=address, strides=strides),
                source=self._main_memory(operand, box),
                shape=box.inside,
                before=box.before,
                after=box.after,
                element_bytes=what.dtype.size_bytes,
                fill=what.fill,
                operand=what.operand,
                tag=tag,
            ),
        )
        ring.filled()

    def store(
        self,
        operand: OperandTiles,
        ring: Ring,
        tile: Tile,
        tag: int,
        strides: tuple[int, ...] | None = None,
    ) -> None:
        """Empty a slot into the output's part of a tile.

        ``strides`` say how the slot is laid out along the output's axes, packed by default.
        """
        what, box = operand.operand, operand.box(operand.span(tile))
        strides = operand.tile_strides(tile.size) if strides is None else strides
        self.builder.emit(
            Queue.STORE,
            Store(
                source=Access(space=ring.space, base=ring.take(), strides=strides),
                destination=self._main_memory(operand, box),
                shape=box.inside,
                element_bytes=what.dtype.size_bytes,
                operand=what.operand,
                tag=tag,
            ),
        )
        ring.release()

    def _main_memory(self, operand: OperandTiles, box: Box) -> Access:
        """Return a box's place in main memory."""
        space, address = self._places[operand.operand.role]
        return Access(
            space=space, base=address + operand.offset_bytes(box), strides=operand.memory_strides
        )

    def whole(self, operand: OperandMap) -> Access:
        """Return a whole tensor's place in main memory."""
        space, address = self._places[operand.role]
        shape = [axis.size for axis in operand.axes]
        strides = row_major_strides(shape, operand.dtype.size_bytes)
        return Access(space=space, base=address, strides=strides)


class _Resident:
    """An input in its scratchpad: what a step needs comes before it, and leaves when it may."""

    def __init__(
        self,
        transfers: _Transfers,
        kernel: Kernel,
        mapping: Mapping,
        number: int,
        tiles: Sequence[Tile],
        consumer: Queue,
    ) -> None:
        operand = kernel.operands[number]
        self._transfers = transfers
        self._tiles = OperandTiles(kernel, operand, mapping.layout(number))
        self._residence = Residence(kernel, number, mapping, tiles, self._tiles)
        self._ring = transfers.builder.ring(
            operand.role,
            operand.scratchpad,
            slot_bytes=self._tiles.size_bytes(mapping.region(number, kernel.extents)),
            slots=mapping.num_buffers[number],
            producer=Queue.LOAD,
            consumer=consumer,
            starts_free=False,
        )
        self._uses = 0

    def at(self, tile: Tile, tag: int) -> Access:
        """Make the operand's part of the next tile resident, and return how to reach it."""
        stay, tiles = self._residence.stay_of[self._uses], self._tiles
        address = self._ring.slot(stay.number)
        strides = tiles.tile_strides(stay.size)
        arrival = stay.arrivals.get(self._uses)
        if arrival is not None:
            self._ring.wait_free(arrival.waits)
            place = address + tiles.distance_bytes(stay.region, arrival.strip, strides)
            self._transfers.load_span(tiles, self._ring, arrival.strip, place, strides, tag)
            self._ring.wait_ready()
        return Access(
            space=self._ring.space,
            base=address + tiles.distance_bytes(stay.region, tiles.span(tile), strides),
            strides=tiles.iteration_strides(stay.size),
        )

    def used(self) -> None:
        """Let strips leave that no other tile uses."""
        stay = self._residence.stay_of[self._uses]
        self._ring.release(stay.departures.get(self._uses, 0))
        self._uses += 1


class _ContractionLowering:
    """Matmuls over K into a ring of psums; the vector unit empties it into a ring of outputs."""

    def __init__(
        self, transfers: _Transfers, kernel: Kernel, mapping: Mapping, body: Contraction
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
        self._output = OperandTiles(kernel, kernel.output, mapping.layout(len(kernel.inputs)))
        self._tiles = list(tiles(kernel, mapping))
        parts = [self._output.part(tile) for tile in self._tiles]
        #: Whether a tile is the last one that adds to its psums: K is innermost.
        self._is_last = [a != b for a, b in zip(parts, [*parts[1:], None], strict=True)]
        starts = [True, *self._is_last[:-1]]
        self._waiting = WaitingPsums(transfers.builder, kernel, mapping)
        results = [
            tile
            for tile, start in zip(self._tiles, starts, strict=True)
            if start and self._waiting.is_first(tile)
        ]
        self._data, self._weight = (
            _Resident(transfers, kernel, mapping, number, self._tiles, Queue.MATRIX)
            for number in range(2)
        )
        self._biases = [
            _Resident(transfers, kernel, mapping, number, results, Queue.VECTOR)
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
        self._outputs = transfers.ring(
            self._output, mapping, mapping.num_buffers[-1], Queue.VECTOR, Queue.STORE
        )

    def emit(self) -> None:
        """Emit the whole loop nest."""
        address, accumulate, is_first = 0, False, True
        for tag, (tile, is_last) in enumerate(zip(self._tiles, self._is_last, strict=True)):
            if not accumulate:
                address = self._psums.fill()
                is_first = self._waiting.is_first(tile)
            self._matmul(tile, address, accumulate, is_last, tag)
            accumulate = not is_last
            if is_last:
                self._empty(tile, is_first, tag)

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

    def _empty(self, tile: Tile, is_first: bool, tag: int) -> None:
        """Empty one slot of psums: into outputs after the last part of K, else where they wait.

        The bias comes to the first part of K, and what waits to every other.
        """
        psum = Access(
            space=self._psums.space, base=self._psums.take(), strides=self._psum_strides(tile.size)
        )
        if is_first:
            others = [self._along_kept(bias.at(tile, tag)) for bias in self._biases]
        else:
            others = [self._waiting.at(tile)]
        is_whole = self._waiting.is_last(tile)
        if is_whole:
            self._requantize(tile, (psum, *others), tag)
        else:
            self._add(tile, (psum, *others), tag)
        self._psums.release()
        if is_first:
            for bias in self._biases:
                bias.used()
        if is_whole:
            self._transfers.store(self._output, self._outputs, tile, tag)

    def _requantize(self, tile: Tile, inputs: tuple[Access, ...], tag: int) -> None:
        """Make outputs of psums and what is added to them."""
        dtype = self._kernel.output.dtype
        output = Access(
            space=self._outputs.space,
            base=self._outputs.fill(),
            strides=self._output.iteration_strides(tile.size),
        )
        sums_up = self._body.is_partial and len(inputs) > 1
        self._transfers.builder.emit(
            Queue.VECTOR,
            Vector(
                function="add" if sums_up else self._body.result_function,
                shape=self._shape(tile),
                reduced=0,
                inputs=inputs,
                output=self._along_kept(output),
                input_dtype=DTYPES[dtype.accumulator],
                output_dtype=dtype,
                shift=self._body.shift if dtype.is_integer else 0,
                activation=self._body.activation,
                tag=tag,
            ),
        )
        self._outputs.filled()

    def _add(self, tile: Tile, inputs: tuple[Access, ...], tag: int) -> None:
        """Let psums wait for other parts of K, added to those that wait already."""
        accumulator = DTYPES[self._kernel.inputs[0].dtype.accumulator]
        self._transfers.builder.emit(
            Queue.VECTOR,
            Vector(
                function="add" if len(inputs) > 1 else "identity",
                shape=self._shape(tile),
                reduced=0,
                inputs=inputs,
                output=self._waiting.at(tile),
                input_dtype=accumulator,
                output_dtype=accumulator,
                shift=0,
                activation="identity",
                tag=tag,
            ),
        )

    def _shape(self, tile: Tile) -> tuple[int, ...]:
        """Return a tile's size without the dimensions of K."""
        return tuple([tile.size[number] for number in self._kept])

    def _along_kept(self, access: Access) -> Access:
        """Return an access without the dimensions of K."""
        strides = tuple([access.strides[number] for number in self._kept])
        return Access(space=access.space, base=access.base, strides=strides)


def _lower_vector(
    transfers: _Transfers, kernel: Kernel, mapping: Mapping, body: VectorBody
) -> None:
    """One vector instruction for each tile."""
    sequence = list(tiles(kernel, mapping))
    inputs = [
        _Resident(transfers, kernel, mapping, number, sequence, Queue.VECTOR)
        for number in range(len(kernel.inputs))
    ]
    output = OperandTiles(kernel, kernel.output, mapping.layout(len(kernel.inputs)))
    outputs = transfers.ring(output, mapping, mapping.num_buffers[-1], Queue.VECTOR, Queue.STORE)
    is_reduction = FUNCTIONS[body.function].kind is FunctionKind.REDUCTION or body.sums_psums
    for tag, tile in enumerate(sequence):
        accesses = tuple([operand.at(tile, tag) for operand in inputs])
        target = Access(
            space=outputs.space, base=outputs.fill(), strides=output.iteration_strides(tile.size)
        )
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
        outputs.filled()
        for operand in inputs:
            operand.used()
        transfers.store(output, outputs, tile, tag)


def _lower_copies(
    transfers: _Transfers, kernels: Sequence[Kernel], mappings: Sequence[Mapping]
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


def _lower_lookup(transfers: _Transfers, kernel: Kernel, mapping: Mapping, body: Lookup) -> None:
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
