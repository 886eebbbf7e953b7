"""DMA transfers: which bytes of a main memory an instruction moves, and in which order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from foundation.dtype import DTYPES
from foundation.randomness import random_places
from isa.instruction import Access, Gather, Load, Store, transfer_bytes

Numbers = NDArray[np.int64]
#: Bytes with the number of the address space that they are in.
Moved = list[tuple[int, int]]


class Runs(NamedTuple):
    """Contiguous bytes of a main memory: all of one length, in the order in which they go."""

    starts: Numbers
    size_bytes: int


class Request(Protocol):
    """What a main memory needs to know of a transfer."""

    @property
    def engine(self) -> int:
        """Number of the DMA engine that asks."""

    @property
    def is_write(self) -> bool:
        """Whether it writes to the main memory."""

    @property
    def size_bytes(self) -> int:
        """Bytes moved."""

    def runs(self) -> Runs:
        """Return the bytes that it moves."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """One DMA instruction as a main memory sees it.

    Parameters
    ----------
    engine
        Number of the DMA engine that asks.
    instruction
        What it executes.
    """

    engine: int
    instruction: Load | Gather | Store

    @property
    def is_write(self) -> bool:
        """Whether it writes to the main memory."""
        return isinstance(self.instruction, Store)

    @property
    def size_bytes(self) -> int:
        """Bytes moved."""
        return self.instruction.size_bytes

    def runs(self) -> Runs:
        """Return the bytes that it moves."""
        what = self.instruction
        if isinstance(what, Gather):
            row_bytes = what.row_elements * what.element_bytes
            return gathered_runs(what.table, what.rows, what.table_rows, row_bytes)
        access = what.destination if isinstance(what, Store) else what.source
        return contiguous_runs(access, what.shape, what.element_bytes)


def scratchpad_bytes(instruction: Load | Gather | Store) -> tuple[Moved, Moved]:
    """Return what a transfer reads from scratchpads, and what it writes to them.

    A load writes its border too; a gather reads its indices.
    """
    match instruction:
        case Load(before=before, shape=shape, after=after):
            filled = _box_elements(before, shape, after) * instruction.element_bytes
            return [], [(instruction.destination.space, filled)]
        case Gather():
            indices = instruction.rows * DTYPES["int32"].size_bytes
            read = [(instruction.indices.space, indices)]
            return read, [(instruction.destination.space, instruction.size_bytes)]
        case Store():
            return [(instruction.source.space, instruction.size_bytes)], []


@lru_cache(maxsize=1024)
def _box_elements(before: tuple[int, ...], shape: tuple[int, ...], after: tuple[int, ...]) -> int:
    """Return the elements of a box with its border; a program has few different ones."""
    return prod(map(sum, zip(before, shape, after, strict=True)))


def gathered_runs(table: Access, rows: int, table_rows: int, row_bytes: int) -> Runs:
    """Return the rows of a table that a gather reads.

    # Approximation: which ones is in the data, which timing doesn't know: they are taken as random,
    # the same in each run.
    """
    numbers = random_places(np.arange(rows), table_rows)
    return Runs(table.base + numbers * table.strides[0], row_bytes)


def contiguous_runs(access: Access, shape: tuple[int, ...], element_bytes: int) -> Runs:
    """Return the runs of a strided box, in the order of their addresses where strides nest.

    An engine goes through the dimensions from the largest stride to the smallest, whatever their
    order in the instruction: in the scratchpad any order is as good. A dimension of stride 0
    repeats what is moved once.

    # Approximation: a box that holds nothing but padding asks for its first element.
    """
    if 0 in shape:
        return Runs(np.array([access.base], dtype=np.int64), element_bytes)
    moved = sorted(
        (stride, extent)
        for stride, extent in zip(access.strides, shape, strict=True)
        if stride and extent > 1
    )
    size_bytes = element_bytes
    while moved and moved[0][0] == size_bytes:
        size_bytes *= moved.pop(0)[1]
    starts = np.array([access.base], dtype=np.int64)
    for stride, extent in reversed(moved):
        starts = np.add.outer(starts, np.arange(extent, dtype=np.int64) * stride).ravel()
    assert len(starts) * size_bytes == transfer_bytes(shape, access, element_bytes)
    return Runs(starts, size_bytes)


def transactions(runs: Runs, transaction_bytes: int) -> Numbers:
    """Return the numbers of the transactions that move some runs, in order.

    A transaction is aligned; one that holds the end of a run and the start of the next is needed
    once.
    """
    first = runs.starts // transaction_bytes
    last = (runs.starts + runs.size_bytes - 1) // transaction_bytes
    counts = last - first + 1
    if len(first) > 1:
        is_shared = first[1:] == last[:-1]
        first[1:] += is_shared
        counts[1:] -= is_shared
    ends = np.cumsum(counts)
    numbers: Numbers = np.repeat(first - (ends - counts), counts) + np.arange(ends[-1])
    return numbers
