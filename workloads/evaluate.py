"""The meaning of a graph in plain NumPy: what every mapping must compute.

Shares only `foundation.numerics` with the interpreter of programs; windows, contraction, slices and
broadcasting are NumPy's own, so that a mistake in lowering can't be made twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from foundation import numerics, segments
from foundation.dtype import Dtype
from foundation.errors import WorkloadError
from foundation.functions import FUNCTIONS, FunctionKind
from workloads.conversions import Cast
from workloads.gradients import ConvolutionGradient, Flip, PoolGradient
from workloads.graph import Fixes, Graph, Layer, Tensor, TensorKind
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
    Window,
)
from workloads.normalization import GroupNormalize
from workloads.resize import NEIGHBOURS, Interpolate, Repeat
from workloads.sampling import FloorInt32, LookupTable, Ramp, WeightedSum
from workloads.scan import Scan
from workloads.selection import Sort
from workloads.sparse import NeighbourSum
from workloads.transposed import TransposedConvolution

Array = NDArray[Any]


def random_tensors(graph: Graph, *, seed: int) -> dict[str, Array]:
    """Return values for every input and parameter of a graph.

    Parameters
    ----------
    graph
        The network.
    seed
        Equal seeds give equal values.

    Returns
    -------
    dict
        Tensor name to array: int8 over its full range, biases of a size that shows in the result,
        indices below their table's entries, floating point with deviation 1; weights that obey
        their pattern, times their scales; constants, and what an operator fixes, as they are.
    """
    generator = np.random.default_rng(seed)
    entries = _table_entries(graph)
    drawn = {
        tensor.name: _random(generator, tensor, entries.get(tensor.name))
        if tensor.constant is None
        else filled(tensor, tensor.constant)
        for tensor in graph.tensors.values()
        if tensor.kind is not TensorKind.ACTIVATION
    }
    return {**drawn, **fixed_tensors(graph), **_in_range(graph, drawn)}


def fixed_tensors(graph: Graph) -> dict[str, Array]:
    """Return the values of parameters that follow from their layer's operator."""
    found = {}
    for layer in graph.layers:
        if isinstance(layer.operator, Fixes):
            tensors = graph.parameter_tensors(layer)
            for role, real in layer.operator.fixed(tensors).items():
                tensor = tensors[role]
                values = np.array(real, dtype=np.float64).reshape(tensor.shape)
                found[tensor.name] = numerics.stored(values, tensor.dtype)
    return found


def _in_range(graph: Graph, drawn: dict[str, Array]) -> dict[str, Array]:
    """Return floating-point scales that bring scaled weights into the range of activations."""
    found = {}
    for layer in graph.layers:
        scale = layer.parameters.get("scale")
        if scale is not None and not graph.tensors[scale].dtype.is_integer:
            weight = next(name for role, name in layer.parameters.items() if _is_weight(role))
            largest = segments.largest_value(graph.tensors[weight].dtype)
            found[scale] = drawn[scale] / np.float32(largest)
    return found


def filled(tensor: Tensor, constant: float) -> Array:
    """Return the value of a tensor whose elements are all one real number."""
    return np.full(tensor.shape, numerics.stored(constant, tensor.dtype))


def _table_entries(graph: Graph) -> dict[str, int]:
    """Return, for each tensor that indexes tables, the entries of the smallest of them."""
    entries: dict[str, int] = {}
    for layer in reversed(graph.layers):
        names, passed = layer.inputs, entries.get(layer.name)
        if isinstance(layer.operator, Gather):  # what moves indices passes their limit on
            names, moved = names[1:], names[0]
            if passed is not None:
                entries[moved] = min(passed, entries.get(moved, passed))
        limit = _entries_of(graph, layer) or passed
        if limit is not None:
            entries.update({name: min(limit, entries.get(name, limit)) for name in names})
    return entries


def _entries_of(graph: Graph, layer: Layer) -> int | None:
    """Return the entries of the table that a layer's indices choose from, if it has any."""
    match layer.operator:
        case Embedding(entries=entries):
            return entries
        case Gather():
            return graph.tensors[layer.inputs[0]].shape[0]
        case RowNumbers(rows=rows):
            return rows
        case OneHot(classes=classes):
            return classes
        case LookupTable(rows=rows):
            return len(rows)
        case _:
            return None


def _random(generator: np.random.Generator, tensor: Tensor, entries: int | None) -> Array:
    if tensor.stored is not None:
        *outer, reduced, outputs = tensor.shape
        shape = (*outer, reduced // tensor.stored.length, outputs)
        return segments.joined(
            segments.draw(generator, shape, tensor.stored, pattern_seed=tensor.pattern_seed)
        )
    if not tensor.dtype.is_integer:
        return numerics.saturate(generator.standard_normal(tensor.shape), tensor.dtype)
    low, high = (-128, 128) if tensor.dtype.name == "int8" else (-20_000, 20_000)
    if entries is not None:
        low, high = 0, entries
    return generator.integers(low, high, tensor.shape).astype(tensor.dtype.numpy)


def evaluate(graph: Graph, tensors: Mapping[str, Array]) -> dict[str, Array]:
    """Return the value of every activation.

    Parameters
    ----------
    graph
        The network.
    tensors
        Values of its inputs and parameters, as from `random_tensors`.
    """
    values = dict(tensors)
    for layer in graph.layers:
        values[layer.name] = _layer(graph, layer, values)
    return {layer.name: values[layer.name] for layer in graph.layers}


def _layer(graph: Graph, layer: Layer, values: Mapping[str, Array]) -> Array:
    inputs = [values[name] for name in layer.inputs]
    learned = {role: values[name] for role, name in layer.parameters.items()}
    dtype = graph.output_tensor(layer).dtype
    match layer.operator:
        case Convolution() as operator:
            return _convolution(operator, inputs, learned, dtype)
        case TransposedConvolution() as operator:
            return _transposed_convolution(operator, inputs, learned, dtype)
        case ConvolutionGradient() as operator:
            return _convolution_gradient(operator, inputs, dtype)
        case Linear() as operator:
            return _linear(operator, inputs, learned, dtype)
        case MatMul() as operator:
            return _matmul(operator, inputs, dtype)
        case Elementwise() as operator:
            return _elementwise(operator, inputs, dtype)
        case Pool() as operator:
            return _pool(operator, inputs[0], dtype)
        case PoolGradient() as operator:
            return _pool_gradient(operator, inputs, dtype)
        case Reduce() as operator:
            axes = operator.positive_axes(inputs[0].ndim)
            result = numerics.reduction(operator.function, inputs[0], axes, dtype)
            return result.reshape(graph.output_tensor(layer).shape)
        case Normalize() as operator:
            return _normalize(operator, inputs[0], learned, dtype)
        case GroupNormalize() as operator:
            return _group_normalize(operator, inputs[0], learned, dtype)
        case Embedding():
            return learned["table"][inputs[0]]
        case Gather():
            return np.take(inputs[0], inputs[1], axis=0)
        case FixedGather():
            return np.take(inputs[0], learned["indices"], axis=0)
        case RowNumbers() as operator:
            return _row_numbers(operator, inputs[0], learned["offset"])
        case OneHot():
            return numerics.equal(inputs[0][..., np.newaxis], learned["numbers"], dtype)
        case Scan() as operator:
            decay, added = (np.moveaxis(values, operator.axis, -1) for values in inputs)
            return np.moveaxis(numerics.scan(decay, added, dtype), -1, operator.axis)
        case Sort() as operator:
            return _sorted(operator, inputs[0])
        case NeighbourSum():
            weight = learned["weight"][..., np.newaxis]
            return numerics.dot(inputs[0], weight, (1,), dtype)
        case FloorInt32():
            return numerics.floor_int32(inputs[0])
        case Ramp() as operator:
            behind = -operator.axis % inputs[0].ndim - 1
            ramp = learned["ramp"].reshape(-1, *(1,) * (behind % inputs[0].ndim))
            return numerics.binary(operator.function, inputs[0], ramp, dtype)
        case LookupTable():
            return learned["table"][inputs[0]]
        case WeightedSum():
            return numerics.dot(inputs[0], inputs[1][..., np.newaxis], (-2,), dtype)
        case Interpolate() as operator:
            return _interpolated(operator, inputs[0], learned["weight"], dtype)
        case Cast():
            return numerics.cast(inputs[0], dtype)
        case operator:
            return _moved(operator, inputs)


def _row_numbers(operator: RowNumbers, indices: Array, offset: Array) -> Array:
    batch = operator.batch_axes
    shared = indices.shape[batch:]
    between = (1,) * (len(operator.tables) - batch)
    spread = indices.reshape(*indices.shape[:batch], *between, *shared)
    result: Array = spread + offset.reshape(*offset.shape, *(1 for _ in shared))
    return result


def _sorted(operator: Sort, values: Array) -> Array:
    """Sort with Python's own sort, which keeps the order of equals."""

    def places(row: Array) -> list[int]:
        listed = row.tolist()
        return sorted(range(len(listed)), key=listed.__getitem__, reverse=True)

    order = np.apply_along_axis(places, operator.axis, values).astype(np.int32)
    if operator.function == "argsort":
        return order
    return np.take_along_axis(values, order, axis=operator.axis)


def _moved(operator: object, inputs: Sequence[Array]) -> Array:
    """Return the result of an operator that computes nothing."""
    match operator:
        case Concat():
            return np.concatenate(inputs, axis=operator.axis)
        case Slice():
            index = [slice(None)] * inputs[0].ndim
            index[operator.axis] = slice(operator.start, operator.stop, operator.step)
            return inputs[0][tuple(index)]
        case Reshape():
            return inputs[0].reshape(operator.shape)
        case Transpose():
            return inputs[0].transpose(operator.permutation)
        case Flip():
            return np.flip(inputs[0], operator.axis)
        case Repeat():
            result = inputs[0]
            for axis, factor in enumerate(operator.factors):
                result = result.repeat(factor, axis)
            return result
        case _:
            raise WorkloadError(f"operator {type(operator).__name__}: can't be evaluated")


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


def _is_weight(role: str) -> bool:
    """Whether a role is that of a product's weights, or of those of some of its outputs."""
    return role.startswith("weight")


def _weight(learned: Mapping[str, Array]) -> Array:
    """Return all weights of a product: of its parts side by side along its outputs."""
    parts = [values for role, values in learned.items() if _is_weight(role)]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)


def _linear(
    operator: Linear, inputs: Sequence[Array], learned: Mapping[str, Array], dtype: Dtype
) -> Array:
    weight = inputs[1].T if operator.tied else _weight(learned)
    products = _products("...k,kn->...n", inputs[0], weight, dtype)
    return _finish(products, len(weight), learned, operator, dtype)


def _matmul(operator: MatMul, inputs: Sequence[Array], dtype: Dtype) -> Array:
    products = _products(operator.equation, inputs[0], inputs[1], dtype)
    reduced = operator.subscripts()[0].index(operator.roles()[3])
    return _finish(products, inputs[0].shape[reduced], {}, operator, dtype)


def _convolution(
    operator: Convolution, inputs: Sequence[Array], learned: Mapping[str, Array], dtype: Dtype
) -> Array:
    weight = _window_weight(operator, inputs, learned)
    products = _slid(inputs[0], operator.windows, operator.groups, weight, dtype)
    return _finish(products, prod(weight.shape[1:-1]), learned, operator, dtype)


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
    view = _windows(image, windows, 0)
    grouped = view.reshape(*view.shape[: axes + 1], groups, -1, *view.shape[axes + 2 :])
    places, taps = "zyx"[-axes:], "tuv"[-axes:]
    equation = f"b{places}gc{taps},g{taps}cn->b{places}gn"
    products = _products(equation, grouped, weight, dtype)
    return products.reshape(*products.shape[:-2], -1)


def _transposed_convolution(
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


def _convolution_gradient(
    operator: ConvolutionGradient, inputs: Sequence[Array], dtype: Dtype
) -> Array:
    image, gradient = inputs
    axes, groups = len(operator.windows), operator.groups
    kept = tuple(slice(size) for size in gradient.shape[:-1])
    view = _windows(image, operator.windows, 0)[kept]
    grouped = view.reshape(*view.shape[: axes + 1], groups, -1, *view.shape[axes + 2 :])
    parted = gradient.reshape(*gradient.shape[:-1], groups, -1)
    places, taps = "zyx"[-axes:], "tuv"[-axes:]
    products = _products(f"b{places}gc{taps},b{places}gn->g{taps}cn", grouped, parted, dtype)
    reduction = prod(gradient.shape[:-1])
    return numerics.requantize(products, None, numerics.default_shift(reduction), dtype)


def _pool_gradient(operator: PoolGradient, inputs: Sequence[Array], dtype: Dtype) -> Array:
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


def _windows(image: Array, windows: Sequence[Window], fill: float) -> Array:
    """Return all windows of an image: shape (B, OY, OX, C, FY, FX), or with other axes."""
    axes = tuple(range(1, len(windows) + 1))
    pads = ((0, 0), *((w.pad_before, w.pad_after) for w in windows), (0, 0))
    padded = np.pad(image, pads, constant_values=fill)
    view = _sliding(padded, [w.span for w in windows], axes)
    strides = (slice(None, None, window.stride) for window in windows)
    dilations = (slice(None, None, window.dilation) for window in windows)
    return view[(slice(None), *strides, slice(None), *dilations)]


def _sliding(values: Array, spans: Sequence[int], axes: tuple[int, ...]) -> Array:
    """Return `sliding_window_view`, of any dtype: NumPy doesn't slide over float8_e5m2."""
    bits = values.view(f"u{values.itemsize}")
    result: Array = sliding_window_view(bits, spans, axis=axes).view(values.dtype)
    return result


def _pool(operator: Pool, image: Array, dtype: Dtype) -> Array:
    if dtype.is_integer:
        lowest: float = np.iinfo(dtype.numpy).min
    else:
        lowest = -np.inf if dtype.bits > 8 else numerics.limits(dtype)[0]
    view = _windows(image, operator.windows, lowest if operator.function == "max" else 0)
    taps = tuple(range(image.ndim, view.ndim))
    return numerics.reduction(operator.function, view, taps, dtype)


def _interpolated(operator: Interpolate, values: Array, weight: Array, dtype: Dtype) -> Array:
    """Return the neighbours of each element, weighted anew for each output."""
    last = np.moveaxis(values, operator.axis, -1)
    padded = np.pad(last, [(0, 0)] * (last.ndim - 1) + [(1, 1)])
    neighbours = _sliding(padded, [NEIGHBOURS], (-1,))[..., np.newaxis, :]
    spread = np.broadcast_to(weight, (*neighbours.shape[:-2], *weight.shape[-2:]))
    result = numerics.dot(neighbours, spread, (last.ndim + 1,), dtype)
    return np.moveaxis(result.reshape(*last.shape[:-1], -1), -1, operator.axis)


def _elementwise(operator: Elementwise, inputs: Sequence[Array], dtype: Dtype) -> Array:
    if FUNCTIONS[operator.function].kind is FunctionKind.UNARY:
        result = numerics.unary(operator.function, inputs[0], dtype)
    else:
        result = numerics.binary(operator.function, inputs[0], inputs[1], dtype)
    return numerics.unary(operator.activation, result, dtype)


def _normalize(
    operator: Normalize, values: Array, learned: Mapping[str, Array], dtype: Dtype
) -> Array:
    match operator.function:
        case "softmax":
            last = np.moveaxis(values, operator.axis, -1)
            return np.moveaxis(numerics.softmax(last, dtype), -1, operator.axis)
        case "layer_norm":
            return numerics.layer_norm(values, learned["gamma"], learned["beta"], dtype)
        case "rms_norm":
            return numerics.rms_norm(values, learned["gamma"], dtype)
        case _:
            return numerics.batch_norm(values, learned["gamma"], learned["beta"], dtype)


def _group_normalize(
    operator: GroupNormalize, values: Array, learned: Mapping[str, Array], dtype: Dtype
) -> Array:
    parted = values.reshape(len(values), -1, operator.groups, values.shape[-1] // operator.groups)
    rows = parted.swapaxes(1, 2)
    gamma, beta = (
        np.broadcast_to(learned[role].reshape(operator.groups, 1, -1), rows.shape[1:])
        for role in ("gamma", "beta")
    )
    one = (operator.groups, -1)
    flat = rows.reshape(len(values), *one)
    result = numerics.layer_norm(flat, gamma.reshape(one), beta.reshape(one), dtype)
    return result.reshape(rows.shape).swapaxes(1, 2).reshape(values.shape)
