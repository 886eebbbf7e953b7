"""Layers split over cores: equal to NumPy, nothing lost, nothing done twice."""

from __future__ import annotations

from dataclasses import replace
from math import inf, prod

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accel.machine import Machine
from accel.spec import AcceleratorSpec
from foundation.dtype import DTYPES
from mapper.kernel import Contraction, touched_bytes
from mapper.plan import Plan
from mapper.planner import make_plan
from mapper.splits import CHOICES, PARTIAL, divided, splits
from mapper.stages import estimated_cycles
from rooftile.simulation import simulate
from rooftile.validate.program import validate_program
from tests.laws.draft import Draft
from tests.laws.graphs import chains
from tests.laws.machines import MACHINES
from workloads.graph import Graph
from workloads.layers import Convolution, Linear, Window

relaxed = settings(
    max_examples=30,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def cores_of(spec: AcceleratorSpec, cores: int) -> AcceleratorSpec:
    """Return a machine with more cores and a memory that feeds them."""
    memories = tuple(
        replace(memory, bandwidth_bytes_per_s=cores * memory.bandwidth_bytes_per_s)
        for memory in spec.memories
    )
    return replace(spec, cores=cores, memories=memories)


def small_network() -> Graph:
    """Return a convolution with padding and stride, then a linear layer, both with bias."""
    draft = Draft(DTYPES["int8"])
    image = draft.add_input((2, 9, 7, 6))
    window = Window(3, stride=2, pad_before=1, pad_after=1)
    image = draft.add(
        Convolution(out_channels=12, windows=(window, window), activation="relu"), [image]
    )
    draft.add(Linear(out_features=10), [image])
    return draft.graph()


@pytest.mark.parametrize("split", CHOICES)
@pytest.mark.parametrize("cores", [2, 3, 4])
@pytest.mark.parametrize("spec", MACHINES[:4], ids=lambda spec: spec.name)
def test_a_split_network_equals_numpy(spec: AcceleratorSpec, cores: int, split: str) -> None:
    validation = validate_program(small_network(), cores_of(spec, cores), seed=1, split=split)
    assert validation.passed, validation.text


@relaxed
@given(
    graph=chains("int8"),
    spec=st.sampled_from(MACHINES),
    cores=st.integers(2, 6),
    split=st.sampled_from(CHOICES),
)
def test_any_split_network_equals_numpy(
    graph: Graph, spec: AcceleratorSpec, cores: int, split: str
) -> None:
    validation = validate_program(graph, cores_of(spec, cores), seed=0, split=split)
    assert validation.passed, validation.text


@relaxed
@given(graph=chains("int8"), spec=st.sampled_from(MACHINES), cores=st.integers(2, 70))
def test_parts_of_every_split_cover_the_iteration_space_once(
    graph: Graph, spec: AcceleratorSpec, cores: int
) -> None:
    for work in make_plan(graph, spec).works:
        for kernel in work.kernels:
            for split in splits(kernel, cores, "auto")[:40]:
                parts = list(divided(kernel, split))
                assert len(parts) == split.parts <= cores
                assert sum(prod(part.extents) for part in parts) == prod(kernel.extents)


@relaxed
@given(graph=chains("int8"), spec=st.sampled_from(MACHINES), split=st.sampled_from(CHOICES))
def test_cores_do_the_macs_of_the_layer_and_write_its_output(
    graph: Graph, spec: AcceleratorSpec, split: str
) -> None:
    plan = make_plan(graph, cores_of(spec, 4), split=split)
    for planned in plan.layers:
        traces = [Machine(plan.spec).run(program) for program in plan.programs(planned)]
        assert sum(int(trace["macs"].sum()) for trace in traces) == graph.macs(planned.layer)
        stages = plan.works[planned.work].stages
        written = sum(int(trace.rows(opcode="store")["bytes"].sum()) for trace in traces)
        output = graph.tensors[planned.layer.name].size_bytes if stages else 0
        # A phase of a transposed convolution writes a part of the tensor that there is room for.
        partial = sum(
            touched_bytes(operand, kernel)
            for stage in stages
            for kernel in stage.kernels
            for operand in kernel.inputs
            if operand.role == PARTIAL
        )
        assert written == output + partial
        assert partial <= sum(stage.partial_bytes for stage in stages)


@relaxed
@given(graph=chains("int8"), spec=st.sampled_from(MACHINES))
def test_more_cores_are_never_slower_by_the_estimate(graph: Graph, spec: AcceleratorSpec) -> None:
    memories = tuple(replace(m, bandwidth_bytes_per_s=inf) for m in spec.memories)
    one = make_plan(graph, replace(spec, memories=memories))
    four = make_plan(graph, replace(spec, memories=memories, cores=4))
    for less, more in zip(one.works, four.works, strict=True):
        if len(less.kernels) == 1:
            assert estimated_cycles(more.stages) <= estimated_cycles(less.stages)


def k_split_plan() -> Plan:
    draft = Draft(DTYPES["int8"])
    draft.add(Linear(out_features=8), [draft.add_input((4, 4096))])
    return make_plan(draft.graph(), cores_of(MACHINES[0], 4), split="k")


def test_a_split_sum_writes_partial_sums_and_adds_them_up() -> None:
    plan = k_split_plan()
    first, *others = plan.works[0].stages
    assert first.splits[0].label(first.kernels[0]) == "4 cores along K: 4 x 1024"
    body = first.shares[3].parts[0][0].kernel.body
    assert isinstance(body, Contraction)
    assert body.is_partial
    assert [stage.partial_bytes for stage in others] == [4 * 4 * 8 * 4]


def test_partial_sums_have_a_place_of_their_own() -> None:
    plan = k_split_plan()
    tensors = list(plan.graph.tensors.values())
    ends = [plan.placements[t.name].address + t.size_bytes for t in tensors]
    assert plan.placements["partial sums"].address >= max(ends)


def test_four_cores_with_four_times_the_bandwidth_are_faster() -> None:
    spec = MACHINES[0]
    one, four = simulate(small_network(), spec), simulate(small_network(), cores_of(spec, 4))
    assert four.report.total_cycles < one.report.total_cycles
    assert four.report.spec.peak_ops_per_s == 4 * one.report.spec.peak_ops_per_s
    layer = four.report.layers[0].work
    assert {name.partition(".")[0] for name in layer.units} == {f"core{n}" for n in range(4)}
    for unit in layer.units.values():
        assert unit.total == layer.total_cycles
    assert sum(layer.stalls.values()) == sum(layer.causes.values()) == layer.stall_cycles


def test_a_plan_for_some_cores_names_only_them() -> None:
    plan = make_plan(small_network(), cores_of(MACHINES[0], 4), cores=(1, 3))
    for planned in plan.layers:
        for program in plan.programs(planned):
            assert {stream.core for stream in program.streams} <= {1, 3}
    assert np.unique([s.core for s in program.streams]).tolist() == [1, 3]
