"""The machine: SimPy processes that run a program and record what every unit did.

One process per instruction queue. Events are at tile grain: an instruction's time is a closed form
(`accel.systolic`, `accel.vector`, `accel.memory`), and a queue only meets the event loop when it
is busy, blocked, or when a result lands.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Generator
from functools import cache
from math import prod
from typing import Any, assert_never

import numpy as np
import simpy

from accel.memory import BandwidthMemory, MainMemory
from accel.scratchpad import port_cycles
from accel.spec import AcceleratorSpec
from accel.systolic import ArrayWork, matmul_work
from accel.timing import ArrayQueue
from accel.trace import COLUMNS, OPCODES, STRUCTURAL_CAUSES, WAIT, Column, Trace
from accel.units import FS_PER_SECOND, Clock
from accel.vector import vector_cycles, vector_operations
from foundation.errors import SimulationError
from isa.instruction import Access, Gather, Load, MatMul, Queue, Signal, Store, Vector, Wait
from isa.program import Program, Stream

Process = Generator[simpy.Event, object, None]

#: Seconds in 2**63 femtoseconds.
MAX_SECONDS = 2**63 // FS_PER_SECOND
START, END = COLUMNS.index("start_fs"), COLUMNS.index("end_fs")
LOAD, GATHER, STORE, MATMUL, VECTOR = (OPCODES.index(name) for name in OPCODES[:-1])


class Machine:
    """Runs programs on the chip that a spec describes."""

    def __init__(self, spec: AcceleratorSpec) -> None:
        self._spec = spec

    def run(self, program: Program) -> Trace:
        """Return the trace of ``program``, started on an idle machine.

        Raises
        ------
        SimulationError
            When every queue that isn't finished waits for a semaphore, or the program takes longer
            than a trace can hold.
        """
        return _Run(self._spec, program).trace()


class _CountingEnvironment(simpy.Environment):
    """An event loop that knows how many events it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.events = 0

    def schedule(self, *arguments: Any, **options: Any) -> None:
        """Schedule an event, and count it."""
        self.events += 1
        super().schedule(*arguments, **options)


class _Semaphore:
    """A counter as a line of tokens, each with the time from which it can be taken.

    A token that is signalled for later needs no event of its own unless a queue waits for it.
    """

    def __init__(self, env: simpy.Environment, initial: int) -> None:
        self._env = env
        self._tokens = deque([0] * initial)
        self._line: deque[simpy.Event] = deque()

    def take(self) -> simpy.Event | None:
        """Take a token, or return the event that will bring one."""
        if not self._tokens:
            event = self._env.event()
            self._line.append(event)
            return event
        wait_fs = self._tokens.popleft() - self._env.now
        return self._env.timeout(wait_fs) if wait_fs > 0 else None

    def give(self, at_fs: int) -> None:
        """Add a token that can be taken from ``at_fs`` on."""
        if not self._line:
            self._tokens.append(at_fs)
            return
        waiting = self._line.popleft()
        wait_fs = at_fs - self._env.now
        if wait_fs <= 0:
            waiting.succeed()
            return
        landing = self._env.timeout(wait_fs)
        assert landing.callbacks is not None
        landing.callbacks.append(waiting.trigger)


class _Recorder:
    """The trace's rows, one after the other in one flat array."""

    def __init__(self) -> None:
        self._values = array("q")

    def add(self, row: list[int]) -> int:
        """Append a row in the order of ``COLUMNS``, and return where its end time stands."""
        self._values.extend(row)
        return len(self._values) - len(COLUMNS) + END

    def cut(self, position: int, end_fs: int) -> None:
        """Let an interval end no later than ``end_fs``."""
        if self._values[position] > end_fs:
            self._values[position] = end_fs

    def columns(self) -> dict[str, Column]:
        """Return the columns by name."""
        table = np.frombuffer(self._values, dtype=np.int64).reshape(-1, len(COLUMNS))
        return dict(zip(COLUMNS, np.ascontiguousarray(table.T), strict=True))


class _Unit:
    """A unit whose busy intervals are recorded without overlap.

    An interval lasts until its result is there, or until the unit starts its next work: what a
    pipeline finishes behind new work isn't counted twice.
    """

    def __init__(self, number: int, recorder: _Recorder) -> None:
        self.number = number
        self._recorder = recorder
        self._last_end: int | None = None

    def busy(self, start_fs: int, end_fs: int, row: list[int]) -> None:
        """Record an interval; ``row`` has all columns but the times."""
        if self._last_end is not None:
            self._recorder.cut(self._last_end, start_fs)
        row[START], row[END] = start_fs, end_fs
        self._last_end = self._recorder.add(row)


class _Run:
    """One program on one machine: the state that processes share."""

    def __init__(self, spec: AcceleratorSpec, program: Program) -> None:
        self.spec = spec
        self.program = program
        self.env = _CountingEnvironment()
        self.clock = Clock(hz=spec.clock_hz)
        self.recorder = _Recorder()
        self.unit_names: list[str] = []
        self.waiting: dict[Stream, int] = {}
        self.memories: dict[int, MainMemory] = {
            number: BandwidthMemory(memory)
            for number, space in enumerate(program.spaces)
            for memory in spec.memories
            if space.is_main_memory and memory.name == space.name
        }
        self.port_bytes_per_cycle = {
            number: scratchpad.bandwidth_bytes_per_cycle
            for number, space in enumerate(program.spaces)
            for scratchpad in spec.scratchpads
            if not space.is_main_memory and scratchpad.name == space.name
        }
        self.causes = (*(s.name for s in program.semaphores), *STRUCTURAL_CAUSES)
        self.matmul_work = cache(self._matmul_work)

    def trace(self) -> Trace:
        """Run to the end and return what happened."""
        cores = sorted({stream.core for stream in self.program.streams})
        queues = [queue for core in cores for queue in self._core(core, len(cores) > 1)]
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

    def _core(self, core: int, several: bool) -> list[_QueueProcess]:
        """Return the processes of one core, its semaphores and units made."""
        prefix = f"core{core}." if several else ""
        semaphores = [_Semaphore(self.env, s.initial) for s in self.program.semaphores]
        units = {queue: self._unit(f"{prefix}{queue.name.lower()}") for queue in Queue}
        engines = {
            (queue, number): self._unit(f"{prefix}{queue.name.lower()}:{space.name}")
            for queue in (Queue.LOAD, Queue.STORE)
            for number, space in enumerate(self.program.spaces)
            if space.is_main_memory
        }
        return [
            _QueueProcess(self, stream, semaphores, units[stream.queue], engines)
            for stream in self.program.streams
            if stream.core == core
        ]

    def _unit(self, name: str) -> _Unit:
        self.unit_names.append(name)
        return _Unit(len(self.unit_names) - 1, self.recorder)

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

    def port_cycles(self, traffic: list[tuple[Access, int]]) -> int:
        """Return the cycles of the busiest scratchpad port for (operand, bytes) pairs."""
        by_space: dict[int, int] = {}
        for access, size_bytes in traffic:
            by_space[access.space] = by_space.get(access.space, 0) + size_bytes
        return max(
            int(port_cycles(size_bytes, self.port_bytes_per_cycle[space]))
            for space, size_bytes in by_space.items()
        )


class _QueueProcess:
    """One in-order instruction queue and the unit behind it."""

    def __init__(
        self,
        run: _Run,
        stream: Stream,
        semaphores: list[_Semaphore],
        unit: _Unit,
        engines: dict[tuple[Queue, int], _Unit],
    ) -> None:
        self._run = run
        self._env = run.env
        self._clock = run.clock
        self._stream = stream
        self._semaphores = semaphores
        self._unit = unit
        self._engines = engines
        self._in_flight: deque[int] = deque()
        self._array = ArrayQueue()
        self.finished_fs = 0

    @property
    def _now(self) -> int:
        """The time in femtoseconds: every delay is an integer, so the time is."""
        return int(self._env.now)

    def process(self) -> Process:
        """Execute the stream in order."""
        for instruction in self._run.program.streams[self._stream]:
            match instruction:
                case Wait():
                    yield from self._wait(instruction.semaphore)
                case Signal():
                    self._signal(instruction.semaphore)
                case MatMul():
                    yield from self._matmul(instruction)
                case Vector():
                    yield from self._vector(instruction)
                case Load():
                    yield from self._dma(instruction, LOAD, instruction.source.space)
                case Gather():
                    yield from self._dma(instruction, GATHER, instruction.table.space)
                case Store():
                    yield from self._dma(instruction, STORE, instruction.destination.space)
                case _:
                    assert_never(instruction)

    def _wait(self, semaphore: int) -> Process:
        event = self._semaphores[semaphore].take()
        if event is None:
            return
        start = self._now
        self._run.waiting[self._stream] = semaphore
        yield event
        del self._run.waiting[self._stream]
        self._record_wait(start, self._now, semaphore)

    def _signal(self, semaphore: int) -> None:
        self._semaphores[semaphore].give(max(self.finished_fs, self._now))

    def _matmul(self, instruction: MatMul) -> Process:
        work = self._run.matmul_work(instruction.extents, instruction.accumulate)
        size_bytes = work.scratchpad_bytes(instruction.dtype)
        traffic = [
            (instruction.input, size_bytes["input"]),
            (instruction.weight, size_bytes["weight"]),
            (instruction.psum, size_bytes["psum"]),
        ]
        groups, m, n, k = instruction.extents
        row = self._row(
            MATMUL,
            instruction.tag,
            size_bytes=sum(size for _, size in traffic),
            work=(
                groups * m * n * k,
                work.folds,
                work.mapped_pes,
                work.input_reads,
                work.weight_reads,
                work.psum_reads,
                work.psum_writes,
                0,
            ),
        )
        timing = work.timing
        start = self._clock.edge_fs(
            self._array.accept(self._clock.cycle_at_or_after(self._now), timing)
        )
        if start > self._now:
            yield self._sleep_until(start)
        self.finished_fs = self._later(start, timing.latency_cycles)
        self._unit.busy(start, self.finished_fs, row)
        earliest = timing.occupancy_cycles + timing.lead_cycles - timing.lead_limit_cycles
        yield self._sleep_until(self._later(start, earliest))
        stalled = self._run.port_cycles(traffic) - timing.occupancy_cycles
        if stalled > 0:
            self._array.delay(stalled)
            stall_end = self._later(self._now, stalled)
            self.finished_fs = self._later(self.finished_fs, stalled)
            self._record_wait(self._now, stall_end, self._structural("scratchpad_port"))
            yield self._sleep_until(stall_end)

    def _vector(self, instruction: Vector) -> Process:
        elements = prod(instruction.shape)
        cycles = int(
            vector_cycles(
                self._run.spec.vector,
                function=instruction.function,
                activation=instruction.activation,
                elements=elements,
            )
        )
        operations = vector_operations(
            function=instruction.function, activation=instruction.activation, elements=elements
        )
        read_bytes = elements * instruction.input_dtype.size_bytes
        written = instruction.shape[: len(instruction.shape) - instruction.reduced]
        traffic = [(access, read_bytes) for access in instruction.inputs]
        traffic.append((instruction.output, prod(written) * instruction.output_dtype.size_bytes))
        row = self._row(
            VECTOR,
            instruction.tag,
            size_bytes=sum(size for _, size in traffic),
            work=(0, 0, 0, 0, 0, 0, 0, operations),
        )
        start = self._now
        busy_end = self._later(start, cycles)
        self._unit.busy(start, busy_end, row)
        self.finished_fs = self._later(start, max(cycles, self._run.port_cycles(traffic)))
        if self.finished_fs > busy_end:
            self._record_wait(busy_end, self.finished_fs, self._structural("scratchpad_port"))
        yield self._sleep_until(self.finished_fs)

    def _dma(self, instruction: Load | Gather | Store, opcode: int, space: int) -> Process:
        if len(self._in_flight) >= self._run.spec.dma.outstanding:
            start, landing = self._now, self._in_flight.popleft()
            if landing > start:
                yield self._sleep_until(landing)
                self._record_wait(start, landing, self._structural("dma_slot"))
        size_bytes = instruction.size_bytes
        served = self._run.memories[space].request(self._now, size_bytes)
        start = self._edge(served.start_fs)
        landed = self._edge(served.landed_fs)
        engine = self._engines[self._stream.queue, space]
        row = self._row(opcode, instruction.tag, size_bytes=size_bytes)
        row[0], row[5] = engine.number, instruction.operand
        if start > self._now:
            self._record_wait(self._now, start, self._structural("memory_busy"), unit=engine.number)
        engine.busy(start, landed, row)
        self._in_flight.append(landed)
        self.finished_fs = max(self.finished_fs, landed)

    def _row(
        self,
        opcode: int,
        tag: int,
        *,
        size_bytes: int = 0,
        work: tuple[int, ...] = (0, 0, 0, 0, 0, 0, 0, 0),
    ) -> list[int]:
        """Return a trace row in the order of ``COLUMNS``, its times still open."""
        return [self._unit.number, opcode, 0, 0, tag, -1, size_bytes, *work, -1]

    def _record_wait(self, start: int, end: int, cause: int, unit: int | None = None) -> None:
        if end > start:
            row = self._row(WAIT, -1)
            row[START], row[END] = start, end
            row[-1] = cause
            row[0] = self._unit.number if unit is None else unit
            self._run.recorder.add(row)

    def _structural(self, cause: str) -> int:
        return len(self._run.program.semaphores) + STRUCTURAL_CAUSES.index(cause)

    def _edge(self, time_fs: int) -> int:
        """Return the first clock edge at or after a time."""
        return self._later(time_fs, 0)

    def _later(self, time_fs: int, cycles: int) -> int:
        """Return the edge ``cycles`` after the first one at or after a time."""
        return self._clock.edge_fs(self._clock.cycle_at_or_after(time_fs) + cycles)

    def _sleep_until(self, time_fs: int) -> simpy.Event:
        return self._env.timeout(time_fs - self._now)
