"""The bursts that tiles take of a DRAM, against counting them."""

from __future__ import annotations

import numpy as np
import pytest

from accel.spec_file import load_preset
from foundation.dtype import DTYPES
from mapper.held import burst_factor
from mapper.nest import Nests
from mapper.operators import kernels_of
from tests.laws.draft import Draft
from workloads.layers import Linear

BURST = 64  # bytes, DDR4: 8 beats of 64 bits


def factor(dtype: str, k: int, tile_m: int, tile_k: int, hardware: str = "edge_ddr4") -> float:
    """Return bus bytes for each byte of the input's tiles, of a product with a long M."""
    draft = Draft(DTYPES[dtype])
    draft.add(Linear(out_features=8, bias=False), [draft.add_input((1000, k))])
    graph = draft.graph()
    (kernel,) = kernels_of(graph, graph.layers[0])
    nests = Nests(kernel, (0, 1, 2), np.array([[tile_m], [8], [tile_k]]))
    found = burst_factor(kernel.inputs[0], nests, 3, load_preset(hardware))
    return 1.0 if found is None else float(found.max())


def counted(run: int, element: int) -> float:
    """Return the bus bytes for each byte of runs that begin at any element of a burst."""
    starts = range(0, BURST, element)
    bursts = [(start + run - 1) // BURST + 1 for start in starts]
    return BURST * sum(bursts) / len(bursts) / run


@pytest.mark.parametrize("element", [1, 2])
@pytest.mark.parametrize("run", [16, 48, 100, 130])
def test_short_runs_take_the_bursts_that_counting_them_gives(element: int, run: int) -> None:
    dtype = {1: "int8", 2: "bf16"}[element]
    found = factor(dtype, k=1001, tile_m=10, tile_k=run // element)
    assert found == pytest.approx(counted(run, element))


def test_runs_and_pitches_of_whole_bursts_take_no_more() -> None:
    assert factor("int8", k=1024, tile_m=10, tile_k=128) == 1.0
    assert factor("int8", k=1000, tile_m=10, tile_k=128) > 1.4
    assert factor("int8", k=1024, tile_m=10, tile_k=100) > 1.6


def test_rows_that_follow_each_other_are_one_run() -> None:
    assert factor("int8", k=64, tile_m=10, tile_k=64) == 1.0
    assert factor("int8", k=40, tile_m=16, tile_k=40) == pytest.approx(1.0, abs=0.1)


def test_a_memory_of_bandwidth_and_latency_has_no_bursts() -> None:
    assert factor("int8", k=1001, tile_m=10, tile_k=3, hardware="edge_32x32") == 1.0
