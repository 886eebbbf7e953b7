"""Sorting, and the largest of a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from foundation.dtype import DTYPES, Dtype
from foundation.errors import WorkloadError
from foundation.functions import FUNCTIONS, passes
from workloads.build import GraphBuilder
from workloads.graph import Operator, Parameter, Tensor
from workloads.indexing import RowNumbers, add_gather
from workloads.layers import Reshape, Shape, Slice, Transpose, positive_axis


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
    builder: GraphBuilder,
    name: str,
    tensor: Tensor,
    count: int,
    axis: int,
    function: str,
    parts: int = 1,
) -> Tensor:
    """Add the ``count`` largest elements of every row, or their places, the largest first.

    # Approximation: whole rows are sorted and written (``name.sorted``), then the first elements
    are copied; values and places are sorted for apart.

    Parameters
    ----------
    builder
        Gets all layers.
    name
        Of the last one.
    tensor, axis
        What is sorted, and along which axis.
    count
        How many are kept.
    function
        ``sort`` for the elements, ``argsort`` for where they were.
    parts
        Pieces of a row, along the last axis, each of which is sorted apart, so that it can be on
        the chip; then the best of all (``name.best``). The result is the same.

    Raises
    ------
    WorkloadError
        A row has fewer elements, or doesn't divide into the parts.
    """
    axis = positive_axis(axis, len(tensor.shape))
    size = tensor.shape[axis]
    if not 1 <= count <= size:
        raise WorkloadError(
            f"layer '{name}': k is {count} but must lie in 1..{size}, the elements of a row"
        )
    if parts > 1:
        if axis != len(tensor.shape) - 1 or size % parts:
            raise WorkloadError(
                f"layer '{name}': {parts} parts need a last axis that they divide, not axis {axis}"
                f" of {list(tensor.shape)}"
            )
        return _of_parts(builder, name, tensor, count, function, parts)
    ordered = builder.add_layer(f"{name}.sorted", Sort(function=function, axis=axis), [tensor])
    return builder.add_layer(name, Slice(axis=axis, start=0, stop=count), [ordered])


def _of_parts(
    builder: GraphBuilder, name: str, tensor: Tensor, count: int, function: str, parts: int
) -> Tensor:
    """Add the best of the best of each part; equals keep their order, as parts have theirs."""
    *rows, size = tensor.shape
    length = size // parts
    kept = min(count, length)
    candidates = Reshape(shape=(*rows, parts * kept))

    def add(own: str, operator: Operator, *inputs: Tensor) -> Tensor:
        return builder.add_layer(f"{name}.{own}", operator, inputs)

    apart = add("parts", Reshape(shape=(*rows, parts, length)), tensor)
    best = add_top_k(builder, f"{name}.best", apart, kept, -1, "sort")
    values = add("candidates", candidates, best)
    if function == "sort":
        return add_top_k(builder, name, values, count, -1, function)
    chosen = add_top_k(builder, f"{name}.chosen", values, count, -1, function)
    own = add_top_k(builder, f"{name}.places", apart, kept, -1, function)
    # Row numbers of the parts, which must be the first axis to be counted from 0 in every row.
    axis = len(rows)
    first = add("parts_first", _moved((axis, *range(axis), axis + 1), own.shape), own)
    numbered = add("in_row", RowNumbers(rows=length, tables=(parts,), batch_axes=1), first)
    back = _moved((*range(1, axis + 1), 0, axis + 1), numbered.shape)
    numbers = add("by_row", candidates, add("rows_first", back, numbered))
    return add_gather(builder, name, numbers, chosen, axis, axis)


def _moved(permutation: Shape, shape: Shape) -> Operator:
    """Return a transposition, or the view that does where only axes of size 1 move."""
    large = [axis for axis in permutation if shape[axis] > 1]
    if large == sorted(large):
        return Reshape(shape=tuple(shape[axis] for axis in permutation))
    return Transpose(permutation=permutation)
