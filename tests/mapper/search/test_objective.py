"""Objectives by name, weighted sums, and Pareto sets."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from accel.spec_file import load_preset
from foundation.errors import MappingError, SpecError
from mapper.cost import COSTS, COSTS_WITH_ENERGY, CostEstimate
from mapper.search.find import STRATEGIES, SearchOptions, find_mapping
from mapper.search.objective import Bounds, objective_of
from mapper.search.pareto import non_dominated, objectives_of, pareto_set
from mapper.taking import Reals
from rooftile import options
from tests.mapper.energies import with_all_energies
from tests.mapper.search.brute_force import all_fitting
from tests.mapper.search.small import small_kernel, small_machine

COST = CostEstimate(cycles=100.5, dram_bytes=40, tiles=3)


def test_a_sum_adds_values_and_bounds() -> None:
    found = objective_of("latency + 0.5*dram")
    assert found.value(COST) == 100.5 + 20
    assert found.bound is not None
    assert found.bound(Bounds(10, 4, 1)) == 12
    assert found.unit == "1 cycles + 0.5 B"
    assert objective_of("2e-3*latency+1e+2*dram").value(COST) == pytest.approx(4000.201)


def test_energy_and_its_product_with_the_cycles() -> None:
    cost = replace(COST, energy_pj=8.0)
    assert objective_of("energy").value(cost) == 8
    assert objective_of("edp").value(cost) == 8 * 100.5
    found = objective_of("latency+2*energy")
    assert found.value(cost) == 100.5 + 16
    assert found.needs_energy
    assert not objective_of("latency+0.5*dram").needs_energy
    product = objective_of("edp")
    assert product.unit == "pJ·cycles"
    assert product.bound is not None
    assert product.bound(Bounds(10, 4, 1, 3)) == 30


@pytest.mark.parametrize("objective", ["energy", "edp", "latency+2*energy"])
def test_a_machine_without_energies_has_none_to_save(objective: str) -> None:
    kernel, spec = small_kernel(Random(1)), load_preset("tpu_v1")
    message = "^machine 'tpu_v1': key 'energy' is missing but its energy is asked for; add it$"
    with pytest.raises(SpecError, match=message):
        find_mapping(kernel, spec, "layer", SearchOptions(objective=objective))
    with pytest.raises(SpecError, match=message):
        pareto_set(kernel, spec, objectives_of(f"dram,{objective}"))


def test_energy_is_found_out_only_where_it_is_asked_for() -> None:
    kernel, spec = small_kernel(Random(1)), load_preset("edge_32x32")
    for objective, is_there in (("latency", False), ("dram", False), ("energy", True)):
        cost = find_mapping(kernel, spec, "layer", SearchOptions(objective=objective)).best()[1]
        assert (cost.energy_pj is not None) == is_there


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("latensy", "'latensy' must be one of latency, dram, energy, edp; did you mean 'latency'?"),
        ("latency+", "'' must be a name, or a weight and a name; write a sum as"),
        ("2+dram", "'2' must be a name, or a weight and a name; write a sum as"),
        ("0*dram+latency", "the weight of 'dram' must be positive and finite"),
        ("1.2.3*dram", "the weight of 'dram' must be positive and finite"),
        ("9e999*dram", "the weight of 'dram' must be positive and finite"),
    ],
)
def test_a_bad_objective_is_refused(text: str, message: str) -> None:
    with pytest.raises(MappingError, match=r"^objective '") as refused:
        SearchOptions(objective=text)
    assert message in str(refused.value)


def test_a_bad_strategy_is_refused() -> None:
    message = r"^search 'randon': must be one of exhaustive, .*; did you mean 'random'\?"
    with pytest.raises(MappingError, match=message):
        SearchOptions(strategy="randon")


def test_the_command_line_offers_all_strategies() -> None:
    assert tuple(STRATEGIES) == options.STRATEGIES


def test_one_objective_makes_no_pareto_set() -> None:
    with pytest.raises(MappingError, match=r"^Pareto set 'dram': needs 2 or more objectives but"):
        objectives_of("dram")


@given(arrays(np.float64, st.tuples(st.integers(0, 12), st.just(3)), elements=st.integers(0, 4)))
def test_a_front_is_what_no_other_row_surpasses(values: Reals) -> None:
    found = non_dominated(values).tolist()
    rows = [tuple(row) for row in values.tolist()]
    least = {
        row
        for row in rows
        if not any(
            other != row and all(a <= b for a, b in zip(other, row, strict=True)) for other in rows
        )
    }
    assert {rows[number] for number in found} == least
    assert len(found) == len(least)


@pytest.mark.parametrize(
    ("names", "first", "last"), [("latency,dram", 2030, 2060), ("latency,energy", 2060, 2070)]
)
def test_a_pareto_set_is_that_of_a_scan(names: str, first: int, last: int) -> None:
    objectives = objectives_of(names)
    costs = COSTS_WITH_ENERGY if "energy" in names else COSTS
    sizes = []
    for number in range(first, last):
        random = Random(number)
        kernel, spec = (
            small_kernel(random),
            with_all_energies(small_machine(random), leakage_mw=0.5),
        )
        scan = {
            tuple(float(one.value(cost)) for one in objectives)
            for _, cost in all_fitting(kernel, spec, costs)
        }
        front = sorted(
            one
            for one in scan
            if not any(o != one and o[0] <= one[0] and o[1] <= one[1] for o in scan)
        )
        found = [choice.values for choice in pareto_set(kernel, spec, objectives)]
        assert np.allclose(found, front, rtol=1e-12), number
        sizes.append(len(front))
    assert max(sizes) > 1


def test_values_take_numbers_and_arrays() -> None:
    for name, scale in product(("latency", "dram", "latency+3*dram"), (1, 2)):
        objective = objective_of(name)
        many = Bounds(np.array([100.5, 201.0]), np.array([40, 80]), np.array([3, 3]))
        one = CostEstimate(cycles=100.5 * scale, dram_bytes=40 * scale, tiles=3)
        assert objective.value(many)[scale - 1] == objective.value(one)
