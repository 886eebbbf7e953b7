"""Several processes for what doesn't depend on each other: searches of different layers."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from multiprocessing import current_process, get_context
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

#: What a worker does.
_function: Callable[[Any], Any] | None = None


def process_count() -> int:
    """Return how many processes may work: one for each core that this one may run on.

    One where processes don't start as copies of this one (elsewhere than on Linux), and where this
    one is a worker already.
    """
    if sys.platform != "linux" or current_process().daemon:
        return 1
    return len(os.sched_getaffinity(0))


def side_by_side(
    function: Callable[[Item], Result], items: Iterable[Item], processes: int
) -> Iterator[Result]:
    """Yield what a function returns for each item, in order, found by several processes.

    Parameters
    ----------
    function
        Of this process as it is now; what it changes is lost.
    items
        Plain data, as are the results.
    processes
        How many work at the same time.
    """
    with get_context("fork").Pool(processes, _begin, (function,)) as pool:
        yield from pool.imap(_call, items)


def _begin(function: Callable[[Any], Any]) -> None:
    """Set a worker up. Ctrl-C is for the process that waits for it."""
    global _function
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _function = function


def _call(item: Any) -> Any:
    assert _function is not None, "workers are set up first"
    return _function(item)
