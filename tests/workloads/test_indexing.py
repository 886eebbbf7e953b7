"""Gather, scatter, sorting and one-hot rows, against NumPy's own and plain loops."""

from __future__ import annotations

import numpy as np
import pytest

from accel.spec_file import load_preset
from accel.vector import vector_cycles, vector_operations
from foundation import numerics
from foundation.dtype import DTYPES
from foundation.functions import passes
from rooftile.simulation import simulate
from rooftile.validate.program import validate_program
from workloads.evaluate import evaluate
from workloads.graph import Graph
from workloads.loaders.yaml import parse_network, to_yaml
from workloads.random_values import random_tensors


def network(inputs: str, *layers: str, dtype: str = "fp32") -> Graph:
    text = "\n".join([f"name: n\ndtype: {dtype}\ninputs: {{{inputs}}}\nlayers:"])
    graph = parse_network(text + "".join(f"\n  - {{{layer}}}" for layer in layers), "a.yaml")
    assert parse_network(to_yaml(graph), "resolved.yaml") == graph
    return graph


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_a_gather_is_take(axis: int) -> None:
    graph = network(
        "x: [3, 4, 5], i: {shape: [2, 6], dtype: int32}",
        f"name: g, op: gather, axis: {axis}, inputs: [x, i]",
    )
    values = random_tensors(graph, seed=1)
    assert values["i"].max() == (3, 4, 5)[axis] - 1
    result = evaluate(graph, values)["g"]
    assert np.array_equal(result, np.take(values["x"], values["i"], axis=axis))
    assert graph.total_parameters == 0


def test_with_all_batch_axes_a_gather_is_take_along_axis() -> None:
    graph = network(
        "x: [3, 4, 5], i: {shape: [3, 4, 2], dtype: int32}",
        "name: g, op: gather, axis: 2, batch_axes: 2, inputs: [x, i]",
    )
    values = random_tensors(graph, seed=1)
    expected = np.take_along_axis(values["x"], values["i"], axis=2)
    assert np.array_equal(evaluate(graph, values)["g"], expected)


def test_a_batch_axis_has_indices_of_its_own_and_others_share_them() -> None:
    graph = network(
        "x: [2, 3, 4, 5], i: {shape: [2, 6], dtype: int32}",
        "name: g, op: gather, axis: 2, batch_axes: 1, inputs: [x, i]",
    )
    values = random_tensors(graph, seed=1)
    result = evaluate(graph, values)["g"]
    assert result.shape == (2, 3, 6, 5)
    for inference in range(2):
        expected = values["x"][inference][:, values["i"][inference]]
        assert np.array_equal(result[inference], expected)


@pytest.mark.parametrize("row", [(), (3,), (2, 3)])
@pytest.mark.parametrize("batch", [(), (2,)])
@pytest.mark.parametrize("dtype", ["int8", "fp32"])
def test_a_scatter_adds_each_update_to_its_row(
    dtype: str, batch: tuple[int, ...], row: tuple[int, ...]
) -> None:
    graph = network(
        f"x: {[*batch, 9, *row]}, i: {{shape: {[*batch, 9]}, dtype: int32}}",
        "name: s, op: scatter_add, out: 4, inputs: [x, i]",
        dtype=dtype,
    )
    values = random_tensors(graph, seed=2)
    expected = np.zeros((*batch, 4, *row))
    for place in np.ndindex(*batch, 9):
        expected[(*place[:-1], values["i"][place])] += values["x"][place]
    if dtype == "int8":
        expected = np.clip(expected, -128, 127)
    assert evaluate(graph, values)["s"] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("axis", [0, 1])
def test_a_sort_is_stable_and_descending(axis: int) -> None:
    graph = network(
        "x: [9, 11]",
        f"name: s, op: sort, axis: {axis}, input: x",
        f"name: a, op: argsort, axis: {axis}, input: x",
        f"name: v, op: top_k, k: 3, axis: {axis}, input: x",
        f"name: p, op: top_k, k: 3, axis: {axis}, result: indices, input: x",
        dtype="int8",
    )
    x = np.random.default_rng(0).integers(-2, 3, (9, 11)).astype(np.int8)
    results = evaluate(graph, {"x": x})
    expected = np.argsort(-x.astype(int), axis=axis, kind="stable")
    assert np.array_equal(results["a"], expected)
    assert np.array_equal(results["s"], np.flip(np.sort(x, axis=axis), axis=axis))
    first = (slice(None),) * axis + (slice(3),)
    assert np.array_equal(results["v"], results["s"][first])
    assert np.array_equal(results["p"], expected[first])


def test_argmax_is_row_major_over_its_axes_and_the_first_of_equals() -> None:
    graph = network(
        "x: [2, 3, 4]",
        "name: one, op: reduce, function: argmax, axes: [1], input: x",
        "name: two, op: reduce, function: argmax, axes: [0, 2], input: x",
    )
    values = random_tensors(graph, seed=3)
    values["x"][0, :, 0] = 7
    results = evaluate(graph, values)
    assert results["one"][0, 0] == 0
    assert np.array_equal(results["one"], values["x"].argmax(axis=1))
    assert np.array_equal(results["two"], values["x"].swapaxes(0, 1).reshape(3, 8).argmax(axis=1))


@pytest.mark.parametrize(("row", "stages"), [(1, 1), (2, 1), (3, 3), (4, 3), (8, 6), (1000, 55)])
def test_a_sort_takes_the_stages_of_a_bitonic_network(row: int, stages: int) -> None:
    unit = load_preset("edge_32x32").vector
    alone, sorting = (
        vector_cycles(unit, function=function, activation="identity", elements=32 * row, row=row)
        for function in ("max", "sort")
    )
    assert passes("sort", row) == stages
    assert sorting - unit.startup_cycles == stages * (alone - unit.startup_cycles)
    counted = vector_operations(function="argsort", activation="identity", elements=row, row=row)
    assert counted == stages * row
    graph = network(f"x: [2, {row}]", "name: s, op: sort, input: x")
    assert graph.operations(graph.layers[0]) == 2 * stages * row


def test_a_network_that_stages_a_choice_is_proved_and_simulated() -> None:
    graph = network(
        "scores: [2, 40], boxes: [2, 40, 4]",
        "name: best, op: top_k, k: 5, input: scores, result: indices",
        "name: kept, op: gather, axis: 1, batch_axes: 1, inputs: [boxes, best]",
        "name: class, op: reduce, function: argmax, axes: [-1], input: kept",
        "name: sums, op: scatter_add, out: 4, inputs: [kept, class]",
        dtype="int8",
    )
    spec = load_preset("edge_32x32")
    for across in ((), ("fusion", "residency")):
        validation = validate_program(graph, spec, seed=0, across=across)
        assert validation.passed, validation.text
    cycles = simulate(graph, spec).report.total_cycles
    assert simulate(graph, spec, engine="analytical").report.total_cycles == cycles


def test_what_an_index_moves_is_bounded_by_where_it_ends() -> None:
    graph = network(
        "t: {shape: [9], dtype: int32}, i: {shape: [3], dtype: int32}, x: [5, 2]",
        "name: moved, op: gather, inputs: [t, i]",
        "name: rows, op: gather, inputs: [x, moved]",
    )
    values = random_tensors(graph, seed=0)
    assert values["t"].max() < 5
    expected = values["x"][values["t"][values["i"]]]
    assert np.array_equal(evaluate(graph, values)["rows"], expected)


def test_equal_makes_ones_of_any_type() -> None:
    left, right = np.array([[1], [2]], dtype=np.int32), np.array([0, 1, 2], dtype=np.int32)
    expected = [[0, 16, 0], [0, 0, 16]]
    assert numerics.equal(left, right, DTYPES["int8"]).tolist() == expected
    assert numerics.equal(left, right, DTYPES["bf16"]).tolist() == [[0, 1, 0], [0, 0, 1]]


@pytest.mark.parametrize("shape", ["[24]", "[1, 24]", "[2, 3, 24]"])
@pytest.mark.parametrize(("count", "parts"), [(3, 2), (10, 4)])
@pytest.mark.parametrize("result", ["values", "indices"])
def test_rows_sorted_in_parts_have_the_same_best(
    shape: str, count: int, parts: int, result: str
) -> None:
    found = []
    for pieces in (1, parts):
        graph = parse_network(
            f"name: n\ninputs: {{x: {shape}}}\nlayers:\n"
            f"  - {{name: t, op: top_k, k: {count}, parts: {pieces}, result: {result}}}",
            "a.yaml",
        )
        drawn = np.random.default_rng(0).integers(-4, 4, graph.tensors["x"].shape)  # many equals
        values = {**random_tensors(graph, seed=0), "x": drawn.astype(np.int8)}
        found.append(evaluate(graph, values)["t"])
    whole, in_parts = found
    assert np.array_equal(whole, in_parts)
