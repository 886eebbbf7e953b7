"""What lowerings of operators are made of: dimensions, axes and the operands of a kernel."""

from __future__ import annotations

from collections.abc import Sequence

from foundation.dtype import DTYPES, Dtype
from foundation.numerics import default_shift
from isa.instruction import Operand
from mapper.kernel import Axis, Contraction, Dimension, Kernel, OperandMap, Role
from workloads.graph import Tensor, TensorKind


def dimensions_of(role: Role, **extents: int) -> list[Dimension]:
    """Return dimensions of one role: name to extent."""
    return [Dimension(name=name, extent=extent, role=role) for name, extent in extents.items()]


def parallel(extents: Sequence[int]) -> list[Dimension]:
    """Return parallel dimensions that nobody needs a name of."""
    return dimensions_of(Role.PARALLEL, **{f"p{i}": extent for i, extent in enumerate(extents)})


def plain(shape: Sequence[int], numbers: Sequence[int]) -> tuple[Axis, ...]:
    """Return axes that are just iteration dimensions, one each."""
    pairs = zip(shape, numbers, strict=True)
    return tuple(Axis(size=size, terms=((number, 1),)) for size, number in pairs)


def input_map(
    tensor: Tensor,
    index: int,
    axes: tuple[Axis, ...],
    *,
    scratchpad: str = "input",
    operand: Operand = Operand.INPUT,
    fill: int = 0,
) -> OperandMap:
    """Return a layer's input number ``index`` as an operand."""
    return OperandMap(
        role=f"input{index}",
        operand=operand,
        scratchpad=scratchpad,
        is_parameter=tensor.kind is TensorKind.PARAMETER,
        axes=axes,
        dtype=tensor.dtype,
        fill=fill,
    )


def output_map(axes: tuple[Axis, ...], dtype: Dtype) -> OperandMap:
    """Return a layer's result as an operand."""
    return OperandMap(
        role="output",
        operand=Operand.OUTPUT,
        scratchpad="output",
        is_parameter=False,
        axes=axes,
        dtype=dtype,
    )


def learned_map(role: str, axes: tuple[Axis, ...], dtype: Dtype, scratchpad: str) -> OperandMap:
    """Return what a layer has learned as an operand."""
    return OperandMap(
        role=role,
        operand=Operand.BIAS if role == "bias" else Operand.WEIGHT,
        scratchpad=scratchpad,
        is_parameter=True,
        axes=axes,
        dtype=dtype,
    )


def contraction(
    dimensions: Sequence[Dimension],
    data: OperandMap,
    weight: OperandMap,
    bias: tuple[Axis, ...] | None,
    output: tuple[Axis, ...],
    body: Contraction,
) -> Kernel:
    """Return the kernel of a matrix product, of a bias if there is one."""
    inputs = [data, weight]
    if bias is not None:
        inputs.append(learned_map("bias", bias, DTYPES[data.dtype.accumulator], "psum"))
    return Kernel(
        dimensions=tuple(dimensions),
        inputs=tuple(inputs),
        output=output_map(output, data.dtype),
        body=body,
    )


def shift_of(shift: int | None, reduction: int) -> int:
    """Return a layer's own right shift, or the usual one of a sum of ``reduction`` products."""
    return default_shift(reduction) if shift is None else shift
