from __future__ import annotations

from itertools import chain

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accel.spec import AcceleratorSpec
from accel.trace import STRUCTURAL_CAUSES, Trace
from accel.units import Clock
from mapper.planner import make_plan
from reports.stats import (
    UnitCycles,
    added,
    cause_in_words,
    largest,
    stalls,
    union_cycles,
    unit_cycles,
    words_of_causes,
)
from rooftile.simulation import simulate
from tests.laws.graphs import chains
from tests.laws.machines import MACHINES
from tests.reports.runs import Row, trace_by_hand, zoo_run
from workloads.graph import Graph

relaxed = settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
machines = st.sampled_from(MACHINES)
CLOCK = Clock(hz=10**9)

#: Every semaphore that lowering makes, and what a reader sees.
WORDS = {
    "input_ready": "input load",
    "input0_ready": "input load",
    "input12_ready": "input load",
    "weight_ready": "weight load",
    "bias_ready": "parameter load",
    "gamma_ready": "parameter load",
    "beta_ready": "parameter load",
    "data_ready": "load",
    "psum_ready": "array",
    "output_ready": "vector unit",
    "input_free": "buffer in use",
    "input0_free": "buffer in use",
    "weight_free": "buffer in use",
    "bias_free": "buffer in use",
    "psum_free": "vector unit",
    "output_free": "store",
    "data_free": "store",
    "dma_slot": "DMA slot",
    "memory_busy": "memory busy",
    "scratchpad_port": "scratchpad port",
    "bank_conflict": "bank conflict",
}


@st.composite
def intervals(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    pairs = draw(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 30)), max_size=12))
    starts = np.array([start for start, _ in pairs], dtype=np.int64)
    return starts, starts + np.array([length for _, length in pairs], dtype=np.int64)


@given(intervals())
def test_union_is_the_bitmaps(spans: tuple[np.ndarray, np.ndarray]) -> None:
    bitmap = np.zeros(100, dtype=np.bool_)
    for start, end in zip(*spans, strict=True):
        bitmap[start:end] = True
    assert union_cycles(spans) == bitmap.sum()


@relaxed
@given(graph=chains("int8"), spec=machines)
def test_parts_add_up_to_the_total(graph: Graph, spec: AcceleratorSpec) -> None:
    for layer in simulate(graph, spec).report.layers:
        work = layer.work
        assert work.compute_cycles + work.stall_cycles == work.total_cycles
        assert sum(work.stalls.values()) == work.stall_cycles
        assert all(cycles > 0 for cycles in work.stalls.values())
        for unit in work.units.values():
            assert unit.total == work.total_cycles
            assert min(unit.busy, unit.idle, *unit.waits.values()) >= 0


@relaxed
@given(graph=chains("int8"), spec=machines)
def test_busy_cycles_are_the_rows(graph: Graph, spec: AcceleratorSpec) -> None:
    clock = Clock(hz=spec.clock_hz)
    for piece in chain.from_iterable(simulate(graph, spec).traces):
        for name, cycles in unit_cycles(piece.trace, clock).items():
            rows = piece.trace.rows(unit=name)
            rows = rows.select(rows["cause"] < 0)
            lengths = clock.cycles(rows["end_fs"]) - clock.cycles(rows["start_fs"])
            assert cycles.busy == lengths.sum()


@relaxed
@given(graph=chains("int8"), spec=machines)
def test_bytes_by_operand_are_bytes_by_memory(graph: Graph, spec: AcceleratorSpec) -> None:
    for layer in simulate(graph, spec).report.layers:
        assert sum(layer.work.dram_bytes.values()) == sum(layer.work.memory_bytes.values())


@relaxed
@given(graph=chains("int8"), spec=machines)
def test_every_semaphore_of_a_program_has_words(graph: Graph, spec: AcceleratorSpec) -> None:
    roles = {"input", "weight", "bias", "gamma", "beta", "psum", "output", "data"}
    roles |= {"scale", "numbers", "offset", "ramp", "indices"}  # parameters that aren't learned
    plan = make_plan(graph, spec)
    for planned in plan.layers:
        if plan.works[planned.work].kernels:
            for semaphore in next(plan.programs(planned)).semaphores:
                role, _, end = semaphore.name.rpartition("_")
                assert end in ("ready", "free")
                assert role.rstrip("0123456789") in roles, semaphore.name


@pytest.mark.parametrize(("cause", "words"), WORDS.items())
def test_a_cause_in_words(cause: str, words: str) -> None:
    assert cause_in_words(cause) == words


def test_every_structural_cause_has_words() -> None:
    assert set(STRUCTURAL_CAUSES) <= set(WORDS)


def test_an_embeddings_store_waits_for_loads() -> None:
    result = zoo_run("gpt2", "tpu_v1")
    embedding = next(p for p in result.plan.layers if p.layer.operator.kind == "embedding")
    trace = result.traces[embedding.work][0].trace
    assert trace is not None
    assert dict(zip(trace.causes, words_of_causes(trace), strict=True))["output_ready"] == "load"


def by_hand(rows: list[Row], end_cycle: int) -> tuple[int, dict[str, int], dict[str, UnitCycles]]:
    trace: Trace = trace_by_hand(rows, end_cycle=end_cycle)
    units = unit_cycles(trace, CLOCK)
    return *stalls(trace, CLOCK, units), units


MATRIX_LAYER: list[Row] = [
    ("load:dram", 2, 12, None),
    ("load", 12, 30, "weight_free"),
    ("matrix", 0, 12, "weight_ready"),
    ("matrix", 12, 30, None),
    ("matrix", 25, 34, "psum_free"),  # a pipeline may work and wait at once: it works
    ("matrix", 34, 40, None),
    ("vector", 0, 30, "psum_ready"),
    ("vector", 30, 33, None),
    ("vector", 40, 45, None),
    ("store:dram", 45, 52, None),
]


def test_a_matrix_layer_by_hand() -> None:
    compute, found, units = by_hand(MATRIX_LAYER, 55)
    assert compute == 18 + 6
    assert found == {"weight load": 12, "vector unit": 4 + 5, "store": 7, "latency": 3}
    assert units["matrix"] == UnitCycles(
        busy=24, waits={"vector unit": 4, "weight load": 12}, idle=15
    )
    assert units["load:dram"] == UnitCycles(busy=10, waits={"buffer in use": 18}, idle=27)
    assert units["vector"] == UnitCycles(busy=8, waits={"array": 30}, idle=17)


def test_a_vector_layer_waits_for_its_input_then_for_the_store() -> None:
    rows: list[Row] = [
        ("load:dram", 0, 9, None),
        ("vector", 0, 9, "input0_ready"),
        ("vector", 9, 12, None),
        ("store:dram", 12, 20, None),
    ]
    compute, found, _ = by_hand(rows, 20)
    assert (compute, found) == (3, {"input load": 9, "store": 8})


def test_a_move_stalls_for_loads_then_for_stores() -> None:
    rows: list[Row] = [("load:dram", 1, 9, None), ("store:dram", 5, 20, None)]
    compute, found, _ = by_hand(rows, 20)
    assert (compute, found) == (0, {"load": 8, "store": 11, "latency": 1})


def test_what_the_vector_unit_waits_for_counts_in_the_tail() -> None:
    rows: list[Row] = [
        ("matrix", 0, 10, None),
        ("vector", 10, 18, "bias_ready"),
        ("vector", 18, 20, None),
    ]
    compute, found, _ = by_hand(rows, 20)
    assert (compute, found) == (10, {"vector unit": 2, "parameter load": 8})


def test_largest_and_added() -> None:
    assert largest({}) is None
    assert largest({"a": 1, "b": 3, "c": 3}) == ("b", 3)
    assert added([{"a": 1}, {"b": 2, "a": 3}]) == {"a": 4, "b": 2}
