"""Every operator of `workloads` as kernels: with `mapper.windows`, all that knows both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

from foundation.errors import MappingError
from isa.instruction import Operand
from mapper.kernel import Axis, Contraction, Copy, Kernel, Lookup, OperandMap, Role, VectorBody
from mapper.maps import (
    contraction,
    dimensions_of,
    input_map,
    learned_map,
    output_map,
    parallel,
    per_output,
    plain,
    segmented,
    shift_of,
)
from mapper.windows import (
    convolution,
    convolution_gradient,
    pool,
    pool_gradient,
    transposed_convolution,
)
from workloads.conversions import Cast
from workloads.gradients import ConvolutionGradient, Flip, PoolGradient
from workloads.graph import Graph, Layer, Tensor
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
from workloads.resize import NEIGHBOURS, Interpolate, Repeat
from workloads.sampling import FloorInt32, LookupTable, Ramp, WeightedSum
from workloads.scan import Scan
from workloads.selection import Sort
from workloads.sparse import NeighbourSum
from workloads.transposed import TransposedConvolution
from workloads.weights import Part, parts_of


def kernels_of(graph: Graph, layer: Layer) -> tuple[Kernel, ...]:
    """Return the kernels of a layer, which run one after the other; a reshape has none.

    A concatenation has one for each input, a transposed convolution and a pooling's gradient one
    for each phase, a flip one for each element of its axis; products have one for each part of
    their weights.

    Raises
    ------
    MappingError
        For an operator without a lowering.
    """
    inputs = graph.input_tensors(layer)
    parameters = graph.parameter_tensors(layer)
    output = graph.output_tensor(layer)
    match layer.operator:
        case Convolution() as operator:
            return convolution(operator, inputs, parameters, output)
        case TransposedConvolution() as operator:
            return transposed_convolution(operator, inputs, parameters, output)
        case ConvolutionGradient() as operator:
            return (convolution_gradient(operator, inputs, output),)
        case Linear() as operator:
            return _linear(operator, inputs, parameters)
        case MatMul() as operator:
            return (_matmul(operator, inputs, output),)
        case Elementwise() as operator:
            return (_elementwise(operator, inputs, output),)
        case Pool() as operator:
            return (pool(operator, inputs[0], output),)
        case PoolGradient() as operator:
            return pool_gradient(operator, inputs, output)
        case Reduce() as operator:
            return (_reduce(operator, inputs[0], output),)
        case Normalize() as operator:
            return (_normalize(operator, inputs[0], parameters),)
        case GroupNormalize() as operator:
            return (_group_normalize(operator, inputs[0], parameters),)
        case Scan() as operator:
            return (_rows("scan", operator.axis, inputs, output),)
        case Sort() as operator:
            return (_rows(operator.function, operator.axis, inputs, output),)
        case Embedding():
            return (_embedding(inputs[0], parameters["table"], output),)
        case Gather():
            return (_gather(inputs[0], input_map(inputs[1], 1, _flat(inputs[1])), output),)
        case FixedGather():
            indices = parameters["indices"]
            fixed = learned_map("indices", _flat(indices), indices.dtype, "input")
            return (_gather(inputs[0], fixed, output),)
        case RowNumbers() as operator:
            return (_row_numbers(operator, inputs[0], parameters["offset"], output),)
        case OneHot():
            return (_one_hot(inputs[0], parameters["numbers"], output),)
        case NeighbourSum():
            weight = parameters["weight"]
            fixed = learned_map("weight", plain(weight.shape, (0, 2)), weight.dtype, "input")
            return (_weighted_sum(inputs[0], fixed, output),)
        case Concat() as operator:
            return _concat(operator, inputs, output)
        case Slice() as operator:
            return (_slice(operator, inputs[0], output),)
        case Transpose() as operator:
            return (_transpose(operator, inputs[0]),)
        case Repeat() as operator:
            return (_repeat(operator, inputs[0]),)
        case Interpolate() as operator:
            return (_interpolate(operator, inputs[0], parameters["weight"]),)
        case Flip() as operator:
            return _flip(operator, inputs[0])
        case Cast():
            return (_cast(inputs[0], output),)
        case FloorInt32():
            return (_floor_int32(inputs[0], output),)
        case Ramp() as operator:
            return (_ramp(operator, inputs[0], parameters["ramp"], output),)
        case LookupTable():
            return (_embedding(inputs[0], parameters["table"], output),)
        case WeightedSum():
            weights = input_map(inputs[1], 1, plain(_rows_of(inputs[1]), (0, 2)))
            return (_weighted_sum(inputs[0], weights, output),)
        case Reshape():
            return ()
        case unknown:
            raise MappingError(f"layer '{layer.name}': operator '{unknown.kind}' has no lowering")


def _linear(
    operator: Linear, inputs: Sequence[Tensor], parameters: dict[str, Tensor]
) -> tuple[Kernel, ...]:
    """Return a product, or one for each part of its outputs."""
    tensor = inputs[0]
    shape = (tensor.shape[-1], operator.out_features)
    return tuple(
        _linear_part(operator, inputs, parameters, part)
        for part in parts_of(operator.weights, shape, tensor.dtype)
    )


def _linear_part(
    operator: Linear, inputs: Sequence[Tensor], parameters: dict[str, Tensor], part: Part
) -> Kernel:
    tensor, stored = inputs[0], part.stored
    rows, reduced = prod(tensor.shape[:-1]), tensor.shape[-1]
    columns = operator.out_features
    value, segments = tensor.dtype, reduced
    if stored is not None:
        value, segments = stored.value, reduced // stored.length
    if operator.tied:
        axes = plain((columns, reduced), (1, 2))
        weight = input_map(inputs[1], 1, axes, scratchpad="weight", operand=Operand.WEIGHT)
    else:
        axes = plain((segments, part.size), (2, 1))
        segment = value if stored is None else stored.segment
        weight = learned_map(part.role, axes, segment, "weight")
    column = Axis(size=columns, terms=((1, 1),), offset=part.low)
    at_row, at_reduced = plain((rows, reduced), (0, 2))
    return contraction(
        [
            *dimensions_of(Role.M, M=rows),
            *dimensions_of(Role.N, N=part.size),
            *dimensions_of(Role.K, K=segments),
        ],
        segmented(input_map(tensor, 0, (at_row, at_reduced)), stored),
        weight,
        per_output(parameters, (column,)),
        (at_row, column),
        Contraction(
            shift=shift_of(operator.shift, reduced, value),
            activation=operator.activation,
            stored=stored,
            is_scaled="scale" in parameters,
        ),
    )


def _matmul(operator: MatMul, inputs: Sequence[Tensor], output: Tensor) -> Kernel:
    first, second, result = operator.subscripts()
    batch, rows, columns, reduced = operator.roles()
    sizes = operator.extents(inputs)
    numbers = {letter: i for i, letter in enumerate(batch + rows + columns + reduced)}
    dimensions = [
        *dimensions_of(Role.GROUP, **{letter: sizes[letter] for letter in batch}),
        *dimensions_of(Role.M, **{rows: sizes[rows]}),
        *dimensions_of(Role.N, **{columns: sizes[columns]}),
        *dimensions_of(Role.K, **{reduced: sizes[reduced]}),
    ]
    left = plain(inputs[0].shape, [numbers[letter] for letter in first])
    right = plain(inputs[1].shape, [numbers[letter] for letter in second])
    return contraction(
        dimensions,
        input_map(inputs[0], 0, left),
        input_map(inputs[1], 1, right, scratchpad="weight", operand=Operand.WEIGHT),
        {},
        plain(output.shape, [numbers[letter] for letter in result]),
        Contraction(
            shift=shift_of(operator.shift, sizes[reduced], inputs[1].dtype),
            activation=operator.activation,
        ),
    )


def _elementwise(operator: Elementwise, inputs: Sequence[Tensor], output: Tensor) -> Kernel:
    shapes = _joined_axes([tensor.shape for tensor in inputs], output.shape)
    extents = shapes[-1]
    return Kernel(
        dimensions=tuple(parallel(extents)),
        inputs=tuple(
            input_map(tensor, index, _broadcast(shape, extents))
            for index, (tensor, shape) in enumerate(zip(inputs, shapes[:-1], strict=True))
        ),
        output=output_map(plain(extents, range(len(extents))), output.dtype),
        body=VectorBody(function=operator.function, activation=operator.activation),
    )


def _joined_axes(shapes: Sequence[Sequence[int]], output: Sequence[int]) -> list[list[int]]:
    """Return the shapes (output last) with neighbouring axes joined where all broadcast alike."""
    rank = len(output)
    padded = [[1] * (rank - len(shape)) + list(shape) for shape in shapes] + [list(output)]
    joined: list[list[int]] = [[] for _ in padded]
    last_pattern: list[bool] | None = None
    for sizes in zip(*padded, strict=True):
        pattern = [size == sizes[-1] for size in sizes]
        if pattern == last_pattern:
            for shape, size in zip(joined, sizes, strict=True):
                shape[-1] *= size
        else:
            for shape, size in zip(joined, sizes, strict=True):
                shape.append(size)
        last_pattern = pattern
    return joined


def _broadcast(shape: Sequence[int], extents: Sequence[int]) -> tuple[Axis, ...]:
    """Return axes that follow the iteration space, or stay at 0 where the size is 1."""
    return tuple(
        Axis(size=size, terms=((number, 1),) if size == extent else ())
        for number, (size, extent) in enumerate(zip(shape, extents, strict=True))
    )


def _reduce(operator: Reduce, tensor: Tensor, output: Tensor) -> Kernel:
    axes = operator.positive_axes(len(tensor.shape))
    kept = [axis for axis in range(len(tensor.shape)) if axis not in axes]
    numbers = {axis: number for number, axis in enumerate([*kept, *axes])}
    return Kernel(
        dimensions=(
            *parallel([tensor.shape[axis] for axis in kept]),
            *dimensions_of(Role.WHOLE, **{f"r{axis}": tensor.shape[axis] for axis in axes}),
        ),
        inputs=(
            input_map(
                tensor, 0, plain(tensor.shape, [numbers[a] for a in range(len(tensor.shape))])
            ),
        ),
        output=output_map(
            plain([tensor.shape[axis] for axis in kept], range(len(kept))) or (Axis(size=1),),
            output.dtype,
        ),
        body=VectorBody(function=operator.function, activation="identity"),
    )


def _normalize(operator: Normalize, tensor: Tensor, parameters: dict[str, Tensor]) -> Kernel:
    if operator.function == "softmax" and operator.axis % len(tensor.shape) + 1 < len(tensor.shape):
        return _rows("softmax", operator.axis, [tensor], tensor)
    rows, features = prod(tensor.shape[:-1]), tensor.shape[-1]
    feature_role = Role.PARALLEL if operator.function == "batch_norm" else Role.WHOLE
    learned = [
        learned_map(role, plain((features,), (1,)), tensor.dtype, "input") for role in parameters
    ]
    return Kernel(
        dimensions=(
            *dimensions_of(Role.PARALLEL, rows=rows),
            *dimensions_of(feature_role, features=features),
        ),
        inputs=(input_map(tensor, 0, plain((rows, features), (0, 1))), *learned),
        output=output_map(plain((rows, features), (0, 1)), tensor.dtype),
        body=VectorBody(function=operator.function, activation="identity"),
    )


def _rows(function: str, axis: int, inputs: Sequence[Tensor], output: Tensor) -> Kernel:
    """Return a function of rows along any axis: they may have a stride."""
    axis %= len(output.shape)
    shape = (prod(output.shape[:axis]), output.shape[axis], prod(output.shape[axis + 1 :]))
    axes = plain(shape, (0, 2, 1))
    return Kernel(
        dimensions=(
            *dimensions_of(Role.PARALLEL, outer=shape[0], inner=shape[2]),
            *dimensions_of(Role.WHOLE, row=shape[1]),
        ),
        inputs=tuple(input_map(tensor, number, axes) for number, tensor in enumerate(inputs)),
        output=output_map(axes, output.dtype),
        body=VectorBody(function=function, activation="identity"),
    )


def _group_normalize(
    operator: GroupNormalize, tensor: Tensor, parameters: dict[str, Tensor]
) -> Kernel:
    """Return a layer normalization of rows of two dimensions: positions, and a group's channels."""
    batch, *spatial, channels = tensor.shape
    groups = operator.groups
    shape = (batch, prod(spatial), groups, channels // groups)
    axes = plain(shape, (0, 2, 1, 3))
    learned = [
        learned_map(role, plain(shape[2:], (1, 3)), tensor.dtype, "input") for role in parameters
    ]
    return Kernel(
        dimensions=(
            *dimensions_of(Role.PARALLEL, B=batch, G=groups),
            *dimensions_of(Role.WHOLE, positions=shape[1], C=shape[3]),
        ),
        inputs=(input_map(tensor, 0, axes), *learned),
        output=output_map(axes, tensor.dtype),
        body=VectorBody(function="layer_norm", activation="identity"),
    )


def _embedding(indices: Tensor, table: Tensor, output: Tensor) -> Kernel:
    axes = plain(table.shape, (0, 1))
    learned = learned_map("table", axes, table.dtype, "output")
    return _lookup(input_map(indices, 0, _flat(indices)), learned, output)


def _gather(data: Tensor, indices: OperandMap, output: Tensor) -> Kernel:
    """Return a look-up of rows of the first input."""
    axes = plain((data.shape[0], prod(data.shape[1:])), (0, 1))
    return _lookup(indices, input_map(data, 0, axes, scratchpad="output"), output)


def _flat(indices: Tensor) -> tuple[Axis, ...]:
    """Return indices as one axis, whatever their shape."""
    return plain((indices.size_elements,), (0,))


def _lookup(indices: OperandMap, table: OperandMap, output: Tensor) -> Kernel:
    """Return a look-up of a table's rows."""
    rows, features = indices.axes[0].size, table.axes[1].size
    return Kernel(
        dimensions=(
            *dimensions_of(Role.PARALLEL, rows=rows),
            *dimensions_of(Role.WHOLE, features=features),
        ),
        inputs=(replace(indices, operand=Operand.INDEX),),
        output=output_map(plain((rows, features), (0, 1)), output.dtype),
        body=Lookup(table=table),
    )


def _row_numbers(operator: RowNumbers, indices: Tensor, offset: Tensor, output: Tensor) -> Kernel:
    """Return a sum of indices, which tables of a batch share, and the tables' offsets."""
    batch = prod(operator.tables[: operator.batch_axes])
    tables = offset.size_elements // batch
    shape = (batch, tables, output.size_elements // offset.size_elements)
    learned = plain(shape[:2], (0, 1))
    return Kernel(
        dimensions=tuple(parallel(shape)),
        inputs=(
            input_map(indices, 0, plain((shape[0], shape[2]), (0, 2)), operand=Operand.INDEX),
            learned_map("offset", learned, offset.dtype, "input"),
        ),
        output=output_map(plain(shape, range(3)), output.dtype),
        body=VectorBody(function="add", activation="identity"),
    )


def _one_hot(indices: Tensor, numbers: Tensor, output: Tensor) -> Kernel:
    """Return a comparison of each index with all numbers."""
    shape = (indices.size_elements, numbers.size_elements)
    return Kernel(
        dimensions=tuple(parallel(shape)),
        inputs=(
            input_map(indices, 0, plain(shape[:1], (0,)), operand=Operand.INDEX),
            learned_map("numbers", plain(shape[1:], (1,)), numbers.dtype, "input"),
        ),
        output=output_map(plain(shape, (0, 1)), output.dtype),
        body=VectorBody(function="equal", activation="identity"),
    )


def _copy(
    tensor: Tensor,
    index: int,
    source: tuple[Axis, ...],
    target: tuple[Axis, ...],
    extents: Sequence[int],
) -> Kernel:
    """Return a kernel that moves data; its tiles stay in the scratchpad that holds outputs."""
    return Kernel(
        dimensions=tuple(parallel(extents)),
        inputs=(input_map(tensor, index, source, scratchpad="output"),),
        output=output_map(target, tensor.dtype),
        body=Copy(),
    )


def _concat(operator: Concat, inputs: Sequence[Tensor], output: Tensor) -> tuple[Kernel, ...]:
    rank = len(output.shape)
    axis = operator.axis % rank
    kernels = []
    offset = 0
    for index, tensor in enumerate(inputs):
        target = list(plain(output.shape, range(rank)))
        target[axis] = Axis(size=output.shape[axis], terms=((axis, 1),), offset=offset)
        source = plain(tensor.shape, range(rank))
        kernels.append(_copy(tensor, index, source, tuple(target), tensor.shape))
        offset += tensor.shape[axis]
    return tuple(kernels)


def _slice(operator: Slice, tensor: Tensor, output: Tensor) -> Kernel:
    rank = len(tensor.shape)
    axis = operator.axis % rank
    source = list(plain(tensor.shape, range(rank)))
    source[axis] = Axis(
        size=tensor.shape[axis], terms=((axis, operator.step),), offset=operator.start
    )
    target = plain(output.shape, range(rank))
    return _copy(tensor, 0, tuple(source), target, output.shape)


def _transpose(operator: Transpose, tensor: Tensor) -> Kernel:
    shape = [tensor.shape[axis] for axis in operator.permutation]
    numbers = [operator.permutation.index(axis) for axis in range(len(shape))]
    return _copy(tensor, 0, plain(tensor.shape, numbers), plain(shape, range(len(shape))), shape)


def _repeat(operator: Repeat, tensor: Tensor) -> Kernel:
    """Return a copy to an output whose axes are an element and its copies."""
    extents: list[int] = []
    elements = []
    for size, factor in zip(tensor.shape, operator.factors, strict=True):
        elements.append(len(extents))
        extents += [size] if factor == 1 else [size, factor]
    target = plain(extents, range(len(extents)))
    return _copy(tensor, 0, plain(tensor.shape, elements), target, extents)


def _flip(operator: Flip, tensor: Tensor) -> tuple[Kernel, ...]:
    """Return a copy for each place along the axis.

    # Approximation: a machine whose addresses can step backwards needs one.
    """
    axis = operator.axis % len(tensor.shape)
    size = tensor.shape[axis]
    extents = (prod(tensor.shape[:axis]), 1, prod(tensor.shape[axis + 1 :]))

    def at(place: int) -> tuple[Axis, ...]:
        outer, _, inner = plain(extents, range(3))
        return (outer, Axis(size=size, terms=((1, 1),), offset=place), inner)

    return tuple(
        _copy(tensor, 0, at(place), at(size - 1 - place), extents) for place in range(size)
    )


def _cast(tensor: Tensor, output: Tensor) -> Kernel:
    axes = plain((tensor.size_elements,), (0,))
    return Kernel(
        dimensions=tuple(parallel((tensor.size_elements,))),
        inputs=(input_map(tensor, 0, axes),),
        output=output_map(axes, output.dtype),
        body=VectorBody(function="cast", activation="identity"),
    )


def _interpolate(operator: Interpolate, tensor: Tensor, weight: Tensor) -> Kernel:
    """Return a sum of weighted neighbours; those beyond the ends are padding with weight 0."""
    axis, factor = operator.axis % len(tensor.shape), operator.factor
    outer, size, inner = (
        prod(tensor.shape[:axis]),
        tensor.shape[axis],
        prod(tensor.shape[axis + 1 :]),
    )
    data = (
        Axis(size=outer, terms=((0, 1),)),
        Axis(size=size, terms=((1, 1), (4, 1)), offset=-1),
        Axis(size=inner, terms=((3, 1),)),
    )
    weights = plain(weight.shape, (1, 2, 4))
    return Kernel(
        dimensions=(
            *parallel((outer, size, factor, inner)),
            *dimensions_of(Role.WHOLE, neighbours=NEIGHBOURS),
        ),
        inputs=(
            input_map(tensor, 0, data),
            learned_map("weight", weights, weight.dtype, "input"),
        ),
        output=output_map(plain((outer, size, factor, inner), range(4)), tensor.dtype),
        body=VectorBody(function="dot", activation="identity"),
    )


def _floor_int32(tensor: Tensor, output: Tensor) -> Kernel:
    axes = plain((tensor.size_elements,), (0,))
    return Kernel(
        dimensions=tuple(parallel((tensor.size_elements,))),
        inputs=(input_map(tensor, 0, axes),),
        output=output_map(axes, output.dtype),
        body=VectorBody(function="floor_int32", activation="identity"),
    )


def _ramp(operator: Ramp, tensor: Tensor, ramp: Tensor, output: Tensor) -> Kernel:
    """Return a function of an input, repeated perhaps, and numbers along one axis."""
    axis = operator.axis % len(tensor.shape)
    outer, inner = prod(tensor.shape[:axis]), prod(tensor.shape[axis + 1 :])
    extents = (outer, operator.count, inner)
    return Kernel(
        dimensions=tuple(parallel(extents)),
        inputs=(
            input_map(tensor, 0, _broadcast((outer, tensor.shape[axis], inner), extents)),
            learned_map("ramp", plain(ramp.shape, (1,)), ramp.dtype, "input"),
        ),
        output=output_map(plain(extents, range(3)), output.dtype),
        body=VectorBody(function=operator.function, activation="identity"),
    )


def _rows_of(weights: Tensor) -> tuple[int, int]:
    """Return how many rows of weights there are, and how many weights one has."""
    return prod(weights.shape[:-1]), weights.shape[-1]


def _weighted_sum(tensor: Tensor, weights: OperandMap, output: Tensor) -> Kernel:
    """Return a sum of rows, each with a weight of its own."""
    width, features = tensor.shape[-2:]
    rows = prod(tensor.shape[:-2])
    return Kernel(
        dimensions=(
            *dimensions_of(Role.PARALLEL, rows=rows, features=features),
            *dimensions_of(Role.WHOLE, neighbours=width),
        ),
        inputs=(
            input_map(tensor, 0, plain((rows, width, features), (0, 2, 1))),
            weights,
        ),
        output=output_map(plain((rows, features), (0, 1)), output.dtype),
        body=VectorBody(function="dot", activation="identity"),
    )
