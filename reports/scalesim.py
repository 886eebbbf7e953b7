"""A run's layers in the columns of SCALE-Sim's COMPUTE_REPORT.csv.

References
----------
.. [1] SCALE-Sim 2.0 and 3.0.0, scalesim/simulator.py and single_layer_sim.py,
   https://github.com/scalesim-project/SCALE-Sim
"""

from __future__ import annotations

from reports.report import Report

COMPUTE_REPORT = "COMPUTE_REPORT.csv"
_COLUMNS = (
    *("LayerID", "Total Cycles", "Stall Cycles"),
    *("Overall Util %", "Mapping Efficiency %", "Compute Util %"),
)


def compute_report(report: Report) -> str:
    """Return the report's text: a line for each layer with products, numbered from 0.

    Notes
    -----
    ``Total Cycles`` are those from an idle machine to the last stored byte. Without ``Stall
    Cycles`` they are those in which the array works: SCALE-Sim's total, without stalls, is the
    number of the last of these, counted from 0, and so one less. ``Compute Util %`` is of the
    cycles in which the array works; in WS and IS, SCALE-Sim divides by C - 1 cycles more for every
    fold.
    """
    works = [layer.work for layer in report.layers if layer.work.macs]
    lines = [", ".join(_COLUMNS)]
    for number, work in enumerate(works):
        shares = (
            work.mac_utilization,
            work.spatial_utilization,
            work.macs / (report.spec.pes * work.macs_per_cycle * work.compute_cycles),
        )
        cells = (number, work.total_cycles, work.stall_cycles, *(100 * share for share in shares))
        lines.append(", ".join(map(str, cells)))
    # SCALE-Sim ends every line, the header's too, with a comma.
    return "".join(f"{line},\n" for line in lines)
