"""Emitters: the instructions of kernels that compute, tile by tile."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Protocol

from foundation.dtype import DTYPES
from foundation.functions import FUNCTIONS, FunctionKind
from isa.instruction import Access, MatMul, Queue, Vector
from mapper.boxes import OperandTiles
from mapper.kernel import Contraction, Kernel, Role, VectorBody
from mapper.mapping import Mapping, Tile
from mapper.operands import Transfers, input_of, output_of


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
        results = [tile for step in self._steps for tile, is_last in step if is_last]
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
        address, accumulate = 0, False
        for tile, is_last in self._steps[step]:
            tag = self._transfers.builder.next_tag()
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
        self._results.done(tile, tag)
        self._psums.release()
        for bias in self._biases:
            bias.used()

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
        folds = FUNCTIONS[body.function].kind is FunctionKind.REDUCTION or body.sums_psums
        self._reduced = len(kernel.numbers(Role.WHOLE)) if folds else 0

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
