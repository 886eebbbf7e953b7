"""The untimed meaning of programs, on data: an interpreter that tries to break them.

- Scratchpads start poisoned: reading a byte that was never written is an error.
- A transfer lands only for a queue that has waited for a signal behind it; until then its
  destination is poisoned. Transfers of one queue land in order, but two of them may not touch the
  same byte unless the queue knows that the first has landed.
- Two accesses to a byte, one of them a write, must be ordered by semaphores, whatever order the
  interpreter happens to run in: each queue has a vector clock, a signal carries it, a wait joins
  it (C. Fidge, "Timestamps in Message-Passing Systems", ACSC 1988).
- Every access lies within its space, and the elements of a result don't overlap.
- A semaphore has one queue that signals it and one that waits for it, so that which signal a wait
  takes doesn't depend on timing, and ends with the count it began with.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from foundation import numerics
from foundation.dtype import DTYPES, Dtype
from foundation.errors import SimulationError
from foundation.numerics import Array
from foundation.segments import decode
from isa.instruction import (
    ACCEPTED,
    Access,
    Gather,
    Load,
    MatMul,
    Signal,
    Store,
    Vector,
    Wait,
)
from isa.program import Program, Space
from isa.shadow import Bytes, Clock, Indices, QueueState, ShadowedMemory, Transfer
from isa.vector import apply_vector, check_vector

#: The interpreter keeps some bytes of shadow for each.
MAX_SCRATCHPAD_BYTES = 1 << 30

_INDEX = DTYPES["int32"]


#: Called with a matrix instruction and its operands: arrays of shape (G, M, K) and (G, K, N).
MatMulWatcher = Callable[[MatMul, Array, Array], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Bytes of a scratchpad that stay from one program to the next.

    Parameters
    ----------
    scratchpad, address
        Where: the scratchpad's name, and the first byte.
    data
        uint8 array, changed in place.
    poisoned
        Bool array of the same size: which bytes were never written.
    core
        Whose scratchpad it is.
    """

    scratchpad: str
    address: int
    data: Bytes
    poisoned: NDArray[np.bool_]
    core: int = 0


def run_program(
    program: Program,
    memories: Mapping[str, Bytes],
    watch: MatMulWatcher | None = None,
    kept: Sequence[Kept] = (),
) -> None:
    """Execute a program on data.

    Parameters
    ----------
    program
        What to execute.
    memories
        Main memories by name, uint8 arrays of their spaces' sizes, changed in place.
    watch
        Sees every matrix instruction in the order of execution.
    kept
        What other programs left in scratchpads; all else in them is poisoned.

    Raises
    ------
    SimulationError
        The program reads poison, races, leaves a space, deadlocks, leaves a semaphore unbalanced,
        or has an instruction that no machine could execute.
    """
    interpreter = _Interpreter(program, memories, watch)
    for one in kept:
        memory, part = interpreter.scratchpad(one)
        memory.data[part], memory.poisoned[part] = one.data, one.poisoned
    interpreter.run()
    for one in kept:
        memory, part = interpreter.scratchpad(one)
        one.data[:], one.poisoned[:] = memory.data[part], memory.poisoned[part]


class _Tokens:
    """The count of a semaphore: what is left of its initial one, then a clock per signal."""

    def __init__(self, initial: int) -> None:
        self.initial = initial
        self.clocks: deque[Clock] = deque()

    @property
    def count(self) -> int:
        """How often it can be waited for."""
        return self.initial + len(self.clocks)


class _Interpreter:
    def __init__(
        self, program: Program, memories: Mapping[str, Bytes], watch: MatMulWatcher | None
    ) -> None:
        self._watch = watch
        self._program = program
        count = len(program.streams)
        self._queues = [
            QueueState(number, stream, code, count)
            for number, (stream, code) in enumerate(program.streams.items())
        ]
        cores = {stream.core for stream in program.streams}
        self._tokens = {
            (core, number): _Tokens(semaphore.initial)
            for core in cores
            for number, semaphore in enumerate(program.semaphores)
        }
        self._memories: dict[tuple[int, int], ShadowedMemory] = {}
        for number, space in enumerate(program.spaces):
            if space.is_main_memory:
                shared = ShadowedMemory(space, _given(memories, space), self._queues)
                self._memories.update({(core, number): shared for core in cores})
            else:
                _check_size(space)
                for core in cores:
                    empty = np.zeros(space.size_bytes, dtype=np.uint8)
                    self._memories[core, number] = ShadowedMemory(space, empty, self._queues)

    def scratchpad(self, kept: Kept) -> tuple[ShadowedMemory, slice]:
        """Return where kept bytes lie."""
        names = [space.name for space in self._program.spaces]
        memory = self._memories[kept.core, names.index(kept.scratchpad)]
        return memory, slice(kept.address, kept.address + len(kept.data))

    def run(self) -> None:
        """Run every queue as far as it goes, in turn, until all have finished."""
        self._check_semaphores(Signal, "signals")
        self._check_semaphores(Wait, "waits for")
        progressing = True
        while progressing:
            moved = [self._advance(queue) for queue in self._queues]
            progressing = any(moved)
        self._check_finished()
        for queue in self._queues:
            queue.land(len(queue.code))

    def _check_semaphores(self, kind: type[Signal | Wait], verb: str) -> None:
        """Check that a semaphore has one queue that signals it, or one that waits for it."""
        users: dict[tuple[int, int], QueueState] = {}
        for queue in self._queues:
            for position, instruction in enumerate(queue.code):
                if not isinstance(instruction, kind):
                    continue
                number, known = instruction.semaphore, len(self._program.semaphores)
                queue.position = position
                if not 0 <= number < known:
                    raise queue.error(f"semaphore {number} must be below {known}")
                first = users.setdefault((queue.stream.core, number), queue)
                if first is not queue:
                    raise queue.error(
                        f"{verb} semaphore '{self._program.semaphores[number].name}' but so does"
                        f" {first.name}, and only 1 queue may; use 2 semaphores"
                    )
            queue.position = 0

    def _check_finished(self) -> None:
        blocked = [queue for queue in self._queues if queue.position < len(queue.code)]
        if blocked:
            waits = ", ".join(
                f"{queue.name} waits for '{self._waited(queue)}'" for queue in blocked
            )
            raise blocked[0].error(f"deadlock: {waits}")
        for (_, number), tokens in self._tokens.items():
            semaphore = self._program.semaphores[number]
            if tokens.count != semaphore.initial:
                raise SimulationError(
                    f"semaphore '{semaphore.name}' ends at {tokens.count} but began at"
                    f" {semaphore.initial}; a signal or a wait is missing",
                    unit="program",
                    time="its end",
                )

    def _waited(self, queue: QueueState) -> str:
        instruction = queue.code[queue.position]
        assert isinstance(instruction, Wait), "only a wait blocks"
        return self._program.semaphores[instruction.semaphore].name

    def _advance(self, queue: QueueState) -> bool:
        """Execute a queue until it is blocked; return whether it moved."""
        start = queue.position
        while queue.position < len(queue.code):
            instruction = queue.code[queue.position]
            if isinstance(instruction, Wait):
                tokens = self._tokens[queue.stream.core, instruction.semaphore]
                if not tokens.count:
                    break
                self._take(queue, tokens)
            elif isinstance(instruction, Signal):
                clock = queue.clock.copy()
                clock[queue.number] = queue.position
                self._tokens[queue.stream.core, instruction.semaphore].clocks.append(clock)
            else:
                self._execute(queue, instruction)
            queue.position += 1
        return queue.position > start

    def _take(self, queue: QueueState, tokens: _Tokens) -> None:
        """Learn what a signal's queue knew, and let the transfers before it land."""
        if tokens.initial:
            tokens.initial -= 1
            return
        np.maximum(queue.clock, tokens.clocks.popleft(), out=queue.clock)
        for other in self._queues:
            other.land(int(queue.clock[other.number]))

    def _execute(
        self, queue: QueueState, instruction: Load | Gather | Store | MatMul | Vector
    ) -> None:
        if not isinstance(instruction, ACCEPTED[queue.stream.queue]):
            raise queue.error(
                f"a {queue.stream.queue.name.lower()} queue can't execute a"
                f" {type(instruction).__name__.lower()}"
            )
        match instruction:
            case Load():
                self._load(queue, instruction)
            case Gather():
                self._gather(queue, instruction)
            case Store():
                self._store(queue, instruction)
            case MatMul():
                self._matmul(queue, instruction)
            case Vector():
                self._vector(queue, instruction)
            case _:
                assert_never(instruction)

    def _load(self, queue: QueueState, load: Load) -> None:
        _check_shape(queue, load.shape, least=0)
        _check_border(queue, load)
        size = load.element_bytes
        source = self._memory(queue, "source", load.source, main=True)
        target = self._memory(queue, "destination", load.destination, main=False)
        borders = zip(load.before, load.shape, load.after, strict=True)
        whole = tuple(sum(border) for border in borders)
        _check_shape(queue, whole)
        written = target.indices(queue, "destination", load.destination, whole, size)
        if load.fill < 0 or load.fill.bit_length() > 8 * size:
            raise queue.error(f"fill {load.fill:#x} must fit in {size} bytes")
        read = source.indices(queue, "source", load.source, load.shape, size)
        source.read(queue, "source", read)
        values = np.empty((*whole, size), dtype=np.uint8)
        values[...] = np.frombuffer(load.fill.to_bytes(size, "little"), dtype=np.uint8)
        inside = tuple(
            slice(before, before + extent)
            for before, extent in zip(load.before, load.shape, strict=True)
        )
        values[inside] = source.data[read].reshape(*load.shape, size)
        _send(queue, target, written, values)

    def _gather(self, queue: QueueState, gather: Gather) -> None:
        _check_shape(queue, (gather.rows, gather.row_elements, gather.table_rows))
        rows = self._operand(queue, "indices", gather.indices, (gather.rows,), _INDEX)
        wrong = rows[(rows < 0) | (rows >= gather.table_rows)]
        if wrong.size:
            raise queue.error(f"index {wrong[0]} must lie in 0..{gather.table_rows - 1}")
        table = self._memory(queue, "table", gather.table, main=True)
        target = self._memory(queue, "destination", gather.destination, main=False)
        taken = (gather.rows, gather.row_elements)
        written = target.indices(
            queue, "destination", gather.destination, taken, gather.element_bytes
        )
        read = table.rows(
            queue, "table", gather.table, (gather.table_rows, gather.row_elements),
            gather.element_bytes, rows,
        )  # fmt: skip
        table.read(queue, "table", read)
        _send(queue, target, written, table.data[read])

    def _store(self, queue: QueueState, store: Store) -> None:
        _check_shape(queue, store.shape)
        source = self._memory(queue, "source", store.source, main=False)
        target = self._memory(queue, "destination", store.destination, main=True)
        written = target.indices(
            queue, "destination", store.destination, store.shape, store.element_bytes
        )
        read = source.indices(queue, "source", store.source, store.shape, store.element_bytes)
        source.read(queue, "source", read)
        _send(queue, target, written, source.data[read])

    def _matmul(self, queue: QueueState, matmul: MatMul) -> None:
        dtype = matmul.dtype
        if dtype.name == dtype.accumulator and dtype.is_integer:
            raise queue.error(f"a matmul can't multiply {dtype}: products need a wider sum")
        _check_shape(queue, matmul.shape)
        groups, rows = len(matmul.groups), len(matmul.m)
        kept = groups + rows + 1
        products, m, n, _ = matmul.extents
        shape = matmul.shape
        data = self._part(
            queue, "input", matmul.input, shape, range(kept - 1, kept), matmul.input_segment
        )
        weights = self._part(
            queue, "weight", matmul.weight, shape, range(groups, groups + rows),
            matmul.weight_segment,
        )  # fmt: skip
        left = data.view(dtype.numpy).reshape(products, m, -1)
        right = _weights(queue, weights, matmul).reshape(products, n, -1)
        if self._watch:
            self._watch(matmul, left, right.transpose(0, 2, 1))
        # Every int8 product and sum below 2**53 is exact in float64, which has a fast product.
        wide = np.float64 if dtype.is_integer else np.float32
        product = np.matmul(left.astype(wide), right.astype(wide).transpose(0, 2, 1)).reshape(
            shape[:kept]
        )
        accumulator = DTYPES[dtype.accumulator]
        psum = _without(queue, "psum", matmul.psum, shape, range(kept, len(shape)))
        if matmul.accumulate:
            product = product + self._operand(queue, "psum", psum, shape[:kept], accumulator)
        self._write(
            queue, "psum", psum, shape[:kept], numerics.saturate(product, accumulator), accumulator
        )

    def _vector(self, queue: QueueState, vector: Vector) -> None:
        check_vector(queue, vector)
        _check_shape(queue, vector.shape)
        inputs = [
            self._operand(queue, f"input {number}", access, vector.shape, vector.input_dtype)
            for number, access in enumerate(vector.inputs)
        ]
        dtype = vector.output_dtype
        result = numerics.unary(vector.activation, apply_vector(vector, inputs), dtype)
        kept = len(vector.shape) - vector.folded
        output = _without(
            queue, "output", vector.output, vector.shape, range(kept, len(vector.shape))
        )
        self._write(queue, "output", output, vector.shape[:kept], result, dtype)

    def _part(
        self,
        queue: QueueState,
        name: str,
        access: Access,
        shape: tuple[int, ...],
        skip: range,
        dtype: Dtype,
    ) -> Bytes:
        """Return an operand's bytes along the dimensions on which it depends, each element's last.

        An element may be a segment of several.
        """
        part = tuple(extent for d, extent in enumerate(shape) if d not in skip)
        own = _without(queue, name, access, shape, skip)
        memory = self._memory(queue, name, own, main=False)
        indices = memory.indices(queue, name, own, part, dtype.size_bytes)
        memory.read(queue, name, indices)
        return memory.data[indices].reshape(*part, dtype.size_bytes)

    def _operand(
        self, queue: QueueState, name: str, access: Access, shape: tuple[int, ...], dtype: Dtype
    ) -> Array:
        """Return the elements of a scratchpad operand."""
        memory = self._memory(queue, name, access, main=False)
        indices = memory.indices(queue, name, access, shape, dtype.size_bytes)
        memory.read(queue, name, indices)
        return memory.view(access, shape, dtype)

    def _write(
        self,
        queue: QueueState,
        name: str,
        access: Access,
        shape: tuple[int, ...],
        values: Array,
        dtype: Dtype,
    ) -> None:
        """Write the elements of a scratchpad result."""
        memory = self._memory(queue, name, access, main=False)
        indices = memory.indices(queue, name, access, shape, dtype.size_bytes)
        memory.write(queue, name, indices)
        memory.poisoned[indices] = False
        memory.view(access, shape, dtype)[...] = values

    def _memory(
        self, queue: QueueState, name: str, access: Access, *, main: bool
    ) -> ShadowedMemory:
        """Return the memory of an operand, which must be of the right kind."""
        memory = self._memories.get((queue.stream.core, access.space))
        if memory is None:
            raise queue.error(
                f"{name}: space {access.space} must be below {len(self._program.spaces)}"
            )
        if memory.space.is_main_memory != main:
            kind = "a main memory" if main else "a scratchpad"
            raise queue.error(f"{name}: '{memory.space.name}' must be {kind}")
        return memory


def _check_size(space: Space) -> None:
    if space.size_bytes > MAX_SCRATCHPAD_BYTES:
        raise SimulationError(
            f"scratchpad '{space.name}' has {space.size_bytes} bytes but the interpreter takes at"
            f" most {MAX_SCRATCHPAD_BYTES}",
            unit="program",
            time="its start",
        )


def _given(memories: Mapping[str, Bytes], space: Space) -> Bytes:
    """Return the array that stands for a main memory."""
    given = memories.get(space.name)
    if given is None or given.dtype != np.uint8 or given.shape != (space.size_bytes,):
        found = "none" if given is None else f"{given.dtype}, shape {given.shape}"
        raise SimulationError(
            f"main memory '{space.name}' must be a uint8 array of {space.size_bytes} bytes, not"
            f" {found}",
            unit="program",
            time="its start",
        )
    return given


def _check_shape(queue: QueueState, shape: tuple[int, ...], *, least: int = 1) -> None:
    """Check the extents of an iteration space; a load that is all border reads nothing."""
    if min(shape, default=least) < least:
        raise queue.error(
            f"shape {list(shape)} must have at least {least} element"
            f"{'' if least == 1 else 's'} along each dimension"
        )


def _check_border(queue: QueueState, load: Load) -> None:
    rank = len(load.shape)
    for name, border in (("before", load.before), ("after", load.after)):
        if len(border) != rank or min(border, default=0) < 0:
            raise queue.error(
                f"{name} {list(border)} must have {rank} counts, one for each dimension of"
                f" {list(load.shape)}"
            )


def _send(queue: QueueState, target: ShadowedMemory, indices: Indices, values: Bytes) -> None:
    """Poison the destination, and let the values land when somebody waits for them."""
    target.write(queue, "destination", indices)
    target.poisoned[indices] = True
    queue.in_flight.append(
        Transfer(position=queue.position, memory=target, indices=indices, values=values.reshape(-1))
    )


def _weights(queue: QueueState, data: Bytes, matmul: MatMul) -> Array:
    """Return the weights of a product from their bytes."""
    stored = matmul.stored
    if stored is None:
        return data.view(matmul.dtype.numpy)
    if matmul.dtype.is_integer and not (stored.value.is_integer and stored.scale is None):
        raise queue.error(
            f"a matmul of {matmul.dtype} can't sum up weights stored as {stored}: they aren't"
            " integers"
        )
    try:
        return decode(data, stored)
    except (ValueError, IndexError):
        raise queue.error(f"weight: its bytes aren't segments stored as {stored}") from None


def _without(
    queue: QueueState, name: str, access: Access, shape: tuple[int, ...], dimensions: range
) -> Access:
    """Return an access without dimensions on which the operand doesn't depend."""
    if len(access.strides) != len(shape):
        raise queue.error(
            f"{name}: {len(access.strides)} strides don't match {len(shape)} dimensions"
        )
    for dimension in dimensions:
        if access.strides[dimension]:
            raise queue.error(
                f"{name}: stride {access.strides[dimension]} along dimension {dimension} must be 0"
            )
    strides = tuple(s for d, s in enumerate(access.strides) if d not in dimensions)
    return Access(space=access.space, base=access.base, strides=strides)
