"""ONNX's operators that only move elements, as calls of the importer."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from foundation.errors import WorkloadError
from workloads.loaders.imported import movement, vector
from workloads.loaders.imported.importer import Importer
from workloads.loaders.imported.refused import UnsupportedError
from workloads.loaders.imported.values import Value
from workloads.loaders.imported.weights import number_of
from workloads.loaders.onnx.fold import reshape_sizes, slice_ranges, split_sizes
from workloads.loaders.onnx.node import (
    Handler,
    Inputs,
    Node,
    array_of,
    axes_of,
    axis_of,
    integers_of,
    needed,
    optional,
)


def _concat(to: Importer, node: Node, inputs: Inputs) -> Value:
    values = [needed(inputs, place) for place in range(len(inputs))]
    axis = axis_of(node.integer("axis", 1), values[0].rank)
    return movement.concat(to, node.name, values, axis)


def _split(to: Importer, node: Node, inputs: Inputs) -> Sequence[Value]:
    value, given = needed(inputs, 0), optional(inputs, 1)
    axis = axis_of(node.integer("axis", 0), value.rank)
    known = None if given is None else array_of(given, "'split'")
    sizes = split_sizes(node, value.shape[axis], known)
    return movement.split(to, node.name, value, axis, sizes)


def _slice(to: Importer, node: Node, inputs: Inputs) -> Value:
    value = needed(inputs, 0)
    arrays = [None if v is None else array_of(v, "a bound") for v in inputs[1:]]
    for axis, start, stop, step in slice_ranges(node, value.shape, arrays):
        if step < 0:
            raise UnsupportedError(f"steps backwards ({step}), which no slice does")
        value = movement.cut(to, node.name, value, axis, start, stop, step)
    return value


def _reshape(to: Importer, node: Node, inputs: Inputs) -> Value:
    value = needed(inputs, 0)
    wanted = integers_of(node, inputs, "shape", 1) or ()
    return to.reshaped(value, reshape_sizes(value.shape, wanted, node.integer("allowzero", 0)))


def _flatten(to: Importer, node: Node, inputs: Inputs) -> Value:
    value, axis = needed(inputs, 0), node.integer("axis", 1)
    axis = axis if axis == value.rank else axis_of(axis, value.rank)
    return to.reshaped(value, (prod(value.shape[:axis]), prod(value.shape[axis:])))


def _squeeze(to: Importer, node: Node, inputs: Inputs) -> Value:
    value = needed(inputs, 0)
    axes = integers_of(node, inputs, "axes", 1)
    gone = (
        [axis for axis, size in enumerate(value.shape) if size == 1]
        if axes is None
        else axes_of(axes, value.rank)
    )
    return to.reshaped(value, tuple(s for axis, s in enumerate(value.shape) if axis not in gone))


def _unsqueeze(to: Importer, node: Node, inputs: Inputs) -> Value:
    value = needed(inputs, 0)
    axes = integers_of(node, inputs, "axes", 1) or ()
    rank = value.rank + len(axes)
    new = axes_of(axes, rank)
    sizes = iter(value.shape)
    return to.reshaped(value, tuple(1 if axis in new else next(sizes) for axis in range(rank)))


def _transpose(to: Importer, node: Node, inputs: Inputs) -> Value:
    del to
    value = needed(inputs, 0)
    permutation = node.integers("perm") or tuple(reversed(range(value.rank)))
    if sorted(permutation) != list(range(value.rank)):
        raise WorkloadError(f"perm {list(permutation)} must name each of {value.rank} axes once")
    return value.transposed(permutation)


def _expand(to: Importer, node: Node, inputs: Inputs) -> Value:
    shape = integers_of(node, inputs, "shape", 1) or ()
    return vector.expand(to, node.name, needed(inputs, 0), shape)


def _tile(to: Importer, node: Node, inputs: Inputs) -> Value:
    """Return an input repeated along axes of size 1; another axis gets one before it for that."""
    value = needed(inputs, 0)
    repeats = integers_of(node, inputs, "repeats", 1) or ()
    if len(repeats) != value.rank or min(repeats, default=1) < 1:
        raise WorkloadError(f"needs {value.rank} repeats of at least 1 but has {list(repeats)}")
    pairs = list(zip(repeats, value.shape, strict=True))
    apart = to.reshaped(value, tuple(size for _, s in pairs for size in (1, s)))
    wide = vector.expand(to, node.name, apart, tuple(size for pair in pairs for size in pair))
    return to.reshaped(wide, tuple(count * size for count, size in pairs))


def _pad(to: Importer, node: Node, inputs: Inputs) -> Value:
    """Return an input with constants around it, axis by axis."""
    value = needed(inputs, 0)
    pads = integers_of(node, inputs, "pads", 1) or ()
    number = optional(inputs, 2)
    fill = node.number("value", 0) if number is None else number_of(number)
    given = integers_of(node, inputs, "axes", 3)
    axes = tuple(range(value.rank)) if given is None else axes_of(given, value.rank)
    if len(pads) != 2 * len(axes) or fill is None:
        raise WorkloadError(f"needs two pads for each of {len(axes)} axes and one known number")
    if any(pads) and node.text("mode", "constant") != "constant":
        raise UnsupportedError(f"its mode is {node.text('mode', '')} but only constants are known")
    for place, axis in enumerate(axes):
        both = (pads[place], pads[place + len(axes)])
        value = movement.surround(to, node.name, value, axis, both, fill)
    return value


def _depth_to_space(to: Importer, node: Node, inputs: Inputs) -> Value:
    """Return blocks of channels laid out over height and width."""
    value, block = _image(inputs), node.integer("blocksize", 1)
    batch, channels, height, width = value.shape
    if block < 1 or channels % block**2:
        raise WorkloadError(f"{channels} channels don't divide into blocks of {block}x{block}")
    depth = channels // block**2
    if node.text("mode", "DCR") == "DCR":
        split, order = (batch, block, block, depth, height, width), (0, 3, 4, 1, 5, 2)
    else:
        split, order = (batch, depth, block, block, height, width), (0, 1, 4, 2, 5, 3)
    turned = to.reshaped(value, split).transposed(order)
    return to.reshaped(turned, (batch, depth, height * block, width * block))


def _space_to_depth(to: Importer, node: Node, inputs: Inputs) -> Value:
    """Return blocks of height and width as channels."""
    value, block = _image(inputs), node.integer("blocksize", 1)
    batch, channels, height, width = value.shape
    if block < 1 or height % block or width % block:
        raise WorkloadError(f"{height}x{width} doesn't divide into blocks of {block}x{block}")
    split = (batch, channels, height // block, block, width // block, block)
    order = (0, 3, 5, 1, 2, 4) if node.text("mode", "DCR") == "DCR" else (0, 1, 3, 5, 2, 4)
    turned = to.reshaped(value, split).transposed(order)
    return to.reshaped(turned, (batch, channels * block**2, height // block, width // block))


def _image(inputs: Inputs) -> Value:
    value = needed(inputs, 0)
    if value.rank != 4:
        raise WorkloadError(f"needs an image [N, C, H, W] but has {list(value.shape)}")
    return value


HANDLERS: dict[str, Handler] = {
    "Concat": _concat,
    "DepthToSpace": _depth_to_space,
    "Expand": _expand,
    "Flatten": _flatten,
    "Pad": _pad,
    "Reshape": _reshape,
    "Slice": _slice,
    "SpaceToDepth": _space_to_depth,
    "Split": _split,
    "Squeeze": _squeeze,
    "Tile": _tile,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
