"""TFLite files: values against NumPy written here, published counts, and files that are bad."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foundation.errors import WorkloadError
from foundation.numerics import Array
from tests.workloads.tflite_models import Net, computed, read
from workloads.loaders.asked import AS_IT_IS, Asked
from workloads.loaders.files import load_file

RANDOM = np.random.default_rng(0)


def random(*shape: int) -> Array:
    return RANDOM.standard_normal(shape).astype(np.float32)


def ints(*numbers: int) -> Array:
    return np.asarray(numbers, np.int32)


def convolved(
    x: Array, w: Array, stride: int, *, same: bool, dilation: int = 1, groups: int = 1
) -> Array:
    """Return a convolution by its definition in TensorFlow: x [N,H,W,C], w [OC,FY,FX,C/groups]."""
    outs, taps, depth = w.shape[0], w.shape[1:3], w.shape[3]
    spans = [(k - 1) * dilation + 1 for k in taps]
    if same:
        sizes = [-(-s // stride) for s in x.shape[1:3]]
        pads = [
            max((o - 1) * stride + n - s, 0)
            for o, n, s in zip(sizes, spans, x.shape[1:3], strict=True)
        ]
        x = np.pad(x, ((0, 0), *((p // 2, p - p // 2) for p in pads), (0, 0)))
    else:
        sizes = [(s - n) // stride + 1 for s, n in zip(x.shape[1:3], spans, strict=True)]
    y = np.zeros((x.shape[0], *sizes, outs))
    for oy, ox, oc in product(range(sizes[0]), range(sizes[1]), range(outs)):
        group = oc // (outs // groups)
        for fy, fx in product(range(taps[0]), range(taps[1])):
            pixel = x[:, oy * stride + fy * dilation, ox * stride + fx * dilation]
            y[:, oy, ox, oc] += pixel[:, group * depth : (group + 1) * depth] @ w[oc, fy, fx]
    return y


CONV = "Conv2DOptions"


@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize(
    ("size", "stride", "dilation"), [(7, 1, 1), (8, 2, 1), (9, 3, 1), (9, 1, 2)]
)
def test_convolutions(size: int, stride: int, dilation: int, same: bool, tmp_path: Path) -> None:
    x, w, b = random(2, size, size + 1, 4), random(6, 3, 2, 2), random(6)
    expected = convolved(x, w, stride, same=same, dilation=dilation, groups=2) + b
    settings: dict[str, Any] = {"StrideW": stride, "StrideH": stride, "Padding": int(not same)}
    settings |= {"DilationWFactor": dilation, "DilationHFactor": dilation}
    net = Net({"x": x.shape})
    net.add(
        "CONV_2D", ["x", w, b], "y", expected.shape, CONV, FusedActivationFunction=3, **settings
    )
    found = computed(net, tmp_path, x=x)["y"]
    np.testing.assert_allclose(found, np.clip(expected, 0, 6), rtol=1e-4, atol=1e-4)


def test_depthwise_convolutions_have_a_multiplier(tmp_path: Path) -> None:
    x, w = random(1, 5, 6, 3), random(1, 3, 3, 6)
    net = Net({"x": x.shape})
    settings = {"StrideW": 2, "StrideH": 2, "DepthMultiplier": 2}
    net.add("DEPTHWISE_CONV_2D", ["x", w], "y", (1, 3, 3, 6), "DepthwiseConv2DOptions", **settings)
    expected = convolved(x, w.transpose(3, 1, 2, 0), 2, same=True, groups=3)
    np.testing.assert_allclose(computed(net, tmp_path, x=x)["y"], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("padding", "out"), [(0, 6), (1, 7)])
def test_transposed_convolutions(padding: int, out: int, tmp_path: Path) -> None:
    x, w, stride = random(1, 3, 3, 2), random(4, 3, 3, 2), 2
    whole = np.zeros((1, 9, 9, 4))
    for y0, x0, fy, fx in product(range(3), range(3), range(3), range(3)):
        whole[0, y0 * stride + fy, x0 * stride + fx] += w[:, fy, fx] @ x[0, y0, x0]
    cut = max((3 - 1) * stride + 3 - out, 0) // 2
    net = Net({"x": x.shape})
    settings = {"StrideW": stride, "StrideH": stride, "Padding": padding}
    shape = ints(1, out, out, 4)
    expected = whole[:, cut : cut + out, cut : cut + out]
    net.add(
        "TRANSPOSE_CONV", [shape, w, "x"], "y", expected.shape, "TransposeConvOptions", **settings
    )
    np.testing.assert_allclose(computed(net, tmp_path, x=x)["y"], expected, rtol=1e-4, atol=1e-4)


X, Z = random(2, 4, 4, 6), random(2, 4, 4, 6)
POSITIVE = np.abs(X) + np.float32(0.5)
Case = tuple[str, list[str | Array], str, dict[str, Any], Callable[[Array, Array], Array]]
CASES: list[Case] = [
    (
        "ADD",
        ["x", "z"],
        "AddOptions",
        {"FusedActivationFunction": 1},
        lambda x, z: np.maximum(x + z, 0),
    ),
    ("SUB", ["x", "z"], "SubOptions", {}, lambda x, z: x - z),
    ("MUL", ["x", random(6)], "MulOptions", {}, lambda x, _: x * _held("MUL")),
    ("DIV", ["x", "z"], "DivOptions", {}, lambda x, z: x / z),
    ("MAXIMUM", ["x", "z"], "", {}, lambda x, z: np.maximum(x, z)),
    ("MINIMUM", ["x", "z"], "", {}, lambda x, z: np.minimum(x, z)),
    ("SQUARED_DIFFERENCE", ["x", "z"], "", {}, lambda x, z: (x - z) ** 2),
    ("SQUARE", ["x"], "", {}, lambda x, _: x * x),
    ("RELU", ["x"], "", {}, lambda x, _: np.maximum(x, 0)),
    ("RELU6", ["x"], "", {}, lambda x, _: np.clip(x, 0, 6)),
    ("RELU_N1_TO_1", ["x"], "", {}, lambda x, _: np.clip(x, -1, 1)),
    ("LEAKY_RELU", ["x"], "LeakyReluOptions", {"Alpha": 0.25}, lambda x, _: np.maximum(x, x / 4)),
    ("TANH", ["x"], "", {}, lambda x, _: np.tanh(x)),
    ("LOGISTIC", ["x"], "", {}, lambda x, _: 1 / (1 + np.exp(-x))),
    ("HARD_SWISH", ["x"], "", {}, lambda x, _: x * np.clip(x + 3, 0, 6) / 6),
    ("EXP", ["x"], "", {}, lambda x, _: np.exp(x)),
    ("ABS", ["x"], "", {}, lambda x, _: np.abs(x)),
    ("NEG", ["x"], "", {}, lambda x, _: -x),
    ("RSQRT", ["z"], "", {}, lambda _, z: 1 / np.sqrt(z)),
    ("SQRT", ["z"], "", {}, lambda _, z: np.sqrt(z)),
    ("LOG", ["z"], "", {}, lambda _, z: np.log(z)),
    ("SOFTMAX", ["x"], "SoftmaxOptions", {"Beta": 2.0}, lambda x, _: _softmax(2 * x)),
    ("LOG_SOFTMAX", ["x"], "", {}, lambda x, _: np.log(_softmax(x))),
    (
        "MEAN",
        ["x", ints(1, 2)],
        "ReducerOptions",
        {"KeepDims": True},
        lambda x, _: x.mean((1, 2), keepdims=True),
    ),
    ("SUM", ["x", ints(-1)], "ReducerOptions", {}, lambda x, _: x.sum(3)),
    ("REDUCE_MAX", ["x", ints(0, 3)], "ReducerOptions", {}, lambda x, _: x.max((0, 3))),
    ("RESHAPE", ["x", ints(2, -1)], "", {}, lambda x, _: x.reshape(2, -1)),
    ("RESHAPE", ["x"], "ReshapeOptions", {"NewShape": ints(8, 24)}, lambda x, _: x.reshape(8, 24)),
    ("EXPAND_DIMS", ["x", ints(1)], "", {}, lambda x, _: x[:, None]),
    ("TRANSPOSE", ["x", ints(0, 3, 1, 2)], "", {}, lambda x, _: x.transpose(0, 3, 1, 2)),
    (
        "CONCATENATION",
        ["x", "z"],
        "ConcatenationOptions",
        {"Axis": -1},
        lambda x, z: np.concatenate([x, z], -1),
    ),
    (
        "PACK",
        ["x", "z"],
        "PackOptions",
        {"Axis": 1, "ValuesCount": 2},
        lambda x, z: np.stack([x, z], 1),
    ),
    ("SLICE", ["x", ints(0, 1, 0, 2), ints(2, 2, -1, 3)], "", {}, lambda x, _: x[:, 1:3, :, 2:5]),
    (
        "STRIDED_SLICE",
        ["x", ints(0, 1, 0, 0), ints(0, 2, 4, 5), ints(1, 1, 2, 2)],
        "StridedSliceOptions",
        {"EndMask": 1, "ShrinkAxisMask": 2},
        lambda x, _: x[:, 1, ::2, :5:2],
    ),
    (
        "PAD",
        ["x", ints(0, 0, 1, 2, 0, 1, 0, 0).reshape(4, 2)],
        "",
        {},
        lambda x, _: np.pad(x, ((0, 0), (1, 2), (0, 1), (0, 0))),
    ),
    ("TILE", ["x", ints(1, 2, 1, 1)], "", {}, lambda x, _: np.tile(x, (1, 2, 1, 1))),
    ("RESIZE_NEAREST_NEIGHBOR", ["x", ints(8, 4)], "", {}, lambda x, _: x.repeat(2, 1)),
    ("GATHER", ["x", ints(5, 0, 2)], "GatherOptions", {"Axis": 3}, lambda x, _: x[..., [5, 0, 2]]),
    (
        "SPACE_TO_DEPTH",
        ["x"],
        "SpaceToDepthOptions",
        {"BlockSize": 2},
        lambda x, _: _space_to_depth(x),
    ),
    ("DEQUANTIZE", ["x"], "", {}, lambda x, _: x),
    (
        "BATCH_MATMUL",
        ["x", "z"],
        "BatchMatMulOptions",
        {"AdjY": True},
        lambda x, z: x @ z.swapaxes(2, 3),
    ),
    (
        "MAX_POOL_2D",
        ["x"],
        "Pool2DOptions",
        {"StrideW": 2, "StrideH": 2, "FilterWidth": 2, "FilterHeight": 2},
        lambda x, _: x.reshape(2, 2, 2, 2, 2, 6).max((2, 4)),
    ),
    (
        "AVERAGE_POOL_2D",
        ["x"],
        "Pool2DOptions",
        {"StrideW": 2, "StrideH": 2, "FilterWidth": 2, "FilterHeight": 2, "Padding": 1},
        lambda x, _: x.reshape(2, 2, 2, 2, 2, 6).mean((2, 4)),
    ),
]


def _held(operator: str) -> Array:
    """Return the array among an operator's inputs."""
    (inputs,) = [case[1] for case in CASES if case[0] == operator]
    return next(value for value in inputs if not isinstance(value, str))


def _softmax(x: Array) -> Array:
    powers = np.exp(x - x.max(-1, keepdims=True))
    result: Array = powers / powers.sum(-1, keepdims=True)
    return result


def _space_to_depth(x: Array) -> Array:
    parts = [x[:, i::2, j::2] for i in range(2) for j in range(2)]
    return np.concatenate(parts, -1)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_operators(case: Case, tmp_path: Path) -> None:
    operator, inputs, options, settings, compute = case
    expected = compute(X, POSITIVE)
    net = Net({"x": X.shape, "z": POSITIVE.shape})
    net.add(operator, inputs, "y", expected.shape, options, **settings)
    found = computed(net, tmp_path, x=X, z=POSITIVE)["y"]
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-4)


def test_space_and_depth_undo_each_other(tmp_path: Path) -> None:
    net = Net({"x": X.shape})
    net.add("SPACE_TO_DEPTH", ["x"], "d", None, "SpaceToDepthOptions", BlockSize=2)
    net.add("DEPTH_TO_SPACE", ["d"], "y", X.shape, "DepthToSpaceOptions", BlockSize=2)
    np.testing.assert_allclose(computed(net, tmp_path, x=X)["y"], X)


def test_linear_resizing_has_half_pixel_centers(tmp_path: Path) -> None:
    net = Net({"x": X.shape})
    options = {"HalfPixelCenters": True}
    net.add("RESIZE_BILINEAR", ["x", ints(8, 4)], "y", None, "ResizeBilinearOptions", **options)
    places = np.clip((np.arange(8) + 0.5) / 2 - 0.5, 0, 3)
    low = np.floor(places).astype(int)
    share = (places - low)[:, None, None]
    expected = X[:, low] * (1 - share) + X[:, np.minimum(low + 1, 3)] * share
    np.testing.assert_allclose(computed(net, tmp_path, x=X)["y"], expected, rtol=1e-4, atol=1e-4)


def test_learned_slopes_and_lost_axes(tmp_path: Path) -> None:
    x, slope = random(1, 4, 1, 6), random(6)
    net = Net({"x": x.shape})
    net.add("PRELU", ["x", slope], "p", x.shape)
    net.add("SQUEEZE", ["p"], "y", (1, 4, 6), "SqueezeOptions", SqueezeDims=ints(2))
    expected = np.where(x > 0, x, slope * x)[:, :, 0]
    np.testing.assert_allclose(computed(net, tmp_path, x=x)["y"], expected, rtol=1e-5)


def test_linear_layers_flatten_or_keep(tmp_path: Path) -> None:
    x, w, b = random(2, 3, 8), random(5, 8), random(5)
    for keeps, shape in ((False, (6, 5)), (True, (2, 3, 5))):
        net = Net({"x": x.shape})
        settings = {"KeepNumDims": keeps, "FusedActivationFunction": 4}
        net.add("FULLY_CONNECTED", ["x", w, b], "y", shape, "FullyConnectedOptions", **settings)
        loaded = read(net.written(), tmp_path).graph
        assert [layer.operator.kind for layer in loaded.layers][:1] == ["linear"] or keeps is False
        found = computed(net, tmp_path, x=x)["y"]
        np.testing.assert_allclose(found, np.tanh(x @ w.T + b).reshape(shape), rtol=1e-4, atol=1e-4)


def test_parts(tmp_path: Path) -> None:
    net = Net({"x": X.shape})
    net.add("SPLIT", [ints(3), "x"], ("a", "b", "y"), None, "SplitOptions", NumSplits=3)
    net.add("SPLIT_V", ["a", ints(1, -1), ints(1)], ("c", "d"))
    net.add("UNPACK", ["b"], ("e", "f", "g", "h"), None, "UnpackOptions", Axis=1, Num=4)
    outputs = ("y", "c", "d", "e", "h")
    found = computed(net, tmp_path, outputs, x=X)
    expected = {"y": X[..., 4:], "c": X[:, :1, :, :2], "d": X[:, 1:, :, :2]}
    expected |= {"e": X[:, 0, :, 2:4], "h": X[:, 3, :, 2:4]}
    for name in outputs:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5)


def test_embeddings_and_shapes_that_the_file_computes(tmp_path: Path) -> None:
    table, ids = random(9, 4), ints(3, 1, 7, 7).reshape(2, 2)
    net = Net({"ids": (2, 2)}, kinds={"ids": "INT32"})
    net.add("EMBEDDING_LOOKUP", ["ids", table], "rows", (2, 2, 4))
    net.add("SHAPE", ["rows"], "shape")
    begin = [ints(0), ints(1), ints(1)]
    net.add("STRIDED_SLICE", ["shape", *begin], "n", None, "StridedSliceOptions", ShrinkAxisMask=1)
    net.add("PACK", ["n", np.asarray(-1, np.int32)], "to", None, "PackOptions", ValuesCount=2)
    net.add("RESHAPE", ["rows", "to"], "y", (2, 8))
    np.testing.assert_array_equal(computed(net, tmp_path, ids=ids)["y"], table[ids].reshape(2, 8))


#: Output channels and stride of each block: A. Howard et al., "MobileNets", 2017, table 1.
MOBILENET = (
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *((512, 1),) * 5,
    *((1024, 2), (1024, 1)),
)


def mobilenet(*, quantized: bool = False, is_batch_open: bool = False) -> Net:
    """Return MobileNet v1 1.0 224, with batch normalization folded as converters leave it."""
    kind, wide = (np.int8, np.int32) if quantized else (np.float16, np.float32)
    net = Net({"image": (1, 224, 224, 3)}, is_batch_open=is_batch_open)
    if quantized:
        net.kinds = {"image": "INT8"}

    def weights(*shape: int) -> Array:
        return np.broadcast_to(np.asarray(1, kind), shape)

    def convolution(name: str, read: str, operator: str, stride: int, *shape: int) -> str:
        options = CONV if operator == "CONV_2D" else "DepthwiseConv2DOptions"
        out = shape[0] if operator == "CONV_2D" else shape[3]
        settings = {"StrideW": stride, "StrideH": stride, "FusedActivationFunction": 3}
        if options != CONV:
            settings["DepthMultiplier"] = 1
        bias = np.zeros(out, wide)
        return net.add(operator, [read, weights(*shape), bias], name, None, options, **settings)

    at, channels = convolution("conv", "image", "CONV_2D", 2, 32, 3, 3, 3), 32
    for number, (out, stride) in enumerate(MOBILENET):
        at = convolution(f"dw{number}", at, "DEPTHWISE_CONV_2D", stride, 1, 3, 3, channels)
        at = convolution(f"pw{number}", at, "CONV_2D", 1, out, 1, 1, channels)
        channels = out
    sizes = {"StrideW": 1, "StrideH": 1, "FilterWidth": 7, "FilterHeight": 7, "Padding": 1}
    at = net.add("AVERAGE_POOL_2D", [at], "pool", (1, 1, 1, 1024), "Pool2DOptions", **sizes)
    settings = {"StrideW": 1, "StrideH": 1}
    head: list[str | Array] = [at, weights(1001, 1, 1, 1024), np.zeros(1001, wide)]
    at = net.add("CONV_2D", head, "logits", None, CONV, **settings)
    at = net.add("RESHAPE", [at, ints(-1, 1001)], "flat")
    net.add("SOFTMAX", [at], "y", None, "SoftmaxOptions", Beta=1.0)
    return net


@pytest.mark.parametrize("quantized", [False, True])
def test_mobilenet_has_its_published_counts(quantized: bool, tmp_path: Path) -> None:
    """4.2 million parameters and 569 million MACs: table 8 there, of 1,000 classes; here 1,001."""
    path = tmp_path / "mobilenet.tflite"
    path.write_bytes(mobilenet(quantized=quantized, is_batch_open=True).written())
    graph = load_file(path)
    assert round(graph.total_parameters / 1e6, 1) == 4.2
    assert graph.total_macs == 568_740_352 + 1024
    assert graph.tensors["image"].dtype.name == ("int8" if quantized else "fp16")
    kinds = {layer.operator.kind for layer in graph.layers}
    assert "transpose" not in kinds
    assert load_file(path, Asked(batch=4)).total_macs == 4 * graph.total_macs


def test_quantized_operators_are_layers_of_int8(tmp_path: Path) -> None:
    w = RANDOM.integers(-9, 9, (4, 3, 3, 2)).astype(np.int8)
    net = Net({"x": (1, 6, 6, 2)})
    net.add("QUANTIZE", ["x"], "q", (1, 6, 6, 2), "QuantizeOptions")
    settings = {"StrideW": 1, "StrideH": 1}
    net.add("CONV_2D", ["q", w, ints(1, 2, 3, 4)], "c", (1, 6, 6, 4), CONV, **settings)
    net.add("DEQUANTIZE", ["c"], "y", (1, 6, 6, 4), "DequantizeOptions")
    graph = read(net.written(), tmp_path).graph
    assert [layer.operator.kind for layer in graph.layers] == ["conv"]
    assert {t.dtype.name for t in graph.tensors.values()} == {"int8", "int32"}
    assert graph.total_parameters == w.size + 4


def _one(operator: str, inputs: Sequence[str | Array] = ("x",), **more: Any) -> bytes:
    net = Net({"x": (1, 4, 4, 2)})
    net.add(operator, inputs, "y", **more)
    return net.written()


BAD = [
    (b"", AS_IT_IS, "can't be read as a TFLite model: cannot mmap an empty file"),
    (b"PNG" * 20, AS_IT_IS, "doesn't begin as a TFLite model, with the identifier TFL3"),
    (b"\xff\xff\xff\x7fTFL3", AS_IT_IS, "can't be read as a TFLite model: "),
    (
        _one("FFT"),
        AS_IT_IS,
        "operator 'y' (FFT): isn't known; --allow-unknown-as-vector takes it as a function of the"
        " vector unit",
    ),
    (
        _one("RESHAPE", ["x", ints(3, -1)]),
        AS_IT_IS,
        "operator 'y' (RESHAPE): shape [3, -1] doesn't hold the 32 elements of [1, 4, 4, 2]",
    ),
    (
        _one("RELU", shape=(1, 4, 4, 3)),
        AS_IT_IS,
        "operator 'y' (RELU): computes [1, 4, 4, 2] but the file says [1, 4, 4, 3]",
    ),
    (_one("RELU", ["z"]), AS_IT_IS, "operator 'y' (RELU): reads 'z', which nothing before it"),
    (
        _one("RESIZE_NEAREST_NEIGHBOR", ["x", ints(6, 4)]),
        AS_IT_IS,
        "operator 'y' (RESIZE_NEAREST_NEIGHBOR): resizes 4 to 6, which isn't a whole factor;",
    ),
    (
        _one("RELU"),
        Asked(batch=3),
        "batch 3 is asked for but the file's inputs have 1; leave --batch out, or export the model"
        " with an open batch dimension",
    ),
    (_one("RELU"), Asked(dims={"n": 3}), "has no dimension 'n'; leave --dim out"),
    (_one("RELU"), Asked(phase="prefill:3"), "a TFLite file is one phase but 'prefill:3' is asked"),
    (_one("RELU"), Asked(page=16), "a TFLite file has no caches in pages; leave --page out"),
    (_one("TRANSPOSE", ["x", ints(0, 1, 2, 3)]), AS_IT_IS, "computes nothing; give a network"),
]


@pytest.mark.parametrize(("content", "asked", "message"), BAD)
def test_one_clear_message(content: bytes, asked: Asked, message: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.tflite"
    path.write_bytes(content)
    with pytest.raises(WorkloadError) as raised:
        load_file(path, asked)
    assert str(raised.value).startswith(f"{path}: {message}")


def test_unknown_operators_are_functions_of_their_output(tmp_path: Path) -> None:
    content = _one("Fancy", shape=(1, 2, 3))
    graph = read(content, tmp_path, Asked(unknown_as_vector=True)).graph
    assert graph.tensors[graph.layers[-1].name].size_elements == 6
    note = "operator 'y' (Fancy) isn't known: taken as a function of the vector unit"
    assert graph.notes == (note,)
