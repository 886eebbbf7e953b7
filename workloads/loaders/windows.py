"""Entries with windows, as operators: strides, dilations and padding for each axis."""

from __future__ import annotations

from collections.abc import Sequence

from workloads.gradients import ConvolutionGradient, PoolGradient
from workloads.graph import Operator, Tensor
from workloads.layers import (
    Convolution,
    Pool,
    Reduce,
    Window,
)
from workloads.loaders.expand import Place
from workloads.loaders.layer_models import (
    ConvGradientLayer,
    ConvLayer,
    DeformableLayer,
    GlobalPoolLayer,
    LinearLayer,
    MatMulLayer,
    PoolGradientLayer,
    PoolLayer,
    TransposedConvLayer,
)
from workloads.loaders.models import LayerItem
from workloads.loaders.weights import weights_of
from workloads.transposed import TransposedConvolution


def windowed(
    item: ConvLayer | TransposedConvLayer | PoolLayer | GlobalPoolLayer,
    place: Place,
    inputs: Sequence[Tensor],
) -> Operator:
    """Return an operator with windows."""
    tensor = inputs[0]
    axes = spatial_axes(item, place, tensor)
    match item:
        case GlobalPoolLayer():
            return Reduce(function=item.function, axes=tuple(range(1, axes + 1)))
        case PoolLayer():
            function = "max" if item.op == "max_pool" else "mean"
            return Pool(function=function, windows=windows_of(item, place, tensor))
        case ConvLayer():
            return Convolution(
                out_channels=place.integer(item.out, "out", minimum=1),
                windows=windows_of(item, place, tensor),
                groups=place.integer(item.groups, "groups", minimum=1),
                bias=item.bias,
                batch_norm=item.batch_norm,
                activation=item.activation,
                shift=shift_of(item, place),
                tied=len(inputs) == 2,
                weights=weights_of(item.weights, place),
            )
        case TransposedConvLayer():
            windows, output_padding = _transposed_windows(item, place, tensor)
            return TransposedConvolution(
                out_channels=place.integer(item.out, "out", minimum=1),
                windows=windows,
                output_padding=output_padding,
                groups=place.integer(item.groups, "groups", minimum=1),
                bias=item.bias,
                activation=item.activation,
                shift=shift_of(item, place),
                tied=len(inputs) == 2,
                weights=weights_of(item.weights, place),
            )


def window_gradient(
    item: ConvGradientLayer | PoolGradientLayer, place: Place, inputs: Sequence[Tensor]
) -> Operator:
    """Return the gradient of an operator with windows."""
    axes = spatial_axes(item, place, inputs[0])
    windows = windows_of(item, place, inputs[0])
    if isinstance(item, ConvGradientLayer):
        groups = place.integer(item.groups, "groups", minimum=1)
        return ConvolutionGradient(windows=windows, groups=groups)
    sizes = per_axis(item.sizes, "sizes", place, axes)
    return PoolGradient(function=item.function, windows=windows, sizes=sizes)


def spatial_axes(item: LayerItem, place: Place, tensor: Tensor) -> int:
    """Return the number of spatial axes of an image, a signal or a volume."""
    rank = len(tensor.shape)
    if rank not in (3, 4, 5):
        raise place.failure(
            f"{item.op} needs an input of 4 axes [batch, height, width, channels], 3 [batch, width,"
            " channels] or 5 [batch, depth, height, width, channels] but"
            f" '{tensor.name}' has {rank}: {list(tensor.shape)}"
        )
    return rank - 2


def _transposed_windows(
    item: TransposedConvLayer, place: Place, tensor: Tensor
) -> tuple[tuple[Window, ...], tuple[int, ...]]:
    """Return a window and an output padding for each spatial axis."""
    windows = windows_of(item, place, tensor)
    if item.padding != "same":
        return windows, per_axis(item.output_padding, "output_padding", place, len(windows), 0)
    if item.output_padding != 0:
        raise place.failure(
            "has 'output_padding' and 'padding: same', which sets it; keep one", "output_padding"
        )
    return windows, tuple(max(window.stride - window.span, 0) for window in windows)


def windows_of(
    item: ConvLayer
    | TransposedConvLayer
    | PoolLayer
    | DeformableLayer
    | ConvGradientLayer
    | PoolGradientLayer,
    place: Place,
    tensor: Tensor,
) -> tuple[Window, ...]:
    """Return one window for each spatial axis."""
    sizes = tensor.shape[1:-1]
    axes = len(sizes)
    kernels = per_axis(item.kernel, "kernel", place, axes)
    strides = kernels
    if item.stride is not None:
        strides = per_axis(item.stride, "stride", place, axes)
    dilations = per_axis(item.dilation, "dilation", place, axes)
    windows = [
        Window(kernel=kernel, stride=stride, dilation=dilation)
        for kernel, stride, dilation in zip(kernels, strides, dilations, strict=True)
    ]
    if item.padding == "same" and isinstance(item, TransposedConvLayer):
        pads = [_same_transposed(window) for window in windows]
    elif item.padding == "same":
        if isinstance(item, PoolGradientLayer):
            raise place.failure("padding can't be 'same': give the pooling's numbers", "padding")
        pads = [_same(window, size) for window, size in zip(windows, sizes, strict=True)]
    else:
        pads = _padding(item.padding, place, axes)
    return tuple(
        window._replace(pad_before=before, pad_after=after)
        for window, (before, after) in zip(windows, pads, strict=True)
    )


def per_axis(
    value: int | str | list[int | str], key: str, place: Place, axes: int, minimum: int = 1
) -> tuple[int, ...]:
    """Return a number for each spatial axis: the one that stands for all, or those of a list."""
    if not isinstance(value, list):
        return (place.integer(value, key, minimum=minimum),) * axes
    if len(value) != axes:
        raise place.failure(_count_rule(key, len(value), axes), key)
    return place.integers(value, key, minimum)


def _count_rule(key: str, given: int, axes: int) -> str:
    values, windows = ("value", "axis") if axes == 1 else ("values", "axes")
    return f"{key} has {given} entries but needs {axes} {values} for {axes} spatial {windows}"


def _same(window: Window, size: int) -> tuple[int, int]:
    """Return padding for ``ceil(size / stride)`` positions, the odd element after the data.

    References
    ----------
    .. [1] TensorFlow, "tf.nn: Notes on padding", https://www.tensorflow.org/api_docs/python/tf/nn
    """
    positions = -(-size // window.stride)
    total = max((positions - 1) * window.stride + window.span - size, 0)
    return total // 2, total - total // 2


def _same_transposed(window: Window) -> tuple[int, int]:
    """Return what is cut off for ``size · stride`` positions, as the convolution back pads."""
    total = max(window.span - window.stride, 0)
    return total // 2, total - total // 2


def _padding(
    value: int | str | list[int | str | list[int | str]], place: Place, axes: int
) -> list[tuple[int, int]]:
    if not isinstance(value, list):
        return [(place.integer(value, "padding", minimum=0),) * 2] * axes
    if len(value) != axes:
        raise place.failure(_count_rule("padding", len(value), axes), "padding")
    pads = []
    for number, entry in enumerate(value):
        pair = entry if isinstance(entry, list) else [entry, entry]
        if len(pair) != 2:
            raise place.failure(
                f"padding of one axis has {len(pair)} values but needs 2: [before, after]",
                "padding",
                number,
            )
        before, after = (place.integer(size, "padding", number, minimum=0) for size in pair)
        pads.append((before, after))
    return pads


def shift_of(
    item: ConvLayer | TransposedConvLayer | LinearLayer | MatMulLayer, place: Place
) -> int | None:
    """Return the bits by which a product is shifted; None for the default."""
    if item.shift is None:
        return None
    shift = place.integer(item.shift, "shift", minimum=0)
    if shift > 31:
        raise place.failure(f"shift is {shift} but must be at most 31", "shift")
    return shift
