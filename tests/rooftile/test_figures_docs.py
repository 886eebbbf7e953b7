"""`reports/FIGURES.md`: its commands run, its pictures exist, its numbers are what it says."""

from __future__ import annotations

import csv
import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from accel.spec_file import load_preset
from mapper.search.find import SearchOptions
from reports.figures.peaks_file import load_peaks, published_path
from reports.report import Report
from rooftile.simulation import simulate
from tests.rooftile.command import Command

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "reports" / "FIGURES.md").read_text()
COMMANDS = [
    line.removeprefix("$ ")
    for block in re.findall(r"```console\n(.*?)```", TEXT, re.DOTALL)
    for line in block.splitlines()
]
TABLES = dict(re.findall(r"`(\w+\.csv)`, [^\n]*\n\n```csv\n(.*?)```", TEXT, re.DOTALL))
PEAKS, *SWEEPS = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
MOST_BYTES = 600_000


def test_every_command_runs_and_every_picture_has_one(rooftile: Command) -> None:
    """With a smaller network: what takes time isn't the point."""
    sweeps = dict(zip(("small.sweep.yaml", "sizes.sweep.yaml"), SWEEPS, strict=True))
    for name, text in {**TABLES, "chip.yaml": PEAKS, **sweeps}.items():
        Path(name).write_text(text.replace("[8, 16, 32, 64]", "[16, 32]"))
    for command in COMMANDS:
        done = rooftile(*shlex.split(command.replace("resnet18", "lenet"))[1:])
        assert (done.status, done.err) == (0, ""), command
    made = {path.name for path in Path().glob("*.png")}
    shown = {Path(name).name for name in re.findall(r"\]\(\.\./docs/figures/(.*?)\)", TEXT)}
    assert shown == made - {"chip.png"}
    for name in made:
        assert Path(name).with_suffix(".csv").stat().st_size, name


def test_the_gallery_is_small_and_complete() -> None:
    links = re.findall(r"\]\(([^)#]+)", TEXT)
    files = [(ROOT / "reports" / link).resolve() for link in links if "://" not in link]
    assert all(file.exists() for file in files)
    gallery = set((ROOT / "docs" / "figures").iterdir())
    assert gallery <= set(files)
    assert sum(file.stat().st_size for file in gallery) < MOST_BYTES


def test_the_table_of_tpu_v1() -> None:
    design = load_peaks(published_path("tpu_v1"))
    rows = re.findall(r"^\| (\w+\d) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \| (\d+)% \|", TEXT, re.M)
    assert len(rows) == len(design.points) == 6
    for (name, intensity, published, roof, share), point in zip(rows, design.points, strict=True):
        ours = design.attainable_ops_per_s(point.level, point.intensity_ops_per_byte)
        assert name == point.name
        assert float(intensity) == point.intensity_ops_per_byte / 2
        assert float(published) == pytest.approx(point.ops_per_s / 1e12)
        assert float(roof) == pytest.approx(ours / 1e12, abs=0.05)
        assert int(share) == round(100 * point.ops_per_s / ours)
    assert "| 1353 MAC/B |" in TEXT
    assert round(design.peak_ops_per_s / design.levels[0].bytes_per_s / 2) == 1353
    assert f"{load_preset('tpu_v1').peak_ops_per_s / 1e12:.1f} TOP/s" == "91.8 TOP/s"


def rows_of(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(TABLES[name].splitlines()))


def test_some_rows_of_the_tables_are_what_the_engine_gives() -> None:
    spec = load_preset("edge_32x32")

    def report(objective: str = "latency", **parts: object) -> Report:
        machine = replace(spec, **parts)  # type: ignore[arg-type]
        options = SearchOptions(objective=objective)
        return simulate("resnet18", machine, engine="analytical", options=options).report

    (base,) = [row for row in rows_of("knobs.csv") if row["knob"] == "base"]
    assert float(base["time_us"]) == report().time_fs / 1e9
    (shape,) = [row for row in rows_of("shapes.csv") if row["name"] == "64x64"]
    large = report(array=replace(spec.array, rows=64, columns=64))
    assert float(shape["time_us"]) == large.time_fs / 1e9
    row = rows_of("capacity.csv")[0]
    pads = tuple(
        replace(pad, capacity_bytes=int(row["capacity_bytes"]))
        if pad.name in ("input", "weight")
        else pad
        for pad in spec.scratchpads
    )
    works = [layer.work for layer in report("dram", scratchpads=pads).layers]
    assert int(row["dram_bytes"]) == sum(work.total_dram_bytes for work in works)
    assert int(row["compulsory_bytes"]) == sum(work.compulsory_bytes for work in works)
