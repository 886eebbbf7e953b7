"""Whole networks from ONNX files: counts that are published, or that a formula gives."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper

from foundation.numerics import Array
from tests.workloads.onnx_models import check, model, node, read
from workloads.graph import Graph
from workloads.layers import Elementwise, Linear
from workloads.loaders.asked import Asked
from workloads.loaders.files import load_file
from workloads.loaders.yaml import load_zoo, parse_network, to_yaml

#: Caffe2's and Caffe's models of the ONNX model zoo, with their weights left out.
LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"


def _kinds(graph: Graph) -> Counter[str]:
    return Counter(layer.operator.kind for layer in graph.layers)


#: torchvision 0.15, each network's weights (SqueezeNet: version 1.1): ``num_params`` and ``_ops``.
@pytest.mark.parametrize(
    ("name", "parameters", "giga_macs"),
    [
        ("resnet50", 25_557_032, 4.089),
        ("vgg19", 143_667_240, 19.632),
        ("squeezenet", 1_235_496, 0.349),
    ],
)
def test_published_counts(name: str, parameters: int, giga_macs: float) -> None:
    graph = load_file(LIGHT / f"light_{name}.onnx")
    assert (graph.total_parameters, round(graph.total_macs / 1e9, 3)) == (parameters, giga_macs)
    assert graph.notes == ()


def test_a_residual_network_is_the_zoos() -> None:
    """Layer by layer, but for the softmax at its end and names: nothing else is there to run."""
    found = load_file(LIGHT / "light_resnet50.onnx", Asked(dtype="int8"))
    expected = load_zoo("resnet50")
    products = [
        sorted(
            (graph.macs(layer), layer.operator.kind) for layer in graph.layers if graph.macs(layer)
        )
        for graph in (found, expected)
    ]
    assert products[0] == products[1]
    assert _kinds(found)["conv"] == 53
    assert _kinds(found)["elementwise"] == _kinds(expected)["elementwise"] == 16
    assert _kinds(found)["transpose"] == 0


@pytest.mark.parametrize("path", sorted(LIGHT.glob("*.onnx")), ids=lambda path: path.stem)
def test_real_files_load_and_survive_as_yaml(path: Path) -> None:
    graph = load_file(path, Asked(unknown_as_vector=True))
    again = parse_network(to_yaml(graph), "again.yaml")
    assert (again.layers, again.tensors, again.notes) == (graph.layers, graph.tensors, graph.notes)


def _random(*shape: int) -> Array:
    return np.random.default_rng(len(shape)).standard_normal(shape).astype(np.float32)


def _encoder(layers: int, hidden: int, heads: int) -> ModelProto:
    """Return a BERT as PyTorch's exporter writes it: open batch and sequence, computed shapes."""
    nodes, weights = [], {
        "words": _random(30, hidden),
        "positions": _random(16, hidden),
        "i0": np.array(0), "i1": np.array(1), "a0": np.array([0]),
        "heads": np.array([heads, hidden // heads]), "width": np.array([hidden]),
        "root": np.asarray(np.float32((hidden // heads) ** 0.5)),
        "start": np.array([0]), "axis": np.array([0]),
        "sqrt2": np.asarray(np.float32(2**0.5)), "one": np.asarray(np.float32(1)),
        "half": np.asarray(np.float32(0.5)),
    }  # fmt: skip
    nodes += [
        node("Shape", ["ids"], ["shape"]),
        node("Gather", ["shape", "i0"], ["b"]), node("Unsqueeze", ["b", "a0"], ["b1"]),
        node("Gather", ["shape", "i1"], ["t"]), node("Unsqueeze", ["t", "a0"], ["t1"]),
        node("Concat", ["b1", "t1", "heads"], ["split"], axis=0),
        node("Concat", ["b1", "t1", "width"], ["merge"], axis=0),
        node("Gather", ["words", "ids"], ["e0"]),
        node("Slice", ["positions", "start", "t1", "axis"], ["p0"]),
        node("Add", ["e0", "p0"], ["x0"]),
    ]  # fmt: skip
    for layer in range(layers):
        nodes += _encoder_layer(weights, layer, hidden)
    inputs = {"ids": ("batch", "tokens")}
    return model(nodes, inputs, weights, (f"x{layers}",), indices=("ids",))


def _encoder_layer(weights: dict[str, Array], layer: int, hidden: int) -> list[Any]:
    x = f"x{layer}"
    sizes = {"q": (1, 1), "k": (1, 1), "v": (1, 1), "o": (1, 1), "up": (1, 4), "down": (4, 1)}
    for name, (rows, columns) in sizes.items():
        weights[f"{name}{layer}.w"] = _random(rows * hidden, columns * hidden) / hidden
        weights[f"{name}{layer}.b"] = _random(columns * hidden)
    for name in ("n1", "n2"):
        weights |= {f"{name}{layer}.g": _random(hidden), f"{name}{layer}.b": _random(hidden)}

    def named(name: str) -> str:
        return f"{name}_{layer}"

    def linear(name: str, source: str, result: str) -> list[Any]:
        return [
            node("MatMul", [source, f"{name}{layer}.w"], [named(f"{name}.m")]),
            node("Add", [f"{name}{layer}.b", named(f"{name}.m")], [result]),
        ]

    def norm(name: str, source: str, result: str) -> list[Any]:
        inputs = [source, f"{name}{layer}.g", f"{name}{layer}.b"]
        return [node("LayerNormalization", inputs, [result], axis=-1)]

    nodes = []
    for name, order in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3])):
        nodes += [
            *linear(name, x, named(f"{name}1")),
            node("Reshape", [named(f"{name}1"), "split"], [named(f"{name}2")]),
            node("Transpose", [named(f"{name}2")], [named(name)], perm=order),
        ]
    return [
        *nodes,
        node("MatMul", [named("q"), named("k")], [named("s")]),
        node("Div", [named("s"), "root"], [named("r")]),
        node("Softmax", [named("r")], [named("p")]),
        node("MatMul", [named("p"), named("v")], [named("c")]),
        node("Transpose", [named("c")], [named("ct")], perm=[0, 2, 1, 3]),
        node("Reshape", [named("ct"), "merge"], [named("cr")]),
        *linear("o", named("cr"), named("a")),
        node("Add", [named("a"), x], [named("h")]),
        *norm("n1", named("h"), named("hn")),
        *linear("up", named("hn"), named("u")),
        node("Div", [named("u"), "sqrt2"], [named("g1")]),
        node("Erf", [named("g1")], [named("g2")]),
        node("Add", [named("g2"), "one"], [named("g3")]),
        node("Mul", [named("u"), named("g3")], [named("g4")]),
        node("Mul", [named("g4"), "half"], [named("g")]),
        *linear("down", named("g"), named("d")),
        node("Add", [named("d"), named("hn")], [named("e")]),
        *norm("n2", named("e"), f"x{layer + 1}"),
    ]


@pytest.mark.parametrize(("batch", "tokens"), [(1, 16), (3, 5)])
def test_an_encoder_of_open_size(batch: int, tokens: int) -> None:
    hidden, layers = 12, 2
    proto = _encoder(layers, hidden, heads=3)
    graph = read(proto, Asked(batch=batch, dims={"tokens": tokens})).graph
    assert graph.batch == batch
    per_layer = batch * (12 * tokens * hidden**2 + 2 * tokens**2 * hidden)
    assert graph.total_macs == layers * per_layer
    assert graph.total_parameters == (30 + 16) * hidden + layers * (12 * hidden**2 + 13 * hidden)
    assert _kinds(graph)["transpose"] == 0
    gelus = [
        layer
        for layer in graph.layers
        if isinstance(layer.operator, Linear) and layer.operator.activation == "gelu"
    ]
    assert len(gelus) == layers


def test_an_encoder_computes_what_its_file_says() -> None:
    proto = _encoder(1, 12, heads=3)
    for axis, size in enumerate((2, 5)):
        dim = proto.graph.input[0].type.tensor_type.shape.dim[axis]
        dim.dim_value = size
    check(proto, tolerance=2e-3)


def test_a_classifier_tied_to_its_embedding_learns_once() -> None:
    nodes = [
        node("Gather", ["table", "ids"], ["e"]),
        node("Transpose", ["table"], ["t"], perm=[1, 0]),
        node("MatMul", ["e", "t"], ["y"]),
    ]
    proto = model(nodes, {"ids": (2, 3)}, {"table": _random(7, 5)}, indices=("ids",))
    graph = check(proto).graph
    assert (graph.total_parameters, graph.total_macs) == (35, 6 * 35)
    assert graph.notes == ()


def test_a_weight_of_several_layers_is_shared_and_counted_once() -> None:
    nodes = [node("MatMul", ["x", "w"], ["a"]), node("MatMul", ["a", "w"], ["y"])]
    graph = check(model(nodes, {"x": (2, 4)}, {"w": _random(4, 4)})).graph
    assert graph.total_parameters == 16
    assert graph.layers[0].parameters == graph.layers[1].parameters
    assert graph.notes == ()


def test_a_weight_that_is_stored_twice_is_counted_once_and_noted() -> None:
    nodes = [node("MatMul", ["x", "w"], ["a"]), node("Add", ["a", "w"], ["y"])]
    graph = check(model(nodes, {"x": (4, 4)}, {"w": _random(4, 4)})).graph
    assert graph.total_parameters == 16
    assert graph.notes == ("weight 'w' is stored for 2 layers and counted once",)


def _pair(name: str, source: str, scale: str = "scale", zero: str = "zero") -> list[Any]:
    """Return the two nodes that round a tensor to int8."""
    return [
        node("QuantizeLinear", [source, scale, zero], [f"{name}.q"]),
        node("DequantizeLinear", [f"{name}.q", scale, zero], [name]),
    ]


def test_a_network_of_quantized_pairs_is_int8() -> None:
    weights: dict[str, Array] = {
        "scale": np.asarray(np.float32(0.1)), "zero": np.asarray(np.int8(0)),
        "w8": np.ones((4, 3, 3, 3), np.int8), "b": _random(4),
    }  # fmt: skip
    nodes = [
        *_pair("xq", "x"),
        node("DequantizeLinear", ["w8", "scale", "zero"], ["w"]),
        node("Conv", ["xq", "w", "b"], ["c"]),
        node("Relu", ["c"], ["r"]),
        *_pair("y", "r"),
    ]
    graph = read(model(nodes, {"x": (1, 3, 8, 8)}, weights)).graph
    assert [layer.operator.kind for layer in graph.layers] == ["conv"]
    assert {str(tensor.dtype) for tensor in graph.tensors.values()} == {"int8", "int32"}
    assert graph.total_parameters == 4 * 27 + 4


def test_quantized_operators_are_int8_layers() -> None:
    ones: dict[str, Array] = {"s": np.asarray(np.float32(1)), "z": np.asarray(np.uint8(0))}
    weights = {**ones, "w": np.ones((4, 3, 1, 1), np.uint8), "v": np.ones((4, 5), np.uint8)}
    nodes = [
        node("QLinearConv", ["x", "s", "z", "w", "s", "z", "s", "z"], ["c"]),
        helper.make_node("Constant", [], ["shape"], value_ints=[64, 4]),
        node("Transpose", ["c"], ["t"], perm=[0, 2, 3, 1]),
        node("Reshape", ["t", "shape"], ["r"]),
        node("QLinearMatMul", ["r", "s", "z", "v", "s", "z", "s", "z"], ["y"]),
    ]
    proto = model(nodes, {"x": (1, 3, 8, 8)}, weights)
    proto.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    graph = read(proto).graph
    assert _kinds(graph) == {"conv": 1, "reshape": 1, "linear": 1}
    assert str(graph.tensors["x"].dtype) == "int8"
    assert graph.total_macs == 64 * 12 + 64 * 20


@pytest.mark.parametrize(
    ("kind", "expected"),
    [(np.float32, "fp32"), (np.float16, "fp16"), (np.float64, "fp32")],
)
def test_the_number_type_is_that_of_most_weights(kind: type, expected: str) -> None:
    proto = model([node("MatMul", ["x", "w"], ["y"])], {"x": (2, 4)}, {"w": np.ones((4, 4), kind)})
    assert str(read(proto).graph.tensors["x"].dtype) == expected
    assert str(read(proto, Asked(dtype="bf16")).graph.tensors["x"].dtype) == "bf16"


def test_functions_of_the_file_are_read(tmp_path: Path) -> None:
    body = [node("Mul", ["a", "a"], ["b"]), node("Exp", ["b"], ["c"])]
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)]
    function = helper.make_function("own", "ExpSquare", ["a"], ["c"], body, opsets[:1])
    proto = model([helper.make_node("ExpSquare", ["x"], ["y"], domain="own")], {"x": (2, 3)})
    proto.opset_import.append(opsets[1])
    proto.functions.append(function)
    onnx.save(proto, tmp_path / "function.onnx")
    (layer,) = load_file(tmp_path / "function.onnx").layers
    assert layer.operator == Elementwise(function="multiply", activation="exp")


def test_a_guard_against_what_is_no_number_costs_nothing() -> None:
    nodes = [
        node("Softmax", ["x"], ["s"]),
        node("IsNaN", ["s"], ["n"]),
        node("Where", ["n", "zero", "s"], ["y"]),
    ]
    graph = check(model(nodes, {"x": (2, 4)}, {"zero": np.zeros((), "f")})).graph
    assert [layer.operator.kind for layer in graph.layers] == ["normalize"]
