"""Pictures: deterministic, in both formats, and right where it can be checked."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from accel.spec_file import load_preset
from reports.charts import write_roofline
from reports.roofline import make_roofline
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


@pytest.mark.parametrize("module", ["files", "tables", "explain", "timeline", "report"])
def test_matplotlib_and_pandas_are_imported_only_when_used(module: str) -> None:
    code = f"import sys, reports.{module}; print({{'matplotlib', 'pandas'}} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "set()\n"
