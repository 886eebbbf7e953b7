"""Layers whose result has another type than what they read: a cast, and indices as one-hot rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from foundation.dtype import Dtype
from foundation.errors import WorkloadError
from foundation.functions import FUNCTIONS
from workloads.graph import Parameter, Tensor
from workloads.layers import Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """The same numbers, rounded to another floating-point type."""

    kind: ClassVar[str] = "cast"
    dtype: Dtype

    def output(self, inputs: Sequence[Tensor]) -> tuple[Shape, Dtype]:
        """Return the input's shape in the other type."""
        (tensor,) = inputs
        if self.dtype.is_integer or tensor.dtype.is_integer:
            raise WorkloadError(
                f"a cast goes from floating point to floating point but '{tensor.name}' is"
                f" {tensor.dtype} and becomes {self.dtype}"
            )
        return tensor.shape, self.dtype

    def parameters(self, inputs: Sequence[Tensor]) -> dict[str, Parameter]:
        """Return no parameters."""
        del inputs
        return {}

    def macs(self, inputs: Sequence[Tensor]) -> int:
        """Return zero."""
        del inputs
        return 0

    def operations(self, inputs: Sequence[Tensor]) -> int:
        """Return one per element."""
        return inputs[0].size_elements * FUNCTIONS["cast"].operations


@dataclass(frozen=True, slots=True, kw_only=True)
class OneHot:
    """For each index a row of zeros with a 1 at the index's place.

    Its parameter, the numbers 0, 1, 2, ... with which indices are compared, isn't learned.
    """

    kind: ClassVar[str] = "one_hot"
    entries: int
    dtype: Dtype

    def output(self, inputs: Sequence[Tensor]) -> tuple[Shape, Dtype]:
        """Return the indices' shape with a last axis of ``entries``."""
        (indices,) = inputs
        if indices.dtype.name != "int32":
            raise WorkloadError(f"indices must be int32 but '{indices.name}' is {indices.dtype}")
        return (*indices.shape, self.entries), self.dtype

    def parameters(self, inputs: Sequence[Tensor]) -> dict[str, Parameter]:
        """Return the places, shape (entries,), of which none is learned."""
        (indices,) = inputs
        places = Parameter(shape=(self.entries,), dtype=indices.dtype, trainable_elements=0)
        return {"places": places}

    def macs(self, inputs: Sequence[Tensor]) -> int:
        """Return zero: the vector unit does it."""
        del inputs
        return 0

    def operations(self, inputs: Sequence[Tensor]) -> int:
        """Return a comparison for each element of the result."""
        return inputs[0].size_elements * self.entries * FUNCTIONS["equal"].operations
