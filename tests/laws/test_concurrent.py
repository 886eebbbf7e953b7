"""Layers that run at the same time on different cores compute, and cost, what is promised."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accel.spec import AcceleratorSpec
from accel.spec_file import load_preset, parse_spec
from foundation.dtype import DTYPES
from mapper.analytical import AnalyticalEngine
from mapper.plan import Plan
from mapper.planner import make_plan
from mapper.splits import CHOICES
from reports.estimated import make_estimated_report
from rooftile.simulation import simulate
from rooftile.validate.program import validate_plan
from tests.laws.draft import Draft
from tests.laws.graphs import branches
from tests.laws.machines import MACHINES
from workloads.graph import Graph
from workloads.layers import Convolution, Elementwise, Embedding, Linear, Normalize, Window

CONCURRENT = ("concurrent",)
relaxed = settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
#: Memories behind a buffer that two cores of a mesh share, lines of 64 bytes.
SHARING = parse_spec(
    """
base: mesh_64core
name: sharing
cores: 4
network: {topology: mesh, rows: 2, columns: 2, memory_ports: [[0, 0], [1, 1]], link: 8B/cycle}
shared_buffer: {capacity: 64KiB, line: 64B, ways: 4}
""",
    "sharing",
)


@st.composite
def machines(draw: st.DrawFn) -> AcceleratorSpec:
    """Draw a machine of the laws with several cores, and more or less bandwidth for them."""
    spec, cores = draw(st.sampled_from(MACHINES)), draw(st.integers(2, 4))
    times = draw(st.sampled_from([1, cores, 16]))
    memories = tuple(
        replace(memory, bandwidth_bytes_per_s=times * memory.bandwidth_bytes_per_s)
        for memory in spec.memories
    )
    return replace(spec, cores=cores, memories=memories)


def check_schedule(graph: Graph, plan: Plan) -> int:
    """Check that a plan can run as it stands; return how many sets of layers it has."""
    done = {name for name in graph.tensors if not any(name == one.name for one in graph.layers)}
    sets = 0
    for planned in plan.layers:
        for layer in planned.layers:
            assert set(layer.inputs) <= done
        done.update(layer.name for layer in planned.layers)
        work = plan.works[planned.work]
        if work.beside is None:
            continue
        sets += 1
        assert 2 <= len(work.members) == len(planned.layers) <= min(4, plan.spec.cores)
        cores = [{c for stage in one.stages for c in stage.cores} for one in work.members]
        assert sum(map(len, cores)) == len(set().union(*cores)) <= plan.spec.cores
        assert work.beside.estimate.cycles <= work.beside.apart.cycles
    assert done == set(graph.tensors)
    assert sum(len(planned.layers) for planned in plan.layers) == len(graph.layers)
    return sets


@relaxed
@given(graph=branches("int8"), spec=machines(), split=st.sampled_from(CHOICES))
def test_random_graphs_equal_numpy_and_none_is_slower(
    graph: Graph, spec: AcceleratorSpec, split: str
) -> None:
    result = simulate(graph, spec, split=split, across=CONCURRENT)
    plan, report = result.plan, result.report
    check_schedule(graph, plan)
    validation = validate_plan(plan, seed=1)
    assert validation.passed, validation.text
    without = simulate(graph, spec, split=split, engine="analytical").report
    assert report.total_cycles <= without.total_cycles
    assert report.total_macs == graph.total_macs
    for planned, layer in zip(plan.layers, report.layers, strict=True):
        work, beside = layer.work, plan.works[planned.work].beside
        assert work.lower_bound_cycles <= work.total_cycles * (1 + 1e-9)
        assert work.total_dram_bytes >= work.compulsory_bytes
        assert sum(work.stalls.values()) == sum(work.causes.values()) == work.stall_cycles
        if beside is not None:
            assert beside.estimate.cycles == work.total_cycles
            assert beside.estimate.dram_bytes == work.total_dram_bytes


def projections(tokens: int = 16, width: int = 24) -> Graph:
    """Return query, key and value of an input, and what follows on the first two."""
    draft = Draft(DTYPES["int8"])
    data = draft.add_input((tokens, width))
    query, key, value = (draft.add(Linear(out_features=width), [data]) for _ in range(3))
    total = draft.add(Elementwise(function="add"), [query, key])
    weights = draft.add(Normalize(function="softmax"), [total])
    draft.add(Elementwise(function="add"), [weights, value])
    return draft.graph()


def block() -> Graph:
    """Return a residual block whose shortcut has a convolution, which stands last but one."""
    draft = Draft(DTYPES["int8"])
    image = draft.add_input((1, 8, 8, 12))
    first = draft.add(conv(8, 3, stride=2), [image])
    second = draft.add(conv(8, 3), [first])
    shortcut = draft.add(conv(8, 1, stride=2), [image])
    draft.add(Elementwise(function="add", activation="relu"), [second, shortcut])
    return draft.graph()


def conv(channels: int, kernel: int, stride: int = 1) -> Convolution:
    pad = (kernel - 1) // 2
    window = Window(kernel=kernel, stride=stride, pad_before=pad, pad_after=pad)
    return Convolution(out_channels=channels, windows=(window, window), bias=True)


def four_cores(spec: AcceleratorSpec = MACHINES[0]) -> AcceleratorSpec:
    memories = tuple(
        replace(memory, bandwidth_bytes_per_s=4 * memory.bandwidth_bytes_per_s)
        for memory in spec.memories
    )
    return replace(spec, cores=4, memories=memories)


WHERE = [
    (projections(), four_cores(MACHINES[1])),
    (projections(), four_cores()),
    (projections(), load_preset("npu_4core")),
    (block(), load_preset("npu_4core")),
    (projections(), SHARING),
]


@pytest.mark.parametrize(("graph", "spec"), WHERE, ids=lambda one: one.name)
def test_blocks_equal_numpy_and_both_engines_agree(graph: Graph, spec: AcceleratorSpec) -> None:
    cycle = simulate(graph, spec, across=CONCURRENT)
    assert check_schedule(graph, cycle.plan), "something runs at the same time"
    assert validate_plan(cycle.plan, seed=2).passed
    prices = AnalyticalEngine(cycle.plan)
    estimates = [prices.estimates(number) for number in range(len(cycle.plan.works))]
    analytical = make_estimated_report(cycle.plan, estimates)
    for one, other in zip(cycle.report.layers, analytical.layers, strict=True):
        assert (one.name, one.shape, one.operator) == (other.name, other.shape, other.operator)
        for what in ("total_cycles", "macs", "folds", "tiles", "compulsory_bytes"):
            assert getattr(one.work, what) == getattr(other.work, what)
        assert one.work.total_dram_bytes >= one.work.compulsory_bytes
        assert one.work.lower_bound_cycles == other.work.lower_bound_cycles
        assert one.work.lower_bound_cycles <= one.work.total_cycles


def test_a_shortcut_that_stands_later_runs_beside_the_main_path() -> None:
    draft = Draft(DTYPES["int8"])
    data = draft.add_input((16, 24))
    main = draft.add(Linear(out_features=24), [draft.add(Linear(out_features=24), [data])])
    shortcut = draft.add(Linear(out_features=24), [data])
    draft.add(Elementwise(function="add"), [main, shortcut])
    plan = make_plan(draft.graph(), four_cores(), across=CONCURRENT)
    names = [planned.name for planned in plan.layers]
    first, second = "layer0 + layer2", "layer1 + layer2"
    assert names in ([first, "layer1", "layer3"], ["layer0", second, "layer3"])


def test_members_with_partial_sums_have_places_of_their_own() -> None:
    draft = Draft(DTYPES["int8"])
    for _ in range(2):
        draft.add(Linear(out_features=8), [draft.add_input((4, 2048))])
    plan = make_plan(draft.graph(), four_cores(), split="k", across=CONCURRENT)
    (work,) = plan.works
    assert [len(member.stages) for member in work.members] == [2, 2]
    places = plan.operand_places(plan.layers[0])
    sizes = [member.stages[1].partial_bytes for member in work.members]
    first, second = (own["partial"].address for own in places)
    assert first + sizes[0] <= second
    assert second + sizes[1] <= plan.memory_bytes["dram"]
    assert validate_plan(plan, seed=3).passed


def test_members_of_several_rounds_run_side_by_side_round_by_round() -> None:
    draft = Draft(DTYPES["int8"])
    index = draft.add_input((100, 100), DTYPES["int32"])
    table = Embedding(entries=9, features=500, dtype=DTYPES["int8"])
    for _ in range(2):
        draft.add(table, [index])
    plan = make_plan(draft.graph(), replace(four_cores(), cores=2), across=CONCURRENT)
    (work,) = plan.works
    counts = [sum(stage.round_count for stage in member.stages) for member in work.members]
    assert work.round_count == plan.program_count(plan.layers[0]) == max(counts) > 1
    assert sum(count for _, count in work.distinct_rounds) == max(counts)


def test_one_core_runs_one_layer_after_the_other() -> None:
    graph, spec = projections(), MACHINES[0]
    with_pass, without = make_plan(graph, spec, across=CONCURRENT), make_plan(graph, spec)
    assert (with_pass.works, with_pass.layers) == (without.works, without.layers)


def test_work_on_some_cores_leaves_the_others_alone() -> None:
    plan = make_plan(projections(), four_cores(), cores=(1, 3), across=CONCURRENT)
    assert check_schedule(plan.graph, plan)
    for program in plan.all_programs():
        assert {stream.core for stream in program.streams} <= {1, 3}
