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


def test_the_pages_search_space_is_searched(rooftile: Command) -> None:
    (space,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    Path("space.json").write_text(space)
    text = "hardware: edge_32x32\nnetworks: [dqn]\nspace: space.json\n"
    Path("own.sweep.yaml").write_text(text)
    (options,) = re.findall(r"`(--engines estimate.*?)`", PAGE)
    done = rooftile(
        *("optimize", "own.sweep.yaml", "-o", "out", "--trials", "4", "--sampler", "random"),
        *shlex.split(options),
    )
    assert done.status == 0, done.err
    assert "4 by estimate, 2 by analytical, 1 by cycle" in done.out


@pytest.mark.parametrize("path", sorted((FOLDER / "examples").glob("*.sweep.yaml")), ids=str)
def test_shipped_sweeps_are_valid(path: Path) -> None:
    assert load_sweep(path).axes
