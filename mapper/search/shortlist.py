"""The best mappings that a search has found so far, and the choice among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mapper.cost import CostEstimate, estimate_of
from mapper.mapping import Mapping
from mapper.search.objective import Objective
from mapper.search.sites import Listing
from mapper.taking import Counts, Reals


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A mapping that fits, its closed-form cost, and its value of the objective."""

    mapping: Mapping
    cost: CostEstimate
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """Scored mappings.

    Parameters
    ----------
    listing
        Which they are.
    value
        Of the objective; infinite where nothing fits.
    costs
        As in `mapper.cost.Scores`, by the names of `mapper.cost.COSTS`, or with energy.
    num_buffers
        Shape (operands, mappings).
    """

    listing: Listing
    value: Reals
    costs: dict[str, NDArray[Any]]
    num_buffers: Counts

    def at(self, rows: Counts) -> Scored:
        """Return some of them."""
        return Scored(
            listing=self.listing.at(rows),
            value=self.value[rows],
            costs={name: column[rows] for name, column in self.costs.items()},
            num_buffers=self.num_buffers[:, rows],
        )

    def candidate(self, row: int) -> Candidate:
        """Return one of them."""
        return Candidate(
            mapping=self.listing.mapping(row, self.num_buffers[:, row].tolist()),
            cost=estimate_of(self.costs, row),
            value=float(self.value[row]),
        )


class _Block(NamedTuple):
    """Mappings that were offered together, and their tiles."""

    scored: Scored
    tiles: Counts


class Shortlist:
    """All mappings that are near the best one.

    Parameters
    ----------
    objective
        What is to be small.
    ceiling
        What the cutoff is known to be at most.

    Notes
    -----
    What is chosen doesn't depend on the order in which mappings are offered: equals are told apart
    by their numbers in the map space.
    """

    def __init__(self, objective: Objective, ceiling: float = inf) -> None:
        self._objective = objective
        self._ceiling = ceiling
        self._blocks: list[_Block] = []
        self._known_table: dict[str, NDArray[Any]] = {}
        self._best_tile = np.zeros(0, dtype=np.int64)
        #: The least value, and that of other tiles than its.
        self.least = inf
        self._least_of_others = inf

    @property
    def cutoff(self) -> float:
        """The value up to which mappings are asked for: near the best, or best of other tiles."""
        return min(self._ceiling, max(self._near, self._least_of_others))

    @property
    def _near(self) -> float:
        return self.least * (1 + self._objective.tie)

    def offer(self, scored: Scored) -> None:
        """Keep what is near the best."""
        near = np.flatnonzero((scored.value <= self.cutoff) & (scored.value < inf))
        if len(near):
            found = scored.at(near)
            block = _Block(found, found.listing.tiles)
            self._note(block)
            self._blocks.append(block)
            self._known_table = {}

    def _note(self, block: _Block) -> None:
        """Note the least value, and the least of other tiles."""
        value, tiles = block.scored.value, block.tiles
        first = int(value.argmin())
        if value[first] < self.least:
            is_other = not np.array_equal(tiles[first], self._best_tile)
            self._least_of_others = self.least if is_other else self._least_of_others
            self.least, self._best_tile = float(value[first]), tiles[first]
        others = value[(tiles != self._best_tile).any(axis=1)]
        self._least_of_others = min(self._least_of_others, others.min(initial=inf))

    @property
    def is_empty(self) -> bool:
        """Whether nothing was kept."""
        return not self._blocks

    def best(self) -> Candidate:
        """Return the best by the objective's rule, unless it is empty."""
        return self._candidate(self._best_row())

    def chosen(self) -> tuple[Candidate, ...]:
        """Return the best by the objective's rule, then the best of another tile; none if empty."""
        if self.is_empty:
            return ()
        best = self._best_row()
        tiles = np.concatenate([block.tiles for block in self._blocks])
        others = np.flatnonzero((tiles != tiles[best]).any(axis=1))
        second = self._sorted(others, ("value", *self._objective.then))[:1]
        return tuple(self._candidate(row) for row in (best, *second.tolist()))

    def finalists(self, count: int) -> tuple[Candidate, ...]:
        """Return different mappings near the best, the best by the objective's rule first.

        They are those that no other near the best surpasses both in value and in tiles, or in value
        and in main-memory bytes: from the least value, where the closed form decides alone, to the
        fewest tiles, where least is left to it. Of too many some are taken evenly.
        """
        if self.is_empty:
            return ()
        near, table = self._rows_near(), self._table
        front: set[int] = set()
        for what in ("tiles", "dram_bytes"):
            ordered = self._sorted(near, ("value", what, *self._objective.then))
            amounts = table[what][ordered]
            before = np.concatenate([[np.inf], np.minimum.accumulate(amounts)[:-1]])
            front.update(ordered[amounts < before].tolist())
        ordered = self._sorted(np.array(sorted(front)), ("value", *self._objective.then))
        spread = np.linspace(0, len(ordered) - 1, count - 1).round().astype(np.int64)
        rows = dict.fromkeys([self._best_row(), *ordered[spread].tolist()])
        return tuple(self._candidate(row) for row in rows)

    def _rows_near(self) -> Counts:
        return np.flatnonzero(self._table["value"] <= self._near)

    def _best_row(self) -> int:
        return int(self._sorted(self._rows_near())[0])

    @property
    def _table(self) -> dict[str, NDArray[Any]]:
        """The columns of all that was kept, and where each row is."""
        if not self._known_table:
            self._known_table = self._found_table()
        return self._known_table

    def _found_table(self) -> dict[str, NDArray[Any]]:
        scored = [block.scored for block in self._blocks]
        found = {
            name: np.concatenate([one.costs[name] for one in scored]) for name in scored[0].costs
        }
        found["value"] = np.concatenate([one.value for one in scored])
        found["site"] = np.concatenate([one.listing.site_numbers for one in scored])
        found["number"] = np.concatenate([one.listing.numbers for one in scored])
        counts = [len(one.listing) for one in scored]
        found["block"] = np.repeat(np.arange(len(counts)), counts)
        found["row"] = np.concatenate([np.arange(count) for count in counts])
        return found

    def _sorted(self, rows: Counts, by: Sequence[str] | None = None) -> Counts:
        """Return rows in the order of columns, by default of the objective's rule."""
        columns = (*(by or self._objective.then), "site", "number")
        return rows[np.lexsort([self._table[name][rows] for name in reversed(columns)])]

    def _candidate(self, row: int) -> Candidate:
        block = self._blocks[int(self._table["block"][row])]
        return block.scored.candidate(int(self._table["row"][row]))
