"""`rooftile validate`: each claim has a command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rooftile import options

if TYPE_CHECKING:
    from rooftile.validate.validation import Validation


@click.group()
def validate() -> None:
    """Check the simulator's claims on this machine."""


@validate.command()
@click.option(
    "--reference",
    required=True,
    type=click.Path(path_type=Path),
    help="CSV with one (layer, array, dataflow) point per row.",
)
def scalesim(reference: Path) -> None:
    """Compare with SCALE-Sim's array cycles and scratchpad accesses, row by row."""
    from rooftile.validate.scalesim import validate_scalesim

    _report(validate_scalesim(reference))


@validate.command()
@click.argument("network")
@options.hardware
@options.batch
@options.dtype
@click.option("--seed", default=0, show_default=True, help="Seed of the random tensors.")
def program(network: str, hardware: str, batch: int | None, dtype: str | None, seed: int) -> None:
    """Execute every layer's program of NETWORK on random data and compare with NumPy."""
    from rooftile.sources import find_hardware, find_network
    from rooftile.validate.program import validate_program

    graph = find_network(network, batch=batch, dtype=dtype)
    _report(validate_program(graph, find_hardware(hardware), seed=seed))


def _report(validation: Validation) -> None:
    click.echo(validation.text)
    if not validation.passed:
        raise click.exceptions.Exit(options.DIFFERS)
