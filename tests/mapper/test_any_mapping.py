"""Whatever mapping keeps the rules computes what NumPy computes, and survives being written."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accel.spec import AcceleratorSpec
from isa.instruction import Load, Store
from mapper.cost import estimate
from mapper.held import memory_of
from mapper.kernel import Kernel
from mapper.lower import lower
from mapper.mapping import Mapping
from mapper.mapping_file import LayerMapping, mappings_text, parse_mappings
from mapper.operands import Placement
from mapper.operators import kernels_of
from mapper.planner import make_plan
from mapper.splits import Split
from rooftile.validate.program import validate_plan
from tests.laws.graphs import NOT_ONE_KERNEL, OPERATORS, single_layers
from tests.laws.machines import MACHINES
from tests.mapper.nests import mappings
from tests.mapper.test_bounds import product_kernel
from workloads.graph import Graph

relaxed = settings(
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.filter_too_much,
    ],
)
ROOMY = tuple(
    replace(
        spec,
        scratchpads=tuple(replace(pad, capacity_bytes=1 << 16) for pad in spec.scratchpads),
    )
    for spec in MACHINES
)


@pytest.mark.parametrize("operator", sorted(set(OPERATORS) - set(NOT_ONE_KERNEL)))
def test_any_mapping_computes_and_is_written_without_loss(operator: str) -> None:
    @settings(relaxed, max_examples=40 if operator in ("conv", "linear", "matmul") else 10)
    @given(graph=single_layers(operator, "int8"), spec=st.sampled_from(ROOMY), data=st.data())
    def check(graph: Graph, spec: AcceleratorSpec, data: st.DataObject) -> None:
        (layer,) = graph.layers
        (kernel,) = kernels_of(graph, layer)
        mapping = data.draw(mappings(kernel, spec))
        written = LayerMapping(
            name=layer.name, also=(), kernels=(kernel,), splits=(Split(),), mappings=(mapping,)
        )
        text = mappings_text([written], spec, "one layer")
        plan = make_plan(graph, spec, mappings=parse_mappings(text, "mapping.yaml"))
        assert plan.works[0].stages[0].mappings == (mapping.canonical(kernel.extents),)
        validation = validate_plan(plan, seed=0)
        assert validation.passed, f"{text}\n{validation.text}"

    check()


@settings(relaxed, max_examples=80)
@given(
    sizes=st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40)),
    spec=st.sampled_from(ROOMY),
    data=st.data(),
)
def test_the_closed_form_counts_the_bytes_of_any_mapping_of_a_product(
    sizes: tuple[int, int, int], spec: AcceleratorSpec, data: st.DataObject
) -> None:
    kernel = product_kernel(*sizes)
    mapping = data.draw(mappings(kernel, spec))
    roles = {
        operand.role: Placement(memory=memory_of(operand, spec).name, address=0)
        for operand in kernel.operands
    }
    used = {memory.name: 1 << 20 for memory in spec.memories}
    program = lower([kernel], [mapping], spec, roles, used, {})
    moved = sum(
        instruction.element_bytes * prod(instruction.shape)
        for stream in program.streams.values()
        for instruction in stream
        if isinstance(instruction, Load | Store)
    )
    counted = estimate(kernel, spec, mapping).dram_bytes
    assert moved == counted or (moved < counted and has_a_lone_part(kernel, mapping))


def has_a_lone_part(kernel: Kernel, mapping: Mapping) -> bool:
    """Whether inner loops cut some blocks of a dimension, but leave the ragged one whole."""

    def lone(sizes: set[int], steps: list[int]) -> bool:
        if not steps:
            return False
        cut = {size > min(steps) for size in sizes}
        first = steps[0]
        inside = {min(first, s) for s in sizes} | {s % first for s in sizes if s % first}
        return len(cut) > 1 or lone(inside, steps[1:])

    return any(lone({kernel.extents[d]}, steps) for d, steps in mapping.steps.items())
