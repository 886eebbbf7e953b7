"""What an installation gets: every package, and every file that they read."""

from __future__ import annotations

import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
ROOMS = [pattern.removesuffix("*") for pattern in SETUPTOOLS["packages"]["find"]["include"]]
#: What is for readers of the source, or made where it is built.
_NOT_INSTALLED = {".md", ".py", ".pyc", ".so", ".c"}


def files_of(room: str) -> list[Path]:
    return [path for path in (ROOT / room).rglob("*") if path.is_file()]


@pytest.mark.parametrize("room", ROOMS)
def test_every_folder_with_code_is_a_package(room: str) -> None:
    folders = {path.parent for path in files_of(room) if path.suffix == ".py"}

    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []


@pytest.mark.parametrize("room", ROOMS)
def test_every_file_that_is_read_is_installed(room: str) -> None:
    installed = [
        f"{package.replace('.', '/')}/{pattern}"
        for package, patterns in SETUPTOOLS["package-data"].items()
        for pattern in patterns
    ]
    left_out = [
        str(path.relative_to(ROOT))
        for path in files_of(room)
        if path.suffix not in _NOT_INSTALLED
        and "examples" not in path.parts
        and not any(fnmatch(str(path.relative_to(ROOT)), pattern) for pattern in installed)
    ]

    assert left_out == []
