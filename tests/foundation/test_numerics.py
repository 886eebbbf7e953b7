"""Exact values of what `tests/workloads/test_evaluate.py` doesn't reach, and refusals."""

from __future__ import annotations

import numpy as np
import pytest

from foundation import numerics
from foundation.dtype import DTYPES
from foundation.errors import nearest
from foundation.functions import FUNCTIONS, FunctionKind, names

INT8, INT32, FP32 = DTYPES["int8"], DTYPES["int32"], DTYPES["fp32"]


@pytest.mark.parametrize(
    ("accumulated", "shift", "expected"),
    [(5, 1, 3), (-5, 1, -2), (7, 3, 1), (3, 3, 0), (-4, 3, 0), (-5, 3, -1), (300, 0, 127)],
)
def test_requantize_rounds_half_up(accumulated: int, shift: int, expected: int) -> None:
    result = numerics.requantize(np.array([accumulated], np.int32), None, shift, INT8)
    assert result.tolist() == [expected]


def test_the_default_shift_keeps_random_sums_in_range() -> None:
    generator = np.random.default_rng(0)
    for length in (1, 27, 256, 4608):
        a, b = generator.integers(-128, 128, (2, 500, length))
        result = (a * b).sum(axis=1) >> numerics.default_shift(length)
        assert 15 < result.std() < 130


@pytest.mark.parametrize("function", names(FunctionKind.UNARY))
def test_tables_agree_with_floating_point(function: str) -> None:
    values = np.arange(-128, 128).astype(np.int8)
    real = numerics.unary(function, values.astype(np.float32) / 16, FP32)
    expected = np.clip(np.nan_to_num(real * 16, nan=-np.inf), -128, 127)  # no value: the least
    assert np.abs(numerics.unary(function, values, INT8) - expected).max() <= 0.5 + 1e-5


def test_quotients_of_fixed_point_numbers_are_rounded() -> None:
    every = np.arange(-128, 128).astype(np.int8)
    left, right = np.meshgrid(every, every)
    with np.errstate(all="ignore"):
        exact = 16 * left.astype(np.float64) / right
    exact = np.clip(np.nan_to_num(exact, nan=0.0), -128, 127)
    assert np.abs(numerics.binary("divide", left, right, INT8) - exact).max() <= 0.5


def test_a_softmax_sums_to_one() -> None:
    values = np.random.default_rng(0).integers(-128, 128, (50, 16)).astype(np.int8)
    total = numerics.softmax(values, INT8).sum(axis=-1, dtype=np.int64)
    assert np.abs(total - 16).max() <= 8  # 16 values, each rounded by up to a half


def test_unknown_functions() -> None:
    values = np.zeros(3, np.float32)
    with pytest.raises(ValueError, match=r"^unknown unary function 'sinc'$"):
        numerics.unary("sinc", values, FP32)
    with pytest.raises(ValueError, match=r"^unknown binary function 'power'$"):
        numerics.binary("power", values, values, FP32)
    with pytest.raises(ValueError, match=r"^unknown reduction 'product'$"):
        numerics.reduction("product", values, (0,), FP32)
    with pytest.raises(ValueError, match=r"^'relu' has no table for int32$"):
        numerics.unary("relu", np.zeros(3, np.int32), INT32)


def test_numpy_types_have_the_same_size() -> None:
    for dtype in DTYPES.values():
        assert dtype.numpy.itemsize == dtype.size_bytes
        assert DTYPES[dtype.accumulator].is_integer == dtype.is_integer
        assert str(dtype) == dtype.name


def test_every_function_has_a_cost() -> None:
    assert all(function.operations >= 1 for function in FUNCTIONS.values())
    assert sorted(name for kind in FunctionKind for name in names(kind)) == sorted(FUNCTIONS)


def test_nearest() -> None:
    assert nearest("strid", ["stride", "kernel"]) == "; did you mean 'stride'?"
    assert nearest("xyz", ["stride", "kernel"]) == ""


@pytest.mark.parametrize(
    ("dtype", "largest"),
    [("int8", 127 / 16), ("int32", 2**31 - 1), ("fp16", 65504), ("fp32", (2 - 2**-23) * 2.0**127)],
)
def test_limits_are_held_exactly(dtype: str, largest: float) -> None:
    low, high = numerics.limits(DTYPES[dtype])
    assert high == largest
    held = [numerics.stored(end, DTYPES[dtype]) for end in (low, high)]
    assert [numerics.real(element, DTYPES[dtype]) for element in held] == [low, high]
