"""What lowerings of operators are made of: dimensions, axes and the operands of a kernel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from foundation.dtype import DTYPES, Dtype
from foundation.numerics import default_shift
from foundation.stored import Stored
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


def segmented(operand: OperandMap, stored: Stored | None) -> OperandMap:
    """Return a product's input with the elements of a segment as one, along its last axis."""
    if stored is None:
        return operand
    *outer, channels = operand.axes
    fewer = replace(channels, size=channels.size // stored.length)
    vector = operand.dtype.vector(stored.length)
    return replace(operand, axes=(*outer, fewer), dtype=vector)


def learned_map(role: str, axes: tuple[Axis, ...], dtype: Dtype, scratchpad: str) -> OperandMap:
    """Return what a layer has learned as an operand."""
    return OperandMap(
        role=role,
        operand=Operand.BIAS if role in ("bias", "scale") else Operand.WEIGHT,
        scratchpad=scratchpad,
        is_parameter=True,
        axes=axes,
        dtype=dtype,
    )


def contraction(
    dimensions: Sequence[Dimension],
    data: OperandMap,
    weight: OperandMap,
    per_output: Mapping[str, tuple[Axis, ...]],
    output: tuple[Axis, ...],
    body: Contraction,
) -> Kernel:
    """Return the kernel of a matrix product.

    ``per_output`` has the axes of what its results are scaled by and of what is added to them, by
    role, as far as there is any: ``scale``, then ``bias``.
    """
    accumulator = DTYPES[data.dtype.accumulator]
    inputs = [data, weight]
    inputs += [learned_map(role, axes, accumulator, "psum") for role, axes in per_output.items()]
    return Kernel(
        dimensions=tuple(dimensions),
        inputs=tuple(inputs),
        output=output_map(output, DTYPES[data.dtype.name]),
        body=body,
    )


def per_output(
    parameters: Mapping[str, Tensor], axes: tuple[Axis, ...]
) -> dict[str, tuple[Axis, ...]]:
    """Return the axes of a product's scale and bias by role, as far as it has them.

    ``axes`` are those of one value for each output; a scale may be a single one.
    """
    found = {role: axes for role in ("scale", "bias") if role in parameters}
    if "scale" in found and parameters["scale"].shape == (1,):
        found["scale"] = (Axis(size=1),)
    return found


def shift_of(shift: int | None, reduction: int, weight: Dtype) -> int:
    """Return a layer's own right shift, or the usual one of a sum of ``reduction`` products."""
    if shift is not None:
        return shift
    return default_shift(reduction, weight.bits) if weight.is_integer else default_shift(reduction)
