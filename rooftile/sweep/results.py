"""Results of a sweep as people and programs want them: filtered, sorted, as table or file."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from foundation.errors import OutputError, SweepError, nearest
from reports.tables import aligned_columns
from rooftile.sweep.names import ALL_RESULTS
from rooftile.sweep.quantities import KIND_OF, Written, amount_of
from rooftile.sweep.store import Results

#: Rows of a table that people read.
SHOWN = 20
_COMPARISON = re.compile(r"\s*(.+?)\s*(<=|>=|!=|=|<|>)\s*(.+?)\s*")


def parse_where(results: Results, text: str) -> tuple[str, str, Written]:
    """Return the column, comparison and value of a filter such as ``cycles<1e6``.

    Raises
    ------
    SweepError
        When it isn't one, or no column has this name.
    """
    match = _COMPARISON.fullmatch(text)
    if match is None:
        raise SweepError(f"--where '{text}': must be a comparison such as cycles<1e6")
    column, compare, value = match.groups()
    check_column(results, "--where", column)
    return column, compare, _value(results, column, value)


def _value(results: Results, column: str, text: str) -> Written:
    """Return a value in the unit of a column."""
    try:
        return float(text)
    except ValueError:
        pass
    try:
        amount = amount_of(text)
    except ValueError as error:
        raise SweepError(f"--where: {error}") from None
    if amount is None:
        return text
    unit = results.units.get(column, "")
    kind = KIND_OF.get(unit)
    if amount.kind is None or amount.kind != kind:
        raise SweepError(f"--where: {column} is in {unit or 'plain numbers'}, not {amount.unit}")
    return amount.value / float(kind.units[unit])


def parse_order(results: Results, text: str) -> tuple[str, bool]:
    """Return the column to sort by, and whether the largest comes first: ``-`` before it.

    Raises
    ------
    SweepError
        When no column has this name.
    """
    column = text.removeprefix("-")
    check_column(results, "--sort", column)
    return column, text != column


def check_column(results: Results, option: str, column: str) -> None:
    """Raise SweepError unless a column has this name."""
    if column in ALL_RESULTS and column not in results.columns:
        raise SweepError(
            f"{option}: '{column}' wasn't asked for; add it to 'results' of the sweep's file, and"
            " sweep again"
        )
    if column not in results.columns:
        raise SweepError(
            f"{option}: no column is called '{column}' ({', '.join(results.columns)})"
            f"{nearest(column, results.columns)}"
        )


def heads(results: Results) -> list[str]:
    """Return the names of all columns with their units."""
    units = results.units
    return [f"{name} [{units[name]}]" if units.get(name) else name for name in results.columns]


def csv_lines(results: Results, rows: Iterator[Sequence[Any]]) -> Iterator[str]:
    """Yield the lines of a CSV file."""
    yield _line(heads(results))
    for row in rows:
        yield _line(["" if value is None else _shown(value) for value in row])


def _line(values: Sequence[object]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue()


def _shown(value: Any) -> Any:
    """Return a number without the zero behind it that it needn't have."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def json_lines(results: Results, rows: Iterator[Sequence[Any]]) -> Iterator[str]:
    """Yield the lines of a JSON document: what was swept, and the rows as objects."""
    meta = {key: results.meta[key] for key in ("name", "version", "points", "machine", "sweep")}
    yield json.dumps({**meta, "units": results.units})[:-1] + ', "rows": [\n'
    before = ""
    for row in rows:
        values = dict(zip(results.columns, map(_shown, row), strict=True))
        yield f"{before}{json.dumps(values)}"
        before = ",\n"
    yield "\n]}\n"


def write_parquet(results: Results, rows: Iterator[Sequence[Any]], path: Path) -> None:
    """Write a Parquet file.

    Raises
    ------
    OutputError
        When the extra ``duckdb`` isn't installed, or the file can't be written.
    """
    try:
        import duckdb
    except ImportError:
        raise OutputError(
            "Parquet needs the package duckdb; install it with pip install 'rooftile[duckdb]'"
        ) from None
    columns = [name.replace('"', '""') for name in heads(results)]
    texts = ("status", "engine", "message")
    types = [
        "BIGINT" if name in ("stage", "number") else "VARCHAR" if name in texts else None
        for name in results.columns
    ]
    found = [list(row) for row in rows]
    for place, kind in enumerate(types):
        if kind is None:
            own = [row[place] for row in found]
            types[place] = "VARCHAR" if any(isinstance(value, str) for value in own) else "DOUBLE"
    connection = duckdb.connect()
    made = ", ".join(f'"{name}" {kind}' for name, kind in zip(columns, types, strict=True))
    connection.execute(f"CREATE TABLE results ({made})")
    if found:
        places = ", ".join("?" * len(columns))
        connection.executemany(f"INSERT INTO results VALUES ({places})", found)
    try:
        connection.execute(
            f"COPY results TO '{str(path).replace(chr(39), chr(39) * 2)}' (FORMAT parquet)"
        )
    except duckdb.Error as error:
        raise OutputError(f"file '{path}': can't be written ({error})") from None


def table(results: Results, rows: Sequence[Sequence[Any]]) -> str:
    """Return rows as a table; what is the same in all of them stands once, in a line below."""
    names = heads(results)
    known = [p for p, name in enumerate(results.columns) if name not in ("stage", "message")]
    same = [p for p in known if len({row[p] for row in rows}) == 1 < len(rows)]
    shown = [p for p in known if p not in same]
    body = [[_cell(row[place]) for place in shown] for row in rows]
    text = "\n".join(aligned_columns([names[place] for place in shown], body))
    if not same:
        return text
    columns = [(results.columns[place], _cell(rows[0][place])) for place in same]
    said = (f"{name} {value} {results.units.get(name, '')}".strip() for name, value in columns)
    return f"{text}\nthe same in all {len(rows)} rows: {', '.join(said)}"


def notes(results: Results, rows: Sequence[Sequence[Any]]) -> list[str]:
    """Return what to know of the results of rows that are ok, each note once."""
    status, message = (results.columns.index(name) for name in ("status", "message"))
    own = (row[message] for row in rows if row[status] == "ok")
    return list(dict.fromkeys(filter(None, own)))


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{int(value):,}" if value.is_integer() and abs(value) < 1e12 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
