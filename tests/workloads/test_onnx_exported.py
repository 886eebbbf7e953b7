"""What PyTorch's ONNX exporter writes besides: lists, picked elements, names, folded arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import ModelProto

from foundation.errors import WorkloadError
from foundation.numerics import Array
from tests.workloads.onnx_models import check, model, node, read

SIGNATURE = """
# inputs
p_c_weight: PARAMETER target='c.weight'
p_c_bias: PARAMETER target='c.bias'
p_n_weight: PARAMETER target='n.weight'
p_n_bias: PARAMETER target='n.bias'
b_n_mean: BUFFER target='n.running_mean' persistent=True
b_n_var: BUFFER target='n.running_var' persistent=True
p_gone: PARAMETER target='gone'
"""


def _random(*shape: int) -> Array:
    return np.random.default_rng(len(shape)).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("sizes", [np.array([1, 3, 2]), np.array(2), np.array(4)])
def test_lists_of_tensors(sizes: Array) -> None:
    nodes = [
        node("SplitToSequence", ["x", "sizes"], ["s"], axis=1),
        node("SequenceAt", ["s", "last"], ["a"]),
        node("SequenceConstruct", ["a", "x"], ["t"]),
        node("ConcatFromSequence", ["t"], ["y"], axis=1),
    ]
    check(model(nodes, {"x": (2, 6, 3)}, {"sizes": sizes, "last": np.array(-1)}))


def test_rows_of_a_list() -> None:
    nodes = [
        node("SplitToSequence", ["x"], ["s"], axis=1, keepdims=0),
        node("SequenceAt", ["s", "place"], ["a"]),
        node("SequenceConstruct", ["a", "a"], ["t"]),
        node("ConcatFromSequence", ["t"], ["y"], axis=1, new_axis=1),
    ]
    check(model(nodes, {"x": (2, 4, 3)}, {"place": np.array(2)}))


def test_known_indices_pick_rows() -> None:
    nodes = [node("GatherND", ["x", "i"], ["y"])]
    check(model(nodes, {"x": (5, 3)}, {"i": np.array([[[1], [2]], [[0], [4]]])}))


def test_what_follows_from_weights_is_computed_once() -> None:
    nodes = [
        node("Mul", ["w", "w"], ["square"]),
        node("ReduceSum", ["square", "axes"], ["sum"]),
        node("Sqrt", ["sum"], ["norm"]),
        node("Div", ["w", "norm"], ["scaled"]),
        node("Conv", ["x", "scaled"], ["y"]),
    ]
    weights = {"w": _random(4, 3, 3, 3), "axes": np.array([1, 2, 3])}
    loaded = check(model(nodes, {"x": (1, 3, 6, 6)}, weights))
    assert [layer.operator.kind for layer in loaded.graph.layers] == ["conv"]
    assert loaded.graph.total_parameters == 4 * 27


def _folded() -> ModelProto:
    """Return a convolution into which a normalization was folded, and whose bias is gone."""
    weights = {"c.weight": _random(4, 3, 3, 3), "both": _random(4), "table": _random(1, 4, 4, 4)}
    nodes = [node("Conv", ["x", "c.weight", "both"], ["h"]), node("Add", ["h", "table"], ["y"])]
    proto = model(nodes, {"x": (1, 3, 6, 6)}, weights)
    said = {
        "pkg.torch.onnx.name_scopes": "['', 'n', 'batch_norm']",
        "pkg.torch.onnx.class_hierarchy": "['Net', 'torch.nn.modules.BatchNorm2d', 'aten.x']",
        "pkg.torch.onnx.fx_node": "(%conv2d, %p_n_weight, %p_n_bias, %b_n_mean, %b_n_var)",
        "pkg.onnxscript.rewriter.rule_name": "FuseBatchNormIntoConv",
    }
    for key, value in said.items():
        proto.graph.node[0].metadata_props.add(key=key, value=value)
    key = "pkg.torch.export.ExportedProgram.graph_signature"
    proto.graph.metadata_props.add(key=key, value=SIGNATURE)
    return proto


def test_a_folded_normalization_counts_again() -> None:
    graph = read(_folded()).graph
    layer = graph.layers[0]
    assert (layer.name, layer.operator.kind) == ("c", "conv")
    assert graph.total_parameters == 4 * 27 + 4 + 4 + 4
    assert graph.notes == ("'gone', parameters in PyTorch, aren't in the file and not counted",)


@pytest.mark.parametrize(
    ("nodes", "arrays", "message"),
    [
        (
            [node("GatherND", ["x", "i"], ["y"])],
            {"i": np.zeros((2, 3), int)},
            r"indices \[2, 3\] name 3 axes behind 0 of \[4, 6\]",
        ),
        (
            [node("SplitToSequence", ["x", "i"], ["s"]), node("SequenceAt", ["s", "i"], ["y"])],
            {"i": np.array(4)},
            r"position 4 must lie in -1\.\.0",
        ),
        (
            [node("SplitToSequence", ["x", "i"], ["s"]), node("SequenceAt", ["s", "i"], ["y"])],
            {"i": np.array(0)},
            "parts must have at least 1 element but have 0",
        ),
        (
            [node("TopK", ["x", "i"], ["y", "z"])],
            {"i": np.array([9])},
            r"k is 9 but must lie in 1\.\.6, the elements of axis 1",
        ),
        (
            [node("ScatterND", ["i", "j", "i"], ["k"], reduction="add")],
            {"i": np.zeros(2, int), "j": np.array([[0], [1]])},
            "adds to a constant's elements, which isn't known; only replaces them",
        ),
        (
            [node("GatherND", ["i", "j"], ["k"], batch_dims=1)],
            {"i": np.zeros((2, 2), int), "j": np.array([[0], [1]])},
            "a constant is picked along its first axes only",
        ),
    ],
)
def test_bad_files(nodes: list[Any], arrays: dict[str, Array], message: str) -> None:
    if nodes[-1].output[0] == "k":
        nodes = [*nodes, node("Cast", ["k"], ["f"], to=1), node("Add", ["x", "f"], ["y"])]
    with pytest.raises(WorkloadError, match=message):
        read(model(nodes, {"x": (4, 6)}, arrays))


def test_a_folded_weight_needs_its_axes() -> None:
    proto = _folded()
    del proto.graph.initializer[0].dims[:]
    with pytest.raises(WorkloadError, match=r"node 'c|n' \(Conv\): its weight \[\] has too few"):
        read(proto)
