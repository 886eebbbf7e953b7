"""Layers whose result has another type than what they read: a cast."""

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
