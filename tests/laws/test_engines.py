"""Both engines give the same times where memories have bandwidth and latency."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accel.machine import Machine
from accel.program_script import scripts_of
from accel.script import CODES, COLUMNS, PRODUCT, Script
from accel.spec import AcceleratorSpec
from accel.spec_file import load_preset
from accel.units import Clock
from mapper.pipeline import Pipeline, replay
from mapper.plan import Plan
from mapper.planner import make_plan
from tests.laws.graphs import chains, single_layers
from tests.laws.machines import MACHINES
from workloads.graph import Graph
from workloads.loaders.yaml import load_zoo, parse_network

relaxed = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
#: Clocks and bandwidths that divide a second into no whole femtoseconds, or into few.
CLOCKS = (10**9, 700 * 10**6, 940_000_001)
BANDWIDTHS = (4e9, 34e9, 7_777_777_777.0, inf)


@st.composite
def machines(draw: st.DrawFn) -> AcceleratorSpec:
    """Draw a machine of the laws with other clocks and memories, or with banks."""
    spec = draw(st.sampled_from(MACHINES))
    memories = tuple(
        replace(
            memory,
            bandwidth_bytes_per_s=draw(st.sampled_from(BANDWIDTHS)),
            latency_fs=draw(st.sampled_from([0, 1, 20 * 10**6])),
        )
        for memory in spec.memories
    )
    scratchpads = spec.scratchpads
    if draw(st.booleans()):
        scratchpads = tuple(
            replace(pad, banks=3, width_bytes=4, bandwidth_bytes_per_cycle=8.0, layout="row_major")
            for pad in scratchpads
        )
    return replace(
        spec,
        clock_hz=draw(st.sampled_from(CLOCKS)),
        dma=replace(spec.dma, outstanding=draw(st.sampled_from([1, 2, 4]))),
        memories=memories,
        scratchpads=scratchpads,
    )


def operations(script: Script, queue: int) -> list[object]:
    """Return a queue's operations, products as their rows."""
    rows = [
        tuple(script.products[start : start + COLUMNS])
        for start in range(0, len(script.products), COLUMNS)
    ]
    return [
        rows[operation // CODES] if operation % CODES == PRODUCT else operation
        for operation in script.queues[queue].operations
    ]


def check(plan: Plan) -> None:
    """Compare every program's script with that of its kernels, and their times."""
    spec = plan.spec
    pipeline, clock = Pipeline(spec), Clock(hz=spec.clock_hz)
    for number, work in enumerate(plan.works):
        pieces = [pieces for pieces, _ in work.distinct_rounds]
        programs = [program for program, _ in plan.distinct_programs(number)]
        for (piece,), program in zip(pieces, programs, strict=True):
            (lowered,) = scripts_of(program, spec)
            woven = pipeline.woven(piece.kernels, piece.mappings).script
            for queue in range(4):
                assert operations(woven, queue) == operations(lowered, queue)
                assert woven.queues[queue].sizes == lowered.queues[queue].sizes
                assert woven.queues[queue].memories == lowered.queues[queue].memories
            assert woven.tokens == lowered.tokens
            simulated = clock.cycle_at_or_after(Machine(spec).run(program).end_fs)
            assert replay(spec, [woven]).run() == simulated


@relaxed
@given(graph=chains("int8"), spec=machines())
def test_chains(graph: Graph, spec: AcceleratorSpec) -> None:
    check(make_plan(graph, spec))


@pytest.mark.parametrize(
    "operator",
    [
        *("conv", "conv_transpose", "pool", "concat", "embedding", "normalize", "matmul"),
        *("conv_gradient", "pool_gradient", "tied_conv", "flip", "one_hot", "cast"),
    ],
)
@settings(max_examples=15, parent=relaxed)
@given(data=st.data(), spec=machines())
def test_every_kind_of_kernel(operator: str, data: st.DataObject, spec: AcceleratorSpec) -> None:
    check(make_plan(data.draw(single_layers(operator, "int8")), spec))


@pytest.mark.parametrize("spec", MACHINES, ids=lambda spec: spec.name)
def test_what_is_put_together_from_two_memories(spec: AcceleratorSpec) -> None:
    graph = parse_network(
        "name: n\ninputs: {x: [16, 3]}\nlearned: {z: [1, 3]}\nlayers:\n"
        "  - {name: c, op: concat, inputs: [x, z], axis: 0}",
        "a.yaml",
    )
    check(make_plan(graph, spec))


@pytest.mark.parametrize("hardware", ["edge_32x32", "tpu_v1", "eyeriss_v1_like"])
def test_a_network_on_presets(hardware: str) -> None:
    check(make_plan(load_zoo("mobilenet_v2", dtype="int8"), load_preset(hardware)))
