"""A matrix instruction as folds: which operand is where on the array, value by value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from accel.systolic import Dataflow

Operand = NDArray[np.int8]
Words = NDArray[np.int32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """One matrix instruction with its operands.

    Parameters
    ----------
    input
        int8 array, shape (G, M, K).
    weight
        int8 array, shape (G, K, N).
    accumulate
        Whether the product adds to the psums that are there, or overwrites them.
    slot
        Which output it works on: products of one slot have one shape of output and meet in one
        part of the accumulators.
    """

    input: Operand
    weight: Operand
    accumulate: bool = False
    slot: int = 0

    @property
    def extents(self) -> tuple[int, int, int, int]:
        """G, M, N and K."""
        groups, m, k = self.input.shape
        return groups, m, self.weight.shape[2], k

    def value(self) -> Words:
        """Return the product by NumPy: int32 array, shape (G, M, N)."""
        product: Words = self.input.astype(np.int32) @ self.weight.astype(np.int32)
        return product


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """What fills the array once; unmapped rows and columns hold zeros.

    Parameters
    ----------
    stationary
        int8 array, shape (R, C): the operand that is loaded; all zeros in OS, which loads none.
    rows_stream
        int8 array, shape (T, R): what enters the rows.
    columns_stream
        int8 array, shape (T, C): what enters the columns; all zeros in WS and IS.
    address
        Accumulator word of its first output. A word is a row of C psums.
    overwrite
        Whether its outputs overwrite the words or are added.
    """

    stationary: Operand
    rows_stream: Operand
    columns_stream: Operand
    address: int
    overwrite: bool

    @property
    def stream(self) -> int:
        """T, the inputs streamed through."""
        return len(self.rows_stream)


def words(product: Product, flow: Dataflow, rows: int, columns: int) -> int:
    """Return the accumulator words that the product's output takes."""
    groups, m, n, _ = product.extents
    if flow.output_stationary:
        return groups * -(-m // rows) * -(-n // columns) * rows
    across, along = (n, m) if flow.columns == "N" else (m, n)
    return groups * -(-across // columns) * along


def folds(
    product: Product, flow: Dataflow, rows: int, columns: int, address: int
) -> Iterator[Fold]:
    """Yield the folds of a product in the order in which the array takes them.

    The output starts at accumulator word ``address``.
    """
    for left, right in zip(product.input, product.weight, strict=True):
        if flow.output_stationary:
            parts = _output_folds(left, right, rows, columns)
        elif flow.columns == "N":
            parts = _operand_folds(left, right, rows, columns)
        else:
            parts = _operand_folds(right.T, left.T, rows, columns)
        for stationary, rows_stream, columns_stream, word, is_first in parts:
            yield Fold(
                stationary=stationary,
                rows_stream=rows_stream,
                columns_stream=columns_stream,
                address=address + word,
                overwrite=is_first and not product.accumulate,
            )
        address += words(product, flow, rows, columns) // len(product.input)


Part = tuple[Operand, Operand, Operand, int, bool]


def _operand_folds(moving: Operand, held: Operand, rows: int, columns: int) -> Iterator[Part]:
    """Yield the folds of ``moving`` (T, K) times ``held`` (K, across), which the PEs hold."""
    stream, depth = moving.shape
    for fold, column in enumerate(range(0, held.shape[1], columns)):
        for row in range(0, depth, rows):
            yield (
                _padded(held[row : row + rows, column : column + columns], rows, columns),
                _padded(moving[:, row : row + rows], stream, rows),
                np.zeros((stream, columns), np.int8),
                fold * stream,
                row == 0,
            )


def _output_folds(left: Operand, right: Operand, rows: int, columns: int) -> Iterator[Part]:
    """Yield the folds of ``left`` (M, K) times ``right`` (K, N) whose sums the PEs hold."""
    stream, word = len(right), 0
    for row in range(0, len(left), rows):
        for column in range(0, right.shape[1], columns):
            yield (
                np.zeros((rows, columns), np.int8),
                _padded(left[row : row + rows].T, stream, rows),
                _padded(right[:, column : column + columns], stream, columns),
                word,
                True,
            )
            word += rows


def _padded(block: Operand, rows: int, columns: int) -> Operand:
    result = np.zeros((rows, columns), np.int8)
    result[: block.shape[0], : block.shape[1]] = block
    return result


def output(
    memory: Words, product: Product, flow: Dataflow, rows: int, columns: int, address: int
) -> Words:
    """Return a product's output from the accumulators' words: int32 array, shape (G, M, N)."""
    groups, m, n, _ = product.extents
    block = memory[address : address + words(product, flow, rows, columns)]
    if flow.output_stationary:
        tiles = block.reshape(groups, -(-m // rows), -(-n // columns), rows, columns)
        whole = tiles.transpose(0, 1, 3, 2, 4).reshape(groups, -(-m // rows) * rows, -1)
        return whole[:, :m, :n]
    across, along = (n, m) if flow.columns == "N" else (m, n)
    tiles = block.reshape(groups, -1, along, columns).transpose(0, 2, 1, 3)
    whole = tiles.reshape(groups, along, -1)[:, :, :across]
    return whole if flow.columns == "N" else whole.transpose(0, 2, 1)
