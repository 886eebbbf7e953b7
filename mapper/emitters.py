"""Emitters: the instructions of kernels that compute, tile by tile."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Protocol

from foundation.dtype import DTYPES
from isa.instruction import Access, MatMul, Queue, Vector
from mapper.boxes import OperandTiles
from mapper.kernel import Contraction, Kernel, Role, VectorBody
from mapper.mapping import Mapping, Tile
from mapper.operands import Transfers, input_of, output_of
from mapper.waiting import WaitingPsums


class Emitter(Protocol):
    """Emits the instructions of a kernel, step by step."""

    def emit(self, step: int) -> None:
        """Emit the tiles of one step; steps come in order."""


def emitter_of(
    transfers: Transfers, kernel: Kernel, mapping: Mapping, steps: Sequence[Sequence[Tile]]
) -> Emitter:
    """Return the emitter of a kernel that computes.

    Parameters
    ----------
    transfers
        Where its operands live.
    kernel, mapping
        What is computed; of the mapping its tile sizes and where operands are held.
    steps
        The tiles of each step, in order. Sums are finished within a step.
    """
    if isinstance(kernel.body, Contraction):
        return _ProductEmitter(transfers, kernel, mapping, kernel.body, steps)
    assert isinstance(kernel.body, VectorBody), "copies and look-ups only move data"
    return _VectorEmitter(transfers, kernel, mapping, kernel.body, steps)


class _ProductEmitter:
    """Matmuls over K into a ring of psums; the vector unit empties it into a ring of outputs."""

    def __init__(
        self,
        transfers: Transfers,
        kernel: Kernel,
        mapping: Mapping,
        body: Contraction,
        steps: Sequence[Sequence[Tile]],
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
        #: For each step its tiles, and whether each is the last to add to its psums.
        self._steps = [list(zip(step, _ends_sum(kernel, step), strict=True)) for step in steps]
        sequence = [tile for step in self._steps for tile, _ in step]
        self._waiting = WaitingPsums(transfers.builder, kernel, mapping)
        results = [tile for step in self._steps for tile in self._first_of_sums(step)]
        self._data, self._weight = (
            input_of(transfers, kernel, mapping, number, sequence, Queue.MATRIX)
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

    def emit(self, step: int) -> None:
        """Emit the tiles of one step."""
        address, accumulate, is_first = 0, False, True
        for tile, is_last in self._steps[step]:
            tag = self._transfers.builder.next_tag()
            if not accumulate:
                address = self._psums.fill()
                is_first = self._waiting.is_first(tile)
            self._matmul(tile, address, accumulate, is_last, tag)
            accumulate = not is_last
            if is_last:
                self._empty(tile, is_first, tag)

    def _first_of_sums(self, step: Sequence[tuple[Tile, bool]]) -> list[Tile]:
        """Return the tiles of a step that begin sums to which nothing was added before."""
        starts = [True, *(is_last for _, is_last in step[:-1])]
        return [
            tile
            for (tile, _), is_start in zip(step, starts, strict=True)
            if is_start and self._waiting.is_first(tile)
        ]

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
                dtype=self._kernel.multiplied,
                tag=tag,
                dataflow=self._mapping.dataflow,
                stored=self._kernel.stored,
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
        if is_first:
            others = [self._along_kept(bias.at(tile, tag)) for bias in self._biases]
        else:
            others = [self._waiting.at(tile)]
        psum = Access(
            space=self._psums.space, base=self._psums.take(), strides=self._psum_strides(tile.size)
        )
        is_whole = self._waiting.is_last(tile)
        if is_whole:
            self._requantize(tile, (psum, *others), tag)
        else:
            self._add(tile, (psum, *others), tag)
        if is_whole:
            self._results.done(tile, tag)
        self._psums.release()
        if is_first:
            for bias in self._biases:
                bias.used()

    def _requantize(self, tile: Tile, inputs: tuple[Access, ...], tag: int) -> None:
        """Make outputs of psums and what is added to them: requantization and activation."""
        dtype = self._kernel.output.dtype
        output = self._results.place(tile, tag)
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


def _ends_sum(kernel: Kernel, tiles: Sequence[Tile]) -> list[bool]:
    """Return which tiles are the last ones that add to their psums: K is innermost."""
    output = OperandTiles(kernel, kernel.output)
    parts = [output.part(tile) for tile in tiles]
    return [a != b for a, b in zip(parts, [*parts[1:], None], strict=True)]


class _VectorEmitter:
    """One vector instruction for each tile."""

    def __init__(
        self,
        transfers: Transfers,
        kernel: Kernel,
        mapping: Mapping,
        body: VectorBody,
        steps: Sequence[Sequence[Tile]],
    ) -> None:
        self._builder = transfers.builder
        self._kernel = kernel
        self._body = body
        self._steps = steps
        sequence = [tile for step in steps for tile in step]
        self._inputs = [
            input_of(transfers, kernel, mapping, number, sequence, Queue.VECTOR)
            for number in range(len(kernel.inputs))
        ]
        self._results = output_of(transfers, kernel, mapping)
        self._reduced = body.reduced(len(kernel.numbers(Role.WHOLE)))

    def emit(self, step: int) -> None:
        """Emit the tiles of one step."""
        body, dtype = self._body, self._kernel.output.dtype
        for tile in self._steps[step]:
            tag = self._builder.next_tag()
            accesses = tuple([operand.at(tile, tag) for operand in self._inputs])
            target = self._results.place(tile, tag)
            self._builder.emit(
                Queue.VECTOR,
                Vector(
                    function=body.function,
                    shape=tile.size,
                    reduced=self._reduced,
                    inputs=accesses,
                    output=target,
                    input_dtype=self._kernel.inputs[0].dtype,
                    output_dtype=dtype,
                    shift=body.shift if dtype.is_integer else 0,
                    activation=body.activation,
                    tag=tag,
                ),
            )
            self._results.done(tile, tag)
            for operand in self._inputs:
                operand.used()
