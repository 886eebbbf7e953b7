"""DESIGN.md's space-time drawings, from the array PE by PE."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from accel.array_events import layout
from accel.pe_array import run
from accel.pe_grid import NONE, Snapshot
from tests.accel.arrays import array_spec, product

ROWS, COLUMNS, INPUTS = 4, 3, 5
#: Products of two folds: K = 2R in WS, M = 2R in OS.
EXTENTS = {"WS": (1, INPUTS, COLUMNS, 2 * ROWS), "OS": (1, 2 * ROWS, COLUMNS, INPUTS)}


def drawing(dataflow: str, registers: int) -> str:
    """Return who works for which fold in which cycle: a digit is the number of the fold."""
    array = array_spec(ROWS, COLUMNS, dataflow, registers)
    placed = layout([product(np.random.default_rng(0), EXTENTS[dataflow])], array)
    snapshots: list[Snapshot] = []
    result = run(
        placed.folds[0],
        output_stationary=dataflow == "OS",
        registers=registers,
        memory_words=placed.words,
        watch=snapshots.append,
    )
    work = np.array([snapshot.fold for snapshot in snapshots])
    results = np.full((len(snapshots), COLUMNS), NONE)
    for cycle, snapshot in enumerate(snapshots):
        results[cycle, snapshot.results.columns] = snapshot.results.folds
    loads = np.where(result.ports.load, np.cumsum(result.ports.accepted) - 1, NONE)
    corners = [(0, 0), (1, 0), (ROWS - 1, 0), (ROWS - 1, COLUMNS - 1)]
    lines = {"cycle": "".join(str(cycle % 10) for cycle in range(len(snapshots)))}
    if dataflow != "OS":
        lines["load on the port"] = _digits(loads)
    lines |= {f"PE ({row}, {column})": _digits(work[:, row, column]) for row, column in corners}
    lines |= {f"result, column {c}": _digits(results[:, c]) for c in (0, COLUMNS - 1)}
    return "\n".join(f"    {name:<18}{cycles}" for name, cycles in lines.items())


def _digits(folds: NDArray[np.int64]) -> str:
    return "".join("·" if fold == NONE else str(fold) for fold in folds)
