"""The machine: SimPy processes that run programs and record what every unit did.

One process per instruction queue (`accel.instruction_queue`), and one that lets the memories go on
while nothing else happens (`accel.chip`). Events are at tile grain: an instruction's time is a
closed form (`accel.systolic`, `accel.vector`, `accel.memory`), and a queue only meets the event
loop when it is busy, blocked, or when a result lands.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence

import simpy

from accel.chip import Chip
from accel.dma import Moved
from accel.dram.memory_spec import RequestLog
from accel.durations import Durations
from accel.events import Recorder, Semaphore, Unit
from accel.instruction_queue import InstructionQueue
from accel.memory import WhenServed
from accel.spec import AcceleratorSpec
from accel.trace import MAX_SCRATCHPADS, STRUCTURAL_CAUSES, Trace, from_cycle
from accel.units import FS_PER_SECOND, Clock
from foundation.errors import SimulationError
from isa.instruction import Gather, Load, Queue, Store
from isa.program import Program, Stream

#: Seconds in 2**63 femtoseconds.
MAX_SECONDS = 2**63 // FS_PER_SECOND


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
        chip = Chip(self._spec, {stream.core for stream in program.streams}, self._log)
        run = _Run(chip, program)
        _finish(chip, run.start(), [run])
        return run.trace()

    def run_sequences(self, sequences: Sequence[Iterable[Program]]) -> list[list[Trace]]:
        """Return the traces of sequences of programs that run at the same time.

        Within a sequence a program starts when the one before has finished. Sequences have cores of
        their own and share the main memories and the network. A trace's times count from the start
        of its program.

        Raises
        ------
        SimulationError
            As `run`.
        """
        chip = Chip(self._spec, range(self._spec.cores), self._log)
        traces: list[list[Trace]] = [[] for _ in sequences]
        running: list[_Run] = []

        def process(number: int) -> Generator[simpy.Event, object, None]:
            for program in sequences[number]:
                run = _Run(chip, program)
                running.append(run)
                yield run.start()
                yield chip.env.timeout(run.end_fs - int(chip.env.now))
                running.remove(run)
                traces[number].append(run.trace())

        done = chip.env.all_of([chip.env.process(process(n)) for n in range(len(sequences))])
        _finish(chip, done, running)
        return traces


def _finish(chip: Chip, done: simpy.Event, running: list[_Run]) -> None:
    """Run until ``done``; what stops before says why."""
    try:
        chip.run_until(done)
    except OverflowError:
        message = (
            f"the program takes more than {MAX_SECONDS} s, the most that a trace can hold; use a"
            " faster clock or memory, or a smaller layer"
        )
    except RuntimeError:
        if done.triggered:
            raise
        message = f"deadlock: {', '.join(text for run in running for text in run.blocked())}"
    else:
        return
    cycle = chip.clock.cycle_at_or_after(int(chip.env.now))
    raise SimulationError(message, unit="machine", time=f"{cycle} cycles")


class _Run:
    """One program on a chip: the state that its processes share."""

    def __init__(self, chip: Chip, program: Program) -> None:
        self._chip = chip
        spec = self.spec = chip.spec
        self.program = program
        self.env = chip.env
        self.clock: Clock = chip.clock
        self.recorder = Recorder()
        self.unit_names: list[str] = []
        self.waiting: dict[Stream, int] = {}
        self._cores = sorted({stream.core for stream in program.streams})
        self._start_fs = int(self.env.now)
        self._events_before = self.env.events
        self._queues: list[InstructionQueue] = []
        self.durations = Durations(spec, program.spaces)
        self._scratchpads = tuple(pad.name for pad in spec.scratchpads if pad.holds)
        #: Where the columns of a scratchpad begin in a trace row, by its address space.
        self._columns = {
            number: 2 * self._scratchpads.index(space.name)
            for number, space in enumerate(program.spaces)
            if not space.is_main_memory and space.name in self._scratchpads
        }
        self.causes = (*(s.name for s in program.semaphores), *STRUCTURAL_CAUSES)

    def start(self) -> simpy.Event:
        """Start all queues, and return the event that they have finished."""
        self._queues = [queue for core in self._cores for queue in self._core(core)]
        return self.env.all_of([self.env.process(queue.process()) for queue in self._queues])

    @property
    def end_fs(self) -> int:
        """When everything has landed, once all queues have finished."""
        return max([int(self.env.now), *(queue.finished_fs for queue in self._queues)])

    def trace(self) -> Trace:
        """Return what happened, in time from the start of the program."""
        trace = Trace(
            units=tuple(self.unit_names),
            causes=self.causes,
            end_fs=self.end_fs,
            columns=self.recorder.columns(),
            events=self.env.events - self._events_before,
            scratchpads=self._scratchpads,
        )
        start = self.clock.cycle_at_or_after(self._start_fs)
        return from_cycle(trace, start, self.clock) if start else trace

    def blocked(self) -> list[str]:
        """Return which queues wait for which semaphores, in words."""
        waiting = sorted(self.waiting.items(), key=lambda item: (item[0].core, item[0].queue))
        return [
            f"core {stream.core} {stream.queue.name.lower()} waits for '{self.causes[semaphore]}'"
            for stream, semaphore in waiting
        ]

    def request(
        self, space: int, queue: Stream, instruction: Load | Gather | Store, served: WhenServed
    ) -> None:
        """Ask a main memory for a transfer; ``served`` is called once it is known when it lands."""
        self._chip.request(self.program.spaces[space].name, queue, instruction, served)

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

    def scratchpad_columns(self, read: Moved, written: Moved) -> list[int]:
        """Return the columns of a trace row that say what is moved in which scratchpad."""
        row = [0] * 2 * MAX_SCRATCHPADS
        for space, size_bytes in read:
            row[self._columns[space]] += size_bytes
        for space, size_bytes in written:
            row[self._columns[space] + 1] += size_bytes
        return row
