"""Exhaustive search: every mapping is scored, or needs no score."""

from __future__ import annotations

from math import inf
from typing import NamedTuple

import numpy as np

from mapper.cost import NestCosts
from mapper.nest import Counts, Reals
from mapper.search.problem import Deadline, Effort, Problem, Result, Site
from mapper.search.shortlist import Shortlist

#: Nests that are scored at once: the first few set the mark for the others.
_FIRST_BATCH = 256
_LARGEST_BATCH = 1 << 14


class OpenSite(NamedTuple):
    """Nests of a site that fit, those with the lowest bounds first."""

    site: Site
    numbers: Counts
    bounds: Reals


def exhaustive(problem: Problem, effort: Effort) -> Result:
    """Return the best of all mappings.

    Notes
    -----
    What doesn't fit with as few buffers as there may be is never scored, nor is what a lower bound
    says can't be near the best. Sites and their nests come in the order of their bounds, so that
    good ones come early.
    """
    deadline = Deadline(effort)
    best, scored, remaining = problem.shortlist(), 0, inf
    open_sites: list[OpenSite] = []
    for site, costs in problem.sites():
        if deadline.is_over and open_sites:
            remaining = problem.floor
            break
        found = open_site(problem, site, costs)
        if len(found.numbers):
            open_sites.append(found)
    open_sites.sort(key=lambda one: float(one.bounds[0]))
    for one in open_sites:
        count, left = search_site(problem, one, best, deadline)
        scored += count
        remaining = min(remaining, left)
    is_complete = remaining == inf
    return problem.result(
        best, scored, bound=remaining, pruned=is_complete, is_complete=is_complete
    )


def open_site(problem: Problem, site: Site, costs: NestCosts) -> OpenSite:
    """Return the nests of a site that fit, with their bounds."""
    fitting = np.broadcast_to(problem.fitting(site, costs), site.nests.shape)
    numbers = np.flatnonzero(fitting)
    bounds = np.zeros(len(numbers))
    if problem.objective.bound is not None and len(numbers):
        values = problem.objective.bound(problem.bounds(site, costs))
        bounds = np.broadcast_to(values, site.nests.shape).reshape(-1)[numbers]
        order = np.argsort(bounds, kind="stable")
        numbers, bounds = numbers[order], bounds[order]
    return OpenSite(site, numbers, bounds)


def search_site(
    problem: Problem, one: OpenSite, best: Shortlist, deadline: Deadline
) -> tuple[int, float]:
    """Score the nests of a site that may be kept.

    Returns the number of scored mappings, and the bound of what was left when the time was up.
    """
    start, batch, scored = 0, _FIRST_BATCH, 0
    while True:
        end = min(start + batch, int(np.searchsorted(one.bounds, best.cutoff, side="right")))
        if start >= end:
            return scored, inf
        if deadline.is_over and best.least < inf:
            return scored, float(one.bounds[start])
        numbers = one.numbers[start:end]
        found, count = problem.score(one.site.nests.at(numbers), one.site.held)
        best.offer(found, one.site.number, numbers)
        scored += count
        start, batch = end, min(2 * batch, _LARGEST_BATCH)
