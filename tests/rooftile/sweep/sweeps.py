"""Sweeps that tests run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from rooftile.sweep.store import Results
from rooftile.sweep.sweep import Sweep
from rooftile.sweep.sweep_file import load_sweep

NETWORK = """\
name: gemm
inputs: {x: [64, 64]}
layers:
  - {name: fc, op: linear, out: 64}
"""

#: 24 points on two kinds of machine.
SMALL: dict[str, Any] = {
    "hardware": "edge_32x32",
    "networks": ["gemm.yaml"],
    "grid": {
        "array.rows": [16, 32],
        "memories.dram.bandwidth": {"from": "1GB/s", "to": "32GB/s", "factor": 2},
        "clock": ["500MHz", "1GHz"],
    },
}


def write(folder: Path, data: dict[str, Any], name: str = "small.sweep.yaml") -> Path:
    """Write a sweep's file, and its network beside it."""
    (folder / "gemm.yaml").write_text(NETWORK)
    path = folder / name
    path.write_text(yaml.safe_dump(data, sort_keys=False))
    return path


def loaded(folder: Path, data: dict[str, Any]) -> Sweep:
    """Return the sweep of a file with some data."""
    return load_sweep(write(folder, data))


def table(folder: Path) -> list[tuple[Any, ...]]:
    """Return all rows of a sweep's results."""
    results = Results(folder)
    rows = list(results.rows())
    results.close()
    return rows
