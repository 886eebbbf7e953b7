"""Normalization over groups of channels and all positions."""

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
class GroupNormalize:
    """Each group of channels of an inference with mean 0 and deviation 1, times gamma plus beta.

    The statistics are over all positions and the group's channels; with one channel a group it is
    instance normalization.

    References
    ----------
    .. [1] Y. Wu and K. He, "Group Normalization", ECCV 2018.
    """

    kind: ClassVar[str] = "group_norm"
    groups: int

    def output(self, inputs: Sequence[Tensor]) -> tuple[Shape, Dtype]:
        """Return the input's shape."""
        (tensor,) = inputs
        if len(tensor.shape) < 2:
            raise WorkloadError(
                f"needs an input [batch, ..., channels] but '{tensor.name}' has 1 axis"
            )
        if tensor.shape[-1] % self.groups:
            raise WorkloadError(
                f"{tensor.shape[-1]} channels don't divide into {self.groups} groups"
            )
        return tensor.shape, tensor.dtype

    def parameters(self, inputs: Sequence[Tensor]) -> dict[str, Parameter]:
        """Return gamma and beta, shape (channels,)."""
        (tensor,) = inputs
        learned = Parameter(shape=tensor.shape[-1:], dtype=tensor.dtype)
        return {"gamma": learned, "beta": learned}

    def macs(self, inputs: Sequence[Tensor]) -> int:
        """Return zero: the vector unit does it."""
        del inputs
        return 0

    def operations(self, inputs: Sequence[Tensor]) -> int:
        """Return those of a layer normalization: the same function over other rows."""
        return inputs[0].size_elements * FUNCTIONS["layer_norm"].operations
