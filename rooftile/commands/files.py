"""Commands about networks, machines and files, read but not run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rooftile import options

if TYPE_CHECKING:
    from workloads.loaders.asked import Asked


@click.command(name="list")
@click.argument("what", type=click.Choice(["networks", "hardware"]))
def list_(what: str) -> None:
    """List the zoo's networks, with their counts, or the hardware presets."""
    if what == "networks":
        from reports.counts import zoo_text

        click.echo(zoo_text())
        return
    from accel.spec_file import preset_names

    click.echo("\n".join(preset_names()))


@click.command()
@click.argument("name")
@options.asked
def show(name: str, asked: Asked) -> None:
    """Print a network or a machine as resolved YAML, every value with its unit."""
    from rooftile.sources import resolved_yaml

    click.echo(resolved_yaml(name, asked), nl=False)


@click.command()
@click.argument("network")
@options.asked
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def counts(network: str, asked: Asked, as_json: bool) -> None:
    """Print shapes, parameters and MACs of NETWORK, per layer and in total."""
    from reports.counts import counts_record, counts_text
    from rooftile.sources import find_network, find_training_step

    if asked.training is None:
        graph = find_network(network, asked)
        click.echo(json.dumps(counts_record(graph), indent=2) if as_json else counts_text(graph))
        return
    from reports.training import training_record, training_text

    step = find_training_step(network, asked)
    if as_json:
        record = {**counts_record(step.graph), "training": training_record(step)}
        click.echo(json.dumps(record, indent=2))
    else:
        click.echo(f"{counts_text(step.graph)}\n\n{training_text(step)}")


@click.command()
@click.argument("network")
@options.asked
@options.passes("all")
@click.option("--outputs", metavar="NAMES", help="Layers to keep; what only others need goes.")
def passes(network: str, asked: Asked, passes: str, outputs: str | None) -> None:
    """Print how passes rewrite NETWORK, before -> after, and what that saves."""
    from rooftile.passes import passes_text
    from rooftile.sources import find_network

    click.echo(passes_text(find_network(network, asked), passes, outputs))


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
def check(file: Path) -> None:
    """Validate a network or hardware YAML FILE without running it."""
    from rooftile.sources import describe

    click.echo(describe(file))


@click.command()
@click.argument(
    "what",
    type=click.Choice(
        ["network", "hardware", "mapping", "constraints", "scenario", "prices", "peaks"]
    ),
)
def schema(what: str) -> None:
    """Print the JSON Schema of a kind of files, for editors."""
    if what == "network":
        from workloads.loaders.yaml import schema as json_schema
    elif what == "mapping":
        from mapper.mapping_file import schema as json_schema
    elif what == "constraints":
        from mapper.constraints import schema as json_schema
    elif what == "scenario":
        from workloads.scenario.load import schema as json_schema
    elif what == "prices":
        from reports.prices import schema as json_schema
    elif what == "peaks":
        from reports.figures.peaks_file import schema as json_schema
    else:
        from accel.spec_file import schema as json_schema
    click.echo(json.dumps(json_schema(), indent=2))
