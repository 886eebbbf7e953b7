"""Cores side by side: scripts that share main memories of any kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from accel.dma import Runs
from accel.memories import Memories
from accel.memory import Served
from accel.replay import Replay
from accel.spec import AcceleratorSpec
from isa.instruction import Queue
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

    def run(self) -> int:
        """Return the cycle in which all has landed."""
        return self.queues.run()

    def request(self, now_fs: int, queue: int, number: int) -> None:
        """Take a transfer of a core's queue."""
        place, own = divmod(queue, len(Queue))
        core, kind = self._cores[place], Queue(own)
        engine = self._memories.engine(core.number, is_write=kind is Queue.STORE)
        move = _Move(engine, kind, number, core)
        memory = self._names[core.woven.script.queues[own].memories[number]]
        served = partial(self._served, queue, number)
        self._memories.request(now_fs, memory, core.number, move, served)

    def _served(self, queue: int, number: int, served: Served) -> None:
        self.queues.land(queue, number, served.landed_fs)

    def advance(self, until_fs: int) -> bool:
        """Let the memories go on."""
        return self._memories.advance(until_fs)

    def is_busy(self) -> bool:
        """Return whether the memories have something to do."""
        return self._memories.is_busy()
