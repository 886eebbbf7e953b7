"""A run's roofline: deterministic, in both formats, and right where it can be checked."""

from __future__ import annotations

import subprocess
import sys
import warnings
from itertools import combinations
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from accel.spec_file import load_preset
from reports.figures.run_roofline import write_roofline
from reports.roofline import Roofline, make_roofline
from rooftile.simulation import Result
from tests.reports.runs import DRAWN, VIEWS, run, small, zoo_run


def test_equal_rooflines_are_equal_bytes_in_both_formats(tmp_path: Path) -> None:
    roofline = make_roofline(small().report)
    for name in ("a", "b"):
        write_roofline(roofline, [tmp_path / f"{name}.png", tmp_path / f"{name}.svg"])
    for suffix in ("png", "svg"):
        first = (tmp_path / f"a.{suffix}").read_bytes()
        assert first == (tmp_path / f"b.{suffix}").read_bytes()
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    svg = (tmp_path / "a.svg").read_text()
    assert "<svg" in svg
    assert "<dc:date>" not in svg


def test_a_roofline_without_dots_is_still_a_picture(tmp_path: Path) -> None:
    roofline = make_roofline(run(VIEWS, load_preset("edge_32x32")).report)
    write_roofline(roofline, [tmp_path / "empty.png"])
    assert (tmp_path / "empty.png").stat().st_size > 0


@pytest.mark.parametrize("hardware", ["tpu_v1", "tpu_v4i_like"])
@pytest.mark.parametrize("network", DRAWN)
def test_networks_are_drawn_without_warnings(network: str, hardware: str, tmp_path: Path) -> None:
    roofline = make_roofline(zoo_run(network, hardware).report)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_roofline(roofline, [tmp_path / "roofline.svg"])
    assert (tmp_path / "roofline.svg").stat().st_size > 0


def pictured(result: Result, monkeypatch: pytest.MonkeyPatch) -> tuple[Roofline, Figure]:
    """Return a run's roofline, and its picture with everything in its place."""
    figures: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: figures.append(figure))
    roofline = make_roofline(result.report)
    write_roofline(roofline, [Path("unwritten.png")])
    return roofline, figures[0]


@pytest.mark.parametrize("network", ["resnet50", "gpt2", "dlrm"])
def test_names_of_dots_cover_no_other(network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    roofline, figure = pictured(zoo_run(network, "tpu_v1"), monkeypatch)
    labels = {dot.label for dot in roofline.dots}
    boxes = {
        text.get_text(): text.get_window_extent()
        for text in figure.axes[0].texts
        if text.get_text() in labels
    }
    assert max(roofline.dots, key=lambda dot: dot.time_share).label in boxes
    assert not any(a.padded(1).overlaps(b) for a, b in combinations(boxes.values(), 2))


@pytest.mark.parametrize("moves", [False, True])
def test_the_legend_accounts_for_all_of_the_time(
    moves: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    roofline, figure = pictured(small() if moves else zoo_run("resnet50", "tpu_v1"), monkeypatch)
    legend = figure.axes[0].get_legend()
    assert legend is not None
    *_, last = (text.get_text() for text in legend.get_texts())
    without = 1 - sum(dot.time_share for dot in roofline.dots)
    assert (without >= 0.005) == moves
    assert (last == f"without a dot: {without:.0%} of the time") == moves


FIGURES = sorted(
    path.stem for path in (Path(__file__).parents[3] / "reports" / "figures").glob("[a-z]*.py")
)
MODULES = ["files", "tables", "explain", "timeline", "report", *(f"figures.{n}" for n in FIGURES)]


def test_matplotlib_and_pandas_are_imported_only_when_used() -> None:
    imports = ", ".join(f"reports.{module}" for module in MODULES)
    code = f"import sys, {imports}; print({{'matplotlib', 'pandas'}} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "set()\n"
