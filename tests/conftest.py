"""``pytest --update-golden`` writes what the code gives now into the golden files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.golden.golden import Golden


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="Rewrite the golden files.")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Compares text with a file beside the test, or rewrites the file."""
    return Golden(
        folder=Path(request.path).parent, is_update=request.config.getoption("--update-golden")
    )
