"""Runs a sweep: task after task, on one process or several, kept as it comes."""

from __future__ import annotations

import gc
import shlex
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

from foundation.errors import SweepError
from mapper.search.cache import MappingCache
from rooftile import __version__
from rooftile.sweep.kept import FILE, keep
from rooftile.sweep.pricing import EXCLUDED, FAILED, OK, Pricer, Record
from rooftile.sweep.quantities import amount_of
from rooftile.sweep.space import Space
from rooftile.sweep.store import FORMAT, Store, made
from rooftile.sweep.sweep import Sweep, with_value

#: Tasks that wait for each process: enough that none has to wait for the next.
_AHEAD = 2
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
    seconds
        That it took.
    failure
        The message of the first point that failed.
    """

    points: int
    ok: int
    excluded: int
    failed: int
    new: int
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
    start = time.monotonic()
    made(folder, resume=resume)
    store = Store(folder, sweep.keys, sweep.results)
    try:
        store.begin(meta_of(sweep))
        store.note("files", keep(sweep, folder))
        store.note("command", shlex.join(["rooftile", "sweep", FILE, "-o", "../again"]))
        with workers_of(jobs, executor) as workers:
            new = _first_look(sweep, store, workers, jobs, cache_folder, progress)
            new += _second_look(sweep, store, workers, jobs, cache_folder, progress)
        found = store.statuses(0)
        for status, what in ((FAILED, "has a result"), (EXCLUDED, "meets the constraints")):
            if found.get(status) == len(Space(sweep)):
                raise SweepError(f"no point {what}; the first one: {store.message(status)}")
        return Summary(
            points=len(Space(sweep)),
            ok=found.get(OK, 0),
            excluded=found.get(EXCLUDED, 0),
            failed=found.get(FAILED, 0),
            new=new,
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
        "points": len(Space(sweep)),
    }


@contextmanager
def workers_of(jobs: int, executor: Executor | None) -> Iterator[Executor | None]:
    """Yield what runs tasks; None for this process."""
    if executor is not None or jobs == 1:
        with nullcontext(executor) as given:
            yield given
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("fork"), initializer=_begin) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _begin() -> None:
    """Leave Ctrl-C to the process that waits."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()  # what was there before needs no looking through, which would copy its pages


def _first_look(
    sweep: Sweep,
    store: Store,
    workers: Executor | None,
    jobs: int,
    cache_folder: Path | None,
    progress: Progress | None,
) -> int:
    """Price all points; return how many were priced now."""
    space = Space(sweep)
    done = store.count(0, range(len(space)))
    tasks = (task for task in space.tasks() if not done or store.count(0, task) < len(task))
    show = _Show(progress, len(space), done)
    for records in priced(sweep, tasks, sweep.engine, workers, jobs, cache_folder):
        store.add(records, 0, sweep.engine)
        show.add(len(records))
    return show.new


def _second_look(
    sweep: Sweep,
    store: Store,
    workers: Executor | None,
    jobs: int,
    cache_folder: Path | None,
    progress: Progress | None,
) -> int:
    """Price the best points again; return how many were priced now."""
    if sweep.best is None:
        return 0
    numbers = store.best(sweep.best.by, sweep.best.count)
    best = [number for number in numbers if not store.count(1, range(number, number + 1))]
    show = _Show(progress, len(best), 0)
    tasks = (range(number, number + 1) for number in best)
    for records in priced(sweep, tasks, sweep.best.engine, workers, jobs, cache_folder):
        store.add(records, 1, sweep.best.engine)
        show.add(len(records))
    return show.new


def priced(
    sweep: Sweep,
    tasks: Iterable[range],
    engine: str,
    workers: Executor | None,
    jobs: int,
    cache_folder: Path | None,
) -> Iterator[list[Record]]:
    """Yield the records of tasks as they come: few wait at any time, however many there are."""
    if workers is None:
        yield from (price(sweep, task, engine, cache_folder) for task in tasks)
        return
    waiting: set[Future[list[Record]]] = set()
    for task in tasks:
        waiting.add(workers.submit(price, sweep, task, engine, cache_folder))
        if len(waiting) >= jobs * _AHEAD:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            yield from (one.result() for one in done)
    while waiting:
        done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
        yield from (one.result() for one in done)


def price(sweep: Sweep, task: range, engine: str, cache_folder: Path | None) -> list[Record]:
    """Return the records of a task: what a worker does."""
    return [row.record() for row in _pricer(sweep, cache_folder).rows(task, engine)]


@lru_cache(maxsize=4)
def _pricer(sweep: Sweep, cache_folder: Path | None) -> Pricer:
    """Return what prices a sweep's points: made once in a process."""
    return Pricer(sweep, None if cache_folder is None else MappingCache(cache_folder))


class _Show:
    """Says how far a sweep is, at what rate, and how long it will take."""

    def __init__(self, progress: Progress | None, total: int, done: int) -> None:
        self._progress = progress
        self._total = total
        self._done = done
        self._start = self._last = time.monotonic()
        #: Points that were added.
        self.new = 0

    def add(self, count: int) -> None:
        """Note some points."""
        self.new += count
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
