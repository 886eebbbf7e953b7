"""Layouts of tiles in scratchpads with banks: right on data, and free of conflicts by default."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accel.machine import Machine
from accel.spec import LAYOUTS, AcceleratorSpec
from accel.spec_file import load_preset
from foundation.dtype import DTYPES
from mapper.layout import Layout
from mapper.plan import Plan
from mapper.planner import make_plan
from reports.explain import explain_text
from rooftile.simulation import simulate
from rooftile.validate.program import validate_program
from tests.laws.draft import Draft
from tests.laws.graphs import chains
from tests.laws.machines import MACHINES
from tests.reports.runs import SMALL, run
from workloads.graph import Graph
from workloads.layers import Convolution, Linear, Window
from workloads.loaders.yaml import load_zoo, parse_network

#: The first networks of the zoo, and of those that came later some with other operators. All others
#: have none either, but for two.
WITHOUT_CONFLICTS = (
    *("alexnet", "bert_base", "bert_large", "gpt2", "gpt3_175b_decode", "gpt3_175b_prefill"),
    *("mobilenet_v2", "resnet18", "resnet50", "vgg16", "vit_b16"),
    *("dlrm", "llama3_8b_decode", "mlp_mixer_b16", "shufflenet_v2_x1_0"),
)

relaxed = settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def banked(spec: AcceleratorSpec, layout: str, banks: int = 4, width: int = 2) -> AcceleratorSpec:
    """Return a machine whose scratchpads have few banks."""
    pads = tuple(
        replace(
            pad,
            banks=banks,
            width_bytes=width,
            layout=layout,
            bandwidth_bytes_per_cycle=float(banks * width),
        )
        for pad in spec.scratchpads
    )
    return replace(spec, scratchpads=pads)


@relaxed
@given(
    graph=chains("int8"),
    spec=st.sampled_from(MACHINES),
    layout=st.sampled_from(LAYOUTS),
    banks=st.integers(1, 5),
)
def test_programs_compute_the_same_in_every_layout(
    graph: Graph, spec: AcceleratorSpec, layout: str, banks: int
) -> None:
    validation = validate_program(graph, banked(spec, layout, banks), seed=0)
    assert validation.passed, validation.text


def conflicting(preset: str, network: str) -> list[str]:
    """Return the layers of a network that have conflicts on one core of a preset."""
    graph = load_zoo(network, dtype="int8")
    return conflicting_layers(replace(load_preset(preset), cores=1, network=None), graph)


def conflicting_layers(spec: AcceleratorSpec, graph: Graph) -> list[str]:
    """Return the layers of a network that have conflicts."""
    plan = make_plan(graph, spec)
    return [
        planned.layer.name
        for planned in plan.layers
        for stage in plan.works[planned.work].stages
        if any(sum(mapping.conflict_cycles) for mapping in stage.mappings)
    ]


@pytest.mark.parametrize("network", WITHOUT_CONFLICTS)
def test_the_zoo_has_layouts_without_conflicts(network: str) -> None:
    assert conflicting("mesh_64core", network) == []
    assert conflicting("npu_4core", network) == []


def test_where_the_zoo_has_conflicts() -> None:
    assert conflicting("mesh_64core", "swin_t") == []
    masks = {name.rpartition(".")[2] for name in conflicting("npu_4core", "swin_t")}
    assert masks == {"masked"}
    larger = "{name: larger, op: resize, factor: [8, 1], mode: linear}"  # as deeplabv3_resnet50's
    text = f"name: n\ninputs: {{scores: [batch, 65, 65, 21]}}\nlayers: [{larger}]"
    spec = replace(load_preset("npu_4core"), cores=1, network=None)
    assert conflicting_layers(spec, parse_network(text, "n.yaml")) == ["larger"]


def test_a_power_of_two_of_banks_is_no_good_for_windows_that_step_by_one() -> None:
    """32 rows of the array, 16 pixels apart, meet in few of 32 banks whatever the gap."""
    spec = load_preset("npu_4core")
    pads = tuple(replace(p, banks=32 if p.banks == 37 else p.banks) for p in spec.scratchpads)
    spec = replace(spec, cores=1, network=None, scratchpads=pads)
    assert conflicting_layers(spec, load_zoo("vit_b16", dtype="int8")) == ["patches"]


def conflicts_in_trace(plan: Plan, name: str) -> int:
    """Return the cycles that a layer's queues waited for banks."""
    total = 0
    for program in plan.programs(plan.layer(name)):
        trace = Machine(plan.spec).run(program)
        rows = trace["cause"] == trace.causes.index("bank_conflict")
        total += int((trace["end_fs"][rows] - trace["start_fs"][rows]).sum()) // 10**6
    return total


def product_and_strided_window() -> Graph:
    """Return a product whose rows lie 64 bytes apart, then a convolution that steps by 2."""
    draft = Draft(DTYPES["int8"])
    draft.add(Linear(out_features=16, bias=False), [draft.add_input((16, 64))])
    window = Window(3, stride=2, pad_before=1, pad_after=1)
    convolution = Convolution(out_channels=32, windows=(window, window), bias=False)
    draft.add(convolution, [draft.add_input((1, 28, 28, 32))])
    return draft.graph()


def test_what_the_mapper_expects_is_what_the_machine_waits_for() -> None:
    plain = load_preset("edge_32x32")
    memories = tuple(replace(m, bandwidth_bytes_per_s=inf, latency_fs=0) for m in plain.memories)
    spec = banked(replace(plain, memories=memories), "row_major", banks=16, width=4)
    plan = make_plan(product_and_strided_window(), spec)
    (mapping,) = plan.works[0].stages[0].mappings
    # 16 rows of one column lie in one bank: 16 cycles instead of one, for each of 64 columns.
    assert mapping.conflict_cycles == (64 * 15, 0, 0, 0)
    assert conflicts_in_trace(plan, plan.layers[0].layer.name) == 64 * 15


def test_asking_for_a_layout_shows_what_it_costs() -> None:
    spec, graph = load_preset("edge_32x32"), product_and_strided_window()
    reports = {name: simulate(graph, banked(spec, name, 32, 4)).report for name in LAYOUTS}
    cycles = {name: report.total_cycles for name, report in reports.items()}
    assert cycles["auto"] == min(cycles.values()) < cycles["row_major"]
    for report in reports.values():
        for layer in report.layers:
            assert sum(layer.work.causes.values()) == layer.work.stall_cycles
    assert "bank conflict" not in reports["auto"].layers[1].work.causes
    assert reports["row_major"].layers[1].work.causes["bank conflict"] > 0


def test_without_banks_nothing_changes() -> None:
    plain = load_preset("edge_32x32")
    pads = tuple(replace(p, banks=64, ports=2, width_bytes=64) for p in plain.scratchpads)
    with_banks = replace(plain, scratchpads=pads)
    first, second = (simulate(load_zoo("alexnet"), s).report for s in (plain, with_banks))
    assert second.total_cycles == pytest.approx(first.total_cycles, rel=0.01)
    assert not any("bank conflict" in layer.work.causes for layer in second.layers)


def test_explain_shows_layouts() -> None:
    result = run(SMALL, banked(load_preset("edge_32x32"), "channel_last", 16, 16))
    text = explain_text(result.report, result.plan, "conv")
    assert "weight in weight: OC fastest, 0 conflict cycles a tile" in text
    assert "psum in psum" in text


@pytest.mark.parametrize(
    ("layout", "strides", "size_bytes"),
    [
        (Layout(), (24, 8, 2), 48),
        (Layout(last=0), (2, 16, 4), 48),
        (Layout(padded=1, pad_bytes=4), (36, 12, 2), 36 + 24 + 8),
        (Layout(last=1, padded=2, pad_bytes=2), (32, 2, 8), 32 + 4 + 24 + 2),
    ],
)
def test_strides_of_layouts(layout: Layout, strides: tuple[int, ...], size_bytes: int) -> None:
    assert layout.strides((2, 3, 4), 2) == strides
    assert layout.size_bytes((2, 3, 4), 2) == size_bytes
    places = np.zeros(size_bytes, dtype=np.int64)
    for index in np.ndindex(2, 3, 4):
        at = int(np.dot(index, strides))
        places[at : at + 2] += 1
    assert places.max() == 1
