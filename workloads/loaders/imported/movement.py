"""What only moves or picks elements of foreign tensors."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, chain

import numpy as np

from foundation.errors import WorkloadError
from foundation.numerics import Array
from workloads.indexing import add_gather
from workloads.layers import Concat, Embedding, Slice
from workloads.loaders.imported.importer import Importer
from workloads.loaders.imported.values import Value, as_it_lies, lying, plain
from workloads.loaders.imported.weights import constant_value, known_array, learned_of, weight_of

#: The most pieces that a gather with known indices is cut into; of more, rows are looked up.
_MOST_PIECES = 64


def concat(to: Importer, name: str, values: Sequence[Value], axis: int) -> Value:
    """Return values one after the other along a foreign axis, as the largest of them lies."""
    values = [value for value in values if value.size_elements]
    if not values:
        raise WorkloadError("it has nothing to put together")
    if len(values) == 1:
        return values[0]
    for value in values:
        if value.rank != values[0].rank:
            raise WorkloadError(
                f"all inputs must have as many axes but are {list(values[0].shape)} and"
                f" {list(value.shape)}"
            )
    lie = as_it_lies(max(values, key=lambda v: (v.pending is None, v.size_elements)))
    tensors = tuple(to.tensor(value, lie) for value in values)
    return lying(to.layer(name, Concat(axis=lie.index(axis)), tensors), lie)


def cut(
    to: Importer, name: str, value: Value, axis: int, start: int, stop: int, step: int = 1
) -> Value:
    """Return the elements from ``start`` to ``stop`` along a foreign axis; none are a constant."""
    if start >= stop:
        shape = (*value.shape[:axis], 0, *value.shape[axis + 1 :])
        return constant_value(to, name, np.zeros(shape, np.float32))
    if (start, step) == (0, 1) and stop == value.shape[axis]:
        return value
    lie = as_it_lies(value)
    operator = Slice(axis=lie.index(axis), start=start, stop=stop, step=step)
    return lying(to.layer(name, operator, (to.tensor(value, lie),)), lie)


def split(to: Importer, name: str, value: Value, axis: int, sizes: Sequence[int]) -> list[Value]:
    """Return the parts of a value along a foreign axis."""
    if sum(sizes) != value.shape[axis]:
        raise WorkloadError(
            f"the parts {list(sizes)} add up to {sum(sizes)} but axis {axis} has"
            f" {value.shape[axis]} elements"
        )
    ends = list(accumulate(sizes))
    return [
        cut(to, f"{name}.{number}", value, axis, end - size, end)
        for number, (size, end) in enumerate(zip(sizes, ends, strict=True))
    ]


def pick(to: Importer, name: str, value: Value, axis: int, index: int) -> Value:
    """Return the elements at one place of a foreign axis, which is gone."""
    size = value.shape[axis]
    if not -size <= index < size:
        raise WorkloadError(f"index {index} must lie in {-size}..{size - 1} of axis {axis}")
    piece = cut(to, name, value, axis, index % size, index % size + 1)
    return to.reshaped(piece, (*value.shape[:axis], *value.shape[axis + 1 :]))


def stack(to: Importer, name: str, values: Sequence[Value], axis: int) -> Value:
    """Return values one after the other along a new foreign axis."""
    apart = [to.reshaped(v, (*v.shape[:axis], 1, *v.shape[axis:])) for v in values]
    return concat(to, name, apart, axis)


def roll(to: Importer, name: str, value: Value, axis: int, shift: int) -> Value:
    """Return a value whose elements moved on along an axis, those at the end to its start."""
    size = value.shape[axis]
    start = -shift % size
    if not start:
        return value
    pieces = [cut(to, name, value, axis, start, size), cut(to, name, value, axis, 0, start)]
    return concat(to, name, pieces, axis)


def surround(
    to: Importer, name: str, value: Value, axis: int, pads: tuple[int, int], fill: float
) -> Value:
    """Return a value with one number before and behind it; a negative pad takes away.

    Raises
    ------
    WorkloadError
        Nothing is left.
    """
    before, after = pads
    start, stop = max(0, -before), value.shape[axis] - max(0, -after)
    if start >= stop:
        raise WorkloadError(f"takes everything away along axis {axis}")
    parts = [cut(to, name, value, axis, start, stop)]
    for place, size in ((0, before), (len(parts) + 1, after)):
        if size > 0:
            shape = tuple(size if a == axis else s for a, s in enumerate(value.shape))
            parts.insert(place, plain(to.filled(f"{name}.rim", shape, fill)))
    return concat(to, name, parts, axis)


def gather(to: Importer, name: str, value: Value, indices: Value, axis: int) -> Value:
    """Return the elements of a value at some indices of one axis.

    Known indices are slices, as long as those are few. Others look up rows: of a table of the file,
    or of what is computed.
    """
    known = known_array(indices)
    if known is not None:
        return _picked(to, name, value, known, axis)
    # Approximation: indices that aren't known are taken as not negative.
    if weight_of(value) is not None and value.dtype == to.dtype and axis == 0:
        return embedding(to, name, value, indices)
    return rows_at(to, name, value, indices, axis, 0)


def rows_at(
    to: Importer, name: str, value: Value, indices: Value, axis: int, batch_axes: int
) -> Value:
    """Return the elements at indices of an axis, which aren't negative.

    Leading axes that are batch axes have indices of their own: with all but the last that is
    NumPy's ``take_along_axis``.
    """
    lie = tuple(range(value.rank)) if batch_axes else as_it_lies(value)
    data, ours = to.tensor(value, lie), lie.index(axis)
    places = to.tensor(indices, tuple(range(indices.rank)))
    found = to.compose(
        name, lambda builder, own: add_gather(builder, own, data, places, ours, batch_axes)
    )
    more = len(places.shape) - batch_axes - 1  # axes that the result has more than the data
    new = [
        [a + more * (a > axis)] if a != axis else list(range(axis, axis + more + 1)) for a in lie
    ]
    shape = (*value.shape[:axis], *indices.shape[batch_axes:], *value.shape[axis + 1 :])
    return to.reshaped(lying(found, tuple(chain.from_iterable(new))), shape)


def backwards(to: Importer, name: str, value: Value, axis: int) -> Value:
    """Return a value whose elements along an axis are in the opposite order."""
    order = constant_indices(to, f"{name}.order", np.arange(value.shape[axis])[::-1])
    return gather(to, name, value, order, axis)


def constant_indices(to: Importer, name: str, array: Array) -> Value:
    """Return known int32 numbers, which are stored."""
    return constant_value(to, name, array.astype(np.int32))


def embedding(to: Importer, name: str, table: Value, indices: Value) -> Value:
    """Return a row of ``table`` for every index."""
    entries, features = table.shape[0], table.size_elements // table.shape[0]
    dtype = to.dtype.numpy
    rows = learned_of(table, lambda array: array.reshape(entries, features).astype(dtype))
    lie = as_it_lies(indices)
    operator = Embedding(entries=entries, features=features, dtype=to.dtype)
    tensor = to.layer(name, operator, (to.tensor(indices, lie),), {"table": rows})
    weight = weight_of(table)
    if weight is not None and table.shape == weight.shape == (entries, features):
        to.tables[weight.name] = to.parameter(tensor, "table")
    result = lying(tensor, (*lie, indices.rank)) if indices.rank else plain(tensor)
    return to.reshaped(result, (*indices.shape, *table.shape[1:]))


def _picked(to: Importer, name: str, value: Value, indices: Array, axis: int) -> Value:
    """Return the elements at known indices: runs of neighbours one after the other."""
    size = value.shape[axis]
    flat = [int(index) + (size if index < 0 else 0) for index in indices.flat]
    if not flat or min(flat) < 0 or max(flat) >= size:
        raise WorkloadError(
            f"its indices must lie in {-size}..{size - 1} but are {indices.tolist()}"
        )
    runs = _runs(flat)
    if len(runs) > _MOST_PIECES:
        places = np.reshape(flat, indices.shape)
        return rows_at(to, name, value, constant_indices(to, f"{name}.places", places), axis, 0)
    pieces = [
        cut(to, name, value, axis, first, first + (length - 1) * step + 1, step)
        for first, length, step in runs
    ]
    whole = concat(to, name, pieces, axis)
    shape = (*value.shape[:axis], *indices.shape, *value.shape[axis + 1 :])
    return to.reshaped(whole, shape)


def _runs(indices: Sequence[int]) -> list[tuple[int, int, int]]:
    """Return first index, length and step of the runs of indices that grow by equal steps."""
    runs: list[tuple[int, int, int]] = []
    for index in indices:
        if runs:
            first, length, step = runs[-1]
            if length == 1 and index > first:
                runs[-1] = (first, 2, index - first)
                continue
            if length > 1 and index == first + length * step:
                runs[-1] = (first, length + 1, step)
                continue
        runs.append((index, 1, 1))
    return runs
