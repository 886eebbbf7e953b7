"""Operators and shapes as a table names them."""

from __future__ import annotations

import pytest

from reports.labels import operator_label, shape_label
from workloads.loaders.yaml import parse_network


@pytest.mark.parametrize(
    ("shape", "layer", "operator", "label"),
    [
        ("[1, 8, 8, 4]", "op: conv, out: 6, kernel: 3", "conv", "8×8×4→6×6×6 k3"),
        ("[2, 9, 8, 4]", "op: conv, out: 6, kernel: [3, 1]", "conv", "2×9×8×4→2×7×8×6 k3×1"),
        (
            "[1, 8, 8, 4]",
            "op: conv, out: 4, kernel: 2, stride: 2, groups: 4",
            "depthwise conv",
            "8×8×4→4×4×4 k2 s2",
        ),
        ("[1, 8, 8, 4]", "op: conv, out: 6, kernel: 1, groups: 2", "conv g2", "8×8×4→8×8×6 k1"),
        ("[1, 8, 8, 4]", "op: max_pool, kernel: 2, stride: 2", "max pool", "8×8×4→4×4×4 k2 s2"),
        ("[2, 5, 16]", "op: linear, out: 7", "linear", "M10 N7 K16"),
        ("[2, 5, 16]", "op: softmax", "softmax", "2×5×16"),
        ("[2, 5, 16]", "op: relu", "relu", "2×5×16"),
        ("[2, 6]", "op: reshape, shape: [12]", "reshape", "2×6→12"),
    ],
)
def test_labels(shape: str, layer: str, operator: str, label: str) -> None:
    text = f"name: one\ninputs: {{data: {shape}}}\nlayers:\n  - {{name: it, {layer}}}\n"
    graph = parse_network(text, "test.yaml")
    assert operator_label(graph.layers[0]) == operator
    assert shape_label(graph, graph.layers[0]) == label
