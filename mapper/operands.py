"""Operands of a program: where a kernel's inputs come from, and where its output goes."""

from __future__ import annotations

from collections.abc import Mapping as Dictionary
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from isa.instruction import Access, Load, Operand, Queue, Store
from mapper.boxes import Box, OperandTiles, Span
from mapper.buffers import Buffer
from mapper.kernel import Kernel, OperandMap, row_major_strides
from mapper.mapping import Mapping, Tile
from mapper.residence import Residence
from mapper.rings import Flag, ProgramBuilder, Ring

#: Tensors start at multiples of this: a DRAM burst of 64 bytes (JESD79-4: 8 beats of 64 bits).
ALIGNMENT_BYTES = 64


def aligned(size_bytes: int) -> int:
    """Return a size rounded up so that another tensor can follow."""
    return -(-size_bytes // ALIGNMENT_BYTES) * ALIGNMENT_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where a tensor lives.

    Parameters
    ----------
    memory
        A main memory, or the scratchpad in which it is kept between layers.
    address
        Of its first byte; in a scratchpad of the buffer's, border included.
    buffer
        How it lies in a scratchpad; None in main memory.
    """

    memory: str
    address: int
    buffer: Buffer | None = None


class Input(Protocol):
    """An operand that a kernel reads, tile by tile."""

    def at(self, tile: Tile, tag: int) -> Access:
        """Make the part of the next tile ready, and return how to reach it."""

    def used(self) -> None:
        """Say that the tile has used it."""


class Output(Protocol):
    """The operand that a kernel writes, tile by tile."""

    def place(self, tile: Tile, tag: int) -> Access:
        """Wait until there is room for the results of a tile, and return where it is."""

    def done(self, tile: Tile, tag: int) -> None:
        """Say that the results are there, and move them on."""


class Transfers:
    """What all lowerings share: moving tiles between main memory and rings.

    Parameters
    ----------
    builder
        Collects the program.
    placements
        Role of each operand to where its tensor lives.
    passed
        Role of each operand that is passed on within a group.
    """

    def __init__(
        self,
        builder: ProgramBuilder,
        placements: Dictionary[str, Placement],
        passed: Dictionary[str, Passed] | None = None,
    ) -> None:
        self.builder = builder
        self.passed = passed or {}
        self.placements = placements
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

    def fill(self, space: int, address: int, buffer: Buffer) -> None:
        """Write a buffer full of its border's value: a load that is all border."""
        rank = len(buffer.extents)
        self.builder.emit(
            Queue.LOAD,
            Load(
                destination=Access(space=space, base=address, strides=buffer.strides),
                source=Access(space=self.builder.main_memory, base=0, strides=buffer.strides),
                shape=(0,) * rank,
                before=buffer.extents,
                after=(0,) * rank,
                element_bytes=buffer.element_bytes,
                fill=buffer.fill,
                operand=Operand.INPUT,
                tag=-1,
            ),
        )


class StreamedInput:
    """An input from main memory: what a tile needs comes before it, and leaves when it may."""

    def __init__(
        self,
        transfers: Transfers,
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


class StoredOutput:
    """An output that goes to main memory."""

    def __init__(self, transfers: Transfers, kernel: Kernel, mapping: Mapping) -> None:
        number = len(kernel.inputs)
        self._transfers = transfers
        self._tiles = OperandTiles(kernel, kernel.output, mapping.layout(number))
        self._ring = transfers.ring(
            self._tiles, mapping, mapping.num_buffers[number], Queue.VECTOR, Queue.STORE
        )

    def place(self, tile: Tile, tag: int) -> Access:
        """Wait for a free slot, and return its place."""
        del tag
        strides = self._tiles.iteration_strides(tile.size)
        return Access(space=self._ring.space, base=self._ring.fill(), strides=strides)

    def done(self, tile: Tile, tag: int) -> None:
        """Store the slot."""
        self._ring.filled()
        self._transfers.store(self._tiles, self._ring, tile, tag)


class KeptOperand:
    """An input or output whose whole tensor is in a scratchpad: nothing moves."""

    def __init__(self, transfers: Transfers, kernel: Kernel, operand: OperandMap) -> None:
        place = transfers.placements[operand.role]
        assert place.buffer is not None, "what is kept lies in a buffer"
        self._operand = operand
        self._space = transfers.builder.space(place.memory)
        self._address = place.address
        self._buffer = place.buffer
        self._first = tuple(-before for before in place.buffer.before)
        self._strides = place.buffer.iteration_strides(operand, len(kernel.dimensions))
        self._border: Flag | None = None
        if operand is kernel.output and place.buffer.has_border:
            self._border = transfers.builder.flag("border_ready", Queue.LOAD, Queue.VECTOR)
            transfers.fill(self._space, self._address, place.buffer)
            self._border.signal()

    def at(self, tile: Tile, tag: int) -> Access:
        """Return how to reach the part of a tile."""
        del tag
        place = self._buffer.offset_bytes(self._operand, tile.low, self._first)
        return Access(space=self._space, base=self._address + place, strides=self._strides)

    def used(self) -> None:
        """Do nothing: it stays."""

    def place(self, tile: Tile, tag: int) -> Access:
        """Return where the results of a tile go; the first waits until there is a border."""
        if self._border is not None:
            self._border.wait()
            self._border = None
        return self.at(tile, tag)

    def done(self, tile: Tile, tag: int) -> None:
        """Do nothing: it stays."""


class Passed(Protocol):
    """An operand that layers of a group pass on: what it is to one of them."""

    def address(self) -> tuple[int, int]:
        """Return space and address of the current step's box."""

    def first(self) -> tuple[int, ...]:
        """Return the tensor's index of the box's first element."""

    @property
    def buffer(self) -> Buffer:
        """How the box lies in the scratchpad."""


class PassedOperand:
    """An input or output that is passed on within a group: nothing moves."""

    def __init__(self, passed: Passed, kernel: Kernel, operand: OperandMap) -> None:
        self._passed = passed
        self._operand = operand
        self._strides = passed.buffer.iteration_strides(operand, len(kernel.dimensions))

    def at(self, tile: Tile, tag: int) -> Access:
        """Return how to reach the part of a tile."""
        del tag
        space, address = self._passed.address()
        place = self._passed.buffer.offset_bytes(self._operand, tile.low, self._passed.first())
        return Access(space=space, base=address + place, strides=self._strides)

    def used(self) -> None:
        """Do nothing: the group says when a step has used it."""

    def place(self, tile: Tile, tag: int) -> Access:
        """Return where the results of a tile go."""
        return self.at(tile, tag)

    def done(self, tile: Tile, tag: int) -> None:
        """Do nothing: the group says when a step is there."""


def input_of(
    transfers: Transfers,
    kernel: Kernel,
    mapping: Mapping,
    number: int,
    tiles: Sequence[Tile],
    consumer: Queue,
) -> Input:
    """Return an input of a kernel, which the tiles use in this order."""
    operand = kernel.inputs[number]
    if operand.role in transfers.passed:
        return PassedOperand(transfers.passed[operand.role], kernel, operand)
    if operand.is_kept:
        return KeptOperand(transfers, kernel, operand)
    return StreamedInput(transfers, kernel, mapping, number, tiles, consumer)


def output_of(transfers: Transfers, kernel: Kernel, mapping: Mapping) -> Output:
    """Return the output of a kernel."""
    if "output" in transfers.passed:
        return PassedOperand(transfers.passed["output"], kernel, kernel.output)
    if kernel.output.is_kept:
        return KeptOperand(transfers, kernel, kernel.output)
    return StoredOutput(transfers, kernel, mapping)
