"""The command line. Each command imports what it needs when it runs, so that help is quick."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from foundation.errors import RooftileError
from rooftile import __version__, options
from rooftile.compare_command import compare
from rooftile.explore.command import explore
from rooftile.pictures import plot, roofline
from rooftile.progress import progress_line
from rooftile.report import report
from rooftile.sweep.commands import results, sweep
from rooftile.sweep.optimize_command import optimize
from rooftile.technology import COMMANDS as TECHNOLOGY_COMMANDS
from rooftile.validate.commands import validate

if TYPE_CHECKING:
    from mapper.plan import Plan
    from mapper.search.find import SearchOptions
    from reports.generation import GenerationReport
    from reports.scenario import ScenarioReport
    from rooftile.simulation import Result
    from workloads.graph import Graph
    from workloads.loaders.asked import Asked

#: File descriptor of standard output.
STDOUT = 1
#: Exit status for what the user can correct.
USER_ERROR = 2
#: Exit status after Ctrl-C: 128 + SIGINT.
INTERRUPTED = 130

_ARRAY = options.Numbers("ROWSxCOLUMNS", example="4x4", separator="x", largest=16)
_GEMM = options.Numbers("M,N,K", example="6,4,4", separator=",", largest=64)


def main() -> None:
    """Run the command line: errors become one message and an exit status, never a traceback.

    Compiled code that meets Ctrl-C may turn it into an error of its own, which is no other thing.
    """
    interruptions: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        interruptions.append(number)
        signal.default_int_handler(number, frame)

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        status = _status()
    except Exception:
        if not interruptions:
            raise
        click.echo("interrupted", err=True)
        status = INTERRUPTED
    finally:
        signal.signal(signal.SIGINT, before)
    sys.exit(status)


def _status() -> int:
    """Return the exit status of the command line; errors become one message."""
    try:
        status = cli.main(standalone_mode=False) or 0
        sys.stdout.flush()
    except RooftileError as error:
        click.echo(f"error: {error}", err=True)
        status = USER_ERROR
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        status = INTERRUPTED
    except (BrokenPipeError, SystemExit):  # the reader, such as `head`, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), STDOUT)
        status = 0
    return status


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="rooftile")
def cli() -> None:
    r"""Simulate neural networks on accelerators, cycle by cycle.

    \b
    rooftile run resnet50 --hw tpu_v1            latency, utilization, what limits it
    rooftile run net.yaml --hw chip.yaml -o out  your own files; writes roofline and timeline
    rooftile list networks                       what is there to start from
    """


@cli.command()
@click.argument("network")
@options.hardware
@options.asked
@options.split
@options.passes("none")
@options.across
@options.search
@options.engine("cycle")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="New folder for the results.")
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


@cli.command(name="list")
@click.argument("what", type=click.Choice(["networks", "hardware"]))
def list_(what: str) -> None:
    """List the zoo's networks, with their counts, or the hardware presets."""
    if what == "networks":
        from reports.counts import zoo_text

        click.echo(zoo_text())
        return
    from accel.spec_file import preset_names

    click.echo("\n".join(preset_names()))


@cli.command()
@click.argument("name")
@options.asked
def show(name: str, asked: Asked) -> None:
    """Print a network or a machine as resolved YAML, every value with its unit."""
    from rooftile.sources import resolved_yaml

    click.echo(resolved_yaml(name, asked), nl=False)


@cli.command()
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


@cli.command()
@click.argument("file", type=click.Path(path_type=Path))
def check(file: Path) -> None:
    """Validate a network or hardware YAML FILE without running it."""
    from rooftile.sources import describe

    click.echo(describe(file))


@cli.command()
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


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--layer", required=True, help="Name of the layer, as in layers.csv.")
def explain(folder: Path, layer: str) -> None:
    """Say where the cycles of one layer of a finished run went, and what would help."""
    from rooftile.explain import explain_run

    click.echo(explain_run(folder, layer))


@cli.command(name="map")
@click.argument("network")
@options.hardware
@options.asked
@options.split
@options.passes("none")
@options.across
@options.search
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


@cli.command()
@click.argument("network")
@options.asked
@options.passes("all")
@click.option("--outputs", metavar="NAMES", help="Layers to keep; what only others need goes.")
def passes(network: str, asked: Asked, passes: str, outputs: str | None) -> None:
    """Print how passes rewrite NETWORK, before -> after, and what that saves."""
    from rooftile.passes import passes_text
    from rooftile.sources import find_network

    click.echo(passes_text(find_network(network, asked), passes, outputs))


@cli.command()
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


@cli.command()
@click.option("--array", required=True, type=_ARRAY, help="PEs, such as 4x4; at most 16x16.")
@click.option("--gemm", required=True, type=_GEMM, help="The product, each number at most 64.")
@click.option(
    "--dataflow",
    required=True,
    type=click.Choice(["ws", "os", "is"], case_sensitive=False),
    help="What stays in the PEs: weights, outputs or inputs.",
)
@click.option(
    "--registers",
    type=click.IntRange(1, 2),
    default=2,
    show_default=True,
    help="Registers of the stationary operand in a PE.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of operands.")
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="The page's file."
)
def teach(
    array: tuple[int, int],
    gemm: tuple[int, int, int],
    dataflow: str,
    registers: int,
    seed: int,
    output: Path,
) -> None:
    """Write a web page that steps through the cycles of a product on a systolic array."""
    from rooftile.teach import teach as write_lesson

    lesson = write_lesson(
        output,
        array=array,
        gemm=gemm,
        dataflow=dataflow.upper(),
        registers=registers,
        seed=seed,
    )
    click.echo(
        f"{len(lesson.frames):,} cycles, {lesson.average_utilization:.0%} of PEs busy on average\n"
        f"page: {output}"
    )


@cli.command()
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
@options.tolerance
@options.split
@options.search
@options.engine("analytical")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="New folder for the results.")
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


@cli.command()
@click.argument("file", type=click.Path(path_type=Path))
@options.hardware
@options.tolerance
@options.split
@options.search
@options.engine("analytical")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="New folder for the results.")
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


cli.add_command(compare)
cli.add_command(explore)
cli.add_command(report)
cli.add_command(validate)
for command in TECHNOLOGY_COMMANDS:
    cli.add_command(command)
cli.add_command(sweep)
cli.add_command(optimize)
cli.add_command(results)
cli.add_command(plot)
cli.add_command(roofline)


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
