"""RoI align: a fixed number of samples of every box, from one feature map or a pyramid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log, log2, prod
from typing import NamedTuple

from foundation.errors import WorkloadError
from workloads.build import GraphBuilder
from workloads.graph import Tensor
from workloads.layers import Concat, Elementwise, Reshape, Slice
from workloads.sampling import Ends, FloorInt32, LookupTable, Ramp, Sketch, counting

#: What torchvision adds before it rounds a box's level down.
_LEVEL_EPSILON = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class RoiAlign:
    """How boxes are sampled.

    Parameters
    ----------
    sizes
        Bins of a box along y and x.
    sampling_ratio
        Samples of a bin along each axis.
    scales
        Positions of each feature map for one of the boxes' units, the largest map first.
    aligned
        Whether positions are centred half a position lower, as they should be; otherwise boxes have
        at least one position, as in the first published versions.
    canonical_size, canonical_level
        A box of this size goes to the map of scale 1 / 2 ** level; one twice as large to the next.
    """

    sizes: tuple[int, int]
    sampling_ratio: int
    scales: tuple[float, ...]
    aligned: bool = False
    canonical_size: float = 224.0
    canonical_level: int = 4


class _Map(NamedTuple):
    """Of each box's feature map: scale, last row and column, where its rows begin."""

    scale: Tensor
    last: tuple[Tensor, Tensor]
    width: Tensor
    base: Tensor | None


def add_roi_align(
    builder: GraphBuilder, name: str, features: Sequence[Tensor], boxes: Tensor, roi: RoiAlign
) -> Tensor:
    """Add what torchvision's ``roi_align`` computes, or with several maps ``MultiScaleRoIAlign``.

    A sample is a bilinear interpolation of four positions; beyond one position outside of the map
    it is 0. A bin's value is the mean of its samples. All boxes are sampled, whatever they are.

    # Approximation: the four positions of every sample are gathered to main memory as whole rows of
    channels, neighbours or not; a pyramid's maps are copied to lie one after the other. Positions
    and rows' numbers are computed in the boxes' type, which may be another than the features', or
    in fp32 where that doesn't hold the rows' numbers; only the samples' shares are cast to the
    features' type. Under autocast torchvision casts features and boxes to fp32 (its
    ``csrc/ops/autocast/roi_align_kernel.cpp``).

    Parameters
    ----------
    builder
        Gets the layers.
    name
        Of the last one.
    features
        Shape ``[batch, height, width, channels]`` each.
    boxes
        Shape ``[batch, boxes, 4]``: x and y of two corners, the smaller ones first.
    roi
        How they are sampled.

    Returns
    -------
    Tensor
        Shape ``[batch, boxes, *sizes, channels]``.

    Raises
    ------
    WorkloadError
        Shapes don't fit, or fp32 doesn't hold the rows' numbers.

    References
    ----------
    .. [1] K. He et al., "Mask R-CNN", ICCV 2017.
    .. [2] T.-Y. Lin et al., "Feature Pyramid Networks for Object Detection", CVPR 2017, eq. 1.
    """
    _check(name, features, boxes, roi)
    rows = sum(height * width for _, height, width, _ in (tensor.shape for tensor in features))
    dtype = counting(boxes.dtype, rows)
    sketch = Sketch(builder, name, dtype)
    exact = sketch.cast("boxes", boxes, dtype)
    corners = [
        sketch.layer(side, Slice(axis=2, start=at, stop=at + 1), exact)
        for at, side in enumerate(("x_first", "y_first", "x_end", "y_end"))
    ]
    found = _map_of(sketch, features, corners, roi)
    y, x = (
        _ends(sketch, axis, corners[1 - number], corners[3 - number], found, number, roi)
        for number, axis in enumerate("yx")
    )
    batch, count, _ = boxes.shape
    bins, ratio = roi.sizes, roi.sampling_ratio
    down = (batch, count, bins[0], 1, ratio, 1, 2, 1)
    across = (batch, count, 1, bins[1], 1, ratio, 1, 2)
    first, second = (_row_start(sketch, end, y, found) for end in ("low", "high"))
    numbers = sketch.function(
        "numbers",
        "add",
        sketch.both("y", first, second, down),
        sketch.both("x", x.low, x.high, across),
    )
    weights = sketch.function(
        "shares",
        "multiply",
        sketch.both("y_weight", y.low_weight, y.high_weight, down),
        sketch.both("x_weight", x.low_weight, x.high_weight, across),
    )
    if ratio > 1:
        weights = sketch.function("means", "multiply", weights, 1 / ratio**2)
    weights = sketch.cast("own_shares", weights, features[0].dtype)
    return sketch.sampled(name, _rows(sketch, features), numbers, weights, (batch, count, *bins))


def _rows(sketch: Sketch, features: Sequence[Tensor]) -> Tensor:
    """Return the positions of all maps, one after the other."""
    flat = [
        sketch.layer(f"map{number}", Reshape(shape=(m.shape[0], -1, m.shape[-1])), m)
        for number, m in enumerate(features)
    ]
    return flat[0] if len(flat) == 1 else sketch.layer("maps", Concat(axis=1), *flat)


def _map_of(
    sketch: Sketch, features: Sequence[Tensor], corners: Sequence[Tensor], roi: RoiAlign
) -> _Map:
    """Return what is known of each box's map: numbers, or looked up by its level."""
    rows, base = [], 0
    for scale, tensor in zip(roi.scales, features, strict=True):
        _, height, width, _ = tensor.shape
        rows.append((scale, height - 1.0, width - 1.0, float(width), float(base)))
        base += height * width
    if len(features) == 1:
        scale_, bottom, right, columns, _ = (sketch.number(number) for number in rows[0])
        return _Map(scale_, (bottom, right), columns, None)
    level = _level(sketch, corners, roi)
    known = sketch.layer("map_of", LookupTable(rows=tuple(rows), dtype=corners[0].dtype), level)
    scale_, bottom, right, columns, start = (
        sketch.layer(own, Slice(axis=2, start=at, stop=at + 1), known)
        for at, own in enumerate(("scale", "bottom", "right", "columns", "start"))
    )
    return _Map(scale_, (bottom, right), columns, start)


def _level(sketch: Sketch, corners: Sequence[Tensor], roi: RoiAlign) -> Tensor:
    """Return the number of each box's map, by the root of its area."""
    width = sketch.function("box_width", "subtract", corners[2], corners[0])
    height = sketch.function("box_height", "subtract", corners[3], corners[1])
    product = Elementwise(function="multiply", activation="relu")
    root = sketch.function("box_size", "sqrt", sketch.layer("box_area", product, width, height))
    doubled = sketch.function("box_log", "log", root)
    doubled = sketch.function("box_log2", "multiply", doubled, 1 / log(2))
    least = round(-log2(roi.scales[0]))
    shift = roi.canonical_level - log2(roi.canonical_size) - least + _LEVEL_EPSILON
    level = sketch.function("level_at", "add", doubled, shift)
    level = sketch.clipped("level", level, len(roi.scales) - 1.0)
    batch, count, _ = level.shape
    return sketch.layer(
        "level", FloorInt32(), sketch.layer("levels", Reshape(shape=(batch, count)), level)
    )


def _ends(
    sketch: Sketch, axis: str, first: Tensor, end: Tensor, found: _Map, number: int, roi: RoiAlign
) -> Ends:
    """Return the positions beside every sample along an axis."""
    count = roi.sizes[number] * roi.sampling_ratio
    start, stop = (
        sketch.function(f"{axis}_{own}", "multiply", corner, found.scale)
        for own, corner in (("start", first), ("stop", end))
    )
    size = sketch.function(f"{axis}_size", "subtract", stop, start)
    if roi.aligned:
        start = sketch.function(f"{axis}_centred", "subtract", start, 0.5)
    else:
        size = sketch.function(f"{axis}_large", "maximum", size, 1.0)
    evenly = Ramp(function="multiply", axis=2, count=count, start=0.5 / count, step=1 / count)
    points = sketch.function(
        f"{axis}_points", "add", start, sketch.layer(f"{axis}_at", evenly, size)
    )
    last = found.last[number]
    beyond = sketch.function(f"{axis}_beyond", "add", last, 1.0)
    inside = sketch.inside(axis, points, -1.0, beyond)
    points = sketch.clipped(axis, points, last)
    low = sketch.function(f"{axis}_below_it", "floor", points)
    next_ = sketch.function(f"{axis}_next", "add", low, 1.0)
    high = sketch.function(f"{axis}_above_it", "minimum", next_, last)
    part = sketch.function(f"{axis}_part", "subtract", points, low)
    high_weight = sketch.function(f"{axis}_high_share", "multiply", part, inside)
    low_weight = sketch.function(f"{axis}_low_share", "subtract", inside, high_weight)
    return Ends(low, high, low_weight, high_weight)


def _row_start(sketch: Sketch, end: str, y: Ends, found: _Map) -> Tensor:
    """Return the number of the first position of each sample's row."""
    place = y.low if end == "low" else y.high
    start = sketch.function(f"{end}_row", "multiply", place, found.width)
    if found.base is None:
        return start
    return sketch.function(f"{end}_start", "add", start, found.base)


def _check(name: str, features: Sequence[Tensor], boxes: Tensor, roi: RoiAlign) -> None:
    what = f"layer '{name}'"
    if len(roi.scales) != len(features):
        raise WorkloadError(
            f"{what}: has {len(roi.scales)} scales but {len(features)} feature maps; give one each"
        )
    if len(boxes.shape) != 3 or boxes.shape[2] != 4:
        raise WorkloadError(
            f"{what}: boxes must be [batch, boxes, 4] but '{boxes.name}' is {list(boxes.shape)}"
        )
    for tensor in features:
        same = tensor.shape[:1] + tensor.shape[3:] == boxes.shape[:1] + features[0].shape[3:]
        if len(tensor.shape) != 4 or not same:
            raise WorkloadError(
                f"{what}: feature maps must be [{boxes.shape[0]}, height, width,"
                f" {features[0].shape[-1]}] but '{tensor.name}' is {list(tensor.shape)}"
            )
    ratios = [
        log2(first / second) for first, second in zip(roi.scales, roi.scales[1:], strict=False)
    ]
    if min(roi.scales) <= 0 or any(ratio != 1 for ratio in ratios):
        raise WorkloadError(
            f"{what}: scales are {list(roi.scales)} but each map's must be half that of the one"
            " before"
        )
    if prod(roi.sizes) * roi.sampling_ratio < 1:
        raise WorkloadError(f"{what}: sizes and sampling_ratio must be at least 1")
