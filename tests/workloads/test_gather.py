"""Rows of computed tensors by index."""

from __future__ import annotations

import numpy as np
import pytest

from rooftile.sources import find_hardware
from rooftile.validate.program import validate_program
from workloads.evaluate import evaluate
from workloads.loaders.yaml import parse_network, to_yaml
from workloads.random_values import random_tensors

#: `made` is read by its activation, with which it could be one group, and by a gather.
TEXT = """
name: gathers
inputs:
  x: [24, 16]
  which: {shape: [9], dtype: int32}
  pool: [10, 32]
  pages: {shape: [2, 3], dtype: int32}
layers:
  - {name: made, op: linear, input: x, out: 16}
  - {name: act, op: relu, input: made}
  - {name: picked, op: gather, inputs: [made, which]}
  - {name: after, op: linear, input: picked, out: 8}
  - {name: rows, op: gather, inputs: [pool, pages]}
  - {name: squares, op: multiply, inputs: [rows, rows]}
  - {name: both, op: linear, input: act, out: 4}
  - {name: again, op: gather, inputs: [act, pages]}
"""
GRAPH = parse_network(TEXT, "gathers.yaml")


def test_a_gather_takes_rows() -> None:
    values = random_tensors(GRAPH, seed=2)
    assert 0 <= values["which"].min() <= values["which"].max() < 24
    assert values["pages"].max() < 10  # both tables that it indexes have as many rows
    found = evaluate(GRAPH, values)
    np.testing.assert_array_equal(found["picked"], found["made"][values["which"]])
    assert found["rows"].shape == (2, 3, 32)
    assert (GRAPH.total_parameters, GRAPH.total_macs) == (
        17 * (16 + 8 + 4),
        24 * 16 * 16 + 9 * 16 * 8 + 24 * 16 * 4,
    )


def test_what_is_sorted_is_drawn_from_its_whole_range() -> None:
    text = """
name: best_first
inputs: {scores: [64], pool: [64, 8]}
layers:
  - {name: order, op: argsort, input: scores}
  - {name: best, op: gather, inputs: [pool, order]}
"""
    values = random_tensors(parse_network(text, "best_first.yaml"), seed=3)
    assert values["scores"].min() < 0


@pytest.mark.parametrize("across", [(), ("fusion", "residency", "prefetch", "order")])
@pytest.mark.parametrize("hardware", ["edge_32x32", "edge_ddr4"])
def test_programs_gather(across: tuple[str, ...], hardware: str) -> None:
    validation = validate_program(GRAPH, find_hardware(hardware), seed=1, across=across)
    assert validation.passed, validation.text


def test_yaml_holds_it() -> None:
    assert parse_network(to_yaml(GRAPH), "again.yaml") == GRAPH
