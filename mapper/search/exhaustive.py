"""Exhaustive search: every mapping is scored, or needs no score."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import NamedTuple

import numpy as np

from mapper.place_costs import PlaceCosts
from mapper.search.problem import CHUNK, Deadline, Effort, Problem, Result
from mapper.search.shortlist import Shortlist
from mapper.search.sites import SMALL, Listing, Site
from mapper.taking import Counts

#: Mappings that are scored at once: the first few set the mark for the others.
_FIRST_BATCH = 256
_LARGEST_BATCH = 1 << 14


def exhaustive(problem: Problem, effort: Effort) -> Result:
    """Return the best of all mappings.

    Notes
    -----
    The best of a small part, tile by tile, sets the mark for the others. What a lower bound says
    can't be near the best is never scored, nor is what doesn't fit with as few buffers as there may
    be. Mappings come in the order of their bounds, so that good ones come early.
    """
    deadline, part = Deadline(effort), problem.tile_by_tile
    best = mark = part.shortlist()
    scored, remaining = _search(part, mark, deadline)
    if part is not problem and deadline.is_over and mark.least < inf:
        remaining = problem.floor
    elif part is not problem:
        found = problem.shortlist(mark.cutoff)
        scored, remaining = _search(problem, found, deadline)
        best = min(found, mark, key=_least)  # the mark where time was up before it was found again
    is_complete = remaining == inf
    result = problem.result(
        best, scored, bound=remaining, pruned=is_complete, is_complete=is_complete
    )
    return result._replace(tile_by_tile=mark)


def _least(one: Shortlist) -> float:
    return one.least


def _search(problem: Problem, best: Shortlist, deadline: Deadline) -> tuple[int, float]:
    """Look at all mappings; as `search_sites`."""
    scored, remaining, group = 0, inf, list[OpenSite]()
    for site, place in problem.sites(best):
        if deadline.is_over and best.least < inf:
            return scored, problem.floor
        group.append(open_site(problem, site, place, best.cutoff))
        if deadline.is_over or sum(len(one.numbers) for one in group) >= CHUNK:
            count, left = search_sites(problem, group, best, deadline)
            scored, remaining, group = scored + count, min(remaining, left), []
    count, left = search_sites(problem, group, best, deadline)
    return scored + count, min(remaining, left)


class OpenSite(NamedTuple):
    """Nests of a site that may be kept, by their numbers, and what the site's nests cost."""

    site: Site
    numbers: Counts
    place: PlaceCosts


def open_site(problem: Problem, site: Site, place: PlaceCosts, cutoff: float) -> OpenSite:
    """Return the nests of a site that fit with as few buffers as there may be.

    Of many those with a bound above the cutoff are left out as long as what depends on few loops is
    there for all others at once.
    """
    site, place = site.narrowed(place, problem.fitting(place, site.rows))
    if len(site.nests) > SMALL and problem.objective.bound is not None:
        is_near = problem.objective.bound(problem.bounds(place)) <= cutoff
        site = site._replace(rows=site.rows & is_near)
    return OpenSite(site, site.numbers, place)


def search_sites(
    problem: Problem, opened: Sequence[OpenSite], best: Shortlist, deadline: Deadline
) -> tuple[int, float]:
    """Score the nests of some sites that may be kept, the lowest bound first.

    Returns the number of scored mappings, and the bound of what was left when the time was up.
    """
    opened = [one for one in opened if len(one.numbers)]
    if not opened:
        return 0, inf
    listing = Listing.of([(one.site, one.numbers) for one in opened])
    place = PlaceCosts.joined([one.place.listed(one.numbers) for one in opened])
    bounds = np.zeros(len(listing))
    if problem.objective.bound is not None:
        bounds = bounds + problem.objective.bound(problem.bounds(place))
    rows = np.argsort(bounds, kind="stable")
    bounds = bounds[rows]
    start, batch, scored = 0, _FIRST_BATCH, 0
    while True:
        end = min(start + batch, int(np.searchsorted(bounds, best.cutoff, side="right")))
        if start >= end:
            return scored, inf
        if deadline.is_over and best.least < inf:
            return scored, float(bounds[start])
        chosen = rows[start:end]
        found, count = problem.scored(listing.at(chosen), place.listed(chosen))
        best.offer(found)
        scored += count
        start, batch = end, min(2 * batch, _LARGEST_BATCH)
