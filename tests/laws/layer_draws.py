"""Random layers whose operators read values: products, windows, functions, copies."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from foundation.dtype import DTYPES
from foundation.functions import FunctionKind
from tests.laws.draft import ACTIVATIONS, WIDEST_ROW_BYTES, Draft, window
from workloads.conversions import cast_to
from workloads.gradients import ConvolutionGradient, Flip, PoolGradient
from workloads.graph import Operator, Tensor
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
from workloads.normalization import GroupNormalize
from workloads.resize import Interpolate, Repeat
from workloads.transposed import TransposedConvolution


def add_conv(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    channels = tensor.shape[-1]
    groups = draw(st.sampled_from([g for g in range(1, channels + 1) if channels % g == 0]))
    return builder.add(
        Convolution(
            out_channels=groups * draw(st.integers(1, 5)),
            windows=tuple(window(draw, size, extra_pad=2) for size in tensor.shape[1:-1]),
            groups=groups,
            bias=draw(st.booleans()),
            activation=draw(ACTIVATIONS),
        ),
        [tensor],
    )


def add_conv_transpose(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    """Add any transposed convolution: some outputs get no input, some inputs reach no output."""
    windows, more = [], []
    for size in tensor.shape[1:-1]:
        kernel, stride, dilation = (draw(st.integers(1, most)) for most in (4, 3, 3))
        output_padding = draw(st.integers(0, max(stride, dilation) - 1))
        window = Window(kernel, stride, dilation)
        whole = (size - 1) * stride + window.span + output_padding
        before = draw(st.integers(0, min(4, whole - 1)))
        after = draw(st.integers(0, min(4, whole - 1 - before)))
        windows.append(window._replace(pad_before=before, pad_after=after))
        more.append(output_padding)
    return _add_transposed(draw, builder, tensor, windows, more)


def add_upsampling(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    """Add a transposed convolution to ``size · stride`` outputs, each of which gets equally much.

    The products of its phases are then as many as input elements times taps.
    """
    windows = []
    for _ in tensor.shape[1:-1]:
        kernel = draw(st.integers(1, 4))
        stride = draw(st.integers(1, min(2, kernel)))
        before = draw(st.integers(0, kernel - stride))
        windows.append(Window(kernel, stride, 1, before, kernel - stride - before))
    return _add_transposed(draw, builder, tensor, windows, [0] * len(windows))


def _add_transposed(
    draw: DrawFn, builder: Draft, tensor: Tensor, windows: Sequence[Window], more: Sequence[int]
) -> Tensor:
    channels = tensor.shape[-1]
    groups = draw(st.sampled_from([g for g in range(1, channels + 1) if channels % g == 0]))
    return builder.add(
        TransposedConvolution(
            out_channels=groups * draw(st.integers(1, 3)),
            windows=tuple(windows),
            output_padding=tuple(more),
            groups=groups,
            bias=draw(st.booleans()),
            activation=draw(ACTIVATIONS),
        ),
        [tensor],
    )


def add_pool(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    windows = tuple(window(draw, size) for size in tensor.shape[1:-1])
    return builder.add(
        Pool(function=draw(st.sampled_from(["max", "mean"])), windows=windows), [tensor]
    )


def add_linear(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    features, bias = draw(st.integers(1, 12)), draw(st.booleans())
    tied = draw(st.booleans())
    inputs = [tensor]
    if tied:
        inputs.append(builder.add_learned((features, tensor.shape[-1])))
    operator = Linear(out_features=features, bias=bias, activation=draw(ACTIVATIONS), tied=tied)
    return builder.add(operator, inputs)


def add_unary(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    functions = [name for name in builder.functions(FunctionKind.UNARY) if name != "identity"]
    function = draw(st.sampled_from(functions))
    return builder.add(Elementwise(function=function), [tensor])


def add_binary(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    other = tuple(draw(st.sampled_from([1, size])) for size in tensor.shape)
    other = other[draw(st.integers(0, len(other) - 1)) :]
    function = draw(st.sampled_from(builder.functions(FunctionKind.BINARY)))
    operator = Elementwise(function=function, activation=draw(ACTIVATIONS))
    second = draw(st.sampled_from([tensor, builder.add_learned(other)]))
    return builder.add(operator, [tensor, second])


def add_normalize(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    function = draw(st.sampled_from(["softmax", "layer_norm", "rms_norm", "batch_norm"]))
    return builder.add(Normalize(function=function), [tensor])


def add_softmax(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    """Add a softmax along any axis; its whole rows have to fit."""
    axis = draw(st.integers(-len(tensor.shape), len(tensor.shape) - 1))
    return builder.add(Normalize(function="softmax", axis=axis), [tensor])


def add_group_normalize(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    channels = tensor.shape[-1]
    fits = [
        groups
        for groups in range(1, channels + 1)
        if channels % groups == 0
        and tensor.size_bytes // (tensor.shape[0] * groups) <= WIDEST_ROW_BYTES // 2
    ]
    if not fits:
        return add_unary(draw, builder, tensor)
    return builder.add(GroupNormalize(groups=draw(st.sampled_from(fits))), [tensor])


def add_reduce(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    rank = len(tensor.shape)
    axes = draw(st.sets(st.integers(0, rank - 1), min_size=1, max_size=rank))
    function = draw(st.sampled_from(["sum", "mean", "max"]))
    return builder.add(Reduce(function=function, axes=tuple(axes)), [tensor])


def add_slice(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    axis = draw(st.integers(0, len(tensor.shape) - 1))
    start = draw(st.integers(0, tensor.shape[axis] - 1))
    stop = draw(st.integers(start + 1, tensor.shape[axis]))
    operator = Slice(axis=axis, start=start, stop=stop, step=draw(st.integers(1, 3)))
    return builder.add(operator, [tensor])


def add_transpose(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    permutation = draw(st.permutations(range(len(tensor.shape))))
    return builder.add(Transpose(permutation=tuple(permutation)), [tensor])


def add_concat(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    axis = draw(st.integers(0, len(tensor.shape) - 1))
    other = list(tensor.shape)
    other[axis] = draw(st.integers(1, 5))
    return builder.add(Concat(axis=axis), [tensor, builder.add_input(tuple(other)), tensor])


def add_reshape(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    is_row_small = tensor.size_bytes // tensor.shape[0] <= WIDEST_ROW_BYTES
    shape = (tensor.shape[0], -1) if is_row_small else (-1, tensor.shape[-1])
    return builder.add(Reshape(shape=shape), [tensor])


def add_repeat(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    factors = [1] * len(tensor.shape)
    for factor in (2, 3):
        factors[draw(st.integers(0, len(factors) - 1))] = factor
    return builder.add(Repeat(factors=tuple(factors)), [tensor])


def add_interpolate(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    axis = draw(st.integers(0, len(tensor.shape) - 1))
    return builder.add(Interpolate(axis=axis, factor=draw(st.integers(2, 4))), [tensor])


def add_matmul(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    batch, _, heads, depth = tensor.shape
    columns = draw(st.integers(1, 9))
    second = builder.add_input((batch, columns, heads, depth))
    return builder.add(MatMul(equation="bshd,bthd->bhst"), [tensor, second])


def add_embedding(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    indices = builder.add_input(tensor.shape[:2], DTYPES["int32"])
    operator = Embedding(
        entries=draw(st.integers(1, 30)), features=draw(st.integers(1, 9)), dtype=builder.dtype
    )
    return builder.add(operator, [indices])


def add_conv_gradient(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    """Add a gradient by weights, of all of a convolution's positions or of the first ones."""
    channels = tensor.shape[-1]
    groups = draw(st.sampled_from([g for g in range(1, channels + 1) if channels % g == 0]))
    windows = tuple(window(draw, size, extra_pad=2) for size in tensor.shape[1:-1])
    most = [w.output_size(size, "") for w, size in zip(windows, tensor.shape[1:-1], strict=True)]
    positions = [draw(st.sampled_from([size, max(1, size - 1)])) for size in most]
    columns = groups * draw(st.integers(1, 4))
    gradient = builder.add_input((tensor.shape[0], *positions, columns))
    return builder.add(ConvolutionGradient(windows=windows, groups=groups), [tensor, gradient])


def add_pool_gradient(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    """Add a pooling and its gradient, or only the sum of an average's."""
    windows, sizes = tuple(window(draw, size) for size in tensor.shape[1:-1]), tensor.shape[1:-1]
    if draw(st.booleans()):
        largest = builder.add(Pool(function="max", windows=windows), [tensor])
        operator = PoolGradient(function="max", windows=windows, sizes=sizes)
        return builder.add(operator, [tensor, largest, builder.add_input(largest.shape)])
    positions = [w.output_size(size, "") for w, size in zip(windows, sizes, strict=True)]
    gradient = builder.add_input((tensor.shape[0], *positions, tensor.shape[-1]))
    builder.add(PoolGradient(function="sum", windows=windows, sizes=sizes), [gradient])
    return builder.add(Elementwise(function="relu"), [tensor])


def add_tied_conv(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    """Add a convolution, or a transposed one, whose weight is an input."""
    columns = draw(st.integers(1, 5))
    windows = tuple(window(draw, size) for size in tensor.shape[1:-1])
    weight = builder.add_input((1, *(w.kernel for w in windows), columns, tensor.shape[-1]))
    operator: Operator = Convolution(out_channels=columns, windows=windows, tied=True)
    if draw(st.booleans()):
        plain = tuple(w._replace(pad_before=0, pad_after=0) for w in windows)
        operator = TransposedConvolution(
            out_channels=columns, windows=plain, output_padding=(0,) * len(windows), tied=True
        )
    return builder.add(operator, [tensor, weight])


def add_flip(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    return builder.add(Flip(axis=draw(st.integers(0, len(tensor.shape) - 1))), [tensor])


def add_cast(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    """Add a cast to another type and, changed there, back; to int8 where values are exact."""
    types = ["fp32", "fp16", "bf16", *(["int8"] if builder.is_exact else [])]
    function = "negative" if builder.is_exact else "tanh"
    there = builder.add(cast_to(tensor, DTYPES[draw(st.sampled_from(types))]), [tensor])
    changed = builder.add(Elementwise(function=function), [there])
    return builder.add(cast_to(changed, builder.dtype), [changed])
