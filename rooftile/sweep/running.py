"""How a sweep or a search is run: the options that both commands have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import click

from rooftile.progress import progress_line

_OPTIONS = (
    click.option(
        "-o",
        "--output",
        "folder",
        required=True,
        type=click.Path(path_type=Path),
        help="Folder of the results.",
    ),
    click.option(
        "-j", "--jobs", default=1, show_default=True, type=click.IntRange(1, 256), help="Processes."
    ),
    click.option("--resume", is_flag=True, help="Go on with what the folder has."),
    click.option(
        "--scheduler",
        metavar="ADDRESS",
        help="A Dask scheduler, such as tcp://host:8786, that runs it.",
    ),
    click.option(
        "--no-mapping-cache", is_flag=True, help="Neither read nor keep what searches found."
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What the options say."""

    folder: Path
    jobs: int
    resume: bool
    scheduler: str | None
    no_mapping_cache: bool

    @contextmanager
    def started(self) -> Iterator[dict[str, Any]]:
        """Yield what `run_sweep` and `optimize` are told besides what they price.

        Raises
        ------
        SweepError
            When the scheduler doesn't answer.
        """
        from mapper.search.cache import user_folder
        from rooftile.sweep.cluster import cluster

        with progress_line() as progress, cluster(self.scheduler) as workers:
            yield {
                "jobs": self.jobs if workers is None else workers.processes,
                "resume": self.resume,
                "cache_folder": None if self.no_mapping_cache else user_folder(),
                "executor": None if workers is None else workers.executor,
                "progress": progress,
            }


def running(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options, which it gets as ``running``."""

    @wraps(command)
    def with_running(
        *arguments: Any,
        folder: Path,
        jobs: int,
        resume: bool,
        scheduler: str | None,
        no_mapping_cache: bool,
        **others: Any,
    ) -> None:
        own = Running(
            folder=folder,
            jobs=jobs,
            resume=resume,
            scheduler=scheduler,
            no_mapping_cache=no_mapping_cache,
        )
        command(*arguments, running=own, **others)

    for option in reversed(_OPTIONS):
        with_running = option(with_running)
    return with_running
