"""`make bench`: mapping whole networks on one core, every map space looked through."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

from accel.spec_file import load_preset
from mapper.plan import Plan
from mapper.planner import make_plan
from mapper.search.find import SearchOptions
from mapper.stages import search
from workloads.loaders.yaml import load_zoo

RUNS = 5
HARDWARE = "edge_32x32"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A network, and the seconds in which it is mapped."""

    network: str
    seconds: float


CLAIMS = (
    Claim(network="resnet50", seconds=2.0),
    Claim(network="bert_large", seconds=1.0),
    Claim(network="gpt3_175b_prefill", seconds=2.0),
)
#: Mappings that are looked through in a second, scored or pruned.
MAPPINGS_PER_S = 5e6
ON_ONE_CORE = SearchOptions(processes=1)


def measured(network: str) -> tuple[Plan, float]:
    """Return the plan of a network, and the median time of making it."""
    graph, spec = load_zoo(network), load_preset(HARDWARE)
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        plan = make_plan(graph, spec, options=ON_ONE_CORE)
        times.append(time.perf_counter() - start)
    return plan, sorted(times)[RUNS // 2]


def main() -> None:
    """Print the table."""
    for claim in CLAIMS:
        plan, seconds = measured(claim.network)
        found = [
            search(kernel, split, plan.spec, "layer").coverage
            for work in plan.works
            for stage in work.stages
            for kernel, split in zip(stage.kernels, stage.splits, strict=True)
        ]
        counted, scored = sum(c.counted for c in found), sum(c.scored for c in found)
        rate = counted / seconds
        met = seconds <= claim.seconds and rate >= MAPPINGS_PER_S
        sys.stdout.write(
            f"mapping {claim.network:<18} {HARDWARE:<12} {seconds:6.2f} s"
            f"   limit {claim.seconds:.1f} s {'met' if met else 'NOT MET':<8}"
            f" {counted:>11,} mappings, {rate / 1e6:5.1f} million/s,"
            f" {scored / counted:.2%} scored, the others pruned\n"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    main()
