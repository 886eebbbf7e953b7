"""Gradients of pooling and of operators that move data or only convert it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from math import prod

from workloads.gradients import PoolGradient
from workloads.graph import Tensor
from workloads.layers import Concat, Pool, Slice, Transpose
from workloads.resize import NEIGHBOURS, Interpolate, Repeat
from workloads.training.draft import Steps
from workloads.training.node import Node


def pool(node: Node) -> Iterator[tuple[str, Tensor]]:
    """Go back through a pooling."""
    operator = node.layer.operator
    assert isinstance(operator, Pool)
    if not node.wants():
        return
    steps, sizes = node.steps, node.known().shape[1:-1]
    if operator.function == "max":
        back = PoolGradient(function="max", windows=operator.windows, sizes=sizes)
        largest = node.value(node.layer.name)
        yield node.to(0, steps.add("input", back, node.operand(), largest, node.gradient))
        return
    taps = prod(window.kernel for window in operator.windows)
    share = steps.scale("share", node.gradient, 1 / taps)
    back = PoolGradient(function="sum", windows=operator.windows, sizes=sizes)
    yield node.to(0, steps.add("input", back, share))


def concat(node: Node) -> Iterator[tuple[str, Tensor]]:
    """Go back through a concatenation: each input gets its part."""
    operator = node.layer.operator
    assert isinstance(operator, Concat)
    axis = operator.axis % len(node.gradient.shape)
    ends = accumulate(node.graph.tensors[name].shape[axis] for name in node.layer.inputs)
    for number, end in enumerate(ends):
        if node.wants(number):
            start = end - node.known(number).shape[axis]
            part = Slice(axis=axis, start=start, stop=end)
            yield node.to(number, node.steps.add(f"input{number}", part, node.gradient))


def slice_(node: Node) -> Iterator[tuple[str, Tensor]]:
    """Go back through a slice: what was left out gets zeros."""
    operator = node.layer.operator
    assert isinstance(operator, Slice)
    if not node.wants():
        return
    steps, shape = node.steps, node.known().shape
    axis = operator.axis % len(shape)
    gradient = _spread(steps, node.gradient, axis, operator.step)
    room = shape[axis] - operator.start
    if gradient.shape[axis] > room:
        gradient = steps.add("inside", Slice(axis=axis, start=0, stop=room), gradient)
    after = room - gradient.shape[axis]
    yield node.to(0, _padded(steps, "input", gradient, axis, operator.start, after))


def reshape(node: Node) -> Iterator[tuple[str, Tensor]]:
    """Go back through a reshape."""
    if node.wants():
        yield node.to(0, node.steps.reshape("input", node.gradient, node.known().shape))


def transpose(node: Node) -> Iterator[tuple[str, Tensor]]:
    """Go back through a transposition: the inverse one."""
    operator = node.layer.operator
    assert isinstance(operator, Transpose)
    if node.wants():
        order = operator.permutation
        inverse = Transpose(permutation=tuple(order.index(axis) for axis in range(len(order))))
        yield node.to(0, node.steps.add("input", inverse, node.gradient))


def repeat(node: Node) -> Iterator[tuple[str, Tensor]]:
    """Go back through a repetition: the sum of the copies."""
    operator = node.layer.operator
    assert isinstance(operator, Repeat)
    if not node.wants():
        return
    shape = node.known().shape
    apart = [
        n for size, factor in zip(shape, operator.factors, strict=True) for n in (size, factor)
    ]
    copies = node.steps.reshape("copies", node.gradient, apart)
    total = node.steps.total("input", copies, range(1, len(apart), 2))
    yield node.to(0, node.steps.reshape("input.shaped", total, shape))


def interpolate(node: Node) -> Iterator[tuple[str, Tensor]]:
    """Go back through an interpolation: for each neighbour what it gave, moved back to it."""
    operator = node.layer.operator
    assert isinstance(operator, Interpolate)
    if not node.wants():
        return
    steps, shape = node.steps, node.known().shape
    axis = operator.axis % len(shape)
    outer, size, inner = prod(shape[:axis]), shape[axis], prod(shape[axis + 1 :])
    weight = node.parameters["weight"]
    gradient = steps.reshape("outputs", node.gradient, (outer, size, operator.factor, inner))
    found = None
    for neighbour in range(NEIGHBOURS):
        part = Slice(axis=2, start=neighbour, stop=neighbour + 1)
        share = steps.apply("share", "multiply", gradient, steps.add("weight", part, weight))
        given = steps.total("given", share, (2,))
        moved = _moved(steps, given, neighbour - 1)
        if moved is not None:
            found = moved if found is None else steps.apply("sum", "add", found, moved)
    assert found is not None, "an element is its own neighbour"
    yield node.to(0, steps.reshape("input", found, shape))


def cast(node: Node) -> Iterator[tuple[str, Tensor]]:
    """Go back through a cast: the gradient in the type that it came from."""
    if node.wants():
        yield node.to(0, node.steps.cast("input", node.gradient, node.known().dtype))


def _moved(steps: Steps, given: Tensor, places: int) -> Tensor | None:
    """Return elements moved along axis 1 by -1, 0 or 1 places; None where nothing is left."""
    size = given.shape[1]
    if places == 0:
        return given
    if size == 1:
        return None
    start, stop = (0, size - 1) if places > 0 else (1, size)
    kept = steps.add("kept", Slice(axis=1, start=start, stop=stop), given)
    return _padded(steps, "moved", kept, 1, max(places, 0), max(-places, 0))


def _spread(steps: Steps, tensor: Tensor, axis: int, step: int) -> Tensor:
    """Return elements ``step`` apart along an axis, with zeros behind each."""
    if step == 1 or tensor.shape[axis] == 1:
        return tensor
    before, size, after = tensor.shape[:axis], tensor.shape[axis], tensor.shape[axis + 1 :]
    single = steps.reshape("single", tensor, (*before, size, 1, *after))
    zeros = steps.zeros((*before, size, step - 1, *after), tensor)
    both = steps.add("apart", Concat(axis=axis + 1), single, zeros)
    return steps.reshape("spread", both, (*before, size * step, *after))


def _padded(steps: Steps, name: str, tensor: Tensor, axis: int, before: int, after: int) -> Tensor:
    """Return a tensor with zeros at both ends of an axis."""
    shape = tensor.shape

    def zeros(size: int) -> list[Tensor]:
        return [steps.zeros((*shape[:axis], size, *shape[axis + 1 :]), tensor)] if size else []

    parts = [*zeros(before), tensor, *zeros(after)]
    return steps.add(name, Concat(axis=axis), *parts) if len(parts) > 1 else tensor
