"""Objectives by name, weighted sums, and Pareto sets."""

from __future__ import annotations

from itertools import product
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from foundation.errors import MappingError
from mapper.cost import CostEstimate
from mapper.nest import Reals
from mapper.search.find import STRATEGIES, SearchOptions
from mapper.search.objective import Bounds, objective_of
from mapper.search.pareto import non_dominated, objectives_of, pareto_set
from rooftile import options
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


def test_a_pareto_set_is_that_of_a_scan() -> None:
    objectives = objectives_of("latency,dram")
    sizes = []
    for number in range(2030, 2060):
        random = Random(number)
        kernel, spec = small_kernel(random), small_machine(random)
        scan = {(cost.cycles, float(cost.dram_bytes)) for _, cost in all_fitting(kernel, spec)}
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
