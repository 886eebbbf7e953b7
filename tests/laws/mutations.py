"""Seeded faults in programs: each is one that a wrong lowering could make."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

from isa.instruction import Access, Gather, Instruction, Load, MatMul, Signal, Store, Vector, Wait
from isa.program import Program, Stream

Mutation = Callable[[Program, random.Random], Program | None]


def _pick(
    program: Program, rng: random.Random, *kinds: type[Instruction]
) -> tuple[Stream, int, Instruction] | None:
    """Return a random instruction of some kinds, and where it stands."""
    found = [
        (stream, index, instruction)
        for stream, code in program.streams.items()
        for index, instruction in enumerate(code)
        if isinstance(instruction, kinds)
    ]
    return rng.choice(found) if found else None


def _with(program: Program, stream: Stream, code: list[Instruction]) -> Program:
    return replace(program, streams={**program.streams, stream: tuple(code)})


def _replaced(program: Program, stream: Stream, index: int, *instructions: Instruction) -> Program:
    code = list(program.streams[stream])
    code[index : index + 1] = instructions
    return _with(program, stream, code)


def drop_wait(program: Program, rng: random.Random) -> Program | None:
    """A queue doesn't wait for data, or for a free buffer."""
    chosen = _pick(program, rng, Wait)
    return _replaced(program, *chosen[:2]) if chosen else None


def drop_signal(program: Program, rng: random.Random) -> Program | None:
    """A queue doesn't say that it is done."""
    chosen = _pick(program, rng, Signal)
    return _replaced(program, *chosen[:2]) if chosen else None


def signal_too_early(program: Program, rng: random.Random) -> Program | None:
    """A signal comes before the instruction that it speaks for."""
    chosen = _pick(program, rng, Signal)
    if chosen is None or chosen[1] == 0:
        return None
    stream, index, signal = chosen
    before = program.streams[stream][index - 1]
    if isinstance(before, Signal | Wait):
        return None
    code = list(program.streams[stream])
    code[index - 1 : index + 1] = [signal, before]
    return _with(program, stream, code)


def wrong_semaphore(program: Program, rng: random.Random) -> Program | None:
    """A queue waits for another operand."""
    chosen = _pick(program, rng, Wait)
    if chosen is None or len(program.semaphores) < 2:
        return None
    stream, index, wait = chosen
    assert isinstance(wait, Wait)
    others = [n for n in range(len(program.semaphores)) if n != wait.semaphore]
    return _replaced(program, stream, index, Wait(semaphore=rng.choice(others)))


def drop_work(program: Program, rng: random.Random) -> Program | None:
    """An instruction is missing."""
    chosen = _pick(program, rng, Load, Store, MatMul, Vector, Gather)
    return _replaced(program, *chosen[:2]) if chosen else None


def _accesses(instruction: Instruction) -> list[tuple[str, Access]]:
    """Return field name and access of an instruction's operands."""
    return [
        (field.name, value)
        for field in fields(instruction)
        if isinstance(value := getattr(instruction, field.name), Access)
    ]


def _with_fields(instruction: Instruction, new: dict[str, Any]) -> Instruction:
    """Return an instruction with some of its fields replaced."""
    values = {field.name: getattr(instruction, field.name) for field in fields(instruction)}
    return type(instruction)(**{**values, **new})


def wrong_stride(program: Program, rng: random.Random) -> Program | None:
    """An operand steps by another distance along a dimension with several elements."""
    chosen = _pick(program, rng, Load, Store, MatMul)
    if chosen is None:
        return None
    stream, index, instruction = chosen
    assert isinstance(instruction, Load | Store | MatMul)
    name, access = rng.choice(_accesses(instruction))
    shape = instruction.shape
    several = [d for d, extent in enumerate(shape) if extent > 1 and access.strides[d]]
    if not several or (name == "source" and 0 in shape):  # a load that is all border reads nothing
        return None
    dimension = rng.choice(several)
    strides = list(access.strides)
    strides[dimension] += rng.choice([-1, 1]) * rng.choice(
        [stride for stride in access.strides if stride] or [1]
    )
    moved = replace(access, strides=tuple(strides))
    return _replaced(program, stream, index, _with_fields(instruction, {name: moved}))


def wrong_base(program: Program, rng: random.Random) -> Program | None:
    """An operand starts one element too early or too late."""
    chosen = _pick(program, rng, Load, Store, MatMul)
    if chosen is None:
        return None
    stream, index, instruction = chosen
    name, access = rng.choice(_accesses(instruction))
    step = min((abs(stride) for stride in access.strides if stride), default=1)
    base = max(0, access.base + rng.choice([-step, step]))
    if base == access.base:
        return None
    moved = replace(access, base=base)
    return _replaced(program, stream, index, _with_fields(instruction, {name: moved}))


def overlapping_buffers(program: Program, rng: random.Random) -> Program | None:
    """Two buffers of a scratchpad share bytes: every access to one goes to the other."""
    bases: dict[int, set[int]] = {}
    for code in program.streams.values():
        for instruction in code:
            for _, access in _accesses(instruction):
                if not program.spaces[access.space].is_main_memory:
                    bases.setdefault(access.space, set()).add(access.base)
    shared = [space for space, found in bases.items() if len(found) > 1]
    if not shared:
        return None
    space = rng.choice(shared)
    moved, target = rng.sample(sorted(bases[space]), 2)

    def move(access: Access) -> Access:
        same = access.space == space and access.base == moved
        return replace(access, base=target) if same else access

    def changed(instruction: Instruction) -> Instruction:
        new: dict[str, Any] = {n: move(access) for n, access in _accesses(instruction)}
        if isinstance(instruction, Vector):
            new["inputs"] = tuple(move(access) for access in instruction.inputs)
        return _with_fields(instruction, new) if new else instruction

    streams = {
        stream: tuple(changed(instruction) for instruction in code)
        for stream, code in program.streams.items()
    }
    return replace(program, streams=streams)


def wrong_accumulate(program: Program, rng: random.Random) -> Program | None:
    """A matmul adds where it should overwrite, or the other way round."""
    chosen = _pick(program, rng, MatMul)
    if chosen is None:
        return None
    stream, index, instruction = chosen
    assert isinstance(instruction, MatMul)
    changed = replace(instruction, accumulate=not instruction.accumulate)
    return _replaced(program, stream, index, changed)


def short_shape(program: Program, rng: random.Random) -> Program | None:
    """A transfer or vector instruction leaves out the last element of a dimension."""
    chosen = _pick(program, rng, Load, Store, Vector)
    if chosen is None:
        return None
    stream, index, instruction = chosen
    assert isinstance(instruction, Load | Store | Vector)
    several = [d for d, extent in enumerate(instruction.shape) if extent > 1]
    if not several:
        return None
    shape = list(instruction.shape)
    shape[rng.choice(several)] -= 1
    return _replaced(program, stream, index, replace(instruction, shape=tuple(shape)))


MUTATIONS: dict[str, Mutation] = {
    mutation.__name__: mutation
    for mutation in (
        drop_wait,
        drop_signal,
        signal_too_early,
        wrong_semaphore,
        drop_work,
        wrong_stride,
        wrong_base,
        overlapping_buffers,
        wrong_accumulate,
        short_shape,
    )
}
