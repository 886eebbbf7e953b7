"""What the vector unit computes, as kernels: functions of elements, of rows, and sums of them."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from mapper.kernel import Axis, Kernel, OperandMap, Role, VectorBody
from mapper.maps import dimensions_of, input_map, learned_map, output_map, parallel, plain
from workloads.graph import Tensor
from workloads.layers import Elementwise, Normalize, Reduce
from workloads.normalization import GroupNormalize
from workloads.resize import NEIGHBOURS, Interpolate
from workloads.sampling import Ramp


def elementwise(operator: Elementwise, inputs: Sequence[Tensor], output: Tensor) -> Kernel:
    """Return a function of elements, of inputs that broadcast."""
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


def reduce(operator: Reduce, tensor: Tensor, output: Tensor) -> Kernel:
    """Return a function of all elements along some axes."""
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


def normalize(operator: Normalize, tensor: Tensor, parameters: dict[str, Tensor]) -> Kernel:
    """Return a function of rows, or of channels for a batch normalization."""
    if operator.function == "softmax" and operator.axis % len(tensor.shape) + 1 < len(tensor.shape):
        return row_function("softmax", operator.axis, [tensor], tensor)
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


def row_function(function: str, axis: int, inputs: Sequence[Tensor], output: Tensor) -> Kernel:
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


def group_normalize(
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


def cast(tensor: Tensor, output: Tensor) -> Kernel:
    """Return a conversion to another type."""
    axes = plain((tensor.size_elements,), (0,))
    return Kernel(
        dimensions=tuple(parallel((tensor.size_elements,))),
        inputs=(input_map(tensor, 0, axes),),
        output=output_map(axes, output.dtype),
        body=VectorBody(function="cast", activation="identity"),
    )


def floor_int32(tensor: Tensor, output: Tensor) -> Kernel:
    """Return the integers below."""
    axes = plain((tensor.size_elements,), (0,))
    return Kernel(
        dimensions=tuple(parallel((tensor.size_elements,))),
        inputs=(input_map(tensor, 0, axes),),
        output=output_map(axes, output.dtype),
        body=VectorBody(function="floor_int32", activation="identity"),
    )


def ramp_(operator: Ramp, tensor: Tensor, ramp: Tensor, output: Tensor) -> Kernel:
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


def interpolate(operator: Interpolate, tensor: Tensor, weight: Tensor) -> Kernel:
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


def neighbour_sum(tensor: Tensor, weight: Tensor, output: Tensor) -> Kernel:
    """Return a sum of rows with weights of the adjacency."""
    axes = plain(weight.shape, (0, 2))
    return _weighted_sum(tensor, learned_map("weight", axes, weight.dtype, "input"), output)


def row_sum(tensor: Tensor, weights: Tensor, output: Tensor) -> Kernel:
    """Return a sum of rows with weights that are an input."""
    shape = (prod(weights.shape[:-1]), weights.shape[-1])
    return _weighted_sum(tensor, input_map(weights, 1, plain(shape, (0, 2))), output)


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
