"""Resizing, against NumPy's own interpolation and repetition."""

from __future__ import annotations

import numpy as np
import pytest

from workloads.evaluate import evaluate
from workloads.graph import Graph
from workloads.loaders.yaml import parse_network, to_yaml
from workloads.random_values import random_tensors


def resized(size: str, options: str, dtype: str = "fp32") -> Graph:
    return parse_network(
        f"name: n\ndtype: {dtype}\ninputs: {{x: {size}}}\n"
        f"layers: [{{name: r, op: resize, {options}}}]",
        "a.yaml",
    )


@pytest.mark.parametrize("factor", [2, 3, 4, 5])
@pytest.mark.parametrize("size", [1, 2, 7])
def test_linear_interpolation_is_that_of_numpy(size: int, factor: int) -> None:
    graph = resized(f"[1, {size}, 2]", f"factor: {factor}, mode: linear")
    values = random_tensors(graph, seed=0)
    result = evaluate(graph, values)["r"]
    at = (np.arange(size * factor) + 0.5) / factor - 0.5
    for channel in range(2):
        expected = np.interp(at, np.arange(size), values["x"][0, :, channel])
        assert result[0, :, channel] == pytest.approx(expected, abs=1e-6)


def test_bilinear_is_one_axis_after_the_other() -> None:
    graph = resized("[2, 3, 4, 5]", "factor: [2, 3], mode: linear")
    assert [layer.name for layer in graph.layers] == ["r.0", "r"]
    assert graph.tensors["r"].shape == (2, 6, 12, 5)
    assert graph.total_parameters == 0
    values = random_tensors(graph, seed=0)
    columns = (np.arange(12) + 0.5) / 3 - 0.5
    rows = (np.arange(6) + 0.5) / 2 - 0.5
    image = values["x"][1, :, :, 3]
    wide = np.array([np.interp(columns, np.arange(4), row) for row in image])
    expected = np.array([np.interp(rows, np.arange(3), column) for column in wide.T]).T
    assert evaluate(graph, values)["r"][1, :, :, 3] == pytest.approx(expected, abs=1e-6)
    assert parse_network(to_yaml(graph), "resolved.yaml") == graph


def test_int8_rounds_once_for_each_axis() -> None:
    graph = resized("[1, 2, 1]", "factor: 2, mode: linear", "int8")
    values = random_tensors(graph, seed=0)
    assert values["r.weight"].tolist() == [[[0, 16, 0], [0, 12, 4]], [[4, 12, 0], [0, 16, 0]]]
    values["x"] = np.array([[[-3], [8]]], dtype=np.int8)
    # -3 · 3/4 + 8 / 4 = -0.25, and -3 / 4 + 8 · 3/4 = 5.25.
    assert evaluate(graph, values)["r"].reshape(-1).tolist() == [-3, 0, 5, 8]


def test_the_nearest_neighbour_is_a_repetition() -> None:
    graph = resized("[1, 2, 2, 1]", "factor: [1, 2]", "int8")
    values = {"x": np.array([1, 2, 3, 4], dtype=np.int8).reshape(1, 2, 2, 1)}
    result = evaluate(graph, values)["r"]
    assert result[0, :, :, 0].tolist() == [[1, 1, 2, 2], [3, 3, 4, 4]]
    assert graph.operations(graph.layers[0]) == 0
