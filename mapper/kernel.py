"""A kernel: one layer as an iteration space, and where in its tensors each operand lies.

Every operator becomes this one form. An operand's index along a tensor axis is an affine function
of the iteration dimensions, so convolution windows, padding, slices, transposition and
broadcasting are all just coefficients and offsets; tiling, cost and lowering know nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from math import gcd, prod

import numpy as np

from accel.products import Reduction
from accel.spec import ArraySpec
from foundation.distinct import distinct
from foundation.dtype import DTYPES, Dtype
from foundation.functions import FUNCTIONS, OF_PSUMS, FunctionKind
from foundation.stored import Stored
from isa.instruction import Operand


class Role(Enum):
    """What a dimension is to a kernel's body."""

    GROUP = "group"  # independent matrix products
    M = "M"
    N = "N"
    K = "K"
    PARALLEL = "parallel"  # independent elements of a vector function, or of a copy
    WHOLE = "whole"  # reduced, or a row: always resident as a whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimension:
    """One loop of the iteration space."""

    name: str
    extent: int
    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """An operand's index along one tensor axis: ``offset + sum(coefficient · dimension)``.

    Parameters
    ----------
    size
        Elements of the tensor along this axis; an index outside is padding.
    terms
        Pairs of (number of the dimension, coefficient >= 1).
    offset
        Index at the origin of the iteration space, negative for padding before.
    """

    size: int
    terms: tuple[tuple[int, int], ...] = ()
    offset: int = 0


@dataclass(frozen=True, kw_only=True)
class OperandMap:
    """An operand of a kernel.

    Parameters
    ----------
    role
        Which tensor of the layer: ``input0``, ``weight``, ``bias``, ``output``, ...
    operand
        What its bytes count as in reports.
    scratchpad
        Under which of ``accel.spec.OPERANDS`` its tiles are held.
    is_parameter
        Its tensor is learned; otherwise an activation.
    axes
        One per axis of the tensor, row-major.
    dtype
        Of its elements.
    fill
        Value of padding.
    is_kept
        Its tensor is kept in its scratchpad between layers: nothing of it is moved.
    """

    role: str
    operand: Operand
    scratchpad: str
    is_parameter: bool
    axes: tuple[Axis, ...]
    dtype: Dtype
    fill: int = 0
    is_kept: bool = False

    @cached_property
    def dimensions(self) -> frozenset[int]:
        """Numbers of the dimensions along which the operand's elements change."""
        return frozenset(number for axis in self.axes for number, _ in axis.terms)

    def depends_on(self, dimension: int) -> bool:
        """Whether the operand's elements change along a dimension."""
        return dimension in self.dimensions

    @property
    def tensor_bytes(self) -> int:
        """Bytes of the whole tensor."""
        return prod(axis.size for axis in self.axes) * self.dtype.size_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Contraction:
    """The body of a matrix product: matmuls over K, then one requantization of the psums.

    Inputs are ``input``, ``weight`` and, if there are any, ``scale`` and ``bias``. The psums of a
    partial product are its output as they are.

    Parameters
    ----------
    shift, activation
        Of the requantization.
    is_partial
        Whether psums leave as they are.
    stored
        How each segment of the weights is stored. The last dimension of K then counts segments, of
        input and weight alike; None for weights that are as the input is.
    is_scaled
        Whether psums are multiplied by a scale.
    """

    shift: int
    activation: str
    is_partial: bool = False
    stored: Stored | None = None
    is_scaled: bool = False

    @property
    def result_function(self) -> str:
        """The vector function that makes outputs of psums."""
        if self.is_partial:
            return "identity"
        return "rescale" if self.is_scaled else "requantize"


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorBody:
    """The body of a vector function; its parameters come after its data."""

    function: str
    activation: str
    shift: int = 0

    @property
    def sums_psums(self) -> bool:
        """Whether it adds up partial sums and makes outputs of them."""
        return self.function in OF_PSUMS

    @property
    def folds(self) -> bool:
        """Whether dimensions that are resident as a whole disappear; otherwise they are a row."""
        return FUNCTIONS[self.function].kind is FunctionKind.REDUCTION or self.sums_psums

    def reduced(self, whole: int) -> int:
        """Return what its instruction says is reduced where ``whole`` dimensions are resident."""
        return whole if self.folds or whole > 1 else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """The body of an operator that only moves data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """The body of an embedding: rows of ``table``, chosen by the input.

    Parameters
    ----------
    table
        The table's tensor.
    """

    table: OperandMap


Body = Contraction | VectorBody | Copy | Lookup


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """An iteration space, its operands and what is done at each point.

    Parameters
    ----------
    dimensions
        Loops, in the order of an instruction's iteration space.
    inputs, output
        Operands.
    body
        What is computed.
    """

    dimensions: tuple[Dimension, ...]
    inputs: tuple[OperandMap, ...]
    output: OperandMap
    body: Body

    @cached_property
    def operands(self) -> tuple[OperandMap, ...]:
        """Inputs and output."""
        return (*self.inputs, self.output)

    @cached_property
    def extents(self) -> tuple[int, ...]:
        """Size of the iteration space."""
        return tuple(dimension.extent for dimension in self.dimensions)

    @property
    def row(self) -> int:
        """Elements of a row, or of what is folded into one value: what is resident as a whole."""
        return prod(self.extents[d] for d in self.numbers(Role.WHOLE))

    @property
    def tensors(self) -> tuple[OperandMap, ...]:
        """Inputs and output, and the table of a look-up."""
        table = (self.body.table,) if isinstance(self.body, Lookup) else ()
        return (*self.operands, *table)

    @property
    def multiplied(self) -> Dtype:
        """The type of an element of the first input, of a segment's if it has segments."""
        return DTYPES[self.inputs[0].dtype.name]

    @property
    def stored(self) -> Stored | None:
        """How the weights of a product are stored, as in `Contraction`."""
        return self.body.stored if isinstance(self.body, Contraction) else None

    @property
    def factors(self) -> tuple[Dtype, Dtype]:
        """What a product's input and weight have at each index: elements, or segments of them."""
        return self.inputs[0].dtype, self.inputs[1].dtype

    def reduction(self, array: ArraySpec) -> Reduction:
        """Return how an array goes along K."""
        return array.reduction(self.multiplied, self.stored)

    def numbers(self, *roles: Role) -> list[int]:
        """Return the numbers of the dimensions with one of these roles."""
        return [i for i, dimension in enumerate(self.dimensions) if dimension.role in roles]


def axis_step(axis: Axis, extents: Sequence[int]) -> int:
    """Return the distance between neighbouring elements that are touched along an axis."""
    if len(axis.terms) == 1:
        ((d, c),) = axis.terms
        return c if extents[d] > 1 else 1
    return gcd(*(c for d, c in axis.terms if extents[d] > 1)) or 1


def row_major_strides(shape: Sequence[int], element_bytes: int) -> tuple[int, ...]:
    """Return the bytes per step along each axis of a dense row-major array."""
    strides = [element_bytes]
    for size in reversed(shape[1:]):
        strides.append(strides[-1] * size)
    return tuple(reversed(strides))


def box_bytes(operand: OperandMap, extents: Sequence[int]) -> int:
    """Return the bytes of the box that an iteration space touches of an operand.

    At most its tensor; ``extents`` is the size of the space.
    """
    elements = 1
    for axis in operand.axes:
        step = axis_step(axis, extents)
        box = 1 + sum(c // step * (extents[d] - 1) for d, c in axis.terms)
        elements *= min(box, axis.size)
    return elements * operand.dtype.size_bytes


def padded_bytes(operand: OperandMap, whole: Sequence[int], extents: Sequence[int]) -> int:
    """Return the bytes of the box that a part of a kernel touches of an operand, padding included.

    ``whole`` is the size of the kernel's iteration space, ``extents`` that of the part.
    """
    elements = 1
    for axis in operand.axes:
        step = axis_step(axis, whole)
        elements *= 1 + sum(c // step * (extents[d] - 1) for d, c in axis.terms)
    return elements * operand.dtype.size_bytes


def compulsory_bytes(kernel: Kernel) -> int:
    """Return the bytes that must cross the main memory's port: every touched element once.

    What is kept on the chip doesn't cross it.
    """
    total = sum(touched_bytes(operand, kernel) for operand in kernel.operands)
    if isinstance(kernel.body, Lookup):
        row = kernel.body.table.axes[-1].size * kernel.body.table.dtype.size_bytes
        return total + row  # at least one row; repeated indices could be served from it
    return total


def touched_bytes(operand: OperandMap, kernel: Kernel) -> int:
    """Return the bytes of an operand that must cross the main memory's port; none if it is kept."""
    if operand.is_kept:
        return 0
    elements = 1
    for axis in operand.axes:
        if len(axis.terms) == 1:
            ((dimension, coefficient),) = axis.terms
            first = max(0, -(axis.offset // coefficient))
            last = min(kernel.extents[dimension] - 1, (axis.size - 1 - axis.offset) // coefficient)
            elements *= max(0, last - first + 1)
        elif axis.terms:
            grid = np.array([axis.offset])
            for dimension, coefficient in axis.terms:
                steps = np.arange(kernel.extents[dimension]) * coefficient
                grid = distinct(np.add.outer(grid, steps))
            elements *= int(((grid >= 0) & (grid < axis.size)).sum())
    return elements * operand.dtype.size_bytes
