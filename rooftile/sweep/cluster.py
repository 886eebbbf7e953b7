"""An existing Dask cluster as what runs the tasks of a sweep."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from importlib import import_module
from typing import NamedTuple

from foundation.errors import SweepError
from rooftile import __version__

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
        for worker, version in client.run(settle).items():
            if version != __version__:
                raise SweepError(
                    f"--scheduler '{address}': worker {worker} has Rooftile {version} but"
                    f" {__version__} is needed, as here; install it there"
                )
        yield Workers(client.get_executor(retries=3), processes)


def settle() -> str:
    """Return a worker's version of Rooftile, all of which it has imported.

    What is there by now stays: looking through all of Dask's objects for garbage would take a
    tenth of the time.
    """
    import_module("rooftile.sweep.tasks")
    gc.collect()
    gc.freeze()
    return __version__
