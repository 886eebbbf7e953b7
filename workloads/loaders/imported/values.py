"""Foreign tensors, and where their elements lie in ours.

PyTorch's images are ``[N, C, H, W]``, ours are channels-last. A `Value` keeps for a foreign tensor
ours, a shape to read it in (row-major, so that no data moves), and the axis of it that each foreign
axis is. A foreign transposition then only renames axes, and data moves where an operator needs axes
that don't lie so.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from foundation.dtype import Dtype
from foundation.numerics import Array
from workloads.graph import Tensor
from workloads.layers import Shape

#: Axes in the order in which they lie: ``(0, 2, 3, 1)`` for ``[N, C, H, W]`` held channels-last.
Axes = tuple[int, ...]
#: How an array of ours follows from a file's arrays, by the names that they have there.
Recipe = Callable[[Mapping[str, Array]], Array]


class Pending(ABC):
    """A tensor of ours that isn't in the graph yet.

    Its first reader decides how its axes lie, as far as they are free.

    Parameters
    ----------
    name
        What it is called in the file.
    shape
        Its sizes in the order of its own axes.
    dtype
        Our type of its elements.
    """

    def __init__(self, name: str, shape: Shape, dtype: Dtype) -> None:
        self.name = name
        self.shape = shape
        self.dtype = dtype
        #: Its axes in the order in which they will lie, unless that is free.
        self.fixed: Axes | None = None
        #: Where it lies, once it does.
        self.laid: Value | None = None

    def lay(self, axes: Axes) -> Value:
        """Put it into the graph unless it is there, and return where its axes lie.

        Parameters
        ----------
        axes
            Its axes in the order in which they should lie.
        """
        if self.laid is None:
            tensor, lie = self.put(axes)
            order = inverse(lie)
            view = tuple(self.shape[axis] for axis in lie)
            self.laid = Value(shape=self.shape, source=tensor, view=view, order=order)
        return self.laid

    @abstractmethod
    def put(self, axes: Axes) -> tuple[Tensor, Axes]:
        """Add it to the graph and return its tensor, and the axes as they lie in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A foreign tensor, or a number of axes of ours that stand for one.

    Parameters
    ----------
    shape
        Its foreign shape.
    source
        Our tensor, or what becomes one.
    view
        The shape, in row-major order, in which the source is read.
    order
        The axis of ``view`` that each foreign axis is.
    """

    shape: Shape
    source: Tensor | Pending
    view: Shape
    order: Axes

    @property
    def dtype(self) -> Dtype:
        """Our type of its elements."""
        return self.source.dtype

    @property
    def rank(self) -> int:
        """Its number of axes."""
        return len(self.shape)

    @property
    def size_elements(self) -> int:
        """Its number of elements."""
        return prod(self.shape)

    @property
    def pending(self) -> Pending | None:
        """Its source, as long as that isn't in the graph."""
        return self.source if isinstance(self.source, Pending) and not self.source.laid else None

    @property
    def lie(self) -> Axes:
        """Its foreign axes in the order in which they lie."""
        return inverse(self.settled.order)

    @property
    def settled(self) -> Value:
        """The same value on our tensor, if its source has become one."""
        if not isinstance(self.source, Pending) or self.source.laid is None:
            return self
        laid = self.source.laid
        order = tuple(laid.order[axis] for axis in self.order)
        return replace(laid, shape=self.shape, order=order)

    def transposed(self, permutation: Sequence[int]) -> Value:
        """Return the foreign transposition: only names of axes change."""
        return replace(
            self,
            shape=tuple(self.shape[axis] for axis in permutation),
            order=tuple(self.order[axis] for axis in permutation),
        )


def as_it_lies(value: Value) -> Axes:
    """Return how a value lies or will lie, or how it is named where that is still open."""
    if value.pending is None:
        return value.lie
    if value.pending.fixed is None:
        return tuple(range(value.rank))
    return tuple(value.order.index(axis) for axis in value.pending.fixed)


def plain(source: Tensor | Pending) -> Value:
    """Return a value that lies as it is named."""
    shape = source.shape
    return Value(shape=shape, source=source, view=shape, order=tuple(range(len(shape))))


def lying(source: Tensor | Pending, lie: Axes) -> Value:
    """Return the value whose foreign axis ``lie[j]`` is axis j of the source."""
    order = inverse(lie)
    shape = tuple(source.shape[axis] for axis in order)
    view = source.shape if lie else ()  # of a scalar ours has one axis
    return Value(shape=shape, source=source, view=view, order=order)


def inverse(permutation: Sequence[int]) -> Axes:
    """Return the permutation that undoes another."""
    result = [0] * len(permutation)
    for place, axis in enumerate(permutation):
        result[axis] = place
    return tuple(result)


def regrouped(value: Value, shape: Shape) -> Value | None:
    """Return a settled value in another foreign shape, if that moves no data.

    Both shapes are cut into the smallest groups of neighbouring axes with equal products. Where the
    axes of each group lie side by side and in order, the group is reshaped where it lies.
    """
    groups = _groups(value.shape, shape)
    ranks = {axis: rank for rank, axis in enumerate(a for a in value.lie if value.shape[a] > 1)}
    placed: list[tuple[int, list[int]]] = []
    for before, after in groups:
        places = [ranks[axis] for axis in before]
        if places != list(range(places[0], places[0] + len(places))):
            return None
        placed.append((places[0], after))
    lie = [axis for _, after in sorted(placed) for axis in after]
    for axis, size in enumerate(shape):
        if size == 1:  # it may stand anywhere: behind the axis that it follows
            lie.insert(lie.index(axis - 1) + 1 if axis else 0, axis)
    return Value(
        shape=shape,
        source=value.source,
        view=tuple(shape[axis] for axis in lie),
        order=inverse(lie),
    )


def _groups(before: Shape, after: Shape) -> list[tuple[list[int], list[int]]]:
    """Return the smallest groups of axes larger than 1 that hold the same elements."""
    left = [axis for axis, size in enumerate(before) if size > 1]
    right = [axis for axis, size in enumerate(after) if size > 1]
    groups = []
    while left:
        old, new = [left.pop(0)], [right.pop(0)]
        first, second = before[old[0]], after[new[0]]
        while first != second:
            if first < second:
                old.append(left.pop(0))
                first *= before[old[-1]]
            else:
                new.append(right.pop(0))
                second *= after[new[-1]]
        groups.append((old, new))
    return groups


def uniform(array: Array | None) -> float | None:
    """Return the number that every element of an array is, or None."""
    if array is None or not array.size:
        return None
    first = array.flat[0]
    return float(first) if not any(array.strides) or np.all(array == first) else None


def reshaped(array: Array, shape: Shape) -> Array:
    """Return an array in another shape; one element seen many times isn't copied."""
    if array.size > 1 and not any(array.strides):
        return np.broadcast_to(array.flat[0], shape)
    return array.reshape(shape)


def channels_last(rank: int) -> Axes:
    """Return how ``[N, C, spatial...]`` lies in ours."""
    return (0, *range(2, rank), 1)
