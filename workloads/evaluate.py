"""The meaning of a graph in plain NumPy: what every mapping must compute.

Shares only `foundation.numerics` with the interpreter of programs; windows, contraction, slices and
broadcasting are NumPy's own, so that a mistake in lowering can't be made twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from foundation import numerics
from foundation.dtype import Dtype
from foundation.errors import WorkloadError
from foundation.numerics import Array
from workloads.conversions import Cast
from workloads.evaluate_functions import (
    elementwise,
    group_normalize,
    interpolated,
    normalize,
    ramped,
    reduced,
    row_numbers,
    scanned,
    sorted_rows,
)
from workloads.evaluate_products import (
    convolution,
    convolution_gradient,
    linear,
    matmul,
    transposed_convolution,
)
from workloads.evaluate_windows import pool, pool_gradient
from workloads.gradients import ConvolutionGradient, Flip, PoolGradient
from workloads.graph import Graph, Layer, Operator
from workloads.indexing import FixedGather, Gather, OneHot, RowNumbers
from workloads.layers import (
    Concat,
    Convolution,
    Elementwise,
    Embedding,
    Linear,
    MatMul,
    Normalize,
    Pool,
    Reduce,
    Reshape,
    Slice,
    Transpose,
)
from workloads.normalization import GroupNormalize
from workloads.resize import Interpolate, Repeat
from workloads.sampling import FloorInt32, LookupTable, Ramp, WeightedSum
from workloads.scan import Scan
from workloads.selection import Sort
from workloads.sparse import NeighbourSum
from workloads.transposed import TransposedConvolution


def evaluate(graph: Graph, tensors: Mapping[str, Array]) -> dict[str, Array]:
    """Return the value of every activation.

    Parameters
    ----------
    graph
        The network.
    tensors
        Values of its inputs and parameters, as from `random_tensors`.
    """
    values = dict(tensors)
    for layer in graph.layers:
        values[layer.name] = _layer(graph, layer, values)
    return {layer.name: values[layer.name] for layer in graph.layers}


def _layer(graph: Graph, layer: Layer, values: Mapping[str, Array]) -> Array:
    inputs, operator = [values[name] for name in layer.inputs], layer.operator
    learned = {role: values[name] for role, name in layer.parameters.items()}
    dtype = graph.output_tensor(layer).dtype
    for theme in (_product, _function, _look_up):
        result = theme(operator, inputs, learned, dtype)
        if result is not None:
            return result
    return _moved(operator, inputs)


def _product(
    operator: Operator, inputs: Sequence[Array], learned: Mapping[str, Array], dtype: Dtype
) -> Array | None:
    """Return the result of what the array computes."""
    match operator:
        case Convolution():
            return convolution(operator, inputs, learned, dtype)
        case TransposedConvolution():
            return transposed_convolution(operator, inputs, learned, dtype)
        case ConvolutionGradient():
            return convolution_gradient(operator, inputs, dtype)
        case Linear():
            return linear(operator, inputs, learned, dtype)
        case MatMul():
            return matmul(operator, inputs, dtype)
    return None


def _function(
    operator: Operator, inputs: Sequence[Array], learned: Mapping[str, Array], dtype: Dtype
) -> Array | None:
    """Return the result of what the vector unit computes."""
    match operator:
        case Elementwise():
            return elementwise(operator, inputs, dtype)
        case Pool():
            return pool(operator, inputs[0], dtype)
        case PoolGradient():
            return pool_gradient(operator, inputs, dtype)
        case Reduce():
            return reduced(operator, inputs[0], dtype)
        case Normalize():
            return normalize(operator, inputs[0], learned, dtype)
        case GroupNormalize():
            return group_normalize(operator, inputs[0], learned, dtype)
        case Scan():
            return scanned(operator, inputs, dtype)
        case Sort():
            return sorted_rows(operator, inputs[0])
        case NeighbourSum():
            return numerics.dot(inputs[0], learned["weight"][..., np.newaxis], (1,), dtype)
        case WeightedSum():
            return numerics.dot(inputs[0], inputs[1][..., np.newaxis], (-2,), dtype)
        case Interpolate():
            return interpolated(operator, inputs[0], learned["weight"], dtype)
        case Cast():
            return numerics.cast(inputs[0], dtype)
        case FloorInt32():
            return numerics.floor_int32(inputs[0])
        case Ramp():
            return ramped(operator, inputs[0], learned["ramp"], dtype)
    return None


def _look_up(
    operator: Operator, inputs: Sequence[Array], learned: Mapping[str, Array], dtype: Dtype
) -> Array | None:
    """Return the result of look-ups, and of what computes their indices."""
    match operator:
        case Embedding() | LookupTable():
            return learned["table"][inputs[0]]
        case Gather():
            return np.take(inputs[0], inputs[1], axis=0)
        case FixedGather():
            return np.take(inputs[0], learned["indices"], axis=0)
        case RowNumbers():
            return row_numbers(operator, inputs[0], learned["offset"])
        case OneHot():
            return numerics.equal(inputs[0][..., np.newaxis], learned["numbers"], dtype)
    return None


def _moved(operator: object, inputs: Sequence[Array]) -> Array:
    """Return the result of an operator that computes nothing."""
    match operator:
        case Concat():
            return np.concatenate(inputs, axis=operator.axis)
        case Slice():
            index = [slice(None)] * inputs[0].ndim
            index[operator.axis] = slice(operator.start, operator.stop, operator.step)
            return inputs[0][tuple(index)]
        case Reshape():
            return inputs[0].reshape(operator.shape)
        case Transpose():
            return inputs[0].transpose(operator.permutation)
        case Flip():
            return np.flip(inputs[0], operator.axis)
        case Repeat():
            result = inputs[0]
            for axis, factor in enumerate(operator.factors):
                result = result.repeat(factor, axis)
            return result
        case _:
            raise WorkloadError(f"operator {type(operator).__name__}: can't be evaluated")
