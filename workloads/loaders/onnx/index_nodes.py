"""ONNX's operators on integers and truth values, and what they pick, as calls of the importer."""

from __future__ import annotations

from contextlib import suppress
from math import prod

import numpy as np

from foundation.errors import WorkloadError
from workloads.loaders.imported import movement, vector
from workloads.loaders.imported.importer import Importer, UnsupportedError, known_array
from workloads.loaders.imported.indices import given, picked, replaced
from workloads.loaders.imported.values import Array, Value
from workloads.loaders.onnx.fold import MOST_ELEMENTS, folded
from workloads.loaders.onnx.node import Handler, Inputs, Node, array_of, axis_of, needed

#: Operators that give truths or places whatever they are about.
_TRUTHS = frozenset(
    ("And", "Equal", "Greater", "GreaterOrEqual", "IsInf", "IsNaN", "Less", "LessOrEqual")
) | frozenset(("Not", "Or", "Xor"))
_PLACES = ("ArgMax", "ArgMin")
#: Operators that give integers if they get some, and whose result's size doesn't depend on them.
_ARITHMETIC = frozenset(
    ("Abs", "Add", "Clip", "CumSum", "Div", "Max", "Min", "Mod", "Mul", "Neg", "Pow", "Trilu")
) | frozenset(("ReduceMax", "ReduceMin", "ReduceProd", "ReduceSum", "Sign", "Sub", "Where"))


def computed(to: Importer, node: Node, inputs: Inputs) -> Value | None:
    """Return integers or truth values that a node computes, or None for a node of another kind."""
    values = [value for value in inputs if value is not None]
    if node.operator in _PLACES:
        return given(to, node.name, _reduced(node, needed(inputs, 0)), is_index=True)
    if node.operator in _TRUTHS:
        shape = np.broadcast_shapes(*(value.shape for value in values))
        return given(to, node.name, shape, is_index=True)
    if node.operator not in _ARITHMETIC or any(value.dtype == to.dtype for value in values):
        return None
    found = _like(node, inputs)
    return None if found is None else given(to, node.name, found, is_index=True)


def _reduced(node: Node, value: Value) -> tuple[int, ...]:
    axis = axis_of(node.integer("axis", 0), value.rank)
    kept = (1,) if node.integer("keepdims", 1) else ()
    return (*value.shape[:axis], *kept, *value.shape[axis + 1 :])


def _like(node: Node, inputs: Inputs) -> tuple[int, ...] | None:
    """Return the shape of a node's output, which the values that are unknown don't matter to."""
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


def _gather_elements(to: Importer, node: Node, inputs: Inputs) -> Value:
    return picked(to, node.name, str(node), needed(inputs, 0), needed(inputs, 1).shape)


def _gather_nd(to: Importer, node: Node, inputs: Inputs) -> Value:
    """Return slices at indices of the first axes; of one axis as `Gather`."""
    value, indices = needed(inputs, 0), needed(inputs, 1)
    batch, depth = node.integer("batch_dims", 0), indices.shape[-1] if indices.rank else 0
    if not 0 < depth <= value.rank - batch or not 0 <= batch < indices.rank:
        raise WorkloadError(
            f"indices {list(indices.shape)} into {list(value.shape)} after {batch} axes: the last"
            f" axis must have 1 to {value.rank - batch} elements"
        )
    shape = (*value.shape[:batch], *indices.shape[batch:-1], *value.shape[batch + depth :])
    if depth == 1 and not batch and known_array(indices) is not None:
        rows = to.reshaped(indices, (prod(indices.shape),))
        with suppress(UnsupportedError):  # too many pieces
            return to.reshaped(movement.gather(to, node.name, value, rows, 0), shape)
    return picked(to, node.name, str(node), value, shape)


def _scatter(to: Importer, node: Node, inputs: Inputs) -> Value:
    return replaced(to, node.name, str(node), needed(inputs, 0), needed(inputs, 2))


def _top(to: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """Return the largest elements, and their places."""
    # Approximation: a choice of the largest costs one operation per element, as a comparison does.
    value = needed(inputs, 0)
    count = int(array_of(needed(inputs, 1), "'k'").flat[0])
    axis = axis_of(node.integer("axis", -1), value.rank)
    if not 0 < count <= value.shape[axis]:
        raise WorkloadError(f"takes the {count} largest of {value.shape[axis]} elements")
    found = vector.unary(to, f"{node.name}.compared", "identity", value)
    kept = movement.cut(to, node.name, found, axis, 0, count)
    return [kept, given(to, f"{node.name}.places", kept.shape, is_index=True)]


HANDLERS: dict[str, Handler] = {
    "TopK": _top,
    **dict.fromkeys(("ScatterElements", "ScatterND"), _scatter),
    "GatherElements": _gather_elements,
    "GatherND": _gather_nd,
}
