"""Explains one layer of a run that was written to a folder."""

from __future__ import annotations

from pathlib import Path

from foundation.errors import OutputError
from reports.explain import explain_text
from reports.files import read_summary
from rooftile.simulation import simulate


def explain_run(folder: Path, layer: str) -> str:
    """Return where a layer's cycles went and what would help.

    The folder holds the resolved inputs, from which the run is repeated: a simulation is the same
    every time, and quicker than keeping every trace.

    Raises
    ------
    OutputError
        When the folder isn't a run, or its inputs have been changed since.
    MappingError
        When the network has no such layer.
    """
    summary = read_summary(folder)
    result = simulate(folder / "network.yaml", folder / "hardware.yaml")
    cycles = result.report.total_cycles
    if cycles != summary["total_cycles"]:
        raise OutputError(
            f"output folder '{folder}': its inputs give {cycles} cycles but summary.json says"
            f" {summary['total_cycles']}; run it again into a new folder"
        )
    return explain_text(result.report, result.plan, layer)
