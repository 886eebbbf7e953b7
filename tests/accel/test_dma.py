"""Runs and transactions of DMA transfers: against every byte, one by one."""

from __future__ import annotations

from itertools import product

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from accel.dma import Transfer, contiguous_runs, transactions
from isa.instruction import Access, Gather, Operand

BOX = st.lists(st.tuples(st.integers(1, 5), st.integers(0, 40)), min_size=1, max_size=4)


def every_byte(base: int, box: list[tuple[int, int]], element_bytes: int) -> set[int]:
    return {
        base + sum(i * stride for i, (_, stride) in zip(place, box, strict=True)) + byte
        for place in product(*(range(extent) for extent, _ in box))
        for byte in range(element_bytes)
    }


@given(box=BOX, base=st.integers(0, 200), element_bytes=st.sampled_from([1, 2, 4]))
def test_runs_are_the_bytes_of_the_box(
    box: list[tuple[int, int]], base: int, element_bytes: int
) -> None:
    strides = tuple(stride * element_bytes for _, stride in box)
    access = Access(space=0, base=base, strides=strides)
    runs = contiguous_runs(access, tuple(extent for extent, _ in box), element_bytes)
    found = {start + byte for start in runs.starts.tolist() for byte in range(runs.size_bytes)}
    scaled = [(extent, stride * element_bytes) for extent, stride in box]
    assert found == every_byte(base, scaled, element_bytes)


@given(box=BOX, base=st.integers(0, 200), burst=st.sampled_from([1, 8, 32, 64]))
def test_transactions_hold_the_bytes_and_nothing_else(
    box: list[tuple[int, int]], base: int, burst: int
) -> None:
    access = Access(space=0, base=base, strides=tuple(stride for _, stride in box))
    runs = contiguous_runs(access, tuple(extent for extent, _ in box), 1)
    numbers = transactions(runs, burst)
    assert set(numbers.tolist()) == {byte // burst for byte in every_byte(base, box, 1)}
    assert (np.diff(numbers) != 0).all()


def test_a_box_of_padding_alone_asks_for_one_burst() -> None:
    access = Access(space=0, base=130, strides=(64, 1))
    numbers = transactions(contiguous_runs(access, (0, 8), 1), 64)
    assert numbers.tolist() == [2]


def test_dimensions_go_from_the_largest_stride_to_the_smallest() -> None:
    access = Access(space=0, base=1000, strides=(1, 4, 64))
    runs = contiguous_runs(access, (4, 3, 2), 1)
    assert runs.size_bytes == 12
    assert runs.starts.tolist() == [1000, 1064]


def test_a_burst_that_two_rows_share_is_moved_once() -> None:
    access = Access(space=0, base=60, strides=(100, 1))
    numbers = transactions(contiguous_runs(access, (2, 8), 1), 64)
    assert numbers.tolist() == [0, 1, 2]
    near = Access(space=0, base=0, strides=(16, 1))
    assert transactions(contiguous_runs(near, (8, 8), 1), 64).tolist() == [0, 1]


def test_a_gather_reads_rows_of_its_table() -> None:
    gather = Gather(
        table=Access(space=0, base=512, strides=(64, 2)),
        indices=Access(space=1, base=0, strides=(4,)),
        destination=Access(space=1, base=0, strides=(64, 2)),
        rows=1000,
        row_elements=32,
        table_rows=50,
        element_bytes=2,
        operand=Operand.WEIGHT,
        tag=0,
    )
    runs = Transfer(0, gather).runs()
    assert runs.size_bytes == 64
    assert set(((runs.starts - 512) // 64).tolist()) == set(range(50))
    assert Transfer(0, gather).runs().starts.tolist() == runs.starts.tolist()
