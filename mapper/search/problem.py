"""What a search is given, and what it gives."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf, prod
from typing import Any, NamedTuple, Protocol

import numpy as np

from accel.energy import required_energies
from accel.spec import AcceleratorSpec
from accel.vector import pass_cycles
from mapper.constraints import NO_RULES, LayerRules
from mapper.cost import COSTS, COSTS_WITH_ENERGY, NestCosts
from mapper.energy_counts import least_energy_pj
from mapper.kernel import Contraction, Kernel, VectorBody, compulsory_bytes, touched_bytes
from mapper.place_costs import PlaceCosts
from mapper.scores import that_fit
from mapper.search.objective import Bounds, Objective, objective_of
from mapper.search.shortlist import Scored, Shortlist
from mapper.search.sites import Listing, Site, narrowed
from mapper.space import Family, Rows, buffer_choices, map_space
from mapper.taking import Counts
from mapper.unit_cycles import least_array_cycles

#: Nests whose columns stay in a core's cache: 512 KiB of 8 bytes each.
CHUNK = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much a search may do.

    Parameters
    ----------
    seed
        Of strategies that draw.
    evaluations
        Mappings that strategies score which don't look at all of them.
    seconds
        After which the best so far is taken, None for no limit. One that fits is always found.
    clock
        Gives seconds.
    """

    seed: int = 0
    evaluations: int = 4000
    seconds: float | None = None
    clock: Callable[[], float] = time.monotonic


class Deadline:
    """The end of a search's time."""

    def __init__(self, effort: Effort) -> None:
        self._clock = effort.clock
        self._end = inf if effort.seconds is None else effort.clock() + effort.seconds

    @property
    def is_over(self) -> bool:
        """Whether the time is up."""
        return self._end < inf and self._clock() >= self._end


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What a search has looked at, and what that proves.

    Parameters
    ----------
    counted
        Mappings in the map space: loop nests, places of operands, numbers of buffers.
    scored, pruned
        How many were given a cost, and how many needed none: they don't fit, or can't be better.
    least
        The least value that was found, in the objective's unit; infinity if nothing fits.
    bound
        What no mapping of the space has less of; minus infinity where nothing is known.
    is_complete
        Whether the search ended by itself, not by its time.
    """

    counted: int
    scored: int
    pruned: int
    least: float
    bound: float
    is_complete: bool = True

    @property
    def is_proved(self) -> bool:
        """Whether no mapping of the space has a lower value than the least that was found."""
        return self.bound >= self.least

    @property
    def gap(self) -> float:
        """By what part of its value the least that was found could be too large, at most."""
        return 0.0 if self.is_proved else min(1.0, 1 - self.bound / self.least)


class Result(NamedTuple):
    """What a search found: the best mappings, nothing if nothing fits.

    ``tile_by_tile`` are the best of `Problem.tile_by_tile`, if it has looked at all of those.
    """

    shortlist: Shortlist
    coverage: Coverage
    tile_by_tile: Shortlist | None = None


class Problem:
    """A map space, and what is looked for in it.

    Parameters
    ----------
    kernel, spec
        What is mapped, onto what; of an array's dataflows it is the first one.
    families
        The map space.
    objective
        What is to be small.
    buffers
        Which operands may have two buffers, the most first; by default all choices of the kernel.
    """

    def __init__(
        self,
        kernel: Kernel,
        spec: AcceleratorSpec,
        families: Sequence[Family],
        objective: Objective,
        buffers: Sequence[tuple[bool, ...]] | None = None,
    ) -> None:
        self.kernel = kernel
        self.spec = spec
        self.families = tuple(families)
        self.objective = objective
        self.buffers = tuple(buffers or buffer_choices(kernel))
        self.capacity = {pad.name: pad.capacity_bytes for pad in spec.scratchpads}

    @property
    def costs(self) -> tuple[str, ...]:
        """Names of the costs that are found out of mappings."""
        return COSTS_WITH_ENERGY if self.objective.needs_energy else COSTS

    @cached_property
    def counted(self) -> int:
        """Mappings in the space."""
        return len(self.buffers) * sum(family.count for family in self.families)

    @cached_property
    def floor(self) -> float:
        """What no mapping of the kernel is below, whatever its loops."""
        return -inf if self.objective.bound is None else float(self._least_value(self.least_cycles))

    @cached_property
    def _compulsory_bytes(self) -> int:
        return compulsory_bytes(self.kernel)

    def _least_value(self, cycles: Any) -> Any:
        """Return what is below no mapping that takes so many cycles."""
        assert self.objective.bound is not None, "nothing is known without"
        energy_pj = None
        if self.objective.needs_energy:
            touched = [touched_bytes(one, self.kernel) for one in self.kernel.operands]
            energy_pj = least_energy_pj(self.kernel, self.spec, touched, cycles)
        return self.objective.bound(Bounds(cycles, self._compulsory_bytes, 1, energy_pj))

    @cached_property
    def tile_by_tile(self) -> Problem:
        """The part in which regions are tiles, and have two buffers where they move: itself if all.

        That part is small, and in it are mappings not far from the best.
        """
        families = [family.tile_by_tile() for family in self.families]
        part = Problem(self.kernel, self.spec, families, self.objective, self.buffers[:1])
        return self if part.counted == self.counted else part

    def shortlist(self, ceiling: float = inf) -> Shortlist:
        """Return an empty one, of which the cutoff is known to be at most ``ceiling``."""
        return Shortlist(self.objective, ceiling)

    def result(
        self, best: Shortlist, scored: int, *, bound: float, pruned: bool, is_complete: bool
    ) -> Result:
        """Return what a search found.

        Parameters
        ----------
        best
            All that it has scored.
        scored
            How many mappings that was.
        bound
            What no mapping is below that it hasn't looked at.
        pruned
            Whether it knows of all others that they aren't better.
        is_complete
            Whether it ended by itself.
        """
        coverage = Coverage(
            counted=self.counted,
            scored=scored,
            pruned=self.counted - scored if pruned else 0,
            least=best.least,
            bound=min(bound, best.least),
            is_complete=is_complete,
        )
        return Result(best, coverage)

    def places(self) -> Iterator[Site]:
        """Yield all of the space, a family and a place at a time."""
        pairs = [(family, place) for family in self.families for place in family.places]
        for number, (family, (held, rows)) in enumerate(pairs):
            yield Site(number, family.nests, held, rows)

    def sites(
        self, best: Shortlist | None = None, chunk: int = CHUNK
    ) -> Iterator[tuple[Site, PlaceCosts]]:
        """Yield the space in parts of about ``chunk`` nests, with what they cost.

        Sites of the same nests share what doesn't depend on the place. Nests are left out whose
        value is above the cutoff of ``best`` wherever their operands are held.
        """
        number = 0
        for family in self.families:
            wholes = [Site(0, family.nests, held, rows) for held, rows in family.places]
            if not wholes:
                continue
            axis = wholes[0].axis
            choices = family.nests.shape[axis]
            length = max(1, chunk * choices // max(1, len(family.nests)))
            for start in range(0, choices, length):
                parts = [
                    whole.within(axis, slice(start, start + length))._replace(number=number + index)
                    for index, whole in enumerate(wholes)
                ]
                number += len(parts)
                parts = [part for part in parts if part.rows.any()]
                if parts:
                    yield from self._costed(parts, inf if best is None else best.cutoff)

    def _costed(self, parts: list[Site], cutoff: float) -> Iterator[tuple[Site, PlaceCosts]]:
        """Yield parts of the same nests with what they cost; as `sites`."""
        parts = narrowed(parts)
        if cutoff < inf and self.objective.bound is not None:
            least = np.maximum(self.least_cycles, least_array_cycles(parts[0].nests, self.spec))
            near = self._least_value(least) <= cutoff
            parts = narrowed([part._replace(rows=part.rows & near) for part in parts])
        costs = NestCosts(parts[0].nests.copy(), self.spec)
        for part in parts:
            if part.rows.any():
                part = part._replace(nests=costs.nests)
                yield part.narrowed(costs.at(part.held), part.rows)

    def fitting(self, place: PlaceCosts, rows: Rows) -> Rows:
        """Return which of the nests that are true fit with as few buffers as there may be."""
        return self._that_fit(rows, place, self.buffers[-1])

    def _that_fit(self, rows: Rows, place: PlaceCosts, doubled: tuple[bool, ...]) -> Rows:
        """Return which of the nests that are true fit with so many buffers."""
        return that_fit(rows, place.required_bytes(doubled), self.capacity)

    def fits_somewhere(self) -> Listing | None:
        """Return a nest that fits, None if none does: the last, since small tiles come last."""
        for site, place in self.sites():
            numbers = site._replace(rows=self.fitting(place, site.rows)).numbers
            if len(numbers):
                return Listing.of([(site, numbers[-1:])])
        return None

    def bounds(self, place: PlaceCosts) -> Bounds:
        """Return what nests cost at least, whatever their buffers; broadcasts to the grid."""
        cycles = place.bound_cycles
        energy_pj = place.energy_pj(cycles) if self.objective.needs_energy else None
        return Bounds(cycles, place.dram_bytes, place.units.tiles, energy_pj)

    def score(self, site: Site, numbers: Counts) -> tuple[Scored, int]:
        """Return the scores of some nests of a site; as `scored`."""
        place = NestCosts(site.nests.at(numbers), self.spec).at(site.held)
        return self.scored(Listing.of([(site, numbers)]), place)

    def scored(self, listing: Listing, place: PlaceCosts) -> tuple[Scored, int]:
        """Return the scores of mappings, and the number of scored mappings.

        Of the numbers of buffers the best that fits is taken. Two are never slower than one, so
        that the others are only scored where all with two don't fit.

        Parameters
        ----------
        listing
            Which they are.
        place
            What they cost, one by one.
        """
        needs_energy = self.objective.needs_energy
        fits = self._that_fit(np.ones(len(listing), dtype=np.bool_), place, self.buffers[0])
        first = place.scores(self.buffers[0], with_energy=needs_energy)
        value = np.where(fits, self.objective.value(first), inf)
        columns = {name: getattr(first, name) for name in self.costs}
        buffers = np.array(first.num_buffers)
        scored, is_open = len(listing), ~fits
        if is_open.any():
            for doubled in self.buffers[1:]:
                scored += int(is_open.sum())
                is_better = self._that_fit(is_open, place, doubled)
                if not is_better.any():
                    continue
                scores = place.scores(doubled, with_energy=needs_energy)
                found = self.objective.value(scores)
                is_better = is_better & (found < value)
                value = np.where(is_better, found, value)
                for name in self.costs:
                    columns[name] = np.where(is_better, getattr(scores, name), columns[name])
                buffers = np.where(is_better, np.array(scores.num_buffers), buffers)
        result = Scored(listing=listing, value=value, costs=columns, num_buffers=buffers)
        return result, scored

    @cached_property
    def least_cycles(self) -> float:
        """Cycles of all MACs on all PEs, all elements in all lanes, or all bytes.

        A little less, so that rounding never makes it too much.
        """
        kernel, spec = self.kernel, self.spec
        iterations = prod(kernel.extents)
        moved = self._compulsory_bytes / spec.bandwidth_bytes_per_s * spec.clock_hz
        computing = 0.0
        match kernel.body:
            case Contraction():
                computing = iterations / spec.array.pes
            case VectorBody() as body:
                pace = pass_cycles(spec.vector, body.function, body.activation, kernel.row)
                computing = iterations * pace / spec.vector.lanes
        return max(moved, computing) * (1 - 1e-12)


def problem_of(
    kernel: Kernel,
    spec: AcceleratorSpec,
    name: str,
    objective: str | Objective,
    rules: LayerRules = NO_RULES,
) -> Problem:
    """Return what a search for a kernel's mapping is given; as in `mapper.search.find`.

    Raises
    ------
    SpecError
        When the objective needs energies and the machine has none.
    """
    found = objective_of(objective) if isinstance(objective, str) else objective
    if found.needs_energy:
        required_energies(spec)
    return Problem(
        kernel,
        spec,
        map_space(kernel, spec, rules, name),
        found,
        rules.buffer_choices(kernel, buffer_choices(kernel)),
    )


class Strategy(Protocol):
    """A way through a map space."""

    def __call__(self, problem: Problem, effort: Effort) -> Result:
        """Return the best mappings that it finds: none only if none of the space fits."""
