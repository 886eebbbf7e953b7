"""Functions of elements and rows in plain NumPy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from foundation import numerics
from foundation.dtype import Dtype
from foundation.functions import FUNCTIONS, FunctionKind
from foundation.numerics import Array
from workloads.evaluate_windows import sliding
from workloads.indexing import RowNumbers
from workloads.layers import (
    Elementwise,
    Normalize,
    Reduce,
)
from workloads.normalization import GroupNormalize
from workloads.resize import NEIGHBOURS, Interpolate
from workloads.sampling import Ramp
from workloads.scan import Scan
from workloads.selection import Sort


def elementwise(operator: Elementwise, inputs: Sequence[Array], dtype: Dtype) -> Array:
    """Return a function of elements."""
    if FUNCTIONS[operator.function].kind is FunctionKind.UNARY:
        result = numerics.unary(operator.function, inputs[0], dtype)
    else:
        result = numerics.binary(operator.function, inputs[0], inputs[1], dtype)
    return numerics.unary(operator.activation, result, dtype)


def normalize(
    operator: Normalize, values: Array, learned: Mapping[str, Array], dtype: Dtype
) -> Array:
    """Return a function of rows, or of channels."""
    match operator.function:
        case "softmax":
            last = np.moveaxis(values, operator.axis, -1)
            return np.moveaxis(numerics.softmax(last, dtype), -1, operator.axis)
        case "layer_norm":
            return numerics.layer_norm(values, learned["gamma"], learned["beta"], dtype)
        case "rms_norm":
            return numerics.rms_norm(values, learned["gamma"], dtype)
        case _:
            return numerics.batch_norm(values, learned["gamma"], learned["beta"], dtype)


def group_normalize(
    operator: GroupNormalize, values: Array, learned: Mapping[str, Array], dtype: Dtype
) -> Array:
    """Return a layer normalization of groups of channels."""
    parted = values.reshape(len(values), -1, operator.groups, values.shape[-1] // operator.groups)
    rows = parted.swapaxes(1, 2)
    gamma, beta = (
        np.broadcast_to(learned[role].reshape(operator.groups, 1, -1), rows.shape[1:])
        for role in ("gamma", "beta")
    )
    one = (operator.groups, -1)
    flat = rows.reshape(len(values), *one)
    result = numerics.layer_norm(flat, gamma.reshape(one), beta.reshape(one), dtype)
    return result.reshape(rows.shape).swapaxes(1, 2).reshape(values.shape)


def interpolated(operator: Interpolate, values: Array, weight: Array, dtype: Dtype) -> Array:
    """Return the neighbours of each element, weighted anew for each output."""
    last = np.moveaxis(values, operator.axis, -1)
    padded = np.pad(last, [(0, 0)] * (last.ndim - 1) + [(1, 1)])
    neighbours = sliding(padded, [NEIGHBOURS], (-1,))[..., np.newaxis, :]
    spread = np.broadcast_to(weight, (*neighbours.shape[:-2], *weight.shape[-2:]))
    result = numerics.dot(neighbours, spread, (last.ndim + 1,), dtype)
    return np.moveaxis(result.reshape(*last.shape[:-1], -1), -1, operator.axis)


def sorted_rows(operator: Sort, values: Array) -> Array:
    """Sort with Python's own sort, which keeps the order of equals."""

    def places(row: Array) -> list[int]:
        listed = row.tolist()
        return sorted(range(len(listed)), key=listed.__getitem__, reverse=True)

    order = np.apply_along_axis(places, operator.axis, values).astype(np.int32)
    if operator.function == "argsort":
        return order
    return np.take_along_axis(values, order, axis=operator.axis)


def row_numbers(operator: RowNumbers, indices: Array, offset: Array) -> Array:
    """Return the rows of tables that lie one after the other."""
    batch = operator.batch_axes
    shared = indices.shape[batch:]
    between = (1,) * (len(operator.tables) - batch)
    spread = indices.reshape(*indices.shape[:batch], *between, *shared)
    result: Array = spread + offset.reshape(*offset.shape, *(1 for _ in shared))
    return result


def reduced(operator: Reduce, values: Array, dtype: Dtype) -> Array:
    """Return a function of all elements along some axes, which go; (1,) is left of all."""
    axes = operator.positive_axes(values.ndim)
    return np.atleast_1d(numerics.reduction(operator.function, values, axes, dtype))


def scanned(operator: Scan, inputs: Sequence[Array], dtype: Dtype) -> Array:
    """Return the states of a linear recurrence along an axis."""
    decay, added = (np.moveaxis(values, operator.axis, -1) for values in inputs)
    return np.moveaxis(numerics.scan(decay, added, dtype), -1, operator.axis)


def ramped(operator: Ramp, values: Array, ramp: Array, dtype: Dtype) -> Array:
    """Return a function of an input and numbers along one axis."""
    behind = -operator.axis % values.ndim - 1
    along = ramp.reshape(-1, *(1,) * (behind % values.ndim))
    return numerics.binary(operator.function, values, along, dtype)
