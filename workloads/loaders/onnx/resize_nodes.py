"""ONNX's Resize and Upsample as calls of the importer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor

import numpy as np

from foundation.errors import WorkloadError
from workloads.loaders.imported import movement, vector
from workloads.loaders.imported.importer import Importer
from workloads.loaders.imported.refused import UnsupportedError
from workloads.loaders.imported.values import Value
from workloads.loaders.onnx.node import Handler, Inputs, Node, array_of, axes_of, needed, optional

#: More than images have along an axis.
_MOST_PIXELS = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Axis:
    """Sizes of an axis before and after, and how much larger a pixel becomes."""

    before: int
    after: int
    scale: float


def _resize(to: Importer, node: Node, inputs: Inputs) -> Value:
    """Return an image of another size."""
    image = needed(inputs, 0)
    wanted = _wanted(node, inputs, image)
    sizes = [axis.after for axis in wanted]
    if sizes[:2] != list(image.shape[:2]):
        raise UnsupportedError(f"resizes {list(image.shape)} to {sizes}: more than positions")
    mode = node.text("mode", "nearest")
    if mode == "nearest":
        return _nearest(to, node, image, wanted)
    if mode == "cubic":
        to.note("cubic resizes are counted as linear ones")
    return vector.resize(to, node.name, image, sizes[2:], linear=True)


def _nearest(to: Importer, node: Node, image: Value, wanted: Sequence[_Axis]) -> Value:
    """Return the elements that are nearest: repeated evenly, or picked one by one."""
    sources = [_sources(node, axis) for axis in wanted[2:]]
    is_even = all(
        axis.after % axis.before == 0
        and found == [place // (axis.after // axis.before) for place in range(axis.after)]
        for axis, found in zip(wanted[2:], sources, strict=True)
    )
    if is_even:
        return vector.resize(to, node.name, image, [a.after for a in wanted[2:]], linear=False)
    for number, found in enumerate(sources, start=2):
        if found != list(range(image.shape[number])):
            places = movement.constant_indices(to, f"{node.name}.places", np.asarray(found))
            image = movement.gather(to, node.name, image, places, number)
    return image


def _wanted(node: Node, inputs: Inputs, image: Value) -> list[_Axis]:
    """Return every axis's sizes and scale, from whichever of them is given.

    Raises
    ------
    WorkloadError
        They aren't given, or not for each of the axes.
    """
    sizes, scales = optional(inputs, 3), optional(inputs, 2 if node.version > 10 else 1)
    axes = axes_of(node.integers("axes") or range(image.rank), image.rank)
    found = [_Axis(before=size, after=size, scale=1.0) for size in image.shape]
    if sizes is not None and sizes.size_elements:
        goals = [int(size) for size in array_of(sizes, "'sizes'").flat]
        _check_count(axes, goals)
        ratios = [goal / image.shape[axis] for axis, goal in zip(axes, goals, strict=True)]
        policy = node.text("keep_aspect_ratio_policy", "stretch")
        if policy != "stretch":
            ratios = [min(ratios) if policy == "not_larger" else max(ratios)] * len(axes)
            goals = [floor(r * image.shape[a] + 0.5) for a, r in zip(axes, ratios, strict=True)]
    else:
        known = node.attributes.get("scales") if scales is None else array_of(scales, "'scales'")
        ratios = [float(ratio) for ratio in np.ravel(known if known is not None else [])]
        _check_count(axes, ratios)
        goals = [int(image.shape[a] * r) for a, r in zip(axes, ratios, strict=True)]
    for axis, goal, ratio in zip(axes, goals, ratios, strict=True):
        found[axis] = _Axis(before=image.shape[axis], after=goal, scale=ratio)
    largest = max(axis.after for axis in found)
    if largest > _MOST_PIXELS:
        raise WorkloadError(
            f"resizes {list(image.shape)} to {[a.after for a in found]}: an axis may have at most"
            f" {_MOST_PIXELS}"
        )
    if min(axis.after for axis in found) < 1:
        raise WorkloadError(
            f"resizes {list(image.shape)} to {[a.after for a in found]}: to nothing"
        )
    return found


def _check_count(axes: Sequence[int], given: Sequence[float]) -> None:
    if len(axes) != len(given):
        raise WorkloadError(f"needs a size or a scale for {len(axes)} axes but has {len(given)}")


def _sources(node: Node, axis: _Axis) -> list[int]:
    """Return which element of an axis is the nearest of every output."""
    is_new = node.operator == "Resize" and node.version > 10
    mode = node.text("coordinate_transformation_mode", "half_pixel" if is_new else "asymmetric")
    rule = node.text("nearest_mode", "round_prefer_floor" if is_new else "floor")
    rounded = _ROUNDED.get(rule)
    if rounded is None:
        raise UnsupportedError(f"its nearest_mode is '{rule}', which isn't known")
    places = (_coordinate(mode, place, axis) for place in range(axis.after))
    return [min(max(rounded(place), 0), axis.before - 1) for place in places]


def _coordinate(mode: str, place: int, axis: _Axis) -> float:
    """Return where an output lies among the elements of its axis."""
    if mode == "asymmetric":
        return place / axis.scale
    if mode == "align_corners":
        return place * (axis.before - 1) / (axis.after - 1) if axis.after > 1 else 0.0
    if mode == "pytorch_half_pixel" and axis.after == 1:
        return 0.0
    if mode in ("half_pixel", "pytorch_half_pixel"):
        return (place + 0.5) / axis.scale - 0.5
    if mode == "half_pixel_symmetric":
        share = axis.after / (axis.scale * axis.before)
        return axis.before / 2 * (1 - share) + (place + 0.5) / axis.scale - 0.5
    raise UnsupportedError(f"its coordinates are '{mode}', which aren't known")


_ROUNDED = {
    "round_prefer_floor": lambda place: ceil(place - 0.5),
    "round_prefer_ceil": lambda place: floor(place + 0.5),
    "floor": floor,
    "ceil": ceil,
}

HANDLERS: dict[str, Handler] = dict.fromkeys(("Resize", "Upsample"), _resize)
