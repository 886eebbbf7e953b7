"""Sites: parts of a map space, loop nests with operands held at one place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from foundation.distinct import distinct
from mapper.mapping import Mapping
from mapper.nest import Nests
from mapper.place_costs import PlaceCosts
from mapper.space import Rows
from mapper.taking import Counts, Narrowed

#: Nests of a grid up to which it takes longer to leave some out than to look at them, too.
SMALL = 1 << 13


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

    def narrowed(self, place: PlaceCosts, rows: Rows) -> tuple[Site, PlaceCosts]:
        """Return the part that has all of the nests that are true, as a smaller grid.

        ``place`` is what they cost there, ``rows`` broadcasts to the grid.
        """
        take = _narrowing(self.nests, rows)
        if take is None:
            return self._replace(rows=rows), place
        nests = self.nests.taken(take)
        return self._replace(nests=nests, rows=take(rows)), place.taken(take, nests.shape)

    @property
    def numbers(self) -> Counts:
        """The numbers of the nests that are tried."""
        return np.flatnonzero(self.over_grid(self.rows))

    def over_grid(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return one value for each of the nests."""
        return np.broadcast_to(values, self.nests.shape).reshape(-1)


def narrowed(sites: Sequence[Site]) -> list[Site]:
    """Return sites of the same nests on the smaller grid of what is tried at any of them."""
    nests = sites[0].nests
    take = _narrowing(nests, reduce(np.logical_or, [site.rows for site in sites]))
    if take is None:
        return list(sites)
    nests = nests.taken(take)
    return [site._replace(nests=nests, rows=take(site.rows)) for site in sites]


def _narrowing(nests: Nests, rows: Rows) -> Narrowed | None:
    """Return what takes the nests that are true; None where that doesn't pay."""
    return Narrowed.to(rows) if len(nests) > SMALL else None


@dataclass(frozen=True, slots=True)
class Listing:
    """Mappings one by one, buffers not chosen.

    Parameters
    ----------
    sites
        Where they are.
    site_of
        Of each mapping the position of its site in ``sites``.
    numbers
        Of each the number of its nest in the site's grid.
    """

    sites: tuple[Site, ...]
    site_of: Counts
    numbers: Counts

    @classmethod
    def of(cls, pairs: Sequence[tuple[Site, Counts]]) -> Listing:
        """Return nests of some sites, by their numbers."""
        sites, numbers = zip(*pairs, strict=True)
        site_of = np.repeat(np.arange(len(sites)), [len(own) for own in numbers])
        return cls(sites, site_of, np.concatenate(numbers))

    def __len__(self) -> int:
        return len(self.numbers)

    def at(self, rows: Counts) -> Listing:
        """Return some of them."""
        return Listing(self.sites, self.site_of[rows], self.numbers[rows])

    @property
    def site_numbers(self) -> Counts:
        """Of each mapping the number of its site."""
        return np.array([site.number for site in self.sites], dtype=np.int64)[self.site_of]

    @property
    def tiles(self) -> Counts:
        """Their tiles: shape (mappings, dimensions)."""
        found = np.empty((len(self), len(self.sites[0].nests.kernel.dimensions)), dtype=np.int64)
        for position in distinct(self.site_of).tolist():
            rows = self.site_of == position
            found[rows] = self.sites[position].nests.tiles(self.numbers[rows])
        return found

    def mapping(self, row: int, num_buffers: Sequence[int]) -> Mapping:
        """Return one of them, with so many buffers for each operand."""
        site = self.sites[int(self.site_of[row])]
        loops = site.nests.loops(int(self.numbers[row]))
        return Mapping(loops=loops, held=site.held, num_buffers=tuple(num_buffers))
