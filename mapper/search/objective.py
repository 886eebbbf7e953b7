"""What a search makes small: records of a vectorised function of scores."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from foundation.errors import MappingError, nearest


class Costs(Protocol):
    """What objectives see of `mapper.cost.Scores`, of a `CostEstimate`, or of bounds of them."""

    @property
    def cycles(self) -> Any:
        """Core cycles."""

    @property
    def dram_bytes(self) -> Any:
        """Main-memory bytes."""

    @property
    def tiles(self) -> Any:
        """Number of tiles."""

    @property
    def energy_pj(self) -> Any:
        """Picojoules; only there for objectives that need them."""


class Bounds(NamedTuple):
    """Costs that mappings have at least: numbers, or arrays of them."""

    cycles: Any
    dram_bytes: Any
    tiles: Any
    energy_pj: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """A value that a search makes small.

    Parameters
    ----------
    name
        As users write it.
    unit
        Of the value.
    value
        Of costs: the smaller the better. Takes numbers or arrays.
    bound
        What no value goes below, of bounds of the costs; None where nothing is known: then no
        mapping is pruned by it.
    tie
        Values that are larger by less than this part count as equal to the least.
    then
        Costs that decide between equal values, the first first.
    needs_energy
        Whether the value, or a cost that decides, is made of the energy.
    """

    name: str
    unit: str
    value: Callable[[Costs], Any]
    bound: Callable[[Bounds], Any] | None = None
    tie: float = 0.0
    then: tuple[str, ...] = ("cycles", "dram_bytes", "tiles")
    needs_energy: bool = False


def _cycles(costs: Costs) -> Any:
    return costs.cycles


def _dram_bytes(costs: Costs) -> Any:
    return costs.dram_bytes * 1.0


def _energy_pj(costs: Costs) -> Any:
    return costs.energy_pj


def _energy_delay(costs: Costs) -> Any:
    return costs.energy_pj * costs.cycles


#: Estimated cycles closer than this count as equal: the closed form isn't more exact.
TIE = 0.01

#: By the name that users write.
OBJECTIVES = {
    one.name: one
    for one in (
        Objective(
            name="latency",
            unit="cycles",
            value=_cycles,
            bound=_cycles,
            tie=TIE,
            then=("dram_bytes", "tiles", "cycles"),
        ),
        Objective(name="dram", unit="B", value=_dram_bytes, bound=_dram_bytes),
        Objective(name="energy", unit="pJ", value=_energy_pj, bound=_energy_pj, needs_energy=True),
        Objective(
            name="edp",
            unit="pJ·cycles",
            value=_energy_delay,
            bound=_energy_delay,
            tie=TIE,
            then=("energy_pj", "tiles", "cycles"),
            needs_energy=True,
        ),
    )
}


def fastest_within(dram_bytes: int) -> Objective:
    """Return the objective of fewest cycles with at most so many main-memory bytes.

    What moves more has an infinite value, and is never found.
    """

    def value(costs: Costs | Bounds) -> Any:
        return np.where(costs.dram_bytes <= dram_bytes, costs.cycles, np.inf)

    return Objective(name=f"latency within {dram_bytes} B", unit="cycles", value=value, bound=value)


_TERM = re.compile(r"(?:(?P<weight>[0-9.]+(?:e[-+]?[0-9]+)?)\*)?(?P<name>[a-z_]+)")


def objective_of(text: str) -> Objective:
    """Return the objective that a text such as ``latency`` or ``latency+0.5*dram`` names.

    Raises
    ------
    MappingError
        When a name is unknown, or a weight isn't a positive number.
    """
    if text in OBJECTIVES:
        return OBJECTIVES[text]
    terms = [_term(text, part) for part in re.split(r"(?<![0-9.]e)\+", text.replace(" ", ""))]
    return weighted_sum(text, terms)


def weighted_sum(name: str, terms: Sequence[tuple[float, Objective]]) -> Objective:
    """Return the sum of objectives, each times its weight."""
    bounds = [(weight, one.bound) for weight, one in terms if one.bound is not None]

    def value(costs: Costs) -> Any:
        return sum(weight * one.value(costs) for weight, one in terms)

    def bound(costs: Bounds) -> Any:
        return sum(weight * of(costs) for weight, of in bounds)

    unit = " + ".join(f"{weight:g} {one.unit}" for weight, one in terms)
    return Objective(
        name=name,
        unit=unit,
        value=value,
        bound=bound,
        needs_energy=any(one.needs_energy for _, one in terms),
    )


def _term(text: str, part: str) -> tuple[float, Objective]:
    """Return weight and objective of one term of a sum."""
    found = _TERM.fullmatch(part)
    if found is None:
        raise MappingError(
            f"objective '{text}': '{part}' must be a name, or a weight and a name; write a sum as"
            " latency+0.5*dram"
        )
    name = found["name"]
    if name not in OBJECTIVES:
        raise MappingError(
            f"objective '{text}': '{name}' must be one of {', '.join(OBJECTIVES)}"
            f"{nearest(name, OBJECTIVES)}"
        )
    try:
        weight = float(found["weight"] or 1)
    except ValueError:
        weight = 0.0
    if not 0 < weight < float("inf"):
        raise MappingError(
            f"objective '{text}': the weight of '{name}' must be positive and finite"
        )
    return weight, OBJECTIVES[name]
