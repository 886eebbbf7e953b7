"""A program: one instruction stream per core and queue, and what they share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from isa.instruction import Instruction, Queue


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """An address space: a main memory shared by all cores, or a scratchpad of each core."""

    name: str
    size_bytes: int
    is_main_memory: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Semaphore:
    """A counter that queues of one core wait for and signal.

    Parameters
    ----------
    name
        What its count stands for (``weight_ready``): reports name waits after it.
    initial
        Count at the start: 2 for the two free halves of a double buffer.
    """

    name: str
    initial: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """Where an instruction stream runs."""

    core: int
    queue: Queue


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """All that the machine ever sees.

    Parameters
    ----------
    spaces
        Address spaces, by number.
    semaphores
        Semaphores of each core, by number.
    streams
        Instructions in order, by core and queue.
    """

    spaces: tuple[Space, ...]
    semaphores: tuple[Semaphore, ...]
    streams: Mapping[Stream, tuple[Instruction, ...]]

    @property
    def instruction_count(self) -> int:
        """Instructions in all streams."""
        return sum(len(stream) for stream in self.streams.values())


def side_by_side(programs: Sequence[Program]) -> Program:
    """Return programs of different cores as one: the cores share main memories.

    All must have the same address spaces and semaphores.
    """
    first = programs[0]
    streams: dict[Stream, tuple[Instruction, ...]] = {}
    for program in programs:
        assert (program.spaces, program.semaphores) == (first.spaces, first.semaphores)
        assert not streams.keys() & program.streams.keys(), "one program for each core"
        streams.update(program.streams)
    return Program(spaces=first.spaces, semaphores=first.semaphores, streams=streams)
