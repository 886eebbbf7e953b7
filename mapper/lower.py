"""Lowering: a layer's kernels and mappings become a program."""

from __future__ import annotations

from array import array
from collections.abc import Mapping as Dictionary
from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from accel.spec import AcceleratorSpec
from foundation.dtype import DTYPES
from isa.instruction import Access, Gather, Load, Operand, Queue, Store
from isa.program import Program
from mapper.boxes import Box, OperandTiles, Span
from mapper.instructions import Instructions, Place
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
from mapper.mapping import Mapping, Tile, all_tiles, results_of, tiles, tiling_of
from mapper.residence import Residence, strips_of
from mapper.rings import ProgramBuilder, Ring
from mapper.tiling import Tiling


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
        case Contraction():
            _ContractionLowering(transfers, kernels[0], mappings[0]).emit()
        case VectorBody():
            _lower_vector(transfers, kernels[0], mappings[0])
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
        tiling: Tiling,
        consumer: Queue,
        uses: Sequence[int] | None = None,
    ) -> None:
        operand = kernel.operands[number]
        self._transfers = transfers
        self._tiles = OperandTiles(kernel, operand, mapping.layout(number))
        own = array("q", range(tiling.count) if uses is None else uses)
        strips = strips_of(kernel, number, mapping, tiling, own)
        self._residence = Residence(strips, self._tiles)
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

    def __init__(self, transfers: _Transfers, kernel: Kernel, mapping: Mapping) -> None:
        self._transfers = transfers
        self._instructions = Instructions(kernel, mapping)
        self._output = OperandTiles(kernel, kernel.output, mapping.layout(len(kernel.inputs)))
        tiling = tiling_of(kernel, mapping)
        self._tiles = all_tiles(tiling)
        results = results_of(kernel, tiling)
        self._is_last = [False] * tiling.count
        for number in results:
            self._is_last[number] = True
        self._data, self._weight = (
            _Resident(transfers, kernel, mapping, number, tiling, Queue.MATRIX)
            for number in range(2)
        )
        self._biases = [
            _Resident(transfers, kernel, mapping, number, tiling, Queue.VECTOR, results)
            for number in range(2, len(kernel.inputs))
        ]
        accumulator = DTYPES[kernel.inputs[0].dtype.accumulator]
        kept = [mapping.tile[d] for d in kernel.numbers(Role.GROUP, Role.M, Role.N)]
        self._psums = transfers.builder.ring(
            "psum",
            "psum",
            slot_bytes=mapping.layout(-1).size_bytes(kept, accumulator.size_bytes),
            slots=mapping.num_buffers[-1],
            producer=Queue.MATRIX,
            consumer=Queue.VECTOR,
        )
        self._outputs = transfers.ring(
            self._output, mapping, mapping.num_buffers[-1], Queue.VECTOR, Queue.STORE
        )

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
        data, weight = self._data.at(tile, tag), self._weight.at(tile, tag)
        psum = Place(self._psums.space, address)
        self._transfers.builder.emit(
            Queue.MATRIX,
            self._instructions.product(
                tile.size, data, weight, psum, accumulate=accumulate, tag=tag
            ),
        )
        if is_last:
            self._psums.filled()
        self._data.used()
        self._weight.used()

    def _empty(self, tile: Tile, tag: int) -> None:
        """Turn one slot of psums into outputs: bias, requantization, activation, store."""
        biases = [bias.at(tile, tag) for bias in self._biases]
        psum = Place(self._psums.space, self._psums.take())
        output = Place(self._outputs.space, self._outputs.fill())
        self._transfers.builder.emit(
            Queue.VECTOR,
            self._instructions.result(tile.size, psum, biases, output, tag=tag),
        )
        self._outputs.filled()
        self._psums.release()
        for bias in self._biases:
            bias.used()
        self._transfers.store(self._output, self._outputs, tile, tag)


def _lower_vector(transfers: _Transfers, kernel: Kernel, mapping: Mapping) -> None:
    """One vector instruction for each tile."""
    tiling = tiling_of(kernel, mapping)
    inputs = [
        _Resident(transfers, kernel, mapping, number, tiling, Queue.VECTOR)
        for number in range(len(kernel.inputs))
    ]
    output = OperandTiles(kernel, kernel.output, mapping.layout(len(kernel.inputs)))
    outputs = transfers.ring(output, mapping, mapping.num_buffers[-1], Queue.VECTOR, Queue.STORE)
    instructions = Instructions(kernel, mapping)
    for tag, tile in enumerate(all_tiles(tiling)):
        accesses = [operand.at(tile, tag) for operand in inputs]
        target = Place(outputs.space, outputs.fill())
        transfers.builder.emit(
            Queue.VECTOR, instructions.function(tile.size, accesses, target, tag=tag)
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
    slot_bytes, slots = copy_slots(kernels, mappings, transfers.builder)
    ring = transfers.builder.ring(
        "data",
        "output",
        slot_bytes=slot_bytes,
        slots=slots,
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


def copy_slots(
    kernels: Sequence[Kernel], mappings: Sequence[Mapping], builder: ProgramBuilder
) -> tuple[int, int]:
    """Return the bytes and the number of the slots that copies share.

    The part with the largest tile may have one buffer, another part two.
    """
    slot_bytes = max(
        OperandTiles(kernel, kernel.output).size_bytes(mapping.tile)
        for kernel, mapping in zip(kernels, mappings, strict=True)
    )
    slots = max(mapping.num_buffers[-1] for mapping in mappings)
    return slot_bytes, min(slots, builder.most_slots("output", slot_bytes))


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
