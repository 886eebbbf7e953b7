"""ONNX's lists of tensors, which exporters write for splits: none is left in the network."""

from __future__ import annotations

from collections.abc import Sequence

from foundation.errors import WorkloadError
from workloads.loaders.imported import movement
from workloads.loaders.imported.importer import Importer
from workloads.loaders.imported.values import Value
from workloads.loaders.onnx.node import Inputs, Node, array_of, axis_of, needed, optional

#: Operators that give a list, and those that read one.
GIVES = ("SplitToSequence", "SequenceConstruct")
READS = ("SequenceAt", "ConcatFromSequence")


def listed(to: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """Return the list that a node gives."""
    if node.operator == "SequenceConstruct":
        return [needed(inputs, place) for place in range(len(inputs))]
    value, given = needed(inputs, 0), optional(inputs, 1)
    axis = axis_of(node.integer("axis", 0), value.rank)
    size = value.shape[axis]
    known = None if given is None else array_of(given, "'split'")
    if known is None or not known.ndim:
        part = 1 if known is None else int(known)
        if part < 1:
            raise WorkloadError(f"parts must have at least 1 element but have {part}")
        sizes = [min(part, size - start) for start in range(0, size, part)]
    else:
        sizes = [int(part) for part in known.flat]
    parts = movement.split(to, node.name, value, axis, sizes)
    if given is None and not node.integer("keepdims", 1):
        shape = (*value.shape[:axis], *value.shape[axis + 1 :])
        parts = [to.reshaped(part, shape) for part in parts]
    return list(parts)


def read(to: Importer, node: Node, items: Sequence[Value], inputs: Inputs) -> Value:
    """Return what a node takes from the list that is its first input."""
    if node.operator == "SequenceAt":
        place = int(array_of(needed(inputs, 0), "its position"))
        if not -len(items) <= place < len(items):
            raise WorkloadError(f"position {place} must lie in {-len(items)}..{len(items) - 1}")
        return items[place]
    rank = items[0].rank if items else 0
    is_new = bool(node.integer("new_axis", 0))
    axis = axis_of(node.integer("axis", 0), rank + is_new)
    return (movement.stack if is_new else movement.concat)(to, node.name, items, axis)
