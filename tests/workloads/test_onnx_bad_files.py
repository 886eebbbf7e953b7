"""ONNX files that can't be read: one clear message, in bounded time, no other exception."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, NodeProto, TensorProto, helper, save

from foundation.errors import WorkloadError
from tests.fuzz.survival import little_memory
from tests.workloads.onnx_models import large_model, model, node, read
from workloads.loaders.asked import Asked
from workloads.loaders.files import load_file

MLP = model([node("Gemm", ["x", "w"], ["y"])], {"x": ("batch", 4)}, {"w": np.ones((4, 3), "f")})
NLP = model(
    [node("Gather", ["table", "ids"], ["y"])],
    {"ids": ("N", "tokens")},
    {"table": np.ones((9, 3), "f")},
    indices=("ids",),
)


@pytest.mark.parametrize(
    ("proto", "asked", "message"),
    [
        (
            MLP,
            Asked(),
            "input 'x': its dimension 'batch' is open; give --dim batch=SIZE or --batch SIZE",
        ),
        (
            NLP,
            Asked(batch=2),
            "input 'ids': its dimension 'tokens' is open; give --dim tokens=SIZE",
        ),
        (
            NLP,
            Asked(dims={"token": 3}),
            "has no open dimension 'token'; did you mean 'tokens'?; open are N, tokens",
        ),
        (
            model([node("Relu", ["x"], ["y"])], {"x": (1, 4)}),
            Asked(batch=2),
            "batch 2 is asked for but the file's inputs have 1; leave --batch out, or export the"
            " model with an open batch dimension",
        ),
        (
            MLP,
            Asked(batch=1, phase="prefill:4"),
            "an ONNX file is one phase but 'prefill:4' is asked for; leave --phase out",
        ),
        (
            model([node("Relu", ["x"], ["y"])], {"x": (0, 4)}),
            Asked(),
            "input 'x': its shape is [0, 4] but sizes must be at least 1",
        ),
        (
            model([node("Foo", ["x"], ["y"], name="n", domain="com.example")], {"x": (1, 4)}),
            Asked(),
            "node 'n' (Foo): operator 'Foo' of domain 'com.example', version 1, isn't known;"
            " --allow-unknown-as-vector takes it as a function of the vector unit",
        ),
        (
            model([node("Asinh", ["x"], ["y"])], {"x": (1, 4)}),
            Asked(),
            "node 'y' (Asinh): operator 'Asinh' of domain 'ai.onnx', version 18, isn't known;"
            " --allow-unknown-as-vector takes it as a function of the vector unit",
        ),
        (
            model([node("Relu", ["z"], ["y"])], {"x": (1, 4)}),
            Asked(),
            "node 'y' (Relu): reads 'z', which nothing before it computes",
        ),
        (
            model([node("Relu", ["x"], ["z"])], {"x": (1, 4)}),
            Asked(),
            "output 'y': no node computes it",
        ),
        (
            model([node("Reshape", ["x", "s"], ["y"])], {"x": (1, 4)}, {"s": np.array([3, -1])}),
            Asked(),
            "node 'y' (Reshape): shape [3, -1] doesn't hold the 4 elements of [1, 4]",
        ),
        (
            model([node("Reshape", ["x", "s"], ["y"])], {"x": (1, 4), "s": (2,)}, indices=("s",)),
            Asked(),
            "node 'y' (Reshape): 'shape' must be known while the file is read, but it is computed"
            " from inputs or its values aren't in the file",
        ),
        (
            model([node("Add", ["x", "z"], ["y"])], {"x": (1, 4), "z": (3,)}),
            Asked(),
            "node 'y' (Add): shapes [1, 4] and [3] don't broadcast together",
        ),
        (
            model(
                [node("Conv", ["x", "w"], ["y"], group=2)],
                {"x": (1, 4, 5, 5)},
                {"w": np.ones((6, 4, 3, 3), "f")},
            ),
            Asked(),
            "node 'y' (Conv): an input [1, 4, 5, 5] in 2 groups needs a weight [6, 2, 3, 3] but it"
            " is [6, 4, 3, 3]",
        ),
        (
            model([node("Softmax", ["x"], ["y"], axis=2)], {"x": (1, 4)}),
            Asked(),
            "node 'y' (Softmax): axis 2 must lie in -2..1 for 2 axes",
        ),
        (
            model([node("Softmax", ["x"], ["y"], axis="last")], {"x": (1, 4)}),
            Asked(),
            "node 'y' (Softmax): attribute 'axis' is of the wrong type: b'last'",
        ),
        (
            model([node("If", ["x"], ["y"], then_branch=MLP.graph)], {"x": (1,)}),
            Asked(),
            "node 'y' (If): has a graph of its own, of which nothing is read; export the model"
            " without control flow",
        ),
    ],
)
def test_one_clear_message(proto: ModelProto, asked: Asked, message: str) -> None:
    with pytest.raises(WorkloadError) as raised:
        read(proto, asked)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has no node; give an ONNX model"),
        (b"\x89PNG\r\n\x1a\n", "can't be read as an ONNX model"),
        (MLP.SerializeToString()[:-40], "can't be read as an ONNX model"),
    ],
)
def test_files_that_are_something_else(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    with pytest.raises(WorkloadError) as raised:
        load_file(path)
    assert str(raised.value).startswith(f"{path}: {message}")


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(WorkloadError, match="no such file"):
        load_file(tmp_path / "none.onnx")


def test_a_file_that_computes_nothing(tmp_path: Path) -> None:
    save(model([node("Transpose", ["x"], ["y"])], {"x": (2, 3)}), tmp_path / "t.onnx")
    with pytest.raises(WorkloadError, match="computes nothing; give a network"):
        load_file(tmp_path / "t.onnx")


_END = node("Add", ["x", "d"], ["y"])
HUGE = [
    [node("ConstantOfShape", ["huge"], ["c"]), node("Exp", ["c"], ["d"]), _END],
    [node("Range", ["zero", "many", "one"], ["c"]), node("Reshape", ["x", "c"], ["y"])],
    [node("Tile", ["one1", "huge"], ["d"]), _END],
    [node("Expand", ["one1", "huge"], ["c"]), node("Concat", ["c", "c"], ["d"], axis=0), _END],
    [node("Expand", ["x", "huge"], ["y"])],
]


@pytest.mark.parametrize("nodes", HUGE, ids=lambda nodes: nodes[0].op_type)
def test_what_would_be_huge_is_refused_or_never_made(nodes: list[Any]) -> None:
    weights = {
        "huge": np.array([1 << 40]),
        "zero": np.array(0),
        "many": np.array(1 << 40),
        "one": np.array(1),
        "one1": np.ones(1, "f"),
    }
    try:
        graph = read(model(nodes, {"x": (1,)}, weights)).graph
    except WorkloadError:
        return
    assert max(tensor.size_elements for tensor in graph.tensors.values()) <= 1 << 41


@pytest.mark.parametrize("weights", ["absent", "a sparse file", "a folder"])
def test_weights_in_other_files_are_never_read(weights: str, tmp_path: Path) -> None:
    """A model of 20 GB is a graph in no time; its weights, read or mapped, wouldn't fit memory."""
    layers, path = 80, tmp_path / "weights.bin"
    if weights == "a sparse file":
        path.touch()
        os.truncate(path, layers * 4 * 8192**2)
    elif weights == "a folder":
        path.mkdir()
    start = time.process_time()
    with little_memory():
        graph = load_file(large_model(tmp_path, layers))
    assert time.process_time() - start < 2
    assert graph.total_macs == graph.total_parameters == layers * 8192**2


_REPEATED = np.array([1] * 33)


@pytest.mark.parametrize(
    ("nodes", "weights", "message"),
    [
        (
            [node("Add", ["x", "w"], ["y"])],
            {"w": np.ones([1] * 33, "f")},
            "array 'w': has 33 axes but at most 32 are read",
        ),
        (
            [node("Reshape", ["x", "s"], ["z"]), node("Relu", ["z"], ["y"])],
            {"s": _REPEATED},
            "'z' has 33 axes but at most 32 are read",
        ),
    ],
)
def test_too_many_axes(nodes: list[NodeProto], weights: dict[str, Any], message: str) -> None:
    with pytest.raises(WorkloadError) as raised:
        read(model(nodes, {"x": (1,)}, weights))
    assert str(raised.value) == message


def test_weights_that_were_taken_out_are_shapes(tmp_path: Path) -> None:
    proto = model([node("MatMul", ["x", "w"], ["y"])], {"x": (1, 8)}, {"w": np.ones((8, 5), "f")})
    proto.graph.initializer[0].ClearField("raw_data")
    assert read(proto).graph.total_parameters == 40


def test_weights_that_are_inputs_are_weights() -> None:
    nodes = [node("Conv", ["x", "w", "b"], ["y"])]
    shapes = {"x": (1, 3, 8, 8), "w": (4, 3, 3, 3), "b": (4,)}
    assert read(model(nodes, shapes)).graph.total_parameters == 4 * 27 + 4


UNKNOWN = [
    (helper.make_node("Asinh", ["x"], ["u"]), (2, 3)),
    (helper.make_node("GridSample", ["i", "grid"], ["u"]), (1, 4, 3, 5)),
    (helper.make_node("Sample", ["x"], ["u"], domain="com.example"), (5, 3)),
]


@pytest.mark.parametrize(("unknown", "shape"), UNKNOWN, ids=lambda v: getattr(v, "op_type", ""))
def test_unknown_operators_are_functions_of_their_output(
    unknown: Any, shape: tuple[int, ...]
) -> None:
    nodes = [unknown, node("Exp", ["u"], ["y"])]
    proto = model(nodes, {"x": (2, 3), "i": (1, 4, 2, 2), "grid": (1, 3, 5, 2)})
    proto.opset_import.add(domain="com.example", version=1)
    if unknown.domain:  # of others, shapes are inferred
        said = helper.make_tensor_value_info("u", TensorProto.FLOAT, shape)
        proto.graph.value_info.append(said)
    graph = read(proto, Asked(unknown_as_vector=True)).graph
    assert graph.tensors[graph.layers[-1].name].size_elements == np.prod(shape)
    assert graph.notes == (
        f"node 'u' ({unknown.op_type}) isn't known: taken as a function of the vector unit",
    )


def test_integers_of_an_unknown_operator_are_given() -> None:
    nodes = [
        node("Cast", ["x"], ["i"], to=TensorProto.INT64),
        node("Gather", ["table", "i"], ["y"]),
    ]
    proto = model(nodes, {"x": (2,)}, {"table": np.ones((9, 4), "f")})
    graph = read(proto, Asked(unknown_as_vector=True)).graph
    assert graph.tensors["i"].shape == (2,)
    assert [layer.operator.kind for layer in graph.layers] == ["embedding"]
