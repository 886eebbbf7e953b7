"""Commands about a machine's technology: its energies and areas, efficiency and cost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rooftile import options
from rooftile.progress import progress_line

if TYPE_CHECKING:
    from mapper.search.find import SearchOptions
    from rooftile.simulation import Result
    from workloads.loaders.asked import Asked


_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command()
@click.argument("hardware", metavar="SPEC")
@_as_json
def area(hardware: str, as_json: bool) -> None:
    """Print the area of SPEC (a preset or a file) part by part, and where it is from."""
    from reports.area import area_record, area_text
    from rooftile.sources import find_hardware

    machine = find_hardware(hardware)
    click.echo(json.dumps(area_record(machine), indent=2) if as_json else area_text(machine))


@click.command()
@click.argument("hardware", metavar="SPEC")
def energies(hardware: str) -> None:
    """Print what the parts of SPEC (a preset or a file) take in energy, and where that is from."""
    from reports.area import energies_text
    from rooftile.sources import find_hardware

    click.echo(energies_text(find_hardware(hardware)))


@click.command()
@click.argument("network")
@options.mapped
@_as_json
def efficiency(network: str, hardware: str, asked: Asked, as_json: bool, **how: Any) -> None:
    """Print the energy of NETWORK by level and operand, and operations for a watt and a mm2."""
    from reports.efficiency import efficiency_record, efficiency_text
    from reports.levels import energy_by_operand

    result = _simulate(network, hardware, asked, **how)
    by_operand = energy_by_operand(result.plan, result.traces)
    click.echo(
        json.dumps(efficiency_record(result.report, by_operand), indent=2)
        if as_json
        else efficiency_text(result.report, by_operand)
    )


@click.command()
@click.argument("network")
@options.hardware
@click.option(
    "--prices",
    required=True,
    type=click.Path(path_type=Path),
    help="YAML file of prices, lifetime and utilization.",
)
@options.asked
@options.split
@options.passes("none")
@options.across
@options.search
@_as_json
def cost(
    network: str, hardware: str, prices: Path, asked: Asked, as_json: bool, **how: Any
) -> None:
    """Print what an inference of NETWORK costs: silicon, memory and electricity."""
    from accel.area import area_of_parts
    from foundation.errors import PriceError
    from reports.cost import cost_of
    from reports.cost_text import cost_text
    from reports.prices import load_prices, located
    from rooftile.sources import find_hardware

    given = load_prices(prices)
    area_of_parts(find_hardware(hardware))  # says what is missing before it simulates
    report = _simulate(network, hardware, asked, **how).report
    try:
        found = cost_of(report, given)
    except PriceError as error:
        raise located(error, prices) from None
    click.echo(
        json.dumps({"currency": given.currency, **found.as_record()}, indent=2)
        if as_json
        else cost_text(report, given, found)
    )


def _simulate(
    network: str, hardware: str, asked: Asked, *, search: SearchOptions, **how: Any
) -> Result:
    """Simulate with the layer's name on the terminal while it runs."""
    from rooftile.simulation import simulate
    from rooftile.sources import find_network

    with progress_line() as show:
        graph = find_network(network, asked)
        return simulate(graph, hardware, options=search, progress=show, **how)


COMMANDS = (area, energies, efficiency, cost)
