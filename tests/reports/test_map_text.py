"""The text of `rooftile map`, and the bounds in it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accel.spec import AcceleratorSpec
from accel.spec_file import load_preset
from foundation.errors import MappingError
from mapper.plan import make_plan
from mapper.stages import search
from reports.map_text import lower_bounds, map_text
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
    assert lines[1].startswith("  2 tiles, closed form ")
    assert any("lower bound" in line and "times that" in line for line in lines)
    assert any("scored, none of the others is better; '" in line for line in lines)
    assert any("runner-up, " in line for line in lines)


@relaxed
@given(graph=chains("int8"), spec=st.sampled_from(MACHINES), cores=st.integers(1, 4))
def test_no_mapping_is_below_its_bound(graph: Graph, spec: AcceleratorSpec, cores: int) -> None:
    several = replace(spec, cores=cores)
    for work in make_plan(graph, several).works:
        for stage in work.stages:
            for kernel, estimate in zip(stage.kernels, stage.estimates, strict=True):
                assert max(lower_bounds(kernel, several).values()) <= estimate.cycles * (1 + 1e-9)


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
                    assert second[0].tile != best.tile
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
