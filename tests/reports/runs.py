"""Runs that the tests of reports share, and traces written by hand."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from accel.spec import AcceleratorSpec
from accel.spec_file import load_preset
from accel.trace import COLUMNS, OPCODES, STRUCTURAL_CAUSES, Trace
from foundation.dtype import DTYPES
from rooftile.simulation import Result, simulate
from tests.laws.draft import Draft
from workloads.graph import Graph
from workloads.layers import Linear, Reshape
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
#: Networks of the zoo that are run for their pictures: of each kind one or more, and quick ones.
DRAWN = (
    *("alexnet", "bert_base", "bert_large", "gpt2", "gpt3_175b_decode", "gpt3_175b_prefill"),
    *("mobilenet_v2", "resnet18", "resnet50", "vgg16", "vit_b16"),
    *("ddpg_actor", "dlrm", "lenet", "mlp_mixer_b16"),
)
VIEWS = """
name: views
inputs: {data: [4, 8]}
layers:
  - {name: flat, op: reshape, shape: [32]}
"""

UNITS = ("load", "matrix", "vector", "store", "load:dram", "store:dram")
FS_PER_CYCLE = 10**6  # at 1 GHz, the clock of traces written by hand

#: Unit, start and end in cycles, and what a wait is for; None for work.
Row = tuple[str, int, int, str | None]

_WORK = {"matrix": "matmul", "vector": "vector", "load:dram": "load", "store:dram": "store"}


def run(network: str, spec: AcceleratorSpec) -> Result:
    """Return the run of a network written in YAML."""
    return simulate(parse_network(network, "test.yaml"), spec)


def two_linears() -> Graph:
    """Return two equal linear layers, a reshape between them."""
    draft = Draft(DTYPES["int8"])
    tensor = draft.add_input((4, 8))
    tensor = draft.add(Linear(out_features=8), [tensor])
    tensor = draft.add(Reshape(shape=(4, -1)), [tensor])
    draft.add(Linear(out_features=8), [tensor])
    return draft.graph()


@cache
def small() -> Result:
    return run(SMALL, load_preset("edge_32x32"))


@cache
def zoo_run(network: str, hardware: str) -> Result:
    """Return the run of a network of the zoo on a preset."""
    return simulate(network, hardware)


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
