"""Constraints: what they leave is what they allow, and mistakes in them are named."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accel.spec import AcceleratorSpec
from accel.spec_file import load_preset
from foundation.errors import MappingError
from mapper.constraints import load_constraints, parse_constraints, schema
from mapper.kernel import Kernel
from mapper.mapping import Mapping
from mapper.operators import kernels_of
from mapper.plan import Plan
from mapper.planner import make_plan
from mapper.search.cache import MappingCache
from mapper.search.find import DEFAULT
from mapper.space import Family, map_space
from reports.space_text import space_text
from rooftile.validate.program import validate_plan
from tests.laws.machines import MACHINES
from workloads.graph import Graph
from workloads.loaders.yaml import parse_network

relaxed = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
FORMAT = (Path(__file__).parents[2] / "mapper" / "FORMAT.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(constraints:.*?)```", FORMAT, re.DOTALL)

NETWORK = """\
name: net
dtype: int8
inputs: {x: [1, 12, 12, 24]}
layers:
- {name: conv, op: conv, out: 40, kernel: 3, padding: 1}
- {name: pool, op: max_pool, kernel: 2, stride: 2}
- {name: flat, op: reshape, shape: [36, 40]}
- {name: fc, op: linear, out: 100}
"""


def network() -> Graph:
    return parse_network(NETWORK, "net.yaml")


def kernel_of(name: str) -> Kernel:
    graph = network()
    return kernels_of(graph, next(layer for layer in graph.layers if layer.name == name))[0]


def plan_of(entry: str, spec: AcceleratorSpec | None = None) -> Plan:
    constraints = parse_constraints(f"constraints:\n- {entry}\n", "limits.yaml")
    return make_plan(network(), spec or load_preset("ref32"), constraints=constraints)


def mapping_of(plan: Plan, layer: str) -> Mapping:
    return plan.works[plan.layer(layer).work].stages[0].mappings[0]


def families(entry: str, name: str, spec: AcceleratorSpec) -> tuple[Family, ...]:
    constraints = parse_constraints(f"constraints:\n- {entry}\n", "limits.yaml")
    operator = {"conv": "conv", "fc": "linear", "pool": "max_pool"}[name]
    return map_space(kernel_of(name), spec, constraints.of(name, operator), name)


@relaxed
@given(
    low=st.integers(1, 40),
    high=st.integers(1, 40),
    level=st.sampled_from(["tile", "block"]),
    spec=st.sampled_from(MACHINES),
)
def test_bounds_of_sizes_leave_exactly_what_is_between(
    low: int, high: int, level: str, spec: AcceleratorSpec
) -> None:
    kernel = kernel_of("fc")
    expected = 0
    for family in map_space(kernel, spec):
        nests = family.nests
        loops = [n for n, d in enumerate(nests.dimensions) if d == 0]
        size = nests.columns[loops[0 if level == "block" else -1]]
        for _, rows in family.places:
            left = rows & (low <= size) & (size <= high)
            expected += int(np.broadcast_to(left, nests.shape).sum())
    entry = f"dimensions: {{M: {{{level}: {{min: {low}, max: {high}}}}}}}"
    if expected:
        found = families(entry, "fc", spec)
        assert sum(family.count for family in found) == expected
    else:
        with pytest.raises(MappingError, match=r"leaves none of [\d,]+ mappings"):
            families(entry, "fc", spec)


def test_a_tile_that_nothing_else_asks_for_is_tried() -> None:
    plan = plan_of("{layers: fc, dimensions: {M: {tile: 7}, N: {tile: 33}}}")
    mapping = mapping_of(plan, "fc")
    assert mapping.tile[:2] == (7, 33)
    assert validate_plan(plan, seed=1).passed


@pytest.mark.parametrize(
    ("entry", "holds"),
    [
        ("dimensions: {OC: {tile: {not: [40, 32]}}}", lambda m: m.tile[4] not in (40, 32)),
        ("dimensions: {N: {tile: {only: [8, 16]}}}", lambda m: m.tile[4] in (8, 16)),
        ("dimensions: {M: {tile: {max: 24}}}", lambda m: m.tile[2] * m.tile[3] <= 24),
        ("dimensions: {IC: {tile: {max: 8}}}", lambda m: m.tile[7] <= 8),
        ("buffers: {weight: 1, output: 1}", lambda m: m.num_buffers[1:] == (1, 1)),
        ("hold: {input0: {not: whole}}", lambda m: m.region(0, (1, 1, 12, 12)) != (1, 1, 12, 12)),
    ],
)
def test_a_constraint_holds_in_what_is_found(entry: str, holds: object) -> None:
    assert callable(holds)
    plan = plan_of(f"{{layers: conv, {entry}}}")
    assert holds(mapping_of(plan, "conv"))
    assert validate_plan(plan, seed=1).passed


@pytest.mark.parametrize("order", ["M outside N", "N outside M"])
def test_an_order_leaves_one_family(order: str) -> None:
    found = families(f"order: {order}", "conv", MACHINES[1])
    assert [family.label for family in found if family.count] == [order]
    left = families(f"order: {{not: [{order}]}}", "conv", MACHINES[1])
    assert order not in [family.label for family in left if family.count]


@pytest.mark.parametrize("place", ["tile", "block", "whole"])
def test_places_are_told_apart_by_what_they_hold(place: str) -> None:
    kernel = kernel_of("conv")
    for family in families(f"hold: {{weight: {place}}}", "conv", MACHINES[1]):
        for held, rows in family.places:
            if not rows.any():
                continue
            needed = [d for d in range(8) if kernel.inputs[1].depends_on(d)]
            nests, tried = family.nests, np.broadcast_to(rows, family.nests.shape)
            sizes, tiles = (
                [np.broadcast_to(nests.size(depth, d), nests.shape)[tried] for d in needed]
                for depth in (held[1], nests.depth)
            )
            is_whole = [s == kernel.extents[d] for d, s in zip(needed, sizes, strict=True)]
            is_tile = [s == t for s, t in zip(sizes, tiles, strict=True)]
            for row in range(int(tried.sum())):
                whole = all(column[row] for column in is_whole)
                tile = all(column[row] for column in is_tile)
                assert place == ("whole" if whole else "tile" if tile else "block")


@pytest.mark.parametrize(
    ("split", "most", "axes"),
    [("max_cores: 2", 2, "mnk groups"), ("not: [m, k]", 8, "n groups"), ("along: [m]", 8, "m")],
)
def test_splits_keep_to_their_limits(split: str, most: int, axes: str) -> None:
    spec = replace(MACHINES[1], cores=8)
    plan = plan_of(f"{{layers: [conv, fc], split: {{{split}}}}}", spec)
    for name in ("conv", "fc"):
        stage = plan.works[plan.layer(name).work].stages[0]
        (kernel,), (chosen,) = stage.kernels, stage.splits
        assert chosen.parts <= most
        assert all(kernel.dimensions[d].role.value.lower() in axes for d, _ in chosen.ways)


def test_what_is_found_under_constraints_is_cached_beside_other_constraints(
    tmp_path: Path,
) -> None:
    cache = MappingCache(tmp_path / "cache")
    options = replace(DEFAULT, cache=cache)

    def found(*entries: str) -> tuple[Mapping, ...]:
        text = "constraints:\n" + "".join(f"- {entry}\n" for entry in entries)
        constraints = parse_constraints(text, "limits.yaml") if entries else None
        plan = make_plan(network(), load_preset("ref32"), constraints=constraints, options=options)
        return tuple(m for work in plan.works for stage in work.stages for m in stage.mappings)

    narrow, wide = (f"dimensions: {{OC: {{tile: {size}}}}}" for size in (8, 16))
    first = [found(), found(narrow), found(wide)]
    written = sorted((tmp_path / "cache").iterdir())
    assert [found(), found(narrow), found(wide)] == first
    assert sorted((tmp_path / "cache").iterdir()) == written
    assert len(set(first)) == 3


def test_other_layers_are_free() -> None:
    free = make_plan(network(), load_preset("ref32"))
    plan = plan_of("{layers: c*, operators: [conv], dimensions: {OC: {tile: 8}}}")
    assert mapping_of(plan, "fc") == mapping_of(free, "fc")
    assert mapping_of(plan, "conv") != mapping_of(free, "conv")


MISTAKES = {
    "{layers: cnov, order: in order}": "constraints[0].layers: 'cnov' is none of the"
    " network's layers; did you mean 'conv'?",
    "{operators: [con], order: in order}": "constraints[0].operators: 'con' is none of the"
    " network's operators; did you mean 'conv'?",
    "{dimensions: {QC: {tile: 4}}}": "constraints[0].dimensions.QC: unknown dimension 'QC', known",
    "{layers: fc, hold: {wieght: tile}}": "constraints[0].hold.wieght: unknown operand 'wieght',"
    " known are bias, input0, output, weight; did you mean 'weight'?",
    "{layers: fc, buffers: {inputs: 2}}": "constraints[0].buffers.inputs: unknown operand 'inputs',"
    " known are bias, input0, output, weight; did you mean 'input0'?",
    "{buffers: {weight: 3}}": "constraints[0].buffers.weight: must be 1 or 2 but is 3",
    "{order: N outside K}": "constraints[0].order: order 'N outside K' must be one of M outside"
    " N, N outside M, K outside M, K outside N, in order; did you mean 'N outside M'?",
    "{hold: {weight: blok}}": "constraints[0].hold.weight: place 'blok' must be one of tile, block,"
    " whole; did you mean 'block'?",
    "{split: {not: [x]}}": "constraints[0].split: axis 'x' must be one of m, n, k, groups",
    "{layers: conv}": "constraints[0]: constrains nothing; give one of dimensions, order, hold,"
    " buffers, split",
    "{layers: fc, dimensions: {M: {tile: {min: 37}}}}": "constraints[0].dimensions.M.tile: layer"
    " 'fc': leaves none of ",
    "{layers: fc, order: K outside M}": "constraints[0].order: layer 'fc': leaves none of ",
}


@pytest.mark.parametrize("entry", MISTAKES)
def test_a_constraint_that_can_not_be_kept_is_named(entry: str) -> None:
    with pytest.raises(MappingError, match=f"^{re.escape(f'limits.yaml:2: {MISTAKES[entry]}')}"):
        plan_of(entry)


def test_a_split_that_leaves_nothing_is_named() -> None:
    spec = replace(MACHINES[1], cores=4)
    constraints = parse_constraints(
        "constraints:\n- {layers: fc, split: {not: [m]}}\n", "limits.yaml"
    )
    message = "limits.yaml:2: constraints[0].split: layer 'fc': leaves none of the "
    with pytest.raises(MappingError, match=f"^{re.escape(message)}"):
        make_plan(network(), spec, split="m", constraints=constraints)


def test_the_space_is_printed_with_what_fits() -> None:
    text = space_text(plan_of("{layers: fc, dimensions: {K: {tile: 40}}}"), "fc")
    lines = text.splitlines()
    assert lines[0] == "fc: linear M36 N100 K40"
    assert any(
        re.match(r"  M outside N: [\d,]+ mappings; loops, outermost first:", x) for x in lines
    )
    assert any(x.startswith("    N by 100, ") for x in lines)
    assert any("weight outside of" in x and "of which" in x for x in lines)
    assert "buffers, where a region moves more than once: input0 1 or 2, weight 1 or 2" in text
    assert re.match(
        r"  [\d,]+ mappings, of which [\d,]+ fit with some number of buffers", lines[-1]
    )
    assert "    K by" not in text


def test_a_view_has_no_space() -> None:
    assert space_text(plan_of("{layers: fc, buffers: {weight: 2}}"), "flat").endswith(
        "no data moves"
    )


def test_a_file_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "limits.yaml"
    path.write_text("constraints:\n- layers: fc\n  dimension: {}\n")
    with pytest.raises(MappingError, match=rf"^{path}:3: constraints\[0\].dimension: unknown key"):
        load_constraints(path)


@pytest.mark.parametrize("text", EXAMPLES)
def test_documented_examples_are_constraints(text: str) -> None:
    parse_constraints(text, "FORMAT.md")
    jsonschema.validate(yaml.safe_load(text), schema())


def test_there_is_a_documented_example() -> None:
    assert EXAMPLES
