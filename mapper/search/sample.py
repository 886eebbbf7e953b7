"""Mappings that fit, drawn from the map space: to compare models on more than the best."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from accel.spec import AcceleratorSpec
from mapper.kernel import Kernel
from mapper.mapping import Mapping
from mapper.search.dataflows import dataflows_of, in_dataflow
from mapper.search.objective import objective_of
from mapper.search.problem import Problem
from mapper.search.random_draws import drawn
from mapper.space import map_space

#: How many times as many are drawn as are wanted: many don't fit.
_SPARE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class _Drawn:
    """A mapping and its number of tiles."""

    mapping: Mapping
    tiles: int


def sample_mappings(
    kernel: Kernel, spec: AcceleratorSpec, count: int, most_tiles: int, seed: int
) -> list[Mapping]:
    """Return mappings that fit, drawn evenly from the map space: at most ``count``.

    Those of more than ``most_tiles`` tiles are left out; if all have more, those of the fewest
    tiles are left.
    """
    draws = np.random.default_rng(seed)
    found: list[_Drawn] = []
    dataflows = dataflows_of(kernel, spec, "")
    for dataflow in dataflows:
        machine = spec.with_dataflow(dataflow)
        problem = Problem(kernel, machine, map_space(kernel, machine), objective_of("latency"))
        places = list(problem.places())
        for site, numbers in drawn(places, draws, _SPARE * count // len(dataflows)):
            scored, _ = problem.score(site, numbers)
            for row in np.flatnonzero(np.isfinite(scored.value)).tolist():
                mapping = in_dataflow(scored.candidate(row), dataflow).mapping
                found.append(_Drawn(mapping=mapping, tiles=mapping.tile_count(kernel.extents)))
    few = [one for one in found if one.tiles <= most_tiles]
    few = few or sorted(found, key=lambda one: one.tiles)[:count]
    chosen = draws.choice(len(few), size=min(count, len(few)), replace=False)
    return [few[number].mapping for number in sorted(chosen.tolist())]
