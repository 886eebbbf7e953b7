"""The cycle stack: where each layer's cycles went, computing or stalled by which cause."""

from __future__ import annotations

from reports.attribution import CAUSE_WORDS, DEPENDENCY
from reports.figures.machine_roofline import run_title
from reports.figures.stacks import Bar, Stacks, grouped
from reports.report import Report

COMPUTE = "compute"
#: Of an analytical run, which knows no causes.
STALL = "stall"
#: Each has its colour in every picture.
_ORDER = (
    COMPUTE,
    CAUSE_WORDS["dram_bandwidth"],
    DEPENDENCY,
    CAUSE_WORDS["dram_latency"],
    "scratchpad port",
    "bank conflict",
    CAUSE_WORDS["queue_full"],
    CAUSE_WORDS["row_conflict"],
    CAUSE_WORDS["refresh"],
    CAUSE_WORDS["shared_buffer"],
    CAUSE_WORDS["network"],
)


def cycle_stacks(report: Report) -> Stacks:
    """Return each layer's cycles by what they went to: compute and causes add up to all."""
    bars = []
    for layers in grouped(report):
        work, count = layers[0].work, len(layers)
        stalls = work.causes or ({STALL: work.stall_cycles} if work.stall_cycles else {})
        values = {COMPUTE: work.compute_cycles, **stalls}
        bars.append(
            Bar(
                name=layers[0].name,
                count=count,
                values={part: float(count * cycles) for part, cycles in values.items() if cycles},
            )
        )
    found = dict.fromkeys(part for bar in bars for part in bar.values)
    others = [part for part in found if part not in _ORDER]
    known = _ORDER if STALL not in found else (COMPUTE,)
    return Stacks(
        title=f"{run_title(report)}, {report.total_cycles:,} cycles",
        quantity="time",
        unit="cycles",
        axis_unit="cycles",
        in_axis_units=1.0,
        parts=(*known, *others),
        bars=tuple(bars),
    )
