from __future__ import annotations

from pathlib import Path

import pytest

from foundation.dtype import DTYPES
from foundation.numerics import real
from workloads.graph import Graph, TensorKind
from workloads.layers import Convolution, Elementwise, Linear, Pool, Reduce, Window
from workloads.loaders.yaml import load_network, load_zoo, parse_network, to_yaml, zoo_names
from workloads.random_values import random_tensors


def network(layers: str, inputs: str = "{x: [batch, 8, 9, 4]}", extra: str = "") -> Graph:
    return parse_network(f"name: n\ninputs: {inputs}\n{extra}\nlayers: [{layers}]", "a.yaml")


def windows(options: str, inputs: str = "{x: [batch, 8, 9, 4]}") -> tuple[Window, ...]:
    graph = network(f"{{name: c, op: conv, out: 2, {options}}}", inputs)
    operator = graph.layers[0].operator
    assert isinstance(operator, Convolution)
    return operator.windows


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("kernel: 3", (Window(3), Window(3))),
        ("kernel: [1, 3], stride: [2, 1]", (Window(1, 2), Window(3, 1))),
        ("kernel: 2, dilation: [1, 3]", (Window(2), Window(2, 1, 3))),
        ("kernel: 3, padding: 1", (Window(3, 1, 1, 1, 1), Window(3, 1, 1, 1, 1))),
        ("kernel: 3, padding: [0, 1]", (Window(3), Window(3, 1, 1, 1, 1))),
        (
            "kernel: 3, padding: [[0, 1], [2, 0]]",
            (Window(3, 1, 1, 0, 1), Window(3, 1, 1, 2, 0)),
        ),
        # ceil(8 / 2) = 4 positions span 9, ceil(9 / 2) = 5 span 11.
        (
            "kernel: 3, stride: 2, padding: same",
            (Window(3, 2, 1, 0, 1), Window(3, 2, 1, 1, 1)),
        ),
        ("kernel: 1, stride: 4, padding: same", (Window(1, 4), Window(1, 4))),
    ],
)
def test_windows(options: str, expected: tuple[Window, ...]) -> None:
    assert windows(options) == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("kernel: 3", Window(3)),
        ("kernel: [3], stride: 2", Window(3, 2)),
        ("kernel: 3, padding: [[2, 0]]", Window(3, 1, 1, 2, 0)),
        ("kernel: 3, padding: [1]", Window(3, 1, 1, 1, 1)),
    ],
)
def test_one_dimensional_windows(options: str, expected: Window) -> None:
    assert windows(options, "{x: [batch, 16, 4]}") == (expected,)


def test_a_pool_strides_by_its_kernel() -> None:
    graph = network("{name: p, op: max_pool, kernel: [2, 3]}")
    assert graph.layers[0].operator == Pool(function="max", windows=(Window(2, 2), Window(3, 3)))
    assert graph.tensors["p"].shape == (1, 4, 3, 4)


def test_global_pool_reduces_the_spatial_axes() -> None:
    graph = network("{name: p, op: global_pool}")
    assert graph.layers[0].operator == Reduce(function="mean", axes=(1, 2))
    graph = network("{name: p, op: global_pool, function: max}", "{x: [2, 8, 4]}")
    assert graph.layers[0].operator == Reduce(function="max", axes=(1,))
    assert graph.tensors["p"].shape == (2, 4)


def test_a_layer_reads_the_one_before() -> None:
    graph = network("{name: a, op: relu}, {name: b, op: tanh}, {name: c, op: add, inputs: [b, x]}")
    assert [layer.inputs for layer in graph.layers] == [("x",), ("a",), ("b", "x")]
    assert graph.outputs == ("c",)


def test_layers_run_after_what_they_read() -> None:
    graph = network(
        "{name: a, op: relu, input: c}, {name: b, op: tanh, input: x}, {name: c, op: gelu}"
    )
    assert [layer.name for layer in graph.layers] == ["b", "c", "a"]


def test_batch_and_dtype_can_be_overridden() -> None:
    text = (
        "name: n\ndtype: fp16\nbatch: 2\ninputs: {x: {shape: [batch, 3], dtype: int32}}\n"
        "layers: [{name: e, op: embedding, entries: 9, out: 4}, {name: f, op: linear, out: 1}]"
    )
    graph = parse_network(text, "a.yaml")
    assert (graph.batch, graph.tensors["f"].shape) == (2, (2, 3, 1))
    assert {tensor.dtype.name for tensor in graph.tensors.values()} == {"int32", "fp16", "fp32"}
    graph = parse_network(text, "a.yaml", batch=5, dtype="int8")
    assert (graph.batch, graph.tensors["f"].shape) == (5, (5, 3, 1))
    assert graph.tensors["x"].dtype is DTYPES["int32"]
    assert graph.tensors["f.bias"].dtype is DTYPES["int32"]
    assert graph.tensors["f"].dtype is DTYPES["int8"]


def test_an_embedding_may_have_its_own_dtype() -> None:
    graph = network(
        "{name: e, op: embedding, entries: 9, out: 4, dtype: bf16}",
        "{x: {shape: [3], dtype: int32}}",
    )
    assert graph.tensors["e"].dtype is DTYPES["bf16"]
    assert graph.tensors["e.table"].dtype is DTYPES["bf16"]


def test_parameters_may_use_those_before() -> None:
    graph = network(
        "{name: f, op: linear, out: deep // 3 - (wide + -1)}",
        extra="parameters: {wide: 4, deep: 2 * wide * batch + 16}",
    )
    assert graph.tensors["f"].shape == (1, 8, 9, 5)


def test_learned_tensors_count_as_parameters() -> None:
    graph = network("{name: a, op: add, inputs: [x, p]}", extra="learned: {p: [9, 4]}")
    assert graph.tensors["p"].kind is TensorKind.PARAMETER
    assert graph.total_parameters == 36


def test_a_tied_linear_layer_shares_the_table() -> None:
    layers = "{name: e, op: embedding, entries: 9, out: 4}, {name: l, op: linear, tied_to: e}"
    graph = network(layers, "{x: {shape: [3], dtype: int32}}")
    assert graph.layers[1].operator == Linear(out_features=9, bias=True, tied=True)
    assert graph.layers[1].inputs == ("e", "e.table")
    assert graph.total_parameters == 9 * 4 + 9


BLOCKS = """\
name: n
inputs: {x: [4]}
blocks:
  inner:
    layers:
      - {name: f, op: linear, out: 4}
      - {name: add, op: add, inputs: [f, input]}
  outer:
    parameters: {times: 2}
    layers:
      - {name: first, op: relu, input: input}
      - {name: many, use: inner, repeat: times}
      - {name: last, op: add, inputs: [many, many.0.f]}
layers:
  - {name: a, op: tanh}
  - {name: b, use: outer, with: {times: 1}}
  - {name: c, use: outer, input: a, repeat: 2}
  - {name: d, op: add, inputs: [b.first, c.1.many.0.add]}
"""


def test_blocks_within_blocks() -> None:
    graph = parse_network(BLOCKS, "a.yaml")
    inputs = {layer.name: layer.inputs for layer in graph.layers}
    assert list(inputs)[:5] == ["a", "b.first", "b.many.0.f", "b.many.0.add", "b.last"]
    assert inputs["b.first"] == ("a",)
    assert inputs["b.many.0.add"] == ("b.many.0.f", "b.first")
    assert inputs["b.last"] == ("b.many.0.add", "b.many.0.f")
    assert inputs["c.0.first"] == ("a",)
    assert inputs["c.0.many.1.f"] == ("c.0.many.0.add",)
    assert inputs["c.1.first"] == ("c.0.last",)
    assert inputs["d"] == ("b.first", "c.1.many.0.add")


@pytest.mark.parametrize("name", zoo_names())
def test_the_resolved_zoo_is_the_same_network(name: str) -> None:
    graph = load_zoo(name)
    assert parse_network(to_yaml(graph), "resolved.yaml") == graph


def test_resolved_text() -> None:
    graph = network(
        "{name: c, op: conv, out: 2, kernel: 3, batch_norm: true, shift: 9},"
        " {name: 'null', op: relu}, {name: s, op: add, inputs: [c, 'null'], activation: relu}",
    )
    assert to_yaml(graph) == (
        "name: n\n"
        "batch: 1\n"
        "# 3024 MACs, 76 parameters\n"
        "inputs:\n"
        "  x: {shape: [1, 8, 9, 4], dtype: int8}  # 288 bytes\n"
        "layers:\n"
        "  - {name: c, op: conv, input: x, out: 2, kernel: [3, 3], stride: [1, 1],"
        " dilation: [1, 1], padding: [[0, 0], [0, 0]], groups: 1, bias: false,"
        " batch_norm: true, activation: identity, shift: 9}\n"
        "    # output [1, 6, 7, 2] int8, 84 bytes, 3024 MACs, 76 parameters\n"
        '  - {name: "null", op: relu, input: c}\n'
        "    # output [1, 6, 7, 2] int8, 84 bytes, 84 operations\n"
        '  - {name: s, op: add, inputs: [c, "null"], activation: relu}\n'
        "    # output [1, 6, 7, 2] int8, 84 bytes, 168 operations\n"
    )
    assert parse_network(to_yaml(graph), "resolved.yaml") == graph


def test_functions_are_operators() -> None:
    graph = network("{name: a, op: hard_swish}, {name: b, op: maximum, inputs: [a, x]}")
    assert graph.layers[0].operator == Elementwise(function="hard_swish")
    assert graph.layers[1].operator == Elementwise(function="maximum")


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(BLOCKS)
    assert load_network(path) == parse_network(BLOCKS, "a.yaml")


def test_the_zoo() -> None:
    names = """
        alexnet alphago_zero bert_base bert_large convnext_tiny dcgan_generator ddpg_actor
        ddpm_cifar10 deeplabv3_resnet50 deepspeech2 deit_small densenet121 dit_xl_2 dlrm dqn
        efficientnet_b0 faster_rcnn_resnet50_fpn fcn_resnet50 gcn_cora googlenet gpt2
        gpt3_175b_decode gpt3_175b_prefill inception_v3 lenet llama2_7b_decode llama2_7b_prefill
        llama3_8b_decode llama3_8b_prefill lstm_ptb mistral_7b_decode mistral_7b_prefill
        mlp_mixer_b16 mnasnet1_0 mobilenet_v2 mobilenet_v3_large opt_125m r3d_18 regnet_y_400mf
        resnet101 resnet152 resnet18 resnet34 resnet50 resnext50_32x4d retinanet_resnet50_fpn
        roberta_base shufflenet_v2_x1_0 squeezenet1_1 ssd300_vgg16 swin_t t5_small transformer_base
        transformer_big unet vgg11 vgg16 vgg19 vit_b16 vit_l16 whisper_tiny wide_resnet50_2 yolov3
        yolov5s
    """
    assert zoo_names() == names.split()


@pytest.mark.parametrize(
    ("dtype", "written", "held"),
    [("int8", "0.3", 0.3125), ("int8", "-8", -8.0), ("fp16", "1e-5", 1.0013580322265625e-05),
     ("bf16", "0.3", 0.30078125), ("fp32", "0.5", 0.5), ("int32", "7", 7.0)],
)  # fmt: skip
def test_a_constant_is_rounded_to_its_dtype(dtype: str, written: str, held: float) -> None:
    graph = network(
        "{name: a, op: concat, inputs: [p, y], axis: 0}",
        f"{{y: {{shape: [2], dtype: {dtype}}}}}",
        f"learned: {{p: {{shape: [3], dtype: {dtype}, constant: {written}}}}}",
    )
    assert graph.tensors["p"].constant == held
    assert graph.total_parameters == 0
    assert parse_network(to_yaml(graph), "resolved.yaml") == graph
    value = random_tensors(graph, seed=0)["p"]
    assert (value.dtype, value.shape) == (DTYPES[dtype].numpy, (3,))
    assert [real(element, DTYPES[dtype]) for element in value] == [held] * 3


def test_a_learned_tensor_may_be_called_like_a_layers_parameter() -> None:
    text = """
name: n
inputs: {x: [4]}
learned: {a.bias: [4]}
layers: [{name: a, op: add, inputs: [x, a.bias]}]
"""
    assert parse_network(text, "n.yaml").layers[0].inputs == ("x", "a.bias")
