"""Every layer's program, executed on data, against NumPy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf, isfinite

import numpy as np

from accel.spec import AcceleratorSpec
from foundation.dtype import Dtype
from foundation.numerics import Array
from foundation.segments import encode, segmented
from isa.semantics import Kept, run_program
from mapper.mapping_file import MappingFile
from mapper.plan import Plan
from mapper.planner import make_plan
from rooftile.validate.validation import Validation
from workloads.evaluate import evaluate
from workloads.graph import Graph
from workloads.random_values import random_tensors

#: Largest difference between a program's floating-point result and NumPy's, relative to the
#: largest value: both accumulate in fp32, but in another order, and round once to the dtype.
FLOAT_TOLERANCE = {
    **{"fp32": 1e-4, "tf32": 4e-3, "fp16": 4e-3, "bf16": 3e-2},
    # A step of the last of 3, or of 2, bits of mantissa.
    **{"fp8_e4m3": 0.13, "fp8_e5m2": 0.26},
}


def validate_program(
    graph: Graph,
    spec: AcceleratorSpec,
    *,
    seed: int,
    split: str = "auto",
    across: Sequence[str] = (),
    mappings: MappingFile | None = None,
) -> Validation:
    """Map a network, execute every layer's program on random data, and compare with NumPy.

    Raises
    ------
    MappingError, SimulationError
        As `make_plan` and `validate_plan`.
    """
    plan = make_plan(graph, spec, split=split, across=across, mappings=mappings)
    return validate_plan(plan, seed=seed)


def validate_plan(plan: Plan, *, seed: int) -> Validation:
    """Execute every layer's program on random data and compare with NumPy.

    Integers must be equal in every bit, floating point within ``FLOAT_TOLERANCE``.

    Raises
    ------
    SimulationError
        When a program reads what was never written, races, deadlocks or leaves a memory.
    """
    graph = plan.graph
    tensors = random_tensors(graph, seed=seed)
    expected = evaluate(graph, tensors)
    memories = filled_memories(plan, tensors)
    kept = kept_tensors(plan)
    lines, agreeing = [], 0
    for number, planned in enumerate(plan.layers):
        alive = [kept[name] for name in plan.alive(number)]
        for program in plan.programs(planned):
            run_program(program, memories, kept=alive)
        for name in (layer.name for layer in plan.results(planned)):
            error = difference(value_of(plan, name, memories, kept), expected[name])
            limit = tolerance(graph.tensors[name].dtype)
            agreeing += error <= limit
            verdict = "equal" if error == 0 else f"differs by {error:.2g}, {limit:g} is allowed"
            lines.append(f"{name:<32} {verdict}")
    passed = agreeing == len(lines)
    lines.append(f"{len(lines)} layers, {agreeing} agree with NumPy")
    return Validation(text="\n".join(lines), passed=passed)


def kept_tensors(plan: Plan) -> dict[str, Kept]:
    """Return the bytes of every tensor that stays on the chip, never written."""
    found = {}
    for name, place in plan.placements.items():
        if place.buffer is not None and name not in plan.views:
            size = place.buffer.size_bytes
            found[name] = Kept(
                scratchpad=place.memory,
                address=place.address,
                data=np.zeros(size, dtype=np.uint8),
                poisoned=np.ones(size, dtype=np.bool_),
            )
    return found


def value_of(
    plan: Plan, name: str, memories: Mapping[str, Array], kept: Mapping[str, Kept]
) -> Array:
    """Return a tensor's value, wherever it lives; it has its own shape."""
    source = plan.views.get(name, name)
    if source not in kept:
        return tensor_view(memories, plan, name)
    buffer, tensor = plan.placements[source].buffer, plan.graph.tensors[name]
    assert buffer is not None, "what is kept lies in a buffer"
    whole = kept[source].data.view(tensor.dtype.numpy).reshape(buffer.extents)
    sizes = zip(buffer.before, buffer.axes, strict=True)
    return whole[tuple(slice(low, low + size) for low, size in sizes)].reshape(tensor.shape)


def tolerance(dtype: Dtype) -> float:
    """Return the difference that two right results of a dtype may have."""
    return 0.0 if dtype.is_integer else FLOAT_TOLERANCE[dtype.name]


def filled_memories(plan: Plan, tensors: Mapping[str, Array]) -> dict[str, Array]:
    """Return main memories by name, as bytes, with these tensors in their places."""
    memories = {name: np.zeros(size, dtype=np.uint8) for name, size in plan.memory_bytes.items()}
    for name, values in tensors.items():
        stored = plan.graph.tensors[name].stored
        if stored is None:
            tensor_view(memories, plan, name)[...] = values
        else:
            data = encode(segmented(values, stored.length), stored).reshape(-1)
            _bytes_of(memories, plan, name)[...] = data
    return memories


def difference(actual: Array, expected: Array) -> float:
    """Return the largest difference, relative to the largest expected value if that is over 1.

    Infinities and NaNs equal their like; where they differ, so does all.
    """
    wide, reference = actual.astype(np.float64), expected.astype(np.float64)
    finite = np.isfinite(reference)
    if not np.array_equal(wide[~finite], reference[~finite], equal_nan=True):
        return inf
    wide, reference = wide[finite], reference[finite]
    scale = max(1.0, float(np.abs(reference).max(initial=0.0)))
    error = float(np.abs(wide - reference).max(initial=0.0)) / scale
    return error if isfinite(error) else inf


def tensor_view(memories: Mapping[str, Array], plan: Plan, name: str) -> Array:
    """Return a tensor's bytes in main memory as an array of its shape and dtype."""
    tensor = plan.graph.tensors[name]
    return _bytes_of(memories, plan, name).view(tensor.dtype.numpy).reshape(tensor.shape)


def _bytes_of(memories: Mapping[str, Array], plan: Plan, name: str) -> Array:
    """Return the bytes that a tensor has in main memory: what is stored must fit exactly."""
    tensor, place = plan.graph.tensors[name], plan.placements[name]
    return memories[place.memory][place.address : place.address + tensor.size_bytes]
