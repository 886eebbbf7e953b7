"""Functions of foreign tensors that several functions of the vector unit make up."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial, reduce

import numpy as np

from foundation.numerics import Array
from workloads.layers import Window
from workloads.loaders.imported import vector
from workloads.loaders.imported.importer import Importer
from workloads.loaders.imported.movement import backwards, cut, surround
from workloads.loaders.imported.refused import check_numbers
from workloads.loaders.imported.values import Value, as_it_lies, lying
from workloads.loaders.imported.weights import constant_value, known_array
from workloads.scan import Scan


def power(to: Importer, name: str, value: Value, exponent: float) -> Value:
    """Return ``x ** exponent``: of products and roots, otherwise ``exp(exponent * log(x))``."""
    size = abs(exponent)
    if exponent == 0:
        return constant_value(to, name, np.ones(value.shape, np.float32))
    if size == 0.5:
        value = vector.unary(to, name, "sqrt", value)
    elif size in (2, 3, 4):
        square = vector.binary(to, name, "multiply", value, value)
        value = (
            square
            if size == 2
            else vector.binary(to, name, "multiply", square, value if size == 3 else square)
        )
    elif size != 1:
        value = vector.unary(to, f"{name}.log", "log", value)
        value = vector.with_number(to, f"{name}.times", "multiply", value, exponent)
        return vector.unary(to, name, "exp", value)
    return vector.unary(to, name, "reciprocal", value) if exponent < 0 else value


def leaky_relu(to: Importer, name: str, value: Value, slope: float) -> Value:
    """Return ``max(x, slope * x)``, or with a minimum for a slope above 1."""
    small = vector.with_number(to, f"{name}.slope", "multiply", value, slope)
    return vector.binary(to, name, "maximum" if slope <= 1 else "minimum", value, small)


def prelu(to: Importer, name: str, value: Value, slope: Value) -> Value:
    """Return ``max(x, 0) + slope * min(x, 0)``."""
    low = vector.with_number(to, f"{name}.low", "minimum", value, 0.0)
    low = vector.binary(to, f"{name}.slope", "multiply", low, slope)
    high = vector.unary(to, f"{name}.high", "relu", value)
    return vector.binary(to, name, "add", high, low)


def elu(to: Importer, name: str, value: Value, slope: float, scale: float) -> Value:
    """Return ``scale * (max(x, 0) + slope * (exp(min(x, 0)) - 1))``."""
    low = vector.with_number(to, f"{name}.low", "minimum", value, 0.0)
    low = vector.unary(to, f"{name}.exp", "exp", low)
    low = vector.with_number(to, f"{name}.low", "subtract", low, 1.0)
    low = vector.with_number(to, f"{name}.slope", "multiply", low, slope)
    high = vector.unary(to, f"{name}.high", "relu", value)
    whole = vector.binary(to, name, "add", high, low)
    return vector.with_number(to, f"{name}.scale", "multiply", whole, scale)


def celu(to: Importer, name: str, value: Value, slope: float = 1.0) -> Value:
    """Return ``max(x, 0) + slope * (exp(min(x / slope, 0)) - 1)``."""
    scaled = vector.with_number(to, f"{name}.scaled", "divide", value, slope)
    return elu(to, name, scaled, 1.0, slope)


def mish(to: Importer, name: str, value: Value) -> Value:
    """Return ``x * tanh(softplus(x))``."""
    factor = vector.unary(to, f"{name}.softplus", "softplus", value)
    factor = vector.unary(to, f"{name}.tanh", "tanh", factor)
    return vector.binary(to, name, "multiply", value, factor)


def softsign(to: Importer, name: str, value: Value) -> Value:
    """Return ``x / (1 + |x|)``."""
    size = vector.unary(to, f"{name}.absolute", "absolute", value)
    size = vector.with_number(to, f"{name}.size", "add", size, 1.0)
    return vector.binary(to, name, "divide", value, size)


def square(to: Importer, name: str, value: Value) -> Value:
    """Return ``x * x``."""
    return vector.binary(to, name, "multiply", value, value)


def log_sigmoid(to: Importer, name: str, value: Value) -> Value:
    """Return ``log(sigmoid(x))``."""
    return vector.unary(to, name, "log", vector.unary(to, f"{name}.sigmoid", "sigmoid", value))


def choice(to: Importer, name: str, condition: Array, yes: Value, no: Value) -> Value:
    """Return a choice by a known condition: both sides times 0 or 1, added."""
    mask = condition.astype(np.float32)
    shape = np.broadcast_shapes(mask.shape, yes.shape, no.shape)
    parts = []
    for number, (side, part) in enumerate(((yes, mask), (no, 1 - mask))):
        numbers = known_array(side)
        if not part.any():
            continue
        if part.all():
            parts.append(side)
        elif numbers is not None:
            array = np.where(part, numbers, 0).astype(np.float32)
            parts.append(constant_value(to, f"{name}.side{number}", array))
        else:
            factor = constant_value(to, f"{name}.mask{number}", part)
            parts.append(vector.binary(to, name, "multiply", side, factor))
    whole = reduce(partial(vector.binary, to, name, "add"), parts)
    return vector.expand(to, name, whole, shape)


def negation(to: Importer, name: str, value: Value) -> Value:
    """Return 1 - x: what is false where x, of ones and zeros, is true."""
    one = constant_value(to, f"{name}.one", np.ones((), np.float32))
    return vector.binary(to, name, "subtract", one, value)


def equal(to: Importer, name: str, left: Value, right: Value) -> Value:
    """Return 1 where two numbers are equal, else 0: where neither is greater."""
    more = vector.binary(to, f"{name}.more", "greater", left, right)
    less = vector.binary(to, f"{name}.less", "greater", right, left)
    return negation(to, name, vector.binary(to, f"{name}.differ", "add", more, less))


def sign(to: Importer, name: str, value: Value) -> Value:
    """Return 1, 0 or -1."""
    zero = constant_value(to, f"{name}.zero", np.zeros((), np.float32))
    more = vector.binary(to, f"{name}.more", "greater", value, zero)
    less = vector.binary(to, f"{name}.less", "greater", zero, value)
    return vector.binary(to, name, "subtract", more, less)


def nonzero_sum(to: Importer, name: str, total: Value) -> Value:
    """Return what isn't negative, with 1 in the place of 0: to divide by."""
    zero = constant_value(to, f"{name}.zero", np.zeros((), np.float32))
    more = vector.binary(to, f"{name}.more", "greater", total, zero)
    return vector.binary(to, name, "add", total, negation(to, f"{name}.none", more))


def computed_choice(to: Importer, name: str, condition: Value, yes: Value, no: Value) -> Value:
    """Return a choice by a condition of ones and zeros: both sides times it or the rest, added."""
    first = vector.binary(to, f"{name}.yes", "multiply", yes, condition)
    rest = negation(to, f"{name}.rest", condition)
    second = vector.binary(to, f"{name}.no", "multiply", no, rest)
    return vector.binary(to, name, "add", first, second)


def running_sum(
    to: Importer, name: str, value: Value, axis: int, *, exclusive: bool, reverse: bool
) -> Value:
    """Return the sums of all elements along an axis up to each: a scan that keeps its state."""
    check_numbers([value.source])
    size = value.shape[axis]
    if reverse:
        value = backwards(to, f"{name}.turned", value, axis)
    if exclusive:
        moved = surround(to, f"{name}.moved", value, axis, (1, 0), 0.0)
        value = cut(to, f"{name}.moved", moved, axis, 0, size)
    lie = as_it_lies(value)
    tensor = to.tensor(value, lie)
    ones = to.filled(f"{name}.ones", tensor.shape, 1.0)
    sums = lying(to.layer(name, Scan(axis=lie.index(axis)), (ones, tensor)), lie)
    return backwards(to, f"{name}.back", sums, axis) if reverse else sums


def response_norm(
    to: Importer, name: str, value: Value, size: int, alpha: float, beta: float, bias: float
) -> Value:
    """Return ``x / (bias + alpha · mean of x² over neighbouring channels) ** beta``, of AlexNet.

    The mean is over ``size`` channels, beyond the outermost of which there are zeros.
    """
    channels = value.shape[1]
    last = value.transposed([0, *range(2, value.rank), 1])
    rows = to.reshaped(last, (value.size_elements // channels, 1, channels))
    squares = vector.binary(to, f"{name}.squares", "multiply", rows, rows)
    window = Window(size, 1, 1, (size - 1) // 2, size // 2)
    means = vector.pool(to, f"{name}.mean", "mean", squares, [window])
    scale = vector.with_number(to, f"{name}.alpha", "multiply", means, alpha)
    scale = vector.with_number(to, f"{name}.bias", "add", scale, bias)
    factor = power(to, f"{name}.power", scale, -beta)
    whole = vector.binary(to, name, "multiply", rows, factor)
    back = to.reshaped(whole, last.shape)
    return back.transposed([0, value.rank - 1, *range(1, value.rank - 1)])


def least(to: Importer, name: str, value: Value, axes: Sequence[int], *, keeps: bool) -> Value:
    """Return a minimum as the negative of the largest negative."""
    turned = vector.unary(to, f"{name}.negative", "negative", value)
    largest = vector.reduce(to, name, "max", turned, axes, keeps=keeps)
    return vector.unary(to, f"{name}.back", "negative", largest)


def moments(
    to: Importer, name: str, value: Value, axes: Sequence[int], *, keeps: bool
) -> tuple[Value, Value]:
    """Return mean and variance over some axes."""
    # Approximation: the variance divides by the number of elements, whatever correction is asked.
    mean = vector.reduce(to, f"{name}.mean", "mean", value, axes, keeps=True)
    centred = vector.binary(to, f"{name}.centred", "subtract", value, mean)
    squares = vector.binary(to, f"{name}.squares", "multiply", centred, centred)
    variance = vector.reduce(to, f"{name}.variance", "mean", squares, axes, keeps=keeps)
    shape = variance.shape
    return to.reshaped(mean, shape), variance
