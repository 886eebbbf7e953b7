"""The page of the format: its example, and the sweeps that are shipped."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from rooftile.sweep.sweep_file import load_sweep
from tests.rooftile.command import Command

FOLDER = Path(__file__).parents[3] / "rooftile" / "sweep"
PAGE = (FOLDER / "FORMAT.md").read_text()


def test_the_pages_commands_run(rooftile: Command) -> None:
    examples = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    files = ("array_shapes.sweep.yaml", "edge_45nm.yaml", "small.sweep.yaml")
    for name, example in zip(files, examples, strict=True):
        Path(name).write_text(example)
    Path("out").mkdir()
    blocks = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    for line in "".join(blocks).splitlines():
        command = line.removeprefix("$ rooftile ").partition(">")[0]
        done = rooftile(*shlex.split(command))
        assert done.status == 0, done.err


@pytest.mark.parametrize("path", sorted((FOLDER / "examples").glob("*.sweep.yaml")), ids=str)
def test_shipped_sweeps_are_valid(path: Path) -> None:
    assert load_sweep(path).axes
