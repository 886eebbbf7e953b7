"""The door of the search: a kernel and a machine in, the mapping out."""

from __future__ import annotations

from collections.abc import Mapping as Dictionary
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from accel.spec import AcceleratorSpec
from foundation.errors import MappingError, nearest
from mapper.constraints import NO_RULES, LayerRules
from mapper.cost import CostEstimate, NestCosts
from mapper.kernel import Kernel
from mapper.layouts import conflict_cycles, with_layouts
from mapper.mapping import Mapping
from mapper.nest import nest_of
from mapper.search.branch_and_bound import branch_and_bound
from mapper.search.cache import MappingCache
from mapper.search.dataflows import dataflows_of, in_dataflow, joined
from mapper.search.evolutionary import evolutionary
from mapper.search.exhaustive import exhaustive
from mapper.search.objective import Objective, objective_of
from mapper.search.price import can_price, exact_cycles
from mapper.search.problem import Coverage, Effort, Problem, Strategy, problem_of
from mapper.search.random_draws import random_draws
from mapper.search.refine import Refine, refined
from mapper.search.shortlist import Candidate
from mapper.search.sites import Site
from mapper.search.stored import key_of, restored, stored
from mapper.taking import Counts

#: By the name that users write.
STRATEGIES: dict[str, Strategy] = {
    "exhaustive": exhaustive,
    "branch_and_bound": branch_and_bound,
    "evolutionary": evolutionary,
    "random": random_draws,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOptions:
    """What is asked of the search.

    Parameters
    ----------
    objective
        As in `mapper.search.objective.objective_of`.
    strategy
        One of ``STRATEGIES``.
    effort
        How much it may do for each kernel.
    refine
        Prices the finalists again, as in `mapper.search.refine`: by default the analytical engine,
        where it can without driving a DRAM. None takes the closed form's word.
    cache
        Where found mappings are kept for later runs; None for nowhere.
    processes
        How many work at the same time, for different layers; by default one for each core.

    Raises
    ------
    MappingError
        When objective or strategy are unknown.
    """

    objective: str = "latency"
    strategy: str = "exhaustive"
    effort: Effort = field(default_factory=Effort)
    refine: Refine | None = exact_cycles
    cache: MappingCache | None = None
    processes: int | None = None

    def __post_init__(self) -> None:
        """Check the names."""
        objective_of(self.objective)
        if self.strategy not in STRATEGIES:
            raise MappingError(
                f"search '{self.strategy}': must be one of {', '.join(STRATEGIES)}"
                f"{nearest(self.strategy, STRATEGIES)}"
            )

    def as_record(self) -> dict[str, Any]:
        """Return what a run must be repeated with, by plain names."""
        effort = self.effort
        return {
            "objective": self.objective,
            "strategy": self.strategy,
            "seed": effort.seed,
            "evaluations": effort.evaluations,
            "time_limit_s": effort.seconds,
        }


def options_of(record: Dictionary[str, Any]) -> SearchOptions:
    """Return the options that a record was made of."""
    effort = Effort(
        seed=record["seed"], evaluations=record["evaluations"], seconds=record["time_limit_s"]
    )
    return SearchOptions(objective=record["objective"], strategy=record["strategy"], effort=effort)


DEFAULT = SearchOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The mapping of a kernel.

    Parameters
    ----------
    kernel, spec
        What was mapped, onto what.
    chosen
        The best, then the best of another tile or dataflow if there is one. Refined ones have their
        layouts, and their cycles are the refined ones.
    coverage
        What the search has looked at.
    is_refined
        Whether the chosen were priced again.
    """

    kernel: Kernel
    spec: AcceleratorSpec
    chosen: tuple[Candidate, ...]
    coverage: Coverage
    is_refined: bool = False

    def best(self) -> tuple[Mapping, CostEstimate]:
        """Return the best mapping, with layouts for its tiles, and its cost."""
        best = self.chosen[0]
        if self.is_refined:
            return best.mapping, best.cost
        mapping = with_layouts(self.kernel, best.mapping, self.spec)
        conflicts = conflict_cycles(self.kernel, mapping)
        return mapping, best.cost.at_cycles(best.cost.cycles + conflicts, self.spec)

    def runner_up(self) -> tuple[Mapping, CostEstimate] | None:
        """Return the best mapping of another tile or dataflow; None if there is no other."""
        return (self.chosen[1].mapping, self.chosen[1].cost) if len(self.chosen) > 1 else None

    def fill(self) -> dict[str, float]:
        """Return scratchpad name to the share of it that the best mapping uses."""
        best = self.chosen[0].mapping
        nests = nest_of(self.kernel, best)
        doubled = tuple(count > 1 for count in best.num_buffers)
        required = NestCosts(nests, self.spec).at(best.held).required_bytes(doubled)
        return {
            pad.name: float(np.max(required[pad.name])) / pad.capacity_bytes
            for pad in self.spec.scratchpads
            if pad.name in required
        }


def find_mapping(
    kernel: Kernel,
    spec: AcceleratorSpec,
    name: str,
    options: SearchOptions = DEFAULT,
    rules: LayerRules = NO_RULES,
) -> Found:
    """Return the best mapping of a kernel's map space.

    Where the array has several dataflows each is searched as if it were the only one, and the best
    of all is taken. The time is divided among them; ``Effort.evaluations`` are those of each.

    Parameters
    ----------
    kernel, spec
        What is mapped, onto what.
    name
        The layer's, for the error.
    options
        What is asked of the search.
    rules
        What may not be tried.

    Raises
    ------
    MappingError
        When a constraint leaves nothing, or not even the smallest tile fits: which scratchpad, and
        both numbers. Of several dataflows what is wrong with the first.
    """
    dataflows = dataflows_of(kernel, spec, name, rules)
    if dataflows == (None,):
        return _found(kernel, spec, name, options, rules)
    seconds = options.effort.seconds
    part = None if seconds is None else seconds / len(dataflows)
    each = replace(options, effort=replace(options.effort, seconds=part))
    found: list[Found] = []
    failures: list[MappingError] = []
    for dataflow in dataflows:
        try:
            one = _found(kernel, spec.with_dataflow(dataflow), name, each, rules)
        except MappingError as error:
            failures.append(error)
        else:
            chosen = tuple(in_dataflow(candidate, dataflow) for candidate in one.chosen)
            found.append(replace(one, spec=spec, chosen=chosen))
    if not found:
        raise failures[0]
    return _best_of(found, objective_of(options.objective))


def _best_of(found: Sequence[Found], objective: Objective) -> Found:
    """Return the best of what was found in several dataflows."""

    def cost(one: CostEstimate) -> list[float]:
        return [float(objective.value(one)), *(getattr(one, name) for name in objective.then)]

    best, *others = sorted(found, key=lambda one: cost(one.best()[1]))
    seconds = [*best.chosen[1:], *(other.chosen[0] for other in others)]
    return replace(
        best,
        chosen=(best.chosen[0], *sorted(seconds, key=lambda one: cost(one.cost))[:1]),
        coverage=joined([one.coverage for one in found]),
    )


def _found(
    kernel: Kernel,
    spec: AcceleratorSpec,
    name: str,
    options: SearchOptions,
    rules: LayerRules,
) -> Found:
    """Return the best mapping on an array of one dataflow; as `find_mapping`."""
    cache = options.cache if _is_known_code(options.refine) else None
    key = None if cache is None else key_of(kernel, spec, _asked(options, rules))
    entry = None if cache is None else cache.get(key)
    if entry is None:
        chosen, coverage = _searched(kernel, spec, name, options, rules)
        if cache is not None and coverage.is_complete:
            cache.put(key, stored(chosen, coverage))
    else:
        chosen, coverage = restored(entry)
    return Found(
        kernel=kernel,
        spec=spec,
        chosen=chosen,
        coverage=coverage,
        is_refined=_refine_of(kernel, spec, options) is not None,
    )


def _refine_of(kernel: Kernel, spec: AcceleratorSpec, options: SearchOptions) -> Refine | None:
    """Return what prices the finalists of a kernel again, if anything can."""
    if options.refine is exact_cycles and not can_price(kernel, spec):
        return None
    return options.refine


def _searched(
    kernel: Kernel, spec: AcceleratorSpec, name: str, options: SearchOptions, rules: LayerRules
) -> tuple[tuple[Candidate, ...], Coverage]:
    """Search, and return the best, the best of another tile, and what was looked at."""
    problem = problem_of(kernel, spec, name, options.objective, rules)
    result = STRATEGIES[options.strategy](problem, options.effort)
    if result.shortlist.is_empty:
        raise _does_not_fit(problem, name)
    refine = _refine_of(kernel, spec, options)
    if refine is None:
        return result.shortlist.chosen(), result.coverage
    best, *others = refined(problem, result, refine, options.effort)
    second = next((one for one in others if one.mapping.tile != best.mapping.tile), None)
    return (best,) if second is None else (best, second), result.coverage


def _is_known_code(refine: Refine | None) -> bool:
    """Whether a version of the code stands for a refining function too."""
    return refine is None or getattr(refine, "__module__", "").startswith(("accel.", "mapper."))


def _asked(options: SearchOptions, rules: LayerRules) -> dict[str, object]:
    """Return what decides what is found. The time doesn't: a search that it ends isn't kept."""
    refine = options.refine
    name = None if refine is None else f"{refine.__module__}.{refine.__qualname__}"
    return {**options.as_record(), "time_limit_s": None, "refine": name} | rules.as_record()


def _does_not_fit(problem: Problem, name: str) -> MappingError:
    """Return the error that names the scratchpad which is too small even for the best tile."""
    capacity = {pad.name: pad.capacity_bytes for pad in problem.spec.scratchpads}
    found = [
        _least_excess(site, place.required_bytes(problem.buffers[-1]), capacity)
        for site, place in problem.sites()
        if site.rows.any()
    ]
    _, _, pad, needed, tile = min(found, key=lambda one: one[:2])
    sizes = ", ".join(
        f"{dimension.name} {size}"
        for dimension, size in zip(problem.kernel.dimensions, tile, strict=True)
    )
    return MappingError(
        f"layer '{name}', scratchpad '{pad}': the smallest tile ({sizes}) needs {needed}"
        f" bytes with its buffers but {capacity[pad]} are there; enlarge '{pad}'"
    )


def _least_excess(
    site: Site, required: Dictionary[str, Counts], capacity: Dictionary[str, int]
) -> tuple[float, float, str, int, tuple[int, ...]]:
    """Return of the nest that exceeds scratchpads by least: how much, where, and its tile.

    How much is the largest share of a scratchpad, then the sum of all. Kept tensors may leave
    nothing of one: then a byte counts as all of it.
    """
    whole = {pad: max(1, size) for pad, size in capacity.items()}
    shares = np.array(
        [
            np.where(site.rows, np.broadcast_to(size / whole[pad], site.nests.shape), np.inf)
            for pad, size in required.items()
        ]
    ).reshape(len(required), -1)
    row = int(np.lexsort((shares.sum(axis=0), shares.max(axis=0)))[0])
    pad = list(required)[int(shares[:, row].argmax())]
    loops = site.nests.loops(row)
    return (
        float(shares[:, row].max()),
        float(shares[:, row].sum()),
        pad,
        round(float(shares[:, row].max()) * whole[pad]),
        Mapping(loops=loops, held=site.held, num_buffers=()).tile,
    )
