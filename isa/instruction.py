"""The instructions: frozen records, one class each.

Every address is a byte offset in a numbered *space* (a main memory or a scratchpad). An operand is
an ``Access``: a base and one stride in bytes for each dimension of the instruction's iteration
space, so that im2col, transposition, broadcasting and sub-tensors are all just strides.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from math import prod

from foundation.dtype import Dtype
from foundation.functions import FUNCTIONS, FunctionKind
from foundation.stored import Stored


class Queue(IntEnum):
    """The four in-order instruction queues of a core."""

    LOAD = 0
    MATRIX = 1
    VECTOR = 2
    STORE = 3


#: Names of dataflows, after the operand that stays in the array's PEs. Their order is part of the
#: binary format and of traces: only ever append.
DATAFLOW_NAMES = ("OS", "WS", "IS")


class Operand(IntEnum):
    """What the bytes of a DMA are: for reports only, the machine doesn't look at it."""

    INPUT = 0
    WEIGHT = 1
    BIAS = 2
    OUTPUT = 3
    INDEX = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Where an operand lies: element ``i`` is at ``base + sum(i[d] * strides[d])``.

    Parameters
    ----------
    space
        Number of the main memory or scratchpad in ``Program.spaces``.
    base
        Byte address of the first element.
    strides
        Bytes per step along each dimension of the instruction's iteration space; 0 repeats.
    """

    space: int
    base: int
    strides: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Copy a strided box from a main memory into a scratchpad, with a border of ``fill``.

    The box in the scratchpad has ``before + shape + after`` elements along each dimension;
    ``destination.base`` is its first element, border included, ``source.base`` the first element
    that is really read. Overlapping source strides gather im2col windows.

    Parameters
    ----------
    source, destination
        Main memory and scratchpad side.
    shape
        Elements read along each dimension.
    before, after
        Elements of border along each dimension.
    element_bytes
        Bytes per element.
    fill
        Value of one border element, as an unsigned integer of ``element_bytes`` bytes.
    operand, tag
        For reports: what the bytes are, and which tile.
    """

    source: Access
    destination: Access
    shape: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    element_bytes: int
    fill: int
    operand: Operand
    tag: int

    @property
    def size_bytes(self) -> int:
        """Bytes read from main memory; a dimension with stride 0 repeats what was read once."""
        return transfer_bytes(self.shape, self.source, self.element_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gather:
    """Copy rows of a table in main memory into a scratchpad, one per index.

    Parameters
    ----------
    table
        Main memory; ``strides`` is (bytes per table row, element bytes).
    indices
        int32 row numbers in a scratchpad; ``strides`` is (bytes per index,).
    destination
        Scratchpad; ``strides`` is (bytes per row, element bytes).
    rows
        Number of indices.
    row_elements
        Elements per row.
    table_rows
        Rows of the table: an index must be below it.
    element_bytes
        Bytes per element.
    operand, tag
        For reports: what the bytes are, and which tile.
    """

    table: Access
    indices: Access
    destination: Access
    rows: int
    row_elements: int
    table_rows: int
    element_bytes: int
    operand: Operand
    tag: int

    @property
    def size_bytes(self) -> int:
        """Bytes read from main memory."""
        return self.rows * self.row_elements * self.element_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """Copy a strided box from a scratchpad to a main memory."""

    source: Access
    destination: Access
    shape: tuple[int, ...]
    element_bytes: int
    operand: Operand
    tag: int

    @property
    def size_bytes(self) -> int:
        """Bytes written to main memory."""
        return transfer_bytes(self.shape, self.destination, self.element_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class MatMul:
    """``psum[g, m, n] (+)= input[g, m, k] · weight[g, k, n]`` over a scratchpad-resident tile.

    The iteration space is ``(*groups, *m, n, *k)``. Each ``Access`` has one stride for each of
    these dimensions, 0 where the operand doesn't depend on it.

    Parameters
    ----------
    groups, m, k
        Extents of independent products, output rows, and the reduction; () stands for 1. With
        ``stored`` the last one of ``k`` counts segments.
    n
        Extent of output columns.
    input, weight, psum
        Scratchpad operands, ``psum`` in ``dtype``'s accumulator type.
    accumulate
        Add to ``psum`` (True) or overwrite it (False).
    dtype
        Type of input and weight; with ``stored`` of the input.
    tag
        For reports: which tile.
    dataflow
        One of ``DATAFLOW_NAMES``; None for the array's first, or only, one. What is computed is the
        same.
    stored
        How each segment of the weights is stored; None for weights that are as the input is. Input
        and weight step from segment to segment: the input's elements of one lie side by side.
    """

    groups: tuple[int, ...]
    m: tuple[int, ...]
    n: int
    k: tuple[int, ...]
    input: Access
    weight: Access
    psum: Access
    accumulate: bool
    dtype: Dtype
    tag: int
    dataflow: str | None = None
    stored: Stored | None = None

    @property
    def input_segment(self) -> Dtype:
        """What the input has at each index of ``shape``: an element, or a segment of them."""
        return self.dtype if self.stored is None else self.dtype.vector(self.stored.length)

    @property
    def weight_segment(self) -> Dtype:
        """The same of the weight."""
        return self.dtype if self.stored is None else self.stored.segment

    @property
    def shape(self) -> tuple[int, ...]:
        """The iteration space, to which the strides belong."""
        return (*self.groups, *self.m, self.n, *self.k)

    @property
    def extents(self) -> tuple[int, int, int, int]:
        """Number of products, and M, N and K of each."""
        return prod(self.groups), prod(self.m), self.n, prod(self.k)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vector:
    """Apply a function of ``foundation.functions`` to a scratchpad-resident tile.

    Unary, binary and channel functions go element by element over ``shape``. A reduction folds the
    last ``reduced`` dimensions of ``shape`` into one value; a row function takes them, or the last
    one where ``reduced`` is 0, as a row. ``requantize`` reads psums, adds up those of the
    ``reduced`` dimensions, adds ``inputs[1]`` if given, and rounds; ``rescale`` multiplies by
    ``inputs[1]`` before it adds ``inputs[2]``.

    Parameters
    ----------
    function
        Name of the function.
    shape
        The iteration space.
    reduced
        Number of trailing dimensions that a reduction or ``requantize`` folds, or that are a row.
    inputs
        One to three scratchpad operands: a channel or row function's parameters come after its
        data, with stride 0 along all but the channel.
    output
        Scratchpad result, stride 0 along reduced dimensions.
    input_dtype, output_dtype
        Types of ``inputs`` and ``output``.
    shift
        Right shift of ``requantize`` and ``rescale`` for integers.
    activation
        Unary function applied to the result, ``"identity"`` for none.
    tag
        For reports: which tile.
    """

    function: str
    shape: tuple[int, ...]
    reduced: int
    inputs: tuple[Access, ...]
    output: Access
    input_dtype: Dtype
    output_dtype: Dtype
    shift: int
    activation: str
    tag: int

    @property
    def row(self) -> int:
        """Number of elements of a row, or of what is folded into one value."""
        is_row = self.function in FUNCTIONS and FUNCTIONS[self.function].kind is FunctionKind.ROW
        count = max(self.reduced, 1) if is_row else self.reduced
        return prod(self.shape[len(self.shape) - count :])

    @property
    def folded(self) -> int:
        """Number of trailing dimensions that the output doesn't have."""
        function = FUNCTIONS.get(self.function)
        return 0 if function and function.kind is FunctionKind.ROW else self.reduced


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Block this queue until the semaphore is above zero, then take one off it."""

    semaphore: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """Add one to the semaphore once everything before it in this queue has finished."""

    semaphore: int


Instruction = Load | Gather | Store | MatMul | Vector | Wait | Signal

#: Which instructions a queue accepts, besides Wait and Signal.
ACCEPTED: dict[Queue, tuple[type[Instruction], ...]] = {
    Queue.LOAD: (Load, Gather),
    Queue.MATRIX: (MatMul,),
    Queue.VECTOR: (Vector,),
    Queue.STORE: (Store,),
}


def transfer_bytes(shape: tuple[int, ...], access: Access, element_bytes: int) -> int:
    """Return the bytes of a box, counting a dimension of stride 0 once."""
    moved = (extent for extent, stride in zip(shape, access.strides, strict=True) if stride)
    return prod(moved) * element_bytes
