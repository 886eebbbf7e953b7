"""Rows of a tensor by index: an embedding whose table is computed or given, not learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from foundation.dtype import Dtype
from foundation.errors import WorkloadError
from workloads.graph import Parameter, Tensor
from workloads.layers import Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Gather:
    """A row of a tensor for every index: inputs are the indices and the rows."""

    kind: ClassVar[str] = "gather"

    def output(self, inputs: Sequence[Tensor]) -> tuple[Shape, Dtype]:
        """Return the indices' shape with a last axis as long as a row."""
        indices, rows = inputs
        if indices.dtype.name != "int32":
            raise WorkloadError(f"indices must be int32 but '{indices.name}' is {indices.dtype}")
        if len(rows.shape) != 2 or rows.dtype.name == "int32":
            raise WorkloadError(
                f"rows must be [entries, features] and no int32 but '{rows.name}' is"
                f" {list(rows.shape)} {rows.dtype}"
            )
        return (*indices.shape, rows.shape[1]), rows.dtype

    def parameters(self, inputs: Sequence[Tensor]) -> dict[str, Parameter]:
        """Return no parameters."""
        del inputs
        return {}

    def macs(self, inputs: Sequence[Tensor]) -> int:
        """Return zero."""
        del inputs
        return 0

    def operations(self, inputs: Sequence[Tensor]) -> int:
        """Return zero: rows are only moved."""
        del inputs
        return 0
