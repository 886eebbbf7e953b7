"""Gather and scatter by indices that are known when the network runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

from foundation.dtype import DTYPES, Dtype
from foundation.errors import WorkloadError
from foundation.functions import FUNCTIONS
from workloads.build import GraphBuilder
from workloads.graph import Parameter, Tensor
from workloads.layers import MatMul, Reshape, Shape, positive_axis

_INDEX = DTYPES["int32"]
#: Indices are int32.
MAX_ROWS = 2**31 - 1
#: Letters of the axes that data and indices share, in equations.
_BATCH_LETTERS = "abdefgh"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gather:
    """Rows of the first input along its first axis, one for each index: NumPy's ``take``.

    An embedding whose table is computed, or given.
    """

    kind: ClassVar[str] = "gather"
    takes_indices: ClassVar[bool] = True

    def output(self, inputs: Sequence[Tensor]) -> tuple[Shape, Dtype]:
        """Return the indices' shape, and behind it that of a row."""
        data, indices = inputs
        _check_indices(indices)
        return (*indices.shape, *data.shape[1:]), data.dtype

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


class FixedGather:
    """Rows of the only input, by indices that the operator knows: they are a fixed parameter."""

    __slots__ = ()

    def shape(self, tensor: Tensor) -> Shape:
        """Return the shape of the result: that of the indices, and the features behind it."""
        raise NotImplementedError

    def indices(self) -> Any:
        """Return the indices, nested or as an array."""
        raise NotImplementedError

    def output(self, inputs: Sequence[Tensor]) -> tuple[Shape, Dtype]:
        """Return the rows."""
        (tensor,) = inputs
        return self.shape(tensor), tensor.dtype

    def parameters(self, inputs: Sequence[Tensor]) -> dict[str, Parameter]:
        """Return the indices, which aren't learned."""
        shape, _ = self.output(inputs)
        return {"indices": Parameter(shape=shape[:-1], dtype=_INDEX, trainable_elements=0)}

    def fixed(self, parameters: Mapping[str, Tensor]) -> dict[str, Any]:
        """Return the indices."""
        del parameters
        return {"indices": self.indices()}

    def macs(self, inputs: Sequence[Tensor]) -> int:
        """Return zero."""
        del inputs
        return 0

    def operations(self, inputs: Sequence[Tensor]) -> int:
        """Return zero: rows are only moved."""
        del inputs
        return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RowNumbers:
    """Indices into several tables that lie one after the other: of table t those plus t · rows.

    Its offsets are a parameter that isn't learned.

    Parameters
    ----------
    rows
        Of each table.
    tables
        Their numbers along each axis.
    batch_axes
        Leading axes of the indices that go along those of ``tables``; along the others all tables
        have the same indices.
    """

    kind: ClassVar[str] = "row_numbers"
    takes_indices: ClassVar[bool] = True
    rows: int
    tables: Shape
    batch_axes: int

    def output(self, inputs: Sequence[Tensor]) -> tuple[Shape, Dtype]:
        """Return the tables' numbers, and behind them the indices of each."""
        (indices,) = inputs
        _check_indices(indices)
        if not 0 <= self.batch_axes <= len(self.tables):
            raise WorkloadError(
                f"batch_axes is {self.batch_axes} but must lie in 0..{len(self.tables)}"
            )
        shared = self.tables[: self.batch_axes]
        if indices.shape[: self.batch_axes] != shared:
            raise WorkloadError(
                f"indices '{indices.name}' {list(indices.shape)} must begin with"
                f" {list(shared)}, the sizes of the batch axes"
            )
        if prod(self.tables) * self.rows > MAX_ROWS:
            raise WorkloadError(
                f"{prod(self.tables)} tables of {self.rows} rows are beyond int32's {MAX_ROWS};"
                " reduce a size"
            )
        return (*self.tables, *indices.shape[self.batch_axes :]), indices.dtype

    def parameters(self, inputs: Sequence[Tensor]) -> dict[str, Parameter]:
        """Return the offsets, one for each table."""
        del inputs
        return {"offset": Parameter(shape=self.tables, dtype=_INDEX, trainable_elements=0)}

    def fixed(self, parameters: Mapping[str, Tensor]) -> dict[str, list[int]]:
        """Return the offsets, row-major."""
        return {"offset": [t * self.rows for t in range(parameters["offset"].size_elements)]}

    def macs(self, inputs: Sequence[Tensor]) -> int:
        """Return zero."""
        del inputs
        return 0

    def operations(self, inputs: Sequence[Tensor]) -> int:
        """Return an addition for each result."""
        shape, _ = self.output(inputs)
        return prod(shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class OneHot:
    """For each index a row of zeros with a one at its place; the numbers to compare are fixed."""

    kind: ClassVar[str] = "one_hot"
    takes_indices: ClassVar[bool] = True
    classes: int
    dtype: Dtype

    def output(self, inputs: Sequence[Tensor]) -> tuple[Shape, Dtype]:
        """Return the indices' shape with a last axis of ``classes``."""
        (indices,) = inputs
        _check_indices(indices)
        if self.dtype == _INDEX:
            raise WorkloadError("one_hot makes numbers to compute on but has int32")
        return (*indices.shape, self.classes), self.dtype

    def parameters(self, inputs: Sequence[Tensor]) -> dict[str, Parameter]:
        """Return the numbers from 0, shape (classes,)."""
        del inputs
        return {"numbers": Parameter(shape=(self.classes,), dtype=_INDEX, trainable_elements=0)}

    def fixed(self, parameters: Mapping[str, Tensor]) -> dict[str, list[int]]:
        """Return the numbers."""
        del parameters
        return {"numbers": list(range(self.classes))}

    def macs(self, inputs: Sequence[Tensor]) -> int:
        """Return zero."""
        del inputs
        return 0

    def operations(self, inputs: Sequence[Tensor]) -> int:
        """Return a comparison for each result."""
        return inputs[0].size_elements * self.classes * FUNCTIONS["equal"].operations


def add_gather(
    builder: GraphBuilder, name: str, data: Tensor, indices: Tensor, axis: int, batch_axes: int
) -> Tensor:
    """Add a gather along any axis: NumPy's ``take``, or with batch axes its ``take_along_axis``.

    Parameters
    ----------
    builder
        Gets the layer, and where the axis isn't the first a view of the rows (``name.rows``) and
        their numbers (``name.numbers``).
    name
        Of the last layer.
    data, indices
        What is taken, and which; int32, each in 0..size-1 of the axis.
    axis
        Along which it is taken.
    batch_axes
        Leading axes that both have: each of their places has indices of its own.

    Returns
    -------
    Tensor
        Shape ``data.shape[:axis] + indices.shape[batch_axes:] + data.shape[axis + 1:]``.

    Raises
    ------
    WorkloadError
        The axis doesn't exist or is a batch axis, or shapes don't fit.
    """
    axis = positive_axis(axis, len(data.shape))
    if not 0 <= batch_axes <= axis:
        raise WorkloadError(
            f"layer '{name}': batch_axes is {batch_axes} but must lie in 0..{axis}, the axis"
        )
    if axis:
        tables, rows = data.shape[:axis], data.shape[axis]
        view = Reshape(shape=(prod(tables) * rows, *data.shape[axis + 1 :]))
        data = builder.add_layer(f"{name}.rows", view, [data])
        numbers = RowNumbers(rows=rows, tables=tables, batch_axes=batch_axes)
        indices = builder.add_layer(f"{name}.numbers", numbers, [indices])
    return builder.add_layer(name, Gather(), [data, indices])


def add_scatter_add(
    builder: GraphBuilder, name: str, updates: Tensor, indices: Tensor, rows: int
) -> Tensor:
    """Add the sums of updates that have the same index: JAX's ``segment_sum``.

    # Approximation: a product with a one-hot matrix, as on TPUs, of rows · updates · elements MACs;
    a unit that scatters would do one addition for each element.

    Parameters
    ----------
    builder
        Gets the one-hot matrix (``name.one_hot``) and the product, and views where an update has no
        or several axes.
    name
        Of the last layer.
    updates, indices
        Shape ``[*batch, updates, *row]``, and ``[*batch, updates]`` with int32 in 0..rows-1.
    rows
        Of the result; those that nothing is added to are 0.

    Returns
    -------
    Tensor
        Shape ``[*batch, rows, *row]``; integers saturate once.

    Raises
    ------
    WorkloadError
        Shapes don't fit.
    """
    from foundation.numerics import FRACTION_BITS

    rank = len(indices.shape)
    if updates.shape[:rank] != indices.shape:
        raise WorkloadError(
            f"layer '{name}': updates '{updates.name}' {list(updates.shape)} must begin with the"
            f" shape of the indices '{indices.name}' {list(indices.shape)}"
        )
    if rank - 1 > len(_BATCH_LETTERS):
        raise WorkloadError(
            f"layer '{name}': indices have {rank} axes but at most {len(_BATCH_LETTERS) + 1} are"
            " possible; reshape them"
        )
    row, batch = updates.shape[rank:], _BATCH_LETTERS[: rank - 1]
    places = builder.add_layer(
        f"{name}.one_hot", OneHot(classes=rows, dtype=updates.dtype), [indices]
    )
    if len(row) != 1:
        flat = Reshape(shape=(*indices.shape, prod(row)))
        updates = builder.add_layer(f"{name}.updates", flat, [updates])
    # A one is 2 to the fraction bits.
    product = MatMul(equation=f"{batch}mn,{batch}mc->{batch}nc", shift=FRACTION_BITS)
    own = name if len(row) == 1 else f"{name}.sums"
    sums = builder.add_layer(own, product, [places, updates])
    if len(row) == 1:
        return sums
    return builder.add_layer(name, Reshape(shape=(*sums.shape[:-1], *row)), [sums])


def _check_indices(indices: Tensor) -> None:
    if indices.dtype != _INDEX:
        raise WorkloadError(f"indices must be int32 but '{indices.name}' is {indices.dtype}")
