"""A finished run repeated from its folder: the same every time, and quicker than to keep it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from foundation.errors import OutputError
from mapper.search.find import SearchOptions, options_of
from reports.files import digest, read_summary
from rooftile.simulation import Result, simulate

#: The resolved inputs in a run's folder.
INPUT_NAMES = ("network.yaml", "hardware.yaml", "mapping.yaml")


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
    if digest(_inputs(folder)) != summary["configuration_sha256"]:
        raise OutputError(
            f"folder '{folder}': its inputs have been changed since the run; run it again into a"
            " new folder"
        )
    network, hardware, mappings = (folder / name for name in INPUT_NAMES)
    how: dict[str, Any] = {"mappings": mappings}
    if summary["across"]:  # mappings of groups stand in no file: they are found again
        how = {"across": summary["across"], "options": _options(folder, summary)}
    return simulate(network, hardware, split=summary["split"], engine=summary["engine"], **how)


def _options(folder: Path, summary: dict[str, Any]) -> SearchOptions:
    """Return the options of a run's search.

    Raises
    ------
    OutputError
        When it can't be repeated exactly.
    """
    options = options_of(summary["search"])
    if options.effort.seconds is not None:
        raise OutputError(
            f"folder '{folder}': its search had a time limit of {options.effort.seconds:g} s, so"
            " that the run can't be repeated exactly; run it again without --time-limit"
        )
    return options


def _inputs(folder: Path) -> dict[str, str]:
    try:
        return {name: (folder / name).read_text(encoding="utf-8") for name in INPUT_NAMES}
    except (OSError, UnicodeDecodeError):
        *others, last = INPUT_NAMES
        raise OutputError(
            f"folder '{folder}': {', '.join(others)} or {last} is missing; give the folder of a"
            " finished run"
        ) from None
