"""A sweep's results as a view of a web page: parallel coordinates, Pareto front, table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from accel.units import FS_PER_SECOND, format_time
from foundation.errors import SweepError
from reports.files import digest
from reports.quantities import Quantity
from reports.run_record import MAX_INPUT_CHARACTERS
from rooftile.sweep.names import ALL_RESULTS, LARGER_IS_BETTER
from rooftile.sweep.quantities import KIND_OF, Amount
from rooftile.sweep.results import notes
from rooftile.sweep.store import Results

#: Points of a page: the fastest of those that are ok.
MOST_POINTS = 5000
_MEANINGS = {
    "cycles": "Core cycles of the whole network.",
    "time": "Cycles over the clock.",
    "inferences_per_s": "The batch over the time.",
    "dram_bytes": "Bytes that cross main memories' ports.",
    "mac_utilization": "Multiply-accumulates of the network over those that all PEs could do.",
    "compulsory_bytes": "Main-memory bytes if everything crosses once.",
    "area_mm2": "Area of all parts of the machine that have a number.",
    "energy": "Energy of an inference.",
    "power": "Energy over time.",
    "ops_per_joule": "Operations for a joule, two for each multiply-accumulate.",
}
_LABELS = {
    "cycles": "Cycles",
    "time": "Time",
    "inferences_per_s": "Throughput",
    "dram_bytes": "Main memory",
    "mac_utilization": "MAC util",
    "compulsory_bytes": "Compulsory",
    "area_mm2": "Area",
    "energy": "Energy",
    "power": "Power",
    "ops_per_joule": "Efficiency",
}
_UNITS = {
    "dram_bytes": "bytes",
    "compulsory_bytes": "bytes",
    "inferences_per_s": "inferences/s",
    "mac_utilization": "share",
}
#: The first two are the axes of the Pareto front, until somebody chooses others.
_ORDER = ("time", "dram_bytes", "cycles", "inferences_per_s", "mac_utilization")


def sweep_view(folder: Path) -> dict[str, Any]:
    """Return what a page shows of a sweep, as ``reports/page/README.md`` says.

    Raises
    ------
    SweepError
        When the folder has no results, or no point is ok.
    """
    with closing(Results(folder)) as results:
        rows = list(
            results.rows([("status", "=", "ok"), ("stage", "=", 0)], [("time", False)], MOST_POINTS)
        )
        if not rows:
            raise SweepError(
                f"folder '{folder}': no point of the sweep is ok; see rooftile results"
            )
        names, meta, units = results.columns, results.meta, results.units
        sentences = [
            _count(len(rows), meta["points"]),
            f"The fastest takes {_best(results, rows[0])}.",
            *_second_look(results),
        ]
    # Of some points of a search a key has no value: variables that come with other options.
    some = {
        key: next(
            (row[names.index(key)] for row in rows if row[names.index(key)] is not None), None
        )
        for key in meta["keys"]
    }
    columns = [_label(), *(_column(key, units, some[key]) for key in meta["keys"])]
    more = [name for name in meta["results"] if name not in _ORDER]
    order = [*_ORDER, *(name for name in more if _is_known(name, names, rows))]
    columns += [_result(key) for key in order]
    places = [names.index(key) for key in ("number", *meta["keys"], *order)]
    words = [key for key in meta["keys"] if isinstance(some[key], str)]
    return {
        "name": meta["name"],
        "title": f"sweep {meta['name']}",
        "subtitle": f"{len(meta['keys'])} parameters, on {meta['machine']['name']}",
        "sentences": sentences,
        "warnings": notes(results, rows),
        "numbers": [],
        "table": {
            "columns": columns,
            "rows": [[str(row[places[0]]), *(row[place] for place in places[1:])] for row in rows],
            "filters": words,
            "title": "Points",
            "rows_are": "points",
        },
        "panels": [{"kind": "parallel"}, {"kind": "pareto"}, {"kind": "table"}],
        "configuration": {
            "version": meta["version"],
            "hash": digest(meta["files"]),
            "command": meta["command"],
            "options": [],
            "files": [_file(folder, name, sha) for name, sha in meta["files"].items()],
        },
    }


def _second_look(results: Results) -> Iterator[str]:
    """Yield what is known of the best points, if they were priced again."""
    order = [("stage", True), ("time", False)]
    for row in results.rows([("status", "=", "ok"), ("stage", ">", 0)], order, 1):
        engine = row[results.columns.index("engine")]
        yield (
            f"The best were priced again by the {engine} engine: the fastest of them takes"
            f" {_best(results, row)}."
        )


def _count(shown: int, points: int | None) -> str:
    if shown < (points or 0):
        return f"The page shows the {shown:,} fastest of its {points:,} points."
    return f"It has {shown:,} points."


def _best(results: Results, row: Sequence[Any]) -> str:
    """Return the time of a point, and its values."""
    named = dict(zip(results.columns, row, strict=True))
    setting = ", ".join(
        f"{key} {_said(named[key], results.units.get(key, ''))}"
        for key in results.meta["keys"]
        if named[key] is not None
    )
    return f"{format_time(round(named['time'] * FS_PER_SECOND))}: {setting}"


def _said(value: object, unit: str) -> str:
    return Amount(value, KIND_OF.get(unit)).text if isinstance(value, int | float) else str(value)


def _file(folder: Path, name: str, sha: str) -> dict[str, Any]:
    """Return what a page shows of a file of the folder: its text, unless it is long, or none."""
    try:
        text = (folder / name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        text = None
    return {
        "name": name,
        "sha256": sha,
        "text": text if text is not None and len(text) <= MAX_INPUT_CHARACTERS else None,
        "characters": (folder / name).stat().st_size if text is None else len(text),
    }


def _is_known(name: str, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> bool:
    """Whether a result has a number in every row; the notes say why it hasn't."""
    place = names.index(name)
    return all(row[place] is not None for row in rows)


def _label() -> dict[str, Any]:
    one = Quantity(
        key="number",
        label="Point",
        unit="text",
        meaning="The point's number in the sweep.",
        is_shown=True,
        role="label",
    )
    return one.as_record()


def _column(key: str, units: dict[str, str], value: object) -> dict[str, Any]:
    unit = "text" if isinstance(value, str) else units.get(key, "")
    unit = "bytes" if unit == "B" else unit
    one = Quantity(
        key=key,
        label=key,
        unit=unit,
        meaning=f"The value of {key} in the machine's or the sweep's file.",
        is_shown=True,
        role="parameter",
    )
    return one.as_record()


def _result(key: str) -> dict[str, Any]:
    one = Quantity(
        key=key,
        label=_LABELS[key],
        unit=_UNITS.get(key, ALL_RESULTS[key]),
        meaning=_MEANINGS[key],
        is_shown=True,
        role="result",
    )
    goal = {"goal": "max"} if key in LARGER_IS_BETTER else {}
    return {**one.as_record(), **goal}
