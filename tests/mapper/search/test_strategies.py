"""What every strategy must do: fit, tell the truth, and repeat itself."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import cache
from itertools import count
from math import inf
from random import Random

import pytest

from accel.spec import AcceleratorSpec
from accel.spec_file import load_preset
from foundation.errors import MappingError
from mapper.cost import COSTS, COSTS_WITH_ENERGY, CostEstimate, estimate
from mapper.kernel import Kernel
from mapper.mapping import Mapping
from mapper.operators import kernels_of
from mapper.search.exhaustive import exhaustive
from mapper.search.find import STRATEGIES, Found, SearchOptions, find_mapping
from mapper.search.objective import Objective, objective_of
from mapper.search.problem import Effort, Problem, problem_of
from mapper.space import map_space
from tests.mapper.energies import with_all_energies
from tests.mapper.search.brute_force import all_fitting, declared, fits
from tests.mapper.search.small import small_kernel, small_machine
from workloads.loaders.yaml import load_zoo

#: Random layers on random machines, each scanned mapping by mapping.
CASES = 300
OBJECTIVES = ("latency", "dram", "latency+0.5*dram")
#: Every so many cases are scanned with their energy.
WITH_ENERGY = 8
OF_ENERGY = ("energy", "edp", "latency+0.01*energy")
#: Enough for the smallest nest to be scored with each number of buffers.
EVALUATIONS = 200
EXACT = [name for name in STRATEGIES if name in ("exhaustive", "branch_and_bound")]


@cache
def case(number: int) -> tuple[Kernel, AcceleratorSpec]:
    random = Random(number)
    kernel, spec = small_kernel(random), small_machine(random)
    return kernel, with_all_energies(spec, leakage_mw=(None, 2.0)[number // WITH_ENERGY % 2])


@cache
def scanned(number: int) -> list[tuple[Mapping, CostEstimate]]:
    costs = COSTS if number % WITH_ENERGY else COSTS_WITH_ENERGY
    return all_fitting(*case(number), costs)


def search(number: int, strategy: str, objective: str = "latency", seed: int = 0) -> Found | None:
    """Return what a strategy finds, None if nothing fits."""
    kernel, spec = case(number)
    effort = Effort(seed=seed, evaluations=EVALUATIONS)
    options = SearchOptions(objective=objective, strategy=strategy, effort=effort, refine=None)
    with suppress(MappingError):
        return find_mapping(kernel, spec, "layer", options)
    return None


def best_of(
    scan: list[tuple[Mapping, CostEstimate]], objective: Objective
) -> tuple[float, CostEstimate]:
    """Return the least value, and the cost that the objective's rule takes."""
    least = min(float(objective.value(cost)) for _, cost in scan)
    near = [cost for _, cost in scan if objective.value(cost) <= least * (1 + objective.tie)]
    return least, min(near, key=lambda cost: [getattr(cost, name) for name in objective.then])


@pytest.mark.parametrize("first", range(0, CASES, 50))
@pytest.mark.parametrize("strategy", EXACT)
def test_the_optimum_is_that_of_a_scan(strategy: str, first: int) -> None:
    for number in range(first, first + 50):
        objective = objective_of(OBJECTIVES[number % len(OBJECTIVES)])
        found, scan = search(number, strategy, objective.name), scanned(number)
        if found is None:
            assert not scan, number
            continue
        least, cost = best_of(scan, objective)
        assert found.coverage.is_proved
        assert found.coverage.gap == 0
        assert found.coverage.least == pytest.approx(least, rel=1e-12), number
        chosen = found.chosen[0].cost
        for name in ("cycles", "dram_bytes", "tiles"):
            assert getattr(chosen, name) == pytest.approx(getattr(cost, name), rel=1e-12), number


@pytest.mark.parametrize("strategy", EXACT)
def test_the_least_energy_is_that_of_a_scan(strategy: str) -> None:
    for number in range(0, CASES, WITH_ENERGY):
        objective = objective_of(OF_ENERGY[number // WITH_ENERGY % len(OF_ENERGY)])
        found, scan = search(number, strategy, objective.name), scanned(number)
        if found is None:
            assert not scan, number
            continue
        least, cost = best_of(scan, objective)
        assert found.coverage.is_proved
        assert found.coverage.least == pytest.approx(least, rel=1e-12), number
        assert found.coverage.bound <= least * (1 + 1e-12)
        kernel, spec = case(number)
        problem = Problem(kernel, spec, map_space(kernel, spec), objective)
        assert problem.floor <= least
        chosen = found.chosen[0].cost
        for name in COSTS_WITH_ENERGY:
            assert getattr(chosen, name) == pytest.approx(getattr(cost, name), rel=1e-12), number


def test_what_is_kept_on_the_chip_neither_moves_nor_takes_room() -> None:
    for number in range(0, CASES, 10):
        kernel, spec = case(number)
        kept = replace(kernel.inputs[0], is_kept=True)
        kernel = replace(kernel, inputs=(kept, *kernel.inputs[1:]))
        objective = (*OBJECTIVES, *OF_ENERGY)[number // 10 % 5]
        problem = problem_of(kernel, spec, "layer", objective)
        least = [STRATEGIES[name](problem, Effort()).coverage.least for name in EXACT]
        assert least[0] == pytest.approx(least[1], rel=1e-12), number


@pytest.mark.parametrize("number", [296, 571, 1114, 1194, 1317])
@pytest.mark.parametrize("strategy", EXACT)
def test_the_optimum_is_found_where_psums_wait(strategy: str, number: int) -> None:
    found = search(number, strategy, "dram")
    assert found is not None
    assert found.chosen[0].mapping.psums_wait
    assert found.coverage.is_proved
    least, _ = best_of(scanned(number), objective_of("dram"))
    assert found.coverage.least == least


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_result_fits_and_its_cost_is_its_mapping_s(strategy: str) -> None:
    for number in range(0, CASES, 5):
        kernel, spec = case(number)
        found = search(number, strategy)
        if found is None:
            assert not scanned(number)
            continue
        for one in found.chosen:
            assert fits(kernel, spec, one.mapping)
            assert estimate(kernel, spec, one.mapping) == one.cost
        mapping, cost = found.best()
        assert (mapping, cost) == (found.chosen[0].mapping, found.chosen[0].cost)
        assert all(0 < share <= 1 for share in found.fill().values())
        second = found.runner_up()
        assert second is None or second[0].tile != mapping.tile


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_no_value_is_below_its_bound(strategy: str) -> None:
    for number in range(0, CASES, 7):
        kernel, spec = case(number)
        for name in OBJECTIVES:
            found = search(number, strategy, name)
            if found is None:
                continue
            coverage = found.coverage
            problem = Problem(kernel, spec, map_space(kernel, spec), objective_of(name))
            assert problem.floor <= coverage.least
            assert coverage.bound <= coverage.least
            assert coverage.bound <= min(
                float(objective_of(name).value(cost)) for _, cost in scanned(number)
            ) * (1 + 1e-12)
            assert 0 <= coverage.gap <= 1


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_counts_are_those_of_the_space(strategy: str) -> None:
    for number in range(0, CASES, 11):
        found = search(number, strategy)
        if found is not None:
            coverage = found.coverage
            assert coverage.counted == len(list(declared(*case(number))))
            assert 0 < coverage.scored <= coverage.counted - coverage.pruned
            assert strategy in EXACT or coverage.scored <= EVALUATIONS
            if strategy in EXACT:
                assert coverage.scored == coverage.counted - coverage.pruned


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_seed_gives_the_same_again(strategy: str) -> None:
    for number in range(0, CASES, 13):
        one, again = (search(number, strategy, seed=number) for _ in range(2))
        if one is None or again is None:
            assert one is again
            continue
        assert one.chosen == again.chosen
        assert one.coverage.scored == again.coverage.scored
        assert one.coverage.bound == again.coverage.bound


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_without_time_something_that_fits_is_found(strategy: str) -> None:
    ticks = iter(range(10**9))
    effort = Effort(seconds=0.5, clock=lambda: float(next(ticks)))
    for number in range(0, CASES, 17):
        kernel, spec = case(number)
        if not scanned(number):
            continue
        found = find_mapping(
            kernel, spec, "layer", SearchOptions(strategy=strategy, effort=effort, refine=None)
        )
        assert fits(kernel, spec, found.chosen[0].mapping)
        assert found.coverage.bound <= found.coverage.least
        assert found.coverage.bound <= best_of(scanned(number), objective_of("latency"))[0]


def test_the_time_limit_stops_a_search() -> None:
    """The clock goes on by one second each time that somebody looks at it."""
    ticks = iter(range(10**9))
    number = next(n for n in range(CASES) if len(scanned(n)) > 300)
    kernel, spec = case(number)
    options = SearchOptions(
        effort=Effort(seconds=1.5, clock=lambda: float(next(ticks))), refine=None
    )
    found = find_mapping(kernel, spec, "layer", options)
    assert not found.coverage.is_complete
    assert found.coverage.pruned == 0
    assert found.coverage.scored < find_mapping(kernel, spec, "layer").coverage.counted
    assert next(ticks) < 20
    assert found.coverage.least < inf


def test_a_search_that_is_stopped_is_not_worse_than_its_part_tile_by_tile() -> None:
    graph = load_zoo("unet")
    (layer,) = (layer for layer in graph.layers if layer.name == "bottom.conv1")
    (kernel,) = kernels_of(graph, layer)
    problem = problem_of(kernel, load_preset("edge_32x32"), layer.name, "latency")
    for seconds in range(1, 15):
        effort = Effort(seconds=seconds, clock=count(0.0, 1.0).__next__)
        found = exhaustive(problem, effort)
        assert found.tile_by_tile is not None
        assert found.shortlist.least <= found.tile_by_tile.least
        assert found.coverage.least == found.shortlist.least
