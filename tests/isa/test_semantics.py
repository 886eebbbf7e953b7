"""The interpreter: what each instruction does to data."""

from __future__ import annotations

import numpy as np
import pytest

from foundation.dtype import DTYPES
from foundation.numerics import Array
from isa.instruction import Access, Gather, Instruction, MatMul, Operand, Queue, Signal, Wait
from isa.program import Program, Space, Stream
from isa.semantics import run_program
from tests.isa.machine import (
    DRAM_BYTES,
    RESULT,
    computed,
    dram,
    load,
    machine,
    pad,
    store,
    vector,
)


def copied(loads: list[Instruction], n: int) -> list[int]:
    """Return ``n`` bytes of the pad after loads from a memory that holds 0, 1, 2, ..."""
    program = machine(
        {"ready": 0},
        load=[*loads, Signal(semaphore=0)],
        store=[Wait(semaphore=0), store(pad(0, 1), dram(RESULT, 1), (n,))],
    )
    memory = (np.arange(DRAM_BYTES) % 256).astype(np.uint8)
    run_program(program, {"dram": memory})
    return [int(value) for value in memory[RESULT : RESULT + n]]


@pytest.mark.parametrize(
    ("source", "destination", "shape", "expected"),
    [
        (dram(5, 1), pad(0, 1), (3,), [5, 6, 7]),
        (dram(0, 3), pad(0, 1), (4,), [0, 3, 6, 9]),
        (dram(9, -3), pad(0, 1), (4,), [9, 6, 3, 0]),
        (dram(7, 0), pad(0, 1), (3,), [7, 7, 7]),
        (dram(0, 1), pad(3, -1), (4,), [3, 2, 1, 0]),
        (dram(0, 3, 1), pad(0, 1, 2), (2, 3), [0, 3, 1, 4, 2, 5]),
        (dram(0, 1, 1), pad(0, 2, 1), (3, 2), [0, 1, 1, 2, 2, 3]),
        (dram(42), pad(0), (), [42]),
        (dram(3, 1, 2**62), pad(0, 1, 2**62), (2, 1), [3, 4]),
    ],
    ids=[
        *("contiguous", "strided", "backwards", "repeated", "backwards_into", "transposed"),
        *("im2col", "one_element", "a_step_that_is_never_taken"),
    ],
)
def test_a_load_follows_its_strides(
    source: Access, destination: Access, shape: tuple[int, ...], expected: list[int]
) -> None:
    assert copied([load(source, destination, shape)], len(expected)) == expected


def test_a_load_fills_a_border() -> None:
    bordered = load(dram(1, 2, 1), pad(0, 4, 1), (1, 2), before=(1, 0), after=(0, 2), fill=9)
    assert copied([bordered], 8) == [9, 9, 9, 9, 1, 2, 9, 9]


def test_a_border_is_little_endian() -> None:
    bordered = load(dram(4, 2), pad(0, 2), (1,), before=(1,), element_bytes=2, fill=0x0102)
    assert copied([bordered], 4) == [2, 1, 4, 5]


def test_a_load_may_be_all_border() -> None:
    assert (
        copied([load(dram(0, 1), pad(0, 1), (0,), before=(2,), after=(1,), fill=5)], 3) == [5] * 3
    )


def test_a_store_reverses_and_scatters() -> None:
    program = machine(
        {"ready": 0},
        load=[load(dram(1, 1), pad(0, 1), (3,)), Signal(semaphore=0)],
        store=[Wait(semaphore=0), store(pad(2, -1), dram(RESULT, 2), (3,))],
    )
    memory = np.arange(DRAM_BYTES, dtype=np.uint64).astype(np.uint8)
    memory[RESULT:] = 0
    run_program(program, {"dram": memory})
    assert memory[RESULT : RESULT + 6].tolist() == [3, 0, 2, 0, 1, 0]


def gather(rows: int, table_rows: int) -> Gather:
    return Gather(
        table=dram(64, 3, 1),
        indices=pad(512, 4),
        destination=pad(0, 3, 1),
        rows=rows,
        row_elements=3,
        table_rows=table_rows,
        element_bytes=1,
        operand=Operand.WEIGHT,
        tag=0,
    )


def test_a_gather_copies_the_rows_it_is_asked_for() -> None:
    program = machine(
        {"indices": 0, "ready": 0},
        load=[
            load(dram(0, 1), pad(512, 1), (12,)),
            Signal(semaphore=0),
            Wait(semaphore=0),
            gather(3, 5),
            Signal(semaphore=1),
        ],
        store=[Wait(semaphore=1), store(pad(0, 1), dram(RESULT, 1), (9,))],
    )
    memory = np.zeros(DRAM_BYTES, dtype=np.uint8)
    memory[:12] = np.array([4, 0, 4], dtype=np.int32).view(np.uint8)
    memory[64:79] = np.arange(15)
    run_program(program, {"dram": memory})
    assert memory[RESULT : RESULT + 9].tolist() == [12, 13, 14, 0, 1, 2, 12, 13, 14]


def test_cores_have_scratchpads_of_their_own() -> None:
    def code(core: int) -> dict[Stream, tuple[Instruction, ...]]:
        return {
            Stream(core=core, queue=Queue.LOAD): (
                load(dram(8 * core, 1), pad(0, 1), (8,)),
                Signal(semaphore=0),
            ),
            Stream(core=core, queue=Queue.STORE): (
                Wait(semaphore=0),
                store(pad(0, 1), dram(RESULT + 8 * core, 1), (8,)),
            ),
        }

    shared = machine({"ready": 0}, pad_bytes=8)
    program = Program(
        spaces=shared.spaces, semaphores=shared.semaphores, streams={**code(0), **code(3)}
    )
    memory = (np.arange(DRAM_BYTES) % 256).astype(np.uint8)
    run_program(program, {"dram": memory})
    assert memory[RESULT : RESULT + 8].tolist() == list(range(8))
    assert memory[RESULT + 24 : RESULT + 32].tolist() == list(range(24, 32))


def test_a_space_that_no_core_uses_is_only_declared() -> None:
    space = Space(name="dram", size_bytes=4, is_main_memory=True)
    run_program(
        Program(spaces=(space,), semaphores=(), streams={}), {"dram": np.zeros(4, dtype=np.uint8)}
    )


def matmul(dtype: str, *, accumulate: bool, psum: int) -> MatMul:
    """2 products of (2, 3) by (3, 2), weights stored (group, n, k)."""
    size = DTYPES[dtype].size_bytes
    return MatMul(
        groups=(2,),
        m=(2,),
        n=2,
        k=(3,),
        input=pad(0, 6 * size, 3 * size, 0, size),
        weight=pad(12 * size, 6 * size, 0, 3 * size, size),
        psum=pad(psum, 16, 8, 4, 0),
        accumulate=accumulate,
        dtype=DTYPES[dtype],
        tag=0,
    )


@pytest.mark.parametrize("dtype", ["int8", "fp16", "bf16", "fp32"])
def test_a_matmul_multiplies_and_accumulates(dtype: str) -> None:
    rng = np.random.default_rng(1)
    kind = DTYPES[dtype]
    left = rng.integers(-128, 128, (2, 2, 3)).astype(kind.numpy)
    right = rng.integers(-128, 128, (2, 2, 3)).astype(kind.numpy)
    twice = [matmul(dtype, accumulate=False, psum=256), matmul(dtype, accumulate=True, psum=256)]
    result = computed(twice, [left, right], pad(256), kind.accumulator, 8)
    product = left.astype(np.int64) @ right.astype(np.int64).transpose(0, 2, 1)
    # Whole numbers this small are exact in every type.
    assert result.reshape(2, 2, 2).tolist() == (2 * product).tolist()


def test_int8_products_are_exact_at_their_extremes() -> None:
    extremes = np.full((2, 2, 3), -128, dtype=np.int8)
    once = matmul("int8", accumulate=False, psum=256)
    result = computed([once], [extremes, extremes], pad(256), "int32", 8)
    assert result.tolist() == [3 * 128 * 128] * 8


X = np.array([[-40, 3, 16], [0, 127, -128]], dtype=np.int8)
Y = np.array([[1, 100, -16], [5, 127, -128]], dtype=np.int8)
GAMMA = np.array([16, 32, -16], dtype=np.int8)


@pytest.mark.parametrize(
    ("function", "activation", "expected"),
    [
        ("identity", "relu", np.maximum(X, 0)),
        ("relu6", "identity", np.clip(X, 0, 96)),
        ("add", "identity", np.clip(X.astype(int) + Y, -128, 127)),
        ("subtract", "identity", np.clip(X.astype(int) - Y, -128, 127)),
        ("maximum", "relu", np.maximum(np.maximum(X, Y), 0)),
        ("multiply", "identity", np.clip((X.astype(int) * Y + 8) >> 4, -128, 127)),
        # gamma is 1, 2, -1 for the three channels, and the shift the same in sixteenths
        (
            "batch_norm",
            "identity",
            np.clip(((X.astype(int) * GAMMA + 8) >> 4) + GAMMA, -128, 127),
        ),
    ],
)
def test_element_by_element(function: str, activation: str, expected: Array) -> None:
    channel = pad(12, 0, 1)
    inputs = {
        "identity": [pad(0, 3, 1)],
        "relu6": [pad(0, 3, 1)],
        "batch_norm": [pad(0, 3, 1), channel, channel],
    }.get(function, [pad(0, 3, 1), pad(6, 3, 1)])
    instruction = vector(function, (2, 3), inputs, pad(64, 3, 1), activation=activation)
    result = computed([instruction], [X, Y, GAMMA], pad(64), "int8", 6)
    assert result.reshape(2, 3).tolist() == expected.tolist()


@pytest.mark.parametrize("reduced", [1, 2])
@pytest.mark.parametrize("function", ["sum", "mean", "max"])
def test_a_reduction_folds_the_last_dimensions(function: str, reduced: int) -> None:
    data = np.arange(-12, 12, dtype=np.int8).reshape(2, 3, 4)
    axes = (1, 2) if reduced == 2 else (2,)
    wide = data.astype(int)
    expected = {
        "sum": wide.sum(axis=axes),
        "mean": np.floor(wide.mean(axis=axes) + 0.5),
        "max": wide.max(axis=axes),
    }[function]
    output = pad(64, 1, 0, 0) if reduced == 2 else pad(64, 3, 1, 0)
    instruction = vector(function, (2, 3, 4), [pad(0, 12, 4, 1)], output, reduced=reduced)
    result = computed([instruction], [data], pad(64), "int8", expected.size)
    assert result.tolist() == expected.reshape(-1).astype(int).tolist()


def test_a_dot_product_rounds_once() -> None:
    x = np.array([[3, -100, 7], [1, 1, 1]], dtype=np.int8)
    y = np.array([5, 100, 9], dtype=np.int8)
    instruction = vector("dot", (2, 3), [pad(0, 3, 1), pad(6, 0, 1)], pad(64, 1, 0), reduced=1)
    result = computed([instruction], [x, y], pad(64), "int8", 2)
    assert result.tolist() == [-128, 7]  # -9922 and 114 sixteenths of sixteenths


@pytest.mark.parametrize("function", ["softmax", "layer_norm", "rms_norm"])
def test_a_row_may_be_several_dimensions(function: str) -> None:
    data = np.random.default_rng(3).integers(-128, 128, (2, 2, 3), dtype=np.int8)
    gamma, beta = np.arange(1, 13, dtype=np.int8).reshape(2, 6)
    parameters = [pad(12, 0, 3, 1), pad(18, 0, 3, 1)]
    count = {"softmax": 0, "rms_norm": 1, "layer_norm": 2}[function]
    both = [
        vector(function, shape, [whole, *own[:count]], pad(64, *whole.strides), reduced=reduced)
        for shape, whole, own, reduced in (
            ((2, 2, 3), pad(0, 6, 3, 1), parameters, 2),
            ((2, 6), pad(0, 6, 1), [pad(12, 0, 1), pad(18, 0, 1)], 0),
        )
    ]
    several, one = (
        computed([each], [data, gamma, beta], pad(64), "int8", 12).tolist() for each in both
    )
    assert several == one


@pytest.mark.parametrize("dtype", ["fp16", "bf16", "fp32"])
@pytest.mark.parametrize("function", ["softmax", "layer_norm", "rms_norm"])
def test_a_row_function_takes_the_last_dimension_as_a_row(function: str, dtype: str) -> None:
    kind = DTYPES[dtype]
    size = kind.size_bytes
    rng = np.random.default_rng(2)
    data = rng.normal(size=(3, 4)).astype(kind.numpy)
    gamma, beta = rng.normal(size=(2, 4)).astype(kind.numpy)
    rows = pad(0, size, 3 * size)  # the data lies transposed: shape (4, 3) in memory
    gammas, betas = pad(12 * size, 0, size), pad(16 * size, 0, size)
    inputs = {"softmax": [rows], "rms_norm": [rows, gammas]}.get(function, [rows, gammas, betas])
    instruction = vector(
        function, (3, 4), inputs, pad(256, 4 * size, size), input_dtype=kind, output_dtype=kind
    )
    result = computed([instruction], [data.T, gamma, beta], pad(256), dtype, 12).reshape(3, 4)
    x, g, b = (array.astype(np.float64) for array in (data, gamma, beta))
    exponentials = np.exp(x)
    centred = x - x.mean(axis=1, keepdims=True)
    expected = {
        "softmax": exponentials / exponentials.sum(axis=1, keepdims=True),
        "layer_norm": centred / np.sqrt(x.var(axis=1, keepdims=True) + 1e-5) * g + b,
        "rms_norm": x / np.sqrt((x * x).mean(axis=1, keepdims=True) + 1e-5) * g,
    }[function]
    # One rounding to the type, half a unit in its last place, after some in fp32.
    limit = {"fp16": 2**-10, "bf16": 2**-7, "fp32": 2**-20}[dtype]
    np.testing.assert_allclose(result.astype(np.float64), expected, rtol=limit, atol=limit)


def test_requantize_adds_the_bias_shifts_rounds_and_saturates() -> None:
    psums = np.array([[0, 7, 8], [-8, -9, 5000]], dtype=np.int32)
    bias = np.array([0, 0, 8], dtype=np.int32)
    instruction = vector(
        "requantize", (2, 3), [pad(0, 12, 4), pad(24, 0, 4)], pad(64, 3, 1),
        input_dtype=DTYPES["int32"], shift=4,
    )  # fmt: skip
    result = computed([instruction], [psums, bias], pad(64), "int8", 6)
    assert result.tolist() == [0, 0, 1, 0, -1, 127]


def test_requantize_rounds_floats_to_the_output_type() -> None:
    psums = np.array([1.0, 1.0 + 2**-12, -2.5], dtype=np.float32)
    instruction = vector(
        "requantize", (3,), [pad(0, 4)], pad(64, 2),
        input_dtype=DTYPES["fp32"], output_dtype=DTYPES["fp16"], activation="relu",
    )  # fmt: skip
    assert computed([instruction], [psums], pad(64), "fp16", 3).tolist() == [1.0, 1.0, 0.0]


def test_a_vector_instruction_may_work_in_place() -> None:
    data = np.arange(8, dtype=np.int8)
    reverse = vector("identity", (8,), [pad(7, -1)], pad(0, 1))
    assert computed([reverse], [data], pad(0), "int8", 8).tolist() == list(range(8))[::-1]
