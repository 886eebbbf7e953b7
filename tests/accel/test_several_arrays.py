"""Several arrays: against every part counted one by one; never slower than one."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel.several_arrays import matmul_work
from accel.spec import ArraySpec
from accel.systolic import DATAFLOWS, ArrayWork
from accel.timing import TIMINGS

SIZES = st.tuples(st.integers(1, 6), *(st.integers(1, 70) for _ in range(3)))
COUNTS = ("folds", "mapped_pes", "input_reads", "weight_reads", "psum_reads", "psum_writes")


def array(count: int, dataflow: str, rows: int = 8, columns: int = 4) -> ArraySpec:
    return ArraySpec(
        rows=rows,
        columns=columns,
        dataflow=dataflow,
        timing=TIMINGS["rtl"],
        dtypes=("int8",),
        count=count,
    )


def work(spec: ArraySpec, sizes: tuple[int, ...], accumulate: int = 0) -> ArrayWork[int]:
    groups, m, n, k = sizes
    return matmul_work(spec, groups=groups, m=m, n=n, k=k, accumulate=accumulate)


def parts(size: int, grain: int, count: int) -> list[int]:
    """Return the parts of an axis, array by array: as many whole grains each as are needed."""
    grains = -(-size // grain)
    each = -(-grains // count) * grain
    found = []
    while size > 0:
        found.append(min(each, size))
        size -= each
    return found


def by_hand(count: int, dataflow: str, sizes: tuple[int, ...]) -> tuple[int, dict[str, int]]:
    """Return occupancy and counts of the best axis, each array's part on an array of its own."""
    flow, one = DATAFLOWS[dataflow], array(1, dataflow)
    names = ("groups", "M", "N", "K")
    best: tuple[int, dict[str, int]] | None = None
    for axis in ("N", "groups", "M"):
        grain = {flow.rows: one.rows, flow.columns: one.columns}.get(axis, 1)
        place = names.index(axis)
        works = [
            work(one, (*sizes[:place], part, *sizes[place + 1 :]))
            for part in parts(sizes[place], grain, count)
        ]
        cycles = max(each.timing.occupancy_cycles for each in works)
        if best is None or cycles < best[0]:
            best = cycles, {name: sum(getattr(w, name) for w in works) for name in COUNTS}
    assert best is not None
    return best


@given(sizes=SIZES, count=st.integers(2, 6), dataflow=st.sampled_from(sorted(DATAFLOWS)))
def test_each_array_does_its_part(sizes: tuple[int, ...], count: int, dataflow: str) -> None:
    found = work(array(count, dataflow), sizes)
    cycles, counts = by_hand(count, dataflow, sizes)
    assert found.timing.occupancy_cycles == cycles
    assert {name: getattr(found, name) for name in COUNTS} == counts


@given(sizes=SIZES, count=st.integers(1, 6), dataflow=st.sampled_from(sorted(DATAFLOWS)))
def test_more_arrays_are_never_slower(sizes: tuple[int, ...], count: int, dataflow: str) -> None:
    more, one = work(array(count, dataflow), sizes), work(array(1, dataflow), sizes)
    assert more.timing.occupancy_cycles <= one.timing.occupancy_cycles
    assert more.timing.latency_cycles <= one.timing.latency_cycles
    assert more.mapped_pes >= one.mapped_pes
    groups, m, n, k = sizes
    assert count * 32 * more.timing.latency_cycles >= groups * m * n * k


@given(rows=st.lists(SIZES, min_size=1, max_size=20), dataflow=st.sampled_from(sorted(DATAFLOWS)))
def test_arrays_of_numbers_give_what_numbers_give(
    rows: list[tuple[int, ...]], dataflow: str
) -> None:
    spec = array(4, dataflow)
    groups, m, n, k = np.array(rows).T
    together = matmul_work(spec, groups=groups, m=m, n=n, k=k, accumulate=np.zeros_like(m))
    for number, sizes in enumerate(rows):
        alone = work(spec, sizes)
        assert all(getattr(together, name)[number] == getattr(alone, name) for name in COUNTS)
        for field in fields(alone.timing):
            values = np.broadcast_to(getattr(together.timing, field.name), len(rows))
            assert values[number] == getattr(alone.timing, field.name)


@pytest.mark.parametrize("dataflow", sorted(DATAFLOWS))
def test_four_arrays_take_a_quarter_of_a_large_product(dataflow: str) -> None:
    sizes = (1, 640, 640, 640)
    one = work(array(1, dataflow), sizes).timing.occupancy_cycles
    four = work(array(4, dataflow), sizes).timing.occupancy_cycles
    assert one / 4 <= four < 1.02 * one / 4


def test_one_array_is_as_before() -> None:
    spec = array(1, "WS")
    assert spec.label == "8x4 WS"
    assert replace(spec, count=4).label == "4 of 8x4 WS"
    assert (spec.pes, replace(spec, count=4).pes) == (32, 128)
