"""The best mappings that a search has found so far, and the choice among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mapper.cost import CostEstimate, estimate_of
from mapper.mapping import Mapping
from mapper.nest import Counts, Nests, Reals
from mapper.search.objective import Objective


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A mapping that fits, its closed-form cost, and its value of the objective."""

    mapping: Mapping
    cost: CostEstimate
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """Scored nests, one by one, with operands held at one place.

    Parameters
    ----------
    nests, held
        What was scored.
    value
        Of the objective; infinite where nothing fits.
    costs
        As in `mapper.cost.Scores`, by the names of `mapper.cost.COSTS`, or with energy.
    num_buffers
        Shape (operands, nests).
    """

    nests: Nests
    held: tuple[int, ...]
    value: Reals
    costs: dict[str, NDArray[Any]]
    num_buffers: Counts

    def at(self, rows: Counts) -> Scored:
        """Return some of them."""
        return Scored(
            nests=self.nests.at(rows),
            held=self.held,
            value=self.value[rows],
            costs={name: column[rows] for name, column in self.costs.items()},
            num_buffers=self.num_buffers[:, rows],
        )

    def candidate(self, row: int) -> Candidate:
        """Return one of them."""
        return Candidate(
            mapping=Mapping(
                loops=self.nests.loops(row),
                held=self.held,
                num_buffers=tuple(self.num_buffers[:, row].tolist()),
            ),
            cost=estimate_of(self.costs, row),
            value=float(self.value[row]),
        )


class Shortlist:
    """All mappings that are near the best one.

    Parameters
    ----------
    objective
        What is to be small.

    Notes
    -----
    What is chosen doesn't depend on the order in which mappings are offered: equals are told apart
    by their numbers in the map space.
    """

    def __init__(self, objective: Objective) -> None:
        self._objective = objective
        self._blocks: list[tuple[Scored, int, Counts]] = []
        self._best_tile = np.zeros(0, dtype=np.int64)
        #: The least value, and that of other tiles than its.
        self.least = inf
        self._least_of_others = inf

    @property
    def cutoff(self) -> float:
        """The value up to which mappings are asked for: near the best, or best of other tiles."""
        return max(self._near, self._least_of_others)

    @property
    def _near(self) -> float:
        return self.least * (1 + self._objective.tie)

    def offer(self, scored: Scored, site: int, numbers: Counts) -> None:
        """Keep what is near the best.

        ``site`` and ``numbers`` are the numbers of the scored ones in the map space.
        """
        near = np.flatnonzero((scored.value <= self.cutoff) & (scored.value < inf))
        if len(near):
            found = scored.at(near)
            self._note(found)
            self._blocks.append((found, site, numbers[near]))

    def _note(self, found: Scored) -> None:
        """Note the least value, and the least of other tiles."""
        tiles = found.nests.tiles
        first = int(found.value.argmin())
        if found.value[first] < self.least:
            is_other = not np.array_equal(tiles[first], self._best_tile)
            self._least_of_others = self.least if is_other else self._least_of_others
            self.least, self._best_tile = float(found.value[first]), tiles[first]
        others = found.value[(tiles != self._best_tile).any(axis=1)]
        self._least_of_others = min(self._least_of_others, others.min(initial=inf))

    def chosen(self) -> tuple[Candidate, ...]:
        """Return the best by the objective's rule, then the best of another tile; none if empty."""
        if not self._blocks:
            return ()
        table = self._table()
        best = self._sorted(table, np.flatnonzero(table["value"] <= self._near))[0]
        tiles = np.concatenate([block.nests.tiles for block, _, _ in self._blocks])
        others = np.flatnonzero((tiles != tiles[best]).any(axis=1))
        second = self._sorted(table, others, ("value", *self._objective.then))[:1]
        return tuple(self._candidate(table, row) for row in (best, *second.tolist()))

    def finalists(self, count: int) -> tuple[Candidate, ...]:
        """Return different mappings near the best, the best by the objective's rule first.

        They are those that no other near the best surpasses both in value and in tiles, or in value
        and in main-memory bytes: from the least value, where the closed form decides alone, to the
        fewest tiles, where least is left to it. Of too many some are taken evenly.
        """
        if not self._blocks:
            return ()
        table = self._table()
        near = np.flatnonzero(table["value"] <= self._near)
        front: set[int] = set()
        for what in ("tiles", "dram_bytes"):
            ordered = self._sorted(table, near, ("value", what, *self._objective.then))
            amounts = table[what][ordered]
            before = np.concatenate([[np.inf], np.minimum.accumulate(amounts)[:-1]])
            front.update(ordered[amounts < before].tolist())
        first = self._sorted(table, near)[0]
        ordered = self._sorted(table, np.array(sorted(front)), ("value", *self._objective.then))
        spread = np.unique(np.linspace(0, len(ordered) - 1, count - 1).round().astype(np.int64))
        rows = dict.fromkeys([int(first), *ordered[spread].tolist()])
        return tuple(self._candidate(table, row) for row in rows)

    def _table(self) -> dict[str, NDArray[Any]]:
        """Return the columns of all that was kept, and where each row is."""
        found = {
            name: np.concatenate([block.costs[name] for block, _, _ in self._blocks])
            for name in self._blocks[0][0].costs
        }
        found["value"] = np.concatenate([block.value for block, _, _ in self._blocks])
        counts = [len(numbers) for _, _, numbers in self._blocks]
        found["site"] = np.repeat([site for _, site, _ in self._blocks], counts)
        found["number"] = np.concatenate([numbers for _, _, numbers in self._blocks])
        found["block"] = np.repeat(np.arange(len(counts)), counts)
        found["row"] = np.concatenate([np.arange(count) for count in counts])
        return found

    def _sorted(
        self, table: dict[str, NDArray[Any]], rows: Counts, by: Sequence[str] | None = None
    ) -> Counts:
        """Return rows in the order of columns, by default of the objective's rule."""
        columns = (*(by or self._objective.then), "site", "number")
        return rows[np.lexsort([table[name][rows] for name in reversed(columns)])]

    def _candidate(self, table: dict[str, NDArray[Any]], row: int) -> Candidate:
        block, _, _ = self._blocks[int(table["block"][row])]
        return block.candidate(int(table["row"][row]))
