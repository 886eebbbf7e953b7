"""What all programs on a chip share: the event loop, the main memories and the network."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from math import inf

import simpy

from accel.dma import Transfer
from accel.dram.memory_spec import RequestLog
from accel.events import CountingEnvironment
from accel.memories import Memories
from accel.memory import WhenServed
from accel.spec import AcceleratorSpec
from accel.units import Clock
from isa.instruction import Gather, Load, Queue, Store
from isa.program import Stream

#: The latest time, in femtoseconds.
MAX_FS = 2**63 - 1


class Chip:
    """An event loop, and main memories and a network that are idle at the start.

    Parameters
    ----------
    spec
        The chip.
    cores
        Numbers of the cores that may ask for transfers.
    log
        Called for each transfer of a DRAM with its clock, its transactions' numbers, and whether
        they write.
    """

    def __init__(self, spec: AcceleratorSpec, cores: Iterable[int], log: RequestLog | None) -> None:
        self.spec = spec
        self.env = CountingEnvironment()
        self.clock = Clock(hz=spec.clock_hz)
        self._memories = Memories(spec, cores, log)
        #: What wakes the memories' process when all they had is done; None while they are awake.
        self._asleep: simpy.Event | None = None

    def run_until(self, done: simpy.Event) -> None:
        """Run until ``done``, the memories with everybody else."""
        self.env.process(self._advance_memories())
        self.env.run(until=done)

    def request(
        self, memory: str, queue: Stream, instruction: Load | Gather | Store, served: WhenServed
    ) -> None:
        """Ask a main memory for a transfer; ``served`` is called once it is known when it lands."""
        is_write = queue.queue is Queue.STORE
        transfer = Transfer(self._memories.engine(queue.core, is_write=is_write), instruction)
        self._memories.request(int(self.env.now), memory, queue.core, transfer, served)
        if self._asleep is not None:
            self._asleep.succeed()
            self._asleep = None

    def _advance_memories(self) -> Generator[simpy.Event, object, None]:
        """Let memories go on up to the next event of the others, as often as there is one."""
        while True:
            until = self.env.peek()
            limit = MAX_FS if until == inf else int(until)
            if self._memories.advance(limit):
                continue
            if self._memories.is_busy() and until != inf:
                yield self.env.timeout(int(until) - int(self.env.now))
            else:
                self._asleep = self.env.event()
                yield self._asleep
