"""Prefetch: the first weights of a layer come while the one before it runs.

A layer's first loads of weights wait for nothing, so the program before may execute them: its load
queue has room where its array computes. They land in the layer's own ring, which lies where the
program before holds nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import takewhile

from isa.instruction import Instruction, Load, Queue, Wait
from isa.program import Program, Stream

#: The ring that is filled early, by the role of its operand.
ROLE = "weight"
#: More loads than any program has.
MANY = 1 << 31


@dataclass(frozen=True, slots=True, kw_only=True)
class Prefetch:
    """Loads of a layer's first weights that the program before it executes.

    Parameters
    ----------
    scratchpad, address, size_bytes
        The ring of weights: bytes that the program before doesn't use.
    loads
        How many of the loads into it, all by default.
    moved_bytes
        What they read from main memory.
    is_early
        Whether they stand behind the first loads of the program before, or at its end.
    saved_cycles
        What both programs take less together.
    """

    scratchpad: str
    address: int
    size_bytes: int
    loads: int = MANY
    moved_bytes: int = 0
    is_early: bool = False
    saved_cycles: int = 0


def first_weights(program: Program, ring: Prefetch) -> list[Load]:
    """Return the first loads into a ring for which a program waits for nothing."""
    space = [one.name for one in program.spaces].index(ring.scratchpad)
    place = range(ring.address, ring.address + ring.size_bytes)
    found = [
        one
        for one in _leading(_loads(program))
        if isinstance(one, Load)
        and one.destination.space == space
        and one.destination.base in place
    ]
    return found[: ring.loads]


def without(program: Program, loads: Iterable[Load]) -> Program:
    """Return a program that finds done what some of its first loads do."""
    left = list(loads)
    kept: list[Instruction] = []
    for one in _loads(program):
        if left and one is left[0]:
            left.pop(0)
        else:
            kept.append(one)
    return _with_loads(program, kept)


def followed_by(program: Program, loads: Iterable[Load], *, is_early: bool) -> Program:
    """Return a program that executes loads of the next one as well."""
    own = _loads(program)
    more = [replace(one, tag=-1) for one in loads]
    place = len(_leading(own)) if is_early else len(own)
    return _with_loads(program, [*own[:place], *more, *own[place:]])


def _leading(loads: Iterable[Instruction]) -> list[Instruction]:
    """Return what a queue executes before it waits for anything."""
    return list(takewhile(lambda one: not isinstance(one, Wait), loads))


def _loads(program: Program) -> tuple[Instruction, ...]:
    return program.streams[_load_stream(program)]


def _load_stream(program: Program) -> Stream:
    """Return the load queue of a program's only core."""
    (stream,) = (stream for stream in program.streams if stream.queue is Queue.LOAD)
    return stream


def _with_loads(program: Program, loads: Iterable[Instruction]) -> Program:
    return replace(program, streams={**program.streams, _load_stream(program): tuple(loads)})
