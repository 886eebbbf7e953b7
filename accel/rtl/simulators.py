"""Verilog simulators: which are installed, and how they build and run a bench."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from foundation.errors import RooftileError, SimulationError

#: In the order in which one is chosen: Icarus builds faster, Verilator runs faster, and most runs
#: here are short.
SIMULATORS = ("icarus", "verilator")
HOW_TO_INSTALL = "apt-get install iverilog (or verilator 5)"

_PROGRAMS = {"icarus": "iverilog", "verilator": "verilator"}


def installed_simulators() -> list[str]:
    """Return the names of the simulators that can be run here, the preferred one first."""
    return [name for name in SIMULATORS if _is_usable(name)]


def _is_usable(name: str) -> bool:
    program = shutil.which(_PROGRAMS[name])
    if program is None or name == "icarus":
        return program is not None
    # Clocks made by delays need the scheduler that came with version 5.
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    found = re.match(r"Verilator (\d+)", version.stdout)
    return found is not None and int(found[1]) >= 5


def choose_simulator(name: str | None = None) -> str:
    """Return a simulator to use: the one asked for, or the first that is installed.

    Raises
    ------
    RooftileError
        It isn't installed, or none is.
    """
    installed = installed_simulators()
    if name is not None and name not in installed:
        raise RooftileError(f"Verilog simulator '{name}': isn't installed; {HOW_TO_INSTALL}")
    if not installed:
        raise RooftileError(f"no Verilog simulator is installed; {HOW_TO_INSTALL}")
    return name or installed[0]


def build_and_run(
    simulator: str, sources: Sequence[Path], parameters: Mapping[str, int], folder: Path
) -> None:
    """Build the module ``bench`` with these parameters and run it in ``folder``.

    Raises
    ------
    SimulationError
        The simulator refuses the sources, or the run fails: with its own words.
    """
    files = [str(source) for source in sources]
    if simulator == "icarus":
        values = [f"-Pbench.{name}={value}" for name, value in parameters.items()]
        _call(["iverilog", "-g2005", "-o", "bench.vvp", "-s", "bench", *values, *files], folder)
        _call(["vvp", "-N", "bench.vvp"], folder)
        return
    values = [f"-G{name}={value}" for name, value in parameters.items()]
    options = ["--binary", "--timing", "-O3", "-Wno-fatal", "-Wno-lint", "-Mdir", "build"]
    _call(["verilator", *options, "--top-module", "bench", *values, *files], folder)
    _call(["build/Vbench"], folder)


def lint(sources: Sequence[Path], parameters: Mapping[str, int], top: str) -> str:
    """Return what Verilator's lint says, all warnings on: nothing if all is well."""
    values = [f"-G{name}={value}" for name, value in parameters.items()]
    command = ["verilator", "--lint-only", "-Wall", "--top-module", top, *values]
    result = subprocess.run(
        [*command, *map(str, sources)], capture_output=True, text=True, check=False
    )
    return result.stdout + result.stderr


def _call(command: list[str], folder: Path) -> None:
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        said = (result.stderr or result.stdout).strip().splitlines()
        raise SimulationError(
            f"ended with status {result.returncode}: {said[0] if said else 'no message'}",
            unit=command[0],
            time="build" if command[0] in _PROGRAMS.values() else "run",
        )
