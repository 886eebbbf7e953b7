"""Which bytes of which tensor each transfer of a script moves."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from accel.dma import Runs, contiguous_runs, gathered_runs
from accel.script import CODES, Script
from isa.instruction import Access, Operand, Queue
from mapper.boxes import OperandTiles, Span
from mapper.kernel import Kernel, OperandMap, row_major_strides
from mapper.mapping import tile_at
from mapper.strips import Strips
from mapper.tiling import Tiling

#: Role of a tensor to its address.
Addresses = Dictionary[str, int]


class Parts(Protocol):
    """Numbered parts of tensors."""

    def runs(self, number: int, addresses: Addresses) -> Runs:
        """Return the bytes of a part."""


class _Boxes:
    """Parts that are boxes."""

    def __init__(self, kernel: Kernel, operand: OperandMap) -> None:
        self._kernel = kernel
        self._operand = operand

    @cached_property
    def _tiles(self) -> OperandTiles:
        """Only asked for where transfers are driven byte by byte."""
        return OperandTiles(self._kernel, self._operand)

    def _runs(self, span: Span, addresses: Addresses) -> Runs:
        tiles = self._tiles
        box = tiles.box(span)
        access = Access(
            space=0,
            base=addresses[self._operand.role] + tiles.offset_bytes(box),
            strides=tiles.memory_strides,
        )
        return contiguous_runs(access, box.inside, tiles.operand.dtype.size_bytes)


class StripParts(_Boxes):
    """The strips of an operand."""

    def __init__(self, kernel: Kernel, operand: OperandMap, strips: Strips) -> None:
        super().__init__(kernel, operand)
        self._strips = strips

    def runs(self, number: int, addresses: Addresses) -> Runs:
        """Return the bytes of a strip."""
        return self._runs(Span(*self._strips.box(number)), addresses)


class TileParts(_Boxes):
    """An operand's parts of some tiles."""

    def __init__(
        self, kernel: Kernel, operand: OperandMap, tiling: Tiling, numbers: array[int]
    ) -> None:
        super().__init__(kernel, operand)
        self._tiling = tiling
        self._numbers = numbers

    def runs(self, number: int, addresses: Addresses) -> Runs:
        """Return the bytes of a tile."""
        tile = tile_at(self._tiling, self._numbers[number])
        return self._runs(self._tiles.span(tile), addresses)


class RowParts:
    """Rows of a table, as many as each tile names."""

    def __init__(self, table: OperandMap, rows: Sequence[int]) -> None:
        self._role = table.role
        self._table = table
        self._rows = rows

    def runs(self, number: int, addresses: Addresses) -> Runs:
        """Return the bytes that a tile gathers."""
        entries, features = (axis.size for axis in self._table.axes)
        element_bytes = self._table.dtype.size_bytes
        strides = row_major_strides((entries, features), element_bytes)
        table = Access(space=0, base=addresses[self._role], strides=strides)
        return gathered_runs(table, self._rows[number], entries, features * element_bytes)


class ChainedParts:
    """Parts of several operands, one after the other: those of a concatenation."""

    def __init__(self, parts: Sequence[tuple[Parts, int]]) -> None:
        self._places = [(own, number) for own, count in parts for number in range(count)]

    def runs(self, number: int, addresses: Addresses) -> Runs:
        """Return the bytes of a part."""
        own, place = self._places[number]
        return own.runs(place, addresses)


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """What a script's instructions do in all.

    Parameters
    ----------
    macs, folds, mapped_pes
        Multiply-accumulates, array folds, and PEs that hold a useful operand, summed over folds.
    operations, vector_cycles
        Of the vector unit: operations, and the cycles in which it works.
    """

    macs: int = 0
    folds: int = 0
    mapped_pes: int = 0
    operations: int = 0
    vector_cycles: int = 0

    def plus(self, other: Amount, times: int = 1) -> Amount:
        """Return the sum of this and of another that is done several times."""
        return Amount(
            macs=self.macs + times * other.macs,
            folds=self.folds + times * other.folds,
            mapped_pes=self.mapped_pes + times * other.mapped_pes,
            operations=self.operations + times * other.operations,
            vector_cycles=self.vector_cycles + times * other.vector_cycles,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Woven:
    """A script, and what its transfers move.

    Parameters
    ----------
    script
        The script.
    loads
        Of each load the number of its part, with the number of the operand as its code.
    loaded, stored
        Parts of the operands that are loaded, and of the one that is stored.
    operands
        What the loaded operands count as.
    sum_up
        Says what instructions do in all: not everybody asks.
    """

    script: Script
    loads: array[int]
    loaded: tuple[Parts, ...]
    stored: Parts
    operands: tuple[Operand, ...]
    sum_up: Callable[[], Amount] = Amount

    @property
    def amount(self) -> Amount:
        """What instructions do in all."""
        return self.sum_up()

    @property
    def bytes_by_operand(self) -> dict[Operand, int]:
        """Bytes that loads and stores move."""
        loads = np.frombuffer(self.loads, dtype=np.int64) % CODES
        sizes = np.frombuffer(self.script.queues[Queue.LOAD].sizes, dtype=np.int64)
        found: dict[Operand, int] = {}
        for number, operand in enumerate(self.operands):
            found[operand] = found.get(operand, 0) + int(sizes[loads == number].sum())
        found[Operand.OUTPUT] = sum(self.script.queues[Queue.STORE].sizes)
        return found

    def operand_of(self, queue: Queue, number: int) -> Operand:
        """Return what a queue's transfer moves."""
        return Operand.OUTPUT if queue is Queue.STORE else self.operands[self.loads[number] % CODES]

    def runs(self, queue: Queue, number: int, addresses: Addresses) -> Runs:
        """Return the bytes of a queue's transfer."""
        if queue is Queue.STORE:
            return self.stored.runs(number, addresses)
        part, operand = divmod(self.loads[number], CODES)
        return self.loaded[operand].runs(part, addresses)
