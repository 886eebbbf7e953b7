"""Element-wise functions, windows, reductions and normalizations of foreign tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf, prod

import numpy as np

from foundation.errors import WorkloadError
from foundation.numerics import Array
from workloads.graph import Tensor
from workloads.layers import Elementwise, Normalize, Pool, Reduce, Shape, Window
from workloads.loaders.imported.importer import Importer
from workloads.loaders.imported.movement import cut
from workloads.loaders.imported.pending import Product
from workloads.loaders.imported.products import (
    last_axis_last,
    with_activation,
    with_batch_norm,
    with_bias,
)
from workloads.loaders.imported.refused import UnsupportedError
from workloads.loaders.imported.values import Axes, Value, as_it_lies, channels_last, lying, plain
from workloads.loaders.imported.weights import Learned, learned_of, number_of, recipe_of, weight_of
from workloads.normalization import GroupNormalize
from workloads.resize import Interpolate, Repeat

#: Functions of two operands that leave the first as it is where the second is this number.
_NEUTRAL = {"add": 0.0, "subtract": 0.0, "multiply": 1.0, "divide": 1.0}
_COMMUTATIVE = ("add", "multiply", "maximum", "minimum")


def unary(to: Importer, name: str, function: str, value: Value) -> Value:
    """Return a function of every element; it becomes the end of the layer before where it can."""
    fused = with_activation(value, function)
    if fused is not None:
        return fused
    lie = as_it_lies(value)
    return lying(to.layer(name, Elementwise(function=function), (to.tensor(value, lie),)), lie)


def binary(to: Importer, name: str, function: str, left: Value, right: Value) -> Value:
    """Return a function of two operands, which follow NumPy's broadcasting.

    Raises
    ------
    WorkloadError
        Their shapes don't broadcast.
    """
    shape = broadcast(left.shape, right.shape)
    simple = _simple(function, left, right, shape)
    if simple is not None:
        return simple
    left, right = _widened(to, left, len(shape)), _widened(to, right, len(shape))
    lie = as_it_lies(max(left, right, key=_lead))
    tensors = (
        _operand(to, left, shape, right, lie),
        _operand(to, right, shape, left, lie),
    )
    ours = tuple(shape[axis] for axis in lie)
    return lying(Product(to, name, Elementwise(function=function), tensors, ours), lie)


def broadcast(left: Shape, right: Shape) -> Shape:
    """Return the shape of two operands together, by NumPy's rule."""
    try:
        return np.broadcast_shapes(left, right)
    except ValueError:
        raise WorkloadError(
            f"shapes {list(left)} and {list(right)} don't broadcast together"
        ) from None


def _simple(function: str, left: Value, right: Value, shape: Shape) -> Value | None:
    """Return a result that needs no layer of its own."""
    pairs = [(left, right)]
    if function in _COMMUTATIVE:
        pairs.append((right, left))
    for value, other in pairs:
        if value.shape != shape:
            continue
        if function in _NEUTRAL and number_of(other) == _NEUTRAL[function]:
            return value
        biased = with_bias(value, other) if function == "add" else None
        if biased is not None:
            return biased
    return None


def _widened(to: Importer, value: Value, rank: int) -> Value:
    """Return a value with axes of size 1 before its own."""
    return to.reshaped(value, (1,) * (rank - value.rank) + value.shape)


def _lead(value: Value) -> tuple[bool, bool, int]:
    """Return how much it weighs that a result lies as this operand does."""
    is_free = value.pending is not None and value.pending.fixed is None
    return weight_of(value) is None, not is_free, value.size_elements


def _operand(to: Importer, value: Value, shape: Shape, other: Value, lie: Axes) -> Tensor:
    """Return our tensor of an operand: one element where it is one number everywhere."""
    number = number_of(value)
    if number is not None and other.shape == shape:
        return to.constant(number)
    return to.tensor(value, lie)


def expand(to: Importer, name: str, value: Value, shape: Shape) -> Value:
    """Return a value repeated along its axes of size 1, as it broadcasts against ``shape``."""
    shape = broadcast(value.shape, shape)
    if value.size_elements == prod(shape):
        return to.reshaped(value, shape)
    # Approximation: the copies are a sum with zeros, which are read from memory.
    return binary(to, name, "add", value, plain(to.filled(f"{name}.zeros", shape, 0.0)))


def clip(to: Importer, name: str, value: Value, low: float, high: float) -> Value:
    """Return a value between two numbers."""
    known = {(0.0, 6.0): "relu6", (0.0, inf): "relu"}.get((low, high))
    if known is not None:
        return unary(to, name, known, value)
    for function, bound, none in (("maximum", low, -inf), ("minimum", high, inf)):
        if bound != none:
            value = with_number(to, name, function, value, bound)
    return value


def with_number(to: Importer, name: str, function: str, value: Value, number: float) -> Value:
    """Return a function of a value and one number."""
    if _NEUTRAL.get(function) == number:
        return value
    lie = as_it_lies(value)
    tensors = (to.tensor(value, lie), to.constant(number))
    shape = tuple(value.shape[axis] for axis in lie)
    return lying(Product(to, name, Elementwise(function=function), tensors, shape), lie)


def pool(to: Importer, name: str, function: str, image: Value, windows: Sequence[Window]) -> Value:
    """Return the max or the mean of windows over ``[N, C, spatial...]``."""
    if len(windows) > 3:
        raise UnsupportedError(
            f"its window has {len(windows)} axes but only 1-D, 2-D and 3-D windows are known"
        )
    lie = channels_last(image.rank)
    operator = Pool(function=function, windows=tuple(windows))
    return lying(to.layer(name, operator, (to.tensor(image, lie),)), lie)


def rounded_up(window: Window, size: int) -> Window:
    """Return a window with padding for a last position that starts within the input."""
    left = size + window.pad_before + window.pad_after - window.span
    positions = -(-left // window.stride)
    if positions * window.stride >= size + window.pad_before:
        return window
    return window._replace(pad_after=window.pad_after + max(0, positions * window.stride - left))


def reduce(
    to: Importer, name: str, function: str, value: Value, axes: Sequence[int], *, keeps: bool
) -> Value:
    """Return the sum, mean or max over foreign axes, as axes of size 1 if it keeps them."""
    kept = tuple(1 if a in axes else size for a, size in enumerate(value.shape))
    shape = kept if keeps else tuple(s for a, s in enumerate(value.shape) if a not in axes)
    if all(value.shape[axis] == 1 for axis in axes):
        return to.reshaped(value, shape)
    lie = as_it_lies(value)
    ours = tuple(sorted(lie.index(axis) for axis in axes))
    tensor = to.layer(name, Reduce(function=function, axes=ours), (to.tensor(value, lie),))
    # What is left, as it lies: the axes that are gone have size 1 and may stand anywhere.
    result = Value(
        shape=kept,
        source=tensor,
        view=tuple(kept[axis] for axis in lie),
        order=tuple(lie.index(axis) for axis in range(value.rank)),
    )
    return to.reshaped(result, shape)


def softmax(to: Importer, name: str, value: Value, axis: int) -> Value:
    """Return the softmax along a foreign axis."""
    turned = _axis_last(value, axis)
    return _rows(to, name, "softmax", turned, {}).transposed(_axis_back(value.rank, axis))


def _axis_last(value: Value, axis: int) -> Value:
    others = [a for a in range(value.rank) if a != axis]
    return value.transposed([*others, axis])


def _axis_back(rank: int, axis: int) -> list[int]:
    """Return the permutation that undoes `_axis_last`."""
    others = [a for a in range(rank) if a != axis]
    return [[*others, axis].index(a) for a in range(rank)]


def _rows(
    to: Importer, name: str, function: str, value: Value, learned: Mapping[str, Learned]
) -> Value:
    """Return a normalization along the last foreign axis, which has to lie last."""
    lie = last_axis_last(value)
    tensor = to.tensor(value, lie)
    return lying(to.layer(name, Normalize(function=function), (tensor,), learned), lie)


def layer_norm(
    to: Importer,
    name: str,
    value: Value,
    axes: int,
    gamma: Value | None,
    beta: Value | None,
    *,
    function: str = "layer_norm",
) -> Value:
    """Return the layer or RMS normalization over the last ``axes`` axes.

    Raises
    ------
    UnsupportedError
        Gamma or beta aren't arrays of the file of that shape.
    """
    # Approximation: 1e-5 is added to the variance, whatever the file says.
    rows = value.shape[: value.rank - axes]
    size = prod(value.shape[value.rank - axes :])
    learned = {"gamma": _learned(to, gamma, size, "gamma", 1.0)}
    if function == "layer_norm":
        learned["beta"] = _learned(to, beta, size, "beta", 0.0)
    flat = to.reshaped(value, (*rows, size))
    return to.reshaped(_rows(to, name, function, flat, learned), value.shape)


def group_norm(
    to: Importer,
    name: str,
    value: Value,
    groups: int,
    gamma: Value | None,
    beta: Value | None,
) -> Value:
    """Return the normalization of ``[N, C, ...]`` over groups of channels and all positions.

    Raises
    ------
    UnsupportedError
        Gamma or beta aren't arrays of the file with one element a channel.
    """
    channels = value.shape[1] if value.rank > 1 else 0
    learned = {
        "gamma": _learned(to, gamma, channels, "gamma", 1.0),
        "beta": _learned(to, beta, channels, "beta", 0.0),
    }
    lie = channels_last(value.rank)
    operator = GroupNormalize(groups=groups)
    return lying(to.layer(name, operator, (to.tensor(value, lie),), learned), lie)


def resize(to: Importer, name: str, image: Value, sizes: Sequence[int], *, linear: bool) -> Value:
    """Return ``[N, C, spatial...]`` with other spatial sizes, from neighbours or between them."""
    # Approximation: where a size isn't a whole multiple, the image grows to the next one and what
    # is too much is left out; where it becomes smaller, elements are picked.
    before = image.shape[2:]
    if len(sizes) != len(before):
        raise WorkloadError(f"{list(image.shape)} can't be resized to {list(sizes)}")
    factors = [max(1, -(-new // old)) for old, new in zip(before, sizes, strict=True)]
    lie = channels_last(image.rank)
    tensor = to.tensor(image, lie)
    if not linear and max(factors, default=1) > 1:
        tensor = to.layer(name, Repeat(factors=(1, *factors, 1)), (tensor,))
    for axis, factor in enumerate(factors, start=1):
        if linear and factor > 1:
            tensor = _interpolated(to, name, tensor, axis, factor)
    value = lying(tensor, lie)
    for axis, size in enumerate(sizes, start=2):
        if value.shape[axis] != size:
            to.note("resizing by a fraction is counted as by the next whole factor")
            step = max(1, value.shape[axis] // size)
            value = cut(to, name, value, axis, 0, (size - 1) * step + 1, step)
    return value


def _interpolated(to: Importer, name: str, tensor: Tensor, axis: int, factor: int) -> Tensor:
    operator = Interpolate(axis=axis, factor=factor)
    weights = np.asarray(operator.weights(tensor.shape[axis]), to.dtype.numpy)
    return to.layer(name, operator, (tensor,), {"weight": Learned(recipe=lambda _: weights)})


def _learned(to: Importer, value: Value | None, size: int, role: str, default: float) -> Learned:
    """Return gamma or beta."""
    if value is None:
        to.note(f"normalizations without {role} have one of {default:g}s, which isn't counted")
        filled = np.full(size, default, to.dtype.numpy)
        return Learned(recipe=lambda _: filled, key=(role, default))
    if weight_of(value) is None or value.size_elements not in (1, size):
        raise UnsupportedError(
            f"its {role} must be an array of the file of {size} elements but is {list(value.shape)}"
        )
    dtype = to.dtype.numpy
    return learned_of(
        value, lambda array: np.broadcast_to(array.reshape(-1), (size,)).astype(dtype), size
    )


def batch_norm(
    to: Importer,
    name: str,
    value: Value,
    gamma: Value,
    beta: Value,
    mean: Value,
    variance: Value,
    epsilon: float,
) -> Value:
    """Return the batch normalization of ``[N, C, ...]``, folded into a convolution before it.

    Raises
    ------
    UnsupportedError
        Its statistics aren't vectors of the file, one element a channel.
    """
    channels = value.shape[1] if value.rank > 1 else 0
    vectors = (gamma, beta, mean, variance)
    if any(weight_of(vector) is None or vector.shape != (channels,) for vector in vectors):
        raise UnsupportedError(
            f"its four vectors must be {[channels]} and arrays of the file but are"
            f" {', '.join(str(list(vector.shape)) for vector in vectors)}"
        )
    recipes = [recipe_of(vector) for vector in vectors]

    def normal(arrays: Mapping[str, Array]) -> Array:
        scale, shift, centre, spread = (make(arrays).astype(np.float32) for make in recipes)
        slope = scale / np.sqrt(spread + np.float32(epsilon))
        return np.stack([slope, shift - centre * slope])

    folded = with_batch_norm(value, gamma, beta, normal)
    if folded is not None:
        return folded
    dtype = to.dtype.numpy
    learned = {
        "gamma": Learned(recipe=lambda a: normal(a)[0].astype(dtype), weights=(gamma,)),
        "beta": Learned(recipe=lambda a: normal(a)[1].astype(dtype), weights=(beta,)),
    }
    turned = _axis_last(value, 1)
    back = _axis_back(value.rank, 1)
    return _rows(to, name, "batch_norm", turned, learned).transposed(back)


def unknown(to: Importer, name: str, inputs: Sequence[Value], shape: Shape) -> Value:
    """Return a value of a shape that one function of the vector unit computes from an input.

    It reads its first input and writes its output once. An input of another size is
    reduced to its maximum, which is added to a tensor of zeros.
    """
    # Approximation: the work of the foreign operator is that of an identity.
    value = next((v for v in inputs if weight_of(v) is None and v.dtype == to.dtype), None)
    if value is None:
        raise WorkloadError("none of its inputs is an activation that is computed on")
    if value.shape == shape:
        return unary(to, name, "identity", value)
    if value.size_elements != prod(shape):
        value = reduce(to, name, "max", value, range(value.rank), keeps=False)
        return expand(to, name, value, shape)
    return unary(to, name, "identity", to.reshaped(value, shape))
