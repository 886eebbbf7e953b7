"""Explains one layer of a run that was written to a folder."""

from __future__ import annotations

from pathlib import Path

from foundation.errors import OutputError
from reports.explain import explain_text
from rooftile.repeat import repeat_run


def explain_run(folder: Path, layer: str) -> str:
    """Return where a layer's cycles went and what would help.

    Raises
    ------
    OutputError
        When the folder isn't a run of the cycle engine, or it can't be repeated.
    MappingError
        When the network has no such layer.
    """
    result = repeat_run(folder)
    if result.report.is_estimate:
        raise OutputError(
            f"folder '{folder}': was made by the analytical engine, which doesn't know what units"
            " wait for; run it with --engine cycle into a new folder"
        )
    return explain_text(result.report, result.plan, layer)
