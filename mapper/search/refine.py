"""Finalists: the best mappings by closed form, priced again by a more exact model."""

from __future__ import annotations

from collections.abc import Callable

from accel.spec import AcceleratorSpec
from mapper.kernel import Kernel
from mapper.layouts import with_layouts
from mapper.mapping import Mapping
from mapper.search.exhaustive import exhaustive
from mapper.search.problem import Effort, Problem, Result
from mapper.search.shortlist import Candidate
from mapper.space import tile_by_tile

#: The cycles of a mapping with its layouts, by a more exact model than the closed form.
Refine = Callable[[Kernel, AcceleratorSpec, Mapping], float]

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
    finalists = list(result.shortlist.finalists(FINALISTS - 1))
    plain = Problem(
        problem.kernel,
        problem.spec,
        [tile_by_tile(problem.kernel, family) for family in problem.families],
        problem.objective,
        problem.buffers[:1],
    )
    if plain.counted:
        finalists += exhaustive(plain, effort).shortlist.chosen()[:1]
    priced = [_priced(problem, one, refine) for one in finalists]
    then = problem.objective.then
    return tuple(
        sorted(priced, key=lambda one: [one.value, *(getattr(one.cost, name) for name in then)])
    )


def _priced(problem: Problem, one: Candidate, refine: Refine) -> Candidate:
    mapping = with_layouts(problem.kernel, one.mapping, problem.spec)
    cycles = float(refine(problem.kernel, problem.spec, mapping))
    cost = one.cost.at_cycles(cycles, problem.spec)
    return Candidate(mapping=mapping, cost=cost, value=float(problem.objective.value(cost)))
