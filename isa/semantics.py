"""The untimed meaning of programs, on data: an interpreter that tries to break them.

- Scratchpads start poisoned: reading a byte that was never written is an error.
- A transfer lands only for a queue that has waited for a signal behind it; until then its
  destination is poisoned.
- Two accesses to a byte, one of them a write, must be ordered by semaphores, whatever order the
  interpreter happens to run in: each queue has a vector clock, a signal carries it, a wait joins
  it (C. Fidge, "Timestamps in Message-Passing Systems", ACSC 1988).
- Every access lies within its space, and the elements of a result don't overlap.
- A semaphore has one queue that signals it, and ends with the count it began with.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from foundation import numerics
from foundation.dtype import DTYPES, Dtype
from foundation.errors import SimulationError
from foundation.functions import FUNCTIONS, FunctionKind
from isa.instruction import (
    ACCEPTED,
    Access,
    Gather,
    Instruction,
    Load,
    MatMul,
    Signal,
    Store,
    Vector,
    Wait,
)
from isa.program import Program, Space, Stream

Array = NDArray[Any]
Bytes = NDArray[np.uint8]
Indices = NDArray[np.int64]
Clock = NDArray[np.int64]

READ, WRITE = 0, 1
_INDEX_BYTES = 4


def run_program(program: Program, memories: Mapping[str, Bytes]) -> None:
    """Execute a program on data.

    Parameters
    ----------
    program
        What to execute.
    memories
        Main memories by name, uint8 arrays of their spaces' sizes, changed in place.

    Raises
    ------
    SimulationError
        The program reads poison, races, leaves a space, deadlocks or leaves a semaphore unbalanced.
    """
    _Interpreter(program, memories).run()


class _Memory:
    """The bytes of a space with their shadow.

    Parameters
    ----------
    space
        Name, size and kind.
    data
        The bytes.
    streams
        Number of instruction streams.
    """

    def __init__(self, space: Space, data: Bytes, streams: int) -> None:
        self.space = space
        self.data = data
        self.poisoned = np.full(len(data), not space.is_main_memory)
        # Position (from 1) of each stream's last read and last write of every byte; zeros cost no
        # memory until they are touched.
        self.last = np.zeros((2, streams, len(data)), dtype=np.int32)

    def view(self, access: Access, shape: tuple[int, ...], dtype: Any) -> Array:
        """Return an operand's elements in place."""
        if 0 in shape:
            return np.empty(shape, dtype=dtype)
        strides = access.strides[: len(shape)]
        return np.ndarray(shape, dtype, buffer=self.data, offset=access.base, strides=strides)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Transfer:
    """Bytes on their way: they land in ``memory`` at ``indices``."""

    position: int
    memory: _Memory
    indices: Indices
    values: Bytes


class _Stream:
    """What one queue has done and knows."""

    def __init__(self, number: int, stream: Stream, code: tuple[Instruction, ...], streams: int):
        self.number = number
        self.stream = stream
        self.code = code
        self.position = 0
        self.clock: Clock = np.zeros(streams, dtype=np.int64)
        self.in_flight: deque[_Transfer] = deque()

    @property
    def name(self) -> str:
        """The queue's name, with its core's number if it isn't the first."""
        queue = self.stream.queue.name.lower()
        return queue if self.stream.core == 0 else f"core {self.stream.core} {queue}"

    def error(self, message: str) -> SimulationError:
        """Return an error about the current instruction."""
        return SimulationError(message, unit=self.name, time=f"instruction {self.position}")


class _Interpreter:
    def __init__(self, program: Program, memories: Mapping[str, Bytes]) -> None:
        self._program = program
        count = len(program.streams)
        self._streams = [
            _Stream(number, stream, code, count)
            for number, (stream, code) in enumerate(program.streams.items())
        ]
        cores = {stream.core for stream in program.streams}
        self._tokens = {
            (core, number): deque([np.zeros(count, dtype=np.int64)] * semaphore.initial)
            for core in cores
            for number, semaphore in enumerate(program.semaphores)
        }
        self._memories: dict[tuple[int, int], _Memory] = {}
        for number, space in enumerate(program.spaces):
            if space.is_main_memory:
                shared = _Memory(space, memories[space.name], count)
                self._memories.update({(core, number): shared for core in cores})
            else:
                for core in cores:
                    empty = np.zeros(space.size_bytes, dtype=np.uint8)
                    self._memories[core, number] = _Memory(space, empty, count)

    def run(self) -> None:
        """Run every queue as far as it goes, in turn, until all have finished."""
        self._check_signallers()
        progressing = True
        while progressing:
            moved = [self._advance(stream) for stream in self._streams]
            progressing = any(moved)
        self._check_finished()
        for stream in self._streams:
            self._land(stream, len(stream.code))

    def _check_signallers(self) -> None:
        signallers: dict[tuple[int, int], _Stream] = {}
        for stream in self._streams:
            for position, instruction in enumerate(stream.code):
                if isinstance(instruction, Signal):
                    key = stream.stream.core, instruction.semaphore
                    first = signallers.setdefault(key, stream)
                    if first is not stream:
                        stream.position = position
                        name = self._program.semaphores[instruction.semaphore].name
                        raise stream.error(
                            f"semaphore '{name}' is signalled by {first.name} too; a semaphore"
                            " has 1 signalling queue"
                        )

    def _check_finished(self) -> None:
        blocked = [stream for stream in self._streams if stream.position < len(stream.code)]
        if blocked:
            waits = ", ".join(
                f"{stream.name} waits for '{self._waited(stream)}'" for stream in blocked
            )
            raise blocked[0].error(f"deadlock: {waits}")
        for (_, number), tokens in self._tokens.items():
            semaphore = self._program.semaphores[number]
            if len(tokens) != semaphore.initial:
                raise SimulationError(
                    f"semaphore '{semaphore.name}' ends at {len(tokens)} but began at"
                    f" {semaphore.initial}; a signal or a wait is missing",
                    unit="program",
                    time="its end",
                )

    def _waited(self, stream: _Stream) -> str:
        instruction = stream.code[stream.position]
        assert isinstance(instruction, Wait), "only a wait blocks"
        return self._program.semaphores[instruction.semaphore].name

    def _advance(self, stream: _Stream) -> bool:
        """Execute a queue until it is blocked; return whether it moved."""
        start = stream.position
        while stream.position < len(stream.code):
            instruction = stream.code[stream.position]
            if isinstance(instruction, Wait):
                tokens = self._tokens[stream.stream.core, instruction.semaphore]
                if not tokens:
                    break
                self._join(stream, tokens.popleft())
            elif isinstance(instruction, Signal):
                clock = stream.clock.copy()
                clock[stream.number] = stream.position
                self._tokens[stream.stream.core, instruction.semaphore].append(clock)
            else:
                self._execute(stream, instruction)
            stream.position += 1
        return stream.position > start

    def _join(self, stream: _Stream, clock: Clock) -> None:
        """Learn what a signal's queue knew, and let the transfers before it land."""
        np.maximum(stream.clock, clock, out=stream.clock)
        for other in self._streams:
            self._land(other, int(stream.clock[other.number]))

    def _land(self, stream: _Stream, position: int) -> None:
        """Land the transfers that a queue issued before ``position``."""
        while stream.in_flight and stream.in_flight[0].position < position:
            transfer = stream.in_flight.popleft()
            transfer.memory.data[transfer.indices] = transfer.values
            transfer.memory.poisoned[transfer.indices] = False

    def _execute(
        self, stream: _Stream, instruction: Load | Gather | Store | MatMul | Vector
    ) -> None:
        if not isinstance(instruction, ACCEPTED[stream.stream.queue]):
            raise stream.error(
                f"a {stream.stream.queue.name.lower()} queue can't execute a"
                f" {type(instruction).__name__.lower()}"
            )
        match instruction:
            case Load():
                self._load(stream, instruction)
            case Gather():
                self._gather(stream, instruction)
            case Store():
                self._store(stream, instruction)
            case MatMul():
                self._matmul(stream, instruction)
            case Vector():
                self._vector(stream, instruction)
            case _:
                assert_never(instruction)

    def _load(self, stream: _Stream, load: Load) -> None:
        whole = tuple(map(sum, zip(load.before, load.shape, load.after, strict=True)))
        source = self._memory(stream, "source", load.source, main=True)
        values = np.empty((*whole, load.element_bytes), dtype=np.uint8)
        values[...] = np.frombuffer(
            load.fill.to_bytes(load.element_bytes, "little"), dtype=np.uint8
        )
        inside = tuple(
            slice(before, before + size)
            for before, size in zip(load.before, load.shape, strict=True)
        )
        read = self._read(stream, "source", source, load.source, load.shape, load.element_bytes)
        values[inside] = source.data[read].reshape(*load.shape, load.element_bytes)
        target = self._memory(stream, "destination", load.destination, main=False)
        self._send(stream, target, load.destination, whole, values)

    def _gather(self, stream: _Stream, gather: Gather) -> None:
        rows = self._operand(stream, "indices", gather.indices, (gather.rows,), DTYPES["int32"])
        wrong = rows[(rows < 0) | (rows >= gather.table_rows)]
        if wrong.size:
            raise stream.error(f"index {wrong[0]} must lie in 0..{gather.table_rows - 1}")
        table = self._memory(stream, "table", gather.table, main=True)
        shape = (gather.table_rows, gather.row_elements)
        read = self._read(stream, "table", table, gather.table, shape, gather.element_bytes)
        whole = table.data[read].reshape(*shape, gather.element_bytes)
        target = self._memory(stream, "destination", gather.destination, main=False)
        taken = (gather.rows, gather.row_elements)
        self._send(stream, target, gather.destination, taken, whole[rows])

    def _store(self, stream: _Stream, store: Store) -> None:
        source = self._memory(stream, "source", store.source, main=False)
        read = self._read(stream, "source", source, store.source, store.shape, store.element_bytes)
        target = self._memory(stream, "destination", store.destination, main=True)
        values = source.data[read].reshape(*store.shape, store.element_bytes)
        self._send(stream, target, store.destination, store.shape, values)

    def _send(
        self,
        stream: _Stream,
        target: _Memory,
        access: Access,
        shape: tuple[int, ...],
        values: Bytes,
    ) -> None:
        """Poison the destination, and let the values land when somebody waits for them."""
        indices = self._written(stream, target, access, shape, values.shape[-1])
        target.poisoned[indices] = True
        stream.in_flight.append(
            _Transfer(
                position=stream.position,
                memory=target,
                indices=indices,
                values=values.reshape(-1),
            )
        )

    def _matmul(self, stream: _Stream, matmul: MatMul) -> None:
        kept = len(matmul.shape) - len(matmul.k)
        groups, rows = len(matmul.groups), len(matmul.m)
        size = matmul.extents
        left = self._matrix(stream, "input", matmul, matmul.input, skip=range(kept - 1, kept))
        right = self._matrix(
            stream, "weight", matmul, matmul.weight, skip=range(groups, groups + rows)
        )
        # Every int8 product and sum below 2**53 is exact in float64, which has a fast product.
        wide = np.float64 if matmul.dtype.is_integer else np.float32
        product = np.matmul(
            left.astype(wide).reshape(size[0], size[1], size[3]),
            right.astype(wide).reshape(size[0], size[2], size[3]).transpose(0, 2, 1),
        )
        accumulator = DTYPES[matmul.dtype.accumulator]
        shape = matmul.shape[:kept]
        product = product.reshape(shape)
        psum = _without(matmul.psum, range(kept, len(matmul.shape)))
        if matmul.accumulate:
            product = product + self._operand(stream, "psum", psum, shape, accumulator)
        self._write(stream, "psum", psum, shape, numerics.saturate(product, accumulator))

    def _matrix(
        self, stream: _Stream, name: str, matmul: MatMul, access: Access, skip: range
    ) -> Array:
        """Return an operand along the dimensions of a matmul that it has."""
        shape = tuple(size for d, size in enumerate(matmul.shape) if d not in skip)
        return self._operand(stream, name, _without(access, skip), shape, matmul.dtype)

    def _vector(self, stream: _Stream, vector: Vector) -> None:
        inputs = [
            self._operand(stream, f"input {number}", access, vector.shape, vector.input_dtype)
            for number, access in enumerate(vector.inputs)
        ]
        result = numerics.unary(vector.activation, _apply(vector, inputs), vector.output_dtype)
        shape = vector.shape[: len(vector.shape) - vector.reduced]
        output = _without(vector.output, range(len(shape), len(vector.shape)))
        self._write(stream, "output", output, shape, result)

    def _operand(
        self, stream: _Stream, name: str, access: Access, shape: tuple[int, ...], dtype: Dtype
    ) -> Array:
        """Return the elements of a scratchpad operand."""
        memory = self._memory(stream, name, access, main=False)
        self._read(stream, name, memory, access, shape, dtype.size_bytes)
        return memory.view(access, shape, dtype.numpy)

    def _write(
        self, stream: _Stream, name: str, access: Access, shape: tuple[int, ...], values: Array
    ) -> None:
        """Write the elements of a scratchpad result."""
        memory = self._memory(stream, name, access, main=False)
        indices = self._written(stream, memory, access, shape, values.dtype.itemsize)
        memory.poisoned[indices] = False
        memory.view(access, shape, values.dtype)[...] = values

    def _memory(self, stream: _Stream, name: str, access: Access, *, main: bool) -> _Memory:
        """Return the memory of an operand, which must be of the right kind."""
        memory = self._memories.get((stream.stream.core, access.space))
        if memory is None:
            raise stream.error(
                f"{name}: space {access.space} must be below {len(self._program.spaces)}"
            )
        if memory.space.is_main_memory != main:
            kind = "a main memory" if main else "a scratchpad"
            raise stream.error(f"{name}: '{memory.space.name}' must be {kind}")
        return memory

    def _read(
        self,
        stream: _Stream,
        name: str,
        memory: _Memory,
        access: Access,
        shape: tuple[int, ...],
        element_bytes: int,
    ) -> Indices:
        """Check a read, remember it, and return the indices of its bytes."""
        indices = self._indices(stream, memory, access, shape, element_bytes)
        poisoned = memory.poisoned[indices]
        if poisoned.any():
            address = int(indices[poisoned.argmax()])
            raise stream.error(
                f"{name}: reads byte {address} of '{memory.space.name}', which was never written"
                " or is still on its way"
            )
        self._check_race(stream, memory, indices, kinds=(WRITE,))
        memory.last[READ, stream.number, indices] = stream.position + 1
        return indices

    def _written(
        self,
        stream: _Stream,
        memory: _Memory,
        access: Access,
        shape: tuple[int, ...],
        element_bytes: int,
    ) -> Indices:
        """Check a write, remember it, and return the indices of its bytes."""
        indices = self._indices(stream, memory, access, shape, element_bytes)
        order = np.arange(len(indices), dtype=np.int32)
        last = memory.last[WRITE, stream.number]
        last[indices] = order
        if (last[indices] != order).any():
            raise stream.error(f"elements of the result overlap in '{memory.space.name}'")
        self._check_race(stream, memory, indices, kinds=(READ, WRITE))
        last[indices] = stream.position + 1
        return indices

    def _check_race(
        self, stream: _Stream, memory: _Memory, indices: Indices, kinds: tuple[int, ...]
    ) -> None:
        for other in self._streams:
            if other is stream:
                continue
            for kind in kinds:
                positions = memory.last[kind, other.number, indices]
                unordered = positions > stream.clock[other.number]
                if unordered.any():
                    first = int(unordered.argmax())
                    verb = "reads" if kind == READ else "writes"
                    raise stream.error(
                        f"race: {other.name} {verb} byte {int(indices[first])} of"
                        f" '{memory.space.name}' in its instruction {int(positions[first]) - 1},"
                        " and no semaphore says which comes first"
                    )

    def _indices(
        self,
        stream: _Stream,
        memory: _Memory,
        access: Access,
        shape: tuple[int, ...],
        element_bytes: int,
    ) -> Indices:
        """Return the addresses of every byte of an operand, in its order."""
        if len(access.strides) != len(shape):
            raise stream.error(f"{len(access.strides)} strides don't match {len(shape)} dimensions")
        if prod(shape) == 0:
            return np.empty(0, dtype=np.int64)
        reach = [(size - 1) * stride for size, stride in zip(shape, access.strides, strict=True)]
        low = access.base + sum(min(0, step) for step in reach)
        high = access.base + sum(max(0, step) for step in reach) + element_bytes
        if low < 0 or high > len(memory.data):
            raise stream.error(
                f"bytes {low} to {high - 1} must lie within '{memory.space.name}', which has"
                f" {len(memory.data)}"
            )
        indices = np.full((1,) * len(shape) + (1,), access.base, dtype=np.int64)
        for axis, steps in _steps(shape, access.strides, element_bytes):
            indices = indices + steps.reshape(
                [-1 if a == axis else 1 for a in range(len(shape) + 1)]
            )
        return indices.reshape(-1)


def _steps(
    shape: tuple[int, ...], strides: tuple[int, ...], element_bytes: int
) -> Iterator[tuple[int, Indices]]:
    """Yield the byte offsets along each axis, the bytes of an element last."""
    for axis, (size, stride) in enumerate(zip(shape, strides, strict=True)):
        yield axis, np.arange(size, dtype=np.int64) * stride
    yield len(shape), np.arange(element_bytes, dtype=np.int64)


def _without(access: Access, dimensions: range) -> Access:
    """Return an access without dimensions on which the operand doesn't depend."""
    strides = tuple(s for d, s in enumerate(access.strides) if d not in dimensions)
    return Access(space=access.space, base=access.base, strides=strides)


def _apply(vector: Vector, inputs: list[Array]) -> Array:
    """Return a vector function's result, before its activation."""
    dtype = vector.output_dtype
    name = vector.function
    match FUNCTIONS[name].kind:
        case FunctionKind.UNARY:
            return numerics.unary(name, inputs[0], dtype)
        case FunctionKind.BINARY:
            return numerics.binary(name, inputs[0], inputs[1], dtype)
        case FunctionKind.REDUCTION:
            rank = len(vector.shape)
            axes = tuple(range(rank - vector.reduced, rank))
            return numerics.reduction(name, inputs[0], axes, dtype)
        case FunctionKind.CHANNEL:
            if name == "batch_norm":
                return numerics.batch_norm(inputs[0], inputs[1], inputs[2], dtype)
            bias = inputs[1] if len(inputs) > 1 else None
            return numerics.requantize(inputs[0], bias, vector.shift, dtype)
        case FunctionKind.ROW:
            return _rows(name, inputs, dtype)
        case unknown:
            assert_never(unknown)


def _rows(name: str, inputs: list[Array], dtype: Dtype) -> Array:
    match name:
        case "softmax":
            return numerics.softmax(inputs[0], dtype)
        case "layer_norm":
            return numerics.layer_norm(inputs[0], inputs[1], inputs[2], dtype)
        case _:
            return numerics.rms_norm(inputs[0], inputs[1], dtype)
