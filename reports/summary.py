"""What limits a network, in one sentence, and what more of a resource could save."""

from __future__ import annotations

from accel.units import FS_PER_SECOND, format_time
from reports.report import Report, WorkReport

#: A larger array is no advice to layers that map less than this share of the one there is.
WELL_MAPPED = 0.5


def shares_by_bound(report: Report) -> dict[str, float]:
    """Return what layers are bound by, to their share of the time, largest first."""
    cycles: dict[str, int] = {}
    for layer in report.layers:
        if layer.work.total_cycles:
            bound = layer.work.bound_by
            cycles[bound] = cycles.get(bound, 0) + layer.work.total_cycles
    total = sum(cycles.values())
    ordered = sorted(cycles.items(), key=lambda item: -item[1])
    return {name: count / total for name, count in ordered}


def saving_cycles(work: WorkReport, resource: str) -> int:
    """Return how many cycles twice as much of a resource saves at most.

    The resource is done in half of its busy time, but the layer still takes as long as any other
    resource needs. What the array needs is the cycles of its MACs on all PEs: it is busy for
    longer, but part of that overlaps once it waits less, when one tile fills it while the one
    before drains.
    """
    busy = work.resources
    if resource not in busy:
        return 0
    needs = {**busy, "array": work.mac_utilization * work.total_cycles}
    others = max((cycles for name, cycles in needs.items() if name != resource), default=0)
    return int(max(0, min(busy[resource] / 2, work.total_cycles - others)))


def _mapped_share(report: Report) -> float:
    """Return the share of the PEs that array-bound layers map, weighted by their cycles."""
    works = [layer.work for layer in report.layers if layer.work.bound_by == "array"]
    cycles = sum(work.total_cycles for work in works)
    mapped = sum(work.total_cycles * work.spatial_utilization for work in works)
    return mapped / cycles if cycles else 0.0


def sentence(report: Report) -> str:
    """Return what limits the network and what doubling it would save at most."""
    shares = shares_by_bound(report)
    if not shares:
        return "Nothing takes time."
    name, share = next(iter(shares.items()))
    if name == "latency":
        return (
            f"Latency limits {report.network}: {share:.0%} of the time goes to layers in which no"
            " unit is busy for half of it; a larger batch would help."
        )
    mapped = _mapped_share(report)
    if name == "array" and mapped < WELL_MAPPED:
        return (
            f"The array limits {report.network}: {share:.0%} of the time goes to layers that it"
            f" bounds, but they map only {mapped:.0%} of its PEs; another dataflow, array shape or"
            " batch would help more than a larger array."
        )
    saved = sum(saving_cycles(layer.work, name) for layer in report.layers)
    saved_fs = saved * FS_PER_SECOND // report.spec.clock_hz
    what, remedy = {
        "array": ("The array", "an array twice as large"),
        "vector": ("The vector unit", "twice as many lanes"),
    }.get(name, (f"Main memory '{name}'", "twice its bandwidth"))
    return (
        f"{what} limits {report.network}: {share:.0%} of the time goes to layers that it bounds;"
        f" {remedy} would save at most {format_time(saved_fs)}"
        f" ({saved / report.total_cycles:.0%})."
    )
