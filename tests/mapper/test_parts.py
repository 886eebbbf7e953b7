"""A kernel cut into parts: nothing lost, nothing doubled, values right, times added."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accel.machine import Machine
from accel.spec import AcceleratorSpec
from accel.spec_file import load_preset
from accel.units import Clock
from foundation.dtype import DTYPES
from mapper import parts
from mapper.planner import make_plan
from rooftile.simulation import simulate
from rooftile.validate.program import validate_program
from tests.laws.draft import Draft
from tests.laws.graphs import chains
from tests.laws.machines import MACHINES
from workloads.graph import Graph
from workloads.layers import Linear, MatMul

relaxed = settings(
    max_examples=60,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
)


@pytest.fixture
def tiny_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "TILES_PER_PART", 2)
    monkeypatch.setattr(parts, "TILES_OF_HELD", 1)


@relaxed
@given(graph=chains("int8"), spec=st.sampled_from(MACHINES), seed=st.integers(0, 99))
def test_cut_layers_still_equal_numpy(
    tiny_parts: None, graph: Graph, spec: AcceleratorSpec, seed: int
) -> None:
    validation = validate_program(graph, spec, seed=seed)
    assert validation.passed, validation.text


@relaxed
@given(graph=chains("int8"), spec=st.sampled_from(MACHINES))
def test_pieces_cover_the_iteration_space_once(
    tiny_parts: None, graph: Graph, spec: AcceleratorSpec
) -> None:
    for work in make_plan(graph, spec).works:
        if len(work.kernels) != 1:
            continue
        (kernel,) = work.kernels
        seen = np.zeros(kernel.extents, dtype=np.int64)
        for (part,) in work.stages[0].shares[0].parts:
            for number, lows in enumerate(part.lows):
                piece = part.piece(number)
                index = [slice(0, extent) for extent in kernel.extents]
                for dimension, low in zip(part.dimensions, lows, strict=True):
                    index[dimension] = slice(low, low + piece.extents[dimension])
                seen[tuple(index)] += 1
        assert (seen == 1).all()


def big_linear() -> Graph:
    draft = Draft(DTYPES["int8"])
    draft.add(Linear(out_features=4000, bias=False), [draft.add_input((3000, 4096))])
    return draft.graph()


def test_a_small_kernel_stays_whole() -> None:
    draft = Draft(DTYPES["int8"])
    draft.add(MatMul(equation="mk,kn->mn"), [draft.add_input((64, 64)), draft.add_input((64, 64))])
    plan = make_plan(draft.graph(), load_preset("edge_32x32"))
    assert len(plan.works[0].stages[0].shares[0].parts) == 1
    assert plan.program(plan.layers[0]).instruction_count > 0


def test_a_cut_layer_moves_the_same_macs_and_takes_hardly_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    graph, spec = big_linear(), load_preset("edge_32x32")
    whole = simulate(graph, spec).report
    monkeypatch.setattr(parts, "TILES_PER_PART", 100)
    monkeypatch.setattr(parts, "TILES_OF_HELD", 1)
    cut = simulate(graph, spec)
    assert len(list(cut.plan.programs(cut.plan.layers[0]))) > 5
    assert cut.report.total_macs == whole.total_macs == prod((3000, 4096, 4000))
    assert whole.total_cycles < cut.report.total_cycles < 1.02 * whole.total_cycles


def test_equal_pieces_are_simulated_once_and_counted_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "TILES_PER_PART", 20)
    monkeypatch.setattr(parts, "TILES_OF_HELD", 1)
    graph, spec = big_linear(), load_preset("tpu_v1")
    result = simulate(graph, spec)
    (pieces,) = result.traces
    programs = list(result.plan.programs(result.plan.layers[0]))
    assert sum(piece.count for piece in pieces) == len(programs) > len(pieces)
    clock = Clock(hz=spec.clock_hz)
    one_by_one = [Machine(spec).run(program) for program in programs]
    assert result.report.total_cycles == sum(
        clock.cycle_at_or_after(trace.end_fs) for trace in one_by_one
    )
    assert result.report.total_macs == sum(int(trace["macs"].sum()) for trace in one_by_one)
