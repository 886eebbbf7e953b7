"""The compiled analytical engine and its plain-Python twin are one source and give one result."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import mapper

ROOT = Path(mapper.__path__[0]).parent
#: Modules that are compiled.
MODULES = ("accel.replay", "mapper.strips", "mapper.tiling", "mapper.weave")

#: Loads them from their sources, or as installed; then prices networks.
SCRIPT = """
import json, sys
from importlib.util import spec_from_file_location

class Sources:
    @staticmethod
    def find_spec(name, path, target=None):
        if name not in sys.argv[2:]:
            return None
        return spec_from_file_location(name, name.replace(".", "/") + ".py")

if sys.argv[1] == "plain":
    sys.meta_path.insert(0, Sources)
import mapper.tiling
from accel.spec_file import load_preset
from mapper.pipeline import Pipeline
from mapper.planner import make_plan
from workloads.loaders.yaml import load_zoo
result = {}
for hardware in ("edge_32x32", "tpu_v1"):
    plan = make_plan(load_zoo("mobilenet_v2", dtype="int8"), load_preset(hardware))
    pipeline = Pipeline(plan.spec)
    for number, work in enumerate(plan.works):
        for (piece,), _ in work.distinct_rounds:
            cycles = pipeline.cycles(piece.kernels, piece.mappings)
            result[f"{hardware} {number}"] = cycles
print(json.dumps([mapper.tiling.__file__, result]))
"""


def priced(how: str) -> tuple[str, object]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, how, *MODULES],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    file, result = json.loads(done.stdout)
    return file, result


def test_compiled_and_plain_are_equal() -> None:
    plain_file, plain = priced("plain")
    _, as_installed = priced("as installed")
    assert plain_file.endswith("tiling.py")
    assert plain == as_installed


def test_where_one_module_is_compiled_all_are() -> None:
    """A machine without a compiler has none; with one, none was forgotten."""
    folders = (ROOT / "accel", ROOT / "mapper")
    typed = {path.stem for folder in folders for path in folder.glob("*.pxd")}
    compiled = {
        path.name.split(".")[0]
        for folder in folders
        for path in folder.iterdir()
        if path.suffix in (".so", ".pyd")
    }
    assert typed == {name.rpartition(".")[2] for name in MODULES}
    assert compiled in (set(), typed)
