"""Works simulated side by side: several processes find what one finds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mapper.search.find import DEFAULT
from rooftile.simulation import simulate


def test_two_processes_simulate_what_one_simulates() -> None:
    shown: list[str] = []
    one, two = (
        simulate(
            "resnet18",
            "edge_32x32",
            options=replace(DEFAULT, processes=count),
            progress=shown.append,
        )
        for count in (1, 2)
    )
    assert sum(work.tile_count for work in one.plan.works) >= 1000, "that starts processes"
    assert str(one) == str(two)
    for mine, others in zip(one.traces, two.traces, strict=True):
        for piece, other in zip(mine, others, strict=True):
            assert piece.count == other.count
            assert piece.trace.end_fs == other.trace.end_fs
            assert np.array_equal(piece.trace["start_fs"], other.trace["start_fs"])
            assert np.array_equal(piece.trace["bytes"], other.trace["bytes"])
    simulated = [line for line in shown if line.startswith("simulating ")]
    assert len(simulated) == 2 * len(one.plan.works)
