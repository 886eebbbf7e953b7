"""Tables that pictures are made from: CSV with a header, and errors that name line and column."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from foundation.errors import RooftileError, nearest
from foundation.text_file import read_text

#: The largest number, of either sign, that is drawn.
MOST = 1e30
_MOST_BYTES = 10_000_000
#: What ends a column's name, the longest first, to its unit as an axis says it.
UNITS = {
    "_ops_per_byte": "operations per byte",
    "_bytes_per_cycle": "bytes/cycle",
    "_bytes_per_s": "bytes/s",
    "_ops_per_joule": "operations/J",
    "_inferences_per_s": "inferences/s",
    "_tokens_per_s": "tokens/s",
    "_ops_per_s": "operations/s",
    "_pj_s": "pJ·s",
    "_elements": "elements",
    "_cycles": "cycles",
    "_tokens": "tokens",
    "_bytes": "bytes",
    "_bits": "bits",
    "_mm2": "mm²",
    "_um2": "µm²",
    "_usd": "US dollars",
    "_pj": "pJ",
    "_nj": "nJ",
    "_uj": "µJ",
    "_mj": "mJ",
    "_mw": "mW",
    "_hz": "Hz",
    "_fs": "fs",
    "_ns": "ns",
    "_us": "µs",
    "_ms": "ms",
    "_s": "s",
    "_j": "J",
    "_w": "W",
}


class Scale(NamedTuple):
    """How numbers are written.

    Parameters
    ----------
    label
        Of an axis.
    unit
        Written with a prefix behind each number; empty where the label says it.
    """

    label: str
    unit: str = ""

    def text(self, value: float) -> str:
        """Return a number: ``1,234``, or ``1.234 ms``."""
        if not self.unit:
            return f"{value:,.10g}"
        from matplotlib.ticker import EngFormatter

        return str(EngFormatter(unit=self.unit)(value))


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of text.

    Parameters
    ----------
    name
        The file's name as the user gave it.
    columns
        From the header.
    rows
        Column to cell.
    lines
        1-based line of each row.
    units
        Of columns whose names don't say them, without a prefix.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[dict[str, str], ...]
    lines: tuple[int, ...]
    units: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The file's name without its folder."""
        return Path(self.name).name

    def scale(self, column: str) -> Scale:
        """Return how a column's numbers are written."""
        if column not in self.units:
            return Scale(axis_label(column))
        return Scale(column.removesuffix("_bytes").replace("_", " "), self.units[column])

    def failure(self, row: int, column: str, message: str) -> RooftileError:
        """Return the error that ``message`` is about a cell."""
        return RooftileError(f"{self.name}:{self.lines[row]}: {column}: {message}")

    def require(self, columns: Sequence[str]) -> None:
        """Raise RooftileError unless all of these columns are there."""
        for column in columns:
            if column not in self.columns:
                raise RooftileError(
                    f"{self.name}:1: column '{column}' is missing, there are"
                    f" {', '.join(self.columns)}{nearest(column, self.columns)}"
                )

    def numbers(self, column: str, *, least: float = -MOST) -> list[float]:
        """Return a column's numbers.

        Raises
        ------
        RooftileError
            The column is missing, or a cell isn't a number from ``least`` to ``MOST``.
        """
        self.require([column])
        return [self._number(row, column, least) for row in range(len(self.rows))]

    def _number(self, row: int, column: str, least: float) -> float:
        text = self.rows[row][column]
        try:
            value = float(text)
        except ValueError:
            raise self.failure(row, column, f"must be a number but is '{text}'") from None
        if value < least:
            raise self.failure(row, column, f"must be at least {least:g} but is {text}")
        if not value <= MOST:  # what isn't a number isn't less than anything
            raise self.failure(row, column, f"must be at most {MOST:g} but is {text}")
        return value


def read_table(path: Path) -> Table:
    """Return a CSV file's table.

    Raises
    ------
    RooftileError
        The file can't be read, has no rows, or a row hasn't as many cells as the header.
    """
    text = read_text(path, RooftileError, "a CSV file", most_bytes=_MOST_BYTES)
    reader = csv.reader(text.splitlines())
    rows, lines = [], []
    try:
        columns = _columns(path, next(reader, []))
        for cells in filter(None, reader):
            if len(cells) != len(columns):
                raise RooftileError(
                    f"{path}:{reader.line_num}: must have {len(columns)} cells, as many as the"
                    f" header, but has {len(cells)}"
                )
            rows.append(dict(zip(columns, cells, strict=True)))
            lines.append(reader.line_num)
    except csv.Error as error:
        raise RooftileError(f"{path}:{reader.line_num}: isn't valid CSV: {error}") from None
    if not rows:
        raise RooftileError(f"{path}:1: has no rows after the header; give a CSV file")
    return Table(name=str(path), columns=columns, rows=tuple(rows), lines=tuple(lines))


def _columns(path: Path, header: list[str]) -> tuple[str, ...]:
    for name in header:
        if header.count(name) > 1:
            raise RooftileError(f"{path}:1: column '{name}' is there twice; rename one")
    return tuple(header)


def ticks(scale: Scale) -> Callable[[float, float], str]:
    """Return what writes the ticks of an axis."""
    return lambda value, _: scale.text(value)


def axis_label(column: str) -> str:
    """Return a column's name as an axis's label: ``dram_bytes`` is ``dram (bytes)``."""
    for end, unit in UNITS.items():
        if column.endswith(end) and column != end:
            return f"{column.removesuffix(end).replace('_', ' ')} ({unit})"
        if column == end[1:]:
            return f"{unit}"
    return f"{column.replace('_', ' ')} (no unit)"
