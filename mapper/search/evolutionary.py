"""Evolutionary search: the best mappings so far are crossed and changed a little."""

from __future__ import annotations

from math import inf

import numpy as np

from mapper.search.problem import Deadline, Effort, Problem, Result
from mapper.search.random_draws import drawn, drawn_result
from mapper.search.shortlist import Shortlist
from mapper.search.sites import Site
from mapper.taking import Counts

#: Parents that survive a generation, and children that it gets.
_PARENTS = 32
_CHILDREN = 96
#: Part of the children whose place is another than their parent's.
_MOVES = 0.1
#: Part of the choices along an axis that a child has from its second parent.
_CROSSED = 0.3
#: Part of the choices that a change takes to any other; the rest go to a neighbour.
_JUMPS = 0.2


def evolutionary(problem: Problem, effort: Effort) -> Result:
    """Return the best mappings of a population that evolves.

    A mapping's genes are its place and its choice along each axis of the grid; neighbouring choices
    are alike.
    """
    deadline, draws = Deadline(effort), np.random.default_rng(effort.seed)
    sites = list(problem.places())
    best, scored = problem.shortlist(), 0
    left = max(1, effort.evaluations // len(problem.buffers))
    population = _Population(problem, sites)
    for site, numbers in drawn(sites, draws, min(left, _CHILDREN)):
        scored += population.add(site, numbers, best)
    left -= _CHILDREN
    while left > 0 and not deadline.is_over:
        population.select()
        for site, numbers in population.children(draws, min(left, _CHILDREN)):
            scored += population.add(site, numbers, best)
        left -= _CHILDREN
    return drawn_result(problem, best, scored, is_complete=left <= 0)


class _Population:
    """Mappings by the number of their site and their number in its grid."""

    def __init__(self, problem: Problem, sites: list[Site]) -> None:
        self._problem = problem
        self._sites = sites
        self._values: dict[tuple[int, int], float] = {}
        self._parents: list[tuple[int, int]] = []

    def add(self, site: Site, numbers: Counts, best: Shortlist) -> int:
        """Score nests of a site, and return how many mappings were scored."""
        found, count = self._problem.score(site, numbers)
        best.offer(found)
        pairs = zip(numbers.tolist(), found.value.tolist(), strict=True)
        self._values.update({(site.number, number): value for number, value in pairs})
        return count

    def select(self) -> None:
        """Let the best be parents: all that don't fit are equally bad."""
        ordered = sorted(self._values.items(), key=lambda item: (item[1], item[0]))
        self._parents = [key for key, _ in ordered[:_PARENTS]]
        fitting = [key for key, value in ordered[:_PARENTS] if value < inf]
        self._parents = fitting or self._parents

    def children(self, draws: np.random.Generator, count: int) -> list[tuple[Site, Counts]]:
        """Return nests that come of the parents and are tried at their place."""
        found: dict[int, set[int]] = {}
        for _ in range(count):
            first, second = (
                self._parents[int(draws.integers(len(self._parents)))] for _ in range(2)
            )
            number, genes = self._child(first, second, draws)
            site = self._sites[number]
            if np.broadcast_to(site.rows, site.nests.shape)[genes]:
                place = int(np.ravel_multi_index(genes, site.nests.shape))
                if (number, place) not in self._values:
                    found.setdefault(number, set()).add(place)
        return [(self._sites[number], np.array(sorted(places))) for number, places in found.items()]

    def _child(
        self, first: tuple[int, int], second: tuple[int, int], draws: np.random.Generator
    ) -> tuple[int, tuple[int, ...]]:
        number = first[0] if draws.random() > _MOVES else int(draws.integers(len(self._sites)))
        shape = self._sites[number].nests.shape
        genes = []
        for axis, size in enumerate(shape):
            gene = self._gene(second if draws.random() < _CROSSED else first, axis)
            if draws.random() < 1 / len(shape):
                far = draws.random() < _JUMPS
                gene = int(draws.integers(size)) if far else gene + int(draws.integers(-2, 3))
            genes.append(min(max(gene, 0), size - 1))
        return number, tuple(genes)

    def _gene(self, parent: tuple[int, int], axis: int) -> int:
        number, place = parent
        return int(np.unravel_index(place, self._sites[number].nests.shape)[axis])
