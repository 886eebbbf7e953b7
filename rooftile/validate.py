"""The simulator's claims, each as a comparison that anyone can run."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isclose
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accel.machine import Machine
from accel.spec import AcceleratorSpec
from accel.spec_file import parse_spec
from accel.systolic import DATAFLOWS
from accel.trace import Trace
from accel.units import Clock
from foundation.dtype import Dtype
from foundation.errors import RooftileError
from isa.semantics import run_program
from mapper.plan import Plan, make_plan
from workloads.evaluate import evaluate, random_tensors
from workloads.graph import Graph
from workloads.loaders.yaml import parse_network

Array = NDArray[Any]

#: Largest difference between a program's floating-point result and NumPy's, relative to the
#: largest value: both accumulate in fp32, but in another order, and round once to the dtype.
FLOAT_TOLERANCE = {"fp32": 1e-4, "fp16": 4e-3, "bf16": 3e-2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """The outcome of a comparison: text to print, and whether all of it agrees."""

    text: str
    passed: bool


#: Columns of a SCALE-Sim reference file that are compared.
COMPARED = (
    "array_cycles",
    "mapping_efficiency_pct",
    "sram_input_reads",
    "sram_weight_reads",
    "sram_output_writes",
)

#: The efficiency is a quotient that two programs may round differently; counts must be equal.
ROUNDING = {"mapping_efficiency_pct": 1e-12}

_SHAPE = ("ifmap_h", "ifmap_w", "filter_h", "filter_w", "channels", "num_filters", "stride")
_REQUIRED = ("kind", "M", "N", "K", "array_rows", "array_cols", "dataflow", *COMPARED)


def validate_scalesim(reference: Path) -> Validation:
    """Run every row of a SCALE-Sim reference file through the whole pipeline and compare.

    Each row becomes a network YAML and a hardware YAML with timing model ``scalesim`` and memory
    without limits; what is compared comes from the trace.

    Raises
    ------
    RooftileError
        When the file isn't such a reference: which line and column.
    """
    lines = []
    exact = 0
    rows = _read_rows(reference)
    for number, row in rows:
        where = f"{reference}:{number}"
        expected = {column: _number(row, column, where) for column in COMPARED}
        measured = _measure(row, where)
        wrong = [
            f"{column} {measured[column]} instead of {row[column]}"
            for column in COMPARED
            if not isclose(measured[column], expected[column], rel_tol=ROUNDING.get(column, 0.0))
        ]
        exact += not wrong
        point = f"{row['array_rows']}x{row['array_cols']} {row['dataflow'].upper()}"
        name = f"{row.get('network', '')} {row.get('layer', '')}".strip()
        verdict = "differs: " + "; ".join(wrong) if wrong else f"{measured['array_cycles']} cycles"
        lines.append(f"{number:>5}  {name:<28} {point:<12} {verdict}")
    lines.append(f"{len(rows)} rows, {exact} exact")
    return Validation(text="\n".join(lines), passed=exact == len(rows))


def _read_rows(reference: Path) -> list[tuple[int, dict[str, str]]]:
    """Return line number and columns of every row."""
    try:
        text = reference.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise RooftileError(f"reference '{reference}': isn't UTF-8 text") from None
    except OSError as error:
        reason = str(error.strerror).lower()
        raise RooftileError(f"reference '{reference}': can't be read ({reason})") from None
    reader = csv.DictReader(text.splitlines())
    missing = [column for column in _REQUIRED if column not in (reader.fieldnames or ())]
    if missing:
        raise RooftileError(f"{reference}:1: columns missing: {', '.join(missing)}")
    rows = []
    for row in reader:
        if None in row or None in row.values():
            raise RooftileError(
                f"{reference}:{reader.line_num}: must have {len(reader.fieldnames or ())} columns,"
                " as many as the header"
            )
        rows.append((reader.line_num, row))
    if not rows:
        raise RooftileError(f"reference '{reference}': no rows after the header")
    return rows


def _measure(row: Mapping[str, str], where: str) -> dict[str, float]:
    """Return what the machine does for one row, under the reference's column names."""
    plan = make_plan(
        parse_network(_network_yaml(row, where), f"{where} as network"),
        parse_spec(_hardware_yaml(row, where), f"{where} as hardware"),
    )
    trace = Machine(plan.spec).run(plan.program(plan.layers[0]))
    return scalesim_columns(trace, plan.spec)


def scalesim_columns(trace: Trace, spec: AcceleratorSpec) -> dict[str, float]:
    """Return a trace's matrix work in SCALE-Sim's columns, with its own way of counting.

    It counts no reads of psums, and for OS adds R + C padding words to the output writes of every
    fold.
    """
    work = trace.rows(opcode="matmul")
    clock = Clock(hz=spec.clock_hz)
    folds = int(work["folds"].sum())
    padding = folds * (spec.array.rows + spec.array.columns) if spec.array.dataflow == "OS" else 0
    start, end = (
        sum(clock.cycle_at_or_after(int(edge)) for edge in work[column])
        for column in ("start_fs", "end_fs")
    )
    return {
        "array_cycles": end - start,
        "mapping_efficiency_pct": 100 * int(work["mapped_pes"].sum()) / (spec.array.pes * folds),
        "sram_input_reads": int(work["input_reads"].sum()),
        "sram_weight_reads": int(work["weight_reads"].sum()),
        "sram_output_writes": int(work["psum_writes"].sum()) + padding,
    }


def _integers(row: Mapping[str, str], columns: Sequence[str], where: str) -> list[int]:
    """Return sizes: whole numbers of at least 1."""
    for column in columns:
        if not row.get(column, "").isdecimal() or int(row[column]) < 1:
            raise RooftileError(
                f"{where}: column '{column}' must be a whole number of at least 1 but is"
                f" '{row.get(column, '')}'"
            )
    return [int(row[column]) for column in columns]


def _number(row: Mapping[str, str], column: str, where: str) -> float:
    try:
        return float(row[column])
    except ValueError:
        raise RooftileError(
            f"{where}: column '{column}' must be a number but is '{row[column]}'"
        ) from None


def _network_yaml(row: Mapping[str, str], where: str) -> str:
    """Return the row's layer as a network of one layer."""
    if row["kind"] == "gemm":
        m, n, k = _integers(row, ("M", "N", "K"), where)
        layer = f"{{name: layer, op: linear, out: {n}, bias: false}}"
        shape = [m, k]
    elif row["kind"] == "conv":
        height, width, fy, fx, channels, filters, stride = _integers(row, _SHAPE, where)
        # SCALE-Sim rounds the number of positions up; the missing elements are padding here.
        pads = [-(height - fy) % stride, -(width - fx) % stride]
        layer = (
            f"{{name: layer, op: conv, out: {filters}, kernel: [{fy}, {fx}], stride: {stride},"
            f" padding: [[0, {pads[0]}], [0, {pads[1]}]]}}"
        )
        shape = [1, height, width, channels]
    else:
        raise RooftileError(f"{where}: kind '{row['kind']}' must be conv or gemm")
    return f"name: reference\ninputs: {{data: {shape}}}\nlayers:\n  - {layer}\n"


def _hardware_yaml(row: Mapping[str, str], where: str) -> str:
    """Return a machine with the row's array and nothing else that takes time."""
    rows, columns = _integers(row, ("array_rows", "array_cols"), where)
    flow = row["dataflow"].upper()
    if flow not in DATAFLOWS:
        raise RooftileError(f"{where}: dataflow '{row['dataflow']}' must be os, ws or is")
    return f"""\
name: scalesim
clock: 1GHz
array: {{rows: {rows}, columns: {columns}, dataflow: {flow}, timing: scalesim, dtypes: [int8]}}
scratchpads:
  all: {{capacity: 1PiB, holds: [input, weight, psum, output], bandwidth: unlimited}}
vector: {{lanes: 1048576, startup: 0 cycles, cycles_per_element: {{requantize: 1.0e-6}}}}
dma: {{outstanding: 64}}
memories:
  dram: {{capacity: 1PiB, bandwidth: unlimited, latency: 0ns, holds: [parameters, activations]}}
"""


def validate_program(graph: Graph, spec: AcceleratorSpec, *, seed: int) -> Validation:
    """Execute every layer's program on random data and compare with NumPy.

    Integers must be equal in every bit, floating point within ``FLOAT_TOLERANCE``.

    Raises
    ------
    SimulationError
        When a program reads what was never written, races, deadlocks or leaves a memory.
    """
    plan = make_plan(graph, spec)
    tensors = random_tensors(graph, seed=seed)
    expected = evaluate(graph, tensors)
    memories = filled_memories(plan, tensors)
    lines, agreeing = [], 0
    for planned in plan.layers:
        for program in plan.programs(planned):
            run_program(program, memories)
        name = planned.layer.name
        error = difference(tensor_view(memories, plan, name), expected[name])
        limit = tolerance(graph.tensors[name].dtype)
        agreeing += error <= limit
        verdict = "equal" if error == 0 else f"differs by {error:.2g}, {limit:g} is allowed"
        lines.append(f"{name:<32} {verdict}")
    lines.append(f"{len(plan.layers)} layers, {agreeing} agree with NumPy")
    return Validation(text="\n".join(lines), passed=agreeing == len(plan.layers))


def tolerance(dtype: Dtype) -> float:
    """Return the difference that two right results of a dtype may have."""
    return 0.0 if dtype.is_integer else FLOAT_TOLERANCE[dtype.name]


def filled_memories(plan: Plan, tensors: Mapping[str, Array]) -> dict[str, Array]:
    """Return main memories by name, as bytes, with these tensors in their places."""
    memories = {name: np.zeros(size, dtype=np.uint8) for name, size in plan.memory_bytes.items()}
    for name, values in tensors.items():
        tensor_view(memories, plan, name)[...] = values
    return memories


def difference(actual: Array, expected: Array) -> float:
    """Return the largest difference, relative to the largest expected value if that is over 1."""
    wide, reference = actual.astype(np.float64), expected.astype(np.float64)
    scale = max(1.0, float(np.abs(reference).max(initial=0.0)))
    return float(np.abs(wide - reference).max(initial=0.0)) / scale


def tensor_view(memories: Mapping[str, Array], plan: Plan, name: str) -> Array:
    """Return a tensor's bytes in main memory as an array of its shape and dtype."""
    tensor, place = plan.graph.tensors[name], plan.placements[name]
    data = memories[place.memory][place.address : place.address + tensor.size_bytes]
    return data.view(tensor.dtype.numpy).reshape(tensor.shape)
