"""Look-ups of rows as kernels, and what computes their indices."""

from __future__ import annotations

from dataclasses import replace
from math import prod

from isa.instruction import Operand
from mapper.kernel import Axis, Kernel, Lookup, OperandMap, Role, VectorBody
from mapper.maps import dimensions_of, input_map, learned_map, output_map, parallel, plain
from workloads.graph import Tensor
from workloads.indexing import RowNumbers


def embedding(indices: Tensor, table: Tensor, output: Tensor) -> Kernel:
    """Return a look-up of rows of a table that is learned."""
    axes = plain(table.shape, (0, 1))
    learned = learned_map("table", axes, table.dtype, "output")
    return _lookup(input_map(indices, 0, _flat(indices)), learned, output)


def gather(data: Tensor, indices: Tensor, output: Tensor) -> Kernel:
    """Return a look-up of rows of the first input, whose numbers the second has."""
    return _gathered(data, input_map(indices, 1, _flat(indices)), output)


def fixed_gather(data: Tensor, indices: Tensor, output: Tensor) -> Kernel:
    """Return a look-up of rows of an input, whose numbers are known."""
    fixed = learned_map("indices", _flat(indices), indices.dtype, "input")
    return _gathered(data, fixed, output)


def _gathered(data: Tensor, indices: OperandMap, output: Tensor) -> Kernel:
    """Return a look-up of rows of an input."""
    axes = plain((data.shape[0], prod(data.shape[1:])), (0, 1))
    return _lookup(indices, input_map(data, 0, axes, scratchpad="output"), output)


def _flat(indices: Tensor) -> tuple[Axis, ...]:
    """Return indices as one axis, whatever their shape."""
    return plain((indices.size_elements,), (0,))


def _lookup(indices: OperandMap, table: OperandMap, output: Tensor) -> Kernel:
    """Return a look-up of a table's rows."""
    rows, features = indices.axes[0].size, table.axes[1].size
    return Kernel(
        dimensions=(
            *dimensions_of(Role.PARALLEL, rows=rows),
            *dimensions_of(Role.WHOLE, features=features),
        ),
        inputs=(replace(indices, operand=Operand.INDEX),),
        output=output_map(plain((rows, features), (0, 1)), output.dtype),
        body=Lookup(table=table),
    )


def row_numbers(operator: RowNumbers, indices: Tensor, offset: Tensor, output: Tensor) -> Kernel:
    """Return a sum of indices, which tables of a batch share, and the tables' offsets."""
    batch = prod(operator.tables[: operator.batch_axes])
    tables = offset.size_elements // batch
    shape = (batch, tables, output.size_elements // offset.size_elements)
    learned = plain(shape[:2], (0, 1))
    return Kernel(
        dimensions=tuple(parallel(shape)),
        inputs=(
            input_map(indices, 0, plain((shape[0], shape[2]), (0, 2)), operand=Operand.INDEX),
            learned_map("offset", learned, offset.dtype, "input"),
        ),
        output=output_map(plain(shape, range(3)), output.dtype),
        body=VectorBody(function="add", activation="identity"),
    )


def one_hot(indices: Tensor, numbers: Tensor, output: Tensor) -> Kernel:
    """Return a comparison of each index with all numbers."""
    shape = (indices.size_elements, numbers.size_elements)
    return Kernel(
        dimensions=tuple(parallel(shape)),
        inputs=(
            input_map(indices, 0, plain(shape[:1], (0,)), operand=Operand.INDEX),
            learned_map("numbers", plain(shape[1:], (1,)), numbers.dtype, "input"),
        ),
        output=output_map(plain(shape, (0, 1)), output.dtype),
        body=VectorBody(function="equal", activation="identity"),
    )
