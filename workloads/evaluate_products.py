"""Products in plain NumPy: linear layers, convolutions and their gradients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

import numpy as np

from foundation import numerics
from foundation.dtype import Dtype
from foundation.numerics import Array
from workloads.evaluate_windows import windows_of
from workloads.gradients import ConvolutionGradient
from workloads.layers import (
    Convolution,
    Linear,
    MatMul,
    Window,
)
from workloads.transposed import TransposedConvolution


def linear(
    operator: Linear, inputs: Sequence[Array], learned: Mapping[str, Array], dtype: Dtype
) -> Array:
    """Return a linear layer's result."""
    weight = inputs[1].T if operator.tied else _weight(learned)
    products = _products("...k,kn->...n", inputs[0], weight, dtype)
    return _finish(products, len(weight), learned, operator, dtype)


def matmul(operator: MatMul, inputs: Sequence[Array], dtype: Dtype) -> Array:
    """Return a product of two inputs."""
    products = _products(operator.equation, inputs[0], inputs[1], dtype)
    reduced = operator.subscripts()[0].index(operator.roles()[3])
    return _finish(products, inputs[0].shape[reduced], {}, operator, dtype)


def convolution(
    operator: Convolution, inputs: Sequence[Array], learned: Mapping[str, Array], dtype: Dtype
) -> Array:
    """Return a convolution's result."""
    weight = _window_weight(operator, inputs, learned)
    products = _slid(inputs[0], operator.windows, operator.groups, weight, dtype)
    return _finish(products, prod(weight.shape[1:-1]), learned, operator, dtype)


def transposed_convolution(
    operator: TransposedConvolution,
    inputs: Sequence[Array],
    learned: Mapping[str, Array],
    dtype: Dtype,
) -> Array:
    """Slide the stored taps over the input with zeros between its elements and around it."""
    image, weight = inputs[0], _window_weight(operator, inputs, learned)
    batch, *sizes, channels = image.shape
    apart = [1 + (size - 1) * w.stride for size, w in zip(sizes, operator.windows, strict=True)]
    spread = np.zeros((batch, *apart, channels), dtype=image.dtype)
    spread[(slice(None), *(slice(None, None, w.stride) for w in operator.windows))] = image
    windows = [Window(w.kernel, 1, w.dilation, w.span - 1, w.span - 1) for w in operator.windows]
    whole = _slid(spread, windows, operator.groups, weight, dtype)
    after = zip(operator.windows, operator.output_padding, strict=True)
    kept = [
        slice(w.pad_before, size - w.pad_after + more)
        for (w, more), size in zip(after, whole.shape[1:-1], strict=True)
    ]
    beyond = [(0, more) for more in operator.output_padding]
    products = np.pad(whole, ((0, 0), *beyond, (0, 0)))[(slice(None), *kept)]
    return _finish(products, operator.reduction(channels), learned, operator, dtype)


def convolution_gradient(
    operator: ConvolutionGradient, inputs: Sequence[Array], dtype: Dtype
) -> Array:
    """Return the gradient of a convolution's weight."""
    image, gradient = inputs
    axes, groups = len(operator.windows), operator.groups
    kept = tuple(slice(size) for size in gradient.shape[:-1])
    view = windows_of(image, operator.windows, 0)[kept]
    grouped = view.reshape(*view.shape[: axes + 1], groups, -1, *view.shape[axes + 2 :])
    parted = gradient.reshape(*gradient.shape[:-1], groups, -1)
    places, taps = "zyx"[-axes:], "tuv"[-axes:]
    products = _products(f"b{places}gc{taps},b{places}gn->g{taps}cn", grouped, parted, dtype)
    reduction = prod(gradient.shape[:-1])
    return numerics.requantize(products, None, numerics.default_shift(reduction), dtype)


def _window_weight(
    operator: Convolution | TransposedConvolution,
    inputs: Sequence[Array],
    learned: Mapping[str, Array],
) -> Array:
    """Return a convolution's weight, shape (G, FY, FX, IC/G, OC/G)."""
    return inputs[1].swapaxes(-1, -2) if operator.tied else _weight(learned)


def _slid(
    image: Array, windows: Sequence[Window], groups: int, weight: Array, dtype: Dtype
) -> Array:
    """Return the products of sliding windows, channels of all groups side by side."""
    axes = len(windows)
    view = windows_of(image, windows, 0)
    grouped = view.reshape(*view.shape[: axes + 1], groups, -1, *view.shape[axes + 2 :])
    places, taps = "zyx"[-axes:], "tuv"[-axes:]
    equation = f"b{places}gc{taps},g{taps}cn->b{places}gn"
    products = _products(equation, grouped, weight, dtype)
    return products.reshape(*products.shape[:-2], -1)


def _products(equation: str, left: Array, right: Array, dtype: Dtype) -> Array:
    """Return einsum in a width that never wraps."""
    wide = numerics.wide(dtype)
    result: Array = np.einsum(equation.replace(" ", ""), left.astype(wide), right.astype(wide))
    return result


def _finish(
    products: Array,
    reduction: int,
    learned: Mapping[str, Array],
    operator: Linear | MatMul | Convolution | TransposedConvolution,
    dtype: Dtype,
) -> Array:
    """Return products of ``reduction`` terms with bias, requantized, and activated."""
    shift = operator.shift
    if shift is None:
        shift = numerics.default_shift(reduction, _weight_bits(operator, dtype))
    bias = learned.get("bias")
    if "scale" in learned:
        result = numerics.rescale(products, learned["scale"], bias, shift, dtype)
    else:
        result = numerics.requantize(products, bias, shift, dtype)
    return numerics.unary(operator.activation, result, dtype)


def _weight_bits(
    operator: Linear | MatMul | Convolution | TransposedConvolution, dtype: Dtype
) -> int:
    """Return the bits of a product's weights."""
    if isinstance(operator, MatMul) or operator.weights is None:
        return dtype.bits
    return (operator.weights.dtype or dtype).bits


def is_weight(role: str) -> bool:
    """Whether a role is that of a product's weights, or of those of some of its outputs."""
    return role.startswith("weight")


def _weight(learned: Mapping[str, Array]) -> Array:
    """Return all weights of a product: of its parts side by side along its outputs."""
    parts = [values for role, values in learned.items() if is_weight(role)]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)
