"""ONNX's operators that take or compute indices, as calls of the importer."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from foundation.errors import WorkloadError
from foundation.numerics import Array
from workloads.deformable import Deformable
from workloads.loaders.imported import functions, indexing, movement, vector
from workloads.loaders.imported.importer import Importer
from workloads.loaders.imported.indices import given, is_computed, picked, replaced
from workloads.loaders.imported.refused import UnsupportedError
from workloads.loaders.imported.values import Value
from workloads.loaders.imported.weights import constant_value, known_array, number_of
from workloads.loaders.onnx.fold import MOST_ELEMENTS, folded
from workloads.loaders.onnx.node import Handler, Inputs, Node, array_of, axis_of, needed, optional
from workloads.loaders.onnx.product_nodes import windows_of
from workloads.roi_align import RoiAlign

_LOGIC = ("And", "Not", "Or", "Xor")
#: Operators that compare numbers, or find the largest.
_COMPARED = frozenset(
    ("ArgMax", "ArgMin", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual")
)
#: Operators that give integers if they get some, and whose result's size doesn't depend on them.
_ARITHMETIC = frozenset(
    ("Abs", "Add", "Clip", "CumSum", "Div", "Max", "Min", "Mod", "Mul", "Neg", "Pow", "Trilu")
) | frozenset(("ReduceMax", "ReduceMin", "ReduceProd", "ReduceSum", "Sign", "Sub", "Where"))


def following(to: Importer, node: Node, inputs: Inputs) -> Value | None:
    """Return integers or truth values that follow from some, or None where layers compute them."""
    if not _follows(to, node, inputs):
        return None
    shape = _shape(node, inputs)
    return None if shape is None else given(to, node.name, shape, is_index=True)


def _follows(to: Importer, node: Node, inputs: Inputs) -> bool:
    """Whether a node's output is integers or truth values that no layer computes."""
    values = [value for value in inputs if value is not None]
    are_numbers = [value.dtype == to.dtype for value in values]
    if node.operator in ("IsInf", "IsNaN"):
        return True
    if node.operator in _LOGIC:
        return not all(is_computed(to, value) for value in values)
    if node.operator in _COMPARED:
        return not all(are_numbers)
    sides = are_numbers[1:] if node.operator == "Where" else are_numbers
    return node.operator in _ARITHMETIC and not any(sides)


def _shape(node: Node, inputs: Inputs) -> tuple[int, ...] | None:
    """Return the shape of a node's output, which the values that are unknown don't matter to."""
    if node.operator not in _ARITHMETIC:
        if node.operator in ("ArgMax", "ArgMin"):
            return _reduced(node, needed(inputs, 0))
        return np.broadcast_shapes(*(value.shape for value in inputs if value is not None))
    arrays: list[Array | None] = []
    for value in inputs:
        if value is not None and value.size_elements > MOST_ELEMENTS:
            return None
        known = None if value is None else known_array(value)
        arrays.append(
            np.zeros(value.shape, np.int64) if value is not None and known is None else known
        )
    found = folded(node, arrays)
    return None if found is None else found[0].shape


def _reduced(node: Node, value: Value) -> tuple[int, ...]:
    axis = axis_of(node.integer("axis", 0), value.rank)
    kept = (1,) if node.integer("keepdims", 1) else ()
    return (*value.shape[:axis], *kept, *value.shape[axis + 1 :])


def _gather(to: Importer, node: Node, inputs: Inputs) -> Value:
    value, indices = needed(inputs, 0), needed(inputs, 1)
    axis = axis_of(node.integer("axis", 0), value.rank)
    return movement.gather(to, node.name, value, indices, axis)


def _gather_elements(to: Importer, node: Node, inputs: Inputs) -> Value:
    """Return NumPy's ``take_along_axis``; the indices may have fewer elements on other axes."""
    value, axis = needed(inputs, 0), axis_of(node.integer("axis", 0), needed(inputs, 0).rank)
    indices = _places(to, node, needed(inputs, 1), value.shape[axis])
    if indices.rank != value.rank:
        raise WorkloadError(f"needs {value.rank} axes of indices but has {list(indices.shape)}")
    for other, size in enumerate(indices.shape):
        if other != axis:
            value = movement.cut(to, f"{node.name}.part", value, other, 0, size)
    last = value.rank - 1
    turned = (_axis_last(value, axis), _axis_last(indices, axis))
    found = movement.rows_at(to, node.name, *turned, last, last)
    return found.transposed([*range(axis), last, *range(axis, last)])


def _gather_nd(to: Importer, node: Node, inputs: Inputs) -> Value:
    """Return the rows of the first axes that indices name together."""
    value, indices = needed(inputs, 0), needed(inputs, 1)
    batch, depth = node.integer("batch_dims", 0), indices.shape[-1]
    _check_depth(value, indices, batch)
    if known_array(indices) is None and batch + depth > 1:
        shape = (*value.shape[:batch], *indices.shape[batch:-1], *value.shape[batch + depth :])
        return picked(to, node.name, str(node), value, shape)
    lead = value.shape[:batch]
    numbers = _row_numbers(to, node, indices, value.shape[: batch + depth], lead)
    row = value.shape[batch + depth :]
    rows = to.reshaped(value, (prod(value.shape[: batch + depth]), *row))
    return movement.gather(to, node.name, rows, numbers, 0)


def _check_depth(value: Value, indices: Value, batch: int = 0) -> None:
    if not 1 <= indices.shape[-1] <= value.rank - batch or batch < 0:
        raise WorkloadError(
            f"indices {list(indices.shape)} name {indices.shape[-1]} axes behind {batch} of"
            f" {list(value.shape)}"
        )


def _row_numbers(
    to: Importer, node: Node, indices: Value, sizes: Sequence[int], batch: Sequence[int] = ()
) -> Value:
    """Return indices along the last axis as numbers of rows, behind each other's batches.

    Raises
    ------
    UnsupportedError
        They are computed, and name more than one axis.
    """
    known = known_array(indices)
    if known is None:
        if len(sizes) > 1:
            raise UnsupportedError(
                f"its indices are computed and name {len(sizes)} axes; only one axis is known"
            )
        return to.reshaped(indices, indices.shape[:-1])
    places = np.where(known < 0, known + np.asarray(sizes[len(batch) :]), known)
    lead = np.indices((*batch, *(1,) * (known.ndim - 1 - len(batch))))[: len(batch)]
    axes = [*(np.broadcast_to(own, known.shape[:-1]) for own in lead), *np.moveaxis(places, -1, 0)]
    numbers = np.ravel_multi_index(axes, tuple(sizes))  # raises where one is too large
    return movement.constant_indices(to, f"{node.name}.numbers", np.asarray(numbers))


def _places(to: Importer, node: Node, indices: Value, size: int) -> Value:
    return indexing.not_negative(to, f"{node.name}.places", indices, size)


def _axis_last(value: Value, axis: int) -> Value:
    return value.transposed([*(a for a in range(value.rank) if a != axis), axis])


def _scatter_elements(to: Importer, node: Node, inputs: Inputs) -> Value:
    value, updates = needed(inputs, 0), needed(inputs, 2)
    axis = axis_of(node.integer("axis", 0), value.rank)
    indices = _places(to, node, needed(inputs, 1), value.shape[axis])
    if _adds(node):
        turned = (_axis_last(v, axis) for v in (value, indices, updates))
        whole = indexing.scatter_add(to, node.name, *turned)
        last = value.rank - 1
        return whole.transposed([*range(axis), last, *range(axis, last)])
    known = known_array(indices)
    if known is None:
        return replaced(to, node.name, str(node), value, updates)
    own = [*np.indices(known.shape)]
    own[axis] = known
    return _replaced(to, node, value, np.ravel_multi_index(tuple(own), value.shape), updates, 1)


def _scatter_nd(to: Importer, node: Node, inputs: Inputs) -> Value:
    value, indices, updates = (needed(inputs, place) for place in range(3))
    _check_depth(value, indices)
    depth, adds = indices.shape[-1], _adds(node)
    if known_array(indices) is None and not adds:
        return replaced(to, node.name, str(node), value, updates)
    numbers = _row_numbers(to, node, indices, value.shape[:depth])
    row = prod(value.shape[depth:])
    if not adds:
        return _replaced(to, node, value, array_of(numbers, "'indices'"), updates, row)
    count = numbers.size_elements
    flat = to.reshaped(value, (prod(value.shape[:depth]), row))
    added = to.reshaped(updates, (count, row))
    places = to.reshaped(numbers, (count,))
    sums = indexing.scatter_rows_add(to, node.name, flat, places, added)
    return to.reshaped(sums, value.shape)


def _adds(node: Node) -> bool:
    """Whether a scatter adds to what is there; otherwise it replaces it."""
    reduction = node.text("reduction", "none")
    if reduction not in ("none", "add"):
        raise UnsupportedError(
            f"its reduction is '{reduction}' but only 'none' and 'add' are known"
        )
    return reduction == "add"


def _replaced(
    to: Importer, node: Node, value: Value, places: Array, updates: Value, row: int
) -> Value:
    rows = [to.reshaped(v, (v.size_elements // row, row)) for v in (value, updates)]
    replaced = indexing.replaced_rows(to, node.name, rows[0], places, rows[1])
    return to.reshaped(replaced, value.shape)


def _top_k(to: Importer, node: Node, inputs: Inputs) -> Sequence[Value]:
    value, given = needed(inputs, 0), optional(inputs, 1)
    count = node.integer("k", 0) if given is None else int(array_of(given, "'K'").reshape(()))
    axis = axis_of(node.integer("axis", -1), value.rank)
    is_largest = bool(node.integer("largest", 1))
    return indexing.top_k(to, node.name, value, count, axis, largest=is_largest)


def _extreme_place(to: Importer, node: Node, inputs: Inputs) -> Value:
    value = needed(inputs, 0)
    axis = axis_of(node.integer("axis", 0), value.rank)
    if node.operator == "ArgMin":
        value = vector.unary(to, f"{node.name}.negative", "negative", value)
    return indexing.largest_place(
        to,
        node.name,
        value,
        axis,
        keeps=bool(node.integer("keepdims", 1)),
        last=bool(node.integer("select_last_index", 0)),
    )


def _hardmax(to: Importer, node: Node, inputs: Inputs) -> Value:
    value = needed(inputs, 0)
    if node.version < 13:
        raise UnsupportedError("takes several axes as one row, which isn't known before version 13")
    axis = axis_of(node.integer("axis", -1), value.rank)
    place = indexing.largest_place(to, f"{node.name}.place", value, axis, keeps=False)
    return indexing.one_hot(to, node.name, place, value.shape[axis], axis)


def _one_hot(to: Importer, node: Node, inputs: Inputs) -> Value:
    """Return rows of two numbers: off, and on where an index says."""
    indices, pair = needed(inputs, 0), needed(inputs, 2)
    depth = int(array_of(needed(inputs, 1), "'depth'").reshape(()))
    axis = axis_of(node.integer("axis", -1), indices.rank + 1)
    if indices.dtype == to.dtype:
        known = known_array(indices)
        if known is None:
            raise UnsupportedError("its indices are computed in floating point, not as integers")
        indices = movement.constant_indices(to, f"{node.name}.places", known)
    places = _places(to, node, indices, depth)
    ones = indexing.one_hot(to, f"{node.name}.ones", places, depth, axis)
    off, on = array_of(pair, "'values'").astype(np.float32).tolist()
    if off:  # on and off where they are, not a sum that rounds
        zeros = functions.negation(to, f"{node.name}.zeros", ones)
        zeros = vector.with_number(to, f"{node.name}.off", "multiply", zeros, off)
        ones = vector.with_number(to, f"{node.name}.on", "multiply", ones, on)
        return vector.binary(to, node.name, "add", ones, zeros)
    return vector.with_number(to, node.name, "multiply", ones, on)


def _non_max_suppression(to: Importer, node: Node, inputs: Inputs) -> Value:
    """Return as many boxes of each class as may be kept."""
    boxes, scores = needed(inputs, 0), needed(inputs, 1)
    limit, overlap, least = (optional(inputs, place) for place in (2, 3, 4))
    if limit is None:
        raise UnsupportedError("may keep no box: max_output_boxes_per_class is missing")
    count = min(int(array_of(limit, "'max_output_boxes_per_class'").reshape(())), boxes.shape[1])
    threshold = 0.0 if overlap is None else number_of(overlap)
    lowest = 0.0 if least is None else number_of(least)
    if threshold is None or lowest is None:
        raise UnsupportedError("its thresholds must be known")
    if least is not None:
        bound = constant_value(to, f"{node.name}.least", np.asarray(lowest, np.float32))
        above = vector.binary(to, f"{node.name}.above", "greater", scores, bound)
        scores = vector.binary(to, f"{node.name}.scores", "multiply", scores, above)
    # Approximation: the standard's result is shorter where fewer boxes are left.
    to.note(f"{node} gives {count} boxes of each class; where fewer are left, box 0 again")
    corners = _corners(to, node, boxes)
    return indexing.suppression(to, node.name, corners, scores, count, threshold)


def _corners(to: Importer, node: Node, boxes: Value) -> Value:
    """Return boxes as two corners, the smaller one first."""
    first, second = movement.split(to, f"{node.name}.boxes", boxes, 2, (2, 2))
    if node.integer("center_point_box", 0):
        half = vector.with_number(to, f"{node.name}.half", "multiply", second, 0.5)
        first, second = (
            vector.binary(to, f"{node.name}.{function}", function, first, half)
            for function in ("subtract", "add")
        )
        return movement.concat(to, f"{node.name}.corners", [first, second], 2)
    ends = [
        vector.binary(to, f"{node.name}.{function}", function, first, second)
        for function in ("minimum", "maximum")
    ]
    return movement.concat(to, f"{node.name}.corners", ends, 2)


def _roi_align(to: Importer, node: Node, inputs: Inputs) -> Value:
    if node.text("mode", "avg") != "avg":
        raise UnsupportedError(f"its mode is '{node.text('mode', '')}' but only means are known")
    ratio = node.integer("sampling_ratio", 0)
    if ratio < 1:
        raise UnsupportedError("takes as many samples as a box is large; give a sampling_ratio")
    default = "half_pixel" if node.version >= 16 else "output_half_pixel"
    roi = RoiAlign(
        sizes=(node.integer("output_height", 1), node.integer("output_width", 1)),
        sampling_ratio=ratio,
        scales=(node.number("spatial_scale", 1.0),),
        aligned=node.text("coordinate_transformation_mode", default) == "half_pixel",
    )
    return indexing.roi_align(to, node.name, needed(inputs, 0), needed(inputs, 1), roi)


def _deform_conv(to: Importer, node: Node, inputs: Inputs) -> Value:
    image, weight, offset = (needed(inputs, place) for place in range(3))
    rows, columns = windows_of(node, image.shape[2:], weight.shape[2:])
    deformable = Deformable(
        out_channels=weight.shape[0],
        windows=(rows, columns),
        offset_groups=node.integer("offset_group", 1),
    )
    bias, mask = optional(inputs, 3), optional(inputs, 4)
    return indexing.deformable_convolution(
        to, node.name, image, weight, offset, bias, mask, deformable
    )


HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(("ArgMax", "ArgMin"), _extreme_place),
    "DeformConv": _deform_conv,
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "GatherND": _gather_nd,
    "Hardmax": _hardmax,
    "NonMaxSuppression": _non_max_suppression,
    "OneHot": _one_hot,
    "RoiAlign": _roi_align,
    **dict.fromkeys(("Scatter", "ScatterElements"), _scatter_elements),
    "ScatterND": _scatter_nd,
    "TopK": _top_k,
}
