"""Windows that slide over NumPy arrays, and what is pooled in them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from foundation import numerics
from foundation.dtype import Dtype
from foundation.numerics import Array
from workloads.gradients import PoolGradient
from workloads.layers import (
    Pool,
    Window,
)


def windows_of(image: Array, windows: Sequence[Window], fill: float) -> Array:
    """Return all windows of an image: shape (B, OY, OX, C, FY, FX), or with other axes."""
    axes = tuple(range(1, len(windows) + 1))
    pads = ((0, 0), *((w.pad_before, w.pad_after) for w in windows), (0, 0))
    padded = np.pad(image, pads, constant_values=fill)
    view = sliding(padded, [w.span for w in windows], axes)
    strides = (slice(None, None, window.stride) for window in windows)
    dilations = (slice(None, None, window.dilation) for window in windows)
    return view[(slice(None), *strides, slice(None), *dilations)]


def sliding(values: Array, spans: Sequence[int], axes: tuple[int, ...]) -> Array:
    """Return `sliding_window_view`, of any dtype: NumPy doesn't slide over float8_e5m2."""
    bits = values.view(f"u{values.itemsize}")
    result: Array = sliding_window_view(bits, spans, axis=axes).view(values.dtype)
    return result


def pool(operator: Pool, image: Array, dtype: Dtype) -> Array:
    """Return a pooling's result."""
    if dtype.is_integer:
        lowest: float = np.iinfo(dtype.numpy).min
    else:
        lowest = -np.inf if dtype.bits > 8 else numerics.limits(dtype)[0]
    view = windows_of(image, operator.windows, lowest if operator.function == "max" else 0)
    taps = tuple(range(image.ndim, view.ndim))
    return numerics.reduction(operator.function, view, taps, dtype)


def pool_gradient(operator: PoolGradient, inputs: Sequence[Array], dtype: Dtype) -> Array:
    """Add the gradient of every tap to the image, one tap after the other."""
    gradient, wide = inputs[-1], numerics.wide(dtype)
    windows, positions = operator.windows, gradient.shape[1:-1]
    after = [
        max(window.pad_after, (count - 1) * window.stride + window.span - window.pad_before - size)
        for window, count, size in zip(windows, positions, operator.sizes, strict=True)
    ]
    sizes = zip(windows, after, operator.sizes, strict=True)
    padded = [window.pad_before + size + more for window, more, size in sizes]
    total = np.zeros((len(gradient), *padded, gradient.shape[-1]), wide)
    before = [window.pad_before for window in windows]
    inside = tuple(slice(p, p + n) for p, n in zip(before, operator.sizes, strict=True))
    image = np.zeros_like(total, gradient.dtype)
    if operator.function == "max":
        image[:, *inside] = inputs[0]
    for taps in np.ndindex(*(window.kernel for window in windows)):
        each = zip(taps, windows, positions, strict=True)
        place = tuple(
            slice(tap * w.dilation, tap * w.dilation + (count - 1) * w.stride + 1, w.stride)
            for tap, w, count in each
        )
        share = gradient.astype(wide)
        if operator.function == "max":
            share = np.where(image[:, *place] == inputs[1], share, 0)
        total[:, *place] += share
    return numerics.saturate(total[:, *inside], dtype)
