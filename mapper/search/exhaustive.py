"""Exhaustive search: every mapping is scored, or needs no score."""

from __future__ import annotations

from math import inf

import numpy as np

from mapper.cost import NestCosts
from mapper.search.problem import Deadline, Effort, Problem, Result
from mapper.search.shortlist import Shortlist
from mapper.search.sites import OpenSite, Site

#: Nests that are scored at once: the first few set the mark for the others.
_FIRST_BATCH = 256
_LARGEST_BATCH = 1 << 14


def exhaustive(problem: Problem, effort: Effort) -> Result:
    """Return the best of all mappings.

    Notes
    -----
    The best of a small part, tile by tile, sets the mark for the others. What a lower bound says
    can't be near the best is never scored, nor is what doesn't fit with as few buffers as there may
    be. Sites and their nests come in the order of their bounds, so that good ones come early.
    """
    deadline, part = Deadline(effort), problem.tile_by_tile
    result = _search(part, deadline, inf)
    best = result.shortlist
    if part is not problem:
        result = _search(problem, deadline, best.cutoff)
    return result._replace(tile_by_tile=best)


def _search(problem: Problem, deadline: Deadline, cutoff: float) -> Result:
    """Return the best of all mappings, if it is known that the cutoff will be at most this."""
    opened, are_all = _open_sites(problem, deadline, cutoff)
    best, scored, remaining = problem.shortlist(), 0, inf if are_all else problem.floor
    for one in opened:
        count, left = search_site(problem, one, best, deadline)
        scored += count
        remaining = min(remaining, left)
    is_complete = remaining == inf
    return problem.result(
        best, scored, bound=remaining, pruned=is_complete, is_complete=is_complete
    )


def _open_sites(problem: Problem, deadline: Deadline, cutoff: float) -> tuple[list[OpenSite], bool]:
    """Return the sites with nests that may be kept, the lowest bound first, and whether all are."""
    opened: list[OpenSite] = []
    for site, costs in problem.sites(cutoff):
        if deadline.is_over and opened:
            break
        found = open_site(problem, site, costs, cutoff)
        if len(found.numbers):
            opened.append(found)
    else:
        return sorted(opened, key=_least), True
    return sorted(opened, key=_least), False


def _least(one: OpenSite) -> float:
    return one.least


def open_site(problem: Problem, site: Site, costs: NestCosts, cutoff: float) -> OpenSite:
    """Return the nests of a site that fit, with their bounds: those up to the cutoff."""
    site, costs = site.narrowed(costs, problem.fitting(site, costs))
    numbers = np.flatnonzero(np.broadcast_to(site.rows, site.nests.shape))
    bounds = np.zeros(len(numbers))
    if problem.objective.bound is not None and len(numbers):
        values = problem.objective.bound(problem.bounds(site, costs))
        bounds = np.broadcast_to(values, site.nests.shape).reshape(-1)[numbers]
        numbers, bounds = numbers[bounds <= cutoff], bounds[bounds <= cutoff]
    return OpenSite(site, numbers, bounds, costs)


def search_site(
    problem: Problem, one: OpenSite, best: Shortlist, deadline: Deadline
) -> tuple[int, float]:
    """Score the nests of a site that may be kept.

    Returns the number of scored mappings, and the bound of what was left when the time was up.
    """
    low, scored = -inf, 0
    while low < best.cutoff and one.least <= best.cutoff:
        # Most are never looked at: only those up to the mark are put in order, a first few for it.
        high = best.cutoff if best.cutoff < inf or low > -inf else one.lowest(_FIRST_BATCH)
        count, left = _search_in_order(problem, one.within(low, high), best, deadline)
        scored += count
        if left < inf:
            return scored, left
        low = high
    return scored, inf


def _search_in_order(
    problem: Problem, one: OpenSite, best: Shortlist, deadline: Deadline
) -> tuple[int, float]:
    """Score nests in their order, the lowest bound first; as `search_site`."""
    start, batch, scored = 0, _FIRST_BATCH, 0
    while True:
        end = min(start + batch, int(np.searchsorted(one.bounds, best.cutoff, side="right")))
        if start >= end:
            return scored, inf
        if deadline.is_over and best.least < inf:
            return scored, float(one.bounds[start])
        numbers = one.numbers[start:end]
        found, count = problem.scored(one.costs.listed(numbers), one.site.held)
        best.offer(found, one.site.number, numbers)
        scored += count
        start, batch = end, min(2 * batch, _LARGEST_BATCH)
