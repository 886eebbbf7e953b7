"""Whole nets: counts of the zoo, and values of Caffe's own order of axes and positions."""

from __future__ import annotations

from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from foundation.errors import WorkloadError
from tests.workloads.caffe.nets import (
    alexnet,
    convolution,
    googlenet,
    layer,
    normalized,
    pool,
    product,
    source,
)
from workloads.evaluate import evaluate
from workloads.graph import Graph
from workloads.layers import Convolution, Elementwise, Normalize
from workloads.loaders.asked import AS_IT_IS, Asked
from workloads.loaders.files import load_file
from workloads.loaders.yaml import load_zoo, parse_network, to_yaml
from workloads.random_values import random_tensors

ONE_BY_ONE = "convolution_param {{ num_output: {} kernel_size: 1 }}"
FLOAT = Asked(dtype="fp32")


def load(text: str, folder: Path, asked: Asked = AS_IT_IS) -> Graph:
    path = folder / "net.prototxt"
    path.write_text(text)
    return load_file(path, asked)


def test_alexnet_has_the_zoos_counts(tmp_path: Path) -> None:
    graph = load(alexnet(1, (64, 192, 384, 256, 256), lrn=False), tmp_path)
    zoo = load_zoo("alexnet")
    assert graph.total_parameters == zoo.total_parameters
    assert graph.total_macs == zoo.total_macs
    assert [graph.macs(x) for x in graph.layers if graph.macs(x)] == [
        zoo.macs(x) for x in zoo.layers if zoo.macs(x)
    ]
    assert parse_network(to_yaml(graph), "resolved.yaml") == graph


def test_googlenet_has_the_zoos_counts(tmp_path: Path) -> None:
    graph, zoo = load(googlenet(), tmp_path), load_zoo("googlenet")
    assert graph.total_parameters == zoo.total_parameters
    assert graph.total_macs == zoo.total_macs
    assert {x.operator.kind for x in graph.layers} == {
        *("conv", "pool", "concat", "reduce", "reshape", "linear")
    }, "normalizations and activations belong to convolutions"
    operators = [x.operator for x in graph.layers if isinstance(x.operator, Convolution)]
    assert {(o.batch_norm, o.activation) for o in operators} == {(True, "relu")}


def test_the_first_alexnet_has_the_published_count(tmp_path: Path) -> None:
    # BVLC's AlexNet, as A. Krizhevsky et al., NeurIPS 2012, with two groups: 60,965,224 parameters.
    text = alexnet(2, (96, 256, 384, 384, 256), lrn=True)
    graph = load(text, tmp_path, Asked(dtype="bf16", batch=10))
    assert graph.total_parameters == 60_965_224
    assert graph.batch == 10
    assert graph.tensors["pool5"].shape == (10, 6, 6, 256)


def brute_force_pool(x: NDArray[Any], kernel: int, stride: int, pad: int, kind: str) -> Any:
    """Return a pool of [H, W] as pooling_layer.cpp has it, position by position."""
    sizes = []
    for size in x.shape:
        out = ceil((size + 2 * pad - kernel) / stride) + 1
        if pad and (out - 1) * stride >= size + pad:
            out -= 1
        sizes.append(out)
    result = np.zeros(sizes, x.dtype)
    for row, column in np.ndindex(*sizes):
        top, left = row * stride - pad, column * stride - pad
        inside = x[max(top, 0) : top + kernel, max(left, 0) : left + kernel]
        result[row, column] = inside.max() if kind == "MAX" else inside.sum() / kernel**2
    return result


@settings(max_examples=60)
@given(
    size=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    kernel=st.integers(1, 5),
    stride=st.integers(1, 4),
    pad=st.integers(0, 2),
    kind=st.sampled_from(["MAX", "AVE"]),
)
def test_pools_round_up(
    size: tuple[int, int], kernel: int, stride: int, pad: int, kind: str
) -> None:
    assume(pad < kernel <= min(size) + 2 * pad and stride <= kernel)
    text = source(1, 1, *size) + pool("pool", "data", kernel, stride, f"pool: {kind} pad: {pad}")
    with TemporaryDirectory() as folder:
        graph = load(text, Path(folder), FLOAT)
    given_ = random_tensors(graph, seed=0)
    expected = brute_force_pool(given_["data"][0, :, :, 0], kernel, stride, pad, kind)
    assert graph.tensors["pool"].shape == (1, *expected.shape, 1)
    # Means of numbers around 1 in fp32: what cancels out is off by some of their last bits.
    np.testing.assert_allclose(
        evaluate(graph, given_)["pool"][0, :, :, 0], expected, rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("size", [1, 3, 5])
def test_lrn_is_what_it_is_defined_as(size: int, tmp_path: Path) -> None:
    param = f"lrn_param {{ local_size: {size} alpha: 0.5 beta: 0.75 k: 2 }}"
    graph = load(source(2, 7, 3, 4) + layer("norm", "LRN", "data", param), tmp_path, FLOAT)
    given_ = random_tensors(graph, seed=1)
    x = np.moveaxis(given_["data"], 3, 1).astype(np.float64)  # [N, C, H, W]
    sums = np.zeros_like(x)
    for channel in range(7):
        low, high = max(channel - size // 2, 0), channel + size // 2 + 1
        sums[:, channel] = (x[:, low:high] ** 2).sum(axis=1)
    expected = x * (2 + 0.5 / size * sums) ** -0.75
    result = np.moveaxis(evaluate(graph, given_)["norm"], 3, 1)
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-6)


def test_blobs_are_read_as_they_were_when_a_layer_was_written(tmp_path: Path) -> None:
    text = source(1, 4, 5, 5)
    text += layer(
        "conv", "Convolution", "data", "convolution_param { num_output: 4 kernel_size: 1 }"
    )
    text += layer("before", "AbsVal", "conv")
    text += layer("relu", "ReLU", "conv", top="conv")
    text += layer("after", "Eltwise", "conv before", "eltwise_param { operation: MAX }")
    graph = load(text, tmp_path)
    inputs = {x.name: x.inputs for x in graph.layers}
    assert inputs == {
        "conv": ("data",),
        "before": ("conv",),
        "relu": ("conv",),
        "after": ("relu", "before"),
    }
    operator = graph.layers[0].operator
    assert isinstance(operator, Convolution)
    assert operator.activation == "identity", "another layer reads what is before the ReLU"


def test_residual_blocks_join_what_they_can(tmp_path: Path) -> None:
    text = source(1, 8, 6, 6) + normalized("a", "data", 8, 3)
    text += layer("b", "Convolution", "a_out", ONE_BY_ONE.format(8))
    text += layer("b_bn", "BatchNorm", "b", top="b")
    text += layer("b_scale", "Scale", "b", "scale_param { bias_term: true }", top="b")
    text += layer("sum", "Eltwise", "b data") + layer("sum_relu", "ReLU", "sum", top="sum")
    text += layer("pre_bn", "BatchNorm", "sum") + layer(
        "pre_scale", "Scale", "pre_bn", top="pre_bn"
    )
    text += layer("pre_relu", "ReLU", "pre_bn", top="pre_bn")
    graph = load(text, tmp_path)
    assert [x.name for x in graph.layers] == ["a", "b", "sum", "pre_bn", "pre_relu"]
    operators = {x.name: x.operator for x in graph.layers}
    assert operators["sum"] == Elementwise(function="add", activation="relu")
    assert operators["pre_bn"] == Normalize(function="batch_norm")
    assert graph.total_parameters == 8 * 8 * 9 + 16 + 8 * 8 + 16 + 16


def test_axes(tmp_path: Path) -> None:
    text = source(2, 3, 4, 5) + layer("c", "Concat", "data data")
    text += layer("h", "Concat", "data data", "concat_param { axis: 2 }")
    text += layer("w", "Concat", "data data", "concat_param { axis: -1 }")
    text += layer("n", "Concat", "data data", "concat_param { concat_dim: 0 }")
    text += layer("flat", "Flatten", "h") + layer("soft", "Softmax", "data")
    text += layer("scaled", "Scale", "data") + layer("sum", "Eltwise", "data soft scaled")
    graph = load(text, tmp_path)
    shapes = {x.name: graph.tensors[x.name].shape for x in graph.layers}
    assert shapes["c"] == (2, 4, 5, 6)
    assert shapes["h"] == (2, 8, 5, 3)
    assert shapes["w"] == (2, 4, 10, 3)
    assert shapes["n"] == (4, 4, 5, 3)
    assert shapes["flat"] == (2, 120)
    assert graph.total_parameters == 3
    assert "sum.1" in shapes


def test_what_other_files_have_besides(tmp_path: Path) -> None:
    text = """
    # the first format, and inputs at the top
    name: 'old'
    input: "data" input_dim: 3 input_dim: 2 input_dim: 8 input_dim: 8
    layers { name: "train" type: DATA top: "data" top: "label" include: { phase: TRAIN } }
    layers {
      name: "conv" type: CONVOLUTION bottom: "data" top: "conv" blobs_lr: 1 blobs_lr: 2
      convolution_param < num_output: 4; kernel_h: 3, kernel_w: 1 stride: 1 pad_h: 1 pad_w: 0 >
    }
    layers { name: "relu" type: RELU bottom: "conv" top: "conv" }
    layers { name: "split" type: SPLIT bottom: "conv" top: "one" top: "two" }
    layers { name: "ip" type: INNER_PRODUCT bottom: "two" top: "ip"
             inner_product_param { num_output: 5 bias_term: false } }
    layers { name: "loss" type: SOFTMAX_LOSS bottom: "ip" top: "loss"
             exclude { phase: TEST } }
    """
    graph = load(text, tmp_path)
    assert (graph.name, graph.batch) == ("old", 3)
    assert [x.name for x in graph.layers] == ["conv", "ip.flat", "ip"]
    assert graph.tensors["conv"].shape == (3, 8, 8, 4)
    assert graph.total_parameters == 4 * 2 * 3 + 4 + 8 * 8 * 4 * 5


def test_unknown_layers_can_be_vector_functions(tmp_path: Path) -> None:
    text = source(1, 3, 4, 5) + layer("p", "PReLU", "data")
    graph = load(text, tmp_path, Asked(unknown_as_vector=True))
    assert graph.layers[0].operator == Elementwise(function="identity")
    assert graph.tensors["p"].shape == (1, 4, 5, 3)


DATA = source(1, 4, 8, 8)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "1: has no layer"),
        (
            'input: "data"\nlayer { type: "ReLU" }',
            "1: 1 inputs have 0 shapes; give each an input_shape, or 4 times input_dim",
        ),
        (
            DATA + layer("a", "ReLu", "data"),
            "2: layer 'a': type ReLu isn't known; did you mean 'ReLU'?",
        ),
        (
            layer("a", "Data", "", 'top: "label"'),
            "1: layer 'a': type Data doesn't say the shapes of what it reads; put an Input layer in"
            " its place",
        ),
        (
            DATA + layer("a", "SoftmaxWithLoss", "data"),
            "2: layer 'a': type SoftmaxWithLoss belongs to training; give the net that is deployed",
        ),
        (
            DATA + layer("a", "ReLU", "conv"),
            "2: layer 'a': no layer before it writes bottom 'conv'",
        ),
        (DATA + 'layer { name: "a" bottom: "data" }', "2: layer 'a': has no type; add one"),
        (DATA + layer("a", "ReLU", "data data"), "2: layer 'a': ReLU needs 1 bottom but has 2"),
        (
            DATA + layer("a", "Eltwise", "data"),
            "2: layer 'a': Eltwise needs 2 or more bottoms but has 1",
        ),
        (
            DATA + layer("a", "ReLU", "data", "relu_param { negative_slope: 0.1 }"),
            "2: layer 'a': negative_slope is 0.1 but only 0 is known",
        ),
        (
            DATA + layer("a", "Eltwise", "data data", "eltwise_param { coeff: 1 coeff: -1 }"),
            "2: layer 'a': coeff is -1 but only 1 is known",
        ),
        (
            DATA + layer("a", "LRN", "data"),
            "2: layer 'a': LRN needs floating point but the network is int8; ask for another dtype,"
            " such as bf16",
        ),
        (
            DATA + layer("a", "Pooling", "data", "pooling_param { pool: STOCHASTIC }"),
            "2: layer 'a': pool is STOCHASTIC but must be MAX or AVE",
        ),
        (
            DATA + layer("a", "Convolution", "data", "convolution_param { kernel_size: 3 }"),
            "2: layer 'a': convolution_param needs 'num_output'; add it",
        ),
        (
            DATA + layer("a", "Convolution", "data", "convolution_param { num_output: 3 }"),
            "2: layer 'a': convolution_param has 0 times 'kernel_size' but needs 1 or 2",
        ),
        (
            DATA + layer("a", "Convolution", "data", "convolution_param {\nkernel: 3 }"),
            "3: convolution_param has no field 'kernel'; did you mean 'kernel_w'?",
        ),
        (
            DATA + convolution("a", "data", 6, 3, "group: 4"),
            "2: layer 'a': 6 output channels don't divide into 4 groups",
        ),
        (
            DATA + convolution("a", "data", 6, 9),
            "2: layer 'a': window spans 9 elements along height but the padded input has 8 (0 + 8 +"
            " 0); reduce kernel or dilation, or pad more",
        ),
        (
            DATA + convolution("a", "data", 6, 3, "stride: 0"),
            "2: stride is '0' but must be a whole number of at least 1",
        ),
        (
            DATA + layer("a", "Softmax", "data", "softmax_param { axis: 2 }"),
            "2: layer 'a': axis is 2 but only 1, the channels, is known",
        ),
        (
            DATA
            + layer("a", "Convolution", "data", ONE_BY_ONE.format(4))
            + layer("b", "Scale", "a", "scale_param { axis: 2 bias_term: true }"),
            "3: layer 'b': axis is 2 but only 1, the channels, is known",
        ),
        (
            DATA + layer("a", "Concat", "data data", "concat_param { axis: 4 }"),
            "2: layer 'a': axis is 4 but 'data' has 4 axes",
        ),
        (
            DATA + 'layer { name: "a" type: "ReLU" bottom: "data" top: "a" top: "b" }',
            "2: layer 'a': ReLU must have 1 top but has 2",
        ),
        (
            DATA
            + "".join(layer(x, "ReLU", "data", 'param { name: "shared" }') for x in ("a", "b")),
            "3: layer 'b': shares parameters 'shared' with layer 'a', which isn't known; give each"
            " its own",
        ),
        (
            source(1, 4, 8) + layer("a", "ReLU", "data"),
            "1: input 'data': has 3 axes but 4 [N, C, H, W] or 2 [N, C] are known",
        ),
    ],
)  # fmt: skip
def test_bad_nets(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(WorkloadError) as caught:
        load(text, tmp_path)
    assert str(caught.value) == f"{tmp_path / 'net.prototxt'}:{message}"


@pytest.mark.parametrize("kind", ["Concat", "Eltwise", "Pooling"])
def test_a_layer_reads_something(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text(source(1, 3, 8, 8) + layer("a", kind, ""))
    with pytest.raises(WorkloadError, match=r"layer 'a': .*bottom"):
        load_file(path)


def test_products_flatten_what_they_get(tmp_path: Path) -> None:
    graph = load(source(1, 3, 4, 5) + product("a", "data", 7) + product("b", "a", 2), tmp_path)
    assert [x.name for x in graph.layers] == ["a.flat", "a", "b"]
    assert graph.total_macs == 60 * 7 + 7 * 2
