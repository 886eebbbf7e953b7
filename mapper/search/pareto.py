"""Pareto sets: mappings of which no other is as good in every objective."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from accel.spec import AcceleratorSpec
from foundation.errors import MappingError
from mapper.constraints import NO_RULES, LayerRules
from mapper.kernel import Kernel
from mapper.search.dataflows import dataflows_of, in_dataflow
from mapper.search.objective import Objective, objective_of
from mapper.search.problem import Problem, problem_of
from mapper.search.shortlist import Candidate
from mapper.search.sites import Listing
from mapper.taking import Reals

#: Nests that are scored at once.
_BATCH = 1 << 14


class Choice(NamedTuple):
    """A mapping of the set, and its values of the objectives."""

    candidate: Candidate
    values: tuple[float, ...]


def objectives_of(text: str) -> tuple[Objective, ...]:
    """Return the objectives that a text such as ``latency,dram`` names.

    Raises
    ------
    MappingError
        When there are fewer than two, or a name is unknown.
    """
    found = tuple(objective_of(name.strip()) for name in text.split(","))
    if len(found) < 2:
        raise MappingError(
            f"Pareto set '{text}': needs 2 or more objectives but has {len(found)}; write"
            " latency,dram"
        )
    return found


def pareto_set(
    kernel: Kernel,
    spec: AcceleratorSpec,
    objectives: Sequence[Objective],
    rules: LayerRules = NO_RULES,
) -> tuple[Choice, ...]:
    """Return one mapping for each combination of values that no other mapping is as good as.

    Parameters
    ----------
    kernel, spec
        What is mapped, onto what.
    objectives
        Two or more.
    rules
        What may not be tried.

    Returns
    -------
    tuple of Choice
        By the first objective; empty if nothing fits.

    Notes
    -----
    All of the map space is looked at; what a mapping's bounds say is surpassed isn't scored. Two
    buffers are never slower and move as much, for as much energy, so that the quickest numbers of
    buffers are enough.
    """
    choices: list[Choice] = []
    needs_energy = any(one.needs_energy for one in objectives)
    quickest = replace(objective_of("latency"), needs_energy=needs_energy)
    for dataflow in dataflows_of(kernel, spec, "", rules):
        problem = problem_of(kernel, spec.with_dataflow(dataflow), "", quickest, rules)
        choices = _with_those_of(problem, dataflow, objectives, choices)
    return tuple(sorted(choices, key=lambda choice: choice.values))


def _with_those_of(
    problem: Problem, dataflow: str | None, objectives: Sequence[Objective], choices: list[Choice]
) -> list[Choice]:
    """Return the set of some choices and of a problem's mappings."""
    front = np.array([one.values for one in choices]).reshape(-1, len(objectives))
    for site, place in problem.sites():
        numbers = site._replace(rows=problem.fitting(place, site.rows)).numbers
        if all(one.bound for one in objectives) and len(numbers):
            bounds = problem.bounds(place)
            columns = [
                site.over_grid(one.bound(bounds))[numbers] for one in objectives if one.bound
            ]
            numbers = numbers[~_surpassed(np.stack(columns, axis=1), front)]
        for start in range(0, len(numbers), _BATCH):
            part = numbers[start : start + _BATCH]
            scored, _ = problem.scored(Listing.of([(site, part)]), place.listed(part))
            found = SimpleNamespace(**scored.costs)
            values = np.stack([one.value(found) for one in objectives], axis=1).astype(np.float64)
            values[np.isinf(scored.value)] = np.inf
            rows = non_dominated(values)
            rows = rows[~_surpassed(values[rows], front)]
            new = [
                Choice(in_dataflow(scored.candidate(row), dataflow), tuple(values[row].tolist()))
                for row in rows
            ]
            kept = ~_surpassed(front, values[rows])
            choices = [one for one, keep in zip(choices, kept, strict=True) if keep] + new
            front = np.concatenate([front[kept], values[rows]])
    return choices


def non_dominated(values: Reals) -> NDArray[np.int64]:
    """Return the rows of which no other is as good in every column: the first of equals.

    ``values`` has shape (mappings, objectives); rows with an infinite value don't count.
    """
    rows = np.flatnonzero(np.isfinite(values).all(axis=1))
    rows = rows[np.lexsort(values[rows].T[::-1])]
    found: list[int] = []
    while len(rows):
        found.append(int(rows[0]))
        rows = rows[(values[rows] < values[rows[0]]).any(axis=1)]
    return np.array(found, dtype=np.int64)


def on_front(values: Reals) -> NDArray[np.bool_]:
    """Return which rows no other is as good as in every column, and better than in one.

    Parameters are those of `non_dominated`, which leaves out equals of its rows.
    """
    best = values[non_dominated(values)]
    result: NDArray[np.bool_] = (values[:, np.newaxis] == best).all(axis=2).any(axis=1)
    return result


def _surpassed(values: Reals, front: Reals) -> NDArray[np.bool_]:
    """Return which rows have a row of the front that is as good in every column."""
    result = np.zeros(len(values), dtype=np.bool_)
    for best in front:
        result |= (values >= best).all(axis=1)
    return result
