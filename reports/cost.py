"""What an inference costs: silicon, memory and electricity over a machine's life.

# Approximation: while a machine isn't used it takes its leakage alone; a die is a square, and what
its `area` leaves out costs nothing: then costs are lower bounds, and say so.

References
----------
.. [1] J. Hennessy, D. Patterson, "Computer Architecture: A Quantitative Approach", 6th ed., 2017,
   section 1.6: dies per wafer, cost of a die, and the Bose-Einstein yield.
.. [2] C. H. Stapper, F. M. Armstrong, K. Saji, "Integrated Circuit Yield Statistics", Proceedings
   of the IEEE 71(4), 1983: Poisson and negative binomial yield.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, pi, sqrt
from typing import Any

from accel.area import area_of_parts, known_area_um2
from accel.spec import AcceleratorSpec
from foundation.errors import PriceError, WorkloadError, nearest
from reports.area import UM2_PER_MM2, part_name, unknown_parts
from reports.energy import component_name
from reports.prices import Prices, Yield
from reports.report import Report

_MM2_PER_CM2 = 100.0
_BYTES_PER_GIB = 1 << 30
_PJ_PER_KWH = 3.6e18
_MW_PER_KW = 1e6
_S_PER_HOUR = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a machine costs over its life, and an inference on it, in the prices' currency.

    Parameters
    ----------
    die_mm2
        Area of the die, as far as it is known.
    dies_per_wafer, die_yield
        How many there are, and the part of them that works.
    die, packaging, memory, other
        What is bought: one working die, its package, the main memories, the rest; None for what
        isn't known.
    electricity
        Over the machine's life.
    inferences
        Over the machine's life.
    inferences_per_s
        While it is used.
    unknown
        What isn't in the costs, in words: with any, they are lower bounds.
    """

    die_mm2: float
    dies_per_wafer: float
    die_yield: float
    die: float
    packaging: float | None
    memory: float | None
    other: float | None
    electricity: float
    inferences: float
    inferences_per_s: float
    unknown: tuple[str, ...]

    @property
    def purchase(self) -> float:
        """What is bought, together, as far as it is known."""
        return self.die + sum(one or 0.0 for one in (self.packaging, self.memory, self.other))

    @property
    def ownership(self) -> float:
        """What is bought and the electricity."""
        return self.purchase + self.electricity

    @property
    def per_inference(self) -> float:
        """Cost of ownership for an inference."""
        return self.ownership / self.inferences

    @property
    def inferences_per_s_per_cost(self) -> float:
        """Throughput while it is used, for one unit of the cost of ownership."""
        return self.inferences_per_s / self.ownership if self.ownership else 0.0

    def as_record(self) -> dict[str, Any]:
        """Return everything by name."""
        names = (*self.__slots__, "purchase", "ownership", "per_inference")
        record = {name: getattr(self, name) for name in names}
        per_cost = self.inferences_per_s_per_cost
        return {**record, "inferences_per_s_per_cost": per_cost, "unknown": list(self.unknown)}


def dies_per_wafer(diameter_mm: float, die_mm2: float) -> float:
    """Return how many dies a round wafer has: its area, less the broken ones along its edge."""
    radius = diameter_mm / 2
    return pi * radius**2 / die_mm2 - pi * diameter_mm / sqrt(2 * die_mm2)


def die_yield(given: Yield, die_mm2: float) -> float:
    """Return the part of the dies that work.

    Notes
    -----
    With A D defects on a die, Poisson: exp(-A D). Negative binomial with clustering a:
    (1 + A D / a)^-a, which is Poisson for a without limit. Bose-Einstein with complexity N:
    (1 + A D)^-N, of D defects in each critical layer.
    """
    defects = given.defects * die_mm2 / _MM2_PER_CM2
    if given.clustering is not None:
        return float((1 + defects / given.clustering) ** -given.clustering)
    if given.complexity is not None:
        return float((1 + defects) ** -given.complexity)
    return exp(-defects)


def cost_of(report: Report, prices: Prices) -> Cost:
    """Return what a run's machine costs, and its inferences.

    Raises
    ------
    SpecError
        The machine lacks areas, or energies that the network uses.
    PriceError
        A main memory has no price, a price no memory, or no die fits on the wafer.
    WorkloadError
        The network takes no time.
    """
    spec = report.spec
    parts = area_of_parts(spec)
    die_mm2 = known_area_um2(parts) / UM2_PER_MM2
    dies = dies_per_wafer(prices.wafer.diameter, die_mm2) if die_mm2 else 0.0
    if dies < 1:
        raise PriceError(
            f"wafer: a die of {die_mm2:.4g} mm2 doesn't fit a wafer of"
            f" {prices.wafer.diameter:g} mm; give a machine with an area, or a larger 'diameter'"
        )
    if not report.time_fs:
        raise WorkloadError(f"network '{report.network}': takes no time, so that it has no cost")
    works = die_yield(prices.yield_, die_mm2)
    hours = prices.lifetime * prices.utilization
    inferences = hours * _S_PER_HOUR * report.inferences_per_s
    unknown = [
        *(f"area of {part_name(key)}" for key in unknown_parts(parts)),
        *(f"energy of {component_name(key)}" for key in report.unknown_energies),
        *_unpriced(prices),
    ]
    if spec.energy is not None and spec.energy.leakage_mw is None:
        unknown.append("leakage")
    return Cost(
        die_mm2=die_mm2,
        dies_per_wafer=dies,
        die_yield=works,
        die=prices.wafer.cost / (dies * works),
        packaging=prices.packaging,
        memory=_memory_cost(spec, prices),
        other=prices.other,
        electricity=_kilowatt_hours(report, prices, inferences) * prices.electricity,
        inferences=inferences,
        inferences_per_s=report.inferences_per_s,
        unknown=tuple(unknown),
    )


def _kilowatt_hours(report: Report, prices: Prices, inferences: float) -> float:
    """Return the electricity of a life: of inferences, and of leakage in between."""
    energy = report.spec.energy
    leakage_mw = (energy.leakage_mw or 0.0) if energy is not None else 0.0
    used = report.energy_pj / report.batch * inferences / _PJ_PER_KWH
    idle_hours = prices.lifetime * (1 - prices.utilization)
    return (used + idle_hours * leakage_mw / _MW_PER_KW) * prices.power_usage_effectiveness


def _memory_cost(spec: AcceleratorSpec, prices: Prices) -> float | None:
    """Return what the main memories cost that have a price; None if none has."""
    names = [memory.name for memory in spec.memories]
    for name in prices.memory:
        if name not in names:
            raise PriceError(
                f"memory.{name}: must be one of {', '.join(names)} (of machine '{spec.name}') but"
                f" is '{name}'{nearest(name, names)}"
            )
    missing = [f"'memory.{name}'" for name in names if name not in prices.memory]
    if missing:
        raise PriceError(
            f"memory: {', '.join(missing)} of machine '{spec.name}' {_is(missing)} missing; add a"
            " price such as 5/GiB, or null where none is known"
        )
    priced = [
        memory.capacity_bytes / _BYTES_PER_GIB * price
        for memory in spec.memories
        if (price := prices.memory[memory.name]) is not None
    ]
    return sum(priced) if priced else None


def _is(names: list[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _unpriced(prices: Prices) -> list[str]:
    """Return the amounts that are said to be unknown, in words."""
    amounts = {
        "price of packaging": prices.packaging,
        **{f"price of memory {name}": one for name, one in prices.memory.items()},
        "price of other": prices.other,
    }
    return [name for name, amount in amounts.items() if amount is None]
