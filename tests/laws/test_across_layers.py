"""Passes over several layers: what stays on the chip computes what NumPy computes."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accel.spec import AcceleratorSpec
from accel.spec_file import load_preset
from foundation.dtype import DTYPES
from mapper.operators import kernels_of
from mapper.plan import ACROSS
from mapper.planner import make_plan
from reports.least import least_of
from reports.map_text import map_text
from rooftile.simulation import simulate
from rooftile.validate.program import validate_plan, validate_program
from tests.laws.draft import Draft
from tests.laws.graphs import chains
from tests.laws.machines import ALL_DTYPES, MACHINES
from workloads.graph import Graph, TensorKind
from workloads.layers import Convolution, Elementwise, MatMul, Normalize, Pool, Reduce, Window
from workloads.loaders.yaml import load_zoo
from workloads.resize import Interpolate

relaxed = settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
PASSES = [("residency",), ("fusion",), ("prefetch",), ACROSS]


@pytest.mark.parametrize("across", PASSES, ids="+".join)
def test_random_graphs_equal_numpy(across: tuple[str, ...]) -> None:
    @relaxed
    @given(graph=chains("int8"), spec=st.sampled_from(MACHINES), seed=st.integers(0, 999))
    def check(graph: Graph, spec: AcceleratorSpec, seed: int) -> None:
        validation = validate_program(graph, spec, seed=seed, across=across)
        assert validation.passed, f"{graph.layers}\n{validation.text}"

    check()


def window(kernel: int, stride: int = 1) -> Window:
    pad = (kernel - 1) // 2
    return Window(kernel=kernel, stride=stride, pad_before=pad, pad_after=pad)


def conv(channels: int, kernel: int = 3, stride: int = 1) -> Convolution:
    windows = (window(kernel, stride),) * 2
    return Convolution(out_channels=channels, windows=windows, bias=True, activation="relu")


def residual_block(dtype: str) -> Graph:
    """Return two convolutions, a residual sum, a pool and a convolution without padding."""
    draft = Draft(DTYPES[dtype])
    image = draft.add(conv(8), [draft.add_input((2, 9, 10, 5))])
    inner = draft.add(conv(8), [draft.add(conv(8), [image])])
    total = draft.add(Elementwise(function="add", activation="relu"), [inner, image])
    pooled = draft.add(Pool(function="max", windows=(window(3, 2),) * 2), [total])
    draft.add(conv(4, kernel=1), [pooled])
    return draft.graph()


def attention(dtype: str, tokens: int = 24, heads: int = 2, width: int = 8) -> Graph:
    """Return scores, softmax and context of ``heads`` heads, and a projection."""
    draft = Draft(DTYPES[dtype])
    query, key, value = (draft.add_input((1, tokens, heads, width)) for _ in range(3))
    scores = draft.add(MatMul(equation="bshd,bthd->bhst"), [query, key])
    weights = draft.add(Normalize(function="softmax"), [scores])
    draft.add(MatMul(equation="bhst,bthd->bshd"), [weights, value])
    return draft.graph()


@pytest.mark.parametrize("dtype", ALL_DTYPES)
@pytest.mark.parametrize("across", PASSES, ids="+".join)
@pytest.mark.parametrize("network", [residual_block, attention], ids=lambda f: f.__name__)
def test_blocks_of_real_networks_equal_numpy(
    network: object, across: tuple[str, ...], dtype: str
) -> None:
    assert callable(network)
    graph = network(dtype)
    for spec in (load_preset("edge_32x32"), *MACHINES[:2]):
        if dtype not in spec.array.dtypes:
            continue
        validation = validate_program(graph, spec, seed=1, across=across)
        assert validation.passed, validation.text


def test_rows_are_computed_whole_where_a_step_needs_a_part_of_them() -> None:
    draft = Draft(DTYPES["int8"])
    rows = draft.add(Normalize(function="softmax"), [draft.add_input((1, 3, 3, 8))])
    draft.add(Reduce(function="sum", axes=(1,)), [rows])
    for spec in MACHINES:
        validation = validate_program(draft.graph(), spec, seed=0, across=("fusion",))
        assert validation.passed, validation.text


@pytest.mark.parametrize("pads", [((0, 1), (0, 3)), ((1, 0), (3, 0))])
def test_steps_that_overlap_may_share_an_input_that_stays(
    pads: tuple[tuple[int, int], ...],
) -> None:
    """Each step computes its halo again: rows of the input that the step before has read."""
    draft = Draft(DTYPES["int8"])
    rows = draft.add(Normalize(function="softmax"), [draft.add_input((1, 5, 3, 3))])
    windows = tuple(Window(k, 1, 1, *pad) for k, pad in zip((2, 4), pads, strict=True))
    draft.add(Convolution(out_channels=1, windows=windows), [rows])
    for spec in MACHINES:
        validation = validate_program(draft.graph(), spec, seed=0, across=("fusion",))
        assert validation.passed, validation.text


@pytest.mark.parametrize(("groups", "axis"), [(2, 3), (1, 2)], ids=["axis in parts", "axis of 1"])
def test_padding_along_an_axis_that_is_none_of_the_tensor_s(groups: int, axis: int) -> None:
    draft = Draft(DTYPES["int8"])
    windows = (Window(2, 2, 1, 2, 2), Window(3, 3, 1, 0, 1))
    image = draft.add(
        Convolution(out_channels=8, windows=windows, groups=groups, bias=True),
        [draft.add_input((2, 4, 4, 4))],
    )
    draft.add(Interpolate(axis=axis, factor=4), [image])
    for spec in MACHINES:
        validation = validate_program(draft.graph(), spec, seed=0, across=("fusion",))
        assert validation.passed, validation.text


def test_what_a_group_leaves_out_has_no_lower_bound() -> None:
    draft = Draft(DTYPES["int8"])
    image = draft.add_input((1, 9, 9, 8))
    halves = draft.add(Elementwise(function="tanh"), [image])
    draft.add(Pool(function="max", windows=(Window(kernel=1, stride=3),) * 2), [halves])
    for spec in MACHINES:
        result = simulate(draft.graph(), spec, across=("fusion",))
        (work,) = (work for work in result.plan.works if work.stages or work.fused)
        assert work.fused is not None
        assert work.fused.steps.skips == [True, False]
        for layer in result.report.layers:
            assert sum(layer.work.dram_bytes.values()) >= layer.work.lower_bound_bytes


def estimated(graph: Graph, spec: AcceleratorSpec, *across: str) -> int:
    return simulate(graph, spec, across=across, engine="analytical").report.total_cycles


def dram_bytes(graph: Graph, spec: AcceleratorSpec, across: tuple[str, ...]) -> int:
    report = simulate(graph, spec, across=across).report
    return sum(sum(layer.work.dram_bytes.values()) for layer in report.layers)


def test_a_network_that_fits_on_the_chip_moves_its_compulsory_bytes() -> None:
    graph, spec = residual_block("int8"), load_preset("edge_32x32")
    outside = [t for t in graph.tensors.values() if t.kind is not TensorKind.ACTIVATION]
    compulsory = sum(tensor.size_bytes for tensor in outside)
    compulsory += sum(graph.tensors[name].size_bytes for name in graph.outputs)
    assert dram_bytes(graph, spec, ()) > compulsory
    assert dram_bytes(graph, spec, ("residency",)) == compulsory
    assert dram_bytes(graph, spec, ACROSS) == compulsory


def test_resnet18_keeps_what_it_computes_on_a_tpu() -> None:
    graph, spec = load_zoo("resnet18"), load_preset("tpu_v1")
    outside = sum(t.size_bytes for t in graph.tensors.values() if t.kind is TensorKind.PARAMETER)
    moved = dram_bytes(graph, spec, ("residency",))
    first = kernels_of(graph, graph.layers[0])[0].inputs[0].tensor_bytes
    assert moved <= 1.01 * (outside + first + graph.tensors[graph.outputs[0]].size_bytes)


def test_first_weights_come_while_the_layer_before_runs() -> None:
    for spec in (load_preset("edge_32x32"), load_preset("edge_ddr4"), *MACHINES):
        plan = make_plan(residual_block("int8"), spec, across=("prefetch",))
        alone = simulate(plan.graph, spec).report.total_cycles
        saved = sum(one.prefetch.saved_cycles for one in plan.works if one.prefetch is not None)
        assert saved > 0
        assert simulate(plan.graph, spec, across=("prefetch",)).report.total_cycles == alone - saved


def test_branches_run_in_the_order_that_keeps_more_on_the_chip() -> None:
    draft = Draft(DTYPES["int8"])
    image = draft.add_input((1, 8, 8, 4))
    first, second = (draft.add(conv(192, kernel=1), [image]) for _ in range(2))
    ends = [draft.add(conv(4, kernel=1), [one]) for one in (second, first)]
    draft.add(Elementwise(function="add"), ends)
    given, small = draft.graph(), MACHINES[0]
    spec = replace(  # 21 KiB hold one of the two tensors of 12 KiB
        small,
        scratchpads=tuple(
            replace(pad, capacity_bytes=4 * pad.capacity_bytes) for pad in small.scratchpads
        ),
        memories=tuple(replace(one, bandwidth_bytes_per_s=1e9) for one in small.memories),
    )
    plan = make_plan(given, spec, across=("residency", "order"))
    assert plan.given is given
    names = [layer.name for layer in plan.graph.layers]
    assert names == ["layer1", "layer2", "layer0", "layer3", "layer4"]
    assert {first.name, second.name} <= plan.lifetimes.keys()
    assert validate_plan(plan, seed=0).passed
    assert estimated(given, spec, "residency", "order") < 0.75 * estimated(given, spec, "residency")
    assert "runs behind layer2 (before: behind nothing)" in map_text(plan)


def test_attention_over_4096_tokens_moves_no_scores() -> None:
    graph, spec = attention("int8", tokens=4096, heads=2, width=64), load_preset("tpu_v1")
    plan = make_plan(graph, spec, across=("fusion",))
    assert len(plan.layers) == 1
    assert not any("layer0" in name or "layer1" in name for name in plan.placements)
    operands = 4 * 4096 * 2 * 64  # query, key, value and context
    scores = 2 * 4096 * 4096
    assert dram_bytes(graph, spec, ("fusion",)) < scores  # keys and values come several times
    assert dram_bytes(graph, spec, ()) > operands + 3 * scores
    larger = tuple(replace(pad, capacity_bytes=8 * pad.capacity_bytes) for pad in spec.scratchpads)
    assert dram_bytes(graph, replace(spec, scratchpads=larger), ("fusion",)) == operands


@relaxed
@given(graph=chains("int8"), spec=st.sampled_from(MACHINES))
def test_the_compulsory_bytes_of_what_runs_are_moved(graph: Graph, spec: AcceleratorSpec) -> None:
    plan = make_plan(graph, spec, across=ACROSS)
    report = simulate(graph, spec, across=ACROSS).report
    for planned, layer in zip(plan.layers, report.layers, strict=True):
        least = least_of(plan.works[planned.work], spec)
        assert sum(layer.work.dram_bytes.values()) >= least.compulsory_bytes
        assert layer.work.total_cycles >= least.cycles * (1 - 1e-12)
        macs, fused = sum(graph.macs(one) for one in planned.layers), plan.works[planned.work].fused
        if fused is None:
            assert layer.work.macs == macs
        elif not any(fused.steps.skips):  # what nobody reads isn't computed
            assert layer.work.macs >= macs  # a halo is, again


@settings(relaxed, max_examples=25)
@given(graph=chains("int8"), spec=st.sampled_from(MACHINES))
def test_no_pass_costs_cycles(graph: Graph, spec: AcceleratorSpec) -> None:
    alone = [estimated(graph, spec, one) for one in ("fusion", "residency")]
    both = estimated(graph, spec, "fusion", "residency")
    assert both <= min(alone) <= max(alone) <= estimated(graph, spec)
    assert estimated(graph, spec, *ACROSS) <= both
    assert estimated(graph, spec, "residency", "prefetch") <= alone[1]


@relaxed
@given(graph=chains("int8"), spec=st.sampled_from(MACHINES))
def test_buffers_that_live_at_the_same_time_do_not_overlap(
    graph: Graph, spec: AcceleratorSpec
) -> None:
    plan = make_plan(graph, spec, across=ACROSS)
    capacity = {pad.name: pad.capacity_bytes for pad in spec.scratchpads}
    for number, planned in enumerate(plan.layers):
        taken: dict[str, list[tuple[int, int]]] = {name: [] for name in capacity}
        free = plan.works[planned.work].free_bytes
        for name in plan.alive(number):
            place = plan.placements[name]
            assert place.buffer is not None
            taken[place.memory].append((place.address, place.address + place.buffer.size_bytes))
        for pad, ranges in taken.items():
            ordered = sorted(ranges)
            for (_, end), (start, _) in pairwise(ordered):
                assert end <= start
            low = free[pad] if plan.program_count(planned) else 0  # a reshape needs no room
            assert all(low <= start and end <= capacity[pad] for start, end in ranges)


@pytest.mark.parametrize("hardware", ["edge_32x32", "edge_ddr4"])
@pytest.mark.parametrize("across", PASSES, ids="+".join)
def test_the_analytical_engine_gives_the_same_cycles(
    across: tuple[str, ...], hardware: str
) -> None:
    spec = load_preset(hardware)
    for graph in (residual_block("int8"), attention("int8", tokens=96)):
        cycle = simulate(graph, spec, across=across).report
        estimate = simulate(graph, spec, across=across, engine="analytical").report
        assert [layer.work.total_cycles for layer in estimate.layers] == [
            layer.work.total_cycles for layer in cycle.layers
        ]
        assert [layer.work.macs for layer in estimate.layers] == [
            layer.work.macs for layer in cycle.layers
        ]
