"""A finished run repeated from its folder: the same every time, and quicker than to keep it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from foundation.errors import OutputError
from mapper.search.find import options_of
from reports.files import INPUT_NAMES, read_inputs, read_summary
from rooftile.simulation import Result, simulate


def repeat_run(folder: Path) -> Result:
    """Return what a run gave, by the engine that made it.

    The folder holds the resolved inputs, from which the run is repeated.

    Raises
    ------
    OutputError
        When the folder isn't a run, its inputs have been changed since, or a search over several
        layers was ended by its time.
    """
    summary = read_summary(folder)
    read_inputs(folder, summary)
    network, hardware, mappings = (folder / name for name in INPUT_NAMES)
    how = {"mappings": mappings, **repeated(folder, summary)}
    return simulate(network, hardware, engine=summary["engine"], **how)


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
