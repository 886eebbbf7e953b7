"""`rooftile report`: one page of a run's folder, or one clear message and nothing."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest

from reports.pages import PAGES
from rooftile.report import write_report
from rooftile.simulation import simulate
from tests.reports.runs import small
from tests.rooftile.command import Command

LARGEST_BYTES = 5_000_000


@pytest.fixture
def run(rooftile: Command) -> Path:
    """Return a run's folder in the folder of the command."""
    assert rooftile is not None
    return small().write(Path("run"), plots=False)


def views(page: str) -> list[dict[str, Any]]:
    text = Path(page).read_text(encoding="utf-8")
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
    return list(json.loads(data)["views"])


def test_it_writes_one_page(rooftile: Command, run: Path) -> None:
    done = rooftile("report", run, "-o", "page.html")
    assert (done.status, done.err) == (0, "")
    assert re.fullmatch(r"page: page\.html \(1\.\d MB\)\n", done.out)
    (view,) = views("page.html")
    assert view["title"] == "small on edge_32x32"
    assert [panel["kind"] for panel in view["panels"]] == [
        "roofline",
        "stacks",
        "timeline",
        "table",
    ]
    assert Path("page.html").stat().st_size < LARGEST_BYTES
    assert "<title>small on edge_32x32</title>" in Path("page.html").read_text()


def test_it_says_how_each_layer_is_mapped_as_explain_does(rooftile: Command, run: Path) -> None:
    rooftile("report", run, "-o", "page.html")
    mappings = views("page.html")[0]["mappings"]
    text = mappings["texts"][mappings["of_layer"][0]]
    assert "for " in text or "one matmul" in text
    explained = rooftile("explain", run, "--layer", "conv").out
    assert all(line.strip() in explained for line in text.splitlines())


def test_equal_folders_give_equal_pages(rooftile: Command, run: Path) -> None:
    Path("elsewhere").mkdir()
    shutil.copytree(run, "elsewhere/run")
    rooftile("report", run, "-o", "one.html")
    rooftile("report", "elsewhere/run", "-o", "two.html")
    assert Path("one.html").read_bytes() == Path("two.html").read_bytes()


@pytest.mark.parametrize(
    "options",
    [(), ("--engine", "analytical"), ("--across", "fusion,residency", "--objective", "dram")],
)
def test_its_command_runs_the_same_again(
    rooftile: Command, options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("two.yaml").write_text(
        "name: two\ninputs: {x: [batch, 8, 8, 4]}\nlayers:\n"
        "  - {name: conv, op: conv, out: 8, kernel: 3, padding: 1}\n"
        "  - {name: relu, op: relu}\n"
        "  - {name: more, op: conv, out: 8, kernel: 1}\n"
    )
    assert rooftile("run", "two.yaml", "--hw", "edge_32x32", *options, "-o", "run").status == 0
    assert rooftile("report", "run", "-o", "page.html").status == 0
    command = views("page.html")[0]["configuration"]["command"]
    monkeypatch.chdir("run")
    assert rooftile(*shlex.split(command)[1:]).status == 0
    for name in ("layers.csv", "network.yaml", "hardware.yaml", "mapping.yaml"):
        assert Path("../again", name).read_text() == Path(name).read_text()


def test_layers_that_run_together_and_several_cores(rooftile: Command) -> None:
    assert rooftile is not None
    for name, hardware, across in (("x", "edge_32x32", ["fusion"]), ("y", "npu_4core", [])):
        simulate("lenet", hardware, across=across).write(name, plots=False)
    assert rooftile("report", "x", "y", "-o", "page.html").status == 0
    first, second = views("page.html")
    assert [first["name"], second["name"]] == ["x", "y"]
    assert any("run together" in text for text in first["mappings"]["texts"])
    assert None not in first["mappings"]["of_layer"]
    units = next(panel for panel in second["panels"] if panel["kind"] == "timeline")["units"]
    assert any(unit.startswith("core3.") for unit in units)


def test_why_a_mapping_is_not_known_is_said(rooftile: Command, run: Path) -> None:
    summary = json.loads((run / "summary.json").read_text())
    summary["across"] = ["fusion"]
    summary["search"]["time_limit_s"] = 2
    (run / "summary.json").write_text(json.dumps(summary))
    rooftile("report", run, "-o", "page.html")
    mappings = views("page.html")[0]["mappings"]
    assert "its search had a time limit of 2 s" in mappings["without"]
    assert set(mappings["of_layer"]) == {None}


def test_its_size_is_what_it_returns(run: Path) -> None:
    size_bytes = write_report([run], Path("page.html"))
    assert Path("page.html").stat().st_size == size_bytes


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("none", "-o", "page.html"), "folder 'none': isn't a folder; `rooftile run NETWORK --hw"),
        (("run", "empty", "-o", "page.html"), "folder 'empty': has no readable summary.json; give"),
        (("run", "-o", "empty"), "output 'empty': is a folder; give the name of a file"),
        (("run", "-o", "none/page.html"), "output 'none/page.html': its parent"),
    ],
)
def test_errors(rooftile: Command, run: Path, arguments: tuple[str, ...], message: str) -> None:
    Path("empty").mkdir()
    done = rooftile("report", *arguments)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(f"error: {message}")
    assert not Path("page.html").exists()


@pytest.mark.parametrize("arguments", [("run",), ("-o", "page.html")])
def test_folder_and_output_must_be_given(rooftile: Command, arguments: tuple[str, ...]) -> None:
    done = rooftile("report", *arguments)
    assert (done.status, done.out) == (2, "")
    assert "Missing" in done.err


def test_the_pages_readme_shows_commands_that_run(rooftile: Command) -> None:
    Path("out").mkdir()
    (block,) = re.findall(r"```console\n(.*?)```", (PAGES / "README.md").read_text(), re.S)
    for line in block.splitlines():
        assert rooftile(*shlex.split(line.removeprefix("$ "))[1:]).status == 0, line
    assert len(views("both.html")) == 2
