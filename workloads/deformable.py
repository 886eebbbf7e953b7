"""Deformable convolution: every tap of a window looks where computed offsets say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from foundation.errors import WorkloadError
from workloads.build import GraphBuilder
from workloads.graph import Tensor
from workloads.layers import Linear, Reshape, Slice, Window
from workloads.sampling import Ends, Ramp, Sketch


@dataclass(frozen=True, slots=True, kw_only=True)
class Deformable:
    """A deformable convolution.

    Parameters
    ----------
    out_channels, bias, activation
        As of a convolution.
    windows
        Along y and x.
    offset_groups
        Groups of input channels, each of which has offsets of its own.
    """

    out_channels: int
    windows: tuple[Window, Window]
    bias: bool = False
    activation: str = "identity"
    offset_groups: int = 1


def add_deformable_convolution(
    builder: GraphBuilder,
    name: str,
    image: Tensor,
    offset: Tensor,
    mask: Tensor | None,
    deformable: Deformable,
) -> Tensor:
    """Add what torchvision's ``deform_conv2d`` computes, without groups of outputs.

    Each tap is a bilinear interpolation between four positions, zeros outside of the image, times
    the mask if there is one (version 2). The taps of a position are then multiplied by the weights
    as one row.

    # Approximation: the four positions of each tap are gathered to main memory, neighbours or not,
    and all taps are written before they are multiplied.

    Parameters
    ----------
    builder
        Gets the layers.
    name
        Of the last one, the product.
    image
        Shape ``[batch, height, width, channels]``.
    offset, mask
        Of every position of the output ``[groups, y, x, 2]``, by how much the tap's y and x are
        larger than a convolution's, as its channels; and ``[groups, y, x]``.
    deformable
        The convolution.

    Returns
    -------
    Tensor
        Shape ``[batch, height, width, out_channels]``; weights are ``[groups, y, x, channels]`` as
        one axis, and the output.

    Raises
    ------
    WorkloadError
        Shapes don't fit, or the type doesn't hold the positions' numbers.

    References
    ----------
    .. [1] J. Dai et al., "Deformable Convolutional Networks", ICCV 2017.
    .. [2] X. Zhu et al., "Deformable ConvNets v2", CVPR 2019.
    """
    window = add_deformed_windows(builder, name, image, offset, mask, deformable)
    product = Linear(
        out_features=deformable.out_channels,
        bias=deformable.bias,
        activation=deformable.activation,
    )
    return builder.add_layer(name, product, [window])


def add_deformed_windows(
    builder: GraphBuilder,
    name: str,
    image: Tensor,
    offset: Tensor,
    mask: Tensor | None,
    deformable: Deformable,
) -> Tensor:
    """Add all but the product: the taps of every position, ``[batch, height, width, taps]``.

    Its layers' names begin with ``name``; the last one is ``name.window``. All else is as of
    `add_deformable_convolution`.
    """
    groups, windows = deformable.offset_groups, deformable.windows
    _check(name, image, offset, mask, deformable)
    sketch = Sketch(builder, name, image.dtype)
    batch, height, width, channels = image.shape
    places = offset.shape[1:3]
    taps = (batch, *places, groups, *(window.kernel for window in windows))
    pairs = sketch.layer("offsets", Reshape(shape=(batch, *places, -1, 2)), offset)
    y, x = (
        _ends(sketch, axis, pairs, taps, windows, number, image.shape[1 + number])
        for number, axis in enumerate("yx")
    )
    first, second = (
        sketch.function(f"{end}_row", "multiply", own, float(width))
        for end, own in (("low", y.low), ("high", y.high))
    )
    numbers = sketch.function(
        "numbers",
        "add",
        sketch.both("y", first, second, (*taps, 2, 1)),
        sketch.both("x", x.low, x.high, (*taps, 1, 2)),
    )
    if groups > 1:
        numbers = sketch.function("row_numbers", "multiply", numbers, float(groups))
        own = Ramp(function="add", axis=3, count=groups, start=0.0, step=1.0)
        numbers = sketch.layer("group_numbers", own, numbers)
    weights = sketch.function(
        "shares",
        "multiply",
        sketch.both("y_weight", y.low_weight, y.high_weight, (*taps, 2, 1)),
        sketch.both("x_weight", x.low_weight, x.high_weight, (*taps, 1, 2)),
    )
    if mask is not None:
        factors = sketch.layer("mask", Reshape(shape=(*taps, 1, 1)), mask)
        weights = sketch.function("masked", "multiply", weights, factors)
    table = Reshape(shape=(batch, height * width * groups, channels // groups))
    rows = sketch.layer("rows", table, image)
    sums = sketch.sampled(f"{name}.taps", rows, numbers, weights, taps)
    return sketch.layer("window", Reshape(shape=(batch, *places, -1)), sums)


def _ends(
    sketch: Sketch,
    axis: str,
    pairs: Tensor,
    taps: tuple[int, ...],
    windows: Sequence[Window],
    number: int,
    size: int,
) -> Ends:
    """Return the positions beside every tap along an axis, and their weights: 0 outside."""
    window = windows[number]
    own = sketch.layer(f"{axis}_offsets", Slice(axis=4, start=number, stop=number + 1), pairs)
    points = sketch.layer(f"{axis}_taps", Reshape(shape=taps), own)
    steps = (
        ("window", 1 + number, -float(window.pad_before), window.stride),
        ("points", 4 + number, 0.0, window.dilation),
    )
    for what, along, start, step in steps:
        evenly = Ramp(function="add", axis=along, count=taps[along], start=start, step=float(step))
        points = sketch.layer(f"{axis}_{what}", evenly, points)
    low = sketch.function(f"{axis}_low_place", "floor", points)
    high = sketch.function(f"{axis}_high_place", "add", low, 1.0)
    part = sketch.function(f"{axis}_part", "subtract", points, low)
    rest = sketch.function(f"{axis}_rest", "subtract", 1.0, part)
    last = size - 1.0
    shares = [
        sketch.function(
            f"{axis}_{end}_share",
            "multiply",
            share,
            sketch.inside(f"{axis}_{end}", place, 0.0, last),
        )
        for end, place, share in (("low", low, rest), ("high", high, part))
    ]
    inner = [
        sketch.clipped(f"{axis}_{end}", place, last)
        for end, place in (("low", low), ("high", high))
    ]
    return Ends(*inner, *shares)


def _check(
    name: str, image: Tensor, offset: Tensor, mask: Tensor | None, deformable: Deformable
) -> None:
    what, groups = f"layer '{name}'", deformable.offset_groups
    if len(image.shape) != 4 or groups < 1 or image.shape[-1] % groups:
        raise WorkloadError(
            f"{what}: needs an image [batch, height, width, channels] whose channels divide into"
            f" {groups} groups but '{image.name}' is {list(image.shape)}"
        )
    sizes = [
        window.output_size(size, axis)
        for window, size, axis in zip(
            deformable.windows, image.shape[1:3], ("height", "width"), strict=True
        )
    ]
    count = groups * prod(window.kernel for window in deformable.windows)
    for tensor, channels in ((offset, 2 * count), (mask, count)):
        expected = (image.shape[0], *sizes, channels)
        if tensor is not None and (tensor.shape != expected or tensor.dtype != image.dtype):
            raise WorkloadError(
                f"{what}: needs {list(expected)} {image.dtype} but '{tensor.name}' is"
                f" {list(tensor.shape)} {tensor.dtype}"
            )
