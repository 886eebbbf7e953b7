"""Sampling a map between its positions, at places that are known when the network runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar, NamedTuple

from foundation.dtype import DTYPES, Dtype
from foundation.errors import WorkloadError
from foundation.functions import FUNCTIONS
from workloads.build import GraphBuilder
from workloads.conversions import add_cast
from workloads.graph import Operator, Parameter, Tensor
from workloads.indexing import add_gather
from workloads.layers import Concat, Elementwise, Reshape, Shape, positive_axis

_INDEX = DTYPES["int32"]
#: Up to where a type holds every whole number.
_COUNTS_TO = {"fp32": 1 << 24, "tf32": 1 << 11, "fp16": 1 << 11, "bf16": 1 << 8}


def counting(dtype: Dtype, rows: int) -> Dtype:
    """Return the type in which numbers of so many rows are computed: fp32 where this isn't it."""
    return dtype if rows <= _COUNTS_TO.get(dtype.name, 0) else DTYPES["fp32"]


class _NoMacs:
    __slots__ = ()

    def macs(self, inputs: Sequence[Tensor]) -> int:
        """Return zero: the vector unit does it."""
        del inputs
        return 0


class _NoParameters:
    __slots__ = ()

    def parameters(self, inputs: Sequence[Tensor]) -> dict[str, Parameter]:
        """Return no parameters."""
        del inputs
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorInt32(_NoMacs, _NoParameters):
    """The largest whole numbers that aren't above the input, as int32: indices; 0 for NaN."""

    kind: ClassVar[str] = "floor_int32"

    def output(self, inputs: Sequence[Tensor]) -> tuple[Shape, Dtype]:
        """Return the input's shape."""
        (tensor,) = inputs
        return tensor.shape, _INDEX

    def operations(self, inputs: Sequence[Tensor]) -> int:
        """Return one for each element."""
        return inputs[0].size_elements * FUNCTIONS["floor_int32"].operations


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramp(_NoMacs):
    """The input plus, or times, evenly spaced numbers along an axis; they aren't learned.

    Parameters
    ----------
    function
        ``add`` or ``multiply``.
    axis
        Along which the numbers lie; if its size is 1, the input is repeated.
    count
        How many numbers.
    start, step
        The first one, and how much each is larger than the one before.
    """

    kind: ClassVar[str] = "ramp"
    function: str
    axis: int
    count: int
    start: float
    step: float

    def output(self, inputs: Sequence[Tensor]) -> tuple[Shape, Dtype]:
        """Return the input's shape with ``count`` places along the axis."""
        (tensor,) = inputs
        axis = positive_axis(self.axis, len(tensor.shape))
        if tensor.shape[axis] not in (1, self.count):
            raise WorkloadError(
                f"count is {self.count} but axis {axis} of '{tensor.name}' {list(tensor.shape)} has"
                f" {tensor.shape[axis]}; both must agree, or the axis have 1"
            )
        return (*tensor.shape[:axis], self.count, *tensor.shape[axis + 1 :]), tensor.dtype

    def parameters(self, inputs: Sequence[Tensor]) -> dict[str, Parameter]:
        """Return the numbers, shape (count,)."""
        dtype = inputs[0].dtype
        return {"ramp": Parameter(shape=(self.count,), dtype=dtype, trainable_elements=0)}

    def fixed(self, parameters: Mapping[str, Tensor]) -> dict[str, list[float]]:
        """Return the numbers."""
        del parameters
        return {"ramp": [self.start + self.step * place for place in range(self.count)]}

    def operations(self, inputs: Sequence[Tensor]) -> int:
        """Return one for each result."""
        shape, _ = self.output(inputs)
        return prod(shape) * FUNCTIONS[self.function].operations


@dataclass(frozen=True, slots=True, kw_only=True)
class LookupTable(_NoMacs):
    """For each index a row of numbers that the operator knows: an embedding that isn't learned."""

    kind: ClassVar[str] = "table"
    takes_indices: ClassVar[bool] = True
    rows: tuple[tuple[float, ...], ...]
    dtype: Dtype

    def output(self, inputs: Sequence[Tensor]) -> tuple[Shape, Dtype]:
        """Return the indices' shape with a last axis for a row."""
        (indices,) = inputs
        if indices.dtype != _INDEX:
            raise WorkloadError(f"indices must be int32 but '{indices.name}' is {indices.dtype}")
        if len({len(row) for row in self.rows}) != 1:
            raise WorkloadError("rows must all have as many numbers")
        return (*indices.shape, len(self.rows[0])), self.dtype

    def parameters(self, inputs: Sequence[Tensor]) -> dict[str, Parameter]:
        """Return the table, of which nothing is learned."""
        del inputs
        shape = (len(self.rows), len(self.rows[0]))
        return {"table": Parameter(shape=shape, dtype=self.dtype, trainable_elements=0)}

    def fixed(self, parameters: Mapping[str, Tensor]) -> dict[str, Any]:
        """Return the table."""
        del parameters
        return {"table": self.rows}

    def operations(self, inputs: Sequence[Tensor]) -> int:
        """Return zero: rows are only moved."""
        del inputs
        return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightedSum(_NoMacs, _NoParameters):
    """The sum of rows, each times a weight of its own; both are computed. It is rounded once."""

    kind: ClassVar[str] = "weighted_sum"

    def output(self, inputs: Sequence[Tensor]) -> tuple[Shape, Dtype]:
        """Return ``[*batch, features]`` of values ``[*batch, rows, features]``."""
        values, weights = inputs
        if len(values.shape) < 2 or weights.shape != values.shape[:-1]:
            raise WorkloadError(
                f"needs weights {list(values.shape[:-1])}, one for each row of '{values.name}'"
                f" {list(values.shape)}, but '{weights.name}' is {list(weights.shape)}"
            )
        if weights.dtype != values.dtype:
            raise WorkloadError(
                f"'{values.name}' is {values.dtype} but '{weights.name}' is {weights.dtype}; both"
                " must have one dtype"
            )
        return (*values.shape[:-2], values.shape[-1]), values.dtype

    def operations(self, inputs: Sequence[Tensor]) -> int:
        """Return a multiplication and an addition for each element."""
        return inputs[0].size_elements * FUNCTIONS["dot"].operations


class Ends(NamedTuple):
    """The two positions of an axis between which points lie, and the weights of both."""

    low: Tensor
    high: Tensor
    low_weight: Tensor
    high_weight: Tensor


class Sketch:
    """Adds layers under a composition's name.

    Parameters
    ----------
    builder
        Gets the layers.
    name
        Before each of theirs.
    dtype
        Of constants.
    """

    def __init__(self, builder: GraphBuilder, name: str, dtype: Dtype) -> None:
        self.builder, self.name = builder, name
        self._dtype = dtype
        self._numbers: dict[float, Tensor] = {}

    def layer(self, name: str, operator: Operator, *inputs: Tensor) -> Tensor:
        """Add a layer."""
        return self.builder.add_layer(f"{self.name}.{name}", operator, inputs)

    def function(self, name: str, function: str, *inputs: Tensor | float) -> Tensor:
        """Add a function of tensors and numbers."""
        tensors = [self.number(x) if isinstance(x, float | int) else x for x in inputs]
        return self.layer(name, Elementwise(function=function), *tensors)

    def cast(self, name: str, tensor: Tensor, dtype: Dtype) -> Tensor:
        """Return a tensor in a type: itself, where that is its own."""
        return add_cast(self.builder, f"{self.name}.{name}", tensor, dtype)

    def number(self, number: float) -> Tensor:
        """Return a tensor of one number."""
        if number not in self._numbers:
            name = f"{self.name}.number{len(self._numbers)}"
            self._numbers[number] = self.builder.add_learned(name, (1,), self._dtype, number)
        return self._numbers[number]

    def inside(
        self, name: str, points: Tensor, least: Tensor | float, most: Tensor | float
    ) -> Tensor:
        """Return 1 where points lie in a range, both ends included, else 0."""
        below = self.function(f"{name}_below", "greater", least, points)
        above = self.function(f"{name}_above", "greater", points, most)
        outside = self.function(f"{name}_outside", "add", below, above)
        return self.function(f"{name}_inside", "subtract", 1.0, outside)

    def clipped(self, name: str, points: Tensor, most: Tensor | float) -> Tensor:
        """Return points moved to the nearest in 0..most."""
        positive = self.function(f"{name}_positive", "relu", points)
        return self.function(f"{name}_clipped", "minimum", positive, most)

    def both(self, name: str, low: Tensor, high: Tensor, shape: Shape) -> Tensor:
        """Return two tensors side by side along a new last axis, in another shape."""
        apart = [
            self.layer(f"{name}_{end}", Reshape(shape=(*tensor.shape, 1)), tensor)
            for end, tensor in (("low", low), ("high", high))
        ]
        pair = self.layer(f"{name}_ends", Concat(axis=-1), *apart)
        return self.layer(f"{name}_axis", Reshape(shape=shape), pair)

    def sampled(
        self, name: str, rows: Tensor, numbers: Tensor, weights: Tensor, points: Shape
    ) -> Tensor:
        """Return weighted sums of rows, as many for each point as there are numbers for it.

        Parameters
        ----------
        name
            Of the sum, whole.
        rows
            Shape ``[batch, rows, features]``.
        numbers, weights
            Which rows of the same batch, in floating point, and their weights, in the rows' type;
            row-major, those of a point one after the other.
        points
            The batch, and sizes of points.

        Returns
        -------
        Tensor
            Shape ``[*points, features]``.

        Raises
        ------
        WorkloadError
            The type doesn't hold so large whole numbers.
        """
        batch, count, features = rows.shape
        if count > _COUNTS_TO.get(numbers.dtype.name, 0):
            raise WorkloadError(
                f"layer '{self.name}': its map has {count} rows but {numbers.dtype} holds whole"
                f" numbers up to {_COUNTS_TO.get(numbers.dtype.name, 0)}; use fp32"
            )
        corners = numbers.size_elements // prod(points)
        flat = self.layer("flat", Reshape(shape=(batch, -1)), numbers)
        places = self.layer("places", FloorInt32(), flat)
        found = add_gather(self.builder, f"{self.name}.corners", rows, places, 1, 1)
        apart = self.layer("points", Reshape(shape=(*points, corners, features)), found)
        shares = self.layer("weights", Reshape(shape=(*points, corners)), weights)
        return self.builder.add_layer(name, WeightedSum(), [apart, shares])
