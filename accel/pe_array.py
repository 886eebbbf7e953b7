"""The array run PE by PE: the slow oracle for people without a Verilog simulator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from accel.folds import Fold, Words
from accel.pe_grid import NONE, Grid, OperandGrid, OutputGrid, PeGrid, Results, Snapshot
from accel.ports import Ports


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
    ports
        Cycle by cycle.
    """

    events: list[FoldEvents]
    free: int
    memory: Words
    ports: Ports


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
    log = _Log(folds, columns=columns, output_rows=rows if output_stationary else 0)
    memory = np.zeros((memory_words, columns), np.int32)
    addresses = np.array([fold.address for fold in folds])
    overwrites = np.array([fold.overwrite for fold in folds])
    offered, free, cycle = 0, NONE, 0
    while free == NONE or log.is_waiting:
        is_ready = grid.is_ready(folds[min(offered, len(folds) - 1)].stream)
        accepts = is_ready and offered < len(folds)
        if accepts:
            grid.accept(offered, folds[offered])
            offered += 1
        elif is_ready and free == NONE:
            free = cycle
        grid.drive()
        results = grid.results()
        log.note(grid, is_ready, offered - 1 if accepts else NONE, results)
        place = (addresses[results.folds] + results.words, results.columns)
        memory[place] = results.psums + np.where(overwrites[results.folds], 0, memory[place])
        if watch:
            watch(grid.snapshot(results))
        grid.clock()
        cycle += 1
    return Run(events=log.events(), free=free, memory=memory, ports=log.ports())


class _Log:
    """What happens on the ports."""

    def __init__(self, folds: Sequence[Fold], *, columns: int, output_rows: int) -> None:
        self._folds = len(folds)
        self._flags: list[tuple[bool, bool, bool]] = []
        self._accepted: list[int] = []
        self._streamed: list[int] = []
        self._result_folds: list[Grid] = []
        self._results: list[Grid] = []
        self._missing = sum(columns * (output_rows or fold.stream) for fold in folds)
        self._columns = columns

    @property
    def is_waiting(self) -> bool:
        """Whether results are still to come."""
        return self._missing > 0

    def note(self, grid: PeGrid, is_ready: bool, accepted: int, results: Results) -> None:
        """Note one cycle; ``accepted`` is the number of the fold that is accepted, or -1."""
        self._flags.append((is_ready, accepted != NONE, grid.is_loading))
        self._accepted.append(accepted)
        self._streamed.append(grid.streamed_fold)
        folds, psums = np.full(self._columns, NONE), np.zeros(self._columns, np.int64)
        folds[results.columns], psums[results.columns] = results.folds, results.psums
        self._result_folds.append(folds)
        self._results.append(psums)
        self._missing -= len(results.folds)

    def ports(self) -> Ports:
        """Return what was on the ports."""
        flags = np.array(self._flags)
        return Ports(
            ready=flags[:, 0],
            accepted=flags[:, 1],
            load=flags[:, 2],
            stream=np.array(self._streamed) != NONE,
            valid=np.array(self._result_folds) != NONE,
            results=np.array(self._results),
        )

    def events(self) -> list[FoldEvents]:
        """Return the events of all folds."""
        accepted, _ = self._first_and_last(np.array(self._accepted)[:, None])
        inputs = self._first_and_last(np.array(self._streamed)[:, None])
        outputs = self._first_and_last(np.array(self._result_folds))
        return [
            FoldEvents(
                accepted=accepted[fold],
                first_input=inputs[0][fold],
                last_input=inputs[1][fold],
                first_output=outputs[0][fold],
                last_output=outputs[1][fold],
            )
            for fold in range(self._folds)
        ]

    def _first_and_last(self, numbers: Grid) -> tuple[list[int], list[int]]:
        """Return the first and the last cycle with each fold's number, shape (cycles, lanes)."""
        cycles, lanes = np.nonzero(numbers != NONE)
        folds = numbers[cycles, lanes]
        first, last = np.zeros((2, self._folds), np.int64)
        first[folds[::-1]] = cycles[::-1]
        last[folds] = cycles
        return first.tolist(), last.tolist()
