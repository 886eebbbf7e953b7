"""`rooftile sweep` and `rooftile results`."""

from __future__ import annotations

from contextlib import closing
from itertools import islice
from pathlib import Path

import click

from rooftile.sweep.running import Running, running


@click.command()
@click.argument("file", metavar="SWEEP", type=click.Path(path_type=Path))
@running
def sweep(file: Path, running: Running) -> None:
    """Price every point of a SWEEP file (rooftile/sweep/FORMAT.md), and keep all results.

    SWEEP is a file, or the name of a published study that comes with Rooftile
    (rooftile/sweep/PUBLISHED.md).
    """
    from rooftile.sweep.published import find_sweep
    from rooftile.sweep.run import run_sweep
    from rooftile.sweep.sweep_file import load_sweep

    asked = load_sweep(find_sweep(file))
    with running.started() as how:
        summary = run_sweep(asked, running.folder, **how)
    click.echo(summary.text)
    click.echo(f"written to {running.folder}; see rooftile results {running.folder}")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--where",
    multiple=True,
    metavar="COMPARISON",
    help="Such as 'cycles<1e6'; several must all hold.",
)
@click.option(
    "--sort",
    multiple=True,
    metavar="COLUMN",
    help="Sort by a column; with - before it the largest come first.",
)
@click.option("--limit", type=click.IntRange(1), help="At most so many rows.")
@click.option("--csv", "form", flag_value="csv", help="Print CSV, all rows.")
@click.option("--json", "form", flag_value="json", help="Print JSON, all rows.")
@click.option("--parquet", type=click.Path(path_type=Path), help="Write a Parquet file.")
def results(
    folder: Path,
    where: tuple[str, ...],
    sort: tuple[str, ...],
    limit: int | None,
    form: str | None,
    parquet: Path | None,
) -> None:
    """Show the results of a sweep, or export them."""
    from rooftile.sweep import results as texts
    from rooftile.sweep.store import Results

    with closing(Results(folder)) as found:
        conditions = [texts.parse_where(found, text) for text in where]
        order = [texts.parse_order(found, text) for text in sort]
        rows = found.rows(conditions, order, limit)
        if parquet is not None:
            texts.write_parquet(found, rows, parquet)
        elif form is not None:
            lines = texts.csv_lines if form == "csv" else texts.json_lines
            for line in lines(found, rows):
                click.echo(line, nl=False)
        else:
            shown = list(islice(rows, limit or texts.SHOWN))
            click.echo(texts.table(found, shown) if shown else "no row")
            for note in texts.notes(found, shown):
                click.echo(note)
            rest = sum(1 for _ in rows)
            if rest:
                click.echo(f"and {rest:,} more rows; --limit shows more, --csv all")
