"""Text of every picture: none is cut off, none lies on other text, every axis has a unit."""

from __future__ import annotations

from typing import Any

import pytest
from matplotlib.figure import Figure

from accel.spec_file import load_preset
from reports.figures.capacity import capacity_traffic, draw_capacity_traffic
from reports.figures.cycles import cycle_stacks
from reports.figures.energy import energy_stacks
from reports.figures.energy_roofline import EnergyRoofline, draw_energy_roofline, energy_design
from reports.figures.machine_roofline import MachineRoofline, design_of_run
from reports.figures.pareto import draw_pareto_front, pareto_front
from reports.figures.peaks_file import load_peaks, published_path
from reports.figures.pes import draw_pe_grid, pe_grid
from reports.figures.roofline import draw_roofline
from reports.figures.shapes import array_shapes, draw_array_shapes
from reports.figures.stacks import draw_stacks
from reports.figures.timeline import draw_timeline, timeline_of
from reports.figures.tornado import draw_tornado, tornado_of
from reports.figures.utilization import draw_utilization, utilization
from rooftile.simulation import Result
from tests.reports.figures.pictured import assert_readable, pictured
from tests.reports.figures.tables import CAPACITY, FRONT, KNOBS, SHAPES, table
from tests.reports.runs import VIEWS, run, small, zoo_run

LONG = "an_extremely_long_name." * 6


def _roofline(*runs: Result, only_main: bool = False, name: str | None = None) -> Figure:
    designs = tuple(
        design_of_run(one.report, one.traces, only_main=only_main, name=name) for one in runs
    )
    return pictured(MachineRoofline(title="t" * 300, designs=designs), draw_roofline)


def _of(result: Result, kind: str) -> Figure:
    made: dict[str, tuple[Any, Any]] = {
        "cycles": (cycle_stacks, draw_stacks),
        "utilization": (utilization, draw_utilization),
        "energy": (energy_stacks, draw_stacks),
    }
    make, draw = made[kind]
    return pictured(make(result.report), draw)


RUNS = [("resnet18", "edge_32x32"), ("alexnet", "tpu_v1"), ("lenet", "mesh_64core")]


@pytest.mark.parametrize(("network", "hardware"), RUNS)
@pytest.mark.parametrize("kind", ["cycles", "utilization"])
def test_pictures_by_layer(network: str, hardware: str, kind: str) -> None:
    _check(_of(zoo_run(network, hardware), kind))


def test_energy_by_layer() -> None:
    _check(_of(zoo_run("resnet18", "edge_32x32"), "energy"))


def _check(figure: Figure) -> None:
    """Check that text can be read, and that every axis has a unit."""
    assert_readable(figure)
    labels = [axes.get_xlabel() + axes.get_ylabel() for axes in figure.axes]
    assert all("(" in label or "layer" in label for label in labels), labels


@pytest.mark.parametrize(("network", "hardware"), RUNS)
def test_rooflines_of_a_run(network: str, hardware: str) -> None:
    assert_readable(_roofline(zoo_run(network, hardware)))


@pytest.mark.parametrize("name", [None, LONG])
def test_rooflines_side_by_side(name: str | None) -> None:
    runs = [zoo_run("resnet18", hardware) for hardware in ("edge_32x32", "tpu_v4i_like")]
    assert_readable(_roofline(*runs, runs[0], only_main=True, name=name))


def test_the_published_roofline() -> None:
    design = load_peaks(published_path("tpu_v1"))
    figure = pictured(MachineRoofline(title="TPU v1", designs=(design,)), draw_roofline)
    assert_readable(figure)
    shown = {text.get_text() for text in figure.axes[0].texts}
    assert shown >= {"MLP0", "MLP1", "LSTM0", "LSTM1", "CNN0", "CNN1"}


def test_a_roofline_without_dots() -> None:
    assert_readable(_roofline(run(VIEWS, load_preset("edge_32x32"))))


def test_energy_rooflines() -> None:
    runs = [zoo_run("resnet18", hardware) for hardware in ("edge_32x32", "tpu_v4i_like")]
    designs = tuple(energy_design(one.report) for one in runs)
    assert_readable(pictured(EnergyRoofline(title="two", designs=designs), draw_energy_roofline))


@pytest.mark.parametrize(("network", "hardware"), RUNS)
def test_timelines(network: str, hardware: str) -> None:
    result = zoo_run(network, hardware)
    assert_readable(pictured(timeline_of(result.report, result.traces), draw_timeline))


def test_the_pe_grid() -> None:
    assert_readable(pictured(pe_grid(small().plan), draw_pe_grid))


def test_pictures_of_tables() -> None:
    assert_readable(pictured(pareto_front(table(FRONT), x="time_s", y="pj"), draw_pareto_front))
    assert_readable(pictured(tornado_of(table(KNOBS), "time_us"), draw_tornado))
    curves = capacity_traffic(table(CAPACITY), label="network")
    assert_readable(pictured(curves, draw_capacity_traffic))
    assert_readable(pictured(array_shapes(table(SHAPES), "time_us"), draw_array_shapes))


def test_names_of_any_length_and_with_dollars() -> None:
    knobs = KNOBS.replace("bandwidth", LONG.replace("_", "$")).replace("6.4GB/s", LONG)
    assert_readable(pictured(tornado_of(table(knobs), "time_us"), draw_tornado))
    front = FRONT.replace("b,", f"{LONG},").replace("c,", "$c^{$,")
    assert_readable(pictured(pareto_front(table(front), x="time_s", y="pj"), draw_pareto_front))
