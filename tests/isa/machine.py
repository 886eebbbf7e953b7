"""A small machine for programs by hand: one main memory, one scratchpad, and ways to use them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from foundation.dtype import DTYPES
from foundation.numerics import Array
from isa.instruction import Access, Instruction, Load, Operand, Queue, Signal, Store, Vector, Wait
from isa.program import Program, Semaphore, Space, Stream
from isa.semantics import run_program

DRAM, PAD = 0, 1
DRAM_BYTES = 4096
#: Where results are stored: everything below is input.
RESULT = 2048


def dram(base: int, *strides: int) -> Access:
    return Access(space=DRAM, base=base, strides=strides)


def pad(base: int, *strides: int) -> Access:
    return Access(space=PAD, base=base, strides=strides)


def load(source: Access, destination: Access, shape: tuple[int, ...], **changes: Any) -> Load:
    values: dict[str, Any] = {
        "before": (0,) * len(shape),
        "after": (0,) * len(shape),
        "element_bytes": 1,
        "fill": 0,
        "operand": Operand.INPUT,
        "tag": 0,
    }
    return Load(source=source, destination=destination, shape=shape, **{**values, **changes})


def store(source: Access, destination: Access, shape: tuple[int, ...]) -> Store:
    return Store(
        source=source,
        destination=destination,
        shape=shape,
        element_bytes=1,
        operand=Operand.OUTPUT,
        tag=0,
    )


def vector(
    function: str, shape: tuple[int, ...], inputs: Sequence[Access], output: Access, **changes: Any
) -> Vector:
    values: dict[str, Any] = {
        "reduced": 0,
        "input_dtype": DTYPES["int8"],
        "output_dtype": DTYPES["int8"],
        "shift": 0,
        "activation": "identity",
        "tag": 0,
    }
    return Vector(
        function=function,
        shape=shape,
        inputs=tuple(inputs),
        output=output,
        **{**values, **changes},
    )


def machine(
    semaphores: dict[str, int], pad_bytes: int = 1024, **streams: Sequence[Instruction]
) -> Program:
    """Return a program of one core, its streams by queue."""
    return Program(
        spaces=(
            Space(name="dram", size_bytes=DRAM_BYTES, is_main_memory=True),
            Space(name="pad", size_bytes=pad_bytes, is_main_memory=False),
        ),
        semaphores=tuple(
            Semaphore(name=name, initial=initial) for name, initial in semaphores.items()
        ),
        streams={
            Stream(core=0, queue=Queue[queue.upper()]): tuple(code)
            for queue, code in streams.items()
        },
    )


def computed(
    instructions: Sequence[Instruction], inputs: Sequence[Array], result: Access, dtype: str, n: int
) -> Array:
    """Return ``n`` results of instructions on inputs that lie one after the other from pad+0.

    Parameters
    ----------
    instructions
        All for one queue, which is taken from the first.
    inputs
        Arrays that the load queue brings in.
    result
        First byte of the result in the pad.
    dtype, n
        Type and number of the results.
    """
    given = np.concatenate([np.ascontiguousarray(a).reshape(-1).view(np.uint8) for a in inputs])
    memory = np.zeros(DRAM_BYTES, dtype=np.uint8)
    memory[: len(given)] = given
    kind = DTYPES[dtype]
    queue = "vector" if isinstance(instructions[0], Vector) else "matrix"
    streams: dict[str, list[Instruction]] = {
        "load": [load(dram(0, 1), pad(0, 1), (len(given),)), Signal(semaphore=0)],
        queue: [Wait(semaphore=0), *instructions, Signal(semaphore=1)],
        "store": [
            Wait(semaphore=1),
            store(pad(result.base, 1), dram(RESULT, 1), (n * kind.size_bytes,)),
        ],
    }
    program = machine({"ready": 0, "done": 0}, 1024, **streams)
    run_program(program, {"dram": memory})
    return memory[RESULT : RESULT + n * kind.size_bytes].view(kind.numpy)
