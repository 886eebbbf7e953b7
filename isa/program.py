"""A program: one instruction stream per core and queue, and what they share."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count

from isa.instruction import Instruction, Queue, Signal, Wait


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

    All must have the same address spaces. Every core has all semaphores, so that equal ones of
    several programs are one; those that differ only in their first count get another name.
    """
    spaces = programs[0].spaces
    number_of: dict[Semaphore, int] = {}
    semaphores: dict[str, Semaphore] = {}
    streams: dict[Stream, tuple[Instruction, ...]] = {}
    for program in programs:
        assert program.spaces == spaces, "one machine"
        assert not streams.keys() & program.streams.keys(), "one program for each core"
        for one in program.semaphores:
            if one not in number_of:
                number_of[one] = len(semaphores)
                name = unused_name(one.name, semaphores)
                semaphores[name] = replace(one, name=name)
        numbers = [number_of[one] for one in program.semaphores]
        streams.update(
            (stream, _renumbered(instructions, numbers))
            for stream, instructions in program.streams.items()
        )
    return Program(spaces=spaces, semaphores=tuple(semaphores.values()), streams=streams)


def unused_name(name: str, taken: Container[str]) -> str:
    """Return a semaphore's name with a number if the name is taken: ``weight2_ready``."""
    role, mark, end = name.rpartition("_")
    numbered = (f"{role}{'' if n == 1 else n}{mark}{end}" for n in count(1))
    return next(one for one in numbered if one not in taken)


def _renumbered(
    instructions: tuple[Instruction, ...], numbers: Sequence[int]
) -> tuple[Instruction, ...]:
    """Return a stream whose semaphores have other numbers."""
    if list(numbers) == list(range(len(numbers))):
        return instructions
    return tuple(
        replace(one, semaphore=numbers[one.semaphore]) if isinstance(one, Wait | Signal) else one
        for one in instructions
    )
