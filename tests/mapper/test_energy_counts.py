"""The closed form's energy is that of the run, component by component."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby, pairwise
from math import prod
from operator import itemgetter

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from accel.several_arrays import matmul_work
from accel.spec import AcceleratorSpec
from accel.spec_file import load_preset, parse_spec
from foundation.dtype import DTYPES
from foundation.errors import SpecError
from mapper.cost import energies_pj, estimate
from mapper.energy_counts import array_counts
from mapper.kernel import Contraction, Kernel, OperandMap, Role, axis_step
from mapper.mapping import Mapping, Tile, cut, results_of, tiling_of
from mapper.mapping_file import LayerMapping, mappings_text, parse_mappings
from mapper.nest import Nests, nest_of, padding_of
from mapper.operators import kernels_of
from mapper.planner import make_plan
from mapper.search.find import SearchOptions, find_mapping
from mapper.splits import Split
from mapper.stages import largest_part, split_energies_pj
from reports.report import WorkReport
from rooftile.simulation import simulate
from tests.laws.draft import Draft
from tests.laws.graphs import NOT_ONE_KERNEL, OPERATORS, single_layers
from tests.laws.machines import MACHINES
from tests.mapper.energies import with_all_energies
from tests.mapper.nests import mappings
from tests.mapper.test_any_mapping import ROOMY
from tests.mapper.test_bounds import product_kernel
from workloads.graph import Graph
from workloads.layers import Linear

relaxed = settings(
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.filter_too_much,
    ],
)
LEAKING = [with_all_energies(spec, leakage_mw=7.0) for spec in ROOMY]


def run(graph: Graph, kernel: Kernel, mapping: Mapping, spec: AcceleratorSpec) -> WorkReport:
    """Return the report of a layer that is mapped so."""
    (layer,) = graph.layers
    written = LayerMapping(
        name=layer.name, also=(), kernels=(kernel,), splits=(Split(),), mappings=(mapping,)
    )
    text = mappings_text([written], spec, "one layer")
    report = simulate(graph, spec, mappings=parse_mappings(text, "mapping.yaml")).report
    return report.layers[0].work


def moves_of(kernel: Kernel, mapping: Mapping, operand: OperandMap, depth: int) -> int:
    """Return how often an operand's part at a depth changes, turn by turn."""
    whole = Tile(low=(0,) * len(kernel.extents), size=kernel.extents)
    numbers = sorted({d for axis in operand.axes for d, _ in axis.terms})
    blocks = (
        [(block.low[d], block.size[d]) for d in numbers]
        for block in cut(whole, mapping.loops[:depth])
    )
    return sum(1 for _ in groupby(blocks))


def has_gaps(nests: Nests, operand: OperandMap, depth: int) -> bool:
    """Whether windows of an operand's part are so far apart that tiles leave out some of it."""
    for axis in operand.axes:
        reach = axis_step(axis, nests.kernel.extents)
        for d, coefficient in sorted(axis.terms, key=itemgetter(1)):
            tile = int(nests.size(nests.depth, d).max())
            if tile < int(nests.size(depth, d).max()) and coefficient > reach:
                return True
            reach += coefficient * (tile - 1)
    return False


def is_exact(kernel: Kernel, spec: AcceleratorSpec, mapping: Mapping, work: WorkReport) -> bool:
    """Whether the closed form counts all moves: not where ragged parts join moves.

    Bytes of main memory tell, but of parts that are padding alone, which are filled without any.
    """
    if estimate(kernel, spec, mapping).dram_bytes != work.total_dram_bytes:
        return False
    nests = nest_of(kernel, mapping)
    for operand, depth in zip(kernel.inputs, mapping.held, strict=False):
        has_padding = any(padding_of(axis, kernel.extents) for axis in operand.axes)
        is_joined = moves_of(kernel, mapping, operand, depth) != nests.moves(operand, depth)
        if has_padding and (is_joined or has_gaps(nests, operand, depth)):
            return False
    results = len(results_of(kernel, tiling_of(kernel, mapping)))
    is_product = isinstance(kernel.body, Contraction)
    return not is_product or int(nests.moves(kernel.output, nests.depth).max()) == results


@pytest.mark.parametrize("operator", sorted(set(OPERATORS) - set(NOT_ONE_KERNEL)))
def test_the_energy_of_a_mapping_is_that_of_its_run(operator: str) -> None:
    graphs = single_layers(operator, "int8") | single_layers(operator, "bf16")

    @settings(relaxed, max_examples=30 if operator in ("conv", "linear", "matmul") else 8)
    @given(graph=graphs, spec=st.sampled_from(LEAKING), data=st.data())
    def check(graph: Graph, spec: AcceleratorSpec, data: st.DataObject) -> None:
        (kernel,) = kernels_of(graph, graph.layers[0])
        mapping = data.draw(mappings(kernel, spec))
        work = run(graph, kernel, mapping, spec)
        assume(is_exact(kernel, spec, mapping, work))
        expected = dict.fromkeys(work.energies_pj, 0.0)
        found = energies_pj(kernel, spec, mapping, work.total_cycles)
        assert {**expected, **found} == pytest.approx(work.energies_pj, rel=1e-12)

    check()


@settings(relaxed, max_examples=40)
@given(
    sizes=st.tuples(*(st.sampled_from([4, 16, 24, 36]) for _ in range(3))),
    batch=st.sampled_from([1, 3]),
    arrays=st.integers(2, 5),
    spec=st.sampled_from(LEAKING),
    data=st.data(),
)
def test_arrays_that_share_a_product_read_what_stays_each(
    sizes: tuple[int, int, int], batch: int, arrays: int, spec: AcceleratorSpec, data: st.DataObject
) -> None:
    """Of whole tiles the counts are those of the arrays, instruction by instruction."""
    kernel = product_kernel(*sizes, batch=batch)
    spec = replace(spec, array=replace(spec.array, count=arrays))
    mapping = data.draw(mappings(kernel, spec))
    assume(all(extent % step == 0 for extent, steps in cuts(kernel, mapping) for step in steps))
    counts = array_counts(nest_of(kernel, mapping), spec)
    groups, m, n, k = (
        prod(mapping.tile[d] for d in kernel.numbers(role))
        for role in (Role.GROUP, Role.M, Role.N, Role.K)
    )
    tiles = list(cut(Tile(low=(0,) * len(mapping.tile), size=kernel.extents), mapping.loops))
    results = len(results_of(kernel, tiling_of(kernel, mapping)))
    work = matmul_work(spec.array, groups=groups, m=m, n=n, k=k, accumulate=1)
    assert counts.mapped_pes == len(tiles) * work.mapped_pes
    assert counts.input_reads == len(tiles) * work.input_reads
    assert counts.weight_reads == len(tiles) * work.weight_reads
    assert counts.psum_writes == len(tiles) * work.psum_writes
    assert counts.psum_reads == len(tiles) * work.psum_reads - results * groups * m * n


def cuts(kernel: Kernel, mapping: Mapping) -> Iterator[tuple[int, list[int]]]:
    """Yield the extent of each dimension, and the steps in which its loops must be whole."""
    for d, steps in mapping.steps.items():
        yield kernel.extents[d], [steps[0]]
        for outer, inner in pairwise(steps):
            yield outer, [inner]


def linear(m: int, k: int, n: int) -> Graph:
    draft = Draft(DTYPES["int8"])
    draft.add(Linear(out_features=n), [draft.add_input((m, k))])
    return draft.graph()


@pytest.mark.parametrize("split", ["auto", "m", "n", "k"])
@pytest.mark.parametrize("spec", [*MACHINES[:3], load_preset("npu_4core")], ids=lambda s: s.name)
def test_cores_add_up_to_the_energy_of_the_run(spec: AcceleratorSpec, split: str) -> None:
    """Even parts, of sums as well: the estimate is the run's energy, whatever the objective."""
    cores = with_all_energies(replace(spec, cores=4))
    options = SearchOptions(objective="energy")
    result = simulate(linear(64, 64, 64), cores, split=split, options=options)
    (work,) = result.plan.works
    assert len(work.stages) == (2 if split == "k" else 1)
    energies = [estimate.energy_pj for estimate in work.estimates]
    assert sum(one for one in energies if one is not None) == pytest.approx(
        result.report.energy_pj, rel=1e-12
    )


def test_what_leaks_is_shared_by_cores() -> None:
    """On ideal cores the whole chip leaks as long as the largest part takes."""
    spec = with_all_energies(replace(MACHINES[0], cores=4), leakage_mw=100.0)
    kernel = product_kernel(64, 64, 64)
    split = Split(ways=((0, 4),))
    mapping = find_mapping(*largest_part(kernel, split, spec), "layer").best()[0]
    found = split_energies_pj(kernel, split, spec, mapping, 1000.0)
    assert found is not None
    assert found["leakage"] == pytest.approx(100 * 1000, rel=1e-12)  # 1 mW in 1 ns is 1 pJ


def test_what_is_saved_is_saved_in_the_run() -> None:
    graph, spec = linear(784, 576, 64), load_preset("edge_32x32")
    latency, energy, product = (
        simulate(graph, spec, options=SearchOptions(objective=objective)).report
        for objective in ("latency", "energy", "edp")
    )
    assert energy.energy_pj < 0.95 * latency.energy_pj
    assert energy.total_cycles > latency.total_cycles
    assert product.energy_delay_pj_s < 0.95 * latency.energy_delay_pj_s
    assert product.energy_delay_pj_s <= energy.energy_delay_pj_s


def test_cores_are_used_where_they_save_energy_and_one_where_they_only_cost_some() -> None:
    graph = linear(64, 64, 64)
    for leakage_mw, is_split in ((None, False), (1e2, True)):
        spec = with_all_energies(replace(MACHINES[0], cores=4), leakage_mw=leakage_mw)
        plan = make_plan(graph, spec, options=SearchOptions(objective="energy"))
        assert (plan.works[0].stages[0].splits[0].parts > 1) == is_split


def test_a_part_without_a_number_is_named() -> None:
    spec = parse_spec("base: npu_4core\nname: m\nenergy: {network: null}\n", "m.yaml")
    message = r"^machine 'm': key 'energy\.network' is missing but [0-9,]+ bits need it; add it$"
    with pytest.raises(SpecError, match=message):
        make_plan(linear(8, 8, 8), spec, options=SearchOptions(objective="edp"))
