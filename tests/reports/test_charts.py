"""Pictures: deterministic, in both formats, and right where it can be checked."""

from __future__ import annotations

from pathlib import Path

from accel.spec_file import load_preset
from reports.charts import write_roofline
from reports.roofline import make_roofline
from tests.reports.runs import VIEWS, run, small


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
