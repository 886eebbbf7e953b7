"""Linear layers and matrix products as kernels."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from isa.instruction import Operand
from mapper.kernel import Axis, Contraction, Kernel, Role
from mapper.maps import (
    contraction,
    dimensions_of,
    input_map,
    learned_map,
    per_output,
    plain,
    segmented,
    shift_of,
)
from workloads.graph import Tensor
from workloads.layers import Linear, MatMul
from workloads.weights import Part, parts_of


def linear(
    operator: Linear, inputs: Sequence[Tensor], parameters: dict[str, Tensor]
) -> tuple[Kernel, ...]:
    """Return a product, or one for each part of its outputs."""
    tensor = inputs[0]
    shape = (tensor.shape[-1], operator.out_features)
    return tuple(
        _linear_part(operator, inputs, parameters, part)
        for part in parts_of(operator.weights, shape, tensor.dtype)
    )


def _linear_part(
    operator: Linear, inputs: Sequence[Tensor], parameters: dict[str, Tensor], part: Part
) -> Kernel:
    tensor, stored = inputs[0], part.stored
    rows, reduced = prod(tensor.shape[:-1]), tensor.shape[-1]
    columns = operator.out_features
    value, segments = tensor.dtype, reduced
    if stored is not None:
        value, segments = stored.value, reduced // stored.length
    if operator.tied:
        axes = plain((columns, reduced), (1, 2))
        weight = input_map(inputs[1], 1, axes, scratchpad="weight", operand=Operand.WEIGHT)
    else:
        axes = plain((segments, part.size), (2, 1))
        segment = value if stored is None else stored.segment
        weight = learned_map(part.role, axes, segment, "weight")
    column = Axis(size=columns, terms=((1, 1),), offset=part.low)
    at_row, at_reduced = plain((rows, reduced), (0, 2))
    return contraction(
        [
            *dimensions_of(Role.M, M=rows),
            *dimensions_of(Role.N, N=part.size),
            *dimensions_of(Role.K, K=segments),
        ],
        segmented(input_map(tensor, 0, (at_row, at_reduced)), stored),
        weight,
        per_output(parameters, (column,)),
        (at_row, column),
        Contraction(
            shift=shift_of(operator.shift, reduced, value),
            activation=operator.activation,
            stored=stored,
            is_scaled="scale" in parameters,
        ),
    )


def matmul(operator: MatMul, inputs: Sequence[Tensor], output: Tensor) -> Kernel:
    """Return a product of two inputs."""
    first, second, result = operator.subscripts()
    batch, rows, columns, reduced = operator.roles()
    sizes = operator.extents(inputs)
    numbers = {letter: i for i, letter in enumerate(batch + rows + columns + reduced)}
    dimensions = [
        *dimensions_of(Role.GROUP, **{letter: sizes[letter] for letter in batch}),
        *dimensions_of(Role.M, **{rows: sizes[rows]}),
        *dimensions_of(Role.N, **{columns: sizes[columns]}),
        *dimensions_of(Role.K, **{reduced: sizes[reduced]}),
    ]
    left = plain(inputs[0].shape, [numbers[letter] for letter in first])
    right = plain(inputs[1].shape, [numbers[letter] for letter in second])
    return contraction(
        dimensions,
        input_map(inputs[0], 0, left),
        input_map(inputs[1], 1, right, scratchpad="weight", operand=Operand.WEIGHT),
        {},
        plain(output.shape, [numbers[letter] for letter in result]),
        Contraction(
            shift=shift_of(operator.shift, sizes[reduced], inputs[1].dtype),
            activation=operator.activation,
        ),
    )
