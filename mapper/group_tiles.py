"""Tiles of a group's members: the best for the part of a step that each computes."""

from __future__ import annotations

from itertools import product

import numpy as np

from accel.spec import AcceleratorSpec
from mapper.cost import NestCosts
from mapper.group_step import piece_of_step
from mapper.kernel import Contraction, Kernel, Role, VectorBody
from mapper.mapping import Mapping, Tile
from mapper.nest import Nests
from mapper.scores import Scores
from mapper.space import nested_sizes, product_options
from mapper.taking import Counts


class MemberTiles:
    """Tiles of members: scored once for each kernel and size of its part of a step.

    Parameters
    ----------
    spec
        The machine with one dataflow, whatever its scratchpads leave free.
    dataflow
        That one where the machine has several.
    """

    def __init__(self, spec: AcceleratorSpec, dataflow: str | None) -> None:
        self._spec = spec
        self._dataflow = dataflow
        self._known: dict[object, list[tuple[Nests, Scores]]] = {}

    def best(self, kernel: Kernel, tile: Tile, shared: AcceleratorSpec) -> Mapping | None:
        """Return how a member computes its part of a step: the best tiles that fit, held as such.

        ``shared`` is the machine with what scratchpads leave it.
        """
        best: tuple[float, Mapping] | None = None
        for nests, scores in self._scored(kernel, tile):
            cycles = np.where(scores.fits(shared), scores.cycles, np.inf)
            row = int(cycles.argmin())
            if np.isfinite(cycles[row]) and (best is None or cycles[row] < best[0]):
                mapping = Mapping(
                    loops=nests.loops(row),
                    held=(nests.depth,) * len(kernel.operands),
                    num_buffers=tuple(int(count[row]) for count in scores.num_buffers),
                    dataflow=self._dataflow if isinstance(kernel.body, Contraction) else None,
                )
                best = float(cycles[row]), mapping
        return best[1] if best is not None else None

    def _scored(self, kernel: Kernel, tile: Tile) -> list[tuple[Nests, Scores]]:
        key = (kernel, tile.size)
        if key not in self._known:
            piece = piece_of_step(kernel, tile)
            self._known[key] = []
            for dimensions, table in _tables(piece, self._spec):
                nests = Nests(piece, dimensions, np.ascontiguousarray(table.T))
                places = (nests.depth,) * len(kernel.operands)
                scores = NestCosts(nests, self._spec).score(places, (True,) * len(places))
                self._known[key].append((nests, scores))
        return self._known[key]


def _tables(piece: Kernel, spec: AcceleratorSpec) -> list[tuple[list[int], Counts]]:
    """Return loop orders with the steps that are tried."""
    if isinstance(piece.body, VectorBody):
        parallel, whole = piece.numbers(Role.PARALLEL), piece.numbers(Role.WHOLE)
        sizes = nested_sizes([piece.extents[d] for d in parallel], spec.vector.lanes)
        rows = [(*size, *(piece.extents[d] for d in whole)) for size in sizes]
        return [([*parallel, *whole], np.array(rows, dtype=np.int64))]
    options = product_options(piece, spec)
    tables = []
    for roles in ((Role.GROUP, Role.M, Role.N, Role.K), (Role.GROUP, Role.N, Role.M, Role.K)):
        rows = [sum(choice, ()) for choice in product(*(options[role] for role in roles))]
        order = [d for role in roles for d in piece.numbers(role)]
        tables.append((order, np.array(rows, dtype=np.int64)))
    return tables
