"""LSTM and GRU, against PyTorch's equations written out."""

from __future__ import annotations

import numpy as np
import pytest

from foundation.numerics import Array
from rooftile.validate.program import validate_program
from tests.laws.machines import MACHINES
from workloads.evaluate import evaluate
from workloads.graph import Graph
from workloads.loaders.yaml import parse_network, to_yaml
from workloads.random_values import random_tensors


def recurrent(options: str, *, dtype: str = "fp32", extra: str = "") -> Graph:
    return parse_network(
        f"name: n\ndtype: {dtype}\ninputs: {{x: [2, 3, 4]{extra}}}\n"
        f"layers: [{{name: r, hidden: 5, {options}}}]",
        "a.yaml",
    )


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def lstm(values: dict[str, Array], prefix: str, h: Array, c: Array, order: list[int]) -> Array:
    found = np.zeros((2, 3, 5))
    for t in order:
        gates = values["x"][:, t] @ values[f"{prefix}.input.weight"]
        gates = gates + values[f"{prefix}.input.bias"] + values[f"{prefix}.0.state.bias"]
        gates = gates + h @ values[f"{prefix}.0.state.weight"]
        i, f, g, o = np.split(gates, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        found[:, t] = h
    return found


def gru(values: dict[str, Array], prefix: str, h: Array, order: list[int]) -> Array:
    found = np.zeros((2, 3, 5))
    for t in order:
        own = values["x"][:, t] @ values[f"{prefix}.input.weight"]
        own = own + values[f"{prefix}.input.bias"]
        state = h @ values[f"{prefix}.0.state.weight"] + values[f"{prefix}.0.state.bias"]
        (xr, xz, xn), (hr, hz, hn) = np.split(own, 3, axis=1), np.split(state, 3, axis=1)
        z = sigmoid(xz + hz)
        n = np.tanh(xn + sigmoid(xr + hr) * hn)
        h = (1 - z) * n + z * h
        found[:, t] = h
    return found


ZERO = np.zeros((2, 5))


@pytest.mark.parametrize("direction", ["forwards", "backwards"])
def test_an_lstm_is_that_of_pytorch(direction: str) -> None:
    graph = recurrent(f"op: lstm, direction: {direction}")
    assert graph.total_parameters == 4 * 5 * (4 + 5 + 2)
    assert graph.total_macs == 2 * 3 * 4 * 5 * (4 + 5)
    values = random_tensors(graph, seed=0)
    order = [0, 1, 2] if direction == "forwards" else [2, 1, 0]
    expected = lstm(values, "r", ZERO, ZERO, order)
    assert evaluate(graph, values)["r"] == pytest.approx(expected, abs=1e-5)


def test_a_gru_in_both_directions() -> None:
    graph = recurrent("op: gru, direction: both")
    assert graph.total_parameters == 2 * 3 * 5 * (4 + 5 + 2)
    values = random_tensors(graph, seed=0)
    both = [
        gru(values, f"r.{direction}", ZERO, order)
        for direction, order in (("forwards", [0, 1, 2]), ("backwards", [2, 1, 0]))
    ]
    expected = np.concatenate(both, axis=2)
    assert evaluate(graph, values)["r"] == pytest.approx(expected, abs=1e-5)


def test_a_first_state_may_be_given() -> None:
    graph = recurrent("op: lstm, inputs: [x, h, c]", extra=", h: [2, 1, 5], c: [2, 1, 5]")
    values = random_tensors(graph, seed=0)
    expected = lstm(values, "r", values["h"][:, 0], values["c"][:, 0], [0, 1, 2])
    assert evaluate(graph, values)["r"] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("options", ["op: lstm", "op: gru, direction: both, bias: false"])
@pytest.mark.parametrize("dtype", ["int8", "fp32"])
def test_programs_of_steps_that_share_weights_compute(options: str, dtype: str) -> None:
    graph = recurrent(options, dtype=dtype)
    assert parse_network(to_yaml(graph), "resolved.yaml") == graph
    for spec in MACHINES[:2]:
        validation = validate_program(graph, spec, seed=1, across=("fusion", "residency"))
        assert validation.passed, validation.text


def test_one_step_and_equal_work() -> None:
    text = "name: n\ninputs: {x: [1, 1, 4]}\nlayers: [{name: r, op: gru, hidden: 5}]"
    assert parse_network(text, "a.yaml").tensors["r"].shape == (1, 1, 5)


SHARED = """\
name: n
inputs: {x: [batch, 4], y: [batch, 4]}
layers:
  - {name: b, op: linear, input: y, out: 3, share: a}
  - {name: a, op: linear, input: x, out: 3, activation: relu}
  - {name: sum, op: add, inputs: [a, b]}
"""


def test_layers_may_share_parameters() -> None:
    graph = parse_network(SHARED, "a.yaml")
    assert graph.total_parameters == 4 * 3 + 3
    assert graph.layers[1].parameters == {"weight": "a.weight", "bias": "a.bias"}
    assert parse_network(to_yaml(graph), "resolved.yaml") == graph
    values: dict[str, Array] = {
        "x": np.zeros((1, 4), np.int8),
        "y": np.array([[16, 0, 0, 0]], np.int8),
        "a.weight": np.full((4, 3), 64, np.int8),
        "a.bias": np.array([0, 512, -512], np.int32),
    }
    result = evaluate(graph, values)
    assert result["a"].tolist() == [[0, 2, 0]]  # sums are shifted by 8
    assert result["b"].tolist() == [[4, 6, 2]]
