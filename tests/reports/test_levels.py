"""Energies by level and operand add up to those by component, and are what traces count."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accel.energy_spec import AccessEnergy
from accel.spec import AcceleratorSpec
from foundation.dtype import DTYPES
from reports.levels import energy_by_level, energy_by_operand
from rooftile.simulation import simulate
from tests.laws.draft import Draft
from tests.laws.graphs import chains
from tests.laws.machines import MACHINES, with_energies
from tests.reports.runs import small
from workloads.graph import Graph
from workloads.layers import Linear


def test_levels_join_components_and_lose_none() -> None:
    energies = {"mac": 1.0, "scratchpads.a": 2.0, "scratchpads.b": 3.0, "memories.dram": 4.0}
    levels = energy_by_level({**energies, "leakage": 5.0, "network": 6.0, "shared_buffer": 7.0})
    assert levels == {
        "MACs": 1.0, "scratchpads": 5.0, "shared buffer": 7.0, "network": 6.0,
        "main memories": 4.0, "leakage": 5.0,
    }  # fmt: skip


def test_levels_of_a_run_add_up_to_its_energy() -> None:
    report = small().report
    assert sum(energy_by_level(report.energies_pj).values()) == pytest.approx(report.energy_pj)


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(graph=chains("int8") | chains("bf16"), spec=st.sampled_from(MACHINES).map(with_energies))
def test_operands_add_up_to_memories(graph: Graph, spec: AcceleratorSpec) -> None:
    result = simulate(graph, spec)
    found = energy_by_operand(result.plan, result.traces)
    for section, by_operand in found.items():
        energies = result.report.energies_pj.items()
        expected = sum(pj for key, pj in energies if key.startswith(f"{section}."))
        assert sum(by_operand.values()) == pytest.approx(expected, abs=1e-6)
        assert min(by_operand.values(), default=0.0) >= -1e-6 * expected


def test_operands_of_a_product_by_hand() -> None:
    """A weight-stationary array of 4x3: 6 folds of K x N = 8 x 9, M = 5."""
    one = AccessEnergy(read_pj_per_bit=0.125, write_pj_per_bit=0.125)  # 1 pJ a byte
    spec = next(m for m in MACHINES if m.array.dataflow == "WS" and len(m.scratchpads) > 1)
    places = {pad.name: one for pad in spec.scratchpads}
    spec = with_energies(
        spec, scratchpads=places, memories={memory.name: one for memory in spec.memories}
    )
    draft = Draft(DTYPES["int8"])
    draft.add(Linear(out_features=9), [draft.add_input((5, 8))])
    result = simulate(draft.graph(), spec)
    found = energy_by_operand(result.plan, result.traces)
    accesses = result.report.layers[0].work.scratchpad_accesses
    # Main memory: each operand once; biases of 9 sums of 4 B belong to the weights.
    assert found["memories"]["input"] == 5 * 8
    assert found["memories"]["weight"] == 8 * 9 + 9 * 4
    assert found["memories"]["output"] == 5 * 9
    # Scratchpads: what is loaded is written there, and the array reads it as often as it says.
    pads = found["scratchpads"]
    assert pads["input"] == 5 * 8 + accesses["input_reads"]
    assert pads["weight"] == 8 * 9 + 9 * 4 + accesses["weight_reads"]
    assert pads["output"] == 5 * 9, "read by the store"
    assert pads["psum"] == 4 * (accesses["psum_reads"] + accesses["psum_writes"])
    # The vector unit reads sums and biases, and writes outputs.
    assert pads["vector unit"] == 5 * 9 * (4 + 4 + 1)
