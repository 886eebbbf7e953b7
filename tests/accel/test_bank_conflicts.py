"""Bank conflicts against a loop over cycles and elements."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from math import ceil, inf, prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel.bank_conflicts import (
    Vectors,
    conflict_cycles,
    edge_dimension,
    matmul_conflicts,
    vector_conflicts,
)
from accel.spec import ArraySpec, BankSpec
from accel.systolic import DATAFLOWS
from accel.timing import TIMINGS


def banked(banks: int, width: int = 4, ports: int = 1, bandwidth: float | None = None) -> BankSpec:
    most = banks * ports * width if bandwidth is None else bandwidth
    return BankSpec(
        banks=banks, ports=ports, width_bytes=width, bandwidth_bytes_per_cycle=float(most)
    )


def cycles_of(banks: BankSpec, addresses: list[int], element_bytes: int) -> int:
    """Return the conflict cycles of one vector, byte by byte."""
    words = {
        (address + byte) // banks.width_bytes
        for address in addresses
        for byte in range(element_bytes)
    }
    asked = [sum(word % banks.banks == bank for word in words) for bank in range(banks.banks)]
    least = max(1, ceil(len(addresses) * element_bytes / banks.bandwidth_bytes_per_cycle))
    return max(0, max(ceil(count / banks.ports) for count in asked) - least)


def places(loops: tuple[tuple[int, int], ...]) -> list[int]:
    """Return the offsets of some loops, the last one's fastest."""
    steps = product(*(range(extent) for extent, _ in loops))
    strides = [stride for _, stride in loops]
    return [sum(i * s for i, s in zip(step, strides, strict=True)) for step in steps]


def loop_over_cycles(banks: BankSpec, vectors: Vectors) -> int:
    offsets, total = places(vectors.across), 0
    for step in places(vectors.steps):
        for low in range(0, len(offsets), vectors.lanes):
            chosen = offsets[low : low + vectors.lanes]
            addresses = [vectors.start + step + offset for offset in chosen]
            total += cycles_of(banks, addresses, vectors.element_bytes)
    return total


some_loops = st.lists(st.tuples(st.integers(1, 5), st.integers(0, 40)), max_size=3).map(tuple)


@given(
    banks=st.integers(1, 9),
    width=st.sampled_from([1, 2, 4, 8, 12]),
    ports=st.integers(1, 3),
    share=st.sampled_from([1.0, 0.5, 0.3]),
    across=some_loops,
    lanes=st.integers(1, 20),
    steps=some_loops,
    element_bytes=st.sampled_from([1, 2, 4]),
    start=st.integers(0, 30),
)
def test_the_closed_form_equals_a_loop_over_cycles_and_elements(
    banks: int, width: int, ports: int, share: float, across: tuple[tuple[int, int], ...],
    lanes: int, steps: tuple[tuple[int, int], ...], element_bytes: int, start: int,
) -> None:  # fmt: skip
    spec = banked(banks, width, ports, banks * width * ports * share)
    vectors = Vectors(across, lanes, steps, element_bytes, start)
    assert conflict_cycles(spec, vectors) == loop_over_cycles(spec, vectors)


def array(dataflow: str, rows: int = 4, columns: int = 3) -> ArraySpec:
    return ArraySpec(
        rows=rows, columns=columns, dataflow=dataflow, timing=TIMINGS["rtl"], dtypes=("int8",)
    )


def fold_by_fold(
    arrays: ArraySpec, banks: BankSpec, operand: str, sizes: dict[str, int],
    strides: dict[str, int], element_bytes: int, accumulate: bool,
) -> int:  # fmt: skip
    """Return the conflict cycles of a product, fold by fold and step by step."""
    flow = DATAFLOWS[arrays.dataflow]
    edge = edge_dimension(arrays, operand)
    has = {"input": "MK", "weight": "KN", "psum": "MN"}[operand]
    other = has.replace(edge, "")
    grain = {flow.rows: arrays.rows, flow.columns: arrays.columns}
    total = 0
    folds = [range(0, sizes[d], grain.get(d, sizes[d])) for d in "MNK"]
    for lows in product(*folds):
        low = dict(zip("MNK", lows, strict=True))
        high = {d: min(low[d] + grain.get(d, sizes[d]), sizes[d]) for d in "MNK"}
        times = 1
        if operand == "psum":  # written, and read unless nothing is there
            times = 2 if accumulate or low["K"] > 0 else 1
        for step in range(low[other], high[other]):
            base = step * strides[other]
            vector = [base + i * strides[edge] for i in range(low[edge], high[edge])]
            total += times * cycles_of(banks, vector, element_bytes)
    return total


@given(
    dataflow=st.sampled_from(["OS", "WS", "IS"]),
    operand=st.sampled_from(["input", "weight", "psum"]),
    sizes=st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 9)),
    strides=st.tuples(st.integers(1, 30), st.integers(1, 30)),
    banks=st.integers(1, 6),
    accumulate=st.booleans(),
)
def test_a_product_reads_its_operands_fold_by_fold(
    dataflow: str, operand: str, sizes: tuple[int, int, int], strides: tuple[int, int],
    banks: int, accumulate: bool,
) -> None:  # fmt: skip
    arrays, spec = array(dataflow), banked(banks, 2, 1, inf)
    by_name = dict(zip("MNK", sizes, strict=True))
    has = {"input": "MK", "weight": "KN", "psum": "MN"}[operand]
    by_step = {**dict.fromkeys("MNK", 0), **dict(zip(has, strides, strict=True))}
    m, n, k = sizes
    found = matmul_conflicts(
        spec, array=arrays, operand=operand, extents=((), (m,), (n,), (k,)),
        strides=tuple(by_step[d] for d in "MNK"), element_bytes=1, accumulate=accumulate,
    )  # fmt: skip
    if operand == "psum" and DATAFLOWS[dataflow].output_stationary:
        by_name["K"] = 1  # sums stay in the PEs until they are finished
    expected = fold_by_fold(arrays, spec, operand, by_name, by_step, 1, accumulate)
    assert found == expected


def down(banks: BankSpec, stride: int) -> int:
    """Return the conflict cycles of 16 bytes in vectors of 4."""
    return vector_conflicts(
        banks, lanes=4, shape=(16,), strides=(stride,), reduced=0, element_bytes=1
    )


def test_a_column_of_a_row_major_tile_lies_in_one_bank() -> None:
    assert down(banked(banks=4, width=4), stride=16) == 4 * 3
    assert down(banked(banks=4, width=4), stride=20) == 0


def test_a_port_more_halves_a_bank_and_equal_words_are_read_once() -> None:
    assert down(banked(4, ports=2), stride=16) == 4 * 1
    assert down(banked(4), stride=0) == 0


def test_lanes_lie_along_what_is_not_reduced() -> None:
    spec = banked(banks=4, width=1)
    found = [
        vector_conflicts(spec, lanes=4, shape=(4, 9), strides=strides, reduced=1, element_bytes=1)
        for strides in ((1, 4), (4, 1))
    ]
    assert found == [0, 9 * 3]


def test_more_banks_never_conflict_more() -> None:
    vectors = Vectors(((32, 7),), 8, ((5, 3),), 2)
    found = [conflict_cycles(banked(2**n, 4, 1, inf), vectors) for n in range(6)]
    assert found == sorted(found, reverse=True)
    assert found[-1] < found[0]
    assert prod(found) == 0


def test_a_scratchpads_banks_give_its_bandwidth() -> None:
    from accel.spec_file import load_preset
    from foundation.errors import SpecError

    pad = load_preset("edge_32x32").scratchpads[0]
    message = r"64 B/cycle but 8 banks x 1 ports x 4 B give 32; lower the bandwidth or add banks"
    with pytest.raises(SpecError, match=message):
        replace(pad, banks=8, width_bytes=4)
    assert replace(pad, banks=16, width_bytes=4).bank_model == banked(16, 4)
