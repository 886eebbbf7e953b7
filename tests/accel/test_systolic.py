"""The array's closed form against what it is derived from, and against itself on arrays."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel.systolic import DATAFLOWS, ArrayWork, array_work
from accel.timing import TIMINGS, larger, smaller

sides = st.integers(1, 40)
extents = st.integers(1, 200)


def work(
    flow: str, timing: str, rows: int, columns: int, m: int, n: int, k: int, accumulate: int = 0
) -> ArrayWork[int]:
    return array_work(
        rows=rows,
        columns=columns,
        dataflow=DATAFLOWS[flow],
        timing=TIMINGS[timing],
        groups=1,
        m=m,
        n=n,
        k=k,
        accumulate=accumulate,
    )


@pytest.mark.parametrize(
    ("flow", "fold_cycles"),
    [("OS", 100 + 16 + 8 - 2), ("WS", 2 * 16 + 8 + 50 - 2), ("IS", 2 * 16 + 8 + 60 - 2)],
)
def test_scalesim_folds_run_one_after_another(flow: str, fold_cycles: int) -> None:
    folds = {"OS": 4 * 8, "WS": 7 * 8, "IS": 7 * 7}[flow]
    result = work(flow, "scalesim", 16, 8, m=50, n=60, k=100)
    assert result.folds == folds
    assert result.timing.occupancy_cycles == result.timing.latency_cycles == folds * fold_cycles


def test_folds_cost_the_longer_of_stream_and_preload() -> None:
    result = work("WS", "rtl", 16, 8, m=50, n=60, k=100)
    assert result.timing.occupancy_cycles == 56 * 50
    assert result.timing.latency_cycles == 55 * 50 + 16 + 50 + 16 + 8 - 1
    short = work("WS", "rtl", 16, 8, m=5, n=60, k=100)
    assert short.timing.occupancy_cycles == 56 * 16


def _by_hand(flow: str, rows: int, columns: int, m: int, n: int, k: int) -> dict[str, int]:
    """Count folds, PEs and accesses by walking over every fold."""
    sizes = {"M": m, "N": n, "K": k}
    axes = DATAFLOWS[flow]
    counts = dict.fromkeys(["folds", "mapped", "input", "weight", "psum"], 0)
    for row in range(0, sizes[axes.rows], rows):
        for column in range(0, sizes[axes.columns], columns):
            part = {
                axes.rows: min(rows, sizes[axes.rows] - row),
                axes.columns: min(columns, sizes[axes.columns] - column),
                axes.time: sizes[axes.time],
            }
            counts["folds"] += 1
            counts["mapped"] += part[axes.rows] * part[axes.columns]
            counts["input"] += part["M"] * part["K"]
            counts["weight"] += part["K"] * part["N"]
            counts["psum"] += part["M"] * part["N"]
    return counts


@given(flow=st.sampled_from(["OS", "WS", "IS"]), r=sides, c=sides, m=extents, n=extents, k=extents)
def test_counts_equal_a_walk_over_the_folds(
    flow: str, r: int, c: int, m: int, n: int, k: int
) -> None:
    result = work(flow, "rtl", r, c, m, n, k)
    expected = _by_hand(flow, r, c, m, n, k)
    assert result.folds == expected["folds"]
    assert result.mapped_pes == expected["mapped"]
    assert result.input_reads == expected["input"]
    assert result.weight_reads == expected["weight"]
    assert result.psum_writes == expected["psum"]
    assert result.psum_reads == expected["psum"] - m * n
    assert work(flow, "rtl", r, c, m, n, k, accumulate=1).psum_reads == expected["psum"]


@given(flow=st.sampled_from(["OS", "WS", "IS"]), r=sides, c=sides, m=extents, n=extents, k=extents)
def test_no_model_is_faster_than_its_macs(
    flow: str, r: int, c: int, m: int, n: int, k: int
) -> None:
    for timing in TIMINGS:
        result = work(flow, timing, r, c, m, n, k)
        assert result.timing.occupancy_cycles * r * c >= m * n * k
        assert result.timing.latency_cycles >= result.timing.occupancy_cycles


@given(st.lists(st.tuples(extents, extents, extents), min_size=1, max_size=20))
def test_arrays_give_what_integers_give(shapes: list[tuple[int, int, int]]) -> None:
    columns = np.array(shapes, dtype=np.int64).T
    together = array_work(
        rows=12,
        columns=14,
        dataflow=DATAFLOWS["WS"],
        timing=TIMINGS["rtl"],
        groups=np.ones(len(shapes), dtype=np.int64),
        m=columns[0],
        n=columns[1],
        k=columns[2],
        accumulate=np.zeros(len(shapes), dtype=np.int64),
    )
    single = [work("WS", "rtl", 12, 14, *shape) for shape in shapes]
    assert together.timing.latency_cycles.tolist() == [one.timing.latency_cycles for one in single]
    assert together.psum_reads.tolist() == [one.psum_reads for one in single]


@given(st.integers(0, 10**12), st.integers(0, 10**12))
def test_larger_is_max_and_smaller_is_min(a: int, b: int) -> None:
    assert larger(a, b) == max(a, b)
    assert smaller(a, b) == min(a, b)
