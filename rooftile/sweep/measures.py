"""The results of points: what each is made of, what has no number, and why."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from accel.area import area_of_parts, known_area_um2
from accel.energy import required_energies
from accel.spec import AcceleratorSpec
from accel.units import AREA
from foundation.errors import SpecError
from reports.area import UM2_PER_MM2, part_name, unknown_parts
from reports.energy import without
from rooftile.sweep.names import ALIASES, ALL_RESULTS, OF_AREA, OF_ENERGY
from rooftile.sweep.quantities import KIND_OF, Amount

_PJ_PER_J = 1e12


class Measure(NamedTuple):
    """A number, or those of several points, None where there is none; and what to know of it.

    ``note`` says why there is none, or what isn't in it.
    """

    value: Any
    note: str = ""


#: What nobody asked for.
NOT_ASKED = Measure(None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of points whose machines differ in pace only: numbers, or an array of them.

    Parameters
    ----------
    cycles, time_s
        Of the whole network.
    dram_bytes, compulsory_bytes
        Main-memory bytes, and those that any mapping moves.
    macs, pes, batch
        Multiply-accumulates of the network, the machine's PEs, inferences.
    area_mm2
        Of the machine.
    energy_pj
        Of the whole network.
    """

    cycles: Any
    time_s: Any
    dram_bytes: Any
    compulsory_bytes: int
    macs: int
    pes: int
    batch: int
    area_mm2: Measure = NOT_ASKED
    energy_pj: Measure = NOT_ASKED

    @property
    def energy_j(self) -> Any:
        """Joules of the whole network; None where they aren't known."""
        return None if self.energy_pj.value is None else self.energy_pj.value / _PJ_PER_J

    def columns(self, names: Sequence[str], count: int) -> list[list[float | None]]:
        """Return results by name, each of so many points; None where there is no number."""
        return [_column(FORMULAS[name](self), count) for name in names]

    def notes(self, names: Collection[str]) -> str:
        """Return what to know of the results of these names."""
        own = ((OF_AREA, self.area_mm2), (OF_ENERGY, self.energy_pj))
        asked = (([name for name in of if name in names], one.note) for of, one in own)
        return "; ".join(f"{', '.join(of)}: {note}" for of, note in asked if of and note)

    def missing(self, names: Collection[str]) -> str:
        """Return why one of these has no number; empty if all have."""
        lacking = [name for name in names if FORMULAS[name](self) is None]
        return self.notes(lacking)


def _column(value: Any, count: int) -> list[float | None]:
    if value is None:
        return [None] * count
    found: list[float | None] = np.broadcast_to(np.asarray(value), (count,)).tolist()
    return found


def _over(amount: Any, of: Any, nothing: float = 0.0) -> Any:
    """Return a quotient; ``nothing`` where it would be by 0, and None of None."""
    if amount is None or of is None:
        return None
    safe = np.where(of, of, 1)
    return np.where(of, amount / safe, nothing)


FORMULAS: Mapping[str, Callable[[Facts], Any]] = {
    "cycles": lambda facts: facts.cycles,
    "time": lambda facts: facts.time_s,
    "inferences_per_s": lambda facts: _over(facts.batch, facts.time_s, np.inf),
    "dram_bytes": lambda facts: facts.dram_bytes,
    "mac_utilization": lambda facts: _over(facts.macs, facts.cycles * facts.pes),
    "compulsory_bytes": lambda facts: facts.compulsory_bytes,
    "area_mm2": lambda facts: facts.area_mm2.value,
    "energy": lambda facts: _over(facts.energy_j, facts.batch),
    "power": lambda facts: _over(facts.energy_j, facts.time_s),
    "ops_per_joule": lambda facts: _over(2.0 * facts.macs, facts.energy_j),
}


def area_of(spec: AcceleratorSpec) -> Measure:
    """Return the area of a machine in square millimetres."""
    try:
        parts = area_of_parts(spec)
    except SpecError as error:
        return Measure(None, str(error))
    names = ", ".join(part_name(key) for key in unknown_parts(parts))
    note = f"a lower bound, without {names} (no number)" if names else ""
    return Measure(known_area_um2(parts) / UM2_PER_MM2, note)


def energy_note(spec: AcceleratorSpec, unknown: Sequence[str]) -> str:
    """Return what isn't in an energy: components without a number, and leakage."""
    energy = required_energies(spec)
    bound = f"energy is a lower bound{without(unknown)}" if unknown else ""
    leakage = "leakage not counted"
    if energy.leakage_mw is not None:
        leakage = ""
        if "leakage" in energy.derived:
            leakage = "leakage of memories on the chip only"
    return ", ".join(filter(None, (bound, leakage)))


def no_number(spec: AcceleratorSpec, engine: str, names: Collection[str]) -> str:
    """Return why no point of a sweep has one of these results; empty where that isn't known.

    Parts of a machine are there, or aren't, in all points.
    """
    if any(name in OF_AREA for name in names):
        area = area_of(spec)
        if area.value is None:
            return area.note
    if not any(name in OF_ENERGY for name in names):
        return ""
    if engine == "analytical":
        return (
            "the analytical engine doesn't count what crosses scratchpads, so that it has no"
            " energy; write 'engine: cycle' or 'engine: estimate'"
        )
    try:
        required_energies(spec)
    except SpecError as error:
        return str(error)
    return ""


def amounts(names: Sequence[str], values: Sequence[float | None]) -> dict[str, Amount]:
    """Return results as constraints compare them, by all of their names; those with a number."""
    pairs = zip(names, values, strict=True)
    found = {name: _amount(name, value) for name, value in pairs if value is not None}
    return {
        **found,
        **{alias: _area(found[name]) for alias, name in ALIASES.items() if name in found},
    }


def _amount(name: str, value: float) -> Amount:
    """Return a result; one whose name says its unit is a plain number."""
    unit = ALL_RESULTS[name]
    kind = None if name in ALIASES.values() else KIND_OF.get(unit)
    return Amount(value) if kind is None else Amount(value * float(kind.units[unit]), kind)


def _area(plain: Amount) -> Amount:
    return Amount(plain.value * UM2_PER_MM2, AREA)
