"""Reference files: CSV with a header, and errors that say which line and column."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from foundation.errors import RooftileError


def read_rows(reference: Path, required: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """Return line number and columns of every row.

    Raises
    ------
    RooftileError
        The file can't be read, or a row or a required column is missing.
    """
    try:
        text = reference.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise RooftileError(f"reference '{reference}': isn't UTF-8 text") from None
    except OSError as error:
        reason = str(error.strerror).lower()
        raise RooftileError(f"reference '{reference}': can't be read ({reason})") from None
    reader = csv.DictReader(text.splitlines())
    missing = [column for column in required if column not in (reader.fieldnames or ())]
    if missing:
        raise RooftileError(f"{reference}:1: columns missing: {', '.join(missing)}")
    rows = []
    for row in reader:
        if None in row or None in row.values():
            raise RooftileError(
                f"{reference}:{reader.line_num}: must have {len(reader.fieldnames or ())} columns,"
                " as many as the header"
            )
        rows.append((reader.line_num, row))
    if not rows:
        raise RooftileError(f"reference '{reference}': no rows after the header")
    return rows


def integers(row: Mapping[str, str], columns: Sequence[str], where: str) -> list[int]:
    """Return sizes: whole numbers of at least 1."""
    for column in columns:
        if not row.get(column, "").isdecimal() or int(row[column]) < 1:
            raise RooftileError(
                f"{where}: column '{column}' must be a whole number of at least 1 but is"
                f" '{row.get(column, '')}'"
            )
    return [int(row[column]) for column in columns]


def number_in(row: Mapping[str, str], column: str, where: str) -> float:
    """Return a column's number."""
    try:
        return float(row[column])
    except ValueError:
        raise RooftileError(
            f"{where}: column '{column}' must be a number but is '{row[column]}'"
        ) from None
