"""Foreign operators that compute indices, or put elements where indices say."""

from __future__ import annotations

from functools import partial
from math import prod

import numpy as np

from foundation.dtype import DTYPES
from foundation.errors import WorkloadError
from foundation.numerics import Array
from workloads.build import GraphBuilder
from workloads.deformable import Deformable, add_deformed_windows
from workloads.graph import Tensor
from workloads.indexing import OneHot, add_scatter_add
from workloads.layers import Linear
from workloads.loaders.imported import vector
from workloads.loaders.imported.importer import Importer
from workloads.loaders.imported.movement import backwards, concat, constant_indices, gather, stack
from workloads.loaders.imported.pending import Deferred
from workloads.loaders.imported.refused import UnsupportedError, check_numbers
from workloads.loaders.imported.values import Value, as_it_lies, channels_last, lying, plain
from workloads.loaders.imported.weights import known_array, learned_of, weight_of
from workloads.roi_align import RoiAlign, add_roi_align
from workloads.selection import add_top_k
from workloads.suppression import add_suppression


def top_k(
    to: Importer, name: str, value: Value, count: int, axis: int, *, largest: bool
) -> list[Value]:
    """Return the ``count`` largest or smallest elements along an axis, and their int32 places.

    Raises
    ------
    WorkloadError
        The axis has fewer elements.
    """
    check_numbers([value.source])
    size = value.shape[axis]
    if not 1 <= count <= size:
        raise WorkloadError(f"k is {count} but must lie in 1..{size}, the elements of axis {axis}")
    if not largest:
        value = vector.unary(to, f"{name}.negative", "negative", value)
    lie = as_it_lies(value)
    shape = (*value.shape[:axis], count, *value.shape[axis + 1 :])

    def sorted_by(function: str) -> Tensor:
        tensor, ours = to.tensor(value, lie), lie.index(axis)

        def add(builder: GraphBuilder, own: str) -> Tensor:
            return add_top_k(builder, own, tensor, count, ours, function)

        return to.compose(name, add)

    values, places = (
        plain(Deferred(name, shape, dtype, partial(sorted_by, function), lie))
        for function, dtype in (("sort", value.dtype), ("argsort", DTYPES["int32"]))
    )
    return [values if largest else vector.unary(to, name, "negative", values), places]


def largest_place(
    to: Importer, name: str, value: Value, axis: int, *, keeps: bool, last: bool = False
) -> Value:
    """Return where along an axis the largest element is, the first or the last of equals."""
    size = value.shape[axis]
    if size == 1:
        gone = (*value.shape[:axis], *((1,) if keeps else ()), *value.shape[axis + 1 :])
        return constant_indices(to, name, np.zeros(gone))
    if not last:
        return vector.reduce(to, name, "argmax", value, [axis], keeps=keeps)
    turned = backwards(to, f"{name}.turned", value, axis)
    place = vector.reduce(to, name, "argmax", turned, [axis], keeps=keeps)
    from_end = constant_indices(to, f"{name}.from_end", np.arange(size)[::-1])
    return gather(to, name, from_end, place, 0)


def one_hot(to: Importer, name: str, indices: Value, classes: int, axis: int) -> Value:
    """Return zeros along a new axis, with a one where an index says."""
    lie = as_it_lies(indices)
    operator = OneHot(classes=classes, dtype=to.dtype)
    tensor = to.layer(name, operator, (to.tensor(indices, lie),))
    rank = indices.rank
    behind = lying(tensor, (*lie, rank)) if rank else plain(tensor)
    behind = to.reshaped(behind, (*indices.shape, classes))
    return behind.transposed([*range(axis), rank, *range(axis, rank)])


def scatter_add(to: Importer, name: str, value: Value, indices: Value, updates: Value) -> Value:
    """Return a value to which updates are added along its last axis, each at an index.

    The value is ``[*batch, rows]``, indices and updates are ``[*batch, updates]``.
    """
    batch = value.shape[:-1]
    if indices.shape[:-1] != batch or updates.shape != indices.shape:
        raise UnsupportedError(
            f"adds {list(updates.shape)} at {list(indices.shape)}, which both must begin with"
            f" {list(batch)}"
        )
    flat = [to.reshaped(v, (prod(batch), v.shape[-1])) for v in (value, indices, updates)]
    sums = _sums(to, name, flat[1], flat[2], value.shape[-1])
    return vector.binary(to, name, "add", value, to.reshaped(sums, value.shape))


def scatter_rows_add(
    to: Importer, name: str, value: Value, indices: Value, updates: Value
) -> Value:
    """Return rows of a matrix to which rows of updates are added, at one index each."""
    sums = _sums(to, name, indices, updates, value.shape[0])
    return vector.binary(to, name, "add", value, sums)


def _sums(to: Importer, name: str, indices: Value, updates: Value, rows: int) -> Value:
    places, added = (to.tensor(v, tuple(range(v.rank))) for v in (indices, updates))
    return plain(
        to.compose(
            f"{name}.sums",
            lambda builder, own: add_scatter_add(builder, own, added, places, rows),
        )
    )


def replaced_rows(to: Importer, name: str, value: Value, places: Array, updates: Value) -> Value:
    """Return the rows of a matrix, of which those at known places are others; the last one wins."""
    rows = value.shape[0]
    sources = np.arange(rows)
    for number, place in enumerate(places.flat):
        sources[place] = rows + number
    both = concat(to, f"{name}.both", [value, updates], 0)
    return gather(to, name, both, constant_indices(to, name, sources), 0)


def suppression(
    to: Importer, name: str, boxes: Value, scores: Value, count: int, threshold: float
) -> Value:
    """Return batch, class and number of the boxes that are kept, ``count`` of each class.

    Boxes are ``[batch, boxes, 4]``, two corners, and scores ``[batch, classes, boxes]``; above 0.
    Those that overlap a better one by more than ``threshold`` aren't kept. The result is
    ``[batch · classes · count, 3]``.
    """
    natural = tuple(range(3))
    given = to.tensor(boxes, natural), to.tensor(scores, natural)
    kept = plain(
        to.compose(
            f"{name}.boxes",
            lambda builder, own: add_suppression(builder, own, *given, count, threshold, "indices"),
        )
    )
    numbers = np.indices(kept.shape, np.int32)[:2]
    columns = [constant_indices(to, f"{name}.{axis}", own) for axis, own in enumerate(numbers)]
    return to.reshaped(stack(to, name, [*columns, kept], 3), (kept.size_elements, 3))


def not_negative(to: Importer, name: str, indices: Value, size: int) -> Value:
    """Return indices counted from the front, where they are known.

    Raises
    ------
    WorkloadError
        One is too large.
    """
    # Approximation: indices that aren't known are taken as not negative.
    known = known_array(indices)
    if known is None:
        return indices
    if np.any(known < -size) or np.any(known >= size):
        raise WorkloadError(f"its indices must lie in {-size}..{size - 1} but are {known.tolist()}")
    return constant_indices(to, name, np.where(known < 0, known + size, known))


def roi_align(to: Importer, name: str, image: Value, boxes: Value, roi: RoiAlign) -> Value:
    """Return boxes' samples of ``[1, C, H, W]``, ``[boxes, C, *sizes]``.

    Raises
    ------
    UnsupportedError
        There are several images.
    """
    if image.rank != 4 or image.shape[0] != 1 or boxes.rank != 2:
        raise UnsupportedError(
            f"samples boxes {list(boxes.shape)} of {list(image.shape)}; one image is known only"
        )
    features = to.tensor(image, channels_last(4))
    corners = to.tensor(to.reshaped(boxes, (1, *boxes.shape)), (0, 1, 2))
    found = to.compose(
        name, lambda builder, own: add_roi_align(builder, own, [features], corners, roi)
    )
    apart = to.reshaped(plain(found), found.shape[1:])
    return apart.transposed((0, 3, 1, 2))


def deformable_convolution(
    to: Importer,
    name: str,
    image: Value,
    weight: Value,
    offset: Value,
    bias: Value | None,
    mask: Value | None,
    deformable: Deformable,
) -> Value:
    """Return a deformable convolution of ``[N, C, H, W]`` by a weight ``[OC, C, KH, KW]``.

    Raises
    ------
    UnsupportedError
        Weight or bias are computed, or outputs have groups.
    """
    if weight_of(weight) is None or (bias is not None and weight_of(bias) is None):
        raise UnsupportedError("its weight and bias must be arrays of the file")
    channels, groups = image.shape[1], deformable.offset_groups
    if weight.shape[1] != channels:
        raise UnsupportedError(
            f"its weight has {weight.shape[1]} channels but the image {channels}: groups of outputs"
            " aren't known"
        )
    lie, outputs = channels_last(4), weight.shape[0]
    first, second = to.tensor(image, lie), to.tensor(offset, lie)
    third = None if mask is None else to.tensor(mask, lie)

    def by_tap(array: Array) -> Array:
        taps = array.reshape(outputs, groups, channels // groups, *array.shape[2:])
        rows = taps.transpose(1, 3, 4, 2, 0).reshape(-1, outputs)
        return rows.astype(to.dtype.numpy)

    learned = {"weight": learned_of(weight, by_tap, "deformable", groups)}
    if bias is not None:
        learned["bias"] = learned_of(bias, lambda array: array.astype(np.float32))
    window = to.compose(
        name,
        lambda builder, own: add_deformed_windows(builder, own, first, second, third, deformable),
    )
    product = Linear(out_features=outputs, bias=bias is not None)
    return lying(to.layer(name, product, (window,), learned), lie)
