"""SCALE-Sim's files on the command line: what its page tells a user to do, done as it says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import workloads
from tests.rooftile.command import Command

PAGE = (Path(workloads.__file__).parent / "loaders" / "SCALESIM.md").read_text()


def block(language: str) -> str:
    (text,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(text)


def test_the_page_does_what_it_says(rooftile: Command) -> None:
    Path("layers.csv").write_text(block("csv"))
    Path("scale.cfg").write_text(block("ini"))
    commands = [shlex.split(line.removeprefix("$ ")) for line in block("console").splitlines()]
    *ours, (cat, report) = commands
    assert cat == "cat"
    for command in ours:
        done = rooftile(*command[1:])
        assert (done.status, done.err) == (0, ""), command
    assert Path(report).read_text() == block("text")
    shown = rooftile("show", "scale.cfg")
    assert "timing: scalesim" in shown.out
    assert rooftile("explain", "out", "--layer", "FC").status == 0


def test_reports_need_a_folder(rooftile: Command) -> None:
    done = rooftile("run", "alexnet", "--hw", "tpu_v1", "--scalesim-reports")
    assert done.status == 2
    assert "--scalesim-reports writes into the folder of -o: name one" in done.err


def test_layers_without_products_are_not_in_the_report(rooftile: Command) -> None:
    done = rooftile(
        *("run", "lenet", "--hw", "edge_32x32", "-o", "out", "--no-plots", "--scalesim-reports")
    )
    assert done.status == 0
    lines = Path("out/COMPUTE_REPORT.csv").read_text().splitlines()
    assert [line.partition(",")[0] for line in lines] == ["LayerID", "0", "1", "2", "3"]


def test_a_missing_configuration_is_said(rooftile: Command) -> None:
    done = rooftile("run", "alexnet", "--hw", "none.cfg")
    assert (done.status, done.err) == (2, "error: none.cfg: no such file\n")
