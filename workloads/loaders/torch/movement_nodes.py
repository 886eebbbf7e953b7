"""Aten's operators that only move elements, as calls of the importer."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod

from foundation.errors import WorkloadError
from workloads.loaders.imported import indices, movement, vector
from workloads.loaders.imported.importer import Importer
from workloads.loaders.imported.indices import operand, picked
from workloads.loaders.imported.refused import UnsupportedError
from workloads.loaders.imported.values import Value, plain
from workloads.loaders.imported.weights import known_array, number_of, weight_of
from workloads.loaders.torch.node import Call, Handler


def axis_of(call: Call, value: Value, name: str = "dim", default: int | None = None) -> int:
    """Return an axis counted from the front."""
    axis = call.integer(name, default)
    if not -value.rank <= axis < max(value.rank, 1):
        raise WorkloadError(f"axis {axis} must lie in {-value.rank}..{value.rank - 1}")
    return axis % max(value.rank, 1)


def _same(_: Importer, call: Call) -> Value:
    """Return the input: an identity, and another floating-point type."""
    value: Value = call.any("self", "input", "data", "x", default=None)
    if value is None:
        raise WorkloadError("has no input")
    return value


def _cast(to: Importer, call: Call) -> Value:
    """Return the input; integers become numbers where that is wanted."""
    value: Value = call.tensor()
    return operand(to, value) if call.is_float else value


def _shaped(to: Importer, call: Call) -> Value:
    return to.reshaped(call.tensor(), call.shape)


def _expand(to: Importer, call: Call) -> Value:
    value: Value = call.tensor()
    wide = (1,) * (len(call.shape) - value.rank) + value.shape
    return vector.expand(to, call.name, to.reshaped(value, wide), call.shape)


def _repeat(to: Importer, call: Call) -> Value:
    """Return copies beside each other; an axis larger than 1 gets one before it for that."""
    value: Value = call.tensor()
    wide = (1,) * (len(call.shape) - value.rank) + value.shape
    pairs = [(new // old, old) for new, old in zip(call.shape, wide, strict=True)]
    apart = to.reshaped(value, tuple(size for _, s in pairs for size in (1, s)))
    copies = vector.expand(to, call.name, apart, tuple(x for pair in pairs for x in pair))
    return to.reshaped(copies, call.shape)


def _repeat_interleave(to: Importer, call: Call) -> Value:
    """Return each element several times."""
    value, repeats = call.tensor(), call.any("repeats")
    if not isinstance(repeats, int):
        raise UnsupportedError("repeats by a tensor, which no layer does")
    if call.any("dim") is None:
        value = to.reshaped(value, (value.size_elements,))
    axis = axis_of(call, value, default=0)
    before, after = value.shape[: axis + 1], value.shape[axis + 1 :]
    apart = to.reshaped(value, (*before, 1, *after))
    copies = vector.expand(to, call.name, apart, (*before, repeats, *after))
    return to.reshaped(copies, call.shape)


def _permute(_: Importer, call: Call) -> Value:
    value: Value = call.tensor()
    return value.transposed([axis % value.rank for axis in call.integers("dims")])


def _transpose(_: Importer, call: Call) -> Value:
    value: Value = call.tensor()
    order = list(range(value.rank))
    if call.node.operator in ("t", "numpy_T"):
        return value.transposed(order[::-1])
    if value.rank < 2:
        return value
    names = ("axis0", "axis1") if call.node.operator == "swapaxes" else ("dim0", "dim1")
    first, second = (axis_of(call, value, name) for name in names)
    order[first], order[second] = second, first
    return value.transposed(order)


def _movedim(_: Importer, call: Call) -> Value:
    value: Value = call.tensor()
    sources = [axis % value.rank for axis in call.integers("source")]
    targets = [axis % value.rank for axis in call.integers("destination")]
    rest = [axis for axis in range(value.rank) if axis not in sources]
    places = dict(zip(targets, sources, strict=True))
    return value.transposed([places[n] if n in places else rest.pop(0) for n in range(value.rank)])


def _cat(to: Importer, call: Call) -> Value:
    values = [v for v in call.any("tensors", default=[]) if v.shape != (0,)]
    if call.is_float:
        values = [operand(to, value) for value in values]
    return movement.concat(to, call.name, values, axis_of(call, values[0], default=0))


def _stack(to: Importer, call: Call) -> Value:
    values = call.any("tensors", default=[])
    axis = call.integer("dim", 0) % (values[0].rank + 1)
    return movement.stack(to, call.name, values, axis)


def _slice(to: Importer, call: Call) -> Value:
    value: Value = call.tensor()
    axis = axis_of(call, value, default=0)
    start, stop, step = bounds(call, value.shape[axis])
    return movement.cut(to, call.name, value, axis, start, stop, step)


def bounds(call: Call, size: int) -> tuple[int, int, int]:
    """Return start, stop and step of a slice of an axis of ``size`` elements."""
    if "length" in call.arguments:
        start = call.integer("start") % size
        return start, start + call.integer("length"), 1
    limits = slice(call.any("start"), call.any("end"), call.any("step", default=1))
    start, stop, step = limits.indices(size)
    return start, max(start, stop), step


def _select(to: Importer, call: Call) -> Value:
    value: Value = call.tensor()
    return movement.pick(
        to, call.name, value, axis_of(call, value, default=0), call.integer("index")
    )


def _split(to: Importer, call: Call) -> Sequence[Value]:
    value: Value = call.tensor()
    axis = axis_of(call, value, default=0)
    return movement.split(to, call.name, value, axis, [shape[axis] for shape in call.shapes])


def _unbind(to: Importer, call: Call) -> Sequence[Value]:
    value: Value = call.tensor()
    axis = axis_of(call, value, default=0)
    return [
        movement.pick(to, f"{call.name}.{index}", value, axis, index)
        for index in range(value.shape[axis])
    ]


def _roll(to: Importer, call: Call) -> Value:
    value: Value = call.tensor()
    shifts = call.integers("shifts")
    dims = call.integers("dims", ())
    if not dims:
        flat = to.reshaped(value, (value.size_elements,))
        return to.reshaped(movement.roll(to, call.name, flat, 0, shifts[0]), value.shape)
    for axis, shift in zip(dims, shifts, strict=True):
        value = movement.roll(to, call.name, value, axis % value.rank, shift)
    return value


def _flip(to: Importer, call: Call) -> Value:
    """Return an axis backwards: its elements one by one where they are few."""
    # Approximation: a longer axis costs one operation per element and isn't turned.
    value: Value = call.tensor()
    to.note("flipped tensors cost one operation per element")
    return vector.unary(to, call.name, "identity", value)


def _copy(to: Importer, call: Call) -> Value:
    """Return what is written over the first input."""
    return vector.expand(to, call.name, operand(to, call.tensor("src")), call.shape)


def _embedding(to: Importer, call: Call) -> Value:
    table, indices = call.tensor("weight"), call.tensor("indices")
    if weight_of(table) is None:
        return _picked(to, call, call.shape, table)
    return movement.embedding(to, call.name, table, indices)


def _embedding_bag(to: Importer, call: Call) -> Sequence[Value]:
    """Return the sum or mean of equally many rows for each bag."""
    indices, bags = call.tensor("indices"), call.shape[0]
    if indices.size_elements % bags:
        raise UnsupportedError(
            f"has {indices.size_elements} indices for {bags} bags, not all equal"
        )
    each = indices.size_elements // bags
    grouped = to.reshaped(indices, (bags, each))
    rows = movement.embedding(to, f"{call.name}.rows", call.tensor("weight"), grouped)
    function = ("sum", "mean", "max")[call.integer("mode", 0)]
    return [vector.reduce(to, call.name, function, rows, [1], keeps=False)]


def _index(to: Importer, call: Call) -> Value:
    """Return the elements at indices of one axis; others that are computed as `_picked`."""
    value, indices = call.tensor(), call.any("indices", default=[])
    places = [axis for axis, index in enumerate(indices) if index is not None]
    known = known_array(indices[places[0]]) if len(places) == 1 else None
    is_whole = known is not None and known.dtype != bool
    if len(places) == 1 and (is_whole or (places == [0] and weight_of(value) is not None)):
        return movement.gather(to, call.name, value, indices[places[0]], places[0])
    return _picked(to, call, call.shape, value)


def _index_select(to: Importer, call: Call) -> Value:
    value, index = call.tensor(), call.tensor("index")
    axis = axis_of(call, value)
    if known_array(index) is None and (axis or weight_of(value) is None):
        return _picked(to, call, call.shape, value)
    return movement.gather(to, call.name, value, index, axis)


def _gather(to: Importer, call: Call) -> Value:
    return _picked(to, call, call.shape, call.tensor())


def _picked(to: Importer, call: Call, shape: tuple[int, ...], value: Value) -> Value:
    return picked(to, call.name, str(call.node), value, shape)


def _scattered(to: Importer, call: Call) -> Value:
    """Return a tensor of which elements at computed indices are others, or one number."""
    source = call.any("src", "values")
    if isinstance(source, Value):
        return indices.replaced(to, call.name, str(call.node), call.tensor(), source)
    return indices.given(to, call.name, call.shape)


def _pad(to: Importer, call: Call) -> Value:
    """Return an input with a rim, axis by axis from the last one."""
    # Approximation: reflected and repeated rims are zeros.
    value: Value = call.tensor()
    pads = call.integers("pad", call.any("padding"))
    mode = call.text("mode", "constant")
    if mode != "constant" or "_pad" in call.node.operator.replace("constant_pad", ""):
        to.note("reflected and repeated rims are counted as zeros")
    for number in range(len(pads) // 2):
        both = (pads[2 * number], pads[2 * number + 1])
        axis = value.rank - 1 - number
        if any(both):
            fill = float(call.any("value", default=0))
            value = movement.surround(to, call.name, value, axis, both, fill)
    return value


def _pixel_shuffle(to: Importer, call: Call) -> Value:
    value, factor = call.tensor(), call.integer("upscale_factor")
    *batch, channels, height, width = value.shape
    split = (*batch, channels // factor**2, factor, factor, height, width)
    n = len(batch)
    order = (*range(n), n, n + 3, n + 1, n + 4, n + 2)
    return to.reshaped(to.reshaped(value, split).transposed(order), call.shape)


def _pixel_unshuffle(to: Importer, call: Call) -> Value:
    value, factor = call.tensor(), call.integer("downscale_factor")
    *batch, channels, height, width = value.shape
    split = (*batch, channels, height // factor, factor, width // factor, factor)
    n = len(batch)
    order = (*range(n), n, n + 2, n + 4, n + 1, n + 3)
    return to.reshaped(to.reshaped(value, split).transposed(order), call.shape)


def _channel_shuffle(to: Importer, call: Call) -> Value:
    value, groups = call.tensor(), call.integer("groups")
    batch, channels, *rest = value.shape
    apart = to.reshaped(value, (batch, groups, channels // groups, *rest))
    turned = apart.transposed((0, 2, 1, *range(3, apart.rank)))
    return to.reshaped(turned, value.shape)


def _scatter(to: Importer, call: Call) -> Value:
    """Return a tensor of which a part along one axis is another one."""
    return replaced(to, call, call.tensor(), operand(to, call.any("src", "value")))


def replaced(to: Importer, call: Call, base: Value, part: Value) -> Value:
    """Return ``base`` with ``part`` where a slice or a selection of it would be."""
    axis = axis_of(call, base, default=0)
    size = base.shape[axis]
    if "index" in call.arguments:
        start = call.integer("index") % size
        stop = start + 1
        part = to.reshaped(part, (*base.shape[:axis], 1, *base.shape[axis + 1 :]))
    else:
        start, stop, step = bounds(call, size)
        if step != 1:
            raise UnsupportedError(f"writes every {step}th element, which no layer does")
        part = vector.expand(
            to, call.name, part, (*base.shape[:axis], stop - start, *base.shape[axis + 1 :])
        )
    parts = [part]
    if start:
        parts.insert(0, movement.cut(to, call.name, base, axis, 0, start))
    if stop < size:
        parts.append(movement.cut(to, call.name, base, axis, stop, size))
    return movement.concat(to, call.name, parts, axis)


def _unfold(to: Importer, call: Call) -> Value:
    """Return windows along an axis as an axis of their own behind all others."""
    value, size, step = call.tensor(), call.integer("size"), call.integer("step")
    axis = axis_of(call, value, "dimension")
    places = range(0, value.shape[axis] - size + 1, step)
    pieces = [movement.cut(to, call.name, value, axis, place, place + size) for place in places]
    whole = movement.stack(to, call.name, pieces, axis)
    rest = [a for a in range(whole.rank) if a != axis + 1]
    return whole.transposed([*rest, axis + 1])


def _im2col(to: Importer, call: Call) -> Value:
    """Return the windows of an image as columns: ``[N, C · taps, positions]``."""
    value: Value = call.tensor()
    kernel, strides, pads, dilations = (
        call.per_axis(name, 2) for name in ("kernel_size", "stride", "padding", "dilation")
    )
    for axis, pad in enumerate(pads, start=2):
        value = movement.surround(to, f"{call.name}.padded", value, axis, (pad, pad), 0.0)
    spans = [(k - 1) * d for k, d in zip(kernel, dilations, strict=True)]
    pieces = []
    for tap in product(*(range(k) for k in kernel)):
        piece = value
        for axis, (place, span) in enumerate(zip(tap, spans, strict=True)):
            start = place * dilations[axis]
            stop = start + value.shape[axis + 2] - span
            piece = movement.cut(to, call.name, piece, axis + 2, start, stop, strides[axis])
        pieces.append(to.reshaped(piece, (*piece.shape[:2], prod(piece.shape[2:]))))
    return to.reshaped(movement.stack(to, call.name, pieces, 2), call.shape)


def _fresh(to: Importer, call: Call) -> Value:
    """Return a tensor of one number, however large."""
    name = call.node.operator
    number = call.any("fill_value", "value", default=1.0 if "ones" in name else 0.0)
    number = number_of(number) if isinstance(number, Value) else number
    if not isinstance(number, int | float):
        raise UnsupportedError("is filled with a number that is computed")
    return plain(to.filled(call.name, call.shape, float(number)))


_SAME = (
    *("alias", "clone", "contiguous", "detach", "dropout", "feature_dropout", "lift_fresh_copy"),
    *("alpha_dropout", "lift_fresh", "detach_copy", "alias_copy", "native_dropout"),
)
_SHAPED = (
    *("_unsafe_view", "flatten", "ravel", "reshape", "squeeze", "unflatten", "unsqueeze", "view"),
    *("view_as", "view_copy", "reshape_as", "atleast_2d", "unsqueeze_copy", "squeeze_copy"),
)
#: Operators that fill a tensor with one number.
FRESH = frozenset(
    (
        *("empty", "empty_like", "full", "full_like", "new_empty", "new_full", "new_ones"),
        *("new_zeros", "ones", "ones_like", "zeros", "zeros_like"),
    )
)
HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(_SAME, _same),
    **dict.fromkeys(_SHAPED, _shaped),
    **dict.fromkeys((*FRESH, "zero", "fill"), _fresh),
    **dict.fromkeys(("_to_copy", "float", "to", "type_as"), _cast),
    **dict.fromkeys(("cat", "concat", "concatenate"), _cat),
    **dict.fromkeys(("chunk", "split", "split_with_sizes", "tensor_split"), _split),
    **dict.fromkeys(("constant_pad_nd", "pad", "reflection_pad1d", "reflection_pad2d"), _pad),
    **dict.fromkeys(("replication_pad1d", "replication_pad2d", "replication_pad3d"), _pad),
    **dict.fromkeys(("embedding_bag", "_embedding_bag"), _embedding_bag),
    **dict.fromkeys(("expand", "expand_as", "broadcast_to", "expand_copy"), _expand),
    **dict.fromkeys(("repeat", "tile"), _repeat),
    **dict.fromkeys(("scatter", "index_put"), _scattered),
    **dict.fromkeys(("select_scatter", "slice_scatter"), _scatter),
    **dict.fromkeys(("slice", "narrow", "slice_copy"), _slice),
    **dict.fromkeys(("t", "numpy_T", "transpose", "swapaxes", "transpose_copy"), _transpose),
    **dict.fromkeys(("permute", "permute_copy"), _permute),
    **dict.fromkeys(("select", "select_copy"), _select),
    **dict.fromkeys(("unbind", "unbind_copy"), _unbind),
    "copy": _copy,
    "channel_shuffle": _channel_shuffle,
    "embedding": _embedding,
    "flip": _flip,
    "gather": _gather,
    "im2col": _im2col,
    "index": _index,
    "index_select": _index_select,
    "movedim": _movedim,
    "pixel_shuffle": _pixel_shuffle,
    "pixel_unshuffle": _pixel_unshuffle,
    "repeat_interleave": _repeat_interleave,
    "roll": _roll,
    "stack": _stack,
    "unfold": _unfold,
}
#: Operators that move indices, too; all else on them costs nothing.
MOVES = frozenset(
    (
        *(*_SAME, *_SHAPED, "_to_copy", "cat", "chunk", "permute", "select", "slice", "split"),
        *("stack", "t", "to", "transpose", "type_as", "unbind"),
    )
)
