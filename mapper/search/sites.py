"""Sites: parts of a map space, loop nests with operands held at one place."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from math import inf
from typing import NamedTuple

import numpy as np

from mapper.cost import NestCosts
from mapper.nest import Counts, Narrowed, Nests, Reals
from mapper.space import Rows


class Site(NamedTuple):
    """Some nests of a family, with operands held at one place.

    Parameters
    ----------
    number
        Tells the places of a map space, and chunks of their nests, apart.
    nests
        A grid.
    held
        As in `mapper.mapping.Mapping`.
    rows
        Which nests that is tried for: broadcasts to the grid.
    """

    number: int
    nests: Nests
    held: tuple[int, ...]
    rows: Rows

    @property
    def axis(self) -> int:
        """The axis of the grid that has the most choices."""
        return int(np.argmax(self.nests.shape))

    def within(self, axis: int, choices: slice) -> Site:
        """Return the part that has some of the choices along an axis of the grid."""
        where = (*(slice(None),) * axis, choices)
        rows = self.rows[where] if self.rows.shape[axis] > 1 else self.rows
        return self._replace(nests=self.nests.within(axis, choices), rows=rows)

    def narrowed(self, costs: NestCosts, rows: Rows) -> tuple[Site, NestCosts]:
        """Return the part that has all of the nests that are true, as a smaller grid.

        ``costs`` are those of its nests, ``rows`` broadcasts to the grid.
        """
        take = Narrowed.to(rows)
        if take is None:
            return self._replace(rows=rows), costs
        costs = costs.taken(take)
        return self._replace(nests=costs.nests, rows=take(rows)), costs


def narrowed(sites: Sequence[Site], costs: NestCosts) -> tuple[list[Site], NestCosts]:
    """Return sites of the same nests on the smaller grid of what is tried at any of them.

    ``costs`` are those of their nests.
    """
    take = Narrowed.to(reduce(np.logical_or, [site.rows for site in sites]))
    if take is None:
        return list(sites), costs
    costs = costs.narrowed(take)
    return [site._replace(nests=costs.nests, rows=take(site.rows)) for site in sites], costs


class OpenSite(NamedTuple):
    """Nests of a site that fit: their numbers in its grid, their bounds, and the grid's costs."""

    site: Site
    numbers: Counts
    bounds: Reals
    costs: NestCosts

    @property
    def least(self) -> float:
        """The lowest bound; infinite without nests."""
        return float(self.bounds.min(initial=inf))

    def within(self, low: float, high: float) -> OpenSite:
        """Return those with bounds above ``low`` and up to ``high``, the lowest first."""
        rows = np.flatnonzero((self.bounds > low) & (self.bounds <= high))
        rows = rows[np.argsort(self.bounds[rows], kind="stable")]
        return self._replace(numbers=self.numbers[rows], bounds=self.bounds[rows])

    def lowest(self, count: int) -> float:
        """Return the bound up to which there are ``count``, or all."""
        if count >= len(self.bounds):
            return inf
        return float(np.partition(self.bounds, count - 1)[count - 1])
