"""Scans and the selective scan, against plain loops."""

from __future__ import annotations

import numpy as np
import pytest

from accel.spec_file import load_preset
from rooftile.simulation import simulate
from rooftile.validate.program import validate_program
from workloads.evaluate import evaluate
from workloads.graph import Graph
from workloads.loaders.yaml import parse_network, to_yaml
from workloads.random_values import random_tensors


def network(inputs: str, layer: str, dtype: str = "fp32") -> Graph:
    graph = parse_network(
        f"name: n\ndtype: {dtype}\ninputs: {{{inputs}}}\nlayers: [{{name: s, {layer}}}]", "a.yaml"
    )
    assert parse_network(to_yaml(graph), "resolved.yaml") == graph
    return graph


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_a_scan_is_a_recurrence_along_its_axis(axis: int) -> None:
    graph = network("a: [3, 4, 5], b: [3, 4, 5]", f"op: scan, axis: {axis}, inputs: [a, b]")
    assert graph.operations(graph.layers[0]) == 2 * 60
    values = random_tensors(graph, seed=0)
    expected = np.zeros((3, 4, 5))
    for place in np.ndindex(3, 4, 5):
        before = list(place)
        before[axis] -= 1
        state = expected[tuple(before)] if before[axis] >= 0 else 0
        expected[place] = values["a"][place] * state + values["b"][place]
    assert evaluate(graph, values)["s"] == pytest.approx(expected, rel=1e-5)


def test_an_int8_state_is_rounded_and_saturated_in_each_step() -> None:
    graph = network("a: [1, 4], b: [1, 4]", "op: scan, axis: 1, inputs: [a, b]", "int8")
    a = np.array([[16, 8, 32, -16]], dtype=np.int8)
    b = np.array([[5, 0, 120, 7]], dtype=np.int8)
    # 5; 8 · 5 / 16 is 2.5, rounded half up; 2 · 3 + 120 is 126; -126 + 7.
    assert evaluate(graph, {"a": a, "b": b})["s"].tolist() == [[5, 3, 126, -119]]
    assert evaluate(graph, {"a": a, "b": b * 0 + 100})["s"].tolist() == [[100, 127, 127, -27]]


SELECTIVE = "x: [2, 6, 3], t: [2, 6, 3], b: [2, 6, 4], c: [2, 6, 4]"


def test_a_selective_scan_moves_a_state_with_every_token() -> None:
    graph = network(SELECTIVE, "op: selective_scan, inputs: [x, t, b, c]")
    assert graph.total_parameters == 3 * 4
    assert graph.total_macs == 2 * 6 * 3 * 4
    values = random_tensors(graph, seed=1)
    values["s.decay_rate"] = -np.abs(values["s.decay_rate"])
    values["t"] = np.abs(values["t"])
    result = evaluate(graph, values)["s"]
    for inference in range(2):
        state = np.zeros((3, 4))
        for token in range(6):
            x, time, write, read = (values[name][inference, token] for name in "xtbc")
            decay = np.exp(time[:, np.newaxis] * values["s.decay_rate"])
            state = decay * state + np.outer(time * x, write)
            assert result[inference, token] == pytest.approx(state @ read, rel=1e-4, abs=1e-5)


def test_a_selective_scan_is_proved_and_simulated() -> None:
    graph = network(SELECTIVE, "op: selective_scan, inputs: [x, t, b, c]", "int8")
    spec = load_preset("edge_32x32")
    for across in ((), ("fusion", "residency")):
        validation = validate_program(graph, spec, seed=0, across=across)
        assert validation.passed, validation.text
    cycles = simulate(graph, spec).report.total_cycles
    assert simulate(graph, spec, engine="analytical").report.total_cycles == cycles
    assert simulate(graph, spec, across=("fusion",)).report.total_cycles < cycles
