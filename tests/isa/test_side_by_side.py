"""Programs of different cores as one program."""

from __future__ import annotations

from isa.instruction import Queue, Signal, Wait
from isa.program import Program, Semaphore, Space, Stream, side_by_side

SPACES = (Space(name="dram", size_bytes=64, is_main_memory=True),)


def program(core: int, *semaphores: tuple[str, int]) -> Program:
    """Return a program that signals its semaphores in turn, then waits for them."""
    numbers = range(len(semaphores))
    return Program(
        spaces=SPACES,
        semaphores=tuple(Semaphore(name=name, initial=first) for name, first in semaphores),
        streams={
            Stream(core=core, queue=Queue.LOAD): tuple(Signal(semaphore=n) for n in numbers),
            Stream(core=core, queue=Queue.STORE): tuple(Wait(semaphore=n) for n in numbers),
        },
    )


def used(program: Program, core: int) -> list[tuple[str, int]]:
    """Return the semaphores that a core signals, in order."""
    signals = program.streams[Stream(core=core, queue=Queue.LOAD)]
    waits = program.streams[Stream(core=core, queue=Queue.STORE)]
    numbers = [one.semaphore for one in signals if isinstance(one, Signal)]
    assert numbers == [one.semaphore for one in waits if isinstance(one, Wait)]
    return [(program.semaphores[n].name, program.semaphores[n].initial) for n in numbers]


def test_equal_programs_keep_their_semaphores() -> None:
    first, second = (program(core, ("data_ready", 0), ("data_free", 2)) for core in (0, 1))
    both = side_by_side([first, second])
    assert both.semaphores == first.semaphores
    assert both.streams == {**first.streams, **second.streams}


def test_semaphores_are_shared_by_name_and_first_count() -> None:
    first = program(0, ("weight_ready", 0), ("weight_free", 2))
    second = program(3, ("output_free", 1), ("weight_free", 2), ("weight_ready", 0))
    both = side_by_side([first, second])
    assert used(both, 0) == [("weight_ready", 0), ("weight_free", 2)]
    assert used(both, 3) == [("output_free", 1), ("weight_free", 2), ("weight_ready", 0)]
    assert len(both.semaphores) == 3


def test_other_first_counts_get_other_names_and_no_core_uses_one_twice() -> None:
    first = program(0, ("weight_free", 2))
    second = program(1, ("weight_free", 1), ("weight2_free", 1))
    third = program(2, ("weight2_free", 1), ("weight_free", 1))
    both = side_by_side([first, second, third])
    names = [semaphore.name for semaphore in both.semaphores]
    assert names == ["weight_free", "weight2_free", "weight22_free"]
    for core in range(3):
        found = used(both, core)
        assert len(set(found)) == len(found)
    assert [count for _, count in used(both, 1)] == [1, 1]
