"""What all programs on a chip share: the event loop, the main memories and the network."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from functools import partial
from math import inf

import simpy

from accel.dma import Transfer
from accel.dram.memory_spec import RequestLog
from accel.events import CountingEnvironment
from accel.memory import BandwidthMemory, MainMemory, Served, WhenServed
from accel.network import Network
from accel.shared_buffer import SharedBuffer
from accel.spec import AcceleratorSpec, MemorySpec
from accel.units import Clock
from isa.instruction import Gather, Load, Queue, Store
from isa.program import Stream

#: The latest time, in femtoseconds.
MAX_FS = 2**63 - 1


class Chip:
    """Main memories and a network that are idle at the start.

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
        self._log = log
        self._places = {core: place for place, core in enumerate(sorted(cores))}
        self._memories = {memory.name: self._memory(memory) for memory in spec.memories}
        self._network = Network(spec.network, spec.clock_hz) if spec.network is not None else None
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
        engine = 2 * self._places[queue.core] + (queue.queue is Queue.STORE)
        transfer = Transfer(engine, instruction)
        if self._network is not None:
            served = partial(self._carried, self._network, queue.core, transfer, served)
        self._memories[memory].request(int(self.env.now), transfer, served)
        if self._asleep is not None:
            self._asleep.succeed()
            self._asleep = None

    def _carried(
        self,
        network: Network,
        core: int,
        transfer: Transfer,
        served: WhenServed,
        at_memory: Served,
    ) -> None:
        """Send what a memory serves over the network.

        # Approximation: a store's bytes pass the network while the memory takes them, not before.
        """
        arrival = network.carry(
            core,
            transfer.size_bytes,
            at_memory.start_fs,
            at_memory.landed_fs,
            to_memory=transfer.is_write,
        )
        later = arrival - at_memory.landed_fs
        served(at_memory._replace(landed_fs=arrival, network_fs=later))

    def _memory(self, spec: MemorySpec) -> MainMemory:
        memory: MainMemory = BandwidthMemory(spec)
        if spec.dram is not None:
            # Imported here: most machines don't need it, and it takes a while.
            from accel.dram.memory import DramMemory

            memory = DramMemory(spec.dram, engines=2 * len(self._places), log=self._log)
        shared = self.spec.shared_buffer
        return SharedBuffer(shared, memory, self.spec.clock_hz) if shared is not None else memory

    def _advance_memories(self) -> Generator[simpy.Event, object, None]:
        """Let memories go on up to the next event of the others, as often as there is one."""
        memories = list(self._memories.values())
        while True:
            until = self.env.peek()
            limit = MAX_FS if until == inf else int(until)
            if any(memory.advance(limit) for memory in memories):
                continue
            if any(memory.is_busy() for memory in memories) and until != inf:
                yield self.env.timeout(int(until) - int(self.env.now))
            else:
                self._asleep = self.env.event()
                yield self._asleep
