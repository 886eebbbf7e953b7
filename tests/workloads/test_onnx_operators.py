"""Every ONNX operator that is known: the graph's value is the reference evaluator's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from foundation.numerics import Array
from tests.workloads.foreign import outputs_of
from tests.workloads.onnx_models import check, model, node, random_inputs, read
from workloads.graph import Graph
from workloads.layers import Convolution, Elementwise, Linear, MatMul, Normalize


def _random(*shape: int) -> Array:
    return np.random.default_rng(len(shape)).standard_normal(shape).astype(np.float32)


def _kinds(graph: Graph) -> list[str]:
    return [layer.operator.kind for layer in graph.layers]


UNARY = ("Abs", "Erf", "Exp", "HardSwish", "Neg", "Relu", "Sigmoid", "Softplus", "Tanh")


@pytest.mark.parametrize("operator", [*UNARY, "Log", "Sqrt", "Reciprocal", "Identity"])
def test_functions_of_one_operand(operator: str) -> None:
    positive = operator not in UNARY
    check(model([node(operator, ["x"], ["y"])], {"x": (2, 3, 4, 5)}), positive=positive)


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu_is_its_tanh_form(approximate: str) -> None:
    proto = model([node("Gelu", ["x"], ["y"], approximate=approximate)], {"x": (3, 8)}, opset=20)
    check(proto, tolerance=1e-3)


@pytest.mark.parametrize("operator", ["Add", "Sub", "Mul", "Div", "Max", "Min"])
@pytest.mark.parametrize(
    ("left", "right"),
    [((2, 3, 4), (2, 3, 4)), ((4,), (2, 3, 4)), ((2, 1, 4), (3, 1)), ((), (3, 2)), ((), ())],
)
def test_functions_of_two_operands(
    operator: str, left: tuple[int, ...], right: tuple[int, ...]
) -> None:
    proto = model([node(operator, ["a", "b"], ["y"])], {"a": left, "b": right})
    check(proto, positive=operator == "Div")


@pytest.mark.parametrize("operator", ["Add", "Mul", "Sub", "Div", "Max"])
@pytest.mark.parametrize("constant", [_random(3, 1, 1), np.float32(2.5), _random(2, 3, 4, 4)])
def test_operands_from_the_file(operator: str, constant: Array) -> None:
    weights = {"w": np.asarray(constant)}
    check(model([node(operator, ["x", "w"], ["y"])], {"x": (2, 3, 4, 4)}, weights))


CONVOLUTIONS: list[tuple[Any, Any, dict[str, Any]]] = [
    ((2, 3, 9, 9), (8, 3, 3, 3), {}),
    ((1, 4, 9, 7), (8, 2, 3, 2), {"group": 2, "strides": [2, 1], "pads": [1, 0, 2, 1]}),
    ((1, 4, 8, 8), (4, 1, 3, 3), {"group": 4, "pads": [1, 1, 1, 1]}),
    ((1, 2, 11, 11), (3, 2, 3, 3), {"dilations": [2, 3]}),
    ((2, 3, 9), (5, 3, 4), {"strides": [2], "pads": [1, 2]}),
    ((1, 2, 7, 7), (3, 2, 3, 3), {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    ((1, 2, 8, 8), (3, 2, 3, 3), {"auto_pad": "SAME_LOWER", "strides": [2, 2]}),
]


@pytest.mark.parametrize(("image", "weight", "attributes"), CONVOLUTIONS)
@pytest.mark.parametrize("has_bias", [False, True])
def test_convolutions(
    image: tuple[int, ...], weight: tuple[int, ...], attributes: dict[str, Any], has_bias: bool
) -> None:
    weights = {"w": _random(*weight), **({"b": _random(weight[0])} if has_bias else {})}
    proto = model([node("Conv", ["x", *weights], ["y"], **attributes)], {"x": image}, weights)
    (layer,) = check(proto).graph.layers
    assert isinstance(layer.operator, Convolution)


@pytest.mark.parametrize("operator", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize(
    ("image", "attributes"),
    [
        ((2, 3, 8, 8), {"kernel_shape": [2, 2], "strides": [2, 2]}),
        ((1, 2, 9, 7), {"kernel_shape": [3, 2], "strides": [2, 1], "pads": [1, 0, 1, 1]}),
        ((1, 2, 10), {"kernel_shape": [3], "strides": [2]}),
    ],
)
def test_windows(operator: str, image: tuple[int, ...], attributes: dict[str, Any]) -> None:
    if operator == "AveragePool":
        attributes = {**attributes, "count_include_pad": 1}
    check(model([node(operator, ["x"], ["y"], **attributes)], {"x": image}))


def test_a_window_that_is_cut_off_counts_with_ceil_mode() -> None:
    attributes: dict[str, Any] = {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}
    loaded = check(model([node("MaxPool", ["x"], ["y"], **attributes)], {"x": (1, 2, 8, 8)}))
    assert loaded.graph.tensors["y"].shape == (1, 4, 4, 2)


def test_means_at_borders_are_noted() -> None:
    attributes: dict[str, Any] = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    proto = model([node("AveragePool", ["x"], ["y"], **attributes)], {"x": (1, 2, 6, 6)})
    assert read(proto).graph.notes == (
        "means of windows count padding as zeros, where the file leaves it out",
    )


@pytest.mark.parametrize("operator", ["GlobalAveragePool", "GlobalMaxPool"])
def test_global_windows(operator: str) -> None:
    check(model([node(operator, ["x"], ["y"])], {"x": (2, 3, 5, 4)}))


@pytest.mark.parametrize(
    "operator", ["ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceL2"]
)
@pytest.mark.parametrize("keeps", [0, 1])
@pytest.mark.parametrize("axes", [(-1,), (1, 2), (0,), None])
def test_reductions(operator: str, keeps: int, axes: tuple[int, ...] | None) -> None:
    weights = {} if axes is None else {"axes": np.array(axes)}
    nodes = [node(operator, ["x", *weights], ["y"], keepdims=keeps)]
    check(model(nodes, {"x": (2, 3, 4)}, weights))


MATRICES = [
    ((4, 5), (5, 6)),
    ((2, 4, 5), (2, 5, 6)),
    ((2, 3, 4, 5), (2, 3, 5, 6)),
    ((2, 3, 4, 5), (5, 6)),
    ((4, 5), (2, 5, 6)),
    ((2, 1, 4, 5), (1, 3, 5, 6)),
    ((5,), (5, 6)),
    ((2, 4, 5), (5,)),
    ((5,), (5,)),
    ((5,), (3, 5, 6)),
]


@pytest.mark.parametrize(("left", "right"), MATRICES)
@pytest.mark.parametrize("held", ["", "a", "b"])
def test_matrix_products(left: tuple[int, ...], right: tuple[int, ...], held: str) -> None:
    shapes = {"a": left, "b": right}
    weights = {held: _random(*shapes.pop(held))} if held else {}
    check(model([node("MatMul", ["a", "b"], ["y"])], shapes, weights))


@pytest.mark.parametrize(
    "attributes", [{}, {"transB": 1}, {"transA": 1}, {"alpha": 0.5, "beta": 2.0}]
)
@pytest.mark.parametrize("bias", [None, (6,), (4, 6), (4, 1)])
def test_gemm(attributes: dict[str, Any], bias: tuple[int, ...] | None) -> None:
    weights = {"w": _random(6, 5) if "transB" in attributes else _random(5, 6)}
    weights |= {} if bias is None else {"b": _random(*bias)}
    image = (5, 4) if "transA" in attributes else (4, 5)
    check(model([node("Gemm", ["x", *weights], ["y"], **attributes)], {"x": image}, weights))


@pytest.mark.parametrize(
    ("equation", "left", "right"),
    [
        ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)),
        ("bshd,bthd->bhst", (2, 3, 2, 4), (2, 5, 2, 4)),
        ("abc,cde->abde", (2, 3, 4), (4, 2, 3)),
        ("abcd,cd->ba", (2, 3, 4, 2), (4, 2)),
        ("i,j->ij", (3,), (4,)),
        ("i,i", (3,), (3,)),
    ],
)
def test_equations(equation: str, left: tuple[int, ...], right: tuple[int, ...]) -> None:
    nodes = [node("Einsum", ["a", "b"], ["y"], equation=equation)]
    check(model(nodes, {"a": left, "b": right}))


@pytest.mark.parametrize("axis", [-1, 1, 2])
@pytest.mark.parametrize("operator", ["Softmax", "LogSoftmax"])
def test_softmax(axis: int, operator: str) -> None:
    check(model([node(operator, ["x"], ["y"], axis=axis)], {"x": (2, 3, 4, 5)}))


def test_softmax_of_old_operator_sets_goes_over_all_axes_from_one_on() -> None:
    # The reference evaluator knows the new meaning only.
    proto = model([node("Softmax", ["x"], ["y"])], {"x": (2, 3, 4)}, opset=11)
    values = random_inputs(proto)
    exponentials = np.exp(values["x"].reshape(2, 12))
    expected = exponentials / exponentials.sum(axis=1, keepdims=True)
    found = outputs_of(read(proto), values)["y"]
    np.testing.assert_allclose(found.reshape(2, 12), expected, rtol=1e-5)


@pytest.mark.parametrize("axis", [-1, 1])
def test_layer_normalization(axis: int) -> None:
    size = (5,) if axis == -1 else (3, 5)
    weights = {"gamma": _random(*size), "beta": _random(*size)}
    nodes = [node("LayerNormalization", ["x", "gamma", "beta"], ["y"], axis=axis)]
    check(model(nodes, {"x": (2, 3, 5)}, weights))


VECTORS = {
    "scale": _random(4),
    "shift": _random(4),
    "mean": _random(4),
    "variance": np.abs(_random(4)) + 1,
}


@pytest.mark.parametrize("shape", [(2, 4, 3, 3), (2, 4, 5), (2, 4)])
def test_batch_normalization_alone_is_a_layer(shape: tuple[int, ...]) -> None:
    nodes = [node("BatchNormalization", ["x", *VECTORS], ["y"], epsilon=1e-3)]
    (layer, *_) = check(model(nodes, {"x": shape}, VECTORS)).graph.layers
    assert layer.operator == Normalize(function="batch_norm")


@pytest.mark.parametrize("has_bias", [False, True])
@pytest.mark.parametrize("groups", [1, 2])
def test_batch_normalization_folds_into_the_convolution(has_bias: bool, groups: int) -> None:
    weights = {"w": _random(4, 4 // groups, 3, 3), **({"b": _random(4)} if has_bias else {})}
    nodes = [
        node("Conv", ["x", *weights], ["c"], group=groups),
        node("BatchNormalization", ["c", *VECTORS], ["n"]),
        node("Relu", ["n"], ["y"]),
    ]
    graph = check(model(nodes, {"x": (1, 4, 6, 6)}, {**weights, **VECTORS})).graph
    (layer,) = graph.layers
    assert isinstance(layer.operator, Convolution)
    assert (layer.operator.batch_norm, layer.operator.activation) == (True, "relu")
    assert graph.total_parameters == 4 * 4 // groups * 9 + 2 * 4 + 4 * has_bias


@pytest.mark.parametrize(
    ("nodes", "weights"),
    [
        ([node("Reshape", ["x", "s"], ["y"])], {"s": np.array([0, -1, 2])}),
        ([node("Flatten", ["x"], ["y"], axis=2)], {}),
        ([node("Flatten", ["x"], ["y"], axis=0)], {}),
        ([node("Transpose", ["x"], ["y"], perm=[2, 0, 3, 1])], {}),
        ([node("Unsqueeze", ["x", "a"], ["y"])], {"a": np.array([0, -1])}),
        ([node("Slice", ["x", "i", "j", "a", "k"], ["y"])],
         {"i": np.array([1, -3]), "j": np.array([9, 4]), "a": np.array([1, -1]),
          "k": np.array([1, 2])}),
        ([node("Concat", ["x", "c", "x"], ["y"], axis=1)], {"c": _random(2, 1, 4, 5)}),
        ([node("Gather", ["x", "i"], ["y"], axis=2)], {"i": np.array([[0, 1], [3, 2]])}),
        ([node("Gather", ["x", "i"], ["y"], axis=1)], {"i": np.array(-1)}),
        ([node("Split", ["x", "s"], ["a", "b"], axis=3), node("Sub", ["a", "b"], ["y"])],
         {"s": np.array([4, 1])}),
        ([node("Expand", ["x", "s"], ["y"])], {"s": np.array([3, 2, 3, 4, 5])}),
        ([node("Tile", ["x", "r"], ["y"])], {"r": np.array([1, 2, 1, 2])}),
        ([node("Pad", ["x", "p", "v"], ["y"])],
         {"p": np.array([0, 1, 0, 3, 0, 0, 2, 1]), "v": np.float32(3)}),
        ([node("Clip", ["x", "l", "h"], ["y"])], {"l": np.float32(-0.5), "h": np.float32(0.5)}),
        ([node("Clip", ["x", "l", "h"], ["y"])], {"l": np.float32(0), "h": np.float32(6)}),
        ([node("Where", ["c", "x", "v"], ["y"])],
         {"c": np.tri(4, 5, dtype=bool), "v": np.float32(-9)}),
        ([node("Pow", ["x", "e"], ["y"])], {"e": np.float32(3)}),
        ([node("HardSigmoid", ["x"], ["y"])], {}),
        ([node("LeakyRelu", ["x"], ["y"], alpha=0.1)], {}),
        ([node("PRelu", ["x", "s"], ["y"])], {"s": _random(3, 1, 1)}),
        ([node("Elu", ["x"], ["y"], alpha=0.7)], {}),
        ([node("Selu", ["x"], ["y"])], {}),
        ([node("Mish", ["x"], ["y"])], {}),
        ([node("Softsign", ["x"], ["y"])], {}),
        ([node("InstanceNormalization", ["x", "g", "b"], ["y"], epsilon=1e-3)],
         {"g": _random(3), "b": _random(3)}),
    ],
    ids=lambda value: "-".join(n.op_type for n in value) if isinstance(value, list) else "",
)  # fmt: skip
def test_other_operators(nodes: list[Any], weights: dict[str, Array]) -> None:
    arrays = {name: np.asarray(array) for name, array in weights.items()}
    check(model(nodes, {"x": (2, 3, 4, 5)}, arrays))


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_depth_becomes_space_and_space_depth(mode: str) -> None:
    nodes = [
        node("DepthToSpace", ["x"], ["d"], blocksize=2, mode=mode),
        node("Exp", ["d"], ["e"]),
        node("SpaceToDepth", ["e"], ["y"], blocksize=2),
    ]
    check(model(nodes, {"x": (2, 8, 3, 2)}), tolerance=1e-3)


def test_operands_of_old_operator_sets_begin_at_an_axis() -> None:
    # The reference evaluator knows the new meaning only.
    old = node("Add", ["x", "w"], ["y"], broadcast=1, axis=1)
    proto = model([old], {"x": (2, 3, 4)}, {"w": _random(3)}, opset=6)
    values = {**random_inputs(proto), "w": _random(3)}
    found = outputs_of(read(proto), values)["y"]
    np.testing.assert_allclose(found, values["x"] + values["w"].reshape(3, 1), rtol=1e-6)


@pytest.mark.parametrize(("opset", "size"), [(18, 2), (21, 6)])
def test_group_normalization(opset: int, size: int) -> None:
    weights = {"g": _random(size), "b": _random(size)}
    nodes = [node("GroupNormalization", ["x", "g", "b"], ["y"], num_groups=2)]
    check(model(nodes, {"x": (2, 6, 4, 3)}, weights, opset=opset))


def test_embedding_and_what_is_given_as_numbers() -> None:
    nodes = [
        node("Gather", ["table", "ids"], ["e"]),
        node("Cast", ["mask"], ["m"], to=TensorProto.FLOAT),
        node("Unsqueeze", ["m", "axis"], ["w"]),
        node("Mul", ["e", "w"], ["y"]),
    ]
    weights = {"table": _random(4, 6), "axis": np.array([-1])}
    inputs = {"ids": (2, 3), "mask": (2, 3)}
    loaded = check(model(nodes, inputs, weights, indices=("ids", "mask")))
    assert loaded.graph.notes == ("input 'mask' is given as fp32, to which it is converted",)
    assert loaded.graph.total_parameters == 24


# What exporters write as several nodes.


def _gelu(form: int) -> list[Any]:
    scaled = node("Div", ["x", "root"], ["s"]) if form else node("Mul", ["x", "inverse"], ["s"])
    rest = [node("Erf", ["s"], ["e"]), node("Add", ["e", "one"], ["f"])]
    ends = [
        [node("Mul", ["x", "f"], ["g"]), node("Mul", ["g", "half"], ["y"])],
        [node("Mul", ["half", "x"], ["g"]), node("Mul", ["g", "f"], ["y"])],
        [node("Mul", ["f", "half"], ["g"]), node("Mul", ["x", "g"], ["y"])],
    ]
    return [scaled, *rest, *ends[form]]


_NUMBERS = {
    **{"one": np.float32(1), "half": np.float32(0.5), "root": np.float32(2**0.5)},
    **{"inverse": np.float32(0.5**0.5), "two": np.float32(2), "three": np.float32(3)},
    **{"small": np.float32(1e-5), "cubic": np.float32(0.044715)},
    **{"slope": np.float32((2 / np.pi) ** 0.5), "zero": np.float32(0), "six": np.float32(6)},
    **{"gamma": _random(8), "beta": _random(8)},
}
NUMBERS: dict[str, Array] = {name: np.asarray(array) for name, array in _NUMBERS.items()}
TANH_GELU = [
    node("Pow", ["x", "three"], ["p"]),
    node("Mul", ["cubic", "p"], ["q"]),
    node("Add", ["x", "q"], ["r"]),
    node("Mul", ["r", "slope"], ["s"]),
    node("Tanh", ["s"], ["t"]),
    node("Add", ["t", "one"], ["u"]),
    node("Mul", ["half", "x"], ["h"]),
    node("Mul", ["h", "u"], ["y"]),
]
HARD_SWISH = [
    node("Add", ["x", "three"], ["a"]),
    node("Clip", ["a", "zero", "six"], ["c"]),
    node("Mul", ["x", "c"], ["m"]),
    node("Div", ["m", "six"], ["y"]),
]
LAYER_NORM = [
    node("ReduceMean", ["x"], ["m"], axes=[-1]),
    node("Sub", ["x", "m"], ["d"]),
    node("Pow", ["d", "two"], ["s"]),
    node("ReduceMean", ["s"], ["v"], axes=[-1]),
    node("Add", ["v", "small"], ["e"]),
    node("Sqrt", ["e"], ["r"]),
    node("Div", ["d", "r"], ["n"]),
    node("Mul", ["n", "gamma"], ["g"]),
    node("Add", ["g", "beta"], ["y"]),
]
RMS_NORM = [
    node("Pow", ["x", "two"], ["s"]),
    node("ReduceMean", ["s"], ["v"], axes=[-1]),
    node("Add", ["v", "small"], ["e"]),
    node("Sqrt", ["e"], ["r"]),
    node("Reciprocal", ["r"], ["i"]),
    node("Mul", ["x", "i"], ["n"]),
    node("Mul", ["gamma", "n"], ["y"]),
]
SILU = [node("Sigmoid", ["x"], ["s"]), node("Mul", ["x", "s"], ["y"])]


@pytest.mark.parametrize(
    ("nodes", "operator"),
    [
        *((_gelu(form), Elementwise(function="gelu")) for form in range(3)),
        (TANH_GELU, Elementwise(function="gelu")),
        (SILU, Elementwise(function="silu")),
        (HARD_SWISH, Elementwise(function="hard_swish")),
        (LAYER_NORM, Normalize(function="layer_norm")),
        (RMS_NORM, Normalize(function="rms_norm")),
    ],
)
def test_several_nodes_are_one_layer(nodes: list[Any], operator: object) -> None:
    loaded = check(model(nodes, {"x": (2, 3, 8)}, NUMBERS, opset=17), tolerance=1e-3)
    assert [layer.operator for layer in loaded.graph.layers] == [operator]


@pytest.mark.parametrize("attributes", [{}, {"auto_pad": "VALID"}, {"pads": [1, 1, 1, 1]}])
def test_zeros_before_a_convolution_are_its_padding(attributes: dict[str, Any]) -> None:
    weights = {"p": np.array([0, 0, 0, 1, 0, 0, 2, 1]), "w": _random(4, 3, 3, 3)}
    nodes = [
        node("Pad", ["x", "p"], ["z"]),
        node("Conv", ["z", "w"], ["y"], strides=[2, 2], **attributes),
    ]
    graph = check(model(nodes, {"x": (1, 3, 8, 8)}, weights)).graph
    assert _kinds(graph) == ["conv"]


def test_other_padding_before_a_convolution_stays() -> None:
    weights = {
        "p": np.array([0, 0, 0, 1, 0, 0, 2, 1]),
        "v": np.asarray(np.float32(3)),
        "w": _random(4, 3, 3, 3),
    }
    nodes = [node("Pad", ["x", "p", "v"], ["z"]), node("Conv", ["z", "w"], ["y"])]
    assert len(check(model(nodes, {"x": (1, 3, 8, 8)}, weights)).graph.layers) > 1


def test_what_only_looks_like_a_pattern_stays_as_it_is() -> None:
    nodes = [node("Sigmoid", ["x"], ["s"]), node("Mul", ["z", "s"], ["y"])]
    loaded = check(model(nodes, {"x": (2, 8), "z": (2, 8)}))
    assert _kinds(loaded.graph) == ["elementwise", "elementwise"]


# Where axes lie.


def test_images_lie_channels_last_and_nothing_moves_between_their_layers() -> None:
    weights = {"v": _random(8, 3, 3, 3), "w": _random(8, 8, 1, 1), "scale": _random(8, 1, 1)}
    nodes = [
        node("Conv", ["x", "v"], ["a"]),
        node("Mul", ["a", "scale"], ["b"]),
        node("Conv", ["b", "w"], ["c"]),
        node("Add", ["c", "a"], ["d"]),
        node("GlobalAveragePool", ["d"], ["p"]),
        node("Flatten", ["p"], ["y"]),
    ]
    graph = check(model(nodes, {"x": (2, 3, 8, 8)}, weights)).graph
    assert graph.tensors["x"].shape == (2, 8, 8, 3)
    assert _kinds(graph) == ["conv", "elementwise", "conv", "elementwise", "reduce"]


def test_a_flattened_map_really_moves() -> None:
    weights = {"v": _random(8, 3, 3, 3), "w": _random(128, 5)}
    nodes = [
        node("Conv", ["x", "v"], ["a"]),
        node("Flatten", ["a"], ["f"]),
        node("MatMul", ["f", "w"], ["y"]),
    ]
    graph = check(model(nodes, {"x": (2, 3, 6, 6)}, weights)).graph
    assert _kinds(graph) == ["conv", "transpose", "reshape", "linear"]


def test_patches_become_tokens_for_nothing() -> None:
    weights = {"v": _random(8, 3, 2, 2), "s": np.array([2, 8, -1]), "w": _random(8, 5)}
    nodes = [
        node("Conv", ["x", "v"], ["a"], strides=[2, 2]),
        node("Reshape", ["a", "s"], ["r"]),
        node("Transpose", ["r"], ["t"], perm=[0, 2, 1]),
        node("MatMul", ["t", "w"], ["y"]),
    ]
    graph = check(model(nodes, {"x": (2, 3, 6, 6)}, weights)).graph
    assert _kinds(graph) == ["conv", "reshape", "linear"]


def test_shuffled_channels_move_once() -> None:
    weights = {
        "v": _random(6, 3, 1, 1),
        "s": np.array([2, 2, 3, 4, 4]),
        "r": np.array([2, 6, 4, 4]),
    }
    nodes = [
        node("Conv", ["x", "v"], ["a"]),
        node("Reshape", ["a", "s"], ["b"]),
        node("Transpose", ["b"], ["c"], perm=[0, 2, 1, 3, 4]),
        node("Reshape", ["c", "r"], ["d"]),
        node("Relu", ["d"], ["y"]),
    ]
    graph = check(model(nodes, {"x": (2, 3, 4, 4)}, weights)).graph
    assert _kinds(graph).count("transpose") == 1


def attention(batch: int, tokens: int, heads: int, size: int) -> Any:
    """Return a model of self-attention with one projection before and one behind."""
    width = heads * size
    weights = {name: _random(width, width) for name in ("wq", "wk", "wv", "wo")}
    weights |= {
        "split": np.array([batch, tokens, heads, size]),
        "merge": np.array([batch, tokens, width]),
        "scale": np.asarray(np.float32(size**-0.5)),
    }
    nodes = []
    for name, order in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3])):
        nodes += [
            node("MatMul", ["x", f"w{name}"], [f"{name}1"], name=f"/{name}/MatMul"),
            node("Reshape", [f"{name}1", "split"], [f"{name}2"]),
            node("Transpose", [f"{name}2"], [name], perm=order),
        ]
    nodes += [
        node("MatMul", ["q", "k"], ["s1"]),
        node("Mul", ["s1", "scale"], ["s2"]),
        node("Softmax", ["s2"], ["p"]),
        node("MatMul", ["p", "v"], ["c1"]),
        node("Transpose", ["c1"], ["c2"], perm=[0, 2, 1, 3]),
        node("Reshape", ["c2", "merge"], ["c3"]),
        node("MatMul", ["c3", "wo"], ["y"]),
    ]
    return model(nodes, {"x": (batch, tokens, width)}, weights)


def test_attention_transposes_nothing() -> None:
    graph = check(attention(2, 5, 3, 4)).graph
    assert "transpose" not in _kinds(graph)
    products = [layer.operator for layer in graph.layers if isinstance(layer.operator, MatMul)]
    assert len(products) == 2
    assert graph.total_macs == 4 * 10 * 12 * 12 + 2 * 2 * 3 * 5 * 5 * 4


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_reshapes_and_transpositions(data: st.DataObject) -> None:
    """Whatever a layer's result goes through, its elements arrive where they belong."""
    shape = [2, 3, 4, 2]
    nodes, weights = [node("Conv", ["x", "v"], ["t0"])], {"v": _random(3, 3, 1, 1)}
    for step in range(data.draw(st.integers(1, 5))):
        if data.draw(st.booleans()):
            order = data.draw(st.permutations(range(len(shape))))
            shape = [shape[axis] for axis in order]
            nodes.append(node("Transpose", [f"t{step}"], [f"t{step + 1}"], perm=order))
        else:
            shape = data.draw(st.sampled_from(_shapes_of(48)))
            weights[f"s{step}"] = np.array(shape)
            nodes.append(node("Reshape", [f"t{step}", f"s{step}"], [f"t{step + 1}"]))
    nodes.append(node("Exp", [nodes[-1].output[0]], ["y"]))
    check(model(nodes, {"x": (2, 3, 4, 2)}, weights), tolerance=1e-3)


def _shapes_of(elements: int) -> list[list[int]]:
    """Return shapes of up to 4 axes with this many elements."""
    shapes = [[elements]]
    for shape in shapes:
        last = shape[-1]
        if len(shape) < 4:
            shapes += [
                [*shape[:-1], size, last // size] for size in (1, 2, 3, 4, 6) if last % size == 0
            ]
    return shapes


def test_biases_and_activations_go_to_the_end_of_products() -> None:
    weights = {
        "w": _random(6, 5),
        "b": _random(5),
        "v": _random(4, 3, 1, 1),
        "c": _random(1, 4, 1, 1),
    }
    nodes = [
        node("MatMul", ["x", "w"], ["m"]),
        node("Add", ["b", "m"], ["a"]),
        node("Tanh", ["a"], ["y"]),
        node("Conv", ["i", "v"], ["k"]),
        node("Add", ["k", "c"], ["l"]),
        node("Sigmoid", ["l"], ["z"]),
    ]
    inputs = {"x": (2, 3, 6), "i": (1, 3, 4, 4)}
    graph = check(model(nodes, inputs, weights, ("y", "z"))).graph
    first, second = (layer.operator for layer in graph.layers)
    assert first == Linear(out_features=5, bias=True, activation="tanh")
    assert isinstance(second, Convolution)
    assert (second.bias, second.activation) == (True, "sigmoid")


def test_what_somebody_else_reads_keeps_its_value() -> None:
    weights = {"w": _random(6, 6)}
    nodes = [
        node("MatMul", ["x", "w"], ["m"]),
        node("Relu", ["m"], ["r"]),
        node("Sub", ["r", "m"], ["y"]),
    ]
    graph = check(model(nodes, {"x": (2, 6)}, weights)).graph
    assert _kinds(graph) == ["linear", "elementwise", "elementwise"]
    named = model(nodes[:2], {"x": (2, 6)}, weights, ("m", "r"))
    assert _kinds(check(named).graph) == ["linear", "elementwise"]


def test_shapes_are_computed_while_the_file_is_read() -> None:
    nodes = [
        node("Shape", ["x"], ["s"]),
        node("Gather", ["s", "i0"], ["b"]),
        node("Unsqueeze", ["b", "a0"], ["b1"]),
        helper.make_node("Constant", [], ["rest"], value_ints=[-1]),
        node("Concat", ["b1", "rest"], ["shape"], axis=0),
        node("Reshape", ["x", "shape"], ["r"]),
        node("Relu", ["r"], ["y"]),
    ]
    weights = {"i0": np.array(0), "a0": np.array([0])}
    graph = check(model(nodes, {"x": (2, 3, 4)}, weights)).graph
    assert graph.tensors["y"].shape == (2, 12)
