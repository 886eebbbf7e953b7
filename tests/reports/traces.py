"""Traces of whole plans, and traces written by hand."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from accel.trace import COLUMNS, OPCODES, STRUCTURAL_CAUSES, Trace
from mapper.plan import Plan
from rooftile.simulate import simulate

UNITS = ("load", "matrix", "vector", "store", "load:dram", "store:dram")
FS_PER_CYCLE = 10**6  # at 1 GHz, the clock of traces written by hand

#: Unit, start and end in cycles, and what a wait is for; None for work.
Row = tuple[str, int, int, str | None]

_WORK = {"matrix": "matmul", "vector": "vector", "load:dram": "load", "store:dram": "store"}


def traces_of(plan: Plan) -> tuple[Trace | None, ...]:
    """Return the trace of every work, None for a reshape."""
    return simulate(plan.graph, plan.spec).traces


@cache
def zoo_run(network: str, hardware: str) -> tuple[Plan, tuple[Trace | None, ...]]:
    """Return plan and traces of a network of the zoo on a preset."""
    result = simulate(network, hardware)
    return result.plan, result.traces


def trace_by_hand(rows: Sequence[Row], *, end_cycle: int) -> Trace:
    """Return the trace of these rows, tagged by their number, at 1 GHz."""
    semaphores = {cause for *_, cause in rows if cause} - set(STRUCTURAL_CAUSES)
    causes = (*sorted(semaphores), *STRUCTURAL_CAUSES)
    columns = {name: np.zeros(len(rows), dtype=np.int64) for name in COLUMNS}
    columns["operand"] -= 1
    for number, (unit, start, end, cause) in enumerate(rows):
        columns["unit"][number] = UNITS.index(unit)
        columns["opcode"][number] = OPCODES.index("wait" if cause else _WORK[unit])
        columns["start_fs"][number] = start * FS_PER_CYCLE
        columns["end_fs"][number] = end * FS_PER_CYCLE
        columns["tag"][number] = -1 if cause else number
        columns["cause"][number] = causes.index(cause) if cause else -1
    return Trace(
        units=UNITS, causes=causes, end_fs=end_cycle * FS_PER_CYCLE, columns=columns, events=0
    )
