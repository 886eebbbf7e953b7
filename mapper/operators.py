"""Every operator of `workloads` as kernels, by what computes it."""

from __future__ import annotations

from collections.abc import Sequence

from foundation.errors import MappingError
from mapper.copies import concat, flip, repeat, slice_, transpose
from mapper.functions import (
    cast,
    elementwise,
    floor_int32,
    group_normalize,
    interpolate,
    neighbour_sum,
    normalize,
    ramp_,
    reduce,
    row_function,
    row_sum,
)
from mapper.kernel import Kernel
from mapper.look_ups import embedding, fixed_gather, gather, one_hot, row_numbers
from mapper.products import linear, matmul
from mapper.windows import (
    convolution,
    convolution_gradient,
    pool,
    pool_gradient,
    transposed_convolution,
)
from workloads.conversions import Cast
from workloads.gradients import ConvolutionGradient, Flip, PoolGradient
from workloads.graph import Graph, Layer, Operator, Tensor
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

Kernels = tuple[Kernel, ...]


def kernels_of(graph: Graph, layer: Layer) -> Kernels:
    """Return the kernels of a layer, which run one after the other; a reshape has none.

    A concatenation has one for each input, a transposed convolution and a pooling's gradient one
    for each phase, a flip one for each element of its axis; products have one for each part of
    their weights.

    Raises
    ------
    MappingError
        For an operator without a lowering.
    """
    inputs, output = graph.input_tensors(layer), graph.output_tensor(layer)
    learned, operator = graph.parameter_tensors(layer), layer.operator
    themes = (
        _product(operator, inputs, learned, output),
        _function(operator, inputs, learned, output),
        _look_up(operator, inputs, learned, output),
        _copy(operator, inputs, output),
    )
    for kernels in themes:
        if kernels is not None:
            return kernels
    raise MappingError(f"layer '{layer.name}': operator '{operator.kind}' has no lowering")


def _product(
    operator: Operator, inputs: Sequence[Tensor], learned: dict[str, Tensor], output: Tensor
) -> Kernels | None:
    """Return the kernels of what the array computes."""
    match operator:
        case Convolution():
            return convolution(operator, inputs, learned, output)
        case TransposedConvolution():
            return transposed_convolution(operator, inputs, learned, output)
        case ConvolutionGradient():
            return (convolution_gradient(operator, inputs, output),)
        case Linear():
            return linear(operator, inputs, learned)
        case MatMul():
            return (matmul(operator, inputs, output),)
    return None


def _function(
    operator: Operator, inputs: Sequence[Tensor], learned: dict[str, Tensor], output: Tensor
) -> Kernels | None:
    """Return the kernels of what the vector unit computes."""
    match operator:
        case Elementwise():
            return (elementwise(operator, inputs, output),)
        case Pool():
            return (pool(operator, inputs[0], output),)
        case PoolGradient():
            return pool_gradient(operator, inputs, output)
        case Reduce():
            return (reduce(operator, inputs[0], output),)
        case Normalize():
            return (normalize(operator, inputs[0], learned),)
        case GroupNormalize():
            return (group_normalize(operator, inputs[0], learned),)
        case Scan():
            return (row_function("scan", operator.axis, inputs, output),)
        case Sort():
            return (row_function(operator.function, operator.axis, inputs, output),)
        case NeighbourSum():
            return (neighbour_sum(inputs[0], learned["weight"], output),)
        case WeightedSum():
            return (row_sum(inputs[0], inputs[1], output),)
        case Interpolate():
            return (interpolate(operator, inputs[0], learned["weight"]),)
        case Cast():
            return (cast(inputs[0], output),)
        case FloorInt32():
            return (floor_int32(inputs[0], output),)
        case Ramp():
            return (ramp_(operator, inputs[0], learned["ramp"], output),)
    return None


def _look_up(
    operator: Operator, inputs: Sequence[Tensor], learned: dict[str, Tensor], output: Tensor
) -> Kernels | None:
    """Return the kernels of look-ups, and of what computes their indices."""
    match operator:
        case Embedding() | LookupTable():
            return (embedding(inputs[0], learned["table"], output),)
        case Gather():
            return (gather(inputs[0], inputs[1], output),)
        case FixedGather():
            return (fixed_gather(inputs[0], learned["indices"], output),)
        case RowNumbers():
            return (row_numbers(operator, inputs[0], learned["offset"], output),)
        case OneHot():
            return (one_hot(inputs[0], learned["numbers"], output),)
    return None


def _copy(operator: Operator, inputs: Sequence[Tensor], output: Tensor) -> Kernels | None:
    """Return the kernels of what only moves data."""
    match operator:
        case Reshape():
            return ()
        case Concat():
            return concat(operator, inputs, output)
        case Slice():
            return (slice_(operator, inputs[0], output),)
        case Transpose():
            return (transpose(operator, inputs[0]),)
        case Repeat():
            return (repeat(operator, inputs[0]),)
        case Flip():
            return flip(operator, inputs[0])
    return None
