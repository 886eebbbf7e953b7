"""Every operator of `workloads.layers` as kernels: the only place that knows both."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from foundation.dtype import DTYPES, Dtype
from foundation.errors import MappingError
from foundation.numerics import default_shift
from isa.instruction import Operand
from mapper.kernel import (
    Axis,
    Contraction,
    Copy,
    Dimension,
    Kernel,
    Lookup,
    OperandMap,
    Role,
    VectorBody,
)
from workloads.graph import Graph, Layer, Tensor, TensorKind
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
    Window,
)


def kernels_of(graph: Graph, layer: Layer) -> tuple[Kernel, ...]:
    """Return the kernels of a layer; a reshape has none, a concatenation one for each input.

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
            return (_convolution(operator, inputs[0], parameters, output),)
        case Linear() as operator:
            return (_linear(operator, inputs, parameters),)
        case MatMul() as operator:
            return (_matmul(operator, inputs, output),)
        case Elementwise() as operator:
            return (_elementwise(operator, inputs, output),)
        case Pool() as operator:
            return (_pool(operator, inputs[0], output),)
        case Reduce() as operator:
            return (_reduce(operator, inputs[0]),)
        case Normalize() as operator:
            return (_normalize(operator, inputs[0], parameters),)
        case Embedding():
            return (_embedding(inputs[0], parameters["table"], output),)
        case Concat() as operator:
            return _concat(operator, inputs, output)
        case Slice() as operator:
            return (_slice(operator, inputs[0], output),)
        case Transpose() as operator:
            return (_transpose(operator, inputs[0]),)
        case Reshape():
            return ()
        case unknown:
            raise MappingError(f"layer '{layer.name}': operator '{unknown.kind}' has no lowering")


def _dimensions(role: Role, **extents: int) -> list[Dimension]:
    return [Dimension(name=name, extent=extent, role=role) for name, extent in extents.items()]


def _parallel(extents: Sequence[int]) -> list[Dimension]:
    return _dimensions(Role.PARALLEL, **{f"p{i}": extent for i, extent in enumerate(extents)})


def _plain(shape: Sequence[int], numbers: Sequence[int]) -> tuple[Axis, ...]:
    """Return axes that are just iteration dimensions, one each."""
    pairs = zip(shape, numbers, strict=True)
    return tuple(Axis(size=size, terms=((number, 1),)) for size, number in pairs)


def _operand(
    role: str,
    axes: tuple[Axis, ...],
    dtype: Dtype,
    *,
    scratchpad: str = "input",
    operand: Operand = Operand.INPUT,
    is_parameter: bool = False,
    fill: int = 0,
) -> OperandMap:
    return OperandMap(
        role=role,
        operand=operand,
        scratchpad=scratchpad,
        is_parameter=is_parameter,
        axes=axes,
        dtype=dtype,
        fill=fill,
    )


def _input(tensor: Tensor, index: int, axes: tuple[Axis, ...], **options: Any) -> OperandMap:
    is_parameter = tensor.kind is TensorKind.PARAMETER
    return _operand(f"input{index}", axes, tensor.dtype, is_parameter=is_parameter, **options)


def _output(axes: tuple[Axis, ...], dtype: Dtype) -> OperandMap:
    return _operand("output", axes, dtype, scratchpad="output", operand=Operand.OUTPUT)


def _learned(role: str, axes: tuple[Axis, ...], dtype: Dtype, scratchpad: str) -> OperandMap:
    operand = Operand.BIAS if role == "bias" else Operand.WEIGHT
    return _operand(role, axes, dtype, scratchpad=scratchpad, operand=operand, is_parameter=True)


def _window_axis(size: int, position: int, kernel: int, window: Window) -> Axis:
    """Return a spatial axis: output position · stride + kernel tap · dilation - padding."""
    terms = ((position, window.stride), (kernel, window.dilation))
    return Axis(size=size, terms=terms, offset=-window.pad_before)


def _planar(tensor: Tensor, windows: Sequence[Window]) -> tuple[tuple[int, ...], list[Window]]:
    """Return shape and windows with a 1-D signal as an image of height 1."""
    if len(windows) == 1:
        batch, width, channels = tensor.shape
        return (batch, 1, width, channels), [Window(1), windows[0]]
    return tensor.shape, list(windows)


def _convolution(
    operator: Convolution, tensor: Tensor, parameters: dict[str, Tensor], output: Tensor
) -> Kernel:
    (batch, height, width, channels), (y, x) = _planar(tensor, operator.windows)
    out_height, out_width = (1, *output.shape[1:-1])[-2:]
    groups = operator.groups
    in_channels, out_channels = channels // groups, operator.out_channels // groups
    dimensions = [
        *_dimensions(Role.GROUP, G=groups),
        *_dimensions(Role.M, B=batch, OY=out_height, OX=out_width),
        *_dimensions(Role.N, OC=out_channels),
        *_dimensions(Role.K, FY=y.kernel, FX=x.kernel, IC=in_channels),
    ]
    data = _input(
        tensor,
        0,
        (
            Axis(size=batch, terms=((1, 1),)),
            _window_axis(height, 2, 5, y),
            _window_axis(width, 3, 6, x),
            *_plain((groups, in_channels), (0, 7)),
        ),
    )
    weight_shape = (groups, y.kernel, x.kernel, in_channels, out_channels)
    return _contraction(
        dimensions,
        data,
        _learned("weight", _plain(weight_shape, (0, 5, 6, 7, 4)), tensor.dtype, "weight"),
        "bias" in parameters and _plain((groups, out_channels), (0, 4)),
        _plain((batch, out_height, out_width, groups, out_channels), (1, 2, 3, 0, 4)),
        Contraction(
            shift=_shift(operator.shift, y.kernel * x.kernel * in_channels),
            activation=operator.activation,
        ),
    )


def _linear(operator: Linear, inputs: Sequence[Tensor], parameters: dict[str, Tensor]) -> Kernel:
    tensor = inputs[0]
    rows, reduced = prod(tensor.shape[:-1]), tensor.shape[-1]
    columns = operator.out_features
    if operator.tied:
        axes = _plain((columns, reduced), (1, 2))
        weight = _input(inputs[1], 1, axes, scratchpad="weight", operand=Operand.WEIGHT)
    else:
        axes = _plain((reduced, columns), (2, 1))
        weight = _learned("weight", axes, tensor.dtype, "weight")
    return _contraction(
        [
            *_dimensions(Role.M, M=rows),
            *_dimensions(Role.N, N=columns),
            *_dimensions(Role.K, K=reduced),
        ],
        _input(tensor, 0, _plain((rows, reduced), (0, 2))),
        weight,
        "bias" in parameters and _plain((columns,), (1,)),
        _plain((rows, columns), (0, 1)),
        Contraction(shift=_shift(operator.shift, reduced), activation=operator.activation),
    )


def _matmul(operator: MatMul, inputs: Sequence[Tensor], output: Tensor) -> Kernel:
    first, second, result = operator.subscripts()
    batch, rows, columns, reduced = operator.roles()
    sizes = operator.extents(inputs)
    numbers = {letter: i for i, letter in enumerate(batch + rows + columns + reduced)}
    dimensions = [
        *_dimensions(Role.GROUP, **{letter: sizes[letter] for letter in batch}),
        *_dimensions(Role.M, **{rows: sizes[rows]}),
        *_dimensions(Role.N, **{columns: sizes[columns]}),
        *_dimensions(Role.K, **{reduced: sizes[reduced]}),
    ]
    left = _plain(inputs[0].shape, [numbers[letter] for letter in first])
    right = _plain(inputs[1].shape, [numbers[letter] for letter in second])
    return _contraction(
        dimensions,
        _input(inputs[0], 0, left),
        _input(inputs[1], 1, right, scratchpad="weight", operand=Operand.WEIGHT),
        False,
        _plain(output.shape, [numbers[letter] for letter in result]),
        Contraction(shift=_shift(operator.shift, sizes[reduced]), activation=operator.activation),
    )


def _contraction(
    dimensions: list[Dimension],
    data: OperandMap,
    weight: OperandMap,
    bias: tuple[Axis, ...] | bool,
    output: tuple[Axis, ...],
    body: Contraction,
) -> Kernel:
    inputs = [data, weight]
    if not isinstance(bias, bool):
        inputs.append(_learned("bias", bias, DTYPES[data.dtype.accumulator], "psum"))
    return Kernel(
        dimensions=tuple(dimensions),
        inputs=tuple(inputs),
        output=_output(output, data.dtype),
        body=body,
    )


def _shift(shift: int | None, reduction: int) -> int:
    return default_shift(reduction) if shift is None else shift


def _elementwise(operator: Elementwise, inputs: Sequence[Tensor], output: Tensor) -> Kernel:
    shapes = _joined_axes([tensor.shape for tensor in inputs], output.shape)
    extents = shapes[-1]
    return Kernel(
        dimensions=tuple(_parallel(extents)),
        inputs=tuple(
            _input(tensor, index, _broadcast(shape, extents))
            for index, (tensor, shape) in enumerate(zip(inputs, shapes[:-1], strict=True))
        ),
        output=_output(_plain(extents, range(len(extents))), output.dtype),
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


def _pool(operator: Pool, tensor: Tensor, output: Tensor) -> Kernel:
    (batch, height, width, channels), (y, x) = _planar(tensor, operator.windows)
    out_height, out_width = (1, *output.shape[1:-1])[-2:]
    data = _input(
        tensor,
        0,
        (
            Axis(size=batch, terms=((0, 1),)),
            _window_axis(height, 1, 4, y),
            _window_axis(width, 2, 5, x),
            Axis(size=channels, terms=((3, 1),)),
        ),
        fill=_lowest_bits(tensor.dtype) if operator.function == "max" else 0,
    )
    return Kernel(
        dimensions=(
            *_dimensions(Role.PARALLEL, B=batch, OY=out_height, OX=out_width, C=channels),
            *_dimensions(Role.WHOLE, FY=y.kernel, FX=x.kernel),
        ),
        inputs=(data,),
        output=_output(
            _plain((batch, out_height, out_width, channels), (0, 1, 2, 3)), tensor.dtype
        ),
        body=VectorBody(function=operator.function, activation="identity"),
    )


def _lowest_bits(dtype: Dtype) -> int:
    """Return the bits of the lowest value of a dtype: padding that never wins a max."""
    if dtype.is_integer:
        return 1 << (8 * dtype.size_bytes - 1)
    return int.from_bytes(np.array(-np.inf, dtype=dtype.numpy).tobytes(), "little")


def _reduce(operator: Reduce, tensor: Tensor) -> Kernel:
    axes = operator.positive_axes(len(tensor.shape))
    kept = [axis for axis in range(len(tensor.shape)) if axis not in axes]
    numbers = {axis: number for number, axis in enumerate([*kept, *axes])}
    return Kernel(
        dimensions=(
            *_parallel([tensor.shape[axis] for axis in kept]),
            *_dimensions(Role.WHOLE, **{f"r{axis}": tensor.shape[axis] for axis in axes}),
        ),
        inputs=(
            _input(tensor, 0, _plain(tensor.shape, [numbers[a] for a in range(len(tensor.shape))])),
        ),
        output=_output(
            _plain([tensor.shape[axis] for axis in kept], range(len(kept))) or (Axis(size=1),),
            tensor.dtype,
        ),
        body=VectorBody(function=operator.function, activation="identity"),
    )


def _normalize(operator: Normalize, tensor: Tensor, parameters: dict[str, Tensor]) -> Kernel:
    rows, features = prod(tensor.shape[:-1]), tensor.shape[-1]
    feature_role = Role.PARALLEL if operator.function == "batch_norm" else Role.WHOLE
    learned = [
        _learned(role, _plain((features,), (1,)), tensor.dtype, "input") for role in parameters
    ]
    return Kernel(
        dimensions=(
            *_dimensions(Role.PARALLEL, rows=rows),
            *_dimensions(feature_role, features=features),
        ),
        inputs=(_input(tensor, 0, _plain((rows, features), (0, 1))), *learned),
        output=_output(_plain((rows, features), (0, 1)), tensor.dtype),
        body=VectorBody(function=operator.function, activation="identity"),
    )


def _embedding(indices: Tensor, table: Tensor, output: Tensor) -> Kernel:
    rows, features = indices.size_elements, table.shape[1]
    return Kernel(
        dimensions=(
            *_dimensions(Role.PARALLEL, rows=rows),
            *_dimensions(Role.WHOLE, features=features),
        ),
        inputs=(_input(indices, 0, _plain((rows,), (0,)), operand=Operand.INDEX),),
        output=_output(_plain((rows, features), (0, 1)), output.dtype),
        body=Lookup(table=_learned("table", _plain(table.shape, (0, 1)), table.dtype, "output")),
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
        dimensions=tuple(_parallel(extents)),
        inputs=(_input(tensor, index, source, scratchpad="output"),),
        output=_output(target, tensor.dtype),
        body=Copy(),
    )


def _concat(operator: Concat, inputs: Sequence[Tensor], output: Tensor) -> tuple[Kernel, ...]:
    rank = len(output.shape)
    axis = operator.axis % rank
    kernels = []
    offset = 0
    for index, tensor in enumerate(inputs):
        target = list(_plain(output.shape, range(rank)))
        target[axis] = Axis(size=output.shape[axis], terms=((axis, 1),), offset=offset)
        source = _plain(tensor.shape, range(rank))
        kernels.append(_copy(tensor, index, source, tuple(target), tensor.shape))
        offset += tensor.shape[axis]
    return tuple(kernels)


def _slice(operator: Slice, tensor: Tensor, output: Tensor) -> Kernel:
    rank = len(tensor.shape)
    axis = operator.axis % rank
    source = list(_plain(tensor.shape, range(rank)))
    source[axis] = Axis(
        size=tensor.shape[axis], terms=((axis, operator.step),), offset=operator.start
    )
    target = _plain(output.shape, range(rank))
    return _copy(tensor, 0, tuple(source), target, output.shape)


def _transpose(operator: Transpose, tensor: Tensor) -> Kernel:
    shape = [tensor.shape[axis] for axis in operator.permutation]
    numbers = [operator.permutation.index(axis) for axis in range(len(shape))]
    return _copy(tensor, 0, _plain(tensor.shape, numbers), _plain(shape, range(len(shape))), shape)
