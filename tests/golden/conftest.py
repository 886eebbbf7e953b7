"""``pytest tests/golden --update-golden`` writes what the code gives now."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="Rewrite the golden files.")


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    # Without a default it would fail when pytest starts above this folder.
    return bool(request.config.getoption("--update-golden", default=False))
