"""Where the energy of a run goes: by level of the memory hierarchy, and by operand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from accel.energy import BITS_PER_BYTE, required_energies
from accel.spec import AcceleratorSpec
from accel.trace import OPCODES, SCRATCHPAD_COLUMNS, Repeated, Trace
from foundation.dtype import DTYPES, Dtype
from mapper.plan import Plan
from reports.cores import plain_name
from reports.report import BYTE_CLASSES, multiplied
from reports.stats import added

Reals = NDArray[np.float64]
#: Levels, from the arithmetic outwards, with the first part of the keys of their components.
LEVELS = {
    "MACs": "mac",
    "PE registers": "registers",
    "vector unit": "vector",
    "scratchpads": "scratchpads",
    "shared buffer": "shared_buffer",
    "network": "network",
    "main memories": "memories",
    "leakage": "leakage",
}
#: Operands, and what the vector unit moves, which reads one operand's results as another's.
OPERANDS = ("input", "weight", "output", "psum", "vector unit")
#: What is counted by operand.
SECTIONS = ("scratchpads", "memories")


def energy_by_level(energies_pj: Mapping[str, float]) -> dict[str, float]:
    """Return picojoules by level from those by component, of the levels that are counted."""
    found: dict[str, float] = {}
    for level, first in LEVELS.items():
        parts = [pj for key, pj in energies_pj.items() if key.partition(".")[0] == first]
        if parts:
            found[level] = sum(parts)
    return found


def energy_by_operand(
    plan: Plan, traces: Sequence[Sequence[Repeated]]
) -> dict[str, dict[str, float]]:
    """Return the picojoules of ``scratchpads`` and ``memories`` by operand, of a whole run.

    Parameters
    ----------
    plan, traces
        The network as it was mapped, and what the machine did in each of its works' pieces.

    Notes
    -----
    Loads and stores have one operand each. Of what the array moves, inputs and psums are counted by
    their elements, and weights are the rest, however they are stored. Memories of all operands add
    up to their components' energies.
    """
    found: dict[str, dict[str, float]] = {section: {} for section in SECTIONS}
    layers_of_work = np.bincount([layer.work for layer in plan.layers], minlength=len(traces))
    for work, pieces in enumerate(traces):
        for piece in pieces:
            times = piece.count * int(layers_of_work[work])
            dtype = multiplied(plan.works[work])
            for section, energies in _of_trace(plan.spec, piece.trace, dtype).items():
                scaled = {name: times * pj for name, pj in energies.items()}
                found[section] = added([found[section], scaled])
    return found


def _of_trace(spec: AcceleratorSpec, trace: Trace, dtype: Dtype) -> dict[str, dict[str, float]]:
    """Return the picojoules of a trace by section and operand."""
    memories, pads = _memories_pj(spec, trace), _scratchpads_pj(spec, trace)
    of_array = float(pads[trace["opcode"] == OPCODES.index("matmul")].sum())
    of_vector_unit = float(pads[trace["opcode"] == OPCODES.index("vector")].sum())
    sum_bytes = DTYPES[dtype.accumulator].size_bytes
    inputs = _read_pj(spec, "input", dtype.size_bytes * int(trace["input_reads"].sum()))
    psums = _read_pj(spec, "psum", sum_bytes * int(trace["psum_reads"].sum())) + _written_pj(
        spec, "psum", sum_bytes * int(trace["psum_writes"].sum())
    )
    # The rest, which rounding may leave a little below 0.
    weights = max(of_array - inputs - psums, 0.0)
    array = {"input": inputs, "psum": psums, "weight": weights}
    transfers = _by_operand(trace, pads)
    return {
        "memories": _by_operand(trace, memories),
        "scratchpads": added([transfers, array, {"vector unit": of_vector_unit}]),
    }


def _by_operand(trace: Trace, energies_pj: Reals) -> dict[str, float]:
    """Return what transfers take, by the operand that they move."""
    return added(
        {name: float(energies_pj[trace["operand"] == operand].sum())}
        for operand, name in BYTE_CLASSES.items()
    )


def _memories_pj(spec: AcceleratorSpec, trace: Trace) -> Reals:
    """Return what each row of a trace takes in main memories."""
    found = np.zeros(len(trace))
    for number, unit in enumerate(trace.units):
        queue, _, memory = plain_name(unit).partition(":")
        access = required_energies(spec).memories.get(memory)
        if access is not None:
            per_bit = access.read_pj_per_bit if queue == "load" else access.write_pj_per_bit
            rows = trace["unit"] == number
            found[rows] = trace["bytes"][rows] * (BITS_PER_BYTE * per_bit)
    return found


def _scratchpads_pj(spec: AcceleratorSpec, trace: Trace) -> Reals:
    """Return what each row of a trace takes in scratchpads."""
    found = np.zeros(len(trace))
    for name, (read, written) in zip(trace.scratchpads, SCRATCHPAD_COLUMNS, strict=False):
        access = required_energies(spec).scratchpads.get(name)
        if access is not None:
            found += trace[read] * (BITS_PER_BYTE * access.read_pj_per_bit)
            found += trace[written] * (BITS_PER_BYTE * access.write_pj_per_bit)
    return found


def _read_pj(spec: AcceleratorSpec, operand: str, size_bytes: int) -> float:
    access = required_energies(spec).scratchpads.get(spec.scratchpad_of(operand).name)
    return 0.0 if access is None else size_bytes * BITS_PER_BYTE * access.read_pj_per_bit


def _written_pj(spec: AcceleratorSpec, operand: str, size_bytes: int) -> float:
    access = required_energies(spec).scratchpads.get(spec.scratchpad_of(operand).name)
    return 0.0 if access is None else size_bytes * BITS_PER_BYTE * access.write_pj_per_bit
