"""``pytest --update-golden`` writes what the code gives now into the golden files.

What can't run here, such as tests that need a Verilog simulator, is said in the summary: one line
for each tool that is missing, with the command that installs it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.golden.golden import Golden

# A deadline would fail a test because the machine is busy with something else. Each run draws the
# same examples, so a change fails for what it does and not for its luck; `make laws` draws others.
settings.register_profile("rooftile", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, print_blob=True)
settings.load_profile("rooftile")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="Rewrite the golden files.")


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep tests, and processes that they start, away from the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Compares text with a file beside the test, or rewrites the file."""
    return Golden(
        folder=Path(request.path).parent, is_update=request.config.getoption("--update-golden")
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = Counter(report.longrepr[2].removeprefix("Skipped: ") for report in skipped)
    for reason, number in reasons.items():
        terminalreporter.write_line(f"{number} tests didn't run: {reason}", yellow=True)
