"""Resizing by whole factors: repetition, and linear interpolation along one axis after another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from foundation.dtype import Dtype
from foundation.errors import WorkloadError
from workloads.build import GraphBuilder
from workloads.graph import Parameter, Tensor
from workloads.layers import Shape, positive_axis

#: Neighbours that one output of an interpolation reads; one of them has weight 0.
NEIGHBOURS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """Every element as often as its axis's factor says: resizing to the nearest neighbour.

    Parameters
    ----------
    factors
        One for each axis.
    """

    kind: ClassVar[str] = "repeat"
    factors: tuple[int, ...]

    def output(self, inputs: Sequence[Tensor]) -> tuple[Shape, Dtype]:
        """Return the sizes times the factors."""
        (tensor,) = inputs
        if len(self.factors) != len(tensor.shape):
            raise WorkloadError(
                f"has {len(self.factors)} factors but '{tensor.name}' has {len(tensor.shape)} axes:"
                f" {list(tensor.shape)}"
            )
        sizes = zip(tensor.shape, self.factors, strict=True)
        return tuple(size * factor for size, factor in sizes), tensor.dtype

    def parameters(self, inputs: Sequence[Tensor]) -> dict[str, Parameter]:
        """Return no parameters."""
        del inputs
        return {}

    def macs(self, inputs: Sequence[Tensor]) -> int:
        """Return zero."""
        del inputs
        return 0

    def operations(self, inputs: Sequence[Tensor]) -> int:
        """Return zero: elements are only moved."""
        del inputs
        return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpolate:
    """Linear interpolation along one axis, pixels' centres at half their width.

    Output o lies at ``(o + 1/2) / factor - 1/2`` of the input; beyond the outermost centres values
    stay as they are there. That is ``half_pixel`` of ONNX's Resize and ``align_corners=False`` of
    PyTorch.

    Its weights are a parameter that isn't learned: ``weight[q, r, t]`` is that of neighbour
    ``q - 1 + t`` in output ``q · factor + r``.
    """

    kind: ClassVar[str] = "interpolate"
    axis: int
    factor: int

    def output(self, inputs: Sequence[Tensor]) -> tuple[Shape, Dtype]:
        """Return the input's shape with the axis ``factor`` times as long."""
        (tensor,) = inputs
        axis = positive_axis(self.axis, len(tensor.shape))
        if self.factor < 2:
            raise WorkloadError(f"factor is {self.factor} but must be at least 2")
        size = tensor.shape[axis] * self.factor
        return (*tensor.shape[:axis], size, *tensor.shape[axis + 1 :]), tensor.dtype

    def parameters(self, inputs: Sequence[Tensor]) -> dict[str, Parameter]:
        """Return the weights, shape (size, factor, 3), of which none is learned."""
        (tensor,) = inputs
        shape = (tensor.shape[self.axis], self.factor, NEIGHBOURS)
        return {"weight": Parameter(shape=shape, dtype=tensor.dtype, trainable_elements=0)}

    def weights(self, size: int) -> list[list[list[float]]]:
        """Return the weights of an axis of ``size`` elements: by element, output and neighbour."""
        return [
            [_weights(element, place, self.factor, size) for place in range(self.factor)]
            for element in range(size)
        ]

    def fixed(self, parameters: Mapping[str, Tensor]) -> dict[str, list[list[list[float]]]]:
        """Return the weights."""
        return {"weight": self.weights(parameters["weight"].shape[0])}

    def macs(self, inputs: Sequence[Tensor]) -> int:
        """Return zero: the vector unit does it."""
        del inputs
        return 0

    def operations(self, inputs: Sequence[Tensor]) -> int:
        """Return a multiplication and an addition for each neighbour of each output.

        # Approximation: three neighbours, so that one product serves all outputs of an element;
        two would be enough for each.
        """
        return 2 * NEIGHBOURS * self.factor * inputs[0].size_elements


def _weights(element: int, place: int, factor: int, size: int) -> list[float]:
    """Return the weights of the elements before, at, and behind ``element`` in one output."""
    distance = (2 * place + 1 - factor) / (2 * factor)
    other = element + (1 if distance > 0 else -1)
    share = abs(distance) if 0 <= other < size else 0.0
    before, behind = (share, 0.0) if distance < 0 else (0.0, share)
    return [before, 1 - share, behind]


def add_resize(
    builder: GraphBuilder, name: str, tensor: Tensor, factors: Sequence[int], *, linear: bool
) -> Tensor:
    """Add a resizing of an image's spatial axes, and return its result.

    Parameters
    ----------
    builder
        Gets one layer of repetition, or one of interpolation for each axis that grows.
    name
        Of the last layer; those before it are called ``name.0``, ``name.1``, ...
    tensor, factors
        What is resized, shape ``[batch, ..., channels]``, and a factor for each spatial axis.
    linear
        Whether values are interpolated: of two axes bilinearly, rounded after each.
    """
    growing = [(axis, factor) for axis, factor in enumerate(factors, start=1) if factor > 1]
    if not linear or not growing:
        return builder.add_layer(name, Repeat(factors=(1, *factors, 1)), [tensor])
    for number, (axis, factor) in enumerate(growing, start=1):
        own = name if number == len(growing) else f"{name}.{number - 1}"
        tensor = builder.add_layer(own, Interpolate(axis=axis, factor=factor), [tensor])
    return tensor
