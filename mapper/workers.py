"""Several processes for what doesn't depend on each other: searches of different layers."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import current_process, get_context
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

#: What a worker does, and to what: it has both from the process that it is a copy of.
_function: Callable[[Any], Any] | None = None
_items: Sequence[Any] = ()
#: Into how many messages a worker's share is split: items differ in how long they take.
_MESSAGES = 16


def process_count() -> int:
    """Return how many processes may work: one for each core that this one may run on.

    One where processes don't start as copies of this one (elsewhere than on Linux), and where this
    one is a worker already.
    """
    if sys.platform != "linux" or current_process().daemon:
        return 1
    return len(os.sched_getaffinity(0))


def side_by_side(
    function: Callable[[Item], Result], items: Sequence[Item], processes: int
) -> Iterator[Result]:
    """Yield what a function returns for each item, in order, found by several processes.

    Parameters
    ----------
    function
        Of this process as it is now; what it changes is lost. Its results are plain data.
    items
        What it is called with.
    processes
        How many work at the same time.
    """
    with get_context("fork").Pool(processes, _begin, (function, items)) as pool:
        together = max(1, len(items) // (processes * _MESSAGES))
        yield from pool.imap(_call, range(len(items)), together)


def _begin(function: Callable[[Any], Any], items: Sequence[Any]) -> None:
    """Set a worker up. Ctrl-C is for the process that waits for it."""
    global _function, _items
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()  # what was there before needs no looking through, which would copy its pages
    _function, _items = function, items


def _call(number: int) -> Any:
    assert _function is not None, "workers are set up first"
    return _function(_items[number])
