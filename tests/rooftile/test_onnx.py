"""ONNX files on the command line, and what their page says."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import onnx
import pytest

from foundation.errors import WorkloadError
from tests.rooftile.command import Command
from tests.workloads.onnx_models import model, node
from workloads.loaders.files import load_file
from workloads.loaders.onnx.operators import HANDLERS

PAGE = (Path(__file__).parents[2] / "workloads" / "loaders" / "ONNX.md").read_text()
LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"


def test_the_pages_commands_print_what_it_shows(rooftile: Command) -> None:
    shutil.copy(LIGHT / "light_resnet50.onnx", "resnet50.onnx")
    (block,) = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    (shown,) = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    commands = [line.removeprefix("$ rooftile ").split() for line in block.splitlines()]
    printed = [rooftile(*command) for command in commands]
    assert [outcome.status for outcome in printed] == [0, 0]
    assert printed[0].out.endswith(shown)
    assert "resnet50, batch 1, on edge_32x32" in printed[1].out


def test_the_page_names_every_operator() -> None:
    words = set(re.findall(r"\w+", PAGE))
    assert set(HANDLERS) <= words


def test_notes_are_in_every_report(rooftile: Command) -> None:
    nodes = [node("Asinh", ["x"], ["s"]), node("Exp", ["s"], ["y"])]
    onnx.save(model(nodes, {"x": ("batch", 8)}), "asinh.onnx")
    asked = ("asinh.onnx", "--batch", "2", "--allow-unknown-as-vector")
    note = "node 's' (Asinh) isn't known: taken as a function of the vector unit"
    assert f"note: {note}" in rooftile("counts", *asked).out
    assert json.loads(rooftile("counts", *asked, "--json").out)["notes"] == [note]
    run = rooftile("run", *asked, "--hw", "edge_32x32", "--dtype", "int8", "-o", "out")
    assert f"warning: {note}" in run.out
    assert f"note: {note}" in rooftile("explain", "out", "--layer", "y").out
    assert note in json.loads(Path("out/summary.json").read_text())["warnings"]
    without = rooftile("counts", *asked[:3])
    assert (without.status, without.out) == (2, "")
    assert without.err.startswith("error: asinh.onnx: node 's' (Asinh): operator 'Asinh' of domain")


def test_without_the_package_there_is_a_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(WorkloadError, match=re.escape("pip install 'rooftile[onnx]'")):
        load_file(Path("any.onnx"))
