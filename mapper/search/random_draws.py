"""Random search: mappings drawn evenly from the map space, a baseline for the others."""

from __future__ import annotations

from math import inf

import numpy as np

from foundation.distinct import distinct
from mapper.search.problem import Deadline, Effort, Problem, Result
from mapper.search.shortlist import Shortlist
from mapper.search.sites import Site
from mapper.taking import Counts

#: Nests that are drawn and scored at once.
_BATCH = 256


def random_draws(problem: Problem, effort: Effort) -> Result:
    """Return the best of mappings that are drawn from the space.

    Nothing is known of the others but the bound of all mappings of the kernel.
    """
    deadline, draws = Deadline(effort), np.random.default_rng(effort.seed)
    sites = list(problem.places())
    best, scored = problem.shortlist(), 0
    # Each nest is scored once for each choice of buffers at most.
    drawn_sites = drawn(sites, draws, max(1, effort.evaluations // len(problem.buffers)))
    batches = [
        (site, numbers[start : start + _BATCH])
        for site, numbers in drawn_sites
        for start in range(0, len(numbers), _BATCH)
    ]
    for number, (site, numbers) in enumerate(batches):
        if number and deadline.is_over:
            return drawn_result(problem, best, scored, is_complete=False)
        found, count = problem.score(site, numbers)
        best.offer(found)
        scored += count
    return drawn_result(problem, best, scored, is_complete=True)


def drawn(sites: list[Site], draws: np.random.Generator, count: int) -> list[tuple[Site, Counts]]:
    """Return ``count`` different nests, or all, drawn evenly from those tried at some place."""
    tried = [np.flatnonzero(np.broadcast_to(site.rows, site.nests.shape)) for site in sites]
    ends = np.cumsum([len(numbers) for numbers in tried])
    picked = draws.choice(int(ends[-1]), size=min(count, int(ends[-1])), replace=False)
    owners = np.searchsorted(ends, picked, side="right")
    return [
        (sites[owner], tried[owner][picked[owners == owner] - (ends[owner] - len(tried[owner]))])
        for owner in distinct(owners).tolist()
    ]


def drawn_result(problem: Problem, best: Shortlist, scored: int, *, is_complete: bool) -> Result:
    """Return the result of a search that looks at some mappings: at least at one that fits."""
    somewhere = problem.fits_somewhere() if best.least == inf else None
    if somewhere is not None:
        found, count = problem.score(somewhere.sites[0], somewhere.numbers)
        best.offer(found)
        scored += count
    return problem.result(best, scored, bound=problem.floor, pruned=False, is_complete=is_complete)
