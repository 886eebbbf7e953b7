"""An existing Dask cluster as what runs the tasks of a sweep."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import NamedTuple

from foundation.errors import SweepError

_TIMEOUT_S = 10


class Workers(NamedTuple):
    """What runs tasks, and how many at a time."""

    executor: Executor
    processes: int


@contextmanager
def cluster(address: str | None) -> Iterator[Workers | None]:
    """Yield the workers of a scheduler; None where no address is given.

    A worker that is lost loses nothing: Dask gives its tasks to others.

    Raises
    ------
    SweepError
        When the extra ``dask`` isn't installed, nobody answers, or there are no workers.
    """
    if address is None:
        yield None
        return
    try:
        from distributed import Client
    except ImportError:
        raise SweepError(
            "--scheduler needs the package distributed; install it with pip install"
            " 'rooftile[dask]'"
        ) from None
    try:
        client = Client(address, timeout=_TIMEOUT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise SweepError(f"--scheduler '{address}': nobody answers ({error})") from None
    with client:
        processes = sum(client.nthreads().values())
        if not processes:
            raise SweepError(f"--scheduler '{address}': has no workers; start some")
        yield Workers(client.get_executor(retries=3), processes)
