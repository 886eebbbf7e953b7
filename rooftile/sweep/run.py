"""Runs a sweep: task after task, on one process or several, kept as it comes."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from foundation.errors import SweepError
from rooftile import __version__
from rooftile.sweep.kept import FILE, keep
from rooftile.sweep.pricing import EXCLUDED, FAILED, OK
from rooftile.sweep.quantities import amount_of
from rooftile.sweep.space import Space
from rooftile.sweep.store import FORMAT, Store, made
from rooftile.sweep.sweep import Sweep, with_value
from rooftile.sweep.tasks import Priced, Tasks, workers_of

#: Seconds between two lines of progress.
_PAUSE_S = 0.2

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """How a sweep ended.

    Parameters
    ----------
    points, ok, excluded, failed
        Points in all, and by status.
    new
        Those that were priced now.
    busy_s, seconds
        That all workers together priced points, and that it took.
    failure
        The message of the first point that failed.
    """

    points: int
    ok: int
    excluded: int
    failed: int
    new: int
    busy_s: float
    seconds: float
    failure: str

    @property
    def text(self) -> str:
        """A line that says it."""
        rate = f", {self.new / self.seconds:,.0f} points/s" if self.new and self.seconds else ""
        line = (
            f"{self.points:,} points: {self.ok:,} ok, {self.excluded:,} excluded by constraints,"
            f" {self.failed:,} failed; {self.new:,} of them now, in {self.seconds:.1f} s{rate}"
        )
        return f"{line}\nthe first failure: {self.failure}" if self.failed else line


def run_sweep(
    sweep: Sweep,
    folder: Path,
    *,
    jobs: int = 1,
    resume: bool = False,
    cache_folder: Path | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Summary:
    """Price all points of a sweep that aren't yet, and keep the results in a folder.

    Parameters
    ----------
    sweep, folder
        What is swept, and where the results go.
    jobs
        Processes.
    resume
        Whether the folder may have results already, which stay.
    cache_folder
        Where what searches found is kept for later.
    executor
        Runs the tasks instead of processes of this machine; ``jobs`` says how many at a time.
    progress
        Called with a line now and then.

    Raises
    ------
    SweepError
        When the folder has results of another sweep, or no point meets the constraints.
    OutputError
        When the folder can't be written.
    """
    if sweep.space:
        raise SweepError(
            f"sweep '{sweep.name}': values of its 'space' are drawn, there is no last one; use"
            " rooftile optimize"
        )
    start = time.monotonic()
    made(folder, resume=resume)
    store = Store(folder, sweep.keys, sweep.results)
    try:
        store.begin(meta_of(sweep))
        store.note("files", keep(sweep, folder))
        store.note("command", shlex.join(["rooftile", "sweep", FILE, "-o", "../again"]))
        with workers_of(jobs, executor) as workers:
            tasks = Tasks(sweep, workers, jobs, cache_folder)
            looks = [look(sweep, store, tasks, progress) for look in (_first_look, _second_look)]
        found = store.statuses(0)
        for status, what in ((FAILED, "has a result"), (EXCLUDED, "meets the constraints")):
            if found.get(status) == len(Space(sweep)):
                raise SweepError(f"no point {what}; the first one: {store.message(status)}")
        return Summary(
            points=len(Space(sweep)),
            ok=found.get(OK, 0),
            excluded=found.get(EXCLUDED, 0),
            failed=found.get(FAILED, 0),
            new=sum(new for new, _ in looks),
            busy_s=sum(busy_s for _, busy_s in looks),
            seconds=time.monotonic() - start,
            failure=store.message(FAILED),
        )
    finally:
        store.close()


def meta_of(sweep: Sweep) -> dict[str, object]:
    """Return what the results say of their sweep."""
    units = {}
    for key in sweep.keys:
        steps = [axis for axis in sweep.axes if key in axis.keys]
        value = steps[0].values[0][steps[0].keys.index(key)] if steps else with_value(sweep, key)
        amount = None if value is None else amount_of(value)
        units[key] = "" if amount is None else amount.unit
    return {
        "format": FORMAT,
        "sweep": sweep.text,
        "key": sweep.key,
        "name": sweep.name,
        "keys": list(sweep.keys),
        "axes": [list(axis.keys) for axis in sweep.axes],
        "results": list(sweep.results),
        "units": units,
        "version": __version__,
        "machine": sweep.machine,
        "points": None if sweep.space else len(Space(sweep)),
    }


def _first_look(
    sweep: Sweep, store: Store, tasks: Tasks, progress: Progress | None
) -> tuple[int, float]:
    """Price all points; return how many were priced now, and the seconds that workers took."""
    space = Space(sweep)
    done = store.count(0, range(len(space)))
    pieces = space.pieces(sweep.engine)
    missing = (own for own in pieces if not done or store.count(0, own) < len(own))
    show = _Show(progress, len(space), done)
    for task in tasks.priced(missing, sweep.engine, len(space) - done):
        store.add(task.records, 0, sweep.engine)
        show.add(task)
    return show.new, show.busy_s


def _second_look(
    sweep: Sweep, store: Store, tasks: Tasks, progress: Progress | None
) -> tuple[int, float]:
    """Price the best points again; return the same."""
    if sweep.best is None:
        return 0, 0.0
    numbers = store.best(sweep.best.by, sweep.best.count)
    best = [number for number in numbers if not store.count(1, range(number, number + 1))]
    show = _Show(progress, len(best), 0)
    pieces = (range(number, number + 1) for number in best)
    for task in tasks.priced(pieces, sweep.best.engine, len(best)):
        store.add(task.records, 1, sweep.best.engine)
        show.add(task)
    return show.new, show.busy_s


class _Show:
    """Says how far a sweep is, at what rate, and how long it will take."""

    def __init__(self, progress: Progress | None, total: int, done: int) -> None:
        self._progress = progress
        self._total = total
        self._done = done
        self._start = self._last = time.monotonic()
        #: Points that were added, and the seconds that they took their workers.
        self.new, self.busy_s = 0, 0.0

    def add(self, task: Priced) -> None:
        """Note what a task found."""
        self.new += len(task.records)
        self.busy_s += task.seconds
        now = time.monotonic()
        if self._progress is None or now - self._last < _PAUSE_S:
            return
        self._last = now
        rate = self.new / (now - self._start)
        left = (self._total - self._done - self.new) / rate
        self._progress(
            f"{self._done + self.new:,} of {self._total:,} points, {rate:,.0f} points/s,"
            f" {left:,.0f} s left"
        )
