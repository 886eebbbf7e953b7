"""`rooftile validate`: each claim has a command."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rooftile import options
from rooftile.progress import progress_line

if TYPE_CHECKING:
    from rooftile.validate.validation import Validation
    from workloads.loaders.asked import Asked


Command = TypeVar("Command", bound=Callable[..., Any])

_ARRAY = options.Numbers("ROWSxCOLUMNS", example="16x16", separator="x", largest=1024)
_GEMM = options.Numbers("M,N,K", example="50,40,30", separator=",", largest=65536)
_DATAFLOW = click.Choice(["ws", "os", "is"], case_sensitive=False)


def _file(option: str, what: str) -> Callable[[Command], Command]:
    """Return the option of a file that a comparison needs."""
    return click.option(option, required=True, type=click.Path(path_type=Path), help=what)


@click.group()
def validate() -> None:
    """Check the simulator's claims on this machine."""


@validate.command()
@_file("--reference", "CSV with one (layer, array, dataflow) point per row.")
def scalesim(reference: Path) -> None:
    """Compare with SCALE-Sim's array cycles and scratchpad accesses, row by row."""
    from rooftile.validate.scalesim import validate_scalesim

    _report(validate_scalesim(reference))


@validate.command()
@click.argument("network")
@options.hardware
@options.asked
@options.split
@options.across
@options.mapping
@click.option("--seed", default=0, show_default=True, help="Seed of the random tensors.")
def program(
    network: str,
    hardware: str,
    asked: Asked,
    split: str,
    across: tuple[str, ...],
    mapping: Path | None,
    seed: int,
) -> None:
    """Execute every layer's program of NETWORK on random data and compare with NumPy."""
    from mapper.mapping_file import load_mappings
    from rooftile.sources import find_hardware, find_network
    from rooftile.validate.program import validate_program

    graph = find_network(network, asked)
    spec = find_hardware(hardware)
    mappings = load_mappings(mapping) if mapping is not None else None
    _report(validate_program(graph, spec, seed=seed, split=split, across=across, mappings=mappings))


@validate.command()
@click.argument("networks", nargs=-1)
@click.option(
    "--hw", "hardware", multiple=True, metavar="SPEC", help="Machine; may be given several times."
)
@click.option(
    "--within",
    type=click.FloatRange(0, 1000),
    default=3.0,
    show_default=True,
    metavar="PERCENT",
    help="How far the median layer of a network may be off.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of mappings.")
def engines(networks: tuple[str, ...], hardware: tuple[str, ...], within: float, seed: int) -> None:
    """Compare the analytical engine with the cycle engine on NETWORKS (all), layer by layer."""
    from accel.spec_file import preset_names
    from rooftile.sources import find_hardware, find_network
    from rooftile.validate.engines import suitable_dtype, validate_engines
    from workloads.loaders.asked import Asked
    from workloads.loaders.yaml import zoo_names

    specs = [find_hardware(name) for name in hardware or preset_names()]
    pairs = [
        (find_network(name, Asked(dtype=suitable_dtype(spec))), spec)
        for name in networks or zoo_names()
        for spec in specs
    ]
    with progress_line() as show:

        def row(line: str) -> None:
            if show:
                show("")
            click.echo(line)

        validation = validate_engines(
            pairs, within_percent=within, seed=seed, progress=show, row=row
        )
    _report(validation)


@validate.command()
@_file("--reference", "CSV with the best mapping found for one layer per row.")
def mapping(reference: Path) -> None:
    """Compare the best mappings with those that another mapper found, layer by layer."""
    from rooftile.validate.mapping import validate_mapping

    with progress_line() as show:
        validation = validate_mapping(reference, show and (lambda layer: show(f"mapping {layer}")))
    _report(validation)


@validate.command()
@_file("--reference", "CSV with one measured product per row.")
@click.option("--design", help="Timing model or YAML file for all rows.")
def designs(reference: Path, design: str | None) -> None:
    """Compare timing models with cycles that were measured on other people's RTL."""
    from rooftile.validate.designs import validate_designs

    _report(validate_designs(reference, design))


@validate.command()
@_file("--reference", "CSV with one replayed stream per row.")
@_file("--timings", "CSV with one configuration per row.")
@click.option(
    "--every", type=click.IntRange(1), default=1, show_default=True, help="Take each n-th row."
)
def dram(reference: Path, timings: Path, every: int) -> None:
    """Compare the DRAM controllers with DRAMsim3 and Ramulator 2.1, stream by stream."""
    from rooftile.validate.dram import validate_dram

    with progress_line() as progress:
        validation = validate_dram(reference, timings, every=every, progress=progress)
    _report(validation)


@validate.command()
@click.option("--array", type=_ARRAY, help="Array, such as 16x16 (random runs: several).")
@click.option("--dataflow", type=_DATAFLOW, help="Dataflow (by default all three).")
@click.option(
    "--registers",
    type=click.IntRange(1, 2),
    help="Registers of the stationary operand in a PE (by default both, one after another).",
)
@click.option("--gemm", type=_GEMM, help="One product, event by event.")
@click.option("--random", "number", type=click.IntRange(1, 100_000), help="So many products.")
@click.option("--seed", default=0, show_default=True, help="Seed of shapes and operands.")
@click.option("--simulator", type=click.Choice(["icarus", "verilator"]), help="Verilog simulator.")
def rtl(
    array: tuple[int, int] | None,
    dataflow: str | None,
    registers: int | None,
    gemm: tuple[int, int, int] | None,
    number: int | None,
    seed: int,
    simulator: str | None,
) -> None:
    """Compare the array's events and values with its Verilog, cycle by cycle."""
    from rooftile.validate.rtl import chosen_gemms, random_gemms, validate_rtl

    if gemm is not None and number is not None:
        raise click.UsageError("--gemm and --random exclude each other; leave one out.")
    runs = (
        random_gemms(number or 20, seed=seed, array=array, dataflow=dataflow, registers=registers)
        if gemm is None
        else chosen_gemms(gemm, array=array or (16, 16), dataflow=dataflow, registers=registers)
    )
    with progress_line() as progress:
        validation = validate_rtl(
            runs,
            seed=seed,
            shows_events=gemm is not None,
            simulator=simulator,
            progress=progress,
        )
    _report(validation)


def _report(validation: Validation) -> None:
    click.echo(validation.text)
    if not validation.passed:
        raise click.exceptions.Exit(options.DIFFERS)
