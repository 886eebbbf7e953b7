"""The results of a sweep as what pictures are made from: tables, and designs of a roofline."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foundation.errors import SweepError
from reports.figures.capacity import CAPACITY, FLOOR
from reports.figures.machine_roofline import (
    MAIN,
    Design,
    MachineRoofline,
    Point,
    levels_of,
    peaks_of,
)
from reports.figures.shapes import COLUMNS, ROWS
from reports.figures.table import Table
from reports.figures.tornado import BASE, KNOB, SETTING
from rooftile.sweep.names import LARGER_IS_BETTER
from rooftile.sweep.quantities import KIND_OF, Amount, Written
from rooftile.sweep.results import check_column, parse_where
from rooftile.sweep.store import Results
from rooftile.sweep.sweep import MAPPING_KEYS, WORKLOAD_KEYS, changed, machine_of, own_value

if TYPE_CHECKING:
    from rooftile.pictures import Columns

#: The column that says in words what is different about a point.
POINT = "point"
#: Points of a picture, and machines of a roofline: the fastest.
MOST_POINTS, MOST_MACHINES = 5000, 6


class SweptRows:
    """The rows of a sweep that pictures show: those that are ok, and have not been priced again.

    Parameters
    ----------
    folder
        Of the sweep.
    where
        Comparisons that must hold, as for ``rooftile results``. One of them may name ``stage``.

    Raises
    ------
    SweepError
        When there are none.
    """

    def __init__(self, folder: Path, where: Sequence[str] = ()) -> None:
        with closing(Results(folder)) as results:
            conditions = [parse_where(results, text) for text in where]
            if all(column != "stage" for column, _, _ in conditions):
                conditions.append(("stage", "=", 0))
            found = list(results.rows([("status", "=", "ok"), *conditions]))
            self.results = results
            self.columns, self.units, self.meta = results.columns, results.units, results.meta
        if not found:
            raise SweepError(f"folder '{folder}': no point is ok and meets --where; leave some out")
        self.folder = folder
        self.rows = [dict(zip(self.columns, row, strict=True)) for row in found]
        #: Keys that differ, and aren't said by others.
        axes = [key for keys in self.meta["axes"] for key in keys]
        self.varying = [key for key in axes if len({row[key] for row in self.rows}) > 1]

    def written(self, row: dict[str, Any], key: str) -> Written:
        """Return a value as the sweep's file writes it; a network's file by its name."""
        value: Written = row[key]
        if isinstance(value, str):
            return Path(value).name if key == "network" else value
        return Amount(value, KIND_OF.get(self.units.get(key, ""))).written()

    def words(self, row: dict[str, Any], keys: Sequence[str]) -> str:
        """Return what some keys of a row say."""
        return ", ".join(str(self.written(row, key)) for key in keys if key in self.varying)

    def table(self, columns: dict[str, str]) -> Table:
        """Return rows as a table: for each of its columns, that of the results.

        Raises
        ------
        SweepError
            When there are too many for a picture.
        """
        if len(self.rows) > MOST_POINTS:
            raise SweepError(
                f"folder '{self.folder}': has {len(self.rows):,} points but at most"
                f" {MOST_POINTS:,} are drawn; choose some with --where"
            )
        for column in columns.values():
            if column != POINT:
                check_column(self.results, "picture", column)
        return Table(
            name=str(self.folder),
            columns=tuple(columns),
            rows=tuple(
                {name: self._cell(row, column) for name, column in columns.items()}
                for row in self.rows
            ),
            lines=tuple(row["number"] for row in self.rows),
            units={name: self.units.get(column, "") for name, column in columns.items()},
        )

    def _cell(self, row: dict[str, Any], column: str) -> str:
        if column == POINT:
            return self.words(row, self.varying) or "all"
        return "" if row[column] is None else str(row[column])


def table_and_columns(kind: str, swept: SweptRows, given: Columns) -> tuple[Table, Columns]:
    """Return what a kind of picture shows of a sweep, and the columns that it shows.

    Without others these are the time, main-memory bytes, and what tells points apart.
    """
    value = given.value or "time"
    if kind == "pareto":
        axes = {"x": given.x or "time", "y": given.y or "dram_bytes"}
        better = {axis for axis, name in axes.items() if name in LARGER_IS_BETTER}
        table = pareto_table(swept, axes["x"], axes["y"], given.label)
        return table, replace(given, **axes, maximized=given.maximized | better)
    if kind == "capacity":
        table = capacity_table(swept, given.x, given.label)
        return table, replace(given, label=given.label or POINT)
    table = shapes_table(swept, value) if kind == "shapes" else tornado_table(swept, value)
    return table, replace(given, value=value)


def pareto_table(swept: SweptRows, x: str, y: str, label: str | None) -> Table:
    """Return the table of two results, and what names points: by default all that differs."""
    names = {label: label} if label else {POINT: POINT}
    return swept.table({**names, x: x, y: y})


def shapes_table(swept: SweptRows, value: str) -> Table:
    """Return the table of a result by the shape of the array."""
    for key in ("array.rows", "array.columns"):
        check_column(swept.results, "picture", key)
    _check_alone(swept, ("array.rows", "array.columns"))
    return swept.table({ROWS: "array.rows", COLUMNS: "array.columns", value: value})


def capacity_table(swept: SweptRows, capacity: str | None, label: str | None) -> Table:
    """Return the table of traffic by a capacity: by default the first one that is swept."""
    swept_ones = [key for key in swept.varying if key.endswith(".capacity")]
    if capacity is None and not swept_ones:
        raise SweepError(f"folder '{swept.folder}': no capacity is swept; name another with --x")
    capacity = capacity or swept_ones[0]
    swept.varying = [key for key in swept.varying if key != capacity]
    table = {CAPACITY: capacity, "dram_bytes": "dram_bytes", FLOOR: "compulsory_bytes"}
    return swept.table({label or POINT: label or POINT, **table})


def tornado_table(swept: SweptRows, value: str) -> Table:
    """Return the table of a result where one axis at a time leaves the base.

    The base has the machine's own value on each axis, or the middle one where it isn't there.

    Raises
    ------
    SweepError
        When there are several networks, or the base has no row.
    """
    if "network" in swept.varying:
        raise SweepError(
            f"folder '{swept.folder}': a tornado is of one network; choose one with --where"
            f" 'network={swept.rows[0]['network']}'"
        )
    check_column(swept.results, "picture", value)
    axes = [keys for keys in swept.meta["axes"] if set(keys) & set(swept.varying)]
    base = {key: setting for keys in axes for key, setting in _base(swept, keys).items()}

    def row_of(knob: str, setting: str, row: dict[str, Any]) -> dict[str, str]:
        return {KNOB: knob, SETTING: setting, value: str(row[value])}

    found = [row for row in swept.rows if all(row[key] == own for key, own in base.items())]
    if not found:
        raise SweepError(
            f"folder '{swept.folder}': no point is ok that has"
            f" {', '.join(f'{key} {own}' for key, own in base.items())}; choose others with --where"
        )
    rows = [row_of(BASE, "", found[0])]
    for keys in axes:
        others = {key: own for key, own in base.items() if key not in keys}
        own = [row for row in swept.rows if all(row[key] == it for key, it in others.items())]
        own.sort(key=lambda row: [row[key] for key in keys])
        rows += [row_of(", ".join(keys), swept.words(row, keys), row) for row in own]
    return Table(
        name=str(swept.folder),
        columns=(KNOB, SETTING, value),
        rows=tuple(rows),
        lines=tuple(range(len(rows))),
        units={value: swept.units.get(value, "")},
    )


def _base(swept: SweptRows, keys: Sequence[str]) -> dict[str, Any]:
    """Return where the base is on an axis."""
    settings = sorted({tuple(row[key] for key in keys) for row in swept.rows})
    own = tuple(own_value(swept.meta["machine"], key) for key in keys)
    written: dict[tuple[Written | None, ...], Any] = {
        tuple(swept.written(dict(zip(keys, one, strict=True)), key) for key in keys): one
        for one in settings
    }
    chosen = written.get(own, settings[len(settings) // 2])
    return dict(zip(keys, chosen, strict=True))


def _check_alone(swept: SweptRows, shown: Sequence[str]) -> None:
    """Raise SweepError where something else differs that the picture doesn't show."""
    others = [key for key in swept.varying if key not in shown]
    if others:
        first = others[0]
        raise SweepError(
            f"folder '{swept.folder}': {', '.join(others)} differ, too, which the picture doesn't"
            f" show; choose with --where '{first}={swept.rows[0][first]}'"
        )


def swept_roofline(swept: SweptRows) -> MachineRoofline:
    """Return the fastest machines as designs with a dot for each network.

    A dot stands at the operations of the whole network for each main-memory byte.
    """
    by_machine: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    keys = [key for key in swept.meta["keys"] if not _is_work(key)]
    for row in swept.rows:
        by_machine.setdefault(tuple(row[key] for key in keys), []).append(row)
    fastest = sorted(by_machine.values(), key=lambda rows: sum(row["time"] for row in rows))
    designs = [_design(swept, keys, rows) for rows in fastest[:MOST_MACHINES]]
    total = len(fastest)
    shown = (
        f"{total} machines" if total == len(designs) else f"the {len(designs)} fastest of {total}"
    )
    return MachineRoofline(title=f"sweep {swept.meta['name']}: {shown}", designs=tuple(designs))


def _is_work(key: str) -> bool:
    return key in WORKLOAD_KEYS or key in MAPPING_KEYS


def _design(swept: SweptRows, keys: Sequence[str], rows: Sequence[dict[str, Any]]) -> Design:
    own = {key: swept.written(rows[0], key) for key in keys}
    spec = machine_of(changed(swept.meta["machine"], own))
    work = [key for key in swept.varying if _is_work(key)]
    points = []
    for row in rows:
        macs = row["mac_utilization"] * row["cycles"] * spec.array.pes * spec.cores
        points.append(
            Point(
                name=swept.words(row, work) or str(swept.written(row, "network")),
                count=1,
                level=MAIN,
                intensity_ops_per_byte=2 * macs / row["dram_bytes"],
                ops_per_s=2 * macs / row["time"],
                time_share=None,
            )
        )
    *arrays, _ = peaks_of(spec)  # multiply-accumulates are what is counted
    named = [f"{key.rpartition('.')[2]} {own[key]}" for key in keys if key in swept.varying]
    return Design(
        name=", ".join(named) or spec.name,
        levels=tuple(levels_of(spec, on_chip=False, together=True)),
        peaks=tuple(arrays),
        points=tuple(points),
    )
