"""`make bench`: every network of the zoo loaded and mapped, on all cores, without kept mappings."""

from __future__ import annotations

import sys
import time

from accel.spec_file import load_preset
from mapper.planner import make_plan
from tests.bench.mapping import HARDWARE
from workloads.loaders.yaml import load_zoo, zoo_names

RUNS = 3
LIMIT_S = 1.0
#: Networks that are printed: those that take longest.
SHOWN = 6


def measured(network: str) -> float:
    """Return the median seconds from the network's name to its plan."""
    spec = load_preset(HARDWARE)
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        make_plan(load_zoo(network), spec)
        times.append(time.perf_counter() - start)
    return sorted(times)[RUNS // 2]


def main() -> None:
    """Print the networks that take longest."""
    names = zoo_names()
    seconds = {name: measured(name) for name in names}
    slow = sorted(names, key=lambda name: -seconds[name])
    met = sum(value <= LIMIT_S for value in seconds.values())
    sys.stdout.write(
        f"zoo, loaded and mapped on {HARDWARE}: {met} of {len(names)} networks within"
        f" {LIMIT_S:.0f} s; the slowest:\n"
    )
    for name in slow[:SHOWN]:
        sys.stdout.write(f"  {name:<26} {seconds[name]:5.2f} s\n")


if __name__ == "__main__":
    main()
