"""What each vector function computes, in NumPy, for every dtype.

Integers are exact, whatever the order of summation: an int8 tensor holds fixed-point values
``q / 16``, non-linear functions are 256-entry tables, and rows are normalised from integer sums.
Floating point is computed in fp32 and rounded once to the dtype.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foundation.dtype import Dtype
from foundation.functions import SLOPES

Array = NDArray[Any]

#: Fraction bits of every int8 tensor: 16 stands for 1.0.
# Approximation: one scale for all int8 tensors. Scales per tensor change values, not cycles.
FRACTION_BITS = 4
ONE = 1 << FRACTION_BITS
#: Added to a variance before its root is taken, in real units squared.
EPSILON = 1e-5
#: Fraction bits of the integer scales of weights.
SCALE_BITS = 15
#: The largest numbers of the two types of OFP8, and of one with fp32's exponent and 10 bits.
_LARGEST_FP8 = {"fp8_e4m3": 448.0, "fp8_e5m2": 57344.0}
_LARGEST_TF32 = (2 - 2.0**-10) * 2.0**127


def saturate(values: Any, dtype: Dtype) -> Array:
    """Round ``values`` to ``dtype``, clipping integers at their ends."""
    if dtype.is_integer:
        limits = np.iinfo(dtype.numpy)
        values = np.clip(values, limits.min, limits.max)
    elif dtype.name in _LARGEST_FP8:
        # The saturating mode of OFP8: what is too large becomes the largest number.
        largest = _LARGEST_FP8[dtype.name]
        values = np.clip(values, -largest, largest)
    elif dtype.name == "tf32":
        return _rounded_tf32(np.asarray(values, dtype=np.float32))
    result: Array = values.astype(dtype.numpy)
    return result


def _rounded_tf32(values: Array) -> Array:
    """Return fp32 numbers with the 13 low bits of the mantissa rounded off, half to even."""
    bits = values.view(np.uint32)
    rounded = (bits + np.uint32(0xFFF) + ((bits >> np.uint32(13)) & np.uint32(1))) & ~np.uint32(
        0x1FFF
    )
    return np.where(np.isfinite(values), rounded.view(np.float32), values)


def limits(dtype: Dtype) -> tuple[float, float]:
    """Return the smallest and the largest real number that ``dtype`` holds."""
    if dtype.is_integer:
        integers = np.iinfo(dtype.numpy)
        return integers.min / _one(dtype), integers.max / _one(dtype)
    if dtype.name in _LARGEST_FP8:
        return -_LARGEST_FP8[dtype.name], _LARGEST_FP8[dtype.name]
    if dtype.name == "tf32":
        return -_LARGEST_TF32, _LARGEST_TF32
    infinity = np.array([np.inf], dtype=dtype.numpy)
    bits = infinity.view(f"u{dtype.size_bytes}")  # one below, as an integer, is the largest number
    largest = float((bits - 1).view(dtype.numpy)[0])
    return -largest, largest


def stored(number: float | Array, dtype: Dtype) -> Array:
    """Return real numbers within `limits` as elements of ``dtype``, rounded; shape () of one."""
    scaled = np.rint(number * _one(dtype)) if dtype.is_integer else number
    return saturate(np.asarray(scaled, dtype=np.float64), dtype)


def real(element: Array, dtype: Dtype) -> float:
    """Return the real number that one element of ``dtype`` stands for."""
    return float(element) / _one(dtype)


def _one(dtype: Dtype) -> int:
    """Return what stands for 1: int8 is fixed point, int32 holds indices as they are."""
    return ONE if dtype.name == "int8" else 1


def default_shift(reduction: int, weight_bits: int = 8) -> int:
    """Return the right shift that brings int8 dot products of this length back to int8 range.

    Products of uniform int8 operands have a standard deviation near ``2**12.4``; their sum grows
    with the square root of ``reduction``. Weights of ``weight_bits`` make smaller ones.
    """
    return weight_bits - 1 + reduction.bit_length() // 2


def requantize(accumulated: Array, bias: Array | None, shift: int, dtype: Dtype) -> Array:
    """Return ``(accumulated + bias) / 2**shift``, rounded half up, saturated to ``dtype``.

    Parameters
    ----------
    accumulated
        int32 or fp32 array, shape (..., N).
    bias
        Array of the same type, shape (N,) or one that broadcasts; None for none.
    shift
        Used for integers only; floating point is just rounded to ``dtype``.
    dtype
        Type of the result.
    """
    wide = _widened(accumulated, dtype)
    if bias is not None:
        wide = wide + bias
    if dtype.is_integer and shift:
        wide = (wide + (1 << (shift - 1))) >> shift
    return saturate(wide, dtype)


def rescale(
    accumulated: Array, scale: Array, bias: Array | None, shift: int, dtype: Dtype
) -> Array:
    """Return `requantize` of accumulated times scale.

    Parameters
    ----------
    accumulated, bias, shift, dtype
        As of `requantize`.
    scale
        Array of the accumulators' type, one value or one for each channel; for integers in units
        of 2**-15, and the product is rounded half up.
    """
    product = _widened(accumulated, dtype) * _widened(scale, dtype)
    if dtype.is_integer:
        product = (product + (1 << (SCALE_BITS - 1))) >> SCALE_BITS
    return requantize(product, bias, shift, dtype)


def unary(function: str, values: Array, dtype: Dtype) -> Array:
    """Return ``function(values)`` element by element.

    Floating point follows IEEE 754 where there is no value: infinity or NaN.
    """
    if function == "identity":
        return values
    if dtype.is_integer:
        looked_up: Array = _table(function, dtype)[values.astype(np.int64) + 128]
        return looked_up
    with np.errstate(all="ignore"):
        return saturate(_real_unary(function, _widened(values, dtype)), dtype)


def binary(function: str, left: Array, right: Array, dtype: Dtype) -> Array:
    """Return ``function(left, right)`` element by element, with NumPy's broadcasting.

    Of fixed-point numbers a quotient by 0 is the end of the range on its side, 0 / 0 is 0.
    ``greater`` is 1 or 0.
    """
    a, b = _widened(left, dtype), _widened(right, dtype)
    match function:
        case "add":
            result = a + b
        case "subtract":
            result = a - b
        case "multiply":
            result = _rounded_shift(a * b) if dtype.is_integer else a * b
        case "divide":
            result = _quotient(a, b) if dtype.is_integer else _ieee_quotient(a, b)
        case "maximum":
            result = np.maximum(a, b)
        case "minimum":
            result = np.minimum(a, b)
        case "greater":
            return stored((a > b).astype(np.float64), dtype)
        case _ if function.removesuffix("_gradient") in SLOPES:
            slope = _slope(function.removesuffix("_gradient"), right, dtype)
            result = _rounded_shift(a * slope) if dtype.is_integer else a * slope
        case _:
            raise ValueError(f"unknown binary function '{function}'")
    return saturate(result, dtype)


def equal(left: Array, right: Array, dtype: Dtype) -> Array:
    """Return 1 where int32 numbers are equal, else 0, in ``dtype``; with NumPy's broadcasting."""
    return stored((left == right).astype(np.float64), dtype)


def cast(values: Array, dtype: Dtype) -> Array:
    """Return real numbers, fixed-point or whole ones rounded to ``dtype``.

    To int8 they are rounded half up and saturate; NaN is 0.
    """
    numbers = _numbers(values)
    if dtype.is_integer:
        numbers = np.floor(_without_nan(numbers) * _one(dtype) + 0.5)
    with np.errstate(over="ignore"):
        return saturate(numbers, dtype)


def batch_norm(values: Array, scale: Array, shift: Array, dtype: Dtype) -> Array:
    """Return ``values * scale + shift`` along the last axis."""
    product = _widened(values, dtype) * _widened(scale, dtype)
    if dtype.is_integer:
        product = _rounded_shift(product)
    return saturate(product + _widened(shift, dtype), dtype)


def floor_int32(values: Array) -> Array:
    """Return the largest int32 numbers that aren't above real ones; 0 for NaN."""
    limits_ = np.iinfo(np.int32)
    whole = np.floor(_without_nan(_numbers(values)))
    result: Array = np.clip(whole, limits_.min, limits_.max).astype(np.int32)
    return result


def reduction(function: str, values: Array, axes: tuple[int, ...], dtype: Dtype) -> Array:
    """Return the sum, mean or max over ``axes``, which disappear.

    ``argmax`` is the row-major number of the first largest element, int32.
    """
    if function == "argmax":
        last = np.moveaxis(values, axes, range(values.ndim - len(axes), values.ndim))
        rows = last.reshape(*last.shape[: values.ndim - len(axes)], -1)
        largest: Array = rows.argmax(axis=-1).astype(dtype.numpy)
        return largest
    wide = _widened(values, dtype)
    match function:
        case "sum":
            result = wide.sum(axis=axes)
        case "max":
            result = wide.max(axis=axes)
        case "mean":
            result = wide.sum(axis=axes)
            count = int(np.prod([values.shape[axis] for axis in axes]))
            result = (2 * result + count) // (2 * count) if dtype.is_integer else result / count
        case _:
            raise ValueError(f"unknown reduction '{function}'")
    return saturate(np.asarray(result), dtype)


def dot(left: Array, right: Array, axes: tuple[int, ...], dtype: Dtype) -> Array:
    """Return the sum over ``axes``, which disappear, of products; it is rounded once."""
    result = (_widened(left, dtype) * _widened(right, dtype)).sum(axis=axes)
    if dtype.is_integer:
        result = _rounded_shift(result)
    return saturate(np.asarray(result), dtype)


def max_gradient(
    values: Array, largest: Array, gradient: Array, axes: tuple[int, ...], dtype: Dtype
) -> Array:
    """Return the sum over ``axes``, which disappear, of gradients where values are the largest."""
    result = np.where(values == largest, _widened(gradient, dtype), 0).sum(axis=axes)
    return saturate(np.asarray(result), dtype)


def order(values: Array) -> Array:
    """Return the numbers of each row's elements, the largest first, as int32; equals keep order."""
    wide = values.astype(np.int64 if values.dtype.kind == "i" else np.float64)
    return np.argsort(-wide, axis=-1, kind="stable").astype(np.int32)


def scan(decay: Array, added: Array, dtype: Dtype) -> Array:
    """Return all states of ``state = decay · state + added`` along the last axis, from zero.

    Integers are rounded and saturated in each step; a floating-point state stays in fp32.
    """
    factors, summands = _widened(decay, dtype), _widened(added, dtype)
    states = np.empty_like(summands)
    state = np.zeros_like(summands[..., 0])
    for place in range(summands.shape[-1]):
        product = factors[..., place] * state
        if dtype.is_integer:
            total = _rounded_shift(product) + summands[..., place]
            state = saturate(total, dtype).astype(np.int64)
        else:
            state = product + summands[..., place]
        states[..., place] = state
    return saturate(states, dtype)


def softmax(values: Array, dtype: Dtype) -> Array:
    """Return the softmax of each row along the last axis."""
    if dtype.is_integer:
        wide = _widened(values, dtype)
        below_max = wide.max(axis=-1, keepdims=True) - wide
        weights = np.rint(np.exp(-np.arange(256) / ONE) * 65536).astype(np.int64)[below_max]
        total = weights.sum(axis=-1, keepdims=True)
        return saturate((2 * ONE * weights + total) // (2 * total), dtype)
    real = _widened(values, dtype)
    exponentials = np.exp(real - real.max(axis=-1, keepdims=True))
    return saturate(exponentials / exponentials.sum(axis=-1, keepdims=True), dtype)


def layer_norm(values: Array, gamma: Array, beta: Array, dtype: Dtype) -> Array:
    """Return each row along the last axis with mean 0 and deviation 1, times gamma plus beta."""
    length = values.shape[-1]
    if dtype.is_integer:
        wide = _widened(values, dtype)
        total = wide.sum(axis=-1, keepdims=True)
        squares = (wide * wide).sum(axis=-1, keepdims=True)
        variance = (length * squares - total * total) / (length * length)
        centred = (wide * length - total) / length
        normal = centred / np.sqrt(variance + EPSILON * ONE * ONE)
        return saturate(np.rint(normal * gamma + beta), dtype)
    real = _widened(values, dtype)
    centred = real - real.mean(axis=-1, keepdims=True)
    variance = (centred * centred).mean(axis=-1, keepdims=True)
    normal = centred / np.sqrt(variance + np.float32(EPSILON))
    return saturate(normal * _widened(gamma, dtype) + _widened(beta, dtype), dtype)


def rms_norm(values: Array, gamma: Array, dtype: Dtype) -> Array:
    """Return each row along the last axis divided by its root mean square, times gamma."""
    length = values.shape[-1]
    if dtype.is_integer:
        wide = _widened(values, dtype)
        mean_square = (wide * wide).sum(axis=-1, keepdims=True) / length
        return saturate(np.rint(wide * gamma / np.sqrt(mean_square + EPSILON * ONE * ONE)), dtype)
    real = _widened(values, dtype)
    mean_square = (real * real).mean(axis=-1, keepdims=True)
    scaled = real / np.sqrt(mean_square + np.float32(EPSILON))
    return saturate(scaled * _widened(gamma, dtype), dtype)


def wide(dtype: Dtype) -> np.dtype[Any]:
    """Return the type in which elements of ``dtype`` are computed on: never narrower than fp32."""
    if dtype.is_integer:
        return np.dtype(np.int64)
    return np.dtype(np.float64 if dtype.bits > 32 else np.float32)


def _widened(values: Array, dtype: Dtype) -> Any:
    """Return ``values`` in the type in which they are computed on."""
    return values.astype(wide(dtype))


def _numbers(values: Array) -> Array:
    """Return the numbers that elements stand for, in fp64: int8 is fixed point."""
    wide_values: Array = values.astype(np.float64)
    return wide_values / ONE if values.dtype == np.int8 else wide_values


def _without_nan(values: Array) -> Array:
    """Return numbers with 0 in the place of each NaN."""
    return np.where(np.isnan(values), 0.0, values)


def _rounded_shift(product: Any) -> Any:
    """Bring a product of two fixed-point values back to ``FRACTION_BITS``, rounding half up."""
    return (product + ONE // 2) >> FRACTION_BITS


def _ieee_quotient(a: Any, b: Any) -> Any:
    with np.errstate(all="ignore"):
        return a / b


def _quotient(a: Any, b: Any) -> Any:
    """Return a quotient of fixed-point values, rounded half up."""
    largest = np.iinfo(np.int32).max
    whole = np.where(b == 0, 1, b)
    return np.where(b == 0, np.sign(a) * largest, (2 * a * ONE + whole) // (2 * whole))


@cache
def _table(function: str, dtype: Dtype) -> Array:
    """Return ``function`` of all 256 int8 values, most negative first."""
    if dtype.name != "int8":
        raise ValueError(f"'{function}' has no table for {dtype}")
    with np.errstate(divide="ignore", invalid="ignore"):
        real = _real_unary(function, np.arange(-128, 128, dtype=np.float64) / ONE)
    # What has no value is at the lower end: a logarithm or a root of a negative number.
    return saturate(np.nan_to_num(np.rint(real * ONE), nan=-np.inf), dtype)


def _slope(function: str, at: Array, dtype: Dtype) -> Any:
    """Return the slope of a function at its result or operand, as `SLOPES` says."""
    if not dtype.is_integer:
        with np.errstate(all="ignore"):
            return _real_slope(function, _widened(at, dtype))
    real_slope = _real_slope(function, at.astype(np.float64) / ONE)
    return np.rint(real_slope * ONE).astype(np.int64)


def _real_slope(function: str, x: Any) -> Any:
    match function:
        case "relu":
            return (x > 0).astype(x.dtype)
        case "relu6":
            return ((x > 0) & (x < 6)).astype(x.dtype)
        case "sigmoid":
            return x * (1 - x)
        case "tanh":
            return 1 - x * x
        case "hard_sigmoid":
            return ((x > 0) & (x < 1)).astype(x.dtype) / 6
        case "gelu":  # of the tanh form
            root = np.sqrt(2 / np.pi).astype(x.dtype)
            tanh = np.tanh(root * (x + 0.044715 * x**3))
            return 0.5 * (1 + tanh) + 0.5 * x * (1 - tanh * tanh) * root * (1 + 0.134145 * x * x)
        case "silu":
            sigmoid = 1 / (1 + np.exp(-x))
            return sigmoid * (1 + x * (1 - sigmoid))
        case "hard_swish":
            return np.where(x > 3, 1, np.where(x > -3, (2 * x + 3) / 6, 0)).astype(x.dtype)
        case "absolute":
            return np.sign(x)
        case "erf":
            return np.sqrt(4 / np.pi).astype(x.dtype) * np.exp(-x * x)
        case _:
            raise ValueError(f"unknown slope '{function}'")


def _real_unary(function: str, x: Any) -> Any:
    match function:
        case "relu":
            return np.maximum(x, 0)
        case "relu6":
            return np.clip(x, 0, 6)
        case "gelu":  # the tanh form, D. Hendrycks and K. Gimpel, arXiv:1606.08415
            return (
                0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi).astype(x.dtype) * (x + 0.044715 * x**3)))
            )
        case "silu":
            return x / (1 + np.exp(-x))
        case "sigmoid":
            return 1 / (1 + np.exp(-x))
        case "tanh":
            return np.tanh(x)
        case "hard_swish":
            return x * np.clip(x + 3, 0, 6) / 6
        case "hard_sigmoid":  # slope 1/6, as in hard_swish
            return np.clip(x + 3, 0, 6) / 6
        case "softplus":
            return np.logaddexp(x, 0)
        case "absolute":
            return np.abs(x)
        case "negative":
            return -x
        case "exp":
            return np.exp(x)
        case "log":
            return np.log(x)
        case "sqrt":
            return np.sqrt(x)
        case "reciprocal":
            return 1 / x
        case "erf":
            return np.vectorize(math.erf, otypes=[x.dtype])(x)
        case "floor":
            return np.floor(x)
        case _:
            raise ValueError(f"unknown unary function '{function}'")
