"""Lowering: a layer's kernels and mappings become a program."""

from __future__ import annotations

from collections.abc import Mapping as Dictionary
from collections.abc import Sequence
from typing import assert_never

from accel.spec import AcceleratorSpec
from isa.instruction import Access, Gather, Queue
from isa.program import Program
from mapper.boxes import OperandTiles
from mapper.emitters import emitter_of
from mapper.kernel import (
    Contraction,
    Copy,
    Kernel,
    Lookup,
    VectorBody,
    padded_bytes,
)
from mapper.mapping import Mapping, tiles
from mapper.operands import Placement, Transfers
from mapper.rings import ProgramBuilder


def lower(
    kernels: Sequence[Kernel],
    mappings: Sequence[Mapping],
    spec: AcceleratorSpec,
    placements: Dictionary[str, Placement],
    memory_bytes: Dictionary[str, int],
    free_bytes: Dictionary[str, int],
    core: int = 0,
    placed: Dictionary[str, int] | None = None,
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
    placed
        Role of an operand to the address of its ring, where others aren't.
    """
    builder = ProgramBuilder(spec, memory_bytes, free_bytes, core, placed)
    transfers = Transfers(builder, placements)
    match kernels[0].body:
        case Contraction() | VectorBody():
            steps = [list(tiles(kernels[0], mappings[0]))]
            emitter_of(transfers, kernels[0], mappings[0], steps).emit(0)
        case Copy():
            _lower_copies(transfers, kernels, mappings)
        case Lookup() as body:
            _lower_lookup(transfers, kernels[0], mappings[0], body)
        case unknown:
            assert_never(unknown)
    return builder.program()


def _lower_copies(
    transfers: Transfers, kernels: Sequence[Kernel], mappings: Sequence[Mapping]
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
        padded_bytes(kernel.inputs[0], kernel.extents, mapping.tile)
        for kernel, mapping in zip(kernels, mappings, strict=True)
    )
    slots = max(mapping.num_buffers[-1] for mapping in mappings)
    return slot_bytes, min(slots, builder.most_slots("output", slot_bytes))


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
                operand=body.table.operand,
                tag=tag,
            ),
        )
        rows.filled()
        indices.release()
        transfers.store(row_tiles, rows, tile, tag)
