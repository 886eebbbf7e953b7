"""Names that commands offer: they import nothing, so that help is quick."""

from __future__ import annotations

#: What is known of every point that was priced, with its unit.
RESULTS = {
    "cycles": "cycles",
    "time": "s",
    "inferences_per_s": "1/s",
    "dram_bytes": "B",
    "mac_utilization": "",
}
LARGER_IS_BETTER = ("inferences_per_s", "mac_utilization")
#: Who proposes points of a search.
SAMPLERS = ("nsga2", "tpe", "random")
#: How points are priced: in closed form, and by the two engines of a run, each more exact.
ENGINES = ("estimate", "analytical", "cycle")
