"""`rooftile optimize`."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from rooftile.progress import progress_line
from rooftile.sweep.names import ALL_RESULTS, ENGINES, SAMPLERS


def _engines(_: click.Context, __: click.Parameter, text: str | None) -> tuple[str, ...]:
    """Return the engines of a list with commas."""
    found = tuple(name.strip() for name in text.split(",")) if text is not None else ()
    for name in found:
        if name not in ENGINES:
            raise click.BadParameter(f"'{name}' isn't one of {', '.join(ENGINES)}")
    return found


@click.command()
@click.argument("file", metavar="SWEEP", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    "folder",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder of the results.",
)
@click.option(
    "--objective",
    "objectives",
    multiple=True,
    default=("time",),
    show_default=True,
    type=click.Choice(list(ALL_RESULTS)),
    help="A result that is to be good; several make a front.",
)
@click.option(
    "--sampler",
    default="nsga2",
    show_default=True,
    type=click.Choice(SAMPLERS),
    help="Who proposes points.",
)
@click.option(
    "--trials",
    default=200,
    show_default=True,
    type=click.IntRange(1, 1_000_000),
    help="Points that are proposed.",
)
@click.option("--seed", default=0, show_default=True, help="Of the proposals.")
@click.option(
    "--engines",
    metavar="ENGINES",
    callback=_engines,
    help="Successive halving: such as estimate,analytical,cycle; each prices the best of those"
    " before.",
)
@click.option(
    "--eta",
    default=3,
    show_default=True,
    type=click.IntRange(2, 1000),
    help="With --engines: one of so many points goes on.",
)
@click.option(
    "-j", "--jobs", default=1, show_default=True, type=click.IntRange(1, 256), help="Processes."
)
@click.option("--resume", is_flag=True, help="Go on with what the folder has.")
@click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="A Dask scheduler, such as tcp://host:8786, that runs it.",
)
@click.option("--no-mapping-cache", is_flag=True, help="Neither read nor keep what searches found.")
def optimize(
    file: Path,
    folder: Path,
    objectives: tuple[str, ...],
    sampler: str,
    trials: int,
    seed: int,
    engines: tuple[str, ...],
    eta: int,
    jobs: int,
    resume: bool,
    scheduler: str | None,
    no_mapping_cache: bool,
) -> None:
    """Look for the best points of a SWEEP file without pricing all of them."""
    from mapper.search.cache import user_folder
    from rooftile.sweep import results as texts
    from rooftile.sweep.cluster import cluster
    from rooftile.sweep.optimize import optimize as search
    from rooftile.sweep.published import find_sweep
    from rooftile.sweep.store import Results
    from rooftile.sweep.sweep_file import load_sweep

    asked = load_sweep(find_sweep(file))
    with progress_line() as progress, cluster(scheduler) as workers:
        found = search(
            asked,
            folder,
            objectives=objectives,
            sampler=sampler,
            trials=trials,
            seed=seed,
            engines=engines,
            eta=eta,
            jobs=jobs if workers is None else workers.processes,
            resume=resume,
            cache_folder=None if no_mapping_cache else user_folder(),
            executor=None if workers is None else workers.executor,
            progress=progress,
        )
    with closing(Results(folder)) as results:
        last = [("stage", "=", len(found.looks) - 1)]
        rows = [row for row in results.rows(last) if row[2] in found.front]
        click.echo(texts.table(results, rows[: texts.SHOWN]))
        for note in texts.notes(results, rows[: texts.SHOWN]):
            click.echo(note)
    if len(found.looks) > 1:
        shown = ", ".join(f"{count:,} by {engine}" for engine, count in found.looks)
        click.echo(f"successive halving: points priced {shown}")
    click.echo(
        f"{found.trials:,} points proposed, {found.priced:,} priced now; no other surpasses"
        f" {len(found.front):,} of them in {', '.join(objectives)}"
    )
