"""One in-order instruction queue and the unit behind it, as a SimPy process."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Protocol, assert_never

import simpy

from accel.dma import Moved, scratchpad_bytes
from accel.durations import Durations, product_traffic, vector_traffic
from accel.events import END, START, Recorder, Semaphore, Unit
from accel.memory import Served, WhenServed
from accel.spec import AcceleratorSpec
from accel.timing import ArrayQueue
from accel.trace import (
    COLUMNS,
    MAX_SCRATCHPADS,
    OPCODES,
    STRUCTURAL_CAUSES,
    TRANSFER_CAUSES,
    WAIT,
)
from accel.units import Clock
from accel.vector import vector_operations
from foundation.apportion import apportion
from foundation.errors import SimulationError
from isa.instruction import (
    DATAFLOW_NAMES,
    Gather,
    Load,
    MatMul,
    Queue,
    Signal,
    Store,
    Vector,
    Wait,
)
from isa.program import Program, Stream

Process = Generator[simpy.Event, object, None]

UNIT, OPERAND, BYTES, DATAFLOW, CAUSE = map(
    COLUMNS.index, ("unit", "operand", "bytes", "dataflow", "cause")
)
TRANSFER_PARTS = slice(CAUSE + 1, CAUSE + 1 + len(TRANSFER_CAUSES))
LOAD, GATHER, STORE, MATMUL, VECTOR = (OPCODES.index(name) for name in OPCODES[:-1])
_NO_PARTS = (0,) * len(TRANSFER_CAUSES)
_NO_WORK = (0,) * 8
_NOWHERE = [0] * 2 * MAX_SCRATCHPADS


class Run(Protocol):
    """What a queue needs from the run that it is part of."""

    spec: AcceleratorSpec
    program: Program
    clock: Clock
    durations: Durations
    recorder: Recorder
    waiting: dict[Stream, int]

    @property
    def env(self) -> simpy.Environment:
        """The event loop."""

    def scratchpad_columns(self, read: Moved, written: Moved) -> list[int]:
        """Return the columns of a trace row that say what is moved in which scratchpad."""

    def request(
        self, space: int, queue: Stream, instruction: Load | Gather | Store, served: WhenServed
    ) -> None:
        """Ask a main memory for a transfer; ``served`` is called once it is known when it lands."""


@dataclass(slots=True, eq=False)
class _Flight:
    """A transfer under way: when it lands, if that is known, and who waits to know it."""

    landed_fs: int | None = None
    known: simpy.Event | None = None


class InstructionQueue:
    """One in-order instruction queue and the unit behind it."""

    def __init__(
        self,
        run: Run,
        stream: Stream,
        semaphores: list[Semaphore],
        unit: Unit,
        engines: dict[tuple[Queue, int], Unit],
    ) -> None:
        self._run = run
        self._env = run.env
        self._clock = run.clock
        self._stream = stream
        self._semaphores = semaphores
        self._unit = unit
        self._engines = engines
        self._in_flight: deque[_Flight] = deque()
        #: Transfers of which it isn't known when they land, and what comes behind: transfers, and
        #: signals by the number of their semaphore.
        self._unfinished: deque[_Flight | int] = deque()
        self._all_known: simpy.Event | None = None
        self._array = ArrayQueue()
        self._dataflow: str | None = None
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
        if self._unfinished:
            self._all_known = self._env.event()
            yield self._all_known

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
        if self._unfinished:
            self._unfinished.append(semaphore)
        else:
            self._semaphores[semaphore].give(max(self.finished_fs, self._now))

    def _matmul(self, instruction: MatMul) -> Process:
        durations = self._run.durations
        work = durations.matmul_work(instruction)
        read, written = product_traffic(instruction, work)
        row = self._row(
            MATMUL,
            instruction.tag,
            size_bytes=sum(size for _, size in (*read, *written)),
            work=(
                work.macs,
                work.folds,
                work.mapped_pes,
                work.input_reads,
                work.weight_reads,
                work.psum_reads,
                work.psum_writes,
                0,
            ),
            scratchpads=self._run.scratchpad_columns(read, written),
        )
        row[DATAFLOW] = self._change_dataflow(instruction.dataflow)
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
        stalled = durations.port_cycles(read, written) - timing.occupancy_cycles
        if stalled > 0:
            yield self._stall(stalled, "scratchpad_port")
        conflicts = durations.bank_conflicts(instruction)
        if conflicts > 0:
            yield self._stall(conflicts, "bank_conflict")

    def _change_dataflow(self, dataflow: str | None) -> int:
        """Change to the dataflow of an instruction, and return its number.

        # Approximation: that takes no time, but the array must be idle.
        """
        wanted, before = dataflow or self._run.spec.array.dataflow, self._dataflow
        if before not in (wanted, None) and self.finished_fs > self._now:
            raise SimulationError(
                f"a matmul of dataflow {wanted} begins while one of {before} is under way; signal a"
                " semaphore behind that one and wait for it",
                unit=self._stream.queue.name.lower(),
                time=f"{self._clock.cycle_at_or_after(self._now)} cycles",
            )
        self._dataflow = wanted
        return DATAFLOW_NAMES.index(wanted)

    def _stall(self, cycles: int, cause: str) -> simpy.Event:
        """Hold the array up from now on."""
        self._array.delay(cycles)
        end = self._later(self._now, cycles)
        self.finished_fs = self._later(self.finished_fs, cycles)
        self._record_wait(self._now, end, self._structural(cause))
        return self._sleep_until(end)

    def _vector(self, instruction: Vector) -> Process:
        durations = self._run.durations
        cycles = durations.vector_cycles(instruction)
        read, written = vector_traffic(instruction)
        operations = vector_operations(
            function=instruction.function,
            activation=instruction.activation,
            elements=prod(instruction.shape),
            row=instruction.row,
        )
        row = self._row(
            VECTOR,
            instruction.tag,
            size_bytes=sum(size for _, size in (*read, *written)),
            work=(0, 0, 0, 0, 0, 0, 0, operations),
            scratchpads=self._run.scratchpad_columns(read, written),
        )
        start = self._now
        busy_end = self._later(start, cycles)
        self._unit.busy(start, busy_end, row)
        served = self._later(start, max(cycles, durations.port_cycles(read, written)))
        self._record_wait(busy_end, served, self._structural("scratchpad_port"))
        self.finished_fs = self._later(served, durations.bank_conflicts(instruction))
        self._record_wait(served, self.finished_fs, self._structural("bank_conflict"))
        yield self._sleep_until(self.finished_fs)

    def _dma(self, instruction: Load | Gather | Store, opcode: int, space: int) -> Process:
        if len(self._in_flight) >= self._run.spec.dma.outstanding:
            yield from self._wait_for_slot()
        flight = _Flight()
        self._in_flight.append(flight)
        if self._unfinished:
            self._unfinished.append(flight)
        row = self._row(
            opcode,
            instruction.tag,
            size_bytes=instruction.size_bytes,
            moved_bytes=instruction.size_bytes,
            scratchpads=self._run.scratchpad_columns(*scratchpad_bytes(instruction)),
        )
        row[UNIT] = self._engines[self._stream.queue, space].number
        row[OPERAND] = instruction.operand
        served = partial(self._served, flight, space, self._now, row)
        self._run.request(space, self._stream, instruction, served)
        if flight.landed_fs is None and not self._unfinished:
            self._unfinished.append(flight)

    def _wait_for_slot(self) -> Process:
        """Wait until the oldest transfer under way has landed."""
        start, oldest = self._now, self._in_flight.popleft()
        if oldest.landed_fs is None:
            oldest.known = self._env.event()
            yield oldest.known
        assert oldest.landed_fs is not None
        if oldest.landed_fs > self._now:
            yield self._sleep_until(oldest.landed_fs)
        self._record_wait(start, self._now, self._structural("dma_slot"))

    def _served(
        self, flight: _Flight, space: int, asked_fs: int, row: list[int], served: Served
    ) -> None:
        """Record a transfer of which it is now known when it is served."""
        engine = self._engines[self._stream.queue, space]
        start, landed = self._edge(served.start_fs), self._edge(served.landed_fs)
        at_memory = self._edge(served.landed_fs - served.network_fs) - start
        parts = apportion(at_memory, served.causes)
        row[TRANSFER_PARTS] = [*parts, landed - start - at_memory]
        if served.size_bytes is not None:
            row[BYTES] = served.size_bytes
        self._record_wait(asked_fs, start, self._structural("memory_busy"), unit=engine.number)
        engine.busy(start, landed, row)
        flight.landed_fs = landed
        if flight.known is not None:
            flight.known.succeed()
        if not self._unfinished:
            self.finished_fs = max(self.finished_fs, landed)
        self._finish()

    def _finish(self) -> None:
        """Send the signals behind transfers of which it is known when they land."""
        while self._unfinished:
            first = self._unfinished[0]
            if isinstance(first, int):
                self._semaphores[first].give(max(self.finished_fs, self._now))
            elif first.landed_fs is None:
                return
            else:
                self.finished_fs = max(self.finished_fs, first.landed_fs)
            self._unfinished.popleft()
        if self._all_known is not None:
            self._all_known.succeed()
            self._all_known = None

    def _row(
        self,
        opcode: int,
        tag: int,
        *,
        size_bytes: int = 0,
        work: tuple[int, ...] = _NO_WORK,
        moved_bytes: int = 0,
        scratchpads: list[int] = _NOWHERE,
    ) -> list[int]:
        """Return a trace row in the order of ``COLUMNS``, its times still open."""
        head = (self._unit.number, opcode, 0, 0, tag, -1, size_bytes)
        return [*head, *work, -1, -1, *_NO_PARTS, moved_bytes, *scratchpads]

    def _record_wait(self, start: int, end: int, cause: int, unit: int | None = None) -> None:
        if end > start:
            row = self._row(WAIT, -1)
            row[START], row[END] = start, end
            row[CAUSE] = cause
            row[UNIT] = self._unit.number if unit is None else unit
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
