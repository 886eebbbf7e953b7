"""Rings of buffers between two queues: the explicit form of double buffering.

A ring is some slots in a scratchpad and two semaphores. The producer waits for ``free`` before it
writes a slot and signals ``ready`` after; the consumer waits for ``ready`` before it reads and
signals ``free`` after its last use. What overlaps is what these four instructions let overlap.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count

from accel.spec import AcceleratorSpec
from foundation.errors import MappingError
from isa.instruction import Instruction, Queue, Signal, Wait
from isa.program import Program, Semaphore, Space, Stream, unused_name


class ProgramBuilder:
    """Collects the streams, semaphores and scratchpad slots of one core's program.

    Parameters
    ----------
    spec
        The machine: its main memories and scratchpads become the program's address spaces.
    memory_bytes
        Main memory name to bytes in use.
    free_bytes
        Scratchpad name to bytes from its start that rings may take, all where it isn't named.
    core
        Number of the core.
    placed
        Name of a ring to its address, for the first of that name: others are laid side by side.
    """

    def __init__(
        self,
        spec: AcceleratorSpec,
        memory_bytes: Mapping[str, int],
        free_bytes: Mapping[str, int],
        core: int = 0,
        placed: Mapping[str, int] | None = None,
    ) -> None:
        main = [
            Space(name=m.name, size_bytes=memory_bytes[m.name], is_main_memory=True)
            for m in spec.memories
        ]
        scratchpads = [
            Space(name=s.name, size_bytes=s.capacity_bytes, is_main_memory=False)
            for s in spec.scratchpads
        ]
        self._spec = spec
        self._core = core
        self._free_bytes = free_bytes
        self._placed = dict(placed or {})
        self.spaces = (*main, *scratchpads)
        self._numbers = {space.name: number for number, space in enumerate(self.spaces)}
        self._next_free = dict.fromkeys(self._numbers, 0)
        self._semaphores: list[Semaphore] = []
        self._tags = count()
        self._streams: dict[Queue, list[Instruction]] = {queue: [] for queue in Queue}

    def space(self, name: str) -> int:
        """Return the number of an address space."""
        return self._numbers[name]

    def next_tag(self) -> int:
        """Return the number of the next tile."""
        return next(self._tags)

    @property
    def main_memory(self) -> int:
        """Number of the first main memory."""
        return 0

    def emit(self, queue: Queue, instruction: Instruction) -> None:
        """Append an instruction to a queue."""
        self._streams[queue].append(instruction)

    def most_slots(self, operand: str, slot_bytes: int) -> int:
        """Return how many slots of a size still fit in the scratchpad that holds an operand."""
        pad = self._spec.scratchpad_of(operand)
        end = self._free_bytes.get(pad.name, pad.capacity_bytes)
        return (end - self._next_free[pad.name]) // _aligned(slot_bytes, pad.alignment_bytes)

    def reserve(self, operand: str, size_bytes: int) -> tuple[int, int]:
        """Return space and address of bytes in the scratchpad that holds an operand.

        Raises
        ------
        MappingError
            When what is free isn't enough.
        """
        pad = self._spec.scratchpad_of(operand)
        base = self._next_free[pad.name]
        end = base + _aligned(size_bytes, pad.alignment_bytes)
        free = self._free_bytes.get(pad.name, pad.capacity_bytes)
        if end > free:
            raise MappingError(
                f"scratchpad '{pad.name}' has {free} free bytes but {end} are needed:"
                f" {end - free} are missing; take smaller tiles"
            )
        self._next_free[pad.name] = end
        return self.space(pad.name), base

    def ring(
        self,
        name: str,
        operand: str,
        *,
        slot_bytes: int,
        slots: int,
        producer: Queue,
        consumer: Queue,
        starts_free: bool = True,
    ) -> Ring:
        """Return a new ring in the scratchpad that holds one of ``accel.spec.OPERANDS``.

        Its slots have tokens for the producer to take at the start unless the producer knows that
        they are free, and only waits for what it has filled before.
        """
        pad = self._spec.scratchpad_of(operand)
        slot_bytes = _aligned(slot_bytes, pad.alignment_bytes)
        if name in self._placed:
            space, base = self.space(pad.name), self._placed.pop(name)
        else:
            space, base = self.reserve(operand, slot_bytes * slots)
        first = len(self._semaphores)
        self._semaphores += [
            Semaphore(name=self._unused(f"{name}_ready"), initial=0),
            Semaphore(name=self._unused(f"{name}_free"), initial=slots if starts_free else 0),
        ]
        return Ring(
            builder=self,
            space=space,
            slots=tuple(base + slot_bytes * slot for slot in range(slots)),
            ready=first,
            free=first + 1,
            producer=producer,
            consumer=consumer,
        )

    def flag(self, name: str, signaller: Queue, waiter: Queue) -> Flag:
        """Return a semaphore of its own, which nobody has signalled yet."""
        self._semaphores.append(Semaphore(name=self._unused(name), initial=0))
        return Flag(self, len(self._semaphores) - 1, signaller, waiter)

    def _unused(self, name: str) -> str:
        return unused_name(name, {semaphore.name for semaphore in self._semaphores})

    def program(self) -> Program:
        """Return what was collected."""
        return Program(
            spaces=self.spaces,
            semaphores=tuple(self._semaphores),
            streams={
                Stream(core=self._core, queue=queue): tuple(stream)
                for queue, stream in self._streams.items()
            },
        )


def _aligned(size_bytes: int, alignment_bytes: int) -> int:
    return -(-size_bytes // alignment_bytes) * alignment_bytes


class Flag:
    """A semaphore between two queues."""

    def __init__(
        self, builder: ProgramBuilder, number: int, signaller: Queue, waiter: Queue
    ) -> None:
        self._builder = builder
        self._signaller = signaller
        self._waiter = waiter
        self._signal, self._wait = Signal(semaphore=number), Wait(semaphore=number)

    def signal(self) -> None:
        """Make the signaller say that all before it has finished."""
        self._builder.emit(self._signaller, self._signal)

    def wait(self) -> None:
        """Make the waiter wait for a signal."""
        self._builder.emit(self._waiter, self._wait)


class Ring:
    """Slots that a producer fills and a consumer empties, in turn."""

    def __init__(
        self,
        *,
        builder: ProgramBuilder,
        space: int,
        slots: tuple[int, ...],
        ready: int,
        free: int,
        producer: Queue,
        consumer: Queue,
    ) -> None:
        self.space = space
        self._builder = builder
        self._slots = slots
        self._producer = producer
        self._consumer = consumer
        self._fills = 0
        self._takes = 0
        self._wait_free, self._signal_free = Wait(semaphore=free), Signal(semaphore=free)
        self._wait_ready, self._signal_ready = Wait(semaphore=ready), Signal(semaphore=ready)

    def slot(self, number: int) -> int:
        """Return the address of the slot that content ``number`` lies in."""
        return self._slots[number % len(self._slots)]

    def wait_free(self, strips: int = 1) -> None:
        """Make the producer wait until strips have left."""
        for _ in range(strips):
            self._builder.emit(self._producer, self._wait_free)

    def fill(self) -> int:
        """Make the producer wait for a free slot, and return its address."""
        self.wait_free()
        self._fills += 1
        return self.slot(self._fills - 1)

    def filled(self) -> None:
        """Make the producer say that a slot, or a strip of it, is full."""
        self._builder.emit(self._producer, self._signal_ready)

    def wait_ready(self) -> None:
        """Make the consumer wait for a full slot, or for a strip."""
        self._builder.emit(self._consumer, self._wait_ready)

    def take(self) -> int:
        """Make the consumer wait for a full slot, and return its address."""
        self.wait_ready()
        self._takes += 1
        return self.slot(self._takes - 1)

    def release(self, strips: int = 1) -> None:
        """Make the consumer say that it has used a slot, or strips of it, for the last time."""
        for _ in range(strips):
            self._builder.emit(self._consumer, self._signal_free)
