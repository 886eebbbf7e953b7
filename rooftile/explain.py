"""Explains one layer of a run that was written to a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from foundation.errors import OutputError
from mapper.search.find import options_of
from reports.explain import explain_text
from reports.files import INPUT_NAMES, read_inputs, read_summary
from rooftile.simulation import simulate


def explain_run(folder: Path, layer: str) -> str:
    """Return where a layer's cycles went and what would help.

    The folder holds the resolved inputs, from which the run is repeated: a simulation is the same
    every time, and quicker than keeping every trace.

    Raises
    ------
    OutputError
        When the folder isn't a run of the cycle engine, its inputs have been changed since, or a
        search over several layers was ended by its time.
    MappingError
        When the network has no such layer.
    """
    summary = read_summary(folder)
    read_inputs(folder, summary)
    if summary.get("engine") == "analytical":
        raise OutputError(
            f"folder '{folder}': was made by the analytical engine, which doesn't know what units"
            " wait for; run it with --engine cycle into a new folder"
        )
    network, hardware, mappings = (folder / name for name in INPUT_NAMES)
    how = {"mappings": mappings, **repeated(folder, summary)}
    result = simulate(network, hardware, **how)
    return explain_text(result.report, result.plan, layer)


def repeated(folder: Path, summary: dict[str, Any]) -> dict[str, Any]:
    """Return how a run's network is mapped once more, besides its mappings.

    Raises
    ------
    OutputError
        When it can't be repeated exactly.
    """
    if not summary["across"]:
        return {"split": summary["split"]}
    options = options_of(summary["search"])
    if options.effort.seconds is not None:
        raise OutputError(
            f"folder '{folder}': its search had a time limit of {options.effort.seconds:g} s, so"
            " that the run can't be repeated exactly; run it again without --time-limit"
        )
    # Mappings of groups stand in no file: they are found again.
    return {
        "split": summary["split"],
        "mappings": None,
        "across": summary["across"],
        "options": options,
    }
