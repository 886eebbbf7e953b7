"""Aten's pools and changes of an image's size as calls of the importer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from workloads.layers import Window
from workloads.loaders.imported import vector
from workloads.loaders.imported.importer import Importer
from workloads.loaders.imported.indices import operand
from workloads.loaders.imported.values import Value
from workloads.loaders.torch.node import Call, Handler


def _axes(call: Call) -> int:
    """Return how many spatial axes an operator has, by its name: ``max_pool2d``."""
    return next(int(x[0]) for x in call.node.operator.replace("_", "").split("pool")[1:] if x)


def _pool(to: Importer, call: Call, *, function: str) -> Value | Sequence[Value]:
    image, count = call.tensor(), _axes(call)
    is_single = image.rank == count + 1
    whole = to.reshaped(image, (1, *image.shape)) if is_single else image
    kernel = call.per_axis("kernel_size", count)
    strides = kernel if not call.any("stride") else call.per_axis("stride", count)
    pads = call.per_axis("padding", count, 0)
    dilations = call.per_axis("dilation", count, 1)
    windows = [
        Window(k, s, d, p, p) for k, s, d, p in zip(kernel, strides, dilations, pads, strict=True)
    ]
    if call.flag("ceil_mode"):
        windows = [
            vector.rounded_up(w, size) for w, size in zip(windows, whole.shape[2:], strict=True)
        ]
    if function == "mean" and any(pads) and not call.flag("count_include_pad", default=True):
        # Approximation: the mean of a window at the border divides by its whole size.
        to.note("means of windows count padding as zeros, where the file leaves it out")
    result = vector.pool(to, call.name, function, whole, windows)
    return _first(to, call, result)


def _first(to: Importer, call: Call, result: Value) -> Value | Sequence[Value]:
    """Return a result, as the first of several where an operator also gives indices."""
    result = to.reshaped(result, call.shape)
    return [result] if len(call.shapes) > 1 else result


def _adaptive(to: Importer, call: Call, *, function: str) -> Value | Sequence[Value]:
    """Return windows that divide an image evenly."""
    # Approximation: where they can't, all windows have the size of the largest.
    image, count = call.tensor(), _axes(call)
    whole = to.reshaped(image, (1, *image.shape)) if image.rank == count + 1 else image
    before, after = whole.shape[2:], call.shape[-count:]
    if set(after) == {1}:
        axes = range(2, whole.rank)
        result = vector.reduce(to, call.name, function, whole, axes, keeps=True)
        return _first(to, call, result)
    if after == before:
        return _first(to, call, whole)
    if any(new > old for new, old in zip(after, before, strict=True)):
        grown = vector.resize(to, call.name, whole, after, linear=False)
        return _first(to, call, grown)
    windows = []
    for old, new in zip(before, after, strict=True):
        stride = old // new
        windows.append(Window(old - (new - 1) * stride, stride))
        if old % new:
            to.note("adaptive pools of uneven windows are counted with windows of one size")
    return _first(to, call, vector.pool(to, call.name, function, whole, windows))


def _resize(to: Importer, call: Call, *, linear: bool) -> Value:
    """Return an image of another size."""
    # Approximation: values lie where PyTorch's align_corners=False has them; cubic interpolation
    # and smoothing before an image becomes smaller cost as much as linear interpolation.
    image = operand(to, call.tensor())
    name = call.node.operator
    if "bicubic" in name or name.endswith("_aa"):
        to.note("cubic and smoothing resizes are counted as linear ones")
    return vector.resize(to, call.name, image, call.shape[2:], linear=linear)


_LINEAR = (
    *("upsample_linear1d", "upsample_bilinear2d", "upsample_trilinear3d", "upsample_bicubic2d"),
    *("_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa"),
)
_NEAREST = (
    *("upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d"),
    *("_upsample_nearest_exact1d", "_upsample_nearest_exact2d", "_upsample_nearest_exact3d"),
)
_MAX = ("max_pool1d", "max_pool2d", "max_pool3d")
_WITH_INDICES = tuple(f"{name}_with_indices" for name in _MAX)
_MEAN = ("avg_pool1d", "avg_pool2d", "avg_pool3d")
HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(_LINEAR, partial(_resize, linear=True)),
    **dict.fromkeys(_NEAREST, partial(_resize, linear=False)),
    **dict.fromkeys((*_MAX, *_WITH_INDICES), partial(_pool, function="max")),
    **dict.fromkeys(_MEAN, partial(_pool, function="mean")),
    **dict.fromkeys((f"adaptive_{name}" for name in _MAX), partial(_adaptive, function="max")),
    **dict.fromkeys((f"adaptive_{name}" for name in _MEAN), partial(_adaptive, function="mean")),
    **dict.fromkeys((f"_adaptive_{name}" for name in _MEAN), partial(_adaptive, function="mean")),
}
