"""Finalists: the best mappings by closed form, priced again by a more exact model."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from accel.spec import AcceleratorSpec
from mapper.kernel import Kernel
from mapper.layouts import with_layouts
from mapper.mapping import Mapping
from mapper.search.exhaustive import exhaustive
from mapper.search.problem import Effort, Problem, Result
from mapper.search.shortlist import Candidate

#: The cycles of mappings with their layouts, by a more exact model than the closed form.
Refine = Callable[[Kernel, AcceleratorSpec, Sequence[Mapping]], list[float]]

#: Mappings that are priced again.
FINALISTS = 8


def refined(
    problem: Problem, result: Result, refine: Refine, effort: Effort
) -> tuple[Candidate, ...]:
    """Return the finalists by the objective of their refined cycles, best first.

    Their energy is the closed form's, which counts what a run does, but for what leaks in them.

    Among them is the best that holds one tile of each operand, twice: a mapping that has no more
    refined cycles than that is always found.
    """
    found = [
        *result.shortlist.finalists(FINALISTS - 1),
        *best_tile_by_tile(problem, result, effort),
    ]
    finalists = list({one.mapping: one for one in reversed(found)}.values())[::-1]
    mappings = [with_layouts(problem.kernel, one.mapping, problem.spec) for one in finalists]
    times = refine(problem.kernel, problem.spec, mappings)
    costs = [
        one.cost.at_cycles(cycles, problem.spec)
        for one, cycles in zip(finalists, times, strict=True)
    ]
    priced = [
        Candidate(mapping=mapping, cost=cost, value=float(problem.objective.value(cost)))
        for mapping, cost in zip(mappings, costs, strict=True)
    ]
    then = problem.objective.then
    return tuple(
        sorted(priced, key=lambda one: [one.value, *(getattr(one.cost, name) for name in then)])
    )


def best_tile_by_tile(problem: Problem, result: Result, effort: Effort) -> tuple[Candidate, ...]:
    """Return the best mapping that holds one tile of each operand, twice; none if none fits."""
    best = result.tile_by_tile or exhaustive(problem.tile_by_tile, effort).shortlist
    return () if best.is_empty else (best.best(),)
