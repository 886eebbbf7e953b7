"""The machine: SimPy processes that run a program and record what every unit did.

One process per instruction queue (`accel.instruction_queue`), and one that lets a DRAM go on while
nothing else happens. Events are at tile grain: an instruction's time is a closed form
(`accel.systolic`, `accel.vector`, `accel.memory`), and a queue only meets the event loop when it
is busy, blocked, or when a result lands.
"""

from __future__ import annotations

from collections.abc import Generator
from functools import cache, partial
from math import inf

import simpy

from accel.bank_conflicts import instruction_conflicts
from accel.dma import Transfer
from accel.dram.memory_spec import RequestLog
from accel.events import CountingEnvironment, Recorder, Semaphore, Unit
from accel.instruction_queue import InstructionQueue
from accel.memory import BandwidthMemory, MainMemory, Served, WhenServed
from accel.network import Network
from accel.scratchpad import port_cycles
from accel.several_arrays import matmul_work
from accel.spec import AcceleratorSpec, MemorySpec
from accel.systolic import ArrayWork
from accel.trace import STRUCTURAL_CAUSES, Trace
from accel.units import FS_PER_SECOND, Clock
from foundation.errors import SimulationError
from isa.instruction import Access, Gather, Load, MatMul, Queue, Store, Vector
from isa.program import Program, Stream

#: Seconds in 2**63 femtoseconds.
MAX_SECONDS = 2**63 // FS_PER_SECOND
#: The latest time, in femtoseconds.
MAX_FS = 2**63 - 1


class Machine:
    """Runs programs on the chip that a spec describes.

    Parameters
    ----------
    spec
        The chip.
    log
        Called for each transfer of a DRAM with its clock, its transactions' numbers, and whether
        they write.
    """

    def __init__(self, spec: AcceleratorSpec, log: RequestLog | None = None) -> None:
        self._spec = spec
        self._log = log

    def run(self, program: Program) -> Trace:
        """Return the trace of ``program``, started on an idle machine.

        Raises
        ------
        SimulationError
            When every queue that isn't finished waits for a semaphore, or the program takes longer
            than a trace can hold.
        """
        return _Run(self._spec, program, self._log).trace()


class _Run:
    """One program on one machine: the state that processes share."""

    def __init__(self, spec: AcceleratorSpec, program: Program, log: RequestLog | None) -> None:
        self._log = log
        self.spec = spec
        self.program = program
        self.env = CountingEnvironment()
        self.clock = Clock(hz=spec.clock_hz)
        self.recorder = Recorder()
        self.unit_names: list[str] = []
        self.waiting: dict[Stream, int] = {}
        self._cores = sorted({stream.core for stream in program.streams})
        self._memories = {
            number: self._memory(memory)
            for number, space in enumerate(program.spaces)
            for memory in spec.memories
            if space.is_main_memory and memory.name == space.name
        }
        #: What wakes the memories' process when all they had is done; None while they are awake.
        self._asleep: simpy.Event | None = None
        self.port_bytes_per_cycle = {
            number: scratchpad.bandwidth_bytes_per_cycle
            for number, space in enumerate(program.spaces)
            for scratchpad in spec.scratchpads
            if not space.is_main_memory and scratchpad.name == space.name
        }
        self._banks = {
            number: scratchpad.bank_model
            for number, space in enumerate(program.spaces)
            for scratchpad in spec.scratchpads
            if scratchpad.name == space.name and scratchpad.bank_model is not None
        }
        self.causes = (*(s.name for s in program.semaphores), *STRUCTURAL_CAUSES)
        self._network = Network(spec.network, spec.clock_hz) if spec.network is not None else None
        self.matmul_work = cache(self._matmul_work)

    def trace(self) -> Trace:
        """Run to the end and return what happened."""
        queues = [queue for core in self._cores for queue in self._core(core)]
        self.env.process(self._advance_memories())
        done = self.env.all_of([self.env.process(queue.process()) for queue in queues])
        try:
            self.env.run(until=done)
        except OverflowError:
            raise self._too_long() from None
        except RuntimeError:
            if done.triggered:
                raise
            raise self._deadlock() from None
        end_fs = max((queue.finished_fs for queue in queues), default=0)
        return Trace(
            units=tuple(self.unit_names),
            causes=self.causes,
            end_fs=max(end_fs, int(self.env.now)),
            columns=self.recorder.columns(),
            events=self.env.events,
        )

    def _memory(self, spec: MemorySpec) -> MainMemory:
        if spec.dram is None:
            return BandwidthMemory(spec)
        # Imported here: most machines don't need it, and it takes a while.
        from accel.dram.memory import DramMemory

        return DramMemory(spec.dram, engines=2 * len(self._cores), log=self._log)

    def request(
        self, space: int, queue: Stream, instruction: Load | Gather | Store, served: WhenServed
    ) -> None:
        """Ask a main memory for a transfer; ``served`` is called once it is known when it lands."""
        engine = 2 * self._cores.index(queue.core) + (queue.queue is Queue.STORE)
        transfer = Transfer(engine, instruction)
        if self._network is not None:
            served = partial(self._carried, queue.core, transfer, served)
        self._memories[space].request(int(self.env.now), transfer, served)
        if self._asleep is not None:
            self._asleep.succeed()
            self._asleep = None

    def _carried(
        self, core: int, transfer: Transfer, served: WhenServed, at_memory: Served
    ) -> None:
        """Send what a memory serves over the network.

        # Approximation: a store's bytes pass the network while the memory takes them, not before.
        """
        assert self._network is not None
        arrival = self._network.carry(
            core,
            transfer.size_bytes,
            at_memory.start_fs,
            at_memory.landed_fs,
            to_memory=transfer.is_write,
        )
        later = arrival - at_memory.landed_fs
        served(at_memory._replace(landed_fs=arrival, network_fs=later))

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

    def _core(self, core: int) -> list[InstructionQueue]:
        """Return the processes of one core, its semaphores and units made."""
        is_one = self.spec.cores == 1 and len(self._cores) == 1
        prefix = "" if is_one else f"core{core}."
        semaphores = [Semaphore(self.env, s.initial) for s in self.program.semaphores]
        units = {queue: self._unit(f"{prefix}{queue.name.lower()}") for queue in Queue}
        engines = {
            (queue, number): self._unit(f"{prefix}{queue.name.lower()}:{space.name}")
            for queue in (Queue.LOAD, Queue.STORE)
            for number, space in enumerate(self.program.spaces)
            if space.is_main_memory
        }
        return [
            InstructionQueue(self, stream, semaphores, units[stream.queue], engines)
            for stream in self.program.streams
            if stream.core == core
        ]

    def _unit(self, name: str) -> Unit:
        self.unit_names.append(name)
        return Unit(len(self.unit_names) - 1, self.recorder)

    def _too_long(self) -> SimulationError:
        return SimulationError(
            f"the program takes more than {MAX_SECONDS} s, the most that a trace can hold; use a"
            " faster clock or memory, or a smaller layer",
            unit="machine",
            time=f"{self.clock.cycle_at_or_after(int(self.env.now))} cycles",
        )

    def _deadlock(self) -> SimulationError:
        blocked = ", ".join(
            f"core {stream.core} {stream.queue.name.lower()} waits for '{self.causes[semaphore]}'"
            for stream, semaphore in sorted(
                self.waiting.items(), key=lambda item: (item[0].core, item[0].queue)
            )
        )
        cycle = self.clock.cycle_at_or_after(int(self.env.now))
        return SimulationError(f"deadlock: {blocked}", unit="machine", time=f"{cycle} cycles")

    def _matmul_work(self, extents: tuple[int, int, int, int], accumulate: bool) -> ArrayWork[int]:
        groups, m, n, k = extents
        return matmul_work(
            self.spec.array, groups=groups, m=m, n=n, k=k, accumulate=int(accumulate)
        )

    def bank_conflicts(self, instruction: MatMul | Vector) -> int:
        """Return the cycles that an instruction takes longer because of bank conflicts."""
        if not self._banks:
            return 0
        return instruction_conflicts(self.spec, self._banks, instruction)

    def port_cycles(self, traffic: list[tuple[Access, int]]) -> int:
        """Return the cycles of the busiest scratchpad port for (operand, bytes) pairs."""
        by_space: dict[int, int] = {}
        for access, size_bytes in traffic:
            by_space[access.space] = by_space.get(access.space, 0) + size_bytes
        return max(
            int(port_cycles(size_bytes, self.port_bytes_per_cycle[space]))
            for space, size_bytes in by_space.items()
        )
