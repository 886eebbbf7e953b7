"""Names of operators and shapes, short enough for a table."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from foundation.stored import Stored
from workloads.gradients import ConvolutionGradient, PoolGradient
from workloads.graph import Graph, Layer
from workloads.layers import (
    Convolution,
    Elementwise,
    Linear,
    MatMul,
    Normalize,
    Pool,
    Reduce,
    Window,
)
from workloads.normalization import GroupNormalize
from workloads.scan import Scan
from workloads.selection import Sort
from workloads.transposed import TransposedConvolution


def operator_label(layer: Layer) -> str:
    """Return an operator's name with what matters of its attributes."""
    match layer.operator:
        case Convolution(groups=groups, out_channels=channels) if groups > 1:
            return "depthwise conv" if groups == channels else f"conv g{groups}"
        case Pool(function=function):
            return f"{function} pool"
        case (
            Elementwise(function=function) | Normalize(function=function) | Sort(function=function)
        ):
            return function
        case Reduce(function=function):
            return f"reduce {function}"
        case operator:
            return operator.kind


def stored_label(stored: Stored) -> str:
    """Return how weights are stored in words: ``int8 2:4 nm``, ``int4 with fp16 for 32``."""
    parts = [str(stored.value)]
    if stored.nonzeros < stored.length:
        parts += [f"{stored.kept}:{stored.period}", stored.format]
    if stored.scale is not None:
        parts += ["with", str(stored.scale), "for", str(stored.length)]
    return " ".join(parts)


def shape_label(graph: Graph, layer: Layer) -> str:
    """Return what a layer makes of what, batch included where it isn't 1."""
    inputs = graph.input_tensors(layer)
    output = graph.output_tensor(layer)
    match layer.operator:
        case (
            Convolution(windows=windows)
            | TransposedConvolution(windows=windows)
            | Pool(windows=windows)
            | ConvolutionGradient(windows=windows)
            | PoolGradient(windows=windows)
        ):
            sizes = f"{_sizes(inputs[0].shape)}→{_sizes(output.shape)}"
            return f"{sizes} k{_per_axis([w.kernel for w in windows])}{_strides(windows)}"
        case Linear(out_features=columns):
            rows = prod(inputs[0].shape[:-1])
            return f"M{rows} N{columns} K{inputs[0].shape[-1]}"
        case MatMul() as operator:
            extents = operator.extents(inputs)
            batch, *roles = operator.roles()
            count = prod(extents[letter] for letter in batch)
            m, n, k = (extents[letter] for letter in roles)
            return f"{count}× M{m} N{n} K{k}" if count > 1 else f"M{m} N{n} K{k}"
        case Elementwise() | Normalize() | GroupNormalize() | Sort() | Scan():
            return _sizes(output.shape)
        case _:
            return f"{_sizes(inputs[0].shape)}→{_sizes(output.shape)}"


def _sizes(shape: Sequence[int]) -> str:
    """Return sizes joined by ×, without a leading batch of 1."""
    kept = shape[1:] if len(shape) > 1 and shape[0] == 1 else shape
    return "×".join(str(size) for size in kept)


def _per_axis(values: Sequence[int]) -> str:
    return str(values[0]) if len(set(values)) == 1 else "×".join(str(value) for value in values)


def _strides(windows: Sequence[Window]) -> str:
    strides = [window.stride for window in windows]
    return "" if set(strides) == {1} else f" s{_per_axis(strides)}"
