"""The PEs and their registers, one cycle at a time: NumPy arrays in place of flip-flops.

The same registers as the Verilog in ``accel/rtl/``, written a second time. No closed form is used:
when an input enters, a result leaves or the next fold is accepted follows from the registers and a
few counters.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from accel.folds import Fold

Grid = NDArray[np.int64]
#: No fold, no beat: what a register holds is of no value.
NONE = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What is on the array's output port in one cycle: one entry for each column with a result.

    Parameters
    ----------
    columns
        Which columns.
    folds
        Number of the fold that the result belongs to.
    words
        Place in the fold's outputs: the number of the input (WS, IS) or of the row (OS).
    psums
        The values.
    """

    columns: Grid
    folds: Grid
    words: Grid
    psums: Grid


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What the PEs have in one cycle: arrays of shape (R, C), and the results on the port.

    Parameters
    ----------
    moving
        The operand that came along the row.
    crossing
        What came down the column: the psum (WS, IS) or the second operand (OS).
    held
        What the PE multiplies with (WS, IS), or the sum that it has built so far (OS).
    second
        The second register: the next operand (WS, IS), or a finished sum on its way out (OS).
    fold
        Number of the fold whose product the PE computes, -1 for none.
    results
        What is on the output port.
    """

    moving: Grid
    crossing: Grid
    held: Grid
    second: Grid
    fold: Grid
    results: Results


class _Skew:
    """A triangle of registers: lane i of a port passes i of them, a token beside the values."""

    def __init__(self, lanes: int) -> None:
        self._values = np.zeros((lanes, lanes), np.int64)
        self._tokens = np.full((2, lanes), NONE)

    def put(self, values: Grid | int, fold: int, number: int) -> None:
        """Set what is on the port in this cycle: a value a lane, and the token of all of them."""
        self._values[0] = values
        self._tokens[:, 0] = fold, number

    @property
    def values(self) -> Grid:
        """What leaves the lanes in this cycle."""
        return self._values.diagonal()

    @property
    def folds(self) -> Grid:
        """The fold that each lane's value belongs to."""
        folds: Grid = self._tokens[0]
        return folds

    @property
    def numbers(self) -> Grid:
        """The beat or input that each lane's value is."""
        numbers: Grid = self._tokens[1]
        return numbers

    def clock(self) -> None:
        """Move everything by one register."""
        self._values[1:] = self._values[:-1].copy()
        self._tokens[:, 1:] = self._tokens[:, :-1].copy()


class PeGrid(ABC):
    """What both kinds of array have: an operand that moves along the rows, and a fold's stream.

    Arrays of shape (R, C) hold what each PE has on its inputs in this cycle.
    """

    def __init__(self, rows: int, columns: int, registers: int) -> None:
        self.rows, self.columns, self.registers = rows, columns, registers
        self._row_port = _Skew(rows)
        self._column_port = _Skew(columns)
        self._moving = np.zeros((rows, columns), np.int64)
        self._fold = np.full((rows, columns), NONE)
        self._number = np.full((rows, columns), NONE)
        self._stream: Fold | None = None
        self._stream_fold = NONE
        self._beat = 0

    @property
    def streamed_fold(self) -> int:
        """Number of the fold of which an input is on the port, -1 for none."""
        return self._stream_fold if self._stream is not None else NONE

    @property
    @abstractmethod
    def is_loading(self) -> bool:
        """Whether a beat of a load is on the port."""

    @property
    def _stream_left(self) -> int:
        """Inputs still to come, the one on the port included."""
        return self._stream.stream - self._beat if self._stream is not None else 0

    @abstractmethod
    def is_ready(self, stream: int, /) -> bool:
        """Return whether a fold of ``stream`` inputs would be accepted in this cycle."""

    @abstractmethod
    def accept(self, number: int, fold: Fold) -> None:
        """Accept a fold: its first beat is on the port in this cycle."""

    @abstractmethod
    def drive(self) -> None:
        """Put on the ports what belongs there, and let the PEs compute."""

    @abstractmethod
    def results(self) -> Results:
        """Return what is on the output port."""

    @abstractmethod
    def snapshot(self, results: Results) -> Snapshot:
        """Return what the PEs have in this cycle."""

    @abstractmethod
    def clock(self) -> None:
        """Go to the next cycle: every register takes what is on its input."""

    def _start(self, number: int, fold: Fold) -> None:
        assert self._stream is None, "two folds on the rows' port"
        self._stream, self._stream_fold, self._beat = fold, number, 0

    def _drive_rows(self) -> None:
        values = self._stream.rows_stream[self._beat] if self._stream is not None else 0
        self._row_port.put(values, self.streamed_fold, self._beat)
        self._moving[:, 0] = self._row_port.values
        self._fold[:, 0] = self._row_port.folds
        self._number[:, 0] = self._row_port.numbers

    def _clock_rows(self) -> None:
        self._row_port.clock()
        self._column_port.clock()
        for register in (self._moving, self._fold, self._number):
            register[:, 1:] = register[:, :-1].copy()
        if self._stream is not None:
            self._beat += 1
            if self._beat == self._stream.stream:
                self._stream = None


class OperandGrid(PeGrid):
    """WS and IS: the PEs hold an operand, psums move down the columns."""

    def __init__(self, rows: int, columns: int, registers: int) -> None:
        super().__init__(rows, columns, registers)
        self._psum, self._product, self._held, self._loaded = np.zeros((4, rows, columns), np.int64)
        self._result = np.zeros(columns, np.int64)
        self._result_fold, self._result_number = np.full((2, columns), NONE)
        self._load: Fold | None = None
        self._load_fold = NONE
        self._load_beat = 0

    @property
    def is_loading(self) -> bool:
        """Whether a beat of a load is on the port."""
        return self._load is not None

    def is_ready(self, _stream: int, /) -> bool:
        """No load is on its port, and this one would not end before the last input has entered.

        One register: the load must not overwrite what the last input still needs.
        """
        ahead = self.rows if self.registers == 2 else 1
        return self._load is None and self._stream_left <= ahead

    def accept(self, number: int, fold: Fold) -> None:
        """Start the load, the bottom row's operand first."""
        self._load, self._load_fold, self._load_beat = fold, number, 0

    def drive(self) -> None:
        """Multiply with the held operand, or with the loaded one as a fold's first input comes."""
        self._drive_rows()
        if self._load is None:
            self._column_port.put(0, NONE, NONE)
        else:
            row = self._load.stationary[self.rows - 1 - self._load_beat]
            self._column_port.put(row, self._load_fold, self._load_beat)
        is_first = (self._fold != NONE) & (self._number == 0)
        takes_over = is_first if self.registers == 2 else True
        self._held = np.where(takes_over, self._loaded, self._held)
        self._product = self._psum + self._moving * self._held

    def results(self) -> Results:
        """Return the bottom row's psums."""
        columns = np.flatnonzero(self._result_fold != NONE)
        return Results(
            columns=columns,
            folds=self._result_fold[columns],
            words=self._result_number[columns],
            psums=self._result[columns],
        )

    def snapshot(self, results: Results) -> Snapshot:
        """Return what the PEs have in this cycle."""
        return Snapshot(
            moving=self._moving.copy(),
            crossing=self._psum.copy(),
            held=self._held.copy(),
            second=self._loaded.copy(),
            fold=self._fold.copy(),
            results=results,
        )

    def clock(self) -> None:
        """Move psums and operands on; a load's beat b moves the rows from b on."""
        beats = np.where(self._column_port.folds == NONE, NONE, self._column_port.numbers)
        above = np.vstack([self._column_port.values, self._loaded[:-1]])
        self._loaded = np.where(beats >= np.arange(self.rows)[:, None], above, self._loaded)
        self._result = self._product[-1]
        self._result_fold, self._result_number = self._fold[-1].copy(), self._number[-1].copy()
        self._psum[1:] = self._product[:-1]
        self._clock_rows()
        if self._load is not None:
            self._load_beat += 1
            if self._load_beat == self.rows:
                self._start(self._load_fold, self._load)
                self._load = None


class OutputGrid(PeGrid):
    """OS: the PEs hold sums, the second operand moves down the columns."""

    def __init__(self, rows: int, columns: int, registers: int) -> None:
        super().__init__(rows, columns, registers)
        self._crossing, self._sum, self._held, self._finished = np.zeros(
            (4, rows, columns), np.int64
        )
        self._drain_port = _Skew(columns)
        self._lengths = np.zeros(0, np.int64)
        self._finishing = np.full(rows, NONE)
        self._drain_fold = self._drain_beat = NONE
        self._drain_left = 0

    @property
    def is_loading(self) -> bool:
        """Sums aren't loaded."""
        return False

    def is_ready(self, stream: int, /) -> bool:
        """The rows' port is idle, and the registers are empty when the first sum finishes.

        One register: they must be empty when the first sum starts.
        """
        ahead = stream if self.registers == 2 else 1
        return self._stream is None and self._drain_left <= ahead

    def accept(self, number: int, fold: Fold) -> None:
        """Start the stream."""
        self._lengths = np.append(self._lengths, fold.stream)
        self._start(number, fold)

    def drive(self) -> None:
        """Add products to the sums; a drain starts when the bottom row's first sum is finished."""
        self._drive_rows()
        values = self._stream.columns_stream[self._beat] if self._stream is not None else 0
        self._column_port.put(values, self.streamed_fold, self._beat)
        self._crossing[0] = self._column_port.values
        before = np.where(self._number == 0, 0, self._held)
        self._sum = before + self._moving * self._crossing
        if self._finishing[-1] != NONE:
            self._drain_fold, self._drain_beat = int(self._finishing[-1]), 0
        self._drain_port.put(0, self._drain_fold, self._drain_beat)

    def results(self) -> Results:
        """Return the bottom row's finished sums."""
        columns = np.flatnonzero(self._drain_port.folds != NONE)
        chain = self._finished if self.registers == 2 else self._held
        return Results(
            columns=columns,
            folds=self._drain_port.folds[columns],
            words=self.rows - 1 - self._drain_port.numbers[columns],
            psums=chain[-1, columns],
        )

    def snapshot(self, results: Results) -> Snapshot:
        """Return what the PEs have in this cycle."""
        return Snapshot(
            moving=self._moving.copy(),
            crossing=self._crossing.copy(),
            held=self._held.copy(),
            second=self._finished.copy(),
            fold=self._fold.copy(),
            results=results,
        )

    def clock(self) -> None:
        """Move operands and finished sums on; a drain's beat b moves the rows behind b."""
        is_valid = self._fold != NONE
        is_last = is_valid & (self._number == self._lengths[self._fold] - 1)
        drains = self._drain_port.folds != NONE
        moves = drains & (self._drain_port.numbers < np.arange(self.rows)[:, None])
        if self.registers == 2:
            self._finished = np.where(is_last, self._sum, _shifted(self._finished, moves))
            self._held = self._sum
        else:
            self._held = np.where(is_valid, self._sum, _shifted(self._held, moves))
        self._crossing[1:] = self._crossing[:-1].copy()
        self._drain_left = max(self._drain_left - 1, 0)
        self._finishing[1:] = self._finishing[:-1].copy()
        self._finishing[0] = self.streamed_fold if self._stream_left == 1 else NONE
        if self._stream_left == 1:
            self._drain_left = self.rows
        if self._drain_fold != NONE:
            self._drain_beat += 1
            if self._drain_beat == self.rows:
                self._drain_fold = self._drain_beat = NONE
        self._drain_port.clock()
        self._clock_rows()


def _shifted(register: Grid, moves: NDArray[np.bool_]) -> Grid:
    """Return the register with the row above's values where they move."""
    above = np.vstack([np.zeros_like(register[:1]), register[:-1]])
    return np.where(moves, above, register)
