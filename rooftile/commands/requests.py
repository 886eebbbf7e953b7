"""Commands about requests that run networks several times: `generate`, `scenario`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rooftile import options
from rooftile.progress import progress_line

if TYPE_CHECKING:
    from mapper.search.find import SearchOptions
    from reports.generation import GenerationReport
    from reports.scenario import ScenarioReport
    from workloads.loaders.asked import Asked


@click.command()
@click.argument("network")
@options.hardware
@options.asked
@click.option(
    "--prompt",
    required=True,
    metavar="TOKENS",
    help="Tokens of a prompt, or of each of a batch: 512,64x3.",
)
@click.option("--tokens", required=True, type=click.IntRange(1), help="Tokens of an answer.")
@click.option(
    "--beams",
    type=click.IntRange(1, 1000),
    default=1,
    show_default=True,
    help="Beginnings of each answer that a beam search goes on with.",
)
@options.repeated
def generate(
    network: str,
    hardware: str,
    asked: Asked,
    prompt: str,
    tokens: int,
    beams: int,
    tolerance: float,
    split: str,
    engine: str,
    output: Path | None,
    search: SearchOptions,
) -> None:
    """Say how long NETWORK, a Hugging Face config.json, takes to answer prompts."""
    from dataclasses import replace

    from rooftile.generation import generate as simulate_generation

    _reported(
        output,
        lambda show: simulate_generation(
            network,
            hardware,
            prompt=prompt,
            tokens=tokens,
            asked=replace(asked, beams=beams),
            tolerance=tolerance,
            split=split,
            options=search,
            engine=engine,
            progress=show,
        ),
    )


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@options.hardware
@options.repeated
def scenario(
    file: Path,
    hardware: str,
    tolerance: float,
    split: str,
    engine: str,
    output: Path | None,
    search: SearchOptions,
) -> None:
    """Say how long requests take that run networks as FILE says: chances, loops, traces."""
    from rooftile.scenario import run_scenario

    _reported(
        output,
        lambda show: run_scenario(
            file,
            hardware,
            tolerance=tolerance,
            split=split,
            options=search,
            engine=engine,
            progress=show,
        ),
    )


def _reported(
    output: Path | None,
    simulate: Callable[[Callable[[str], None] | None], GenerationReport | ScenarioReport],
) -> None:
    """Simulate with a line of progress, print the report, and write it to a new folder if asked."""
    from reports.files import check_output_folder

    if output is not None:
        check_output_folder(output)
    with progress_line() as show:
        report = simulate(show)
    click.echo(str(report))
    if output is not None:
        click.echo(f"all files: {report.write(output)}")
