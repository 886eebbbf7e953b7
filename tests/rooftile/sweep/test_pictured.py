"""Pictures of a sweep's folder, against its table."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from rooftile.sweep.pictured import SweptRows, swept_roofline
from rooftile.sweep.run import run_sweep
from tests.rooftile.command import Command
from tests.rooftile.sweep.sweeps import SMALL, loaded, table

DATA: dict[str, Any] = {
    **SMALL,
    "grid": {
        "array.rows": [16, 32],
        "array.columns": [16, 32],
        "memories.dram.bandwidth": ["6.4GB/s", "12.8GB/s", "25.6GB/s"],
    },
}


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a sweep that ran."""
    folder = tmp_path_factory.mktemp("sweep")
    run_sweep(loaded(folder, DATA), folder / "out")
    return folder / "out"


def drawn(rooftile: Command, *arguments: str | Path) -> list[dict[str, str]]:
    done = rooftile(*arguments, "-o", "shown.svg")
    assert (done.status, done.err) == (0, "")
    with Path("shown.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_pareto_front(rooftile: Command, swept: Path) -> None:
    rows = drawn(rooftile, "plot", swept, "pareto", "--x", "time", "--y", "array.rows")
    assert len(rows) == len(table(swept)) == 12
    pairs = [(float(row["time"]), float(row["array.rows"])) for row in rows]
    for row, (x, y) in zip(rows, pairs, strict=True):
        surpassed = any(a <= x and b <= y and (a, b) != (x, y) for a, b in pairs)
        assert (row["on_front"] == "no") == surpassed
    assert "16, 32, 12.8GB/s" in [row["name"] for row in rows]
    larger = drawn(rooftile, "plot", swept, "pareto", "--y", "inferences_per_s")
    best = max(float(row["inferences_per_s"]) for row in larger)
    assert {float(row["inferences_per_s"]) for row in larger if row["on_front"] == "yes"} == {best}


def test_a_tornado_leaves_the_base_along_one_axis(rooftile: Command, swept: Path) -> None:
    rows = {row["knob"]: row for row in drawn(rooftile, "plot", swept, "tornado")}
    times = {(row[6], row[7], row[8]): row[-4] for row in table(swept)}
    assert set(rows) == {"array.rows", "array.columns", "memories.dram.bandwidth"}
    own = [time for (r, c, _), time in times.items() if (r, c) == (32, 32)]
    assert float(rows["memories.dram.bandwidth"]["highest_time"]) == max(own)
    assert float(rows["array.rows"]["base_time"]) == times[32, 32, 12.8e9]
    assert rows["memories.dram.bandwidth"]["highest_setting"] == "6.4GB/s"


def test_shapes(rooftile: Command, swept: Path) -> None:
    where = ("--where", "memories.dram.bandwidth=12.8GB/s")
    rows = drawn(rooftile, "plot", swept, "shapes", *where, "--value", "cycles")
    found = {(int(row["rows"]), int(row["columns"])): float(row["cycles"]) for row in rows}
    assert found == {(r[6], r[7]): r[-5] for r in table(swept) if r[8] == 12.8e9}


def test_a_roofline_of_whole_networks(rooftile: Command, swept: Path) -> None:
    rows = drawn(rooftile, "roofline", swept, "--where", "array.columns=32")
    dots = [row for row in rows if row["kind"] == "dot"]
    assert len(dots) == 6
    assert {row["design"] for row in dots} >= {"rows 16, bandwidth 6.4GB/s"}
    operations = 2 * 64 * 64 * 64
    for dot in dots:
        near = [operations / row[-2] for row in table(swept)]
        assert any(float(dot["intensity_ops_per_byte"]) == pytest.approx(one) for one in near)
    for design in swept_roofline(SweptRows(swept)).designs:
        for one in design.points:
            roof = design.attainable_ops_per_s(one.level, one.intensity_ops_per_byte)
            assert one.ops_per_s <= roof * 1.01


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("plot", "pareto", "--x", "tim"), "did you mean 'time'"),
        (("plot", "pareto", "--y", "energy"), "'energy' wasn't asked for; add it to 'results'"),
        (("plot", "shapes"), "memories.dram.bandwidth differ, too, which the picture doesn't show"),
        (("plot", "capacity"), "no capacity is swept; name another with --x"),
        (("plot", "capacity", "--x", "array.rows"), "'compulsory_bytes' wasn't asked for"),
        (("plot", "cycles"), "isn't made from a sweep, of which there are pareto, tornado"),
        (("plot", "tornado", "--x", "time"), "kind 'tornado': has no --x, which is for pareto and"),
        (("plot", "pareto", "--where", "array.rows=5"), "no point is ok and meets --where"),
        (("roofline", "--energy"), "leave out other inputs, --energy and --levels"),
    ],
)
def test_mistakes(rooftile: Command, swept: Path, arguments: tuple[str, ...], message: str) -> None:
    failed = rooftile(arguments[0], swept, *arguments[1:], "-o", "out.png")
    assert failed.status == 2
    assert message in failed.err


def test_where_is_of_sweeps(rooftile: Command) -> None:
    Path("table.csv").write_text("name,a_s,b_s\nx,1,2\n")
    for command in (
        ("plot", "table.csv", "pareto", "--x", "a_s", "--y", "b_s"),
        ("roofline", "tpu_v1"),
    ):
        failed = rooftile(*command, "--where", "a=1", "-o", "out.png")
        assert failed.status == 2
        assert "--where" in failed.err
