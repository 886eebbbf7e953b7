"""Bank conflicts of a scratchpad in closed form: vectors of affine accesses.

Word ``w`` (address over width) lies in bank ``w % banks``. A unit asks for a vector of elements in
a cycle; each bank gives as many different words as it has ports, and a word that several elements
want is read once. What takes longer than the scratchpad's bandwidth alone is a conflict, and stalls
the unit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from math import prod

import numpy as np
from numpy.typing import NDArray

from accel.spec import AcceleratorSpec, ArraySpec, BankSpec
from accel.systolic import DATAFLOWS, OPERAND_DIMENSIONS
from foundation.dtype import DTYPES
from isa.instruction import Access, MatMul, Vector

Numbers = NDArray[np.int64]
#: Pairs of (extent, stride in bytes), slowest first.
Loops = tuple[tuple[int, int], ...]

#: The dimensions of a matrix instruction, in the order of its iteration space.
_MATMUL_DIMENSIONS = ("G", "M", "N", "K")


@dataclass(frozen=True, slots=True)
class Vectors:
    """Vectors of elements that a unit asks for, one after the other.

    Parameters
    ----------
    across
        Loops over the elements that vectors are cut from; a vector may reach over a loop's end.
    lanes
        Elements of a vector; the last one of ``across`` may be shorter.
    steps
        Loops over the places from which all vectors of ``across`` are asked for.
    element_bytes
        Bytes per element.
    start
        Address of the first element.
    """

    across: Loops
    lanes: int
    steps: Loops
    element_bytes: int
    start: int = 0


def conflict_cycles(banks: BankSpec, vectors: Vectors) -> int:
    """Return the cycles that vectors take beyond those of their bytes at full bandwidth.

    Notes
    -----
    Moving all addresses by whole words only turns the banks, so that places count by what their
    address leaves over a word: at most ``width`` cases, however many steps there are.
    """
    offsets = _flattened(vectors.across)
    count = -(-len(offsets) // vectors.lanes)
    sizes = np.full(count, vectors.lanes)
    sizes[-1] = len(offsets) - (count - 1) * vectors.lanes
    # The last vector is filled up with its last element: no word is added.
    padded = np.append(offsets, np.full(count * vectors.lanes - len(offsets), offsets[-1]))
    grid = padded.reshape(count, vectors.lanes)
    least = np.ceil(sizes * vectors.element_bytes / banks.bandwidth_bytes_per_cycle)
    total = 0
    for residue, times in _residues(vectors.steps, vectors.start, banks.width_bytes).items():
        cycles = _vector_cycles(grid + residue, vectors.element_bytes, banks)
        total += times * int(np.maximum(0, cycles - np.maximum(1, least)).sum())
    return total


def _flattened(loops: Loops) -> Numbers:
    """Return the offsets of all elements, the last loop's fastest."""
    offsets = np.zeros(1, dtype=np.int64)
    for extent, stride in loops:
        offsets = np.add.outer(offsets, np.arange(extent, dtype=np.int64) * stride).ravel()
    return offsets


def _residues(steps: Loops, start: int, width: int) -> dict[int, int]:
    """Return what the places' addresses leave over a word, and how many places leave it."""
    counts = {start % width: 1}
    for extent, stride in steps:
        whole, rest = divmod(extent, width)
        found: dict[int, int] = {}
        for residue, times in counts.items():
            for number in range(min(extent, width)):  # a step's residues repeat after width steps
                place = (residue + number * stride) % width
                found[place] = found.get(place, 0) + times * (whole + (number < rest))
        counts = found
    return counts


def _vector_cycles(addresses: Numbers, element_bytes: int, banks: BankSpec) -> Numbers:
    """Return the cycles in which each row of addresses is served."""
    last = element_bytes - 1
    parts = sorted({*range(0, element_bytes, banks.width_bytes), last})
    words = np.concatenate([(addresses + part) // banks.width_bytes for part in parts], axis=1)
    words.sort(axis=1)
    is_first = np.ones(words.shape, dtype=np.bool_)
    is_first[:, 1:] = words[:, 1:] != words[:, :-1]
    rows = np.broadcast_to(np.arange(len(words))[:, np.newaxis], words.shape)
    asked = np.zeros((len(words), banks.banks), dtype=np.int64)
    np.add.at(asked, (rows[is_first], words[is_first] % banks.banks), 1)
    result: Numbers = -(-asked.max(axis=1) // banks.ports)
    return result


def edge_dimension(array: ArraySpec, operand: str) -> str:
    """Return along which of M, N and K the array takes vectors of an operand.

    Along its columns or its rows, whichever the operand has. An operand that stays in the PEs, or
    sums that do, cross the edge of the columns row by row.
    """
    flow = DATAFLOWS[array.dataflow]
    has = OPERAND_DIMENSIONS[operand]
    return flow.columns if flow.columns in has else flow.rows


@lru_cache(maxsize=4096)
def matmul_conflicts(
    banks: BankSpec,
    *,
    array: ArraySpec,
    operand: str,
    extents: tuple[tuple[int, ...], ...],
    strides: tuple[int, ...],
    element_bytes: int,
    accumulate: bool,
    start: int = 0,
) -> int:
    """Return the conflict cycles of one operand of a matrix instruction.

    Parameters
    ----------
    banks, array
        Of the scratchpad that holds the operand, and the array.
    operand
        ``input``, ``weight`` or ``psum``.
    extents
        Of groups, M, N and K, each of any number of loops.
    strides
        Bytes per step of each loop.
    element_bytes
        Bytes per element.
    accumulate
        Whether the instruction adds to psums that are there.
    start
        Address of the first element.

    Notes
    -----
    The array takes a vector a cycle at each edge (`edge_dimension`), from one step of the other
    dimension to the next; skew is the array's own. An operand is read once for every fold along an
    axis on which it doesn't depend.
    """
    flow = DATAFLOWS[array.dataflow]
    counts = [len(loops) for loops in extents]
    ends = np.cumsum([0, *counts])
    loops = {
        name: tuple(zip(own, strides[ends[i] : ends[i + 1]], strict=True))
        for i, (name, own) in enumerate(zip(_MATMUL_DIMENSIONS, extents, strict=True))
    }
    has = OPERAND_DIMENSIONS[operand]
    edge = edge_dimension(array, operand)
    other = has.replace(edge, "")
    vectors = Vectors(
        across=loops[edge],
        lanes=array.columns if edge == flow.columns else array.rows,
        steps=(*loops["G"], *loops[other]),
        element_bytes=element_bytes,
        start=start,
    )
    passes = 1
    for axis, size in ((flow.rows, array.rows), (flow.columns, array.columns)):
        if axis not in has:
            passes *= -(-prod(extent for extent, _ in loops[axis]) // size)
    if operand == "psum":
        passes = 2 * passes - (not accumulate)
    return passes * conflict_cycles(banks, vectors)


@lru_cache(maxsize=4096)
def vector_conflicts(
    banks: BankSpec,
    *,
    lanes: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    reduced: int,
    element_bytes: int,
    start: int = 0,
) -> int:
    """Return the conflict cycles of one operand of a vector instruction.

    Lanes lie side by side along the dimensions that aren't reduced, the last one fastest, and step
    through those that are. Leading dimensions around whole vectors are steps as well.
    """
    loops = tuple(zip(shape, strides, strict=True))
    kept, steps = loops[: len(loops) - reduced], loops[len(loops) - reduced :]
    split = len(kept)
    while split and prod(extent for extent, _ in kept[split:]) % lanes:
        split -= 1
    vectors = Vectors(
        across=kept[split:] or ((1, 0),),
        lanes=lanes,
        steps=(*kept[:split], *steps),
        element_bytes=element_bytes,
        start=start,
    )
    return conflict_cycles(banks, vectors)


def instruction_conflicts(
    spec: AcceleratorSpec, banks: Mapping[int, BankSpec], instruction: MatMul | Vector
) -> int:
    """Return the conflict cycles of an instruction: those of the scratchpad that has most.

    # Approximation: operands in one scratchpad don't meet in a bank but by their bandwidth, and
    scratchpads' conflicts fall together. DMA engines have ports of their own.

    Parameters
    ----------
    spec
        The machine.
    banks
        Number of a scratchpad's address space to its banks, where they are modelled.
    instruction
        What reads and writes them.
    """
    found = dict.fromkeys(banks, 0)
    operands = (
        _product_operands(spec, instruction)
        if isinstance(instruction, MatMul)
        else _function_operands(spec, instruction)
    )
    for access, conflicts in operands:
        if access.space in banks:
            own = banks[access.space]
            # Only what an address leaves over a word matters: few instructions differ.
            found[access.space] += conflicts(own, start=access.base % own.width_bytes)
    return max(found.values())


Operands = Iterator[tuple[Access, Callable[..., int]]]


def _product_operands(spec: AcceleratorSpec, product: MatMul) -> Operands:
    array = spec.array.with_dataflow(product.dataflow)
    accumulator = DTYPES[product.dtype.accumulator]
    for name, access, dtype in (
        ("input", product.input, product.dtype),
        ("weight", product.weight, product.dtype),
        ("psum", product.psum, accumulator),
    ):
        yield (
            access,
            partial(
                matmul_conflicts,
                array=array,
                operand=name,
                extents=(product.groups, product.m, (product.n,), product.k),
                strides=access.strides,
                element_bytes=dtype.size_bytes,
                accumulate=product.accumulate,
            ),
        )


def _function_operands(spec: AcceleratorSpec, vector: Vector) -> Operands:
    written = (vector.output, vector.output_dtype)
    for access, dtype in (*((read, vector.input_dtype) for read in vector.inputs), written):
        yield (
            access,
            partial(
                vector_conflicts,
                lanes=spec.vector.lanes,
                shape=vector.shape,
                strides=access.strides,
                reduced=vector.folded,
                element_bytes=dtype.size_bytes,
            ),
        )
