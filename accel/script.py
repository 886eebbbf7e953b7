"""Scripts: what of a program matters to its time, as arrays of numbers."""

from __future__ import annotations

from array import array
from dataclasses import dataclass

#: An operation is ``argument * CODES + code``; compiled loops take it apart by its bits.
CODE_BITS = 3
CODES = 1 << CODE_BITS
CODE_MASK = CODES - 1
WAIT, SIGNAL, PRODUCT, VECTOR, TRANSFER = range(5)
#: Columns of `Script.products`.
LATENCY, OCCUPANCY, LEAD, EARLIEST, PORT_STALL, CONFLICT_STALL, COLUMNS = range(7)


@dataclass(frozen=True, slots=True)
class QueueScript:
    """What one queue does.

    Parameters
    ----------
    operations
        ``WAIT`` and ``SIGNAL`` with the number of a semaphore, ``PRODUCT`` with a row of the table,
        ``VECTOR`` with its cycles, ``TRANSFER``.
    sizes, memories
        Of each transfer the bytes, and the number of the main memory.
    """

    operations: array[int]
    sizes: array[int]
    memories: array[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What one core does.

    Parameters
    ----------
    queues
        In the order of `isa.instruction.Queue`.
    tokens
        For each semaphore the tokens at the start.
    products
        A row for each kind of matrix instruction: latency and occupancy, lead, cycles until the
        next may be offered, and stalls for ports and banks.
    """

    queues: tuple[QueueScript, ...]
    tokens: array[int]
    products: array[int]

    @property
    def bytes_by_memory(self) -> dict[int, int]:
        """Bytes by number of the main memory."""
        found: dict[int, int] = {}
        for queue in self.queues:
            for memory, size in zip(queue.memories, queue.sizes, strict=True):
                found[memory] = found.get(memory, 0) + size
        return found
