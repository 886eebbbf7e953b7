"""`rooftile compare` and `rooftile.compare`: finished runs beside the first of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from reports.compare import Comparison, compare_runs
from reports.compare_records import comparisons_csv, comparisons_record
from reports.compare_text import comparisons_html, comparisons_text
from reports.files import run_summary
from reports.finished_run import RunRecord, read_run, run_record
from rooftile import __version__
from rooftile.simulation import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Runs beside the first of them; a table in a notebook.

    Parameters
    ----------
    comparisons
        One for each run but the first.
    """

    comparisons: tuple[Comparison, ...]

    def record(self) -> dict[str, Any]:
        """Return all of it as JSON can say it; every key ends in its unit."""
        return comparisons_record(self.comparisons)

    def json(self) -> str:
        """Return ``record`` as text."""
        return json.dumps(self.record(), indent=2, allow_nan=False)

    def csv(self) -> str:
        """Return a row for each run and layer."""
        return comparisons_csv(self.comparisons)

    def regressions(self, limit: Fraction, *, per_layer: bool = False) -> tuple[str, ...]:
        """Return what is slower than in the first run by more than ``limit`` (0.05 is 5 %).

        Raises
        ------
        OutputError
            When the runs are of different networks.
        """
        return tuple(
            text
            for comparison in self.comparisons
            for text in comparison.regressions(limit, per_layer=per_layer)
        )

    def __str__(self) -> str:
        return comparisons_text(self.comparisons)

    def _repr_html_(self) -> str:
        return comparisons_html(self.comparisons)


def compare(*runs: Result | Path | str) -> Compared:
    """Compare runs with the first of them.

    Parameters
    ----------
    runs
        Results, or folders that runs were written to.

    Raises
    ------
    OutputError
        When there are fewer than two, a folder isn't a run, or two have no layer in common.
    """
    return Compared(comparisons=compare_runs([_record(run) for run in runs]))


def _record(run: Result | Path | str) -> RunRecord:
    if not isinstance(run, Result):
        return read_run(Path(run))
    report, inputs = run.report, run.inputs()
    summary = run_summary(report, run.plan, inputs=inputs, tool_version=__version__)
    name = f"{report.network}, batch {report.batch}, on {report.spec.name}"
    return run_record(name, summary, report.records(), inputs)
