"""The closed form against the array PE by PE: every event of every instruction, every value."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from accel.array_events import clocked, final_outputs, modelled
from accel.folds import Product
from accel.spec import ArraySpec
from tests.accel.arrays import array_spec, arrays, product, sequences


def assert_exact(products: list[Product], array: ArraySpec) -> None:
    result = clocked(products, array)
    assert modelled(products, array) == result.events
    for got, expected in zip(result.outputs, final_outputs(products), strict=True):
        assert np.array_equal(got, expected)


@settings(max_examples=3000)
@given(products=sequences(), array=arrays)
def test_closed_form_and_pes_agree(products: list[Product], array: ArraySpec) -> None:
    assert_exact(products, array)


@pytest.mark.parametrize("dataflow", ["WS", "OS", "IS"])
@pytest.mark.parametrize("registers", [1, 2])
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (3, 7), (12, 14), (32, 32)])
def test_large_and_ragged_arrays(dataflow: str, registers: int, rows: int, columns: int) -> None:
    rng = np.random.default_rng(rows)
    products = [product(rng, (1, 5, 40, 33)), product(rng, (2, 35, 3, 70), slot=1)]
    assert_exact(products, array_spec(rows, columns, dataflow, registers))


def test_a_long_sequence_of_folds_costs_its_inputs_alone() -> None:
    products = [product(np.random.default_rng(0), (1, 16, 16, 16 * 20))]
    result = clocked(products, array_spec(16, 16, "WS", 2))
    assert result.events[0].array_free == 20 * 16


@pytest.mark.parametrize("k", [[2, 9], [9, 2], [1, 1, 1], [20, 3, 20]])
def test_the_machine_accepts_instructions_when_the_array_does(k: list[int]) -> None:
    # A drain hides behind a long stream: what the machine's matrix unit must get right.
    rng = np.random.default_rng(1)
    array = array_spec(8, 4, "OS", 2)
    assert_exact([product(rng, (1, 5, 4, depth), slot=i) for i, depth in enumerate(k)], array)
