"""What a network's YAML says of weights: segments, bytes, and the way back to YAML."""

from math import ceil

import numpy as np
import pytest

from foundation.dtype import DTYPES
from workloads.activations import sparse_bytes
from workloads.graph import Graph, Tensor, TensorKind
from workloads.loaders.yaml import load_zoo, parse_network, to_yaml
from workloads.passes.pipeline import PASSES, rewrite
from workloads.random_values import random_tensors


def net(weights: str, *, k: int = 64, n: int = 32, dtype: str = "int8", top: str = "") -> Graph:
    text = (
        f"name: n\ndtype: {dtype}\n{top}inputs: {{x: [4, {k}]}}\n"
        f"layers:\n  - {{name: y, op: linear, out: {n}, bias: false, weights: {weights}}}\n"
    )
    return parse_network(text, "n.yaml")


def stored(graph: Graph) -> str:
    return str(graph.tensors["y.weight"].stored)


@pytest.mark.parametrize(
    ("weights", "k", "dtype", "segment", "size_bytes"),
    [
        ("int4", 64, "int8", "int4/2:1/1:1:dense:none", 64 * 32 // 2),
        ("int4", 3, "int8", "int4/3:1/1:1:dense:none", 2 * 32),  # half a byte is left over
        ("int4", 1, "int8", "int4/1:1/1:1:dense:none", 32),
        ("{sparsity: {n: 2, m: 4}}", 64, "int8", "int8/8:2/4:1:nm:none", 64 * 32 * 5 // 8),
        ("{sparsity: {n: 2, m: 4}}", 4, "int8", "int8/4:2/4:1:nm:none", 3 * 32),
        ("{sparsity: {n: 4, m: 4}}", 64, "int8", "int8/4:4/4:1:dense:none", 64 * 32),
        ("{sparsity: {density: 0.3}}", 64, "int8", "int8/64:20/64:1:bitmap:none", 28 * 32),
        ("{sparsity: {density: 0.5}, format: csr}", 512, "fp16",
         "fp16/256:128/256:1:csr:none", 2 * (256 + 128 + 4) * 32),
        ("{sparsity: {density: 0.25, block: 8}}", 64, "int8",
         "int8/64:16/64:8:blocked_ell:none", (16 + 2) * 32),
        ("{dtype: int4, scales: 32}", 64, "fp16", "int4/32:1/1:1:dense:fp16", 2 * 18 * 32),
        ("{dtype: int4, scales: 32, sparsity: {n: 2, m: 4}}", 64, "fp16",
         "int4/32:2/4:1:nm:fp16", 2 * (8 + 4 + 2) * 32),
    ],
)  # fmt: skip
def test_segments_and_bytes(
    weights: str, k: int, dtype: str, segment: str, size_bytes: int
) -> None:
    graph = net(weights, k=k, dtype=dtype)
    assert stored(graph) == segment
    assert graph.tensors["y.weight"].size_bytes == size_bytes


def test_weights_as_activations_are_stored_as_ever() -> None:
    assert net("{}").tensors == net("int8").tensors
    plain = net("{}").tensors["y.weight"]
    assert (plain.stored, plain.size_bytes) == (None, 64 * 32)


@pytest.mark.parametrize(
    ("weights", "dtype", "scales", "size_bytes"),
    [
        ("{dtype: int4, scales: tensor}", "fp16", (1,), 4),
        ("{dtype: int4, scales: channel}", "fp16", (32,), 128),
        ("{dtype: int4, scales: channel}", "int8", (32,), 128),
        ("{dtype: int8}", "fp16", (1,), 4),  # an integer must stand for something
        ("{dtype: fp8_e4m3}", "fp16", None, 0),
        ("{dtype: int4}", "int8", None, 0),
    ],
)
def test_scales_are_bytes_but_no_parameters(
    weights: str, dtype: str, scales: tuple[int, ...] | None, size_bytes: int
) -> None:
    graph = net(weights, dtype=dtype)
    scale = graph.tensors.get("y.scale")
    assert (None if scale is None else scale.shape) == scales
    assert graph.total_parameters == 64 * 32
    assert graph.parameter_bytes == graph.tensors["y.weight"].size_bytes + size_bytes


def test_outputs_of_row_wise_patterns_are_dealt_out_evenly() -> None:
    graph = net("{sparsity: {n: [2, 1, 4, 2], m: 4}}", n=30)
    sizes = {
        role: (graph.tensors[name].shape, str(graph.tensors[name].stored))
        for role, name in graph.layers[0].parameters.items()
    }
    assert sizes == {
        "weight_1of4": ((64, 7), "int8/16:1/4:1:nm:none"),
        "weight_2of4": ((64, 15), "int8/8:2/4:1:nm:none"),
        "weight_4of4": ((64, 8), "int8/4:4/4:1:dense:none"),
    }


def test_random_weights_obey_their_pattern() -> None:
    graph = net("{sparsity: {n: 2, m: 4, seed: 5}}")
    weight = random_tensors(graph, seed=1)["y.weight"]
    assert ((weight.reshape(16, 4, 32) != 0).sum(axis=1) <= 2).all()
    again = random_tensors(net("{sparsity: {n: 2, m: 4, seed: 5}}"), seed=2)["y.weight"]
    # Values differ, places don't; a value of a place may be zero by chance.
    assert ((weight.reshape(16, 4, 32) != 0) | (again.reshape(16, 4, 32) != 0)).sum(
        axis=1
    ).max() == 2


def test_the_networks_weights_are_for_layers_that_say_nothing() -> None:
    text = """
name: n
dtype: fp16
weights: {dtype: int4, scales: 8}
inputs: {words: {shape: [4], dtype: int32}}
learned: {kernel: [1, 1, 1, 8, 8]}
layers:
  - {name: table, op: embedding, entries: 9, out: 8}
  - {name: first, op: linear, out: 8}
  - {name: second, op: linear, out: 8, weights: {}}
  - {name: image, op: reshape, shape: [1, 2, 2, 8]}
  - {name: conv, op: conv, out: 8, kernel: 1}
  - {name: given, op: conv, inputs: [conv, kernel], out: 8, kernel: 1}
  - {name: words_again, op: reshape, shape: [4, 8]}
  - {name: logits, op: linear, tied_to: table}
"""
    graph = parse_network(text, "n.yaml")
    has_scale = {t.name for t in graph.tensors.values() if t.stored is not None}
    assert has_scale == {"first.weight", "conv.weight"}  # and not what is given
    assert parse_network(to_yaml(graph), "again.yaml") == graph


@pytest.mark.parametrize(
    "weights",
    [
        "{sparsity: {n: [1, 2], m: 4, seed: 3}, format: bitmap}",
        "{dtype: int4, scales: channel, sparsity: {density: 0.3, block: 4, seed: 1}}",
    ],
)
def test_yaml_has_it_all(weights: str) -> None:
    graph = net(weights)
    assert parse_network(to_yaml(graph), "again.yaml") == graph


def test_passes_leave_such_weights_as_they_are() -> None:
    text = """
name: n
dtype: fp16
inputs: {x: [4, 8]}
layers:
  - {name: a, op: linear, out: 8, weights: int4}
  - {name: norm, op: batch_norm}
  - {name: b, op: linear, input: x, out: 8, weights: int4}
  - {name: sum, op: add, inputs: [norm, b]}
"""
    graph = parse_network(text, "n.yaml")
    assert rewrite(graph, tuple(PASSES)).graph == graph


def test_activations_in_a_sparse_format() -> None:
    tensor = Tensor(name="y", shape=(3, 5, 40), dtype=DTYPES["fp16"], kind=TensorKind.ACTIVATION)
    values = ceil(0.4 * 40)
    assert sparse_bytes(tensor, 0.4, "bitmap") == 15 * (2 * values + 5)
    assert sparse_bytes(tensor, 0.4, "csr") == 15 * (2 * values + values + 4)
    graph = parse_network(
        "name: n\ninputs: {x: [4, 8]}\n"
        "layers: [{name: y, op: relu, activations: {density: 0.5}}]\n",
        "n.yaml",
    )
    assert graph.notes == (
        "'y': activations of density 0.5 would take 20 of 32 bytes as bitmap;"
        " runs move and multiply them as they are",
    )


@pytest.mark.parametrize("dtype", ["fp8_e4m3", "fp8_e5m2", "tf32"])
def test_a_whole_network_in_another_type(dtype: str) -> None:
    graph = load_zoo("lenet", dtype=dtype)
    size = DTYPES[dtype].size_bytes
    weights = [t for t in graph.tensors.values() if t.name.endswith(".weight")]
    assert weights
    assert all(t.size_bytes == size * t.size_elements for t in weights)
    assert all(
        np.isfinite(v.astype(np.float64)).all() for v in random_tensors(graph, seed=0).values()
    )
