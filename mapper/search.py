"""The choice of a mapping: the best of all in the map space by closed-form cost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from accel.spec import AcceleratorSpec
from foundation.errors import MappingError
from mapper.constraints import NO_RULES, LayerRules
from mapper.cost import CostEstimate, NestCosts, Reals, Scores
from mapper.kernel import Contraction, Kernel
from mapper.layouts import conflict_cycles, with_layouts
from mapper.mapping import Mapping
from mapper.space import Family, Rows, map_space

#: Estimates closer than this count as equal: the closed form isn't more exact.
TIE = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scored:
    """Nests of a family with operands at one place, scored; those that don't fit cost infinity."""

    family: Family
    held: tuple[int, ...]
    rows: Rows
    scores: Scores
    cycles: Reals

    def mapping(self, row: int) -> Mapping:
        """Return one mapping."""
        return Mapping(
            loops=self.family.nests.loops(row),
            held=self.held,
            num_buffers=tuple(int(count[row]) for count in self.scores.num_buffers),
        )


class Search:
    """All mappings of a kernel's map space, scored at once.

    The best has the fewest estimated cycles; of those within ``TIE`` of the fewest it is the one
    with the fewest main-memory bytes, then tiles.

    Parameters
    ----------
    kernel, spec
        What is mapped, onto what.
    name
        The layer's, for the error.
    rules
        What may not be tried.

    Raises
    ------
    MappingError
        When a constraint leaves nothing, or not even the smallest tile fits: which scratchpad, and
        both numbers.
    """

    def __init__(
        self, kernel: Kernel, spec: AcceleratorSpec, name: str, rules: LayerRules = NO_RULES
    ) -> None:
        self._kernel = kernel
        self._spec = spec
        self._scored = list(_all_scores(kernel, spec, name, rules))
        self._cycles = np.concatenate([one.cycles for one in self._scored])
        self._starts = np.cumsum([0, *(len(one.cycles) for one in self._scored)])
        if not np.isfinite(self._cycles).any():
            raise _does_not_fit(kernel, spec, name, self._scored)
        self._dram_bytes = np.concatenate([one.scores.dram_bytes for one in self._scored])
        self._tiles = np.concatenate([one.scores.tiles for one in self._scored])
        self.candidates = sum(int(one.rows.sum()) for one in self._scored)
        self.fitting = int(np.isfinite(self._cycles).sum())

    def best(self) -> tuple[Mapping, CostEstimate]:
        """Return the best mapping, with layouts for its tiles, and its cost."""
        mapping = with_layouts(self._kernel, self._mapping(self._best()), self._spec)
        estimate = self._estimate(self._best())
        conflicts = conflict_cycles(self._kernel, mapping)
        return mapping, replace(estimate, cycles=estimate.cycles + conflicts)

    def least_dram_bytes(self) -> int:
        """Return the main-memory bytes of the mapping that moves the fewest."""
        return int(self._dram_bytes[np.isfinite(self._cycles)].min())

    def fastest_within(self, dram_bytes: int) -> Mapping:
        """Return the fastest mapping that moves at most so many main-memory bytes.

        ``dram_bytes`` must be at least `least_dram_bytes`.
        """
        cycles = np.where(self._dram_bytes <= dram_bytes, self._cycles, np.inf)
        mapping = self._mapping(int(np.lexsort((self._dram_bytes, cycles))[0]))
        return with_layouts(self._kernel, mapping, self._spec)

    def runner_up(self) -> tuple[Mapping, CostEstimate] | None:
        """Return the best mapping whose tile differs from the best; None if there is no other."""
        tile = self._mapping(self._best()).tile
        for number in np.argsort(self._cycles, kind="stable").tolist():
            if not np.isfinite(self._cycles[number]):
                return None
            if self._mapping(number).tile != tile:
                return self._mapping(number), self._estimate(number)
        return None

    def next_better(self) -> tuple[Mapping, CostEstimate] | None:
        """Return the mapping, of those better than the best, that lacks the fewest bytes to fit.

        Better is one that is faster by more than ``TIE``, or within it and with less traffic.
        """
        best = self._estimate(self._best())
        found: tuple[float, _Scored, int] | None = None
        for scored in self._scored:
            scores = scored.scores
            is_faster = scores.cycles < best.cycles * (1 - TIE)
            is_near = scores.cycles <= best.cycles * (1 + TIE)
            is_better = is_faster | (is_near & (scores.dram_bytes < best.dram_bytes))
            lack = np.where(is_better & scored.rows, _lack_bytes(scores, self._spec), np.inf)
            row = int(lack.argmin())
            if 0 < lack[row] < (found[0] if found is not None else np.inf):
                found = (float(lack[row]), scored, row)
        if found is None:
            return None
        _, scored, row = found
        cost = CostEstimate(
            cycles=float(scored.scores.cycles[row]),
            dram_bytes=int(scored.scores.dram_bytes[row]),
            tiles=int(scored.scores.tiles[row]),
        )
        return scored.mapping(row), cost

    def fill(self) -> dict[str, float]:
        """Return scratchpad name to the share of it that the best mapping uses."""
        scored, row = self._place(self._best())
        required = scored.scores.required_bytes
        return {
            pad.name: float(required[pad.name][row]) / pad.capacity_bytes
            for pad in self._spec.scratchpads
            if pad.name in required
        }

    def _best(self) -> int:
        near = np.flatnonzero(self._cycles <= self._cycles.min() * (1 + TIE))
        keys = (self._cycles[near], self._tiles[near], self._dram_bytes[near])
        return int(near[np.lexsort(keys)[0]])

    def _place(self, number: int) -> tuple[_Scored, int]:
        part = int(np.searchsorted(self._starts, number, side="right")) - 1
        return self._scored[part], number - int(self._starts[part])

    def _mapping(self, number: int) -> Mapping:
        scored, row = self._place(number)
        return scored.mapping(row)

    def _estimate(self, number: int) -> CostEstimate:
        return CostEstimate(
            cycles=float(self._cycles[number]),
            dram_bytes=int(self._dram_bytes[number]),
            tiles=int(self._tiles[number]),
        )


def _all_scores(
    kernel: Kernel, spec: AcceleratorSpec, name: str, rules: LayerRules
) -> Iterator[_Scored]:
    """Yield the scores of all families, places of operands, and numbers of buffers.

    One buffer is tried only where two don't fit: two are never slower.
    """
    choices = rules.buffer_choices(kernel, buffer_choices(kernel))
    for family in map_space(kernel, spec, rules, name):
        costs = NestCosts(family.nests, spec)
        for held, rows in family.places:
            open_rows = rows.copy()
            for doubled in choices:
                if not open_rows.any():
                    break
                scores = costs.score(held, doubled)
                fits = scores.fits(spec) & open_rows
                yield _Scored(
                    family=family,
                    held=held,
                    rows=open_rows.copy(),
                    scores=scores,
                    cycles=np.where(fits, scores.cycles, np.inf),
                )
                if doubled == choices[0]:
                    open_rows &= ~fits


def buffer_choices(kernel: Kernel) -> Iterator[tuple[bool, ...]]:
    """Yield which operands have two buffers: all, then all but some of a product.

    Psums and outputs have one where inputs have two, or where everything has one.
    """
    others = len(kernel.operands) - 3
    if not isinstance(kernel.body, Contraction):
        yield (True,) * len(kernel.operands)
        return
    pairs = list(product((True, False), repeat=2))
    for pair, last in [*((pair, True) for pair in pairs), (pairs[0], False), (pairs[-1], False)]:
        yield (*pair, *(True,) * others, last)


def _lack_bytes(scores: Scores, spec: AcceleratorSpec) -> Reals:
    """Return the bytes that all scratchpads together lack for each nest; 0 where it fits."""
    capacity = {pad.name: pad.capacity_bytes for pad in spec.scratchpads}
    lacks = [np.maximum(0, need - capacity[name]) for name, need in scores.required_bytes.items()]
    total: Reals = np.sum(lacks, axis=0).astype(np.float64)
    return total


def _does_not_fit(
    kernel: Kernel, spec: AcceleratorSpec, name: str, scored: list[_Scored]
) -> MappingError:
    """Return the error that names the scratchpad which is too small even for the best tile."""
    capacity = {s.name: s.capacity_bytes for s in spec.scratchpads}
    best: tuple[float, float, str, int, tuple[int, ...]] | None = None
    for one in scored:
        excess = np.array([size / capacity[pad] for pad, size in one.scores.required_bytes.items()])
        excess = np.where(one.rows, excess, np.inf)
        worst = excess.max(axis=0)
        row = int(np.lexsort((excess.sum(axis=0), worst))[0])
        pads = list(one.scores.required_bytes)
        pad = pads[int(excess[:, row].argmax())]
        tile = Mapping(loops=one.family.nests.loops(row), held=one.held, num_buffers=()).tile
        found = (
            float(worst[row]),
            float(excess[:, row].sum()),
            pad,
            int(one.scores.required_bytes[pad][row]),
            tile,
        )
        if best is None or found[:2] < best[:2]:
            best = found
    assert best is not None, "a map space is never empty"
    *_, worst_pad, needed, tile = best
    sizes = ", ".join(
        f"{dimension.name} {size}" for dimension, size in zip(kernel.dimensions, tile, strict=True)
    )
    return MappingError(
        f"layer '{name}', scratchpad '{worst_pad}': the smallest tile ({sizes}) needs {needed}"
        f" bytes with its buffers but {capacity[worst_pad]} are there; enlarge '{worst_pad}'"
    )
