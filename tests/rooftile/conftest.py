"""Every test of the command line starts in an empty folder."""

from pathlib import Path

import pytest

from tests.rooftile.command import Command


@pytest.fixture
def rooftile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    monkeypatch.chdir(tmp_path)
    return Command(monkeypatch, capsys)
