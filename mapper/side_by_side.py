"""Cores side by side: scripts that share main memories of any kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from accel.dma import Runs
from accel.memories import Memories
from accel.memory import Served
from accel.replay import Replay
from accel.spec import AcceleratorSpec
from isa.instruction import Operand, Queue
from mapper.moves import Addresses, Woven
from mapper.pipeline import replay
from mapper.written import Written


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """What a core runs.

    Parameters
    ----------
    number
        Of the core.
    woven
        Its script.
    addresses
        Role of each operand to its tensor's address.
    """

    number: int
    woven: Woven | Written
    addresses: Addresses

    @property
    def moved_bytes(self) -> int:
        """Bytes that it moves from and to main memories."""
        return sum(self.woven.script.bytes_by_memory.values())


class Moved(NamedTuple):
    """Bytes that main memories move, by operand and by the memory's number."""

    by_operand: Counter[Operand]
    by_memory: Counter[int]

    @classmethod
    def of(cls, cores: Sequence[Core]) -> Moved:
        """Return what transfers move where nothing lies before the memories."""
        found = cls(Counter(), Counter())
        for core in cores:
            found.by_operand.update(core.woven.bytes_by_operand)
            found.by_memory.update(core.woven.script.bytes_by_memory)
        return found


@dataclass(frozen=True, slots=True)
class _Move:
    """A transfer as a main memory sees it."""

    engine: int
    queue: Queue
    number: int
    core: Core

    @property
    def is_write(self) -> bool:
        """Whether it writes to the main memory."""
        return self.queue is Queue.STORE

    @property
    def size_bytes(self) -> int:
        """Bytes moved."""
        return self.core.woven.script.queues[self.queue].sizes[self.number]

    @property
    def memory(self) -> int:
        """Number of the main memory."""
        return self.core.woven.script.queues[self.queue].memories[self.number]

    def runs(self) -> Runs:
        """Return the bytes that it moves."""
        return self.core.woven.runs(self.queue, self.number, self.core.addresses)


class SideBySide:
    """Scripts of several cores on the machine's own main memories and network.

    Parameters
    ----------
    spec
        The machine.
    cores
        What they run, in the order of their numbers.
    """

    def __init__(self, spec: AcceleratorSpec, cores: Sequence[Core]) -> None:
        self._names = [memory.name for memory in spec.memories]
        self._cores = cores
        self._memories = Memories(spec, [core.number for core in cores])
        #: The queues of all cores.
        self.queues: Replay = replay(spec, [core.woven.script for core in cores], self)
        #: What main memories move: not what a shared buffer has already.
        self.moved = Moved.of(cores)

    def run(self) -> int:
        """Return the cycle in which all has landed."""
        return self.queues.run()

    def request(self, now_fs: int, queue: int, number: int) -> None:
        """Take a transfer of a core's queue."""
        place, own = divmod(queue, len(Queue))
        core, kind = self._cores[place], Queue(own)
        engine = self._memories.engine(core.number, is_write=kind is Queue.STORE)
        move = _Move(engine, kind, number, core)
        served = partial(self._served, queue, move)
        self._memories.request(now_fs, self._names[move.memory], core.number, move, served)

    def _served(self, queue: int, move: _Move, served: Served) -> None:
        if served.size_bytes is not None:
            more = served.size_bytes - move.size_bytes
            self.moved.by_operand[move.core.woven.operand_of(move.queue, move.number)] += more
            self.moved.by_memory[move.memory] += more
        self.queues.land(queue, move.number, served.landed_fs)

    def advance(self, until_fs: int) -> bool:
        """Let the memories go on."""
        return self._memories.advance(until_fs)

    def is_busy(self) -> bool:
        """Return whether the memories have something to do."""
        return self._memories.is_busy()
