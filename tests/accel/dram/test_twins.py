"""The compiled modules and their plain-Python twins are one source and give one result."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import accel.dram

ROOT = Path(accel.dram.__file__).parents[2]

#: Loads the controllers from their sources, or as installed; then replays streams on all of them.
SCRIPT = """
import json, sys
from importlib.util import spec_from_file_location

class Sources:
    @staticmethod
    def find_spec(name, path, target=None):
        if not name.startswith("accel.dram."):
            return None
        return spec_from_file_location(name, f"accel/dram/{name.rpartition('.')[2]}.py")

if sys.argv[1] == "plain":
    sys.meta_path.insert(0, Sources)
from fractions import Fraction
from random import Random
import accel.dram.banks
from tests.accel.dram.test_controllers import CONTROLLERS, skipping
draw = Random(7)
result = {}
for name in CONTROLLERS:
    for writes in (0, 0.3, 1):
        stream = [
            (draw.random() < writes, draw.randrange(32), draw.randrange(3)) for _ in range(600)
        ]
        run = skipping(stream, name, Fraction(0))
        result[f"{name} {writes}"] = [run.accepted, run.finished]
print(json.dumps([accel.dram.banks.__file__, result]))
"""


def replayed(how: str) -> tuple[str, object]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, how], cwd=ROOT, capture_output=True, text=True, check=True
    )
    file, result = json.loads(done.stdout)
    return file, result


def test_compiled_and_plain_are_equal() -> None:
    plain_file, plain = replayed("plain")
    _, as_installed = replayed("as installed")
    assert plain_file.endswith("banks.py")
    assert plain == as_installed


def test_where_one_module_is_compiled_all_are() -> None:
    """A machine without a compiler has none; with one, none was forgotten."""
    folder = ROOT / "accel" / "dram"
    typed = {path.stem for path in folder.glob("*.pxd")}
    compiled = {p.name.split(".")[0] for p in folder.iterdir() if p.suffix in (".so", ".pyd")}
    assert compiled in (set(), typed)
