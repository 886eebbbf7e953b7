"""`rooftile plot` and `rooftile roofline`: a picture with its data, or one clear message."""

from __future__ import annotations

import csv
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reports.files import read_summary
from rooftile.pictures import KINDS
from tests.reports.figures.tables import CAPACITY, FRONT, KNOBS, SHAPES
from tests.rooftile.command import Command

OF_RUN = ("cycles", "utilization", "pes", "timeline", "energy")
OF_TABLE = {
    "pareto": (FRONT, ("--x", "time_s", "--y", "pj")),
    "tornado": (KNOBS, ("--value", "time_us")),
    "capacity": (CAPACITY, ("--label", "network")),
    "shapes": (SHAPES, ("--value", "time_us")),
}
START = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with runs ``a`` of the cycle engine and ``b`` of the analytical one."""
    from rooftile.simulation import simulate

    folder = tmp_path_factory.mktemp("runs")
    simulate("lenet", "edge_32x32").write(folder / "a", plots=False)
    simulate("lenet", "tpu_v4i_like", engine="analytical").write(folder / "b", plots=False)
    return folder


def rows(path: str) -> list[dict[str, str]]:
    with Path(path).open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("kind", OF_RUN)
def test_pictures_of_a_run(rooftile: Command, runs: Path, kind: str) -> None:
    for name in ("one.png", "two.png"):
        done = rooftile("plot", runs / "a", kind, "-o", name)
        assert (done.status, done.err) == (0, "")
    assert done.out == "picture: two.png\ndata: two.csv\n"
    assert Path("one.png").read_bytes() == Path("two.png").read_bytes()
    assert Path("one.png").read_bytes().startswith(START[".png"])
    assert rows("one.csv") == rows("two.csv") != []


@pytest.mark.parametrize("kind", OF_TABLE)
def test_pictures_of_a_table(rooftile: Command, kind: str) -> None:
    text, options = OF_TABLE[kind]
    Path("table.csv").write_text(text)
    done = rooftile("plot", "table.csv", kind, *options, "-o", "out.svg")
    assert (done.status, done.err) == (0, "")
    assert Path("out.svg").read_bytes().startswith(START[".svg"])
    assert rows("out.csv")


def test_speed_ups_of_runs(rooftile: Command, runs: Path) -> None:
    assert rooftile("plot", runs / "a", runs / "b", "speedup", "-o", "s.png").status == 0
    total = rows("s.csv")[-1]
    a, b = (read_summary(runs / name)["time_fs"] for name in "ab")
    assert total["name"] == "total"
    assert float(total["tpu_v4i_like_speedup"]) == pytest.approx(a / b)


@pytest.mark.parametrize("suffix", START)
def test_every_format_is_the_same_twice(rooftile: Command, suffix: str) -> None:
    written = []
    for _ in range(2):
        done = rooftile("roofline", "tpu_v1", "-o", f"r{suffix}")
        assert (done.status, done.err) == (0, "")
        written.append(Path(f"r{suffix}").read_bytes())
    assert written[0] == written[1]
    assert written[0].startswith(START[suffix])


def test_runs_and_peaks_in_one_roofline(rooftile: Command, runs: Path) -> None:
    assert rooftile("roofline", runs / "a", runs / "b", "tpu_v1", "-o", "r.png").status == 0
    designs = {row["design"] for row in rows("r.csv")}
    assert designs == {"edge_32x32", "tpu_v4i_like", "TPU v1"}


def test_levels_of_a_roofline(rooftile: Command, runs: Path) -> None:
    found = {}
    for levels in ("all", "main"):
        rooftile("roofline", runs / "a", "--levels", levels, "-o", "r.png")
        found[levels] = {row["name"] for row in rows("r.csv") if row["kind"] == "bandwidth"}
    assert found["all"] == {"dram", "input", "weight", "psum", "output"}
    assert found["main"] == {"main memory"}


def test_the_roofline_of_energy(rooftile: Command, runs: Path) -> None:
    assert rooftile("roofline", runs / "a", "--energy", "-o", "e.png").status == 0
    assert {row["kind"] for row in rows("e.csv")} == {"arch", "dot"}


def test_runs_on_one_machine_go_by_their_folders(rooftile: Command, runs: Path) -> None:
    Path("again").symlink_to(runs / "a")
    assert rooftile("roofline", runs / "a", "again", "-o", "r.png").status == 0
    assert {row["design"] for row in rows("r.csv")} == {str(runs / "a"), "again"}


def test_a_users_settings_change_nothing(rooftile: Command) -> None:
    import matplotlib as mpl

    rooftile("roofline", "tpu_v1", "-o", "a.png")
    with mpl.rc_context({"font.size": 20, "savefig.bbox": "tight", "axes.facecolor": "black"}):
        rooftile("roofline", "tpu_v1", "-o", "b.png")
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("plot", "RUN", "cycle"),
            f"kind 'cycle': must be one of {', '.join(KINDS)}; did you mean 'cycles'?",
        ),
        (
            ("plot", "RUN", "roofline"),
            f"kind 'roofline': must be one of {', '.join(KINDS)}; rooftile roofline draws it",
        ),
        (
            ("plot", "nowhere", "cycles"),
            "folder 'nowhere': has no readable summary.json; give the folder of a finished run"
            " (`rooftile run NETWORK --hw SPEC -o FOLDER` makes one)",
        ),
        (
            ("plot", "nowhere", "RUN", "speedup"),
            "folder 'nowhere': has no readable summary.json; give the folder of a finished run"
            " (`rooftile run NETWORK --hw SPEC -o FOLDER` makes one)",
        ),
        (
            ("plot", "RUN", "RUN", "cycles"),
            "kind 'cycles': is made from 1 folder but 2 are given; leave others out",
        ),
        (
            ("plot", "nowhere", "nowhere", "speedup"),
            "input 'nowhere': is given twice; leave one out",
        ),
        (("roofline", "tpu_v1", "tpu_v1"), "input 'tpu_v1': is given twice; leave one out"),
        (("plot", "RUN", "speedup"), "speedup: compares 2 or more runs but 1 is given; give more"),
        (
            ("plot", "RUN", "cycles", "--x", "a"),
            "kind 'cycles': has no --x, which is for pareto; leave it out",
        ),
        (
            ("plot", "table.csv", "shapes", "--value", "b", "--label", "a"),
            "kind 'shapes': has no --label, which is for pareto and capacity; leave it out",
        ),
        (
            ("plot", "table.csv", "pareto", "--x", "time_s"),
            "kind 'pareto': needs --y; name a column of the table",
        ),
        (("plot", "nowhere.csv", "shapes", "--value", "a"), "nowhere.csv: no such file"),
        (
            ("plot", "table.csv", "shapes", "--value", "a"),
            "table.csv:1: column 'rows' is missing, there are name, time_s, pj",
        ),
        (
            ("plot", "OTHER", "timeline"),
            "timeline: the analytical engine doesn't know when units work; run it with --engine"
            " cycle into a new folder",
        ),
        (
            ("plot", "OTHER", "energy"),
            "the analytical engine doesn't count what crosses scratchpads; use the cycle engine",
        ),
        (
            ("roofline", "tpu_v2"),
            "'tpu_v2': isn't the folder of a finished run, a YAML file of peaks, or one that comes"
            " with Rooftile (tpu_v1); did you mean 'tpu_v1'?",
        ),
        (("roofline", "none.yaml"), "none.yaml: no such file"),
        (
            ("roofline", "."),
            "folder '.': has no readable summary.json; give the folder of a finished run"
            " (`rooftile run NETWORK --hw SPEC -o FOLDER` makes one)",
        ),
        (
            ("roofline", "bad.yaml"),
            "bad.yaml:2: peaks.array: '1TB/s': 'TB/s' isn't a unit of a performance (OP/s, kOP/s,"
            " MOP/s, GOP/s, TOP/s, POP/s, FLOP/s, kFLOP/s, MFLOP/s, GFLOP/s, TFLOP/s, PFLOP/s,"
            " MAC/s, kMAC/s, MMAC/s, GMAC/s, TMAC/s, PMAC/s); did you mean 'TOP/s'?",
        ),
        (
            ("roofline", "tpu_v1", "--energy"),
            "'tpu_v1': has no energies; --energy needs the folder of a finished run",
        ),
    ],
)
def test_what_is_wrong_is_said_and_nothing_written(
    rooftile: Command, runs: Path, arguments: tuple[str, ...], message: str
) -> None:
    Path("table.csv").write_text(FRONT)
    Path("bad.yaml").write_text("name: x\npeaks: {array: 1TB/s}\nbandwidths: {dram: 1GB/s}\n")
    before = sorted(Path().iterdir())
    given = [{"RUN": str(runs / "a"), "OTHER": str(runs / "b")}.get(a, a) for a in arguments]
    done = rooftile(*given, "-o", "out.png")
    assert (done.status, done.out) == (2, "")
    assert done.err == f"error: {message}\n"
    assert sorted(Path().iterdir()) == before


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (
            "out.jpg",
            "output 'out.jpg': its suffix must be .png, .svg or .pdf but is '.jpg'; rename it",
        ),
        ("out", "output 'out': its suffix must be .png, .svg or .pdf but is ''; rename it"),
        (
            "table.png",
            "output 'table.png': its data, 'table.csv', would replace what it is made from; choose"
            " another name",
        ),
    ],
)
def test_where_no_picture_can_go(rooftile: Command, output: str, message: str) -> None:
    Path("table.csv").write_text(SHAPES)
    done = rooftile("plot", "table.csv", "shapes", "--value", "time_us", "-o", output)
    assert (done.status, done.err) == (2, f"error: {message}\n")
    assert Path("table.csv").read_text() == SHAPES


def test_help_is_quick_and_imports_nothing_that_draws() -> None:
    code = (
        "import sys; from rooftile.cli import cli\n"
        "for args in (['--help'], ['plot', '--help'], ['roofline', '--help']):\n"
        "    cli.main(args, standalone_mode=False)\n"
        "assert not {'matplotlib', 'numpy', 'pydantic'} & set(sys.modules)\n"
    )
    times = []
    for _ in range(3):  # the least: others may be busy
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.3
