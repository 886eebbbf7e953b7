"""What a page is told of a report: totals, what bounds it, the roofline, the layers."""

from __future__ import annotations

from typing import Any

from accel.units import format_hz
from foundation.errors import SimulationError
from reports.report import Report
from reports.roofline import Roofline, ceilings, make_roofline
from reports.summary import sentence, shares_by_bound
from reports.tables import rows

#: Lines of layers that a page shows, those that take most of the time.
MOST_LINES = 24


def answer_record(report: Report, *, limit: bool) -> dict[str, Any]:
    """Return a report as JSON can say it; every number's key ends in its unit.

    ``limit`` says whether the sentence on what limits the network belongs to it.
    """
    total = report.total_cycles
    lines = sorted(rows(report), key=lambda row: -len(row.layers) * row.layers[0].work.total_cycles)
    roofline, spec = _roofline(report), report.spec
    return {
        "machine": f"{spec.label} at {format_hz(spec.clock_hz)}, batch {report.batch}",
        "total_cycles": total,
        "time_s": report.time_s,
        "inferences_per_s": report.inferences_per_s if total else None,
        "ops_per_s": report.ops_per_s,
        "peak_ops_per_s": report.peak_ops_per_s,
        "dram_bytes": sum(layer.work.total_dram_bytes for layer in report.layers),
        "time_share_by_bound": shares_by_bound(report),
        "limit": sentence(report) if limit else None,
        "memories": [memory.name for memory in spec.memories],
        "ceilings": [
            {
                "label": one.label,
                "is_main": one.is_main,
                "bytes_per_s": one.bytes_per_s,
                "ops_per_s": one.ops_per_s,
            }
            for one in roofline.ceilings
        ],
        "dots": [
            {
                "label": dot.label,
                "intensity_ops_per_byte": dot.intensity_ops_per_byte,
                "ops_per_s": dot.ops_per_s,
                "time_share": dot.time_share,
                "bound_by": dot.bound_by,
            }
            for dot in roofline.dots
        ],
        "lines": [
            {
                "name": f"{line.name} ×{len(line.layers)}" if len(line.layers) > 1 else line.name,
                "cycles": len(line.layers) * line.layers[0].work.total_cycles,
                "bound_by": line.layers[0].work.bound_by,
            }
            for line in lines[:MOST_LINES]
            if line.layers[0].work.total_cycles
        ],
    }


def _roofline(report: Report) -> Roofline:
    """Return the roofline, without dots where prices in closed form put one above its roof."""
    try:
        return make_roofline(report)
    except SimulationError:
        roofs = ceilings(report.spec, report.peak_ops_per_s)
        return Roofline(title="", ceilings=tuple(roofs), dots=())
