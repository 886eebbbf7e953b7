"""Nodes whose inputs are known while the file is read: the arithmetic of shapes, in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from foundation.errors import WorkloadError
from foundation.numerics import Array
from workloads.loaders.imported.values import reshaped
from workloads.loaders.onnx.node import Node, axes_of, axis_of

Arrays = Sequence[Array]
#: More elements than shapes and masks have: nothing larger is computed.
MOST_ELEMENTS = 1 << 24
#: NumPy's types of ONNX's, by its numbers (TensorProto.DataType); bfloat16 is widened.
_TYPES = {
    **{1: np.float32, 2: np.uint8, 3: np.int8, 4: np.uint16, 5: np.int16, 6: np.int32},
    **{7: np.int64, 9: np.bool_, 10: np.float16, 11: np.float64, 12: np.uint32, 13: np.uint64},
    16: np.float32,
}


def folded(node: Node, arrays: Sequence[Array | None]) -> list[Array] | None:
    """Return the outputs of a node on known arrays, or None for an operator that isn't folded.

    Parameters
    ----------
    node
        The node.
    arrays
        Its inputs; None for one that is left out.

    Raises
    ------
    WorkloadError
        The arrays don't fit, or the result would be large.
    """
    function = _FUNCTIONS.get(node.operator)
    sizes = [array.size for array in arrays if array is not None]
    if function is None or (max(sizes, default=0) > MOST_ELEMENTS and node.operator not in _VIEWS):
        return None
    with np.errstate(all="ignore"):
        result = function(node, arrays)
    results = result if isinstance(result, list) else [result]
    return [np.asarray(array) for array in results]


def _bounded(shape: Sequence[Any]) -> tuple[int, ...]:
    sizes = tuple(int(size) for size in shape)
    if any(size < 0 for size in sizes) or prod(sizes) > MOST_ELEMENTS:
        raise WorkloadError(
            f"a constant of shape {list(sizes)} must have 0 to {MOST_ELEMENTS} elements"
        )
    return sizes


def _plain(function: Callable[..., Any]) -> Callable[[Node, Any], Any]:
    def compute(_: Node, arrays: Any) -> Any:
        _bounded(np.broadcast_shapes(*(array.shape for array in arrays)))
        return function(*arrays)

    return compute


def _divide(left: Array, right: Array) -> Array:
    """Return the quotient; whole numbers are truncated toward zero."""
    if np.issubdtype(left.dtype, np.integer):
        safe = np.where(right == 0, 1, right)
        quotient = np.abs(left) // np.abs(safe) * np.sign(left) * np.sign(safe)
        return np.asarray(quotient).astype(left.dtype)
    return np.asarray(left / right)


def _power(base: Array, exponent: Array) -> Array:
    return np.asarray(np.power(base.astype(np.float64), exponent)).astype(base.dtype)


def _modulo(node: Node, arrays: Any) -> Any:
    safe = np.where(arrays[1] == 0, 1, arrays[1])
    return (np.fmod if node.integer("fmod", 0) else np.mod)(arrays[0], safe)


def _cast(node: Node, arrays: Any) -> Any:
    to = node.integer("to", 1)
    if to not in _TYPES:
        raise WorkloadError(f"a constant can't be cast to ONNX's type {to}")
    return arrays[0].astype(_TYPES[to])


def _gather(node: Node, arrays: Any) -> Any:
    data, indices = arrays
    axis = axis_of(node.integer("axis", 0), data.ndim)
    _bounded((*data.shape[:axis], *indices.shape, *data.shape[axis + 1 :]))
    return np.take(data, indices.astype(np.int64), axis=axis)


def _gather_elements(node: Node, arrays: Any) -> Any:
    data, indices = arrays
    axis = axis_of(node.integer("axis", 0), data.ndim)
    return np.take_along_axis(data, indices.astype(np.int64), axis)


def _gather_nd(node: Node, arrays: Any) -> Any:
    data, indices = arrays
    if node.integer("batch_dims", 0):
        raise WorkloadError("a constant is picked along its first axes only (batch_dims 0)")
    return data[tuple(np.moveaxis(indices.astype(np.int64), -1, 0))]


def _scatter_elements(node: Node, arrays: Any) -> Any:
    data, indices, updates = arrays
    _unreduced(node)
    result = data.copy()
    axis = axis_of(node.integer("axis", 0), data.ndim)
    np.put_along_axis(result, indices.astype(np.int64), updates, axis)
    return result


def _scatter_nd(node: Node, arrays: Any) -> Any:
    data, indices, updates = arrays
    _unreduced(node)
    result = data.copy()
    result[tuple(np.moveaxis(indices.astype(np.int64), -1, 0))] = updates
    return result


def _unreduced(node: Node) -> None:
    if node.text("reduction", "none") != "none":
        raise WorkloadError("adds to a constant's elements, which isn't known; only replaces them")


def _concat(node: Node, arrays: Any) -> Any:
    _bounded([sum(array.size for array in arrays)])
    return np.concatenate(arrays, axis=node.integer("axis", 0))


def _unsqueeze(node: Node, arrays: Any) -> Any:
    axes = _axes(node, arrays) or ()
    return np.expand_dims(arrays[0], axes_of(axes, arrays[0].ndim + len(axes)))


def _squeeze(node: Node, arrays: Any) -> Any:
    return np.squeeze(arrays[0], _axes(node, arrays))


def _axes(node: Node, arrays: Any) -> tuple[int, ...] | None:
    if len(arrays) > 1 and arrays[1] is not None:
        return tuple(int(axis) for axis in arrays[1].flat)
    return node.integers("axes")


def _slice(node: Node, arrays: Any) -> Any:
    data = arrays[0]
    slices = [slice(None)] * data.ndim
    for axis, start, stop, step in slice_ranges(node, data.shape, arrays[1:]):
        slices[axis] = slice(start, stop if stop >= 0 else None, step)
    return data[tuple(slices)]


def slice_ranges(
    node: Node, shape: Sequence[int], arrays: Sequence[Array | None]
) -> list[tuple[int, int, int, int]]:
    """Return axis, start, stop and step of every range of a Slice, clamped as ONNX says.

    A stop of -1 is one before the first element, for steps backwards.
    """
    given = dict(zip(("starts", "ends", "axes", "steps"), arrays, strict=False))

    def listed(name: str, default: Sequence[int]) -> list[int]:
        array = given.get(name)
        listed = node.integers(name) if array is None else [int(item) for item in array.flat]
        return list(default if listed is None else listed)

    starts, stops = listed("starts", ()), listed("ends", ())
    axes, steps = listed("axes", range(len(starts))), listed("steps", [1] * len(starts))
    if 0 in steps or not len(starts) == len(stops) == len(axes) == len(steps):
        raise WorkloadError("starts, ends, axes and steps must be equally many, and no step 0")
    ranges = []
    for axis, start, stop, step in zip(
        axes_of(axes, len(shape)), starts, stops, steps, strict=True
    ):
        size = shape[axis]
        start, stop = (bound + size if bound < 0 else bound for bound in (start, stop))
        low, high = (0, size) if step > 0 else (-1, size - 1)
        ranges.append((axis, min(max(start, low), high), min(max(stop, low), high), step))
    return ranges


def _range(_: Node, arrays: Any) -> Any:
    start, stop, step = (array.reshape(()) for array in arrays)
    _bounded([max(0, int(np.ceil((float(stop) - float(start)) / float(step))))])
    return np.arange(start, stop, step, dtype=start.dtype)


def _constant_of_shape(node: Node, arrays: Any) -> Any:
    """Return a view of one element: weights are made so in files without values."""
    value = node.attributes.get("value", np.zeros(1, np.float32))
    shape = tuple(int(size) for size in arrays[0].flat)
    if any(size < 0 for size in shape):
        raise WorkloadError(f"a shape can't have negative sizes but is {list(shape)}")
    return np.broadcast_to(np.asarray(value).reshape(-1)[:1].reshape(()), shape)


def _expand(_: Node, arrays: Any) -> Any:
    shape = np.broadcast_shapes(arrays[0].shape, tuple(int(size) for size in arrays[1].flat))
    return np.broadcast_to(arrays[0], shape)


def _where(_: Node, arrays: Any) -> Any:
    _bounded(np.broadcast_shapes(*(array.shape for array in arrays)))
    return np.where(*arrays)


def _reshape(node: Node, arrays: Any) -> Any:
    shape = reshape_sizes(
        arrays[0].shape, [int(size) for size in arrays[1].flat], node.integer("allowzero", 0)
    )
    return reshaped(arrays[0], shape)


def reshape_sizes(shape: Sequence[int], wanted: Sequence[int], allows_zero: int) -> tuple[int, ...]:
    """Return the sizes of a Reshape: 0 takes the size that is there, -1 whatever is left."""
    if any(size == 0 and place >= len(shape) for place, size in enumerate(wanted)):
        raise WorkloadError(f"shape {list(wanted)} copies a size that {list(shape)} doesn't have")
    sizes = [
        shape[place] if size == 0 and not allows_zero else size for place, size in enumerate(wanted)
    ]
    known = prod(size for size in sizes if size != -1)
    if sizes.count(-1) == 1 and known and prod(shape) % known == 0:
        sizes = [prod(shape) // known if size == -1 else size for size in sizes]
    if min(sizes, default=0) < 0 or prod(sizes) != prod(shape):
        raise WorkloadError(
            f"shape {list(wanted)} doesn't hold the {prod(shape)} elements of {list(shape)}"
        )
    return tuple(sizes)


def _transpose(node: Node, arrays: Any) -> Any:
    return arrays[0].transpose(node.integers("perm"))


def _tile(_: Node, arrays: Any) -> Any:
    repeats = [int(count) for count in arrays[1].flat]
    _bounded([size * count for size, count in zip(arrays[0].shape, repeats, strict=True)])
    return np.tile(arrays[0], repeats)


def _split(node: Node, arrays: Any) -> Any:
    axis = axis_of(node.integer("axis", 0), arrays[0].ndim)
    given = arrays[1] if len(arrays) > 1 else None
    sizes = split_sizes(node, arrays[0].shape[axis], given)
    return np.split(arrays[0], np.cumsum(sizes)[:-1], axis=axis)


def split_sizes(node: Node, size: int, given: Array | None) -> list[int]:
    """Return the sizes of the parts of a Split."""
    if given is not None:
        return [int(part) for part in given.flat]
    listed = node.integers("split")
    if listed is not None:
        return list(listed)
    count = node.integer("num_outputs", len(node.outputs))
    if not 1 <= count <= max(size, 1):
        raise WorkloadError(f"{size} elements can't be split into {count} parts")
    part = -(-size // count)
    return [*[part] * (count - 1), size - part * (count - 1)]


def _batch_norm(node: Node, arrays: Any) -> Any:
    """Return an array that is normalized, as weights are before some convolutions."""
    array, scale, shift, mean, variance = arrays
    if node.integer("training_mode", 0):
        axes = (0, *range(2, array.ndim))
        mean, variance = array.mean(axes), array.var(axes)
    apart = (-1, *(1,) * (array.ndim - 2))
    factor = scale / np.sqrt(variance + node.number("epsilon", 1e-5))
    return (array - mean.reshape(apart)) * factor.reshape(apart) + shift.reshape(apart)


def _reduce(function: Callable[..., Any]) -> Callable[[Node, Any], Any]:
    def compute(node: Node, arrays: Any) -> Any:
        axes = _axes(node, arrays)
        if not axes and node.integer("noop_with_empty_axes", 0):
            return arrays[0]
        keeps = bool(node.integer("keepdims", 1))
        axis = axes_of(axes, arrays[0].ndim) if axes else None
        return np.asarray(function(arrays[0], axis=axis, keepdims=keeps)).astype(arrays[0].dtype)

    return compute


def _triangle(node: Node, arrays: Any) -> Any:
    offset = int(arrays[1].reshape(())) if len(arrays) > 1 and arrays[1] is not None else 0
    return (np.triu if node.integer("upper", 1) else np.tril)(arrays[0], offset)


def _cumulative(node: Node, arrays: Any) -> Any:
    if node.integer("exclusive", 0) or node.integer("reverse", 0):
        raise WorkloadError("is folded only forwards and inclusive")
    return np.cumsum(arrays[0], axis=int(arrays[1].reshape(())), dtype=arrays[0].dtype)


def _clip(_: Node, arrays: Any) -> Any:
    low, high = ([*arrays, None, None])[1:3]
    return arrays[0] if low is None and high is None else np.clip(arrays[0], low, high)


def _flatten(node: Node, arrays: Any) -> Any:
    axis = node.integer("axis", 1)
    shape = arrays[0].shape
    axis = axis + len(shape) if axis < 0 else axis
    return reshaped(arrays[0], (prod(shape[:axis]), prod(shape[axis:])))


def _reciprocal(array: Array) -> Array:
    return np.asarray(1 / array).astype(array.dtype)


#: What copies no elements, however many there are.
_VIEWS = ("Expand", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze")
_FUNCTIONS: dict[str, Callable[[Node, Any], Any]] = {
    "Abs": _plain(np.abs),
    "Add": _plain(np.add),
    "And": _plain(np.logical_and),
    "Cast": _cast,
    "BatchNormalization": _batch_norm,
    "CastLike": lambda _, arrays: arrays[0].astype(arrays[1].dtype),
    "Ceil": _plain(np.ceil),
    "Clip": _clip,
    "Concat": _concat,
    "ConstantOfShape": _constant_of_shape,
    "Cos": _plain(np.cos),
    "CumSum": _cumulative,
    "Div": _plain(_divide),
    "Equal": _plain(np.equal),
    "Exp": _plain(np.exp),
    "Expand": _expand,
    "Flatten": _flatten,
    "Floor": _plain(np.floor),
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "GatherND": _gather_nd,
    "Greater": _plain(np.greater),
    "GreaterOrEqual": _plain(np.greater_equal),
    "Identity": lambda _, arrays: arrays[0],
    "Less": _plain(np.less),
    "LessOrEqual": _plain(np.less_equal),
    "Log": _plain(np.log),
    "Max": lambda _, arrays: np.max(np.broadcast_arrays(*arrays), axis=0),
    "Min": lambda _, arrays: np.min(np.broadcast_arrays(*arrays), axis=0),
    "Mod": _modulo,
    "Mul": _plain(np.multiply),
    "Neg": _plain(np.negative),
    "Not": _plain(np.logical_not),
    "Or": _plain(np.logical_or),
    "Pow": _plain(_power),
    "Range": _range,
    "Reciprocal": _plain(_reciprocal),
    "ReduceL2": _reduce(lambda array, **axes: np.sqrt(np.sum(np.square(array), **axes))),
    "ReduceMax": _reduce(np.max),
    "ReduceMean": _reduce(np.mean),
    "ReduceMin": _reduce(np.min),
    "ReduceProd": _reduce(np.prod),
    "ReduceSum": _reduce(np.sum),
    "ReduceSumSquare": _reduce(lambda array, **axes: np.sum(np.square(array), **axes)),
    "Reshape": _reshape,
    "Round": _plain(np.rint),
    "ScatterElements": _scatter_elements,
    "ScatterND": _scatter_nd,
    "Sign": _plain(np.sign),
    "Sigmoid": _plain(lambda array: 1 / (1 + np.exp(-array))),
    "Sin": _plain(np.sin),
    "Slice": _slice,
    "Split": _split,
    "Sqrt": _plain(np.sqrt),
    "Squeeze": _squeeze,
    "Sub": _plain(np.subtract),
    "Tanh": _plain(np.tanh),
    "Tile": _tile,
    "Transpose": _transpose,
    "Trilu": _triangle,
    "Unsqueeze": _unsqueeze,
    "Where": _where,
    "Xor": _plain(np.logical_xor),
}
