"""A double-buffered GEMM written by hand equals NumPy, and every fault in it is found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from foundation.dtype import DTYPES
from foundation.errors import SimulationError
from isa.assembler import assemble, disassemble
from isa.encoding import decode, encode
from isa.instruction import Access, Instruction, Load, MatMul, Signal, Wait
from isa.program import Program, Stream
from isa.semantics import run_program
from tests.isa.machine import DRAM_BYTES, PAD, RESULT, dram, load, machine, pad, store, vector

# output[M,N] = input[M,K] · weight[K,N]: the reduction in K_TILES tiles, the rows in M_TILES.
# More row tiles than slots, so that psums and outputs are reused as well.
M_TILES, K_TILES = 3, 3
M, K, N = 4, 5, 3
ROWS, REDUCTION = M_TILES * M, K_TILES * K
INPUT, WEIGHT = 0, ROWS * REDUCTION
# The pad: two slots each for inputs, weights, psums and outputs.
INPUTS, WEIGHTS, PSUMS, OUTPUTS = (0, 20), (40, 55), (70, 118), (166, 178)
SHIFT = 9
SEMAPHORES = {
    "tile_ready": 0, "tile_free": 2,
    "psum_ready": 0, "psum_free": 2,
    "output_ready": 0, "output_free": 2,
}  # fmt: skip
TILE_READY, TILE_FREE, PSUM_READY, PSUM_FREE, OUTPUT_READY, OUTPUT_FREE = range(6)


def product(slot: int, psum: int, *, accumulate: bool) -> MatMul:
    return MatMul(
        groups=(),
        m=(M,),
        n=N,
        k=(K,),
        input=pad(INPUTS[slot], K, 0, 1),
        weight=pad(WEIGHTS[slot], 0, 1, N),
        psum=pad(PSUMS[psum], 4 * N, 4, 0),
        accumulate=accumulate,
        dtype=DTYPES["int8"],
        tag=0,
    )


def gemm() -> Program:
    streams: dict[str, list[Instruction]] = {q: [] for q in ("load", "matrix", "vector", "store")}
    for m in range(M_TILES):
        for k in range(K_TILES):
            slot = (m * K_TILES + k) % 2
            streams["load"] += [
                Wait(semaphore=TILE_FREE),
                load(
                    dram(INPUT + m * M * REDUCTION + k * K, REDUCTION, 1),
                    pad(INPUTS[slot], K, 1),
                    (M, K),
                ),
                load(dram(WEIGHT + k * K * N, N, 1), pad(WEIGHTS[slot], N, 1), (K, N)),
                Signal(semaphore=TILE_READY),
            ]
            if k == 0:
                streams["matrix"].append(Wait(semaphore=PSUM_FREE))
            streams["matrix"] += [
                Wait(semaphore=TILE_READY),
                product(slot, m % 2, accumulate=k > 0),
                Signal(semaphore=TILE_FREE),
            ]
            if k == K_TILES - 1:
                streams["matrix"].append(Signal(semaphore=PSUM_READY))
        requantize = vector(
            "requantize", (M * N,), [pad(PSUMS[m % 2], 4)], pad(OUTPUTS[m % 2], 1),
            input_dtype=DTYPES["int32"], shift=SHIFT,
        )  # fmt: skip
        streams["vector"] += [
            Wait(semaphore=PSUM_READY),
            Wait(semaphore=OUTPUT_FREE),
            requantize,
            Signal(semaphore=OUTPUT_READY),
            Signal(semaphore=PSUM_FREE),
        ]
        streams["store"] += [
            Wait(semaphore=OUTPUT_READY),
            store(pad(OUTPUTS[m % 2], 1), dram(RESULT + m * M * N, 1), (M * N,)),
            Signal(semaphore=OUTPUT_FREE),
        ]
    return machine(SEMAPHORES, pad_bytes=190, **streams)


def operands() -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    rng = np.random.default_rng(0)
    left = rng.integers(-128, 128, (ROWS, REDUCTION), dtype=np.int8)
    return left, rng.integers(-128, 128, (REDUCTION, N), dtype=np.int8)


def is_right(program: Program) -> bool:
    left, right = operands()
    memory = np.zeros(DRAM_BYTES, dtype=np.uint8)
    memory[INPUT:WEIGHT] = left.reshape(-1).view(np.uint8)
    memory[WEIGHT : WEIGHT + REDUCTION * N] = right.reshape(-1).view(np.uint8)
    run_program(program, {"dram": memory})
    result = memory[RESULT : RESULT + ROWS * N].view(np.int8).reshape(ROWS, N)
    product = left.astype(np.int64) @ right.astype(np.int64)
    expected = np.clip((product + (1 << SHIFT - 1)) >> SHIFT, -128, 127)
    return bool((result == expected).all())


def test_it_equals_numpy() -> None:
    assert is_right(gemm())


def test_it_survives_both_formats() -> None:
    program = gemm()
    assert decode(encode(program)) == program
    assert assemble(disassemble(program)) == program


def test_the_order_of_the_streams_does_not_matter() -> None:
    program = gemm()
    backwards = dict(reversed(list(program.streams.items())))
    assert is_right(replace(program, streams=backwards))


def changed(program: Program, stream: Stream, index: int, *instructions: Instruction) -> Program:
    code = program.streams[stream]
    return replace(
        program,
        streams={**program.streams, stream: (*code[:index], *instructions, *code[index + 1 :])},
    )


def without_a_semaphore() -> Iterator[tuple[str, Program]]:
    """Yield the program without one of its waits or signals."""
    program = gemm()
    for stream, code in program.streams.items():
        for index, instruction in enumerate(code):
            if isinstance(instruction, Wait | Signal):
                name = program.semaphores[instruction.semaphore].name
                kind = type(instruction).__name__.lower()
                label = f"{kind} {name} {stream.queue.name.lower()}[{index}]"
                yield label, changed(program, stream, index)


def unsynchronized() -> Iterator[tuple[str, Program]]:
    """Yield the program without one semaphore at all: balanced, and still wrong."""
    program = gemm()
    for number, semaphore in enumerate(program.semaphores):
        streams = {
            stream: tuple(
                i for i in code if not (isinstance(i, Wait | Signal) and i.semaphore == number)
            )
            for stream, code in program.streams.items()
        }
        yield semaphore.name, replace(program, streams=streams)


def with_a_moved_operand() -> Iterator[tuple[str, Program]]:
    """Yield the program with one operand in the other slot, or with one stride changed."""
    program = gemm()
    for stream, code in program.streams.items():
        for index, instruction in enumerate(code):
            for name in ("source", "destination", "input", "weight", "psum", "inputs", "output"):
                value = getattr(instruction, name, None)
                if value is None:
                    continue
                for change, access in moves(value[0] if name == "inputs" else value):
                    new: dict[str, Any] = {name: (access,) if name == "inputs" else access}
                    label = f"{stream.queue.name.lower()}[{index}] {name} {change}"
                    yield label, changed(program, stream, index, replace(instruction, **new))


def moves(access: Access) -> Iterator[tuple[str, Access]]:
    slots = {a: b for pair in (INPUTS, WEIGHTS, PSUMS, OUTPUTS) for a, b in (pair, pair[::-1])}
    if access.space == PAD:
        yield "slot", replace(access, base=slots[access.base])
    for d, stride in enumerate(access.strides):
        if stride:
            strides = (*access.strides[:d], stride + 1, *access.strides[d + 1 :])
            yield f"stride {d}", replace(access, strides=strides)


def is_caught(program: Program) -> bool:
    try:
        return not is_right(program)
    except SimulationError:
        return True


def missed(mutants: Iterator[tuple[str, Program]], least: int) -> list[str]:
    found = dict(mutants)
    assert len(found) >= least
    return [label for label, program in found.items() if not is_caught(program)]


def test_every_dropped_wait_or_signal_is_caught() -> None:
    assert missed(without_a_semaphore(), 60) == []


def test_a_missing_free_is_caught_however_the_queues_happen_to_run() -> None:
    # The balance alone would find a dropped wait: here waits and signals are dropped together.
    assert missed(unsynchronized(), 6) == []


def test_every_swapped_slot_and_changed_stride_is_caught() -> None:
    assert missed(with_a_moved_operand(), 100) == []


@pytest.mark.parametrize("space", ["tile", "psum"])
def test_signals_before_their_work_are_caught(space: str) -> None:
    program = gemm()
    semaphore = {"tile": TILE_READY, "psum": PSUM_READY}[space]
    for stream, code in program.streams.items():
        for index, instruction in enumerate(code):
            if instruction == Signal(semaphore=semaphore):
                work = max(
                    i for i, other in enumerate(code[:index]) if isinstance(other, Load | MatMul)
                )
                early = (*code[:work], instruction, *code[work:index], *code[index + 1 :])
                assert is_caught(replace(program, streams={**program.streams, stream: early}))
