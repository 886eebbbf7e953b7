"""The dataflow is part of the map space: counted, searched, and never worse than without choice."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import cache
from random import Random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accel.spec import AcceleratorSpec
from foundation.errors import MappingError
from mapper.bounds import bounds, stream_cycles
from mapper.cost import CostEstimate, estimate
from mapper.kernel import Contraction, Kernel
from mapper.planner import make_plan
from mapper.search.find import STRATEGIES, Found, SearchOptions, find_mapping
from mapper.search.objective import objective_of
from mapper.search.pareto import objectives_of, pareto_set
from mapper.search.problem import Effort
from mapper.search.sample import sample_mappings
from mapper.space import map_space
from rooftile.simulation import simulate
from rooftile.validate.program import validate_plan
from tests.laws.graphs import chains
from tests.laws.machines import MACHINES
from tests.mapper.search.brute_force import all_fitting, declared, fits
from tests.mapper.search.small import small_kernel, small_machine
from workloads.graph import Graph

relaxed = settings(
    max_examples=10, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
OBJECTIVES = ("latency", "dram", "latency+0.5*dram")
MOST_NESTS = 80
CHOICES = (("WS", "OS"), ("OS", "IS"), ("IS", "WS", "OS"))
SEVERAL = MACHINES[-1]


@cache
def case(number: int) -> tuple[Kernel, AcceleratorSpec]:
    """Return a small layer, and a machine of several dataflows."""
    random = Random(number)
    kernel, spec = small_kernel(random), small_machine(random)
    first, *others = CHOICES[number % len(CHOICES)]
    array = replace(spec.array, dataflow=first, other_dataflows=tuple(others))
    return kernel, replace(spec, array=array)


def is_small(number: int) -> bool:
    kernel, spec = case(number)
    return sum(family.count for family in map_space(kernel, spec)) < MOST_NESTS


def machines_of(spec: AcceleratorSpec) -> list[AcceleratorSpec]:
    """Return the machines of one dataflow that a machine is."""
    return [spec.with_dataflow(name) for name in spec.array.dataflows]


@cache
def scans(number: int) -> list[list[CostEstimate]]:
    """Return the costs of all mappings that fit, of each dataflow."""
    kernel, spec = case(number)
    return [[cost for _, cost in all_fitting(kernel, machine)] for machine in machines_of(spec)]


def scanned(number: int) -> list[CostEstimate]:
    return [cost for scan in scans(number) for cost in scan]


CASES = [number for number in range(50) if is_small(number)]


def search(
    kernel: Kernel, spec: AcceleratorSpec, strategy: str, objective: str = "latency"
) -> Found | None:
    """Return what a strategy finds, None if nothing fits."""
    options = SearchOptions(
        objective=objective, strategy=strategy, effort=Effort(evaluations=200), refine=None
    )
    with suppress(MappingError):
        return find_mapping(kernel, spec, "layer", options)
    return None


@pytest.mark.parametrize("strategy", ["exhaustive", "branch_and_bound"])
def test_the_optimum_is_that_of_a_scan_of_all_dataflows(strategy: str) -> None:
    chosen = set()
    for number in CASES:
        kernel, spec = case(number)
        objective = objective_of(OBJECTIVES[number // 3 % len(OBJECTIVES)])
        found = search(kernel, spec, strategy, objective.name)
        if found is None:
            assert not scanned(number)
            continue
        least = min(float(objective.value(cost)) for cost in scanned(number))
        assert found.coverage.is_proved
        assert found.coverage.least == pytest.approx(least, rel=1e-12), number
        assert found.chosen[0].value <= least * (1 + objective.tie) * (1 + 1e-12)
        chosen.add(found.chosen[0].mapping.dataflow)
    assert chosen == {"WS", "OS", "IS", None}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_is_found_fits_in_its_dataflow_and_all_is_counted(strategy: str) -> None:
    for number in CASES[::3]:
        kernel, spec = case(number)
        found = search(kernel, spec, strategy)
        if found is None:
            assert not scanned(number)
            continue
        is_product = isinstance(kernel.body, Contraction)
        for one in found.chosen:
            assert (one.mapping.dataflow in spec.array.dataflows) == is_product
            assert fits(kernel, spec, one.mapping)
            assert estimate(kernel, spec, one.mapping) == one.cost
        machines = machines_of(spec) if is_product else machines_of(spec)[:1]
        fitting = [m for m, scan in zip(machines, scans(number), strict=False) if scan]
        assert found.coverage.counted == sum(len(list(declared(kernel, m))) for m in fitting)
        assert found.coverage.bound <= found.coverage.least


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_choice_is_never_worse_than_any_of_it(strategy: str) -> None:
    for number in CASES[::2]:
        kernel, spec = case(number)
        objective = OBJECTIVES[number // 3 % len(OBJECTIVES)]
        value = objective_of(objective).value
        found = search(kernel, spec, strategy, objective)
        for machine in machines_of(spec):
            alone = search(kernel, machine, strategy, objective)
            if alone is not None:
                assert found is not None
                assert value(found.best()[1]) <= value(alone.best()[1])


def test_the_pareto_set_is_that_of_all_dataflows() -> None:
    objectives = objectives_of("latency,dram")
    for number in CASES:
        kernel, spec = case(number)
        costs = {(cost.cycles, cost.dram_bytes) for cost in scanned(number)}
        least = {
            one
            for one in costs
            if not any(o != one and o[0] <= one[0] and o[1] <= one[1] for o in costs)
        }
        found = pareto_set(kernel, spec, objectives)
        assert np.array([one.values for one in found]) == pytest.approx(np.array(sorted(least)))
        for one in found:
            assert estimate(kernel, spec, one.candidate.mapping) == one.candidate.cost


def test_the_bounds_are_the_least_of_all_dataflows() -> None:
    for number in CASES:
        kernel, spec = case(number)
        least = bounds(kernel, spec).array_cycles
        assert least == min(bounds(kernel, machine).array_cycles for machine in machines_of(spec))
        found = search(kernel, spec, "random")
        if found is not None and isinstance(kernel.body, Contraction):
            mapping = found.chosen[0].mapping
            machine = spec.with_dataflow(mapping.dataflow)
            alone = replace(mapping, dataflow=None)
            assert stream_cycles(kernel, spec, mapping) == stream_cycles(kernel, machine, alone)


def test_samples_are_of_all_dataflows() -> None:
    kernel, spec = next(one for one in map(case, CASES) if isinstance(one[0].body, Contraction))
    found = sample_mappings(kernel, spec, 24, most_tiles=100, seed=1)
    assert {mapping.dataflow for mapping in found} == set(spec.array.dataflows)


def test_the_time_is_divided_among_dataflows() -> None:
    """The clock goes on by one second each time that somebody looks at it."""
    ticks = iter(range(10**9))
    kernel, spec = case(next(n for n in CASES if len(scanned(n)) > 300))
    effort = Effort(seconds=3.0, clock=lambda: float(next(ticks)))
    found = find_mapping(kernel, spec, "layer", SearchOptions(effort=effort, refine=None))
    assert not found.coverage.is_complete
    assert next(ticks) < 30
    assert fits(kernel, spec, found.chosen[0].mapping)


@relaxed
@given(graph=chains("int8"), cores=st.sampled_from([1, 1, 4]))
def test_no_layer_is_slower_than_with_one_dataflow(graph: Graph, cores: int) -> None:
    spec = replace(SEVERAL, cores=cores)
    plan = make_plan(graph, spec)
    for machine in machines_of(spec):
        alone = make_plan(graph, machine)
        for work, other in zip(plan.works, alone.works, strict=True):
            mine, others = (sum(one.cycles for one in w.estimates) for w in (work, other))
            assert mine <= others * (1 + 1e-12)


@relaxed
@given(graph=chains("int8"), seed=st.integers(0, 99))
def test_both_engines_agree_and_programs_compute(graph: Graph, seed: int) -> None:
    plan = make_plan(graph, SEVERAL)
    cycles = [
        simulate(graph, SEVERAL, engine=e).report.total_cycles for e in ("cycle", "analytical")
    ]
    assert cycles[0] == cycles[1]
    assert validate_plan(plan, seed=seed).passed
