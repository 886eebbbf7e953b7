"""Runs that were written to folders, as one web page; and the command that makes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

import click

from rooftile.progress import progress_line

if TYPE_CHECKING:
    from reports.run_record import RunFolder

Progress = Callable[[str], None] | None


@click.command()
@click.argument(
    "folders", nargs=-1, required=True, metavar="FOLDER...", type=click.Path(path_type=Path)
)
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="The page's file."
)
def report(folders: tuple[Path, ...], output: Path) -> None:
    """Write a web page that works offline about runs and sweeps in FOLDERs."""
    with progress_line() as show:
        size_bytes = write_report(folders, output, progress=show)
    click.echo(f"page: {output} ({size_bytes / 1e6:.1f} MB)")


def write_report(folders: Sequence[Path], output: Path, *, progress: Progress = None) -> int:
    """Write the page, and return its size in bytes: equal folders, equal bytes.

    Parameters
    ----------
    folders
        Of runs; the page shows one at a time.
    output
        Of the page; a file that is there is replaced.
    progress
        Called with what is about to be done.

    Raises
    ------
    OutputError
        When a folder isn't a run or its inputs have been changed since, or the page can't be
        written; nothing is left half-written.
    """
    from foundation.output_file import check_output_file, write_output_file
    from reports.pages import report_page
    from reports.run_record import read_run, run_record
    from reports.timeline_record import MAX_SLICES
    from rooftile.sweep.store import FILE
    from rooftile.sweep.view import sweep_view

    check_output_file(output)
    views = []
    for folder in folders:
        if progress is not None:
            progress(f"reading {folder}")
        if (folder / FILE).is_file():
            views.append(sweep_view(folder))
            continue
        run = read_run(folder, max_slices=MAX_SLICES // len(folders))
        mapped, without = _mapped(folder, run, progress)
        views.append(run_record(run, mapped, without_mapping=without))
    title = views[0]["title"] if len(views) == 1 else f"{len(views)} runs"
    text = report_page(title, views)
    write_output_file(output, [text])
    return len(text.encode())


def _mapped(folder: Path, run: RunFolder, progress: Progress) -> tuple[dict[str, list[str]], str]:
    """Return layer to the lines that say how it was mapped, or why that isn't known.

    The network is mapped as in the run, which takes no search unless layers ran together.
    """
    from foundation.errors import OutputError
    from mapper.mapping_file import parse_mappings
    from mapper.planner import make_plan
    from reports.explain_mapping import plan_lines
    from rooftile.repeat import repeated
    from rooftile.sources import find_hardware, find_network

    try:
        how = repeated(folder, run.summary)
    except OutputError as error:
        # Where the folder lies is no part of the page.
        return {}, str(error).removeprefix(f"folder '{folder}': ")
    how.setdefault("mappings", parse_mappings(run.inputs["mapping.yaml"], "mapping.yaml"))
    network, hardware = (str(folder / name) for name in ("network.yaml", "hardware.yaml"))
    show = progress and (lambda layer: progress(f"mapping {layer}"))
    plan = make_plan(find_network(network), find_hardware(hardware), progress=show, **how)
    lines = {
        planned.name: dedent("\n".join(plan_lines(plan, planned))).splitlines()
        for planned in plan.layers
    }
    return lines, ""
