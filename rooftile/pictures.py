"""`rooftile plot` and `rooftile roofline`: pictures of finished runs, and of tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from foundation.errors import OutputError, RooftileError, nearest
from rooftile.progress import progress_line

if TYPE_CHECKING:
    from reports.figures.energy_roofline import EnergyDesign
    from reports.figures.machine_roofline import Design
    from reports.figures.table import Table
    from rooftile.simulation import Result

_OUTPUT = click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="The picture's file: .png, .svg or .pdf; its data goes into a .csv beside it.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Which columns of a table are shown; None for those that aren't given."""

    x: str | None
    y: str | None
    value: str | None
    label: str | None
    maximized: frozenset[str]


#: What is shown, and what draws it.
Made = tuple[Any, Callable[..., None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of picture: how it is made from what, and which columns it needs and may have."""

    make: Callable[..., Made]
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()


def _cycles(run: Result) -> Made:
    from reports.figures.cycles import cycle_stacks
    from reports.figures.stacks import draw_stacks

    return cycle_stacks(run.report), draw_stacks


def _energy(run: Result) -> Made:
    from reports.figures.energy import energy_stacks
    from reports.figures.stacks import draw_stacks

    return energy_stacks(run.report), draw_stacks


def _utilization(run: Result) -> Made:
    from reports.figures.utilization import draw_utilization, utilization

    return utilization(run.report), draw_utilization


def _pes(run: Result) -> Made:
    from reports.figures.pes import draw_pe_grid, pe_grid

    return pe_grid(run.plan), draw_pe_grid


def _timeline(run: Result) -> Made:
    from reports.figures.timeline import draw_timeline, timeline_of

    return timeline_of(run.report, run.traces), draw_timeline


def _speedup(folders: Sequence[Path]) -> Made:
    from reports.figures.speedup import draw_speed_ups, read_times, speed_ups

    return speed_ups([read_times(folder) for folder in folders]), draw_speed_ups


def _pareto(table: Table, columns: Columns) -> Made:
    from reports.figures.pareto import draw_pareto_front, pareto_front

    assert columns.x is not None, "needed"
    assert columns.y is not None, "needed"
    shown = pareto_front(
        table, x=columns.x, y=columns.y, label=columns.label, maximized=columns.maximized
    )
    return shown, draw_pareto_front


def _tornado(table: Table, columns: Columns) -> Made:
    from reports.figures.tornado import draw_tornado, tornado_of

    assert columns.value is not None, "needed"
    return tornado_of(table, columns.value), draw_tornado


def _capacity(table: Table, columns: Columns) -> Made:
    from reports.figures.capacity import capacity_traffic, draw_capacity_traffic

    return capacity_traffic(table, label=columns.label), draw_capacity_traffic


def _shapes(table: Table, columns: Columns) -> Made:
    from reports.figures.shapes import array_shapes, draw_array_shapes

    assert columns.value is not None, "needed"
    return array_shapes(table, columns.value), draw_array_shapes


_OF_RUN = {
    "cycles": Kind(make=_cycles),
    "utilization": Kind(make=_utilization),
    "pes": Kind(make=_pes),
    "timeline": Kind(make=_timeline),
    "energy": Kind(make=_energy),
}
_OF_RUNS = {"speedup": Kind(make=_speedup)}
_OF_TABLE = {
    "pareto": Kind(make=_pareto, needs=("x", "y"), takes=("label", "maximize")),
    "tornado": Kind(make=_tornado, needs=("value",)),
    "capacity": Kind(make=_capacity, takes=("label",)),
    "shapes": Kind(make=_shapes, needs=("value",)),
}
KINDS = {**_OF_RUN, **_OF_RUNS, **_OF_TABLE}
#: The same pictures from the folder of a sweep: what isn't given has a default.
OF_SWEEP = {
    "pareto": Kind(make=_pareto, takes=("x", "y", "label", "maximize", "where")),
    "tornado": Kind(make=_tornado, takes=("value", "where")),
    "capacity": Kind(make=_capacity, takes=("x", "label", "where")),
    "shapes": Kind(make=_shapes, takes=("value", "where")),
}
_WHERE = click.option(
    "--where",
    multiple=True,
    metavar="COMPARISON",
    help="Of a sweep: points that are shown, such as 'clock=1GHz'; several must all hold.",
)


@click.command()
@click.argument(
    "inputs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="INPUT..."
)
@click.argument("kind")
@_OUTPUT
@_WHERE
@click.option("--x", metavar="COLUMN", help="Of a table, for pareto: along the x axis.")
@click.option("--y", metavar="COLUMN", help="Of a table, for pareto: along the y axis.")
@click.option("--value", metavar="COLUMN", help="Of a table, for tornado and shapes: the result.")
@click.option("--label", metavar="COLUMN", help="Of a table, for pareto and capacity: names.")
@click.option(
    "--maximize",
    multiple=True,
    type=click.Choice(["x", "y"]),
    help="For pareto: an axis on which more is better.",
)
def plot(
    inputs: tuple[Path, ...],
    kind: str,
    output: Path,
    where: tuple[str, ...],
    x: str | None,
    y: str | None,
    value: str | None,
    label: str | None,
    maximize: tuple[str, ...],
) -> None:
    """Draw a picture of KIND from INPUT: folders of finished runs, a sweep's, or a CSV table.

    Of a run: cycles, utilization, pes, timeline, energy. Of several: speedup, the first being the
    baseline. Of a table or a sweep: pareto, tornado, capacity, shapes.
    """
    from reports.figures.picture import check_picture, write_picture
    from rooftile.sweep.store import is_sweep

    _check_kind(kind, inputs)
    columns = Columns(x=x, y=y, value=value, label=label, maximized=frozenset(maximize))
    given = {"x": x, "y": y, "value": value, "label": label, "maximize": maximize, "where": where}
    of_sweep = is_sweep(inputs[0])
    _check_columns(kind, OF_SWEEP if of_sweep else KINDS, given)
    check_picture(output, inputs)
    if of_sweep:
        from rooftile.sweep.pictured import SweptRows, table_and_columns

        shown_table = table_and_columns(kind, SweptRows(inputs[0], where), columns)
        shown, draw = KINDS[kind].make(*shown_table)
    else:
        shown, draw = _made(kind, inputs, columns)
    write_picture(output, shown, draw)
    _say_where(output)


def _check_kind(kind: str, inputs: Sequence[Path]) -> None:
    if kind not in KINDS:
        hint = "; rooftile roofline draws it" if kind == "roofline" else nearest(kind, KINDS)
        raise RooftileError(f"kind '{kind}': must be one of {', '.join(KINDS)}{hint}")
    if kind not in _OF_RUNS and len(inputs) > 1:
        what = "table" if kind in _OF_TABLE else "folder"
        raise RooftileError(
            f"kind '{kind}': is made from 1 {what} but {len(inputs)} are given; leave others out"
        )
    _check_distinct(inputs)


def _check_distinct(inputs: Sequence[Any]) -> None:
    for one in inputs:
        if inputs.count(one) > 1:
            raise RooftileError(f"input '{one}': is given twice; leave one out")


def _check_columns(kind: str, all_kinds: dict[str, Kind], given: dict[str, Any]) -> None:
    if kind not in all_kinds:
        raise RooftileError(
            f"kind '{kind}': isn't made from a sweep, of which there are {', '.join(all_kinds)};"
            " give the folder of a run"
        )
    known = all_kinds[kind]
    for option, value in given.items():
        if option in known.needs and not value:
            raise RooftileError(f"kind '{kind}': needs --{option}; name a column of the table")
        if value and option not in (*known.needs, *known.takes):
            kinds = [k for k, one in all_kinds.items() if option in (*one.needs, *one.takes)]
            whose = " and ".join(kinds) or "sweeps"
            raise RooftileError(
                f"kind '{kind}': has no --{option}, which is for {whose}; leave it out"
            )


def _made(kind: str, inputs: Sequence[Path], columns: Columns) -> Made:
    make = KINDS[kind].make
    if kind in _OF_RUNS:
        return make(inputs)
    if kind in _OF_TABLE:
        from reports.figures.table import read_table

        return make(read_table(inputs[0]), columns)
    (result,) = _repeated(inputs)
    return make(result)


@click.command()
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@_OUTPUT
@click.option(
    "--levels",
    type=click.Choice(["all", "main"]),
    help="Every memory with a bandwidth, or main memories as one: by default all of one input, main"
    " of several.",
)
@click.option("--energy", is_flag=True, help="Operations per joule instead of per second.")
@_WHERE
def roofline(
    inputs: tuple[str, ...],
    output: Path,
    levels: str | None,
    energy: bool,
    where: tuple[str, ...],
) -> None:
    """Draw the roofline of INPUT: folders of finished runs, a sweep's, and YAML files of peaks.

    Several are compared in one picture, with a line between dots of the same layer; of a sweep its
    fastest machines, with dots of whole networks. tpu_v1 is a file of peaks that comes with
    Rooftile: the published roofline of TPU v1.
    """
    from reports.figures.energy_roofline import EnergyRoofline, draw_energy_roofline
    from reports.figures.machine_roofline import MachineRoofline
    from reports.figures.picture import check_picture, write_picture
    from reports.figures.roofline import draw_roofline
    from rooftile.sweep.store import is_sweep

    _check_distinct(inputs)
    check_picture(output, [Path(one) for one in inputs])
    if is_sweep(Path(inputs[0])):
        from rooftile.sweep.pictured import SweptRows, swept_roofline

        if len(inputs) > 1 or energy or levels:
            raise RooftileError(
                f"input '{inputs[0]}': is a sweep, of which there is one roofline of main memory;"
                " leave out other inputs, --energy and --levels"
            )
        write_picture(output, swept_roofline(SweptRows(Path(inputs[0]), where)), draw_roofline)
    elif where:
        raise RooftileError("--where: is for the folder of a sweep; leave it out")
    elif energy:
        shown, title = _energy_designs(inputs)
        drawn = EnergyRoofline(title=title, designs=tuple(shown))
        write_picture(output, drawn, draw_energy_roofline)
    else:
        only_main = levels == "main" or (levels is None and len(inputs) > 1)
        designs, title = _designs(inputs, only_main=only_main)
        found = MachineRoofline(title=title, designs=tuple(designs))
        write_picture(output, found, draw_roofline)
    _say_where(output)


def _designs(inputs: Sequence[str], *, only_main: bool) -> tuple[list[Design], str]:
    """Return the designs of runs and files of peaks, and a title."""
    from reports.figures.machine_roofline import design_of_run, run_title
    from reports.figures.peaks_file import load_peaks

    found = [Path(one) if Path(one).is_dir() else load_peaks(_peaks_path(one)) for one in inputs]
    runs = iter(_repeated([one for one in found if isinstance(one, Path)]))
    designs: list[Design] = []
    networks: list[str] = []
    for one in found:
        if isinstance(one, Path):
            run = next(runs)
            designs.append(design_of_run(run.report, run.traces, only_main=only_main))
            networks.append(run.report.network)
            title = run_title(run.report)
        else:
            designs.append(one)
            networks.append("")
            title = one.name
    if len(designs) > 1:
        title = _title(networks, [design.name for design in designs])
    return _distinct(designs, inputs), title


def _energy_designs(inputs: Sequence[str]) -> tuple[list[EnergyDesign], str]:
    """Return the designs of runs for the roofline of energy, and a title."""
    from reports.figures.energy_roofline import energy_design, energy_title

    for one in inputs:
        if not Path(one).is_dir():
            raise OutputError(
                f"'{one}': has no energies; --energy needs the folder of a finished run"
            )
    runs = _repeated([Path(one) for one in inputs])
    designs = [energy_design(run.report) for run in runs]
    if len(runs) == 1:
        return designs, energy_title(runs[0].report)
    networks = [run.report.network for run in runs]
    return _distinct(designs, inputs), _title(networks, [design.name for design in designs])


def _distinct(designs: Sequence[Any], inputs: Sequence[str]) -> list[Any]:
    """Return designs with names that differ: their inputs' where their own don't."""
    from dataclasses import replace

    from reports.figures.style import distinct_names

    names = distinct_names([design.name for design in designs], inputs)
    return [replace(one, name=name) for one, name in zip(designs, names, strict=True)]


def _title(networks: Sequence[str], machines: Sequence[str]) -> str:
    """Return what ran on which machines; of peaks alone the network is empty."""
    if len(set(networks)) == 1:
        on = f"{networks[0]} on " if networks[0] else ""
        return on + ", ".join(dict.fromkeys(machines))
    pairs = zip(networks, machines, strict=True)
    return ", ".join(f"{network} on {name}" if network else name for network, name in pairs)


def _peaks_path(given: str) -> Path:
    from reports.figures.peaks_file import published_names, published_path

    path, known = Path(given), published_names()
    if path.exists() or path.suffix in (".yaml", ".yml"):
        return path
    if given not in known:
        raise OutputError(
            f"'{given}': isn't the folder of a finished run, a YAML file of peaks, or one that"
            f" comes with Rooftile ({', '.join(known)}){nearest(given, known)}"
        )
    return published_path(given)


def _repeated(folders: Sequence[Path]) -> list[Result]:
    """Return runs, repeated, with what is going on on the terminal."""
    from rooftile.repeat import repeat_run

    results = []
    with progress_line() as show:
        for folder in folders:
            if show is not None:
                show(f"repeating {folder}")
            results.append(repeat_run(folder))
    return results


def _say_where(output: Path) -> None:
    from reports.figures.picture import data_path

    click.echo(f"picture: {output}\ndata: {data_path(output)}")
