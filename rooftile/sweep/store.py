"""The results of a sweep in one SQLite file, whole batches at a time."""

from __future__ import annotations

import fcntl
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from foundation.errors import OutputError, SweepError
from rooftile.sweep.names import ALL_RESULTS, LARGER_IS_BETTER, RESULTS
from rooftile.sweep.pricing import Record
from rooftile.sweep.quantities import Written

FILE, LOCK = "results.sqlite", "lock"
#: Of the file's form: others can't be read.
FORMAT = 2
_FIRST = ("stage", "engine", "number", "status", "message")


def quoted(name: str) -> str:
    """Return a column's name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def is_sweep(folder: Path) -> bool:
    """Whether a folder has the results of a sweep."""
    return (folder / FILE).is_file()


def made(folder: Path, *, resume: bool) -> None:
    """Make a folder for results.

    Raises
    ------
    OutputError
        When it can't be made, or has results already and may not: ``resume``.
    """
    if (folder / FILE).exists() and not resume:
        raise OutputError(
            f"folder '{folder}': has results; add --resume to go on with them, or use another"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"folder '{folder}': can't be made ({error.strerror})") from None


class Store:
    """The results in a folder, open for writing: nobody else may.

    Parameters
    ----------
    folder
        Of the sweep.
    keys, results
        What differs from point to point, and what is found out of each.
    """

    def __init__(
        self, folder: Path, keys: Sequence[str], results: Sequence[str] = tuple(RESULTS)
    ) -> None:
        self.path = folder / FILE
        self._lock = _locked(folder)
        self._columns = [*_FIRST, *keys, *results]
        self._connection = _open(self.path)

    def begin(self, meta: Mapping[str, Any]) -> None:
        """Make the tables, or go on with those of the same sweep.

        Raises
        ------
        SweepError
            When the file is another sweep's, or of another version.
        """
        with _writing(self.path):
            existing = _meta(self._connection)
            if existing:
                _check_same(self.path, existing, meta)
                return
            columns = ", ".join(f"{quoted(name)} {_type(name)}" for name in self._columns)
            with self._connection:
                self._connection.execute("BEGIN")  # tables and what is in them, or nothing
                self._connection.execute("CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT)")
                self._connection.execute(
                    f"CREATE TABLE points ({columns}, PRIMARY KEY (stage, number)) WITHOUT ROWID"
                )
                self._connection.executemany(
                    "INSERT INTO meta VALUES (?, ?)",
                    [(key, json.dumps(value)) for key, value in meta.items()],
                )

    def note(self, key: str, value: object) -> None:
        """Say one thing more of the results, or another than before."""
        with _writing(self.path), self._connection:
            self._connection.execute(
                "INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, json.dumps(value))
            )

    def add(self, records: Sequence[Record], stage: int, engine: str) -> None:
        """Write records: all of them, or none.

        Raises
        ------
        OutputError
            When they can't be written, such as on a full disk: what was there stays.
        """
        places = ", ".join("?" * (len(self._columns) - 2))
        with _writing(self.path), self._connection:
            self._connection.executemany(
                f"INSERT OR REPLACE INTO points VALUES ({stage:d}, '{engine}', {places})",
                records,
            )

    def count(self, stage: int, task: range) -> int:
        """Return how many points of a task are there."""
        (count,) = self._connection.execute(
            "SELECT COUNT(*) FROM points WHERE stage = ? AND number >= ? AND number < ?",
            (stage, task.start, task.stop),
        ).fetchone()
        return int(count)

    def records(self, stage: int) -> list[Record]:
        """Return the records of a stage that are there."""
        columns = ", ".join(map(quoted, self._columns[2:]))
        text = f"SELECT {columns} FROM points WHERE stage = ?"
        return list(self._connection.execute(text, (stage,)))

    def statuses(self, stage: int) -> dict[str, int]:
        """Return how many points have each status."""
        rows = self._connection.execute(
            "SELECT status, COUNT(*) FROM points WHERE stage = ? GROUP BY status", (stage,)
        )
        return {str(status): int(count) for status, count in rows}

    def best(self, by: str, count: int) -> list[int]:
        """Return the points of the first stage that are best by a result."""
        order = "DESC" if by in LARGER_IS_BETTER else "ASC"
        rows = self._connection.execute(
            f"SELECT number FROM points WHERE stage = 0 AND status = 'ok'"
            f" ORDER BY {quoted(by)} {order}, number LIMIT ?",
            (count,),
        )
        return [int(number) for (number,) in rows]

    def message(self, status: str) -> str:
        """Return the message of the first point with a status."""
        row = self._connection.execute(
            "SELECT message FROM points WHERE status = ? ORDER BY number LIMIT 1", (status,)
        ).fetchone()
        return str(row[0]) if row else ""

    def close(self) -> None:
        """Let others write."""
        self._connection.close()
        self._lock.close()


def _type(name: str) -> str:
    if name in ("stage", "number"):
        return "INTEGER NOT NULL"
    return "TEXT" if name in _FIRST else "REAL" if name in ALL_RESULTS else ""


def _locked(folder: Path) -> IO[str]:
    try:
        handle = (folder / LOCK).open("w", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"folder '{folder}': can't be written ({error.strerror})") from None
    try:
        # Of this process alone: workers that outlive it for a moment don't hold it.
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.close()
        raise SweepError(
            f"folder '{folder}': another sweep writes there; wait for it, or use another folder"
        ) from None
    return handle


def _open(path: Path) -> sqlite3.Connection:
    with _writing(path):
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
    return connection


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise OutputError(
            f"results '{path}': can't be written ({error}); what was there before stays, and"
            " --resume goes on from it"
        ) from None


def _meta(connection: sqlite3.Connection) -> dict[str, Any]:
    tables = connection.execute("SELECT name FROM sqlite_master WHERE name = 'meta'").fetchall()
    if not tables:
        return {}
    return {key: json.loads(value) for key, value in connection.execute("SELECT * FROM meta")}


def _check_same(path: Path, existing: Mapping[str, Any], meta: Mapping[str, Any]) -> None:
    for key, what in (("format", "results of another version"), ("key", "another sweep")):
        if existing.get(key) != meta[key]:
            raise SweepError(
                f"results '{path}': are of {what}; use another folder, or remove this one"
            )


class Results:
    """The results in a folder, open for reading: also while a sweep writes them.

    Parameters
    ----------
    folder
        Of the sweep.

    Raises
    ------
    SweepError
        When there are none, or they are of another version.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / FILE
        if not path.is_file():
            raise SweepError(f"folder '{folder}': has no {FILE}; make one with rooftile sweep")
        try:
            self._connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
            self.meta = _meta(self._connection)
        except sqlite3.DatabaseError as error:
            raise SweepError(f"results '{path}': can't be read ({error})") from None
        if self.meta.get("format") != FORMAT:
            raise SweepError(
                f"results '{path}': are of format {self.meta.get('format')} but this version reads"
                f" {FORMAT}; run the sweep again"
            )

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return [*_FIRST, *self.meta["keys"], *self.meta["results"]]

    @property
    def units(self) -> dict[str, str]:
        """Name of a column to its unit, nothing for plain numbers and words."""
        own = {name: ALL_RESULTS[name] for name in self.meta["results"]}
        return {**self.meta["units"], **own}

    def rows(
        self,
        where: Sequence[tuple[str, str, Written]] = (),
        order: Sequence[tuple[str, bool]] = (),
        limit: int | None = None,
    ) -> Iterator[tuple[Any, ...]]:
        """Yield rows in a stable order.

        Parameters
        ----------
        where
            Column, comparison (``=``, ``!=``, ``<``, ``<=``, ``>``, ``>=``) and value.
        order
            Column, and whether the largest comes first.
        limit
            At most so many.
        """
        conditions = [f"{quoted(column)} {compare} ?" for column, compare, _ in where]
        ordered = [f"{quoted(name)} {'DESC' if down else 'ASC'}" for name, down in order]
        text = f"SELECT * FROM points WHERE {' AND '.join(conditions) or '1'}"
        text += f" ORDER BY {', '.join([*ordered, 'stage', 'number'])} LIMIT ?"
        values = [value for _, _, value in where]
        yield from self._connection.execute(text, [*values, -1 if limit is None else limit])

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
