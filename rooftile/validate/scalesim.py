"""Array cycles and scratchpad accesses against SCALE-Sim's."""

from __future__ import annotations

from collections.abc import Mapping
from math import isclose
from pathlib import Path

from accel.machine import Machine
from accel.spec import AcceleratorSpec
from accel.spec_file import parse_spec
from accel.systolic import DATAFLOWS
from accel.trace import Trace
from accel.units import Clock
from foundation.errors import RooftileError
from mapper.planner import make_plan
from rooftile.validate.reference import integers, number_in, read_rows
from rooftile.validate.validation import Validation
from workloads.loaders.yaml import parse_network

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
    rows = read_rows(reference, _REQUIRED)
    for number, row in rows:
        where = f"{reference}:{number}"
        expected = {column: number_in(row, column, where) for column in COMPARED}
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


def _network_yaml(row: Mapping[str, str], where: str) -> str:
    """Return the row's layer as a network of one layer."""
    if row["kind"] == "gemm":
        m, n, k = integers(row, ("M", "N", "K"), where)
        layer = f"{{name: layer, op: linear, out: {n}, bias: false}}"
        shape = [m, k]
    elif row["kind"] == "conv":
        height, width, fy, fx, channels, filters, stride = integers(row, _SHAPE, where)
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
    rows, columns = integers(row, ("array_rows", "array_cols"), where)
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
