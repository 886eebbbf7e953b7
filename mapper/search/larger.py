"""What would be better if scratchpads were larger."""

from __future__ import annotations

from collections.abc import Mapping as Dictionary
from dataclasses import replace
from math import inf

import numpy as np

from mapper.cost import NestCosts, estimate
from mapper.place_costs import PlaceCosts
from mapper.search.problem import Problem
from mapper.search.shortlist import Candidate, Scored
from mapper.search.sites import Listing, Site
from mapper.taking import Counts, Reals

#: Nests that are scored at once.
_BATCH = 1 << 12


def next_better(problem: Problem, best: Candidate) -> Candidate | None:
    """Return the mapping, of those better than the best, that lacks the fewest bytes to fit.

    Better is one with a value that is less by more than the objective's tie, or within it and with
    less main-memory traffic, by closed form: a refined value isn't compared with it.
    """
    cost = estimate(problem.kernel, problem.spec, best.mapping, problem.costs)
    best = replace(best, cost=cost, value=float(problem.objective.value(cost)))
    found: Candidate | None = None
    least = inf
    for site, place in problem.sites():
        flat = site.over_grid(_least_lack(problem, best, site, place))
        numbers = np.flatnonzero(flat < least)
        numbers = numbers[np.argsort(flat[numbers], kind="stable")]
        for start in range(0, len(numbers), _BATCH):
            chosen = numbers[start : start + _BATCH]
            if flat[chosen[0]] >= least:
                break
            for doubled in problem.buffers:
                lacking, one = _nearest(problem, best, site, chosen, doubled)
                if lacking < least:
                    least, found = lacking, one
    return found


def _least_lack(problem: Problem, best: Candidate, site: Site, place: PlaceCosts) -> Reals:
    """Return the bytes that nests lack with the fewest buffers; infinite where none is better."""
    required = place.required_bytes(problem.buffers[-1])
    is_open = site.rows
    if problem.objective.bound is not None:
        bound = problem.objective.bound(problem.bounds(place))
        is_open = is_open & (bound <= best.value * (1 + problem.objective.tie))
    return np.where(is_open, _lack_bytes(problem, required), inf)


def _nearest(
    problem: Problem, best: Candidate, site: Site, numbers: Counts, doubled: tuple[bool, ...]
) -> tuple[float, Candidate | None]:
    """Return of some nests that are better, but don't fit, what lacks least; none if there is none.

    ``doubled`` is as in `mapper.cost.PlaceCosts.scores`.
    """
    nests = site.nests.at(numbers)
    scores = NestCosts(nests, problem.spec).score(
        site.held, doubled, with_energy=problem.objective.needs_energy
    )
    value, tie = problem.objective.value(scores), problem.objective.tie
    is_better = value < best.value * (1 - tie)
    is_better |= (value <= best.value * (1 + tie)) & (scores.dram_bytes < best.cost.dram_bytes)
    lack = _lack_bytes(problem, scores.required_bytes)
    lack = np.where(is_better & (lack > 0), lack, inf)
    row = int(lack.argmin())
    if lack[row] == inf:
        return inf, None
    scored = Scored(
        listing=Listing.of([(site, numbers)]),
        value=value,
        costs={name: getattr(scores, name) for name in problem.costs},
        num_buffers=np.array(scores.num_buffers),
    )
    return float(lack[row]), scored.candidate(row)


def _lack_bytes(problem: Problem, required_bytes: Dictionary[str, Counts]) -> Reals:
    """Return the bytes that all scratchpads together lack for each nest; 0 where it fits."""
    total: Reals = np.zeros(())
    for pad, required in required_bytes.items():
        total = total + np.maximum(0, required - problem.capacity[pad])
    return total
