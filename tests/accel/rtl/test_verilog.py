"""The Verilog against closed form, PEs and NumPy: every event and every value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from accel.array_events import clocked, final_outputs, modelled
from accel.folds import Product
from accel.rtl.bench import Case, run_cases
from accel.spec import ArraySpec
from rooftile.validate.rtl import random_gemms, validate_rtl
from tests.accel.arrays import array_spec, product

#: What `make rtl` runs: 540 products in six parts.
RUNS, PARTS = 540, 6


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_random_programs_are_exact(simulator: str, part: int) -> None:
    gemms = random_gemms(RUNS, seed=0)[part * RUNS // PARTS : (part + 1) * RUNS // PARTS]
    validation = validate_rtl(gemms, seed=0, simulator=simulator)
    assert validation.passed, validation.text
    assert validation.text.endswith(f"{RUNS // PARTS} runs, {RUNS // PARTS} exact")


def test_the_random_programs_cover_what_they_should() -> None:
    gemms = random_gemms(RUNS, seed=0)
    kinds = {(gemm.dataflow, gemm.registers) for gemm in gemms}
    assert kinds == {(flow, count) for flow in ("WS", "OS", "IS") for count in (1, 2)}
    arrays = {(gemm.rows, gemm.columns) for gemm in gemms}
    assert {(1, 1), (3, 7), (12, 14), (32, 32)} <= arrays
    extents = [size for gemm in gemms for size in (gemm.m, gemm.n, gemm.k)]
    assert min(extents) == 1
    assert max(extents) == 200


def exact(products: Sequence[Product], array: ArraySpec, simulator: str) -> None:
    (outcome,) = run_cases([Case(array=array, products=tuple(products))], simulator)
    assert outcome.failure == ""
    assert outcome.events == modelled(products, array)
    for got, expected in zip(outcome.outputs, final_outputs(products), strict=True):
        assert np.array_equal(got, expected)


@pytest.mark.parametrize("dataflow", ["WS", "OS", "IS"])
@pytest.mark.parametrize("registers", [1, 2])
def test_extreme_values_and_accumulation(simulator: str, dataflow: str, registers: int) -> None:
    low = Product(input=np.full((2, 5, 9), -128, np.int8), weight=np.full((2, 9, 6), -128, np.int8))
    high = replace(low, weight=np.full((2, 9, 6), 127, np.int8), accumulate=True)
    exact(
        [low, high, replace(low, accumulate=True)], array_spec(3, 4, dataflow, registers), simulator
    )


@pytest.mark.parametrize("depths", [[2, 9], [9, 2], [1, 1, 1], [20, 3, 20]])
@pytest.mark.parametrize("registers", [1, 2])
def test_a_drain_hides_behind_a_long_stream(
    simulator: str, depths: list[int], registers: int
) -> None:
    rng = np.random.default_rng(1)
    products = [product(rng, (1, 5, 4, depth), slot=i) for i, depth in enumerate(depths)]
    exact(products, array_spec(8, 4, "OS", registers), simulator)


@pytest.mark.parametrize(("inputs", "cycles"), [(16, 16), (40, 40), (5, 16)])
def test_double_buffered_folds_cost_their_inputs(simulator: str, inputs: int, cycles: int) -> None:
    """At the physical limit: with T >= R, F folds hold the array for F · T cycles."""
    folds = 30
    products = (product(np.random.default_rng(0), (1, inputs, 16, 16 * folds)),)
    case = Case(array=array_spec(16, 16, "WS", 2), products=products)
    (outcome,) = run_cases([case], simulator)
    assert outcome.events[0].array_free == folds * cycles


@pytest.mark.slow
def test_a_large_array(simulator: str) -> None:
    # One fold: Icarus needs minutes to build and run 16,384 PEs.
    products = [product(np.random.default_rng(0), (1, 2, 100, 120))]
    exact(products, array_spec(128, 128, "WS", 2), simulator)


def test_ports_equal_those_of_the_pes(simulator: str) -> None:
    rng = np.random.default_rng(3)
    products = (product(rng, (1, 7, 5, 9)), product(rng, (1, 7, 5, 3), accumulate=True))
    for dataflow in ("WS", "OS"):
        array = array_spec(3, 4, dataflow, 2)
        (outcome,) = run_cases([Case(array=array, products=products)], simulator, logs_results=True)
        expected = clocked(products, array).ports
        for name in ("ready", "accepted", "load", "stream", "valid"):
            assert np.array_equal(getattr(outcome.ports, name), getattr(expected, name)), name
        assert outcome.ports.results is not None
        valid = expected.valid
        assert expected.results is not None
        assert np.array_equal(outcome.ports.results[valid], expected.results[valid])
