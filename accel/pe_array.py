"""The array run PE by PE: the slow oracle for people without a Verilog simulator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from accel.folds import Fold, Words
from accel.pe_grid import NONE, OperandGrid, OutputGrid, PeGrid, Results, Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldEvents:
    """The cycles of one fold's events, from 0 for the whole run."""

    accepted: int
    first_input: int
    last_input: int
    first_output: int
    last_output: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What came out.

    Parameters
    ----------
    events
        Of each fold.
    free
        Cycle from which the array would accept another fold as long as the last one.
    memory
        The accumulators: int32 array, shape (words, C).
    """

    events: list[FoldEvents]
    free: int
    memory: Words


def run(
    folds: Sequence[Fold],
    *,
    output_stationary: bool,
    registers: int,
    memory_words: int,
    watch: Callable[[Snapshot], None] | None = None,
) -> Run:
    """Run folds back to back, each accepted in the first cycle in which the array is ready.

    Parameters
    ----------
    folds
        In order; all for one size of array.
    output_stationary
        Whether sums stay in the PEs (OS), or an operand does (WS, IS).
    registers
        Registers of the stationary operand in a PE, 1 or 2.
    memory_words
        Words in the accumulators, each of C psums.
    watch
        Called with a snapshot in every cycle.
    """
    rows, columns = folds[0].stationary.shape
    kind: type[PeGrid] = OutputGrid if output_stationary else OperandGrid
    grid = kind(rows, columns, registers)
    log = _Log(folds, results_per_word=columns, output_rows=rows if output_stationary else 0)
    memory = np.zeros((memory_words, columns), np.int32)
    addresses = np.array([fold.address for fold in folds])
    overwrites = np.array([fold.overwrite for fold in folds])
    offered, free, cycle = 0, NONE, 0
    while free == NONE or log.is_waiting:
        if grid.is_ready(folds[min(offered, len(folds) - 1)].stream):
            if offered < len(folds):
                log.accepted[offered] = cycle
                grid.accept(offered, folds[offered])
                offered += 1
            elif free == NONE:
                free = cycle
        grid.drive()
        log.note_input(cycle, grid.streamed_fold)
        results = grid.results()
        log.note_results(cycle, results)
        place = (addresses[results.folds] + results.words, results.columns)
        memory[place] = results.psums + np.where(overwrites[results.folds], 0, memory[place])
        if watch:
            watch(grid.snapshot(results))
        grid.clock()
        cycle += 1
    return Run(events=log.events(), free=free, memory=memory)


class _Log:
    """When each fold's events happened."""

    def __init__(self, folds: Sequence[Fold], *, results_per_word: int, output_rows: int) -> None:
        self.accepted = [NONE] * len(folds)
        self._inputs = [(NONE, NONE)] * len(folds)
        self._first_output = np.full(len(folds), NONE)
        self._last_output = np.full(len(folds), NONE)
        self._missing = sum(results_per_word * (output_rows or fold.stream) for fold in folds)

    @property
    def is_waiting(self) -> bool:
        """Whether results are still to come."""
        return self._missing > 0

    def note_input(self, cycle: int, fold: int) -> None:
        """Note that an input of a fold is on the port, if it is one."""
        if fold != NONE:
            first, _ = self._inputs[fold]
            self._inputs[fold] = (cycle if first == NONE else first, cycle)

    def note_results(self, cycle: int, results: Results) -> None:
        """Note the results on the port."""
        new = results.folds[self._first_output[results.folds] == NONE]
        self._first_output[new] = cycle
        self._last_output[results.folds] = cycle
        self._missing -= len(results.folds)

    def events(self) -> list[FoldEvents]:
        """Return the events of all folds."""
        return [
            FoldEvents(
                accepted=accepted,
                first_input=inputs[0],
                last_input=inputs[1],
                first_output=int(first),
                last_output=int(last),
            )
            for accepted, inputs, first, last in zip(
                self.accepted, self._inputs, self._first_output, self._last_output, strict=True
            )
        ]
