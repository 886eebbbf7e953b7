"""Sorting, and the largest of a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from foundation.dtype import DTYPES, Dtype
from foundation.errors import WorkloadError
from foundation.functions import FUNCTIONS, passes
from workloads.build import GraphBuilder
from workloads.graph import Parameter, Tensor
from workloads.layers import Shape, Slice, positive_axis


@dataclass(frozen=True, slots=True, kw_only=True)
class Sort:
    """Every row along an axis in descending order; of equal elements the first stays first.

    Parameters
    ----------
    function
        ``sort`` for the elements, ``argsort`` for where they were, int32.
    axis
        Along which rows lie.
    """

    kind: ClassVar[str] = "sort"
    function: str
    axis: int = -1

    def output(self, inputs: Sequence[Tensor]) -> tuple[Shape, Dtype]:
        """Return the input's shape."""
        (tensor,) = inputs
        positive_axis(self.axis, len(tensor.shape))
        return tensor.shape, tensor.dtype if self.function == "sort" else DTYPES["int32"]

    def parameters(self, inputs: Sequence[Tensor]) -> dict[str, Parameter]:
        """Return no parameters."""
        del inputs
        return {}

    def macs(self, inputs: Sequence[Tensor]) -> int:
        """Return zero."""
        del inputs
        return 0

    def operations(self, inputs: Sequence[Tensor]) -> int:
        """Return those of a sorting network's stages."""
        (tensor,) = inputs
        stages = passes(self.function, tensor.shape[self.axis])
        return tensor.size_elements * stages * FUNCTIONS[self.function].operations


def add_top_k(
    builder: GraphBuilder, name: str, tensor: Tensor, count: int, axis: int, function: str
) -> Tensor:
    """Add the ``count`` largest elements of every row, or their places, the largest first.

    # Approximation: whole rows are sorted and written (``name.sorted``), then the first elements
    are copied; values and places are sorted for apart.

    Parameters
    ----------
    builder
        Gets both layers.
    name
        Of the last one.
    tensor, axis
        What is sorted, and along which axis.
    count
        How many are kept.
    function
        ``sort`` for the elements, ``argsort`` for where they were.

    Raises
    ------
    WorkloadError
        A row has fewer elements.
    """
    size = tensor.shape[positive_axis(axis, len(tensor.shape))]
    if not 1 <= count <= size:
        raise WorkloadError(
            f"layer '{name}': k is {count} but must lie in 1..{size}, the elements of a row"
        )
    ordered = builder.add_layer(f"{name}.sorted", Sort(function=function, axis=axis), [tensor])
    return builder.add_layer(name, Slice(axis=axis, start=0, stop=count), [ordered])
