"""Prices parts of a sweep on processes or a cluster, so many at once that sending costs little.

References
----------
.. [1] C. Polychronopoulos, D. Kuck, "Guided Self-Scheduling: A Practical Scheduling Scheme for
   Parallel Supercomputers", IEEE Transactions on Computers C-36(12), 1987.
"""

from __future__ import annotations

import gc
import signal
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager, nullcontext
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from mapper.search.cache import MappingCache
from rooftile.sweep.pricing import Pricer, Record
from rooftile.sweep.space import Point
from rooftile.sweep.sweep import Sweep

#: Seconds that a task should take: what it takes besides, to be sent and kept, is milliseconds.
_TASK_S = 1.0
#: Of these the least part that is worth the sending, when little is left.
_LEAST_PART = 0.1
#: Tasks that are there for each process: enough that none has to wait for the next.
_AHEAD = 2
#: Parts into which what is left is cut for each process: the last tasks end at nearly one time.
_PARTS = 4

#: What may be priced apart from all else: whole units of a sweep's points, or one that was made.
Piece = range | Point


class Priced(NamedTuple):
    """What a task found, and the seconds that its process worked for it."""

    records: list[Record]
    seconds: float


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


class Tasks:
    """Prices pieces of a sweep in tasks of about a second.

    What a piece is worth depends on nothing else, so that the size of tasks changes no result.

    Parameters
    ----------
    sweep
        Whose points.
    workers, jobs
        What runs tasks, None for this process; and how many at a time.
    cache_folder
        Where what searches found is kept for later.
    """

    def __init__(
        self, sweep: Sweep, workers: Executor | None, jobs: int, cache_folder: Path | None
    ) -> None:
        self._sweep = sweep
        self._workers = workers
        self._jobs = jobs
        self._cache_folder = cache_folder

    def priced(self, pieces: Iterable[Piece], engine: str, total: int) -> Iterator[Priced]:
        """Yield what tasks found as they end: few wait at any time, however many there are.

        Parameters
        ----------
        pieces
            What is priced.
        engine
            Prices it.
        total
            How many points the pieces have together, at most.
        """
        size = Size(total, self._jobs)
        for task in self._running(batches(pieces, size), engine):
            size.note(len(task.records), task.seconds)
            yield task

    def _running(self, batches: Iterator[list[Piece]], engine: str) -> Iterator[Priced]:
        rest = (self._sweep, engine, self._cache_folder)
        if self._workers is None:
            yield from (price(batch, *rest) for batch in batches)
            return
        waiting: set[Future[Priced]] = set()
        for batch in batches:
            waiting.add(self._workers.submit(price, batch, *rest))
            if len(waiting) >= self._jobs * _AHEAD:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                yield from (one.result() for one in done)
        while waiting:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            yield from (one.result() for one in done)


class Size:
    """How many points a task should have.

    So many that it takes a second at the rate of late, but at most twice as many as the largest
    before it, and of what is left no more than a part for each process [1]_, down to a tenth of
    a second.
    """

    def __init__(self, total: int, jobs: int) -> None:
        self._left = total
        self._jobs = jobs
        self._points = self._seconds = 0.0
        self._largest = 0

    def note(self, points: int, seconds: float) -> None:
        """Note what a task took; of those before it less and less counts."""
        self._points = self._points / 2 + points
        self._seconds = self._seconds / 2 + seconds
        self._largest = max(self._largest, points)

    def next(self) -> int:
        """Return how many points the next task should have."""
        if not self._largest:
            return 1
        in_time = _TASK_S * self._points / max(self._seconds, 1e-9)
        part = max(self._left / (_PARTS * self._jobs), _LEAST_PART * in_time)
        return max(1, int(min(in_time, part, 2 * self._largest)))

    def take(self, points: int) -> None:
        """Note that so many are sent."""
        self._left -= points


def batches(pieces: Iterable[Piece], size: Size) -> Iterator[list[Piece]]:
    """Yield pieces that are priced by one task: as many as ``size`` says, one at least."""
    batch: list[Piece] = []
    points, most = 0, size.next()
    for piece in pieces:
        own = len(piece) if isinstance(piece, range) else 1
        if batch and points + own > most:
            size.take(points)
            yield batch
            batch, points, most = [], 0, size.next()
        before = batch[-1] if batch else None
        if isinstance(piece, range) and isinstance(before, range) and before.stop == piece.start:
            batch[-1] = range(before.start, piece.stop)
        else:
            batch.append(piece)
        points += own
    if batch:
        yield batch


def price(batch: Sequence[Piece], sweep: Sweep, engine: str, cache_folder: Path | None) -> Priced:
    """Return the records of some pieces: what a worker does."""
    start = time.perf_counter()
    pricer = _pricer(sweep, cache_folder)
    records = [
        row.record()
        for piece in batch
        for row in (
            pricer.rows(piece, engine)
            if isinstance(piece, range)
            else pricer.rows_of([piece], engine)
        )
    ]
    return Priced(records, time.perf_counter() - start)


@lru_cache(maxsize=4)
def _pricer(sweep: Sweep, cache_folder: Path | None) -> Pricer:
    """Return what prices a sweep's points: made once in a process."""
    return Pricer(sweep, None if cache_folder is None else MappingCache(cache_folder))
