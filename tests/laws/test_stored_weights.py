"""Weights that are stored otherwise: programs compute, and nothing is gained for nothing."""

from dataclasses import replace
from fractions import Fraction
from math import inf

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from accel.products import Reduction
from accel.several_arrays import matmul_work
from accel.spec import AcceleratorSpec, ArraySpec
from accel.spec_file import load_preset
from accel.timing import TIMINGS
from foundation.dtype import DTYPES
from foundation.stored import Stored
from mapper.cost import energies_pj
from mapper.operators import kernels_of
from mapper.planner import make_plan
from rooftile.simulation import simulate
from rooftile.validate.program import filled_memories, validate_plan
from tests.laws.stored_weights import layers, machines, multiplying_all
from tests.mapper.energies import with_all_energies
from tests.mapper.nests import mappings
from tests.mapper.test_any_mapping import ROOMY
from tests.mapper.test_energy_counts import is_exact, run
from workloads.build import GraphBuilder
from workloads.evaluate import evaluate
from workloads.graph import Graph, TensorKind
from workloads.layers import Linear
from workloads.random_values import random_tensors
from workloads.weights import Sparsity, Weights

relaxed = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
EDGE = load_preset("edge_32x32")


@settings(relaxed, max_examples=40)
@given(graph=layers(), spec=machines, seed=st.integers(0, 999))
def test_programs_compute_what_numpy_computes(
    graph: Graph, spec: AcceleratorSpec, seed: int
) -> None:
    plan = make_plan(graph, spec)
    validation = validate_plan(plan, seed=seed)
    assert validation.passed, f"{graph.layers}\n{validation.text}"
    tensors = random_tensors(graph, seed=seed)
    assert np.isfinite(evaluate(graph, tensors)["y"].astype(np.float64)).all()
    assert filled_memories(plan, tensors), "every tensor's bytes are as many as its place has"


@settings(relaxed, max_examples=12)
@given(graph=layers(), spec=machines)
def test_engines_agree_and_no_unit_does_more_than_it_can(
    graph: Graph, spec: AcceleratorSpec
) -> None:
    report = simulate(graph, spec).report
    assert simulate(graph, spec, engine="analytical").report.total_cycles == report.total_cycles
    (layer,) = report.layers
    work = layer.work
    assert 0 < work.mac_utilization <= 1
    assert 0 < work.spatial_utilization <= 1
    assert work.bound_cycles <= work.total_cycles
    assert work.lower_bound_cycles <= work.total_cycles
    assert work.macs <= graph.total_macs
    assert report.ops_per_s <= report.peak_ops_per_s
    stored = sum(
        tensor.size_bytes
        for tensor in graph.tensors.values()
        if tensor.kind is TensorKind.PARAMETER
    )
    assert work.dram_bytes["weight"] >= stored


arrays = st.builds(
    ArraySpec,
    rows=st.integers(1, 9),
    columns=st.integers(1, 9),
    dataflow=st.sampled_from(["OS", "WS", "IS"]),
    timing=st.sampled_from(list(TIMINGS.values())),
    dtypes=st.just(("int8",)),
    count=st.integers(1, 3),
)
#: 2:4 in segments of eight: the array's own pattern.
TWO_OF_FOUR = Stored(value=DTYPES["int8"], length=8, kept=2, period=4, format="nm")
sizes = st.integers(1, 40)
rates = st.fractions(Fraction(1, 8), 8, max_denominator=1000)


def _cycles(array: ArraySpec, m: int, n: int, k: int, stored: Stored | None) -> tuple[int, int]:
    """Return latency and MACs of a product of ``k`` segments, or of as many elements."""
    work = matmul_work(
        array,
        groups=1,
        m=m,
        n=n,
        k=k if stored is not None else 8 * k,
        accumulate=0,
        reduction=array.reduction(DTYPES["int8"], stored),
    )
    assert work.macs <= array.pes * work.timing.latency_cycles, "no more than the PEs can do"
    return work.timing.latency_cycles, work.macs


@settings(max_examples=60)
@given(array=arrays, m=sizes, n=sizes, k=sizes)
def test_a_dense_array_gains_nothing_and_one_of_2_4_at_most_twice(
    array: ArraySpec, m: int, n: int, k: int
) -> None:
    dense = _cycles(array, m, n, k, None)
    assert _cycles(array, m, n, k, TWO_OF_FOUR) == dense
    sparse = replace(array, sparse=((2, 4),))
    assert _cycles(sparse, m, n, k, None) == dense
    cycles, macs = _cycles(sparse, m, n, k, TWO_OF_FOUR)
    assert dense[0] / 2 <= cycles <= dense[0]
    assert 2 * macs == dense[1]


@pytest.mark.parametrize(
    ("sparse", "stored", "macs"),
    [
        (((2, 4),), TWO_OF_FOUR, 4),
        (((2, 4),), replace(TWO_OF_FOUR, kept=1), 4),  # at most 2x, however few there are
        (((1, 4), (2, 4)), replace(TWO_OF_FOUR, kept=1), 2),
        (((2, 4),), replace(TWO_OF_FOUR, kept=3), 8),
        (((2, 4),), replace(TWO_OF_FOUR, kept=1, period=2), 4),  # 1:2 is 2:4
        (((2, 4),), replace(TWO_OF_FOUR, kept=4, period=8), 8),  # 4:8 isn't
        (((2, 4),), replace(TWO_OF_FOUR, kept=2, period=8), 4),
        (((2, 4),), replace(TWO_OF_FOUR, format="dense"), 8),  # zeros are stored: nobody knows
        ((), replace(TWO_OF_FOUR, kept=1, period=8, format="bitmap"), 8),
        (((1, 3),), TWO_OF_FOUR, 8),
    ],
)
def test_what_an_array_skips(
    sparse: tuple[tuple[int, int], ...], stored: Stored, macs: int
) -> None:
    array = replace(EDGE.array, sparse=sparse)
    assert array.reduction(DTYPES["int8"], stored).macs == macs


@given(k=st.integers(1, 500), macs=st.integers(1, 64), rate=rates)
def test_steps_are_those_of_counting_one_by_one(k: int, macs: int, rate: Fraction) -> None:
    steps = Reduction(macs=macs, macs_per_cycle=rate).steps(k)
    assert (steps - 1) * rate < k * macs <= steps * rate
    assert Reduction(macs=macs, macs_per_cycle=rate).steps(np.array([k]))[0] == steps


def _linear(weights: Weights | None, *, k: int = 256) -> Graph:
    builder = GraphBuilder("net", 1)
    data = builder.add_input("x", (64, k), DTYPES["int8"])
    builder.add_layer("y", Linear(out_features=64, bias=False, weights=weights), [data])
    return builder.build()


def test_a_run_on_ideal_memory_gains_what_the_array_gains() -> None:
    memory = replace(EDGE.memories[0], bandwidth_bytes_per_s=inf, latency_fs=0)
    dense_edge = replace(multiplying_all(EDGE, ()), memories=(memory,))
    sparse_edge = replace(multiplying_all(EDGE, ((2, 4),)), memories=(memory,))
    zeros = _linear(Weights(sparsity=Sparsity(kept=(2,), period=4)))

    def work(graph: Graph, spec: AcceleratorSpec) -> tuple[int, int, float]:
        one = simulate(graph, spec).report.layers[0].work
        return one.compute_cycles, one.macs, one.mac_utilization

    dense = work(_linear(None), dense_edge)
    assert work(zeros, dense_edge)[:2] == dense[:2]
    assert work(_linear(None), sparse_edge) == dense
    cycles, macs, utilization = work(zeros, sparse_edge)
    assert dense[0] / 2 <= cycles < dense[0]
    assert 2 * macs == dense[1]
    assert utilization <= 1


def test_a_faster_product_halves_the_steps_and_doubles_the_peak() -> None:
    fast = multiplying_all(EDGE, ())
    builder = GraphBuilder("net", 1)
    data = builder.add_input("x", (64, 256), DTYPES["fp8_e4m3"])
    builder.add_layer("y", Linear(out_features=64, bias=False), [data])
    report = simulate(builder.build(), fast).report
    assert report.peak_ops_per_s == 2 * EDGE.peak_ops_per_s
    plain = replace(EDGE, array=replace(EDGE.array, dtypes=("fp8_e4m3",)))
    slow = simulate(builder.build(), plain).report
    assert slow.peak_ops_per_s == EDGE.peak_ops_per_s
    work, other = report.layers[0].work, slow.layers[0].work
    assert work.macs == other.macs
    assert other.compute_cycles / 2 <= work.compute_cycles < other.compute_cycles


def _linear_int8(weights: Weights, m: int, k: int, n: int) -> Graph:
    builder = GraphBuilder("net", 1)
    data = builder.add_input("x", (m, k), DTYPES["int8"])
    builder.add_layer("y", Linear(out_features=n, weights=weights), [data])
    return builder.build()


int8_weights = st.builds(
    Weights,
    dtype=st.sampled_from([DTYPES["int4"], DTYPES["int8"]]),
    scales=st.sampled_from([None, "channel"]),
    sparsity=st.sampled_from([None, Sparsity(kept=(2,), period=4), Sparsity(density=0.4)]),
)


@settings(relaxed, max_examples=20)
@given(
    weights=int8_weights,
    sizes=st.tuples(st.integers(1, 9), st.sampled_from([16, 24, 48]), st.integers(1, 9)),
    spec=st.sampled_from(ROOMY),
    sparse=st.sampled_from([(), ((2, 4),)]),
    data=st.data(),
)
def test_the_energy_of_a_mapping_is_that_of_its_run(
    weights: Weights,
    sizes: tuple[int, int, int],
    spec: AcceleratorSpec,
    sparse: tuple[tuple[int, int], ...],
    data: st.DataObject,
) -> None:
    m, k, n = sizes
    graph = _linear_int8(weights, m, k, n)
    machine = with_all_energies(multiplying_all(spec, sparse))
    (kernel,) = kernels_of(graph, graph.layers[0])
    mapping = data.draw(mappings(kernel, machine))
    work = run(graph, kernel, mapping, machine)
    assume(is_exact(kernel, machine, mapping, work))
    found = energies_pj(kernel, machine, mapping, work.total_cycles)
    assert found == pytest.approx(work.energies_pj, rel=1e-12)
