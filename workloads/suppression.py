"""Non-maximum suppression of boxes, with a fixed number of results."""

from __future__ import annotations

from foundation.errors import WorkloadError
from workloads.build import GraphBuilder
from workloads.conversions import add_cast
from workloads.graph import Operator, Tensor
from workloads.indexing import OneHot, add_gather
from workloads.layers import Concat, Elementwise, Reduce, Reshape, Slice

#: Layers of a step at most, for limits.
LAYERS_A_BOX = 12


def add_suppression(
    builder: GraphBuilder,
    name: str,
    boxes: Tensor,
    scores: Tensor,
    count: int,
    threshold: float,
    result: str,
) -> Tensor:
    """Add the greedy choice of boxes: the best one, then the best of those that overlap it little.

    The overlaps of all pairs (intersection over union) are computed once, in the boxes' type, which
    may be another than the scores'; whether a box may stay is cast to the scores' type. Each of
    ``count`` steps takes the box with the highest score, and sets its own and the scores of those
    that overlap it by more than ``threshold`` to 0. Where nothing is left the choice is box 0, with
    score 0.

    # Approximation: a step is seven layers, which go through main memory, for a whole row of
    overlaps; software stops where no box is left, and looks at boxes that are left only.

    Parameters
    ----------
    builder
        Gets the layers: ``name.overlap`` and others, then ``name.0.best`` and so on.
    name
        Of the last layer.
    boxes
        Shape ``[batch, boxes, 4]``: two corners, y and x or x and y, the smaller ones first.
    scores
        Shape ``[batch, boxes]``, or ``[batch, classes, boxes]``: each class chooses among the same
        boxes. Above 0.
    count, threshold
        Boxes that are kept, and the overlap that is allowed.
    result
        ``indices`` (int32) or ``scores`` of the boxes that are kept, the best first.

    Returns
    -------
    Tensor
        Shape ``[batch, count]``, or ``[batch, classes, count]``.

    Raises
    ------
    WorkloadError
        Shapes don't fit, or there are fewer boxes.
    """
    _check(name, boxes, scores, count)
    rows = _kept_beside(builder, name, boxes, threshold)
    rows = add_cast(builder, f"{name}.kept_as_scores", rows, scores.dtype)
    *choices, size = scores.shape
    found = []
    for number in range(count):
        step = f"{name}.{number}"
        best = builder.add_layer(f"{step}.best", Reduce(function="argmax", axes=(-1,)), [scores])
        last = number + 1 == count
        wanted = best
        if result == "scores":
            wanted = builder.add_layer(
                f"{step}.score", Reduce(function="max", axes=(-1,)), [scores]
            )
        found.append(builder.add_layer(f"{step}.column", Reshape(shape=(*choices, 1)), [wanted]))
        if last:
            break
        place = builder.add_layer(f"{step}.place", Reshape(shape=(choices[0], -1)), [best])
        row = add_gather(builder, f"{step}.row", rows, place, 1, 1)
        row = builder.add_layer(f"{step}.others", Reshape(shape=scores.shape), [row])
        own = OneHot(classes=size, dtype=scores.dtype)
        itself = builder.add_layer(f"{step}.itself", own, [best])
        left = Elementwise(function="subtract", activation="relu")
        kept = builder.add_layer(f"{step}.kept", left, [row, itself])
        scores = builder.add_layer(
            f"{step}.scores", Elementwise(function="multiply"), [scores, kept]
        )
    if count == 1:
        return builder.add_layer(name, Reshape(shape=(*choices, 1)), found)
    return builder.add_layer(name, Concat(axis=-1), found)


def _kept_beside(builder: GraphBuilder, name: str, boxes: Tensor, threshold: float) -> Tensor:
    """Add for each box a row of all boxes: 1 for those that may stay beside it, else 0."""
    batch, size, _ = boxes.shape
    one = builder.add_learned(f"{name}.one", (1,), boxes.dtype, constant=1.0)
    most = builder.add_learned(f"{name}.threshold", (1,), boxes.dtype, constant=threshold)

    def add(own: str, operator: Operator, *inputs: Tensor) -> Tensor:
        return builder.add_layer(f"{name}.{own}", operator, inputs)

    def function(own: str, function: str, *inputs: Tensor, activation: str = "identity") -> Tensor:
        return add(own, Elementwise(function=function, activation=activation), *inputs)

    def row(own: str, column: Tensor) -> Tensor:
        return add(own, Reshape(shape=(batch, 1, size)), column)

    sides, shared = [], []
    for axis, letter in enumerate("ab"):
        low, high = (
            add(f"{letter}{end}", Slice(axis=2, start=at, stop=at + 1), boxes)
            for end, at in (("_low", axis), ("_high", axis + 2))
        )
        sides.append(function(f"{letter}_size", "subtract", high, low))
        first = function(f"{letter}_first", "maximum", low, row(f"{letter}_low_row", low))
        last = function(f"{letter}_last", "minimum", high, row(f"{letter}_high_row", high))
        shared.append(function(f"{letter}_shared", "subtract", last, first, activation="relu"))
    area = function("area", "multiply", *sides)
    both = function("areas", "add", area, row("area_row", area))
    inside = function("intersection", "multiply", *shared)
    union = function("union", "subtract", both, inside)
    overlap = function("overlap", "divide", inside, union)
    return function("kept", "subtract", one, function("is_near", "greater", overlap, most))


def _check(name: str, boxes: Tensor, scores: Tensor, count: int) -> None:
    if len(boxes.shape) != 3 or boxes.shape[2] != 4:
        raise WorkloadError(
            f"layer '{name}': boxes must be [batch, boxes, 4] but '{boxes.name}' is"
            f" {list(boxes.shape)}"
        )
    batch, size, _ = boxes.shape
    if scores.shape not in ((batch, size), (batch, *scores.shape[1:2], size)):
        raise WorkloadError(
            f"layer '{name}': scores must be {[batch, size]}, or have classes between, but"
            f" '{scores.name}' is {list(scores.shape)}"
        )
    if not 1 <= count <= boxes.shape[1]:
        raise WorkloadError(
            f"layer '{name}': out is {count} but must lie in 1..{boxes.shape[1]}, the boxes"
        )
