"""The text of `rooftile map`, and the bounds in it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accel.spec import AcceleratorSpec
from accel.spec_file import load_preset
from foundation.errors import MappingError
from mapper.bounds import bounds
from mapper.check import check
from mapper.mapping_file import parse_mappings
from mapper.planner import make_plan
from mapper.search.larger import next_better
from mapper.search.problem import problem_of
from mapper.stages import search
from reports.map_text import map_text
from tests.laws.graphs import chains
from tests.laws.machines import MACHINES
from tests.reports.runs import SMALL
from workloads.graph import Graph
from workloads.loaders.yaml import load_zoo, parse_network

relaxed = settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def test_the_text_of_one_layer() -> None:
    plan = make_plan(parse_network(SMALL, "small.yaml"), load_preset("edge_32x32"))
    lines = map_text(plan, "conv").splitlines()
    assert lines[0].startswith("conv: conv ")
    assert lines[1].startswith("  2 tiles, estimated ")
    assert "    for OY in 2 steps of 6" in lines
    assert "      load weight to weight (216 B), once" in lines
    assert "      one matmul: OY 6, OX 12, OC 8, FY 3, FX 3, IC 3" in lines
    assert "      input0 stays in input (588 B), loaded once" in lines  # of the runner-up
    assert any(
        "least cycles: main memory" in line and "times the largest" in line for line in lines
    )
    assert any("least main-memory traffic: 1.76 KiB compulsory" in line for line in lines)
    assert any("scored, none of the others is better; '" in line for line in lines)
    assert any("runner-up, " in line for line in lines)


BY_HAND = """\
layers:
  ffn:
    loops:
    - hold: output
    - {for: K, by: 96}
    - hold: input0
    - {for: N, by: 40}
    - hold: weight
    - {for: M, by: 16}
"""
NEST = """\
    psums wait in sram (18.8 KiB)
    for K in 2 steps of 96
      input0 stays in sram (2 x 4.5 KiB), loaded twice
      for N in 3 steps of 40, the last of 20
        weight stays in sram (2 x 3.75 KiB), loaded 6 times
        for M in 3 steps of 16
          load bias to accumulators (2 x 160 B), 3 times, before the first of K
          one matmul: M 16, N 40, K 96
            array: K 96 along 32 rows, N 40 along 32 columns, M 16 in time: 6 folds
          psums in accumulators (2 x 2.5 KiB)
          store output from sram (2 x 640 B), after the last of K, 9 times
"""


def test_a_nest_shows_what_stays_waits_and_lies_where() -> None:
    network = "{name: net, inputs: {x: [48, 192]}, layers: [{name: ffn, op: linear, out: 100}]}"
    plan = make_plan(
        parse_network(network, "net.yaml"),
        load_preset("ref32"),
        mappings=parse_mappings(BY_HAND, "mapping.yaml"),
    )
    assert NEST in map_text(plan)


def test_what_a_little_more_capacity_would_allow_is_said_where_it_is_small() -> None:
    network = "{name: net, inputs: {x: [512, 3072]}, layers: [{name: ffn, op: linear, out: 768}]}"
    text = map_text(make_plan(parse_network(network, "net.yaml"), load_preset("ref32")))
    assert "256 more bytes in 'accumulators' (most for psum) would allow " in text


@relaxed
@given(graph=chains("int8"), spec=st.sampled_from(MACHINES))
def test_what_lacks_bytes_is_better_than_the_best(graph: Graph, spec: AcceleratorSpec) -> None:
    for work in make_plan(graph, spec).works:
        for stage in work.stages:
            for kernel, split in zip(stage.kernels, stage.splits, strict=True):
                best = search(kernel, split, spec, "layer").chosen[0]
                machine = spec.with_dataflow(best.mapping.dataflow)
                larger = next_better(problem_of(kernel, machine, "layer", "latency"), best)
                if larger is not None:
                    assert larger.cost.cycles <= best.cost.cycles * 1.01
                    with pytest.raises(MappingError, match="are missing; take smaller steps"):
                        check(kernel, spec, larger.mapping)


@relaxed
@given(graph=chains("int8"), spec=st.sampled_from(MACHINES), cores=st.integers(1, 4))
def test_no_mapping_is_below_its_bound(graph: Graph, spec: AcceleratorSpec, cores: int) -> None:
    several = replace(spec, cores=cores)
    for work in make_plan(graph, several).works:
        for stage in work.stages:
            for kernel, estimate in zip(stage.kernels, stage.estimates, strict=True):
                assert bounds(kernel, several).cycles <= estimate.cycles * (1 + 1e-9)


@relaxed
@given(graph=chains("int8"), spec=st.sampled_from(MACHINES))
def test_the_runner_up_is_another_mapping_that_is_not_better(
    graph: Graph, spec: AcceleratorSpec
) -> None:
    for work in make_plan(graph, spec).works:
        for stage in work.stages:
            for kernel, split in zip(stage.kernels, stage.splits, strict=True):
                found = search(kernel, split, spec, "layer")
                (best, cost), second = found.best(), found.runner_up()
                assert all(0 < share <= 1 for share in found.fill().values())
                if second is not None:
                    assert (second[0].tile, second[0].dataflow) != (best.tile, best.dataflow)
                    assert second[1].cycles >= cost.cycles / 1.01


@pytest.mark.parametrize("hardware", ["edge_32x32", "npu_4core"])
def test_every_work_of_a_network_is_shown_once(hardware: str) -> None:
    graph = load_zoo("alexnet", dtype="int8")
    plan = make_plan(graph, load_preset(hardware))
    heads = [line for line in map_text(plan).splitlines() if line and line[0] != " "]
    assert len(heads) == len(plan.works)


def test_an_unknown_layer_is_refused() -> None:
    plan = make_plan(load_zoo("alexnet"), load_preset("edge_32x32"))
    message = "layer 'conv9': network 'alexnet' has no such layer; did you mean 'conv"
    with pytest.raises(MappingError, match=f"^{message}"):
        map_text(plan, "conv9")
