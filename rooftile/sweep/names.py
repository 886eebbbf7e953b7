"""Names that commands offer: they import nothing, so that help is quick."""

from __future__ import annotations

from collections.abc import Iterable

#: What is known of every point that was priced, with its unit.
RESULTS = {
    "cycles": "cycles",
    "time": "s",
    "inferences_per_s": "1/s",
    "dram_bytes": "B",
    "mac_utilization": "",
}
#: What is found out where a sweep asks for it.
MORE_RESULTS = {
    "compulsory_bytes": "B",
    "area_mm2": "mm2",
    "energy": "J",
    "power": "W",
    "ops_per_joule": "OP/J",
}
ALL_RESULTS = {**RESULTS, **MORE_RESULTS}
#: Results that are made of the energy, and those that the area is.
OF_ENERGY = ("energy", "power", "ops_per_joule")
OF_AREA = ("area_mm2",)
#: Other names of results in constraints: there the area has a unit.
ALIASES = {"area": "area_mm2"}
LARGER_IS_BETTER = ("inferences_per_s", "mac_utilization", "ops_per_joule")
#: Who proposes points of a search.
SAMPLERS = ("nsga2", "tpe", "random")
#: How points are priced: in closed form, and by the two engines of a run, each more exact.
ENGINES = ("estimate", "analytical", "cycle")


def results_in(names: Iterable[str]) -> list[str]:
    """Return the results among some names."""
    return [one for one in (ALIASES.get(name, name) for name in names) if one in ALL_RESULTS]
