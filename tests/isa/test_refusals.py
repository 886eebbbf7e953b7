"""The interpreter: each way in which it refuses a program, word for word."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from foundation.dtype import DTYPES
from foundation.errors import SimulationError
from isa.instruction import Gather, Instruction, MatMul, Operand, Queue, Signal, Wait
from isa.program import Program, Space, Stream
from isa.semantics import run_program
from tests.isa.machine import DRAM_BYTES, RESULT, dram, load, machine, pad, store, vector

READY, FREE = Signal(semaphore=0), Signal(semaphore=1)
WAIT_READY, WAIT_FREE = Wait(semaphore=0), Wait(semaphore=1)
LOAD = load(dram(0, 1), pad(0, 1), (8,))
STORE = store(pad(0, 1), dram(RESULT, 1), (4,))
RELU = vector("relu", (4,), [pad(0, 1)], pad(32, 1))
MATMUL = MatMul(
    groups=(),
    m=(2,),
    n=2,
    k=(2,),
    input=pad(0, 2, 0, 1),
    weight=pad(4, 0, 2, 1),
    psum=pad(32, 8, 4, 0),
    accumulate=False,
    dtype=DTYPES["int8"],
    tag=0,
)
GATHER = Gather(
    table=dram(0, 4, 1),
    indices=pad(0, 4),
    destination=pad(32, 4, 1),
    rows=1,
    row_elements=4,
    table_rows=8,
    element_bytes=1,
    operand=Operand.WEIGHT,
    tag=0,
)


def refusal(**streams: list[Instruction]) -> str:
    """Return what the interpreter says of a program with a pad of 64 bytes."""
    program = machine({"ready": 0, "free": 1}, pad_bytes=64, **streams)
    with pytest.raises(SimulationError) as caught:
        run_program(program, {"dram": (np.arange(DRAM_BYTES) % 256).astype(np.uint8)})
    return str(caught.value)


POISON = "reads byte 0 of 'pad', which was never written or is still on its way"


def test_a_byte_that_was_never_written() -> None:
    assert refusal(store=[STORE]) == f"store, at instruction 0: source: {POISON}"


def test_a_byte_beside_what_was_written() -> None:
    short = load(dram(0, 1), pad(0, 1), (3,))
    assert refusal(load=[short, READY], store=[WAIT_READY, STORE]) == (
        "store, at instruction 1: source: reads byte 3 of 'pad', which was never written or is"
        " still on its way"
    )


def test_a_load_that_nobody_waited_for() -> None:
    assert refusal(load=[LOAD], store=[STORE]) == f"store, at instruction 0: source: {POISON}"


def test_a_signal_that_comes_before_its_load() -> None:
    message = refusal(load=[READY, LOAD], store=[WAIT_READY, STORE])
    assert message == f"store, at instruction 1: source: {POISON}"


def test_indices_that_their_own_queue_did_not_wait_for() -> None:
    message = refusal(load=[LOAD, GATHER])
    assert message == f"load, at instruction 1: indices: {POISON}"


def test_a_store_that_the_next_load_did_not_wait_for() -> None:
    back = load(dram(RESULT, 1), pad(16, 1), (4,))
    first = refusal(load=[LOAD, READY, back], store=[WAIT_READY, STORE])
    assert first == (
        "store, at instruction 1: destination: race: load reads byte 2048 of 'dram' in its"
        " instruction 2, and no semaphore says which comes first"
    )
    # The vector queue signals before the store, so the load may run early.
    late = refusal(
        load=[LOAD, READY, WAIT_FREE, WAIT_FREE, back],
        store=[WAIT_READY, FREE, STORE],
    )
    assert late == (
        f"load, at instruction 4: source: reads byte {RESULT} of 'dram', which was never written"
        " or is still on its way"
    )


def race(message: str) -> str:
    return f"{message}, and no semaphore says which comes first"


@pytest.mark.parametrize("order", [("load", "store"), ("store", "load")])
def test_a_write_that_may_overtake_a_read(order: tuple[str, str]) -> None:
    streams: dict[str, list[Instruction]] = {
        "load": [LOAD, READY, WAIT_FREE, LOAD],
        "store": [WAIT_READY, STORE],
    }
    message = refusal(**{queue: streams[queue] for queue in order})
    # Both orders of interpretation find it, from the one side or the other.
    assert message in (
        "load, at instruction 3: destination: "
        + race("race: store reads byte 0 of 'pad' in its instruction 1"),
        "load, at instruction 3: destination: "
        + race("race: load writes byte 0 of 'pad' in its instruction 0"),
    )


def unordered(**streams: list[Instruction]) -> str:
    """Return what the interpreter says where 'ready' and 'more' let two queues start."""
    program = machine(
        {"ready": 0, "free": 1, "more": 0},
        pad_bytes=64,
        load=[LOAD, READY, Signal(semaphore=2)],
        **streams,
    )
    with pytest.raises(SimulationError) as caught:
        run_program(program, {"dram": np.zeros(DRAM_BYTES, dtype=np.uint8)})
    return str(caught.value)


def test_a_read_that_may_overtake_a_write() -> None:
    relu = replace(RELU, output=pad(0, 1))
    message = unordered(vector=[WAIT_READY, relu], store=[Wait(semaphore=2), STORE])
    assert message == (
        "store, at instruction 1: source: "
        + race("race: vector writes byte 0 of 'pad' in its instruction 1")
    )


def test_two_writes_in_either_order() -> None:
    relu = replace(RELU, output=pad(36, 1))
    message = unordered(matrix=[Wait(semaphore=2), MATMUL], vector=[WAIT_READY, relu])
    assert message == (
        "vector, at instruction 1: output: "
        + race("race: matrix writes byte 36 of 'pad' in its instruction 1")
    )


def test_a_load_over_one_that_is_still_on_its_way() -> None:
    assert refusal(load=[LOAD, LOAD]) == (
        "load, at instruction 1: destination: "
        + race("race: load writes byte 0 of 'pad' in its instruction 0")
    )


def test_a_load_over_indices_that_a_gather_still_reads() -> None:
    indices = load(dram(0, 0), pad(0, 1), (4,))
    message = refusal(load=[indices, READY, WAIT_READY, GATHER, indices])
    assert message == (
        "load, at instruction 4: destination: "
        + race("race: load reads byte 0 of 'pad' in its instruction 3")
    )


def test_two_cores_on_one_byte_of_main_memory() -> None:
    def code(core: int) -> dict[Stream, tuple[Instruction, ...]]:
        return {
            Stream(core=core, queue=Queue.LOAD): (LOAD, READY),
            Stream(core=core, queue=Queue.STORE): (WAIT_READY, STORE),
        }

    empty = machine({"ready": 0})
    program = replace(empty, streams={**code(0), **code(1)})
    with pytest.raises(SimulationError) as caught:
        run_program(program, {"dram": np.zeros(DRAM_BYTES, dtype=np.uint8)})
    assert str(caught.value) == (
        "core 1 store, at instruction 1: destination: "
        + race(f"race: store writes byte {RESULT} of 'dram' in its instruction 1")
    )


def test_two_queues_that_signal_one_semaphore() -> None:
    assert refusal(load=[READY], store=[READY]) == (
        "store, at instruction 0: signals semaphore 'ready' but so does load, and only 1 queue"
        " may; use 2 semaphores"
    )


def test_two_queues_that_wait_for_one_semaphore() -> None:
    assert refusal(load=[READY, READY], vector=[WAIT_READY], store=[WAIT_READY]) == (
        "store, at instruction 0: waits for semaphore 'ready' but so does vector, and only 1"
        " queue may; use 2 semaphores"
    )


def test_a_semaphore_that_is_not_declared() -> None:
    message = refusal(load=[LOAD, Signal(semaphore=2)])
    assert message == "load, at instruction 1: semaphore 2 must be below 2"


def test_a_deadlock_names_everybody_who_waits() -> None:
    assert refusal(load=[WAIT_FREE, WAIT_FREE, READY], store=[WAIT_READY, FREE]) == (
        "load, at instruction 1: deadlock: load waits for 'free', store waits for 'ready'"
    )


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ([LOAD, READY], "semaphore 'ready' ends at 1 but began at 0"),
        ([WAIT_FREE, LOAD], "semaphore 'free' ends at 0 but began at 1"),
    ],
)
def test_a_semaphore_that_is_not_balanced(code: list[Instruction], message: str) -> None:
    assert refusal(load=code) == f"program, at its end: {message}; a signal or a wait is missing"


FIRST = "at instruction 0"


@pytest.mark.parametrize(
    ("queue", "instruction", "message"),
    [
        ("matrix", LOAD, "a matrix queue can't execute a load"),
        ("load", MATMUL, "a load queue can't execute a matmul"),
        ("store", RELU, "a store queue can't execute a vector"),
        ("load", replace(LOAD, source=pad(0, 1)), "source: 'pad' must be a main memory"),
        ("load", replace(LOAD, destination=dram(0, 1)), "destination: 'dram' must be a scratchpad"),
        ("store", replace(STORE, source=dram(0, 1)), "source: 'dram' must be a scratchpad"),
        (
            "store",
            replace(STORE, destination=pad(0, 1)),
            "destination: 'pad' must be a main memory",
        ),
        ("vector", replace(RELU, inputs=(dram(0, 1),)), "input 0: 'dram' must be a scratchpad"),
        (
            "load",
            replace(LOAD, source=replace(LOAD.source, space=2)),
            "source: space 2 must be below 2",
        ),
        (
            "load",
            replace(LOAD, shape=(65,)),
            "destination: bytes 0 to 64 must lie within 'pad', which has 64",
        ),
        (
            "load",
            replace(LOAD, destination=pad(60, 1)),
            "destination: bytes 60 to 67 must lie within 'pad', which has 64",
        ),
        (
            "load",
            replace(LOAD, source=dram(6, -1)),
            "source: bytes -1 to 6 must lie within 'dram', which has 4096",
        ),
        (
            "load",
            replace(LOAD, destination=pad(0, 0)),
            "destination: elements of the result overlap in 'pad'",
        ),
        (
            "load",
            replace(LOAD, element_bytes=2, destination=pad(0, 1)),
            "destination: elements of the result overlap in 'pad'",
        ),
        (
            "load",
            replace(LOAD, source=dram(0, 1, 1)),
            "source: 2 strides don't match 1 dimensions",
        ),
        (
            "load",
            replace(LOAD, shape=(0,)),
            "shape [0] must have at least 1 element along each dimension",
        ),
        (
            "load",
            replace(LOAD, shape=(-1,)),
            "shape [-1] must have at least 0 elements along each dimension",
        ),
        (
            "store",
            replace(STORE, shape=(0,)),
            "shape [0] must have at least 1 element along each dimension",
        ),
        (
            "load",
            replace(LOAD, before=()),
            "before [] must have 1 counts, one for each dimension of [8]",
        ),
        (
            "load",
            replace(LOAD, after=(-1,)),
            "after [-1] must have 1 counts, one for each dimension of [8]",
        ),
        ("load", replace(LOAD, fill=256), "fill 0x100 must fit in 1 bytes"),
        (
            "load",
            replace(LOAD, element_bytes=0),
            "destination: an element has 0 bytes but must have at least 1",
        ),
        (
            "load",
            replace(LOAD, shape=(2**40,)),
            "destination: has 1099511627776 bytes but the interpreter takes at most 134217728",
        ),
        ("matrix", replace(MATMUL, dtype=DTYPES["int32"]),
         "a matmul can't multiply int32: products need a wider sum"),
        (
            "matrix",
            replace(MATMUL, input=pad(0, 2, 1, 1)),
            "input: stride 1 along dimension 1 must be 0",
        ),
        (
            "matrix",
            replace(MATMUL, input=pad(4, 0, 2)),
            "input: 2 strides don't match 3 dimensions",
        ),
    ],
)  # fmt: skip
def test_an_instruction_that_no_machine_executes(
    queue: str, instruction: Instruction, message: str
) -> None:
    assert refusal(**{queue: [instruction]}) == f"{queue}, {FIRST}: {message}"


def test_results_of_a_matmul_that_overlap() -> None:
    overlapping = replace(MATMUL, psum=pad(32, 4, 4, 0))
    assert refusal(load=[LOAD, READY], matrix=[WAIT_READY, overlapping]) == (
        "matrix, at instruction 1: psum: elements of the result overlap in 'pad'"
    )


def test_an_accumulation_on_nothing() -> None:
    accumulating = replace(MATMUL, accumulate=True)
    assert refusal(load=[LOAD, READY], matrix=[WAIT_READY, accumulating]) == (
        "matrix, at instruction 1: psum: reads byte 32 of 'pad', which was never written or is"
        " still on its way"
    )


def test_an_index_outside_the_table() -> None:
    message = refusal(load=[LOAD, READY, WAIT_READY, GATHER])
    assert message == f"load, at instruction 3: index {0x03020100} must lie in 0..7"


def test_a_table_outside_its_memory() -> None:
    zeros = load(dram(0, 0), pad(0, 1), (8,))
    beyond = replace(GATHER, table_rows=1025)
    assert refusal(load=[zeros, READY, WAIT_READY, beyond]) == (
        "load, at instruction 3: table: bytes 0 to 4099 must lie within 'dram', which has 4096"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"function": "relv"}, "unknown function 'relv'; did you mean 'relu'?"),
        (
            {"activation": "add"},
            "activation 'add' must be one of identity, relu, relu6, gelu, silu, sigmoid, tanh,"
            " hard_swish, hard_sigmoid, softplus, absolute, negative, exp, log, sqrt, reciprocal,"
            " erf, floor",
        ),
        ({"function": "add"}, "'add' takes 2 inputs but has 1"),
        ({"function": "layer_norm"}, "'layer_norm' takes 3 inputs but has 1"),
        (
            {"function": "requantize", "inputs": (pad(0, 1),) * 3},
            "'requantize' takes 1 or 2 inputs but has 3",
        ),
        ({"reduced": 1}, "'relu' over 1 dimensions can reduce 0 but not 1"),
        ({"function": "sum", "reduced": 2}, "'sum' over 1 dimensions can reduce 1 but not 2"),
        ({"function": "softmax", "shape": ()}, "'softmax' needs at least 1 dimension"),
        ({"function": "requantize"}, "'requantize' to int8 reads int32 but has int8"),
        ({"input_dtype": DTYPES["fp16"]}, "'relu' to int8 reads int8 but has fp16"),
        (
            {"input_dtype": DTYPES["int32"], "output_dtype": DTYPES["int32"]},
            "'relu' has no table for int32; use int8",
        ),
        (
            {"function": "equal", "inputs": (pad(0, 1),) * 2},
            "'equal' to int8 reads int32 but has int8",
        ),
        (
            {"function": "cast", "input_dtype": DTYPES["int32"]},
            "'cast' goes from floats or int8 to floats or int8, and from int32 to floats, but not"
            " from int32 to int8",
        ),
        (
            {"function": "cast", "output_dtype": DTYPES["int32"]},
            "'cast' goes from floats or int8 to floats or int8, and from int32 to floats, but not"
            " from int8 to int32",
        ),
        ({"function": "argsort"}, "'argsort' makes int32 but has int8"),
        ({"function": "argmax", "reduced": 1}, "'argmax' makes int32 but has int8"),
        ({"shift": 1}, "shift 1 of 'relu' to int8 must lie in 0..0"),
        (
            {"function": "requantize", "input_dtype": DTYPES["int32"], "shift": 32},
            "shift 32 of 'requantize' to int8 must lie in 0..31",
        ),
        (
            {"function": "sum", "reduced": 1},
            "output: stride 1 along dimension 0 must be 0",
        ),
    ],
)  # fmt: skip
def test_a_vector_instruction_that_means_nothing(changes: dict[str, Any], message: str) -> None:
    refused = refusal(load=[LOAD, READY], vector=[WAIT_READY, replace(RELU, **changes)])
    assert refused == f"vector, at instruction 1: {message}"


@pytest.mark.parametrize(
    ("memories", "found"),
    [
        ({}, "none"),
        ({"dram": np.zeros(7, dtype=np.uint8)}, "uint8, shape (7,)"),
        ({"dram": np.zeros(8, dtype=np.int8)}, "int8, shape (8,)"),
    ],
)
def test_a_main_memory_that_is_not_given(memories: dict[str, Any], found: str) -> None:
    space = Space(name="dram", size_bytes=8, is_main_memory=True)
    program = Program(spaces=(space,), semaphores=(), streams={})
    message = f"main memory 'dram' must be a uint8 array of 8 bytes, not {found}"
    with pytest.raises(SimulationError, match=f"^program, at its start: {re.escape(message)}$"):
        run_program(program, memories)


def test_a_scratchpad_beyond_reason() -> None:
    program = machine({}, pad_bytes=2**40)
    with pytest.raises(SimulationError) as caught:
        run_program(program, {"dram": np.zeros(DRAM_BYTES, dtype=np.uint8)})
    assert str(caught.value) == (
        "program, at its start: scratchpad 'pad' has 1099511627776 bytes but the interpreter takes"
        " at most 1073741824"
    )
