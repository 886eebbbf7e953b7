"""Finalists: the best mappings by closed form, priced again by a more exact model."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from accel.spec import AcceleratorSpec
from mapper.kernel import Kernel
from mapper.layouts import with_layouts
from mapper.mapping import Mapping
from mapper.search.exhaustive import open_sites, search_site
from mapper.search.problem import Deadline, Effort, Problem, Result
from mapper.search.shortlist import Candidate
from mapper.search.sites import OpenSite, Site
from mapper.space import are_tiles

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
    has_looked_at_all = bool(result.opened) and len(problem.buffers) == 1
    if has_looked_at_all and all(_are_all_tiles(one.site) for one in result.opened):
        return result.shortlist.chosen()[:1]
    deadline = Deadline(effort)
    twice = Problem(
        problem.kernel, problem.spec, problem.families, problem.objective, problem.buffers[:1]
    )
    best = twice.shortlist()
    for one in result.opened or open_sites(problem, deadline)[0]:
        if one.least > best.cutoff:
            break
        search_site(twice, _tile_by_tile(one), best, deadline)
    return best.chosen()[:1]


def _are_all_tiles(site: Site) -> bool:
    return bool(are_tiles(site.nests.kernel, site.nests, site.held).all())


def _tile_by_tile(one: OpenSite) -> OpenSite:
    """Return the nests of a site in which regions are tiles."""
    site = one.site
    rows = are_tiles(site.nests.kernel, site.nests, site.held)
    kept = np.broadcast_to(rows, site.nests.shape).reshape(-1)[one.numbers]
    return one._replace(numbers=one.numbers[kept], bounds=one.bounds[kept])
