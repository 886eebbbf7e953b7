"""Layers whose result has another type than what they read: casts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from foundation.dtype import ACTIVATION_DTYPES, Dtype
from foundation.errors import WorkloadError
from foundation.functions import FUNCTIONS
from workloads.build import GraphBuilder
from workloads.graph import Operator, Parameter, Tensor
from workloads.layers import Reshape, Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """The same numbers, rounded to another type: an int8 stands for a fixed-point number."""

    kind: ClassVar[str] = "cast"
    dtype: Dtype

    def output(self, inputs: Sequence[Tensor]) -> tuple[Shape, Dtype]:
        """Return the input's shape in the other type."""
        (tensor,) = inputs
        if self.dtype.name not in ACTIVATION_DTYPES:
            raise WorkloadError(
                f"a cast goes to one of {', '.join(ACTIVATION_DTYPES)} but '{tensor.name}' becomes"
                f" {self.dtype}"
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


def cast_to(tensor: Tensor, dtype: Dtype) -> Operator:
    """Return what casts a tensor, or the view that costs nothing where it has the type already."""
    return Reshape(shape=tensor.shape) if tensor.dtype == dtype else Cast(dtype=dtype)


def add_cast(builder: GraphBuilder, name: str, tensor: Tensor, dtype: Dtype) -> Tensor:
    """Return a tensor in a type: itself where that is its own, else what a new layer makes."""
    return tensor if tensor.dtype == dtype else builder.add_layer(name, Cast(dtype=dtype), [tensor])
