"""Memories that remember, for every byte, whether it may be read and who touched it last."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from foundation.dtype import Dtype
from foundation.errors import SimulationError
from foundation.numerics import Array
from isa.instruction import Access, Instruction, Queue
from isa.program import Space, Stream

Bytes = NDArray[np.uint8]
Indices = NDArray[np.int64]
Clock = NDArray[np.int64]

READ, WRITE = 0, 1

#: Bytes that one operand may have: the interpreter holds eight bytes of address for each.
MAX_OPERAND_BYTES = 1 << 27


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """Bytes on their way: they land in ``memory`` at ``indices``."""

    position: int
    memory: ShadowedMemory
    indices: Indices
    values: Bytes

    def land(self) -> None:
        """Write the bytes; whoever waited for them may read them."""
        self.memory.data[self.indices] = self.values
        self.memory.poisoned[self.indices] = False


class QueueState:
    """What one queue has done and knows.

    Parameters
    ----------
    number
        Place of its stream among all streams.
    stream, code
        Where it runs, and what.
    streams
        Number of streams.

    Attributes
    ----------
    position
        Number of the current instruction.
    clock
        Instructions of each stream that this queue knows to have finished; of its own, those that
        a wait has confirmed.
    in_flight
        Transfers that nobody has waited for yet, oldest first.
    """

    def __init__(
        self, number: int, stream: Stream, code: tuple[Instruction, ...], streams: int
    ) -> None:
        self.number = number
        self.stream = stream
        self.code = code
        self.position = 0
        self.clock: Clock = np.zeros(streams, dtype=np.int64)
        self.in_flight: deque[Transfer] = deque()

    @property
    def name(self) -> str:
        """The queue's name, with its core's number if it isn't the first."""
        queue = self.stream.queue.name.lower()
        return queue if self.stream.core == 0 else f"core {self.stream.core} {queue}"

    @property
    def is_dma(self) -> bool:
        """Whether its instructions go on while the next one starts."""
        return self.stream.queue in (Queue.LOAD, Queue.STORE)

    def error(self, message: str) -> SimulationError:
        """Return an error about the current instruction."""
        return SimulationError(message, unit=self.name, time=f"instruction {self.position}")

    def land(self, position: int) -> None:
        """Land the transfers issued before ``position``, in order."""
        while self.in_flight and self.in_flight[0].position < position:
            self.in_flight.popleft().land()


class ShadowedMemory:
    """The bytes of a space with their shadow.

    Parameters
    ----------
    space
        Name, size and kind.
    data
        uint8 array, shape (size_bytes,), changed in place.
    queues
        Everybody who may touch it.
    """

    def __init__(self, space: Space, data: Bytes, queues: Iterable[QueueState]) -> None:
        self.space = space
        self.data = data
        self._queues = list(queues)
        self.poisoned = np.full(len(data), not space.is_main_memory)
        # Position (from 1) of each stream's last read and last write of every byte; zeros cost no
        # memory until they are touched.
        self._last = np.zeros((2, len(self._queues), len(data)), dtype=np.int32)

    def view(self, access: Access, shape: tuple[int, ...], dtype: Dtype) -> Array:
        """Return an operand's elements in place; its bounds have been checked."""
        strides = _effective_strides(access, shape)
        return np.ndarray(shape, dtype.numpy, buffer=self.data, offset=access.base, strides=strides)

    def indices(
        self,
        queue: QueueState,
        name: str,
        access: Access,
        shape: tuple[int, ...],
        element_bytes: int,
    ) -> Indices:
        """Return the addresses of every byte of an operand, in its order.

        Raises
        ------
        SimulationError
            The operand has another number of dimensions, is too large, or leaves the space.
        """
        if 0 in shape:
            return np.empty(0, dtype=np.int64)
        size_bytes = prod(shape) * element_bytes
        if size_bytes > MAX_OPERAND_BYTES:
            raise queue.error(
                f"{name}: has {size_bytes} bytes but the interpreter takes at most"
                f" {MAX_OPERAND_BYTES}"
            )
        strides = self._checked_strides(queue, name, access, shape, element_bytes)
        addresses = np.full(1, access.base, dtype=np.int64)
        for size, stride in zip((*shape, element_bytes), (*strides, 1), strict=True):
            if size > 1:
                addresses = np.add.outer(addresses, np.arange(size, dtype=np.int64) * stride)
        return addresses.reshape(-1)

    def rows(
        self,
        queue: QueueState,
        name: str,
        table: Access,
        shape: tuple[int, int],
        element_bytes: int,
        taken: Array,
    ) -> Indices:
        """Return the addresses of every byte of some rows of a table.

        Parameters
        ----------
        queue, name
            For errors.
        table, shape, element_bytes
            The whole table, which must lie within the space.
        taken
            int32 array, shape (rows,): numbers of rows, below ``shape[0]``.
        """
        row_stride, stride = self._checked_strides(queue, name, table, shape, element_bytes)
        first = Access(space=table.space, base=table.base, strides=(stride,))
        row = self.indices(queue, name, first, shape[1:], element_bytes)
        return np.add.outer(taken.astype(np.int64) * row_stride, row).reshape(-1)

    def _checked_strides(
        self,
        queue: QueueState,
        name: str,
        access: Access,
        shape: tuple[int, ...],
        element_bytes: int,
    ) -> tuple[int, ...]:
        """Return the strides of an operand, which must lie within the space."""
        if len(access.strides) != len(shape):
            raise queue.error(
                f"{name}: {len(access.strides)} strides don't match {len(shape)} dimensions"
            )
        if element_bytes < 1:
            raise queue.error(
                f"{name}: an element has {element_bytes} bytes but must have at least 1"
            )
        strides = _effective_strides(access, shape)
        reach = [(size - 1) * stride for size, stride in zip(shape, strides, strict=True)]
        low = access.base + sum(min(0, step) for step in reach)
        high = access.base + sum(max(0, step) for step in reach) + element_bytes
        if low < 0 or high > len(self.data):
            raise queue.error(
                f"{name}: bytes {low} to {high - 1} must lie within '{self.space.name}', which has"
                f" {len(self.data)}"
            )
        return strides

    def read(self, queue: QueueState, name: str, indices: Indices) -> None:
        """Check a read and remember it.

        Raises
        ------
        SimulationError
            A byte is poisoned, or somebody may be writing it.
        """
        poisoned = self.poisoned[indices]
        if poisoned.any():
            address = int(indices[poisoned.argmax()])
            raise queue.error(
                f"{name}: reads byte {address} of '{self.space.name}', which was never written"
                " or is still on its way"
            )
        self._check_race(queue, name, indices, kinds=(WRITE,))
        self._last[READ, queue.number, indices] = queue.position + 1

    def write(self, queue: QueueState, name: str, indices: Indices) -> None:
        """Check a write and remember it.

        Raises
        ------
        SimulationError
            Two bytes of the result are one, or somebody may be using a byte.
        """
        self._check_race(queue, name, indices, kinds=(READ, WRITE))
        order = np.arange(len(indices), dtype=np.int32)
        last = self._last[WRITE, queue.number]
        last[indices] = order
        if (last[indices] != order).any():
            raise queue.error(f"{name}: elements of the result overlap in '{self.space.name}'")
        last[indices] = queue.position + 1

    def _check_race(
        self, queue: QueueState, name: str, indices: Indices, kinds: tuple[int, ...]
    ) -> None:
        for other in self._queues:
            # A queue is in order, but a DMA's transfers overlap until somebody waits for them.
            if other is queue and not queue.is_dma:
                continue
            for kind in kinds:
                positions = self._last[kind, other.number, indices]
                unordered = positions > queue.clock[other.number]
                if unordered.any():
                    first = int(unordered.argmax())
                    verb = "reads" if kind == READ else "writes"
                    raise queue.error(
                        f"{name}: race: {other.name} {verb} byte {int(indices[first])} of"
                        f" '{self.space.name}' in its instruction {int(positions[first]) - 1},"
                        " and no semaphore says which comes first"
                    )


def _effective_strides(access: Access, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the strides that matter: a single step is never taken, however long."""
    pairs = zip(shape, access.strides, strict=True)
    return tuple(stride if size > 1 else 0 for size, stride in pairs)
