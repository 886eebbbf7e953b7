"""Small runs that the tests of reports share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from accel.machine import Machine
from accel.spec import AcceleratorSpec
from accel.spec_file import load_preset
from accel.trace import COLUMNS, OPCODES, Trace
from mapper.plan import Plan, make_plan
from reports.report import Report, make_report
from workloads.loaders.yaml import parse_network

SMALL = """
name: small
inputs: {image: [1, 12, 12, 3]}
layers:
  - {name: conv, op: conv, out: 8, kernel: 3, padding: 1, activation: relu}
  - {name: pool, op: max_pool, kernel: 2, stride: 2}
  - {name: flat, op: reshape, shape: [1, -1]}
  - {name: crop, op: slice, axis: 1, start: 0, stop: 96}
  - {name: fc.0, op: linear, out: 96}
  - {name: fc.1, op: linear, out: 96}
"""
VIEWS = """
name: views
inputs: {data: [4, 8]}
layers:
  - {name: flat, op: reshape, shape: [32]}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    plan: Plan
    traces: tuple[Trace | None, ...]
    report: Report


def run(network: str, spec: AcceleratorSpec) -> Run:
    plan = make_plan(parse_network(network, "test.yaml"), spec)
    traces = tuple(
        Machine(spec).run(plan.program(plan.representative(number))) if work.kernels else None
        for number, work in enumerate(plan.works)
    )
    return Run(plan=plan, traces=traces, report=make_report(plan, traces))


@cache
def small() -> Run:
    return run(SMALL, load_preset("edge_32x32"))


def trace_of(
    rows: list[tuple[str, str, int, int]],
    *,
    units: tuple[str, ...],
    causes: tuple[str, ...],
    end: int,
) -> Trace:
    """Return a trace of (unit, opcode or cause, start, end) rows; a 1 PHz clock: 1 fs a cycle."""
    table = np.full((len(rows), len(COLUMNS)), -1, dtype=np.int64)
    for row, (unit, what, start, stop) in zip(table, rows, strict=True):
        opcode = OPCODES.index(what if what in OPCODES else "wait")
        cause = causes.index(what) if what in causes else -1
        row[:4] = units.index(unit), opcode, start, stop
        row[COLUMNS.index("cause")] = cause
    return Trace(
        units=units,
        causes=causes,
        end_fs=end,
        columns=dict(zip(COLUMNS, table.T.copy(), strict=True)),
        events=0,
    )
