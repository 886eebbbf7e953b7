"""Gradients of normalizations, softmax and reductions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod

from foundation import numerics
from workloads.graph import Tensor
from workloads.layers import Normalize, Reduce, Shape
from workloads.normalization import GroupNormalize
from workloads.resize import Repeat
from workloads.training.draft import Steps
from workloads.training.node import Node


def normalize(node: Node) -> Iterator[tuple[str, Tensor]]:
    """Go back through a softmax, or a normalization of rows or of channels."""
    operator = node.layer.operator
    assert isinstance(operator, Normalize)
    shape = node.known().shape
    match operator.function:
        case "softmax":
            if node.wants():
                yield node.to(0, _softmax(node, operator.axis % len(shape)))
        case "batch_norm":
            yield from _scale_and_shift(node)
        case function:
            rows = (prod(shape[:-1]), shape[-1])
            yield from _standardized(node, rows, (1,), is_centred=function == "layer_norm")


def group_normalize(node: Node) -> Iterator[tuple[str, Tensor]]:
    """Go back through a normalization over positions and a group's channels."""
    operator = node.layer.operator
    assert isinstance(operator, GroupNormalize)
    batch, *spatial, channels = node.known().shape
    shape = (batch, prod(spatial), operator.groups, channels // operator.groups)
    yield from _standardized(node, shape, (1, 3), is_centred=True)


def reduce(node: Node) -> Iterator[tuple[str, Tensor]]:
    """Go back through a sum, a mean or a maximum."""
    operator = node.layer.operator
    assert isinstance(operator, Reduce)
    if not node.wants():
        return
    steps, shape = node.steps, node.known().shape
    axes = operator.positive_axes(len(shape))
    kept = [1 if axis in axes else size for axis, size in enumerate(shape)]
    gradient = steps.reshape("kept", node.gradient, kept)
    if operator.function == "max":
        # The gradient without what goes to elements below the maximum.
        largest = steps.reshape("largest", node.value(node.layer.name), kept)
        below = steps.apply("below", "subtract", largest, node.operand())
        lost = steps.apply("lost", "relu_gradient", gradient, below)
        yield node.to(0, steps.apply("input", "subtract", gradient, lost))
        return
    factors = tuple(shape[axis] if axis in axes else 1 for axis in range(len(shape)))
    if operator.function == "mean":
        gradient = steps.scale("share", gradient, 1 / prod(factors))
    yield node.to(0, steps.add("input", Repeat(factors=factors), gradient))


def _softmax(node: Node, axis: int) -> Tensor:
    """Return ``y · (dy - sum of dy · y)``."""
    steps, result = node.steps, node.value(node.layer.name)
    product = steps.apply("product", "multiply", node.gradient, result)
    total = steps.reduce("sum", "sum", product, (axis,))
    difference = steps.apply("difference", "subtract", node.gradient, total)
    return steps.apply("input", "multiply", result, difference)


def _scale_and_shift(node: Node) -> Iterator[tuple[str, Tensor]]:
    """Go back through a batch normalization as the graph has it.

    # Approximation: its statistics are constants, as where they are frozen.
    """
    steps, gradient = node.steps, node.gradient
    gamma, beta = node.parameters["gamma"], node.parameters["beta"]
    if node.wants():
        yield node.to(0, steps.apply("input", "multiply", gradient, gamma))
    product = steps.apply("product", "multiply", gradient, node.operand())
    yield gamma.name, steps.columns("gamma", product, gamma.dtype)
    yield beta.name, steps.columns("beta", gradient, beta.dtype)


def _standardized(
    node: Node, shape: Shape, axes: Sequence[int], *, is_centred: bool
) -> Iterator[tuple[str, Tensor]]:
    """Go back through ``n · gamma + beta``, where n is the input less its mean by its deviation.

    ``dx = (dn - mean of dn - n · mean of (dn · n)) / deviation``; without centring there is
    neither the mean nor beta.

    Parameters
    ----------
    node
        The layer; deviations are computed from its input anew.
    shape
        In which the statistics are over whole ``axes``, and gamma along the last ones.
    axes
        Those that make a row.
    is_centred
        Whether the mean is taken off.
    """
    steps = node.steps
    gamma = node.parameters["gamma"]
    gradient = steps.reshape("gradient", node.gradient, shape)
    data = steps.reshape("data", node.operand(), shape)
    if is_centred:
        mean = steps.reduce("mean", "mean", data, axes)
        data = steps.apply("centred", "subtract", data, mean)
    inverse = _inverse_deviation(steps, data, axes)
    normal = steps.apply("normal", "multiply", data, inverse)
    if node.wants():
        scale = steps.reshape("scale", gamma, shape[-2:] if len(axes) > 1 else shape[-1:])
        scaled = steps.apply("scaled", "multiply", gradient, scale)
        product = steps.apply("along", "multiply", scaled, normal)
        slope = steps.reduce("slope", "mean", product, axes)
        change = steps.apply("change", "multiply", normal, slope)
        if is_centred:
            level = steps.reduce("level", "mean", scaled, axes)
            scaled = steps.apply("levelled", "subtract", scaled, level)
        turned = steps.apply("turned", "subtract", scaled, change)
        found = steps.apply("input", "multiply", turned, inverse)
        yield node.to(0, steps.reshape("input.shaped", found, node.known().shape))
    product = steps.apply("product", "multiply", gradient, normal)
    flat = (prod(node.known().shape[:-1]), node.known().shape[-1])
    columns = steps.reshape("product.rows", product, flat)
    yield gamma.name, steps.columns("gamma", columns, gamma.dtype)
    if is_centred:
        beta = node.parameters["beta"]
        columns = steps.reshape("rows", node.gradient, flat)
        yield beta.name, steps.columns("beta", columns, beta.dtype)


def _inverse_deviation(steps: Steps, data: Tensor, axes: Sequence[int]) -> Tensor:
    """Return 1 / √(mean of squares + epsilon), with axes of size 1."""
    square = steps.apply("square", "multiply", data, data)
    variance = steps.reduce("variance", "mean", square, axes)
    epsilon = steps.constant(numerics.EPSILON, variance)
    deviation = steps.apply("deviation", "add", variance, epsilon, activation="sqrt")
    return steps.apply("inverse", "reciprocal", deviation)
