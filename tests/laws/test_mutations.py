"""Faults in programs are found: by poison, races, bounds, tokens, or a wrong value."""

from __future__ import annotations

import random
from collections import Counter

from accel.spec import AcceleratorSpec
from foundation.dtype import DTYPES
from foundation.errors import RooftileError
from foundation.numerics import Array
from isa.program import Program
from isa.semantics import run_program
from mapper.plan import Plan
from mapper.planner import make_plan
from rooftile.validate.program import difference, filled_memories, tensor_view
from tests.laws.draft import Draft
from tests.laws.machines import MACHINES
from tests.laws.mutations import MUTATIONS
from workloads.evaluate import evaluate
from workloads.graph import Graph, Operator
from workloads.layers import (
    Concat,
    Convolution,
    Elementwise,
    Embedding,
    Linear,
    MatMul,
    Normalize,
    Pool,
    Transpose,
    Window,
)
from workloads.random_values import random_tensors

PER_CASE = 12
#: The share of faults that must be found. The rest doesn't change the result: see `MISSED`.
REQUIRED = 0.95

MISSED = """
What isn't found is harmless where it stands: a last signal that comes before its instruction, when
nobody fills the buffer again; two buffers that share bytes but are never in use at the same time,
such as the only output tile of a layer, which is written when every input has been used.
"""

WINDOW = Window(kernel=3, stride=1, pad_before=1, pad_after=1)
CASES: dict[str, tuple[Operator, list[tuple[int, ...]]]] = {
    "conv": (Convolution(out_channels=7, windows=(WINDOW, WINDOW), bias=True), [(1, 8, 8, 9)]),
    "depthwise": (Convolution(out_channels=6, windows=(WINDOW, WINDOW), groups=6), [(1, 9, 9, 6)]),
    "linear": (Linear(out_features=13, activation="relu"), [(17, 40)]),
    "matmul": (MatMul(equation="bshd,bthd->bhst"), [(1, 9, 3, 20), (1, 11, 3, 20)]),
    "add": (Elementwise(function="add"), [(2, 40, 20), (40, 20)]),
    "max_pool": (Pool(function="max", windows=(Window(2, 2), Window(2, 2))), [(1, 20, 20, 8)]),
    "layer_norm": (Normalize(function="layer_norm"), [(60, 40)]),
    "concat": (Concat(axis=1), [(40, 10), (40, 17)]),
    "transpose": (Transpose(permutation=(1, 0)), [(40, 50)]),
}


def graph_of(operator: Operator, shapes: list[tuple[int, ...]]) -> Graph:
    builder = Draft(DTYPES["int8"])
    builder.add(operator, [builder.add_input(shape) for shape in shapes])
    return builder.graph()


def embedding_graph() -> Graph:
    builder = Draft(DTYPES["int8"])
    indices = builder.add_input((2, 100), DTYPES["int32"])
    builder.add(Embedding(entries=50, features=12, dtype=DTYPES["int8"]), [indices])
    return builder.graph()


def is_caught(plan: Plan, program: Program, expected: Array, tensors: dict[str, Array]) -> bool:
    """Whether a program stops with an error or leaves another result than NumPy's."""
    memories = filled_memories(plan, tensors)
    try:
        run_program(program, memories)
    except RooftileError:
        return True
    name = plan.layers[0].layer.name
    return difference(tensor_view(memories, plan, name), expected) > 0


def faults(graph: Graph, spec: AcceleratorSpec, seed: int) -> list[tuple[str, bool]]:
    """Return the kinds of some seeded faults in a graph's program, and whether each was caught."""
    plan = make_plan(graph, spec)
    tensors = random_tensors(graph, seed=seed)
    expected = evaluate(graph, tensors)[graph.layers[0].name]
    program = plan.program(plan.layers[0])
    assert not is_caught(plan, program, expected, tensors), "the program itself must be right"
    rng = random.Random(seed)
    found = []
    for kind, mutation in MUTATIONS.items():
        for _ in range(PER_CASE):
            mutant = mutation(program, rng)
            if mutant is not None and mutant != program:
                found.append((kind, is_caught(plan, mutant, expected, tensors)))
    return found


def test_seeded_faults_are_caught() -> None:
    graphs = [graph_of(*case) for case in CASES.values()] + [embedding_graph()]
    results = [
        fault
        for seed, graph in enumerate(graphs)
        for fault in faults(graph, MACHINES[seed % len(MACHINES)], seed)
    ]
    seeded, caught = Counter(k for k, _ in results), Counter(k for k, hit in results if hit)
    report = "\n".join(f"{kind:<20} {caught[kind]:>4} of {seeded[kind]:>4}" for kind in MUTATIONS)
    total = f"{caught.total()} of {seeded.total()} faults caught"
    print(f"{report}\n{total}")  # shown by `pytest -rP tests/laws/test_mutations.py`
    assert seeded.total() > 800
    assert caught.total() >= REQUIRED * seeded.total(), f"{report}\n{total}{MISSED}"
    for kind in ("drop_wait", "drop_signal", "drop_work", "wrong_stride"):
        assert caught[kind] == seeded[kind], report
