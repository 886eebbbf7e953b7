"""`rooftile run`: a network on a machine, with a table of its layers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rooftile import options
from rooftile.progress import progress_line

if TYPE_CHECKING:
    from mapper.plan import Plan
    from mapper.search.find import SearchOptions
    from rooftile.simulation import Result
    from workloads.graph import Graph
    from workloads.loaders.asked import Asked


@click.command()
@click.argument("network")
@options.mapped
@options.engine("cycle")
@options.results
@click.option("--no-plots", is_flag=True, help="Write no roofline pictures.")
@click.option(
    "--scalesim-reports",
    is_flag=True,
    help="Write SCALE-Sim's COMPUTE_REPORT.csv into the folder, too.",
)
@click.option(
    "--trace-dram",
    type=click.Path(path_type=Path),
    help="File for all requests to the DRAM; they are simulated once more for it.",
)
@click.option(
    "--trace-format",
    type=click.Choice(["dramsim3", "ramulator2"]),
    default="dramsim3",
    show_default=True,
    help="Which simulator can replay them.",
)
@click.option(
    "--beside",
    multiple=True,
    metavar="NETWORK",
    help="Another network that runs at the same time, on cores of its own.",
)
@click.option("--cores", metavar="N,N", help="Cores of each network; evenly shared by default.")
@options.mapping
@options.constraints
def run(
    network: str,
    hardware: str,
    asked: Asked,
    split: str,
    passes: str,
    across: tuple[str, ...],
    engine: str,
    output: Path | None,
    no_plots: bool,
    scalesim_reports: bool,
    trace_dram: Path | None,
    trace_format: str,
    beside: tuple[str, ...],
    cores: str | None,
    mapping: Path | None,
    constraints: Path | None,
    search: SearchOptions,
) -> None:
    """Simulate NETWORK (a zoo name or a file) and print a table of its layers."""
    from reports.files import check_output_folder
    from rooftile.sources import find_network

    if beside or cores:
        if engine != "cycle" or any(
            path is not None for path in (output, trace_dram, mapping, constraints)
        ):
            raise click.UsageError(
                "--beside and --cores print tables of the cycle engine and of the best mappings: no"
                " -o, --trace-dram, --engine analytical, --mapping or --constraints"
            )
        if across:
            raise click.UsageError("--beside runs networks layer by layer: no --across")
        _run_side_by_side((network, *beside), hardware, asked, split, passes, cores, search)
        return
    if scalesim_reports and output is None:
        raise click.UsageError("--scalesim-reports writes into the folder of -o: name one")
    if output is not None:
        check_output_folder(output)
    if trace_dram is not None:
        _check_dram_trace(trace_dram, hardware)
    result = _simulate(
        find_network(network, asked),
        hardware,
        split=split,
        passes=passes,
        across=across,
        options=search,
        engine=engine,
        mappings=mapping,
        constraints=constraints,
    )
    click.echo(str(result))
    if trace_dram is not None:
        _write_dram_trace(result.plan, trace_dram, trace_format)
    if output is not None:
        folder = result.write(output, plots=not no_plots, scalesim_reports=scalesim_reports)
        pictures = [] if no_plots else [f"roofline: {folder / 'roofline.png'}"]
        click.echo("\n".join([*pictures, f"all files: {folder}"]))


def _check_dram_trace(path: Path, hardware: str) -> None:
    """Raise before the run what would stop the writing of its requests."""
    from foundation.output_file import check_output_file
    from rooftile.dram_trace import check_has_dram
    from rooftile.sources import find_hardware

    check_output_file(path)
    check_has_dram(find_hardware(hardware))


def _write_dram_trace(plan: Plan, path: Path, form: str) -> None:
    """Write the requests to the DRAM, with the layer's name on the terminal."""
    from rooftile.dram_trace import write_dram_trace

    with progress_line() as show:
        write_dram_trace(path, plan, form, show and (lambda layer: show(f"tracing {layer}")))
    click.echo(f"DRAM requests: {path}")


def _run_side_by_side(
    networks: tuple[str, ...],
    hardware: str,
    asked: Asked,
    split: str,
    passes: str,
    cores: str | None,
    search: SearchOptions,
) -> None:
    """Print the tables of networks that run at the same time."""
    from rooftile.passes import apply_passes
    from rooftile.side_by_side import run_side_by_side
    from rooftile.sources import find_network

    graphs = [apply_passes(find_network(name, asked), passes) for name in networks]
    with progress_line() as show:
        if show is not None:
            show(f"simulating {' and '.join(networks)}")
        text = run_side_by_side(graphs, hardware, cores, split=split, options=search)
    click.echo(text)


def _simulate(network: Graph, hardware: str, **how: Any) -> Result:
    """Simulate with the layer's name on the terminal while it runs; ``how`` as in `simulate`."""
    from rooftile.simulation import simulate

    with progress_line() as show:
        return simulate(network, hardware, progress=show, **how)
