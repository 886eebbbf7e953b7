"""No layer of the zoo takes more cycles than with the mappings of the first version.

``former_heuristic.csv`` has the simulated cycles of distinct layers as of commit 7bc2af4, whose
mapper scored a few thousand tilings of one level.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from accel.spec_file import load_preset
from rooftile.simulation import simulate
from workloads.loaders.yaml import load_zoo

ROWS = list(csv.DictReader((Path(__file__).parent / "former_heuristic.csv").open()))
NETWORKS = sorted({row["network"] for row in ROWS})
QUICK = ("resnet18", "bert_base")


@pytest.mark.parametrize("hardware", sorted({row["hardware"] for row in ROWS}))
@pytest.mark.parametrize(
    "network", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in NETWORKS]
)
def test_no_layer_is_slower_than_it_was(network: str, hardware: str) -> None:
    report = simulate(load_zoo(network), load_preset(hardware)).report
    own = [row for row in ROWS if (row["network"], row["hardware"]) == (network, hardware)]
    assert own
    for row in own:
        assert report.layer(row["layer"]).work.total_cycles <= int(row["cycles"]), row["layer"]
