"""Finalists, and what a more exact model makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest

from accel.spec import AcceleratorSpec
from accel.spec_file import load_preset
from mapper.cost import energies_pj, estimate
from mapper.kernel import Kernel
from mapper.mapping import Mapping
from mapper.operators import kernels_of
from mapper.search.exhaustive import exhaustive
from mapper.search.find import DEFAULT, find_mapping
from mapper.search.objective import objective_of
from mapper.search.problem import Effort, Problem
from mapper.search.refine import FINALISTS, best_tile_by_tile
from mapper.space import map_space
from tests.mapper.energies import with_all_energies
from tests.mapper.search.brute_force import all_fitting
from tests.mapper.search.small import small_kernel, small_machine
from workloads.loaders.yaml import load_zoo


def case(number: int) -> tuple[Kernel, AcceleratorSpec] | None:
    """Return a random layer on a random machine, None if nothing fits."""
    random = Random(number)
    kernel, spec = small_kernel(random), small_machine(random)
    return (kernel, spec) if all_fitting(kernel, spec) else None


CASES = [found for number in range(1000, 1030) if (found := case(number))]


def is_plain(kernel: Kernel, mapping: Mapping) -> bool:
    """Whether regions are tiles, and have two buffers where they move."""
    for number, operand in enumerate(kernel.operands):
        region = mapping.region(number, kernel.extents)
        if any(region[d] > mapping.tile[d] for d in range(len(region)) if operand.depends_on(d)):
            return False
    return all(count == 2 for count in mapping.num_buffers)


def test_the_part_tile_by_tile_is_that_of_a_scan() -> None:
    for kernel, spec in CASES:
        plain = [
            cost.cycles for mapping, cost in all_fitting(kernel, spec) if is_plain(kernel, mapping)
        ]
        problem = Problem(kernel, spec, map_space(kernel, spec), objective_of("latency"))
        result = exhaustive(problem, Effort())
        for one_of in (result, result._replace(tile_by_tile=None)):
            found = best_tile_by_tile(problem, one_of, Effort())
            assert bool(found) == bool(plain)
            for one in found:
                assert is_plain(kernel, replace(one.mapping, num_buffers=(2,) * 9))
                least = min(plain) * (1 - 1e-12)
                assert least <= one.value <= least * (1 + problem.objective.tie) + 1e-9


def test_a_model_is_asked_for_few_different_mappings_near_the_best() -> None:
    graph, spec = load_zoo("resnet18"), load_preset("edge_32x32")
    (kernel,) = kernels_of(graph, graph.layers[0])
    seen: list[Mapping] = []

    def refine(_kernel: Kernel, _spec: AcceleratorSpec, mappings: Sequence[Mapping]) -> list[float]:
        seen.extend(mappings)
        return [estimate(kernel, spec, mapping).cycles for mapping in mappings]

    found = find_mapping(kernel, spec, "layer", replace(DEFAULT, refine=refine))
    assert 2 <= len(seen) <= FINALISTS
    assert len(set(seen)) == len(seen)
    cycles = [estimate(kernel, spec, mapping).cycles for mapping in seen]
    assert found.best()[1].cycles == min(cycles)
    assert find_mapping(kernel, spec, "layer").best()[0] in seen
    assert sorted(cycles)[-2] <= min(cycles) * 1.01, "all but the one tile by tile"


class AnyPrice:
    """A model that prices mappings at random, the same one always alike."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self.prices: dict[Mapping, float] = {}

    def __call__(
        self, _kernel: Kernel, _spec: AcceleratorSpec, mappings: Sequence[Mapping]
    ) -> list[float]:
        return [self.prices.setdefault(one, self._random.uniform(1, 100)) for one in mappings]


def test_the_cheapest_by_the_model_is_taken_and_never_a_worse_one_than_tile_by_tile() -> None:
    for number, (kernel, spec) in enumerate(CASES):
        model = AnyPrice(number)
        found = find_mapping(kernel, spec, "layer", replace(DEFAULT, refine=model))
        mapping, cost = found.best()
        assert cost.cycles == model.prices[mapping] == min(model.prices.values())
        second = found.runner_up()
        assert second is None or second[0].tile != mapping.tile
        if any(is_plain(kernel, one) for one, _ in all_fitting(kernel, spec)):
            assert any(is_plain(kernel, replace(one, num_buffers=(2,) * 9)) for one in model.prices)


def test_refined_cycles_count_in_the_energy_that_leaks_and_in_its_product() -> None:
    for number, (kernel, plain) in enumerate(CASES[::4]):
        spec = with_all_energies(plain, leakage_mw=2.0)
        model = AnyPrice(number)
        options = replace(DEFAULT, objective="edp", refine=model)
        mapping, cost = find_mapping(kernel, spec, "layer", options).best()
        energies = {
            one: sum(energies_pj(kernel, spec, one, cycles).values())
            for one, cycles in model.prices.items()
        }
        assert cost.cycles == model.prices[mapping]
        assert cost.energy_pj == pytest.approx(energies[mapping])
        least = min(energies[one] * cycles for one, cycles in model.prices.items())
        assert energies[mapping] * cost.cycles == pytest.approx(least)
