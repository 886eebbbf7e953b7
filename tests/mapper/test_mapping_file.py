"""Mappings as YAML: the way back, and what is wrong with those that can't run."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accel.spec import AcceleratorSpec
from accel.spec_file import load_preset
from foundation.errors import MappingError
from mapper.check import check
from mapper.mapping import Loop, Mapping
from mapper.mapping_file import load_mappings, parse_mappings, schema
from mapper.operators import kernels_of
from mapper.plan import Plan
from mapper.planner import make_plan
from rooftile.validate.program import validate_plan
from tests.laws.graphs import chains
from tests.laws.machines import MACHINES
from workloads.graph import Graph
from workloads.loaders.yaml import parse_network

relaxed = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
FORMAT = (Path(__file__).parents[2] / "mapper" / "FORMAT.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(layers:.*?)```", FORMAT, re.DOTALL)

NETWORK = """\
name: net
dtype: int8
inputs: {x: [64, 96]}
layers:
- {name: first, op: linear, out: 128, bias: false}
- {name: second, op: linear, out: 128, bias: false}
- {name: third, op: linear, out: 128, bias: false}
- {name: rows, op: softmax}
- {name: flat, op: reshape, shape: [-1]}
"""


def network() -> Graph:
    return parse_network(NETWORK, "net.yaml")


def plan_of(text: str, spec: AcceleratorSpec | None = None) -> Plan:
    return make_plan(
        network(), spec or load_preset("ref32"), mappings=parse_mappings(text, "mapping.yaml")
    )


@settings(relaxed, max_examples=60)
@given(graph=chains("int8"), spec=st.sampled_from(MACHINES), cores=st.integers(1, 4))
def test_a_plan_survives_being_written(graph: Graph, spec: AcceleratorSpec, cores: int) -> None:
    several = replace(spec, cores=cores)
    plan = make_plan(graph, several)
    text = plan.mappings_yaml()
    again = make_plan(graph, several, mappings=parse_mappings(text, "mapping.yaml"))
    for work, other in zip(plan.works, again.works, strict=True):
        for stage, same in zip(work.stages, other.stages, strict=True):
            assert stage.splits == same.splits
            assert stage.mappings == same.mappings
            assert stage.estimates == same.estimates
    assert again.mappings_yaml() == text
    jsonschema.validate(yaml.safe_load(text), schema())


def test_layers_that_the_file_leaves_out_are_searched() -> None:
    searched = make_plan(network(), load_preset("ref32"))
    text = """\
layers:
  second:
    also: [third]
    loops: [{for: N, by: 32}, {for: M, by: 16}]
"""
    plan = plan_of(text)
    assert plan.works[0] == searched.works[0]
    written = plan.works[plan.layer("second").work].stages[0].mappings[0]
    assert written.loops == (Loop(1, 32), Loop(0, 16), Loop(2, 128))
    assert written.held == (3, 3, 3)
    assert written.num_buffers == (2, 2, 2)
    assert plan.layer("second").work == plan.layer("third").work
    assert validate_plan(plan, seed=1).passed


def test_held_operands_and_buffers_are_as_written() -> None:
    text = """\
layers:
  first:
    dataflow: WS
    loops:
    - hold: [weight, output]
    - {for: K, by: 48}
    - hold: input0
    - {for: M, by: 16}
    buffers: {input0: 1, output: 1}
"""
    mapping = plan_of(text).works[0].stages[0].mappings[0]
    assert mapping.loops == (Loop(2, 48), Loop(0, 16), Loop(1, 128))
    assert mapping.held == (1, 0, 0)
    assert mapping.num_buffers == (1, 1, 1)


NESTS = {
    "{loops: [{for: Q, by: 4}]}": "layers.first.loops[0].for: unknown dimension 'Q', known are M,"
    " N, K",
    "{loops: [{for: m, by: 4}]}": "layers.first.loops[0].for: unknown dimension 'm', known are M,"
    " N, K",
    "{loops: [{hold: inputs}]}": "layers.first.loops[0].hold: unknown operand 'inputs', known are"
    " input0, weight, output; did you mean 'input0'?",
    "{loops: [{hold: weight}, {for: M, by: 4}, {hold: weight}]}": "layers.first.loops[2].hold:"
    " 'weight' is held twice; remove one",
    "{loops: [{for: M}]}": "layers.first.loops[0]: must have either 'for' and 'by', or 'hold'",
    "{loops: [{for: M, by: 0}]}": "layers.first.loops[0].by: must be at least 1 but is 0",
    "{loops: [{for: M, by: 65}]}": "layers.first.loops[0].by: loop over 'M' goes by 65 but the"
    " dimension has 64 iterations",
    "{loops: [{for: M, by: 9223372036854775808}]}": "layers.first.loops[0].by: loop over 'M' goes"
    " by 9223372036854775808 but the dimension has 64 iterations",
    "{loops: [{for: M, by: 8}, {for: M, by: 9}]}": "layers.first.loops[1].by: loop over 'M' goes by"
    " 9 but the loop outside it goes by 8",
    "{loops: [{for: K, by: 32}, {for: M, by: 8}]}": "layers.first.loops[0].by: loop over 'K' by 32"
    " is outside of that over 'M' by 8, but psums never leave the chip; move it inside, or hold"
    " output outside of it",
    "{loops: [{for: N, by: 32}], buffers: {weight: 3}}": "layers.first.buffers.weight: 'weight' has"
    " 3 buffers but 1 or 2 are possible",
    "{loops: [], buffers: {wait: 1}}": "layers.first.buffers.wait: unknown operand 'wait', known"
    " are input0, weight, output; did you mean 'weight'?",
    "{dataflow: OS}": "layers.first.dataflow: the array of machine 'ref32' is WS but the mapping"
    " is for OS; write WS",
    "{dataflow: WSS}": "layers.first.dataflow: must be one of OS, WS, IS but is 'WSS'; did you mean"
    " 'WS'?",
    "{loops: []}": "layers.first.loops: scratchpad 'accumulators' has 8192 bytes but 32768 are"
    " needed (psum 32768): 24576 are missing; take smaller steps",
    "{split: {N: 64}}": "layers.first.split: 64 parts are unrolled over 1 cores; split in fewer",
    "{split: {N: 129}}": "layers.first.split: dimension 'N' is split in 129 but has 128 iterations",
    "{split: {OC: 2}}": "layers.first.split.OC: unknown dimension 'OC', known are M, N, K",
    "{loop: []}": "layers.first.loop: unknown key 'loop'; did you mean 'loops'?",
    "{kernels: [{}], loops: [{for: M, by: 4}]}": "layers.first: must have either 'kernels' or the"
    " keys of one nest",
    "{kernels: [{}, {}]}": "layers.first: has 2 nests but 1 are needed (the layer has one kernel);"
    " list them under 'kernels'",
    "{also: [first]}": "layers.first.also[0]: layer 'first' is mapped twice; the other mapping is"
    " 'first' on line 2",
    "{also: [secnd]}": "layers.first.also[0]: network 'net' has no layer 'secnd'; did you mean"
    " 'second'?",
}


@pytest.mark.parametrize("nest", NESTS)
def test_a_nest_that_can_not_run_is_refused(nest: str) -> None:
    message = f"mapping.yaml:2: {NESTS[nest]}"
    with pytest.raises(MappingError, match=f"^{re.escape(message)}$"):
        plan_of(f"layers:\n  first: {nest}\n")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("frist: {}", "layers.frist: network 'net' has no layer 'frist'; did you mean 'first'?"),
        ("flat: {}", "layers.flat: is a reshape, which moves no data and has no mapping; leave it"),
        (
            "rows: {loops: [{for: features, by: 2}]}",
            "but all 128 are needed at once: the dimension is",
        ),
        (
            "rows: {split: {features: 2}}",
            "layers.rows.split: dimension 'features' isn't split: it is reduced,",
        ),
        (
            "rows: {loops: [{hold: output}, {for: rows, by: 8}]}",
            "'output' is held inside of 0 of 2 loops but moves tile by tile; hold it nowhere",
        ),
    ],
)
def test_a_layer_that_can_not_run_so_is_refused(entry: str, message: str) -> None:
    with pytest.raises(MappingError, match=re.escape(message)):
        plan_of(f"layers:\n  {entry}\n")


def test_a_sum_that_is_split_has_two_nests() -> None:
    spec = replace(load_preset("ref32"), cores=4)
    one = "layers: {first: {split: {K: 2}, loops: [{for: M, by: 8}]}}"
    with pytest.raises(MappingError, match="has 1 nests but 2 are needed"):
        plan_of(one, spec)
    nest = "{split: {K: 2}, loops: [{for: M, by: 8}]}"
    text = (
        f"layers: {{first: {{kernels: [{nest}, {{split: {{M: 4}}, loops: [{{for: M, by: 4}}]}}]}}}}"
    )
    plan = plan_of(text, spec)
    assert [stage.splits[0].parts for stage in plan.works[0].stages] == [2, 4]
    assert validate_plan(plan, seed=1).passed


def test_errors_name_the_line_of_the_key(tmp_path: Path) -> None:
    path = tmp_path / "mapping.yaml"
    path.write_text("layers:\n  first:\n    loops:\n    - hold: weight\n    - {for: N, by: 200}\n")
    with pytest.raises(
        MappingError, match=rf"^{path}:5: layers.first.loops\[1\].by: loop over 'N'"
    ):
        make_plan(network(), load_preset("ref32"), mappings=load_mappings(path))


@pytest.mark.parametrize("text", EXAMPLES)
def test_documented_examples_are_mappings(text: str) -> None:
    parse_mappings(text, "FORMAT.md")
    jsonschema.validate(yaml.safe_load(text), schema())


def test_there_are_documented_examples() -> None:
    assert len(EXAMPLES) >= 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loops": (Loop(0, 8),)}, "dimension 'N' has no loop"),
        ({"held": (0,)}, "3 operands have 1 places; give one for each"),
        ({"held": (0, 4, 3)}, "'weight' is held inside of 4 loops but there are 3"),
        ({"num_buffers": (1, 0, 2)}, "'weight' has 0 buffers but 1 or 2 are possible"),
    ],
)
def test_mappings_made_in_python_keep_the_same_rules(change: dict[str, Any], message: str) -> None:
    graph = network()
    (kernel,) = kernels_of(graph, graph.layers[0])
    mapping = Mapping(
        loops=(Loop(0, 8), Loop(1, 32), Loop(2, 96)), held=(3, 3, 3), num_buffers=(2, 2, 2)
    )
    check(kernel, load_preset("ref32"), mapping)
    with pytest.raises(MappingError, match=f"^{re.escape(message)}$"):
        check(kernel, load_preset("ref32"), replace(mapping, **change))
