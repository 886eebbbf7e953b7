"""Searches in a process of its own, so that answers at once don't wait for it.

It works on what was asked last: a search that is superseded ends at its next layer.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from threading import Thread

from accel.spec import AcceleratorSpec
from foundation.errors import RooftileError
from mapper.search.find import SearchOptions
from rooftile.explore.found import Searched
from rooftile.simulation import simulate
from rooftile.sources import find_network
from workloads.loaders.asked import Asked

#: How much the process lets others go first.
_NICENESS = 5
#: Seconds that the process has to end before it is made to.
_PATIENCE_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be searched: ``number`` is the caller's."""

    number: int
    network: str
    asked: Asked
    spec: AcceleratorSpec
    options: SearchOptions


#: What was found, or why there is nothing.
Outcome = Searched | str
#: Called with the number of a job and its outcome, in a thread of its own.
Done = Callable[[int, Outcome], None]


def searched(job: Job, progress: Callable[[str], None] | None = None) -> Searched:
    """Return what the search finds, and the analytical engine says of it.

    Raises
    ------
    WorkloadError, SpecError, MappingError
        When the network can't be built, or doesn't fit the machine.
    """
    graph = find_network(job.network, job.asked)
    result = simulate(graph, job.spec, options=job.options, engine="analytical", progress=progress)
    return Searched.of(job.asked, result.plan, result.report)


class Searcher:
    """The process, from this side.

    Parameters
    ----------
    done
        Called with what was found.
    """

    def __init__(self, done: Done) -> None:
        self._done = done
        # A copy of this process would have its threads' locks, but not its threads.
        context = get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), name="rooftile-search")
        self._process.start()
        theirs.close()
        self._asked, self._is_closed = -1, False
        Thread(target=self._listen, daemon=True).start()

    def ask(self, job: Job) -> None:
        """Have a job done instead of those that were asked for before."""
        self._asked = job.number
        try:
            self._ours.send(job)
        except OSError:
            self._done(job.number, "the process that searches has ended; start anew")

    def close(self) -> None:
        """End the process."""
        self._is_closed = True
        with suppress(OSError):
            self._ours.send(None)
        self._process.join(_PATIENCE_S)
        if self._process.is_alive():
            self._process.terminate()
            self._process.join(_PATIENCE_S)

    def _listen(self) -> None:
        try:
            while True:
                number, outcome = self._ours.recv()
                self._done(number, outcome)
        except (EOFError, OSError):
            if not self._is_closed:
                self._done(self._asked, "the process that searches has ended; start anew")


class _SupersededError(Exception):
    """Somebody asks for something else."""


def _serve(connection: Connection) -> None:
    """Search what is asked last, until there is no more to search, or nobody left to ask."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asks
    with suppress(OSError):
        os.nice(_NICENESS)  # answers at once come first

    def give_up_if_superseded(_: str) -> None:
        if connection.poll():
            raise _SupersededError

    try:
        while True:
            job = connection.recv()
            while job is not None and connection.poll():
                job = connection.recv()
            if job is None:
                return
            try:
                connection.send((job.number, searched(job, give_up_if_superseded)))
            except _SupersededError:
                continue
            except RooftileError as error:
                connection.send((job.number, str(error)))
    except (EOFError, OSError):
        return
