"""Which Verilog simulator the tests use."""

import pytest

from accel.rtl.simulators import HOW_TO_INSTALL, installed_simulators


@pytest.fixture(scope="session")
def simulator() -> str:
    """The first simulator that is installed; without one the summary says what didn't run."""
    installed = installed_simulators()
    if not installed:
        pytest.skip(f"no Verilog simulator is installed; {HOW_TO_INSTALL}")
    return installed[0]
