"""What operators of TFLite have in common: inputs, options, and what is known without computing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from foundation.errors import WorkloadError
from foundation.numerics import Array
from workloads.layers import Shape, Window
from workloads.loaders.imported import vector
from workloads.loaders.imported.importer import Importer
from workloads.loaders.imported.values import Value
from workloads.loaders.imported.walk import is_learned
from workloads.loaders.imported.weights import constant_value, known_array
from workloads.loaders.tflite.file import Operation

#: What a handler gets: an input that is left out is None.
Inputs = Sequence[Value | None]
#: Returns an operator's outputs; the last argument are the shapes that the file says.
Handler = Callable[[Importer, Operation, Inputs, Sequence[Shape]], Value | Sequence[Value]]

#: ActivationFunctionType to ours.
_ACTIVATIONS = {1: "relu", 3: "relu6", 4: "tanh"}
_SAME = 0


def needed(inputs: Inputs, place: int) -> Value:
    """Return an input that may not be left out."""
    value = inputs[place] if place < len(inputs) else None
    if value is None:
        raise WorkloadError(f"its input {place} is missing")
    return value


def optional(inputs: Inputs, place: int) -> Value | None:
    """Return an input, or None where it is left out."""
    return inputs[place] if place < len(inputs) else None


def integers(inputs: Inputs, place: int, what: str) -> tuple[int, ...]:
    """Return whole numbers that have to be known while the file is read."""
    array = known_array(needed(inputs, place))
    if array is None or not np.issubdtype(array.dtype, np.integer):
        raise WorkloadError(f"{what} must be whole numbers that the file holds")
    return tuple(int(item) for item in array.flat)


def axis_of(axis: int, rank: int) -> int:
    """Return an axis counted from the front."""
    if not -rank <= axis < rank:
        raise WorkloadError(f"axis {axis} must lie in {-rank}..{rank - 1} for {rank} axes")
    return axis % rank


def activated(to: Importer, operation: Operation, value: Value) -> Value:
    """Return a value with the activation that an operator has at its end."""
    number = operation.options.get("FusedActivationFunction", 0)
    if number == 0:
        return value
    if number == 2:
        return vector.clip(to, f"{operation.name}.clip", value, -1.0, 1.0)
    if number not in _ACTIVATIONS:
        raise WorkloadError(f"its activation is number {number}, which isn't known")
    return vector.unary(to, f"{operation.name}.activation", _ACTIVATIONS[number], value)


def windows(operation: Operation, shape: Shape, kernel: tuple[int, int]) -> list[Window]:
    """Return the windows over height and width of ``[N, H, W, C]``."""
    if len(shape) != 4:
        raise WorkloadError(f"needs an image [N, H, W, C] but has {list(shape)}")
    found = []
    for axis, size, taps in zip("HW", shape[1:3], kernel, strict=True):
        stride = operation.options.get(f"Stride{axis}", 1)
        dilation = operation.options.get(f"Dilation{axis}Factor", 1)
        if min(stride, dilation, taps) < 1:
            raise WorkloadError(
                f"kernel, stride and dilation are {taps}, {stride}, {dilation} but must be at least"
                " 1"
            )
        pad = 0
        if operation.options.get("Padding", _SAME) == _SAME:
            span = (taps - 1) * dilation + 1
            pad = max((-(-size // stride) - 1) * stride + span - size, 0)
        found.append(Window(taps, stride, dilation, pad // 2, pad - pad // 2))
    return found


def folded(to: Importer, operation: Operation, inputs: Inputs) -> list[Value] | None:
    """Return an operator's output if it is known while the file is read: sizes, mostly."""
    if operation.operator == "SHAPE":
        array = np.asarray(needed(inputs, 0).shape, np.int32)
        return [constant_value(to, operation.name, array)]
    compute = _FOLDED.get(operation.operator)
    arrays = [None if value is None else known_array(value) for value in inputs]
    if compute is None or any(array is None for array in arrays) or any(map(is_learned, inputs)):
        return None
    result = np.asarray(compute(operation, arrays))
    return [constant_value(to, operation.name, result)]


def slice_ranges(
    operation: Operation, shape: Shape, bounds: Sequence[Sequence[int]]
) -> tuple[list[tuple[int, int, int]], Shape]:
    """Return start, stop and step along each axis of a strided slice, and the result's shape.

    Raises
    ------
    WorkloadError
        New axes or an ellipsis are asked for, or bounds don't fit the shape.
    """
    masks = {name: operation.options.get(f"{name}Mask", 0) for name in ("Begin", "End")}
    shrunk = operation.options.get("ShrinkAxisMask", 0)
    if operation.options.get("EllipsisMask", 0) or operation.options.get("NewAxisMask", 0):
        raise WorkloadError("has new axes or an ellipsis, which aren't known")
    begins, ends, steps = bounds
    if not len(begins) == len(ends) == len(steps) <= len(shape):
        raise WorkloadError(f"its bounds {begins}, {ends}, {steps} don't fit {list(shape)}")
    ranges, sizes = [], []
    for axis, size in enumerate(shape):
        start, stop, step = 0, size, 1
        if axis < len(begins):
            first = None if masks["Begin"] >> axis & 1 else begins[axis]
            last = None if masks["End"] >> axis & 1 else ends[axis]
            step = steps[axis]
            if shrunk >> axis & 1:
                first, last, step = begins[axis], begins[axis] + 1 or None, 1
            start, stop, step = slice(first, last, step).indices(size)
        length = len(range(start, stop, step))
        if length < 1:
            raise WorkloadError(f"takes nothing along axis {axis}: {start}:{stop}:{step}")
        ranges.append((start, stop, step))
        if not (axis < len(begins) and shrunk >> axis & 1):
            sizes.append(length)
    return ranges, tuple(sizes)


def reshape_sizes(shape: Shape, wanted: Sequence[int]) -> Shape:
    """Return the sizes that a reshape asks for, of which one may be -1."""
    others = prod(size for size in wanted if size != -1)
    elements = prod(shape)
    if list(wanted).count(-1) == 1 and others > 0 and elements % others == 0:
        return tuple(elements // others if size == -1 else size for size in wanted)
    if others != elements or min(wanted, default=1) < 0:
        raise WorkloadError(
            f"shape {list(wanted)} doesn't hold the {elements} elements of {list(shape)}"
        )
    return tuple(wanted)


def _sliced(operation: Operation, arrays: Sequence[Any]) -> Array:
    array, *bounds = arrays
    ranges, sizes = slice_ranges(operation, array.shape, [b.tolist() for b in bounds])
    return np.asarray(array[tuple(slice(*r) for r in ranges)]).reshape(sizes)


#: What is computed of sizes.
_FOLDED: dict[str, Callable[[Operation, Sequence[Any]], Any]] = {
    "ADD": lambda _, a: a[0] + a[1],
    "SUB": lambda _, a: a[0] - a[1],
    "MUL": lambda _, a: a[0] * a[1],
    "CONCATENATION": lambda o, a: np.concatenate(a, o.options.get("Axis", 0)),
    "PACK": lambda o, a: np.stack(a, o.options.get("Axis", 0)),
    "STRIDED_SLICE": _sliced,
    "CAST": lambda _, a: a[0],
    "RESHAPE": lambda _, a: a[0].reshape(reshape_sizes(a[0].shape, a[1].tolist())),
}
