"""`rooftile optimize`."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from rooftile.sweep.names import ALL_RESULTS, ENGINES, SAMPLERS
from rooftile.sweep.running import Running, running


def _engines(_: click.Context, __: click.Parameter, text: str | None) -> tuple[str, ...]:
    """Return the engines of a list with commas."""
    found = tuple(name.strip() for name in text.split(",")) if text is not None else ()
    for name in found:
        if name not in ENGINES:
            raise click.BadParameter(f"'{name}' isn't one of {', '.join(ENGINES)}")
    return found


@click.command()
@click.argument("file", metavar="SWEEP", type=click.Path(path_type=Path))
@running
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
def optimize(
    file: Path,
    running: Running,
    objectives: tuple[str, ...],
    sampler: str,
    trials: int,
    seed: int,
    engines: tuple[str, ...],
    eta: int,
) -> None:
    """Look for the best points of a SWEEP file without pricing all of them."""
    from rooftile.sweep import results as texts
    from rooftile.sweep.optimize import optimize as search
    from rooftile.sweep.published import find_sweep
    from rooftile.sweep.store import Results
    from rooftile.sweep.sweep_file import load_sweep

    asked = load_sweep(find_sweep(file))
    with running.started() as how:
        found = search(
            asked,
            running.folder,
            objectives=objectives,
            sampler=sampler,
            trials=trials,
            seed=seed,
            engines=engines,
            eta=eta,
            **how,
        )
    with closing(Results(running.folder)) as results:
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
