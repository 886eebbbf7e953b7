"""Commands about how layers are mapped: `map`, `disasm`, `explain`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rooftile import options
from rooftile.progress import progress_line

if TYPE_CHECKING:
    from mapper.plan import Plan
    from mapper.search.find import SearchOptions
    from workloads.loaders.asked import Asked


@click.command(name="map")
@click.argument("network")
@options.mapped
@options.mapping
@options.constraints
@click.option("--layer", help="Name of the only layer to show.")
@click.option("--space", is_flag=True, help="Print what is tried, not what is found.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="New YAML file for the mappings."
)
@click.option(
    "--pareto",
    metavar="NAME,NAME",
    help="Objectives, such as latency,dram: show all mappings that no other surpasses.",
)
def map_(
    network: str,
    hardware: str,
    asked: Asked,
    split: str,
    passes: str,
    across: tuple[str, ...],
    layer: str | None,
    space: bool,
    pareto: str | None,
    output: Path | None,
    mapping: Path | None,
    constraints: Path | None,
    search: SearchOptions,
) -> None:
    """Print how NETWORK is mapped: loops, lower bounds, runner-up, and the fullest scratchpad."""
    from foundation.output_file import check_output_file, write_output_file
    from mapper.search.pareto import objectives_of
    from reports.map_text import map_text
    from reports.pareto_text import pareto_text
    from reports.space_text import space_text

    if pareto is not None and layer is None:
        raise click.UsageError("--pareto shows the mappings of one layer: name it with --layer")
    if pareto is not None and space:
        raise click.UsageError("--pareto shows what is found, --space what is tried: leave out one")
    objectives = None if pareto is None else objectives_of(pareto)
    if output is not None:
        check_output_file(output)
    with progress_line() as show:
        plan = _plan(
            network,
            hardware,
            asked,
            passes=passes,
            mapping=mapping,
            constraints=constraints,
            split=split,
            across=across,
            options=search,
            progress=show and (lambda name: show(f"mapping {name}")),
        )
        if objectives is not None and layer is not None:
            text = pareto_text(plan, layer, objectives)
        else:
            text = space_text(plan, layer) if space else map_text(plan, layer)
    click.echo(text)
    if output is not None:
        write_output_file(output, [plan.mappings_yaml(layer)])
        click.echo(f"\nmappings: {output}")


@click.command()
@click.argument("network")
@options.hardware
@options.asked
@options.across
@options.mapping
@click.option("--layer", required=True, help="Name of the layer.")
def disasm(
    network: str,
    hardware: str,
    asked: Asked,
    across: tuple[str, ...],
    mapping: Path | None,
    layer: str,
) -> None:
    """Print the program of one layer of NETWORK as assembly."""
    from isa.assembler import disassemble

    plan = _plan(network, hardware, asked, mapping=mapping, across=across)
    planned = plan.layer(layer)
    pieces = plan.program_count(planned)
    if not pieces:
        click.echo(f"# {layer}: a reshape moves no data and has no program")
    for number, program in enumerate(plan.programs(planned), start=1):
        click.echo(f"# {layer}, program {number} of {pieces}\n{disassemble(program)}", nl=False)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--layer", required=True, help="Name of the layer, as in layers.csv.")
def explain(folder: Path, layer: str) -> None:
    """Say where the cycles of one layer of a finished run went, and what would help."""
    from rooftile.explain import explain_run

    click.echo(explain_run(folder, layer))


def _plan(
    network: str,
    hardware: str,
    asked: Asked,
    *,
    passes: str = "none",
    mapping: Path | None = None,
    constraints: Path | None = None,
    **how: Any,
) -> Plan:
    """Return a network as it is mapped; ``how`` as in `make_plan`."""
    from mapper.constraints import load_constraints
    from mapper.mapping_file import load_mappings
    from mapper.planner import make_plan
    from rooftile.passes import apply_passes
    from rooftile.sources import find_hardware, find_network

    graph = apply_passes(find_network(network, asked), passes)
    return make_plan(
        graph,
        find_hardware(hardware),
        mappings=load_mappings(mapping) if mapping is not None else None,
        constraints=load_constraints(constraints) if constraints is not None else None,
        **how,
    )
