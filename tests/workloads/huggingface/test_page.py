"""The page about configurations says what is so."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.rooftile.command import Command
from workloads.loaders.huggingface.load import FAMILIES

PAGE = (Path(__file__).parents[3] / "workloads" / "loaders" / "HUGGINGFACE.md").read_text()


def test_the_table_names_all_families_and_classes() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (`.*) \|$", PAGE, re.MULTILINE))
    assert {name: re.findall(r"`(\w+)`", classes) for name, classes in rows.items()} == {
        name: list(family.heads) for name, family in FAMILIES.items()
    }


def test_commands_print_what_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    rooftile = Command(monkeypatch, capsys)
    (config,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    Path("llama3-8b.json").write_text(config)
    blocks = "\n".join(re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL))
    steps = re.findall(r"^\$ rooftile (.*)\n((?:(?:[^$\n].*)?\n)+)", blocks, re.MULTILINE)
    assert len(steps) == 5
    for command, shown in steps:
        done = rooftile(*shlex.split(command))
        assert done.status == 0
        assert shown.strip() in done.out


def test_bad_questions_end_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("package.json").write_text('{"name": "left-pad"}')
    done = Command(monkeypatch, capsys)("counts", "package.json")
    assert (done.status, done.out) == (2, "")
    assert done.err == (
        "error: package.json:1: isn't a Hugging Face configuration: key 'model_type' is missing,"
        " and no class in 'architectures' tells it; add it\n"
    )
