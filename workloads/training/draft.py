"""A training step in the making: layers are added under a prefix, constants are shared."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import prod

from foundation.dtype import Dtype
from workloads.build import GraphBuilder
from workloads.conversions import Cast
from workloads.graph import Operator, Tensor
from workloads.layers import Elementwise, Reduce, Reshape, Shape

#: Elements that one layer sums up at most, as far as sizes divide: what is reduced has to fit a
#: scratchpad as a whole, and sums of a batch's positions are long.
LONGEST_SUM = 1024


class Draft:
    """A graph that grows by steps, each with a prefix of its own.

    Parameters
    ----------
    builder
        Gets the layers.
    """

    def __init__(self, builder: GraphBuilder) -> None:
        self.builder = builder
        self._constants: dict[tuple[float, Dtype, Shape], Tensor] = {}

    def constant(self, value: float, dtype: Dtype, shape: Shape = (1,)) -> Tensor:
        """Return a tensor whose elements are all one number, rounded to its type."""
        key = (value, dtype, shape)
        if key not in self._constants:
            name = f"constant.{len(self._constants)}"
            self._constants[key] = self.builder.add_learned(name, shape, dtype, value)
        return self._constants[key]

    def under(self, prefix: str) -> Steps:
        """Return what adds layers whose names begin with ``prefix``."""
        return Steps(self, prefix)


class Steps:
    """Adds layers ``PREFIX.name``; a name that is taken gets a number."""

    def __init__(self, draft: Draft, prefix: str) -> None:
        self._draft = draft
        self._prefix = prefix

    def add(self, name: str, operator: Operator, *inputs: Tensor) -> Tensor:
        """Add any layer."""
        first = full = f"{self._prefix}.{name}" if name else self._prefix
        number = 0
        while full in self._draft.builder.tensors:
            number += 1
            full = f"{first}.{number}"
        return self._draft.builder.add_layer(full, operator, inputs)

    def constant(self, value: float, like: Tensor) -> Tensor:
        """Return a constant of the type of ``like``."""
        return self._draft.constant(value, like.dtype)

    def zeros(self, shape: Shape, like: Tensor) -> Tensor:
        """Return zeros of the type of ``like``."""
        return self._draft.constant(0.0, like.dtype, shape)

    def apply(
        self, name: str, function: str, *inputs: Tensor, activation: str = "identity"
    ) -> Tensor:
        """Add a function of one operand or two."""
        return self.add(name, Elementwise(function=function, activation=activation), *inputs)

    def scale(self, name: str, tensor: Tensor, factor: float) -> Tensor:
        """Multiply by a number, unless that is 1."""
        if factor == 1:
            return tensor
        return self.apply(name, "multiply", tensor, self.constant(factor, tensor))

    def cast(self, name: str, tensor: Tensor, dtype: Dtype) -> Tensor:
        """Round to a type, unless it is the tensor's own."""
        return tensor if tensor.dtype == dtype else self.add(name, Cast(dtype=dtype), tensor)

    def reshape(self, name: str, tensor: Tensor, shape: Sequence[int]) -> Tensor:
        """Give a tensor another shape, unless it has it."""
        if tensor.shape == tuple(shape):
            return tensor
        return self.add(name, Reshape(shape=tuple(shape)), tensor)

    def reduce(self, name: str, function: str, tensor: Tensor, axes: Sequence[int]) -> Tensor:
        """Reduce axes at once; they stay with size 1."""
        kept = [1 if axis in axes else size for axis, size in enumerate(tensor.shape)]
        reduced = self.add(name, Reduce(function=function, axes=tuple(axes)), tensor)
        return self.reshape(f"{name}.kept", reduced, kept)

    def total(self, name: str, tensor: Tensor, axes: Collection[int]) -> Tensor:
        """Sum over any number of elements along axes, which disappear; at least one element stays.

        Sums of more than `LONGEST_SUM` elements are cut into stages where the size divides.
        # Approximation: each stage rounds to the tensor's type.
        """
        sizes: list[int] = []
        summed: list[int] = []
        for is_summed, size in _runs(tensor.shape, axes):
            parts = _stages(size) if is_summed else [size]
            if is_summed:
                summed += range(len(sizes), len(sizes) + len(parts))
            sizes += parts
        result = self.reshape(f"{name}.parts", tensor, sizes or [1])
        for place in reversed(summed):
            result = self.add(name, Reduce(function="sum", axes=(place,)), result)
        kept = [size for axis, size in enumerate(tensor.shape) if axis not in axes]
        return self.reshape(f"{name}.shaped", result, kept or [1])

    def columns(self, name: str, tensor: Tensor, dtype: Dtype) -> Tensor:
        """Sum over all axes but the last one, in a type: what a bias gets."""
        total = self.total(name, tensor, range(len(tensor.shape) - 1))
        return self.cast(f"{name}.{dtype}", total, dtype)

    def unbroadcast(self, name: str, gradient: Tensor, shape: Shape) -> Tensor:
        """Sum a gradient over the axes along which an operand of ``shape`` was repeated."""
        new = len(gradient.shape) - len(shape)
        axes = [
            axis
            for axis, size in enumerate(gradient.shape)
            if axis < new or (shape[axis - new] == 1 and size > 1)
        ]
        if not axes:
            return gradient
        return self.reshape(f"{name}.shaped", self.total(name, gradient, axes), shape)


def _runs(shape: Shape, axes: Collection[int]) -> list[tuple[bool, int]]:
    """Return neighbouring axes that are all summed up, or all kept, as one, with their sizes."""
    runs: list[tuple[bool, list[int]]] = []
    for axis, size in enumerate(shape):
        if size == 1:
            continue
        if runs and runs[-1][0] == (axis in axes):
            runs[-1][1].append(size)
        else:
            runs.append((axis in axes, [size]))
    return [(is_summed, prod(sizes)) for is_summed, sizes in runs]


def _stages(size: int) -> list[int]:
    """Return factors of a size, each at most `LONGEST_SUM` where there are such."""
    parts = []
    while size > LONGEST_SUM:
        part = next((n for n in range(LONGEST_SUM, 1, -1) if size % n == 0), size)
        parts.append(part)
        size //= part
    return [*parts, size] if size > 1 else parts
