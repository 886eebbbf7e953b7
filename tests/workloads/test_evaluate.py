"""Values computed by hand: nothing here calls what `workloads.evaluate` calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from foundation.numerics import Array, default_shift
from workloads.evaluate import evaluate
from workloads.loaders.yaml import parse_network
from workloads.random_values import random_tensors


def run(
    layers: str, tensors: Mapping[str, Array], *, dtype: str = "int8", extra: str = ""
) -> Array:
    """Return the last layer's value; whatever isn't learned is an input."""
    inputs = ", ".join(
        f"{name}: {{shape: {list(value.shape)}, dtype: {own if own == 'int32' else dtype}}}"
        for name, value in tensors.items()
        for own in [str(value.dtype)]
        if "." not in name
    )
    text = f"name: n\ndtype: {dtype}\ninputs: {{{inputs}}}\n{extra}\nlayers: [{layers}]"
    graph = parse_network(text, "a.yaml")
    result = evaluate(graph, tensors)[graph.layers[-1].name]
    tensor = graph.tensors[graph.layers[-1].name]
    assert (result.shape, result.dtype) == (tensor.shape, tensor.dtype.numpy)
    return result


def int8(*values: Any) -> Array:
    return np.array(values, dtype=np.int8)


def test_linear_adds_bias_and_rounds_half_up() -> None:
    result = run(
        "{name: f, op: linear, out: 2, shift: 2}",
        {
            "x": int8([1, 2], [-3, 4]),
            "f.weight": int8([5, 6], [7, 8]),
            "f.bias": np.array([3, -4], dtype=np.int32),
        },
    )
    # [[19, 22], [13, 14]] + [3, -4] = [[22, 18], [16, 10]]; 22/4 = 5.5, 18/4 = 4.5, 10/4 = 2.5.
    assert result.tolist() == [[6, 5], [4, 3]]


def test_results_saturate() -> None:
    tensors = {"x": int8([100], [-100]), "f.weight": int8([100])}
    tensors["f.weight"] = tensors["f.weight"].reshape(1, 1)
    result = run("{name: f, op: linear, out: 1, bias: false, shift: 3}", tensors)
    assert result.tolist() == [[127], [-128]]


def test_the_default_shift_depends_on_the_length_of_the_reduction() -> None:
    k = 64
    tensors = {"x": np.full((1, k), 64, np.int8), "f.weight": np.full((k, 1), 64, np.int8)}
    result = run("{name: f, op: linear, out: 1, bias: false}", tensors)
    assert result.tolist() == [[min(127, (k * 4096) >> default_shift(k))]]


def test_tied_linear_multiplies_by_the_transposed_table() -> None:
    result = run(
        "{name: e, op: embedding, entries: 3, out: 2},"
        " {name: f, op: linear, tied_to: e, bias: false, shift: 0}",
        {"x": np.array([2], dtype=np.int32), "e.table": int8([1, 2], [3, 4], [5, 6])},
    )
    assert result.tolist() == [[17, 39, 61]]


@pytest.mark.parametrize(("function", "expected"), [("sum", [8, 14]), ("mean", [3, 5])])
def test_an_embedding_bag_adds_up_the_rows_of_its_indices(
    function: str, expected: list[int]
) -> None:
    result = run(
        f"{{name: e, op: embedding_bag, entries: 3, out: 2, function: {function}}}",
        {
            "x": np.array([[2, 0, 0]], dtype=np.int32),
            "e.rows.table": int8([1, 4], [9, 9], [6, 6]),
        },
    )
    assert result.tolist() == [expected]


def test_convolution_with_padding_stride_and_activation() -> None:
    image = np.arange(1, 10, dtype=np.int8).reshape(1, 3, 3, 1)
    weight = int8([1, 0], [0, -1]).reshape(1, 2, 2, 1, 1)
    layer = "{name: c, op: conv, out: 1, kernel: 2, stride: 2, padding: [[1, 0], [0, 1]], shift: 0"
    # Rows 0 0 0 0 / 1 2 3 0 / 4 5 6 0 / 7 8 9 0, windows at rows 0, 2 and columns 0, 2.
    expected = [[0 - 2, 0 - 0], [4 - 8, 6 - 0]]
    tensors = {"x": image, "c.weight": weight}
    assert run(layer + "}", tensors)[0, :, :, 0].tolist() == expected
    assert run(layer + ", activation: relu}", tensors)[0, :, :, 0].tolist() == [[0, 0], [0, 6]]


def test_grouped_convolution_keeps_channels_apart() -> None:
    image = int8([1, 2, 3, 4]).reshape(1, 1, 1, 4)
    weight = int8(1, 10, 100, 2, 20, 1).reshape(2, 1, 1, 1, 3)
    image = image[..., :2]
    result = run(
        "{name: c, op: conv, out: 6, kernel: 1, groups: 2, shift: 0}",
        {"x": image, "c.weight": weight},
    )
    assert result.reshape(-1).tolist() == [1, 10, 100, 4, 40, 2]


def test_grouped_convolution_sums_within_a_group() -> None:
    image = int8(1, 2, 3, 4).reshape(1, 1, 1, 4)
    weight = int8(1, 10, 2, 3).reshape(2, 1, 1, 2, 1)
    result = run(
        "{name: c, op: conv, out: 2, kernel: 1, groups: 2, shift: 0}",
        {"x": image, "c.weight": weight},
    )
    assert result.reshape(-1).tolist() == [21, 18]


def test_dilated_causal_convolution_in_one_dimension() -> None:
    signal = int8(1, 2, 3, 4).reshape(1, 4, 1)
    weight = int8(10, 1).reshape(1, 2, 1, 1)
    result = run(
        "{name: c, op: conv, out: 1, kernel: 2, dilation: 2, padding: [[2, 0]], shift: 0}",
        {"x": signal, "c.weight": weight},
    )
    assert result.reshape(-1).tolist() == [1, 2, 13, 24]


def test_matmul_follows_its_equation() -> None:
    left = np.arange(6, dtype=np.int8).reshape(1, 1, 2, 3)  # b s h d
    right = np.arange(12, dtype=np.int8).reshape(1, 2, 2, 3)  # b t h d
    result = run(
        '{name: m, op: matmul, inputs: [x, y], equation: "bshd,bthd->bhst", shift: 0}',
        {"x": left, "y": right},
    )
    # Head 0: [0 1 2] . [0 1 2] = 5 and . [6 7 8] = 23; head 1: [3 4 5] . [3 4 5] and . [9 10 11].
    assert result.tolist() == [[[[5, 23]], [[50, 122]]]]


def test_int8_elementwise_is_fixed_point() -> None:
    tensors = {"x": int8(100, -100, 24, -8), "y": int8(100, -100, 24, 1)}
    inputs = "inputs: [x, y]"
    assert run(f"{{name: a, op: add, {inputs}}}", tensors).tolist() == [127, -128, 48, -7]
    assert run(f"{{name: a, op: subtract, {inputs}}}", tensors).tolist() == [0, 0, 0, -9]
    # 1.5 * 1.5 = 2.25 is 36 sixteenths; -8 * 1 / 16 = -0.5 rounds up to 0.
    assert run(f"{{name: a, op: multiply, {inputs}}}", tensors).tolist() == [127, 127, 36, 0]
    assert run(f"{{name: a, op: maximum, {inputs}}}", tensors).tolist() == [100, -100, 24, 1]


def test_elementwise_broadcasts_then_activates() -> None:
    result = run(
        "{name: a, op: add, inputs: [x, y], activation: relu}",
        {"x": int8([1], [-9]), "y": int8(2, 3)},
    )
    assert result.tolist() == [[3, 4], [0, 0]]


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("relu", [0, 16, 127]),
        ("relu6", [0, 16, 96]),
        ("sigmoid", [4, 12, 16]),  # 0.2689, 0.7311, 0.9996
        ("tanh", [-12, 12, 16]),  # 0.7616
        ("silu", [-4, 12, 127]),  # -0.2689, 0.7311, 7.935
        ("hard_swish", [-5, 11, 127]),  # -1/3, 2/3
        ("gelu", [-3, 13, 127]),  # -0.1588, 0.8412
    ],
)
def test_int8_functions(function: str, expected: list[int]) -> None:
    # -1, 1 and 127/16 in sixteenths.
    assert run(f"{{name: u, op: {function}}}", {"x": int8(-16, 16, 127)}).tolist() == expected


def test_max_pool_pads_with_the_lowest_value() -> None:
    image = int8(-5, -6, -7, -8).reshape(1, 2, 2, 1)
    result = run("{name: p, op: max_pool, kernel: 2, stride: 2, padding: 1}", {"x": image})
    assert result[0, :, :, 0].tolist() == [[-5, -6], [-7, -8]]
    real = run(
        "{name: p, op: max_pool, kernel: 2, stride: 2, padding: 1}",
        {"x": image.astype(np.float32)},
        dtype="fp32",
    )
    assert real[0, :, :, 0].tolist() == [[-5, -6], [-7, -8]]


def test_average_pool_counts_padding() -> None:
    image = int8(8, 4, -3, 6).reshape(1, 4, 1)
    result = run(
        "{name: p, op: average_pool, kernel: 2, stride: 2, padding: [[1, 1]]}", {"x": image}
    )
    assert result.reshape(-1).tolist() == [4, 1, 3]  # 8/2, 1/2 rounded up, 6/2


def test_reductions() -> None:
    x = int8([[1, 2], [3, 4]], [[5, 6], [7, 9]])
    assert run("{name: r, op: reduce, function: sum, axes: [1]}", {"x": x}).tolist() == [
        [4, 6],
        [12, 15],
    ]
    assert run("{name: r, op: reduce, function: mean, axes: [0, -1]}", {"x": x}).tolist() == [4, 6]
    assert run("{name: r, op: reduce, function: max, axes: [0, 1, 2]}", {"x": x}).tolist() == [9]


def test_softmax_of_equal_values_is_uniform() -> None:
    assert run("{name: s, op: softmax}", {"x": int8([5, 5, 5, 5])}).tolist() == [[4, 4, 4, 4]]
    real = run("{name: s, op: softmax}", {"x": np.log([[1.0, 3.0]]).astype("f")}, dtype="fp32")
    assert real == pytest.approx(np.array([[0.25, 0.75]]), abs=1e-6)


def test_normalizations() -> None:
    row = int8([-16, 16])
    gamma, beta = int8(32, 32), int8(0, 8)
    learned = {"x": row, "n.gamma": gamma, "n.beta": beta}
    # Mean 0, deviation 1: twice the row, plus 0 and a half.
    assert run("{name: n, op: layer_norm}", learned).tolist() == [[-32, 40]]
    assert run("{name: n, op: rms_norm}", {"x": row, "n.gamma": gamma}).tolist() == [[-32, 32]]
    assert run("{name: n, op: batch_norm}", learned).tolist() == [[-32, 40]]


def test_movement() -> None:
    x = int8([1, 2, 3], [4, 5, 6])
    assert run("{name: t, op: transpose, permutation: [1, 0]}", {"x": x}).tolist() == [
        [1, 4],
        [2, 5],
        [3, 6],
    ]
    assert run("{name: r, op: reshape, shape: [3, -1]}", {"x": x}).tolist() == [
        [1, 2],
        [3, 4],
        [5, 6],
    ]
    assert run("{name: s, op: slice, axis: -1, stop: 3, step: 2}", {"x": x}).tolist() == [
        [1, 3],
        [4, 6],
    ]
    assert run("{name: c, op: concat, axis: 1, inputs: [x, x]}", {"x": x}).tolist() == [
        [1, 2, 3, 1, 2, 3],
        [4, 5, 6, 4, 5, 6],
    ]


@pytest.mark.parametrize(("dtype", "tolerance"), [("fp32", 1e-6), ("fp16", 2e-3), ("bf16", 1e-2)])
def test_floating_point_accumulates_in_fp32(dtype: str, tolerance: float) -> None:
    x = np.linspace(-1, 1, 12).reshape(3, 4)
    weight = np.linspace(-2, 1, 8).reshape(4, 2)
    bias = np.array([0.5, -0.5])
    numpy = (
        parse_network(
            f"name: n\ndtype: {dtype}\ninputs: {{x: [1]}}\nlayers: [{{name: a, op: relu}}]",
            "a.yaml",
        )
        .tensors["x"]
        .dtype.numpy
    )
    tensors: dict[str, Array] = {
        "x": x.astype(numpy),
        "f.weight": weight.astype(numpy),
        "f.bias": bias.astype(np.float32),
    }
    result = run("{name: f, op: linear, out: 2}", tensors, dtype=dtype)
    assert result.astype(np.float64) == pytest.approx(x @ weight + bias, abs=2 * tolerance)


NETWORK = """\
name: n
inputs:
  tokens: {shape: [batch, 50], dtype: int32}
layers:
  - {name: first, op: slice, axis: 1, stop: 40}
  - {name: small, op: embedding, entries: 3, out: 4}
  - {name: large, op: embedding, input: tokens, entries: 99, out: 4}
  - {name: f, op: linear, out: 4}
"""


def test_random_tensors_fit_the_graph() -> None:
    graph = parse_network(NETWORK, "a.yaml", batch=20)
    tensors = random_tensors(graph, seed=1)
    assert sorted(tensors) == ["f.bias", "f.weight", "large.table", "small.table", "tokens"]
    for name, values in tensors.items():
        assert values.shape == graph.tensors[name].shape
        assert values.dtype == graph.tensors[name].dtype.numpy
    # The indices also reach the table of 3 entries, through a slice.
    assert set(tensors["tokens"].reshape(-1)) == {0, 1, 2}
    assert (tensors["large.table"].min(), tensors["large.table"].max()) == (-128, 127)


def test_random_tensors_repeat_with_the_seed() -> None:
    graph = parse_network(NETWORK, "a.yaml")
    first, again, other = (random_tensors(graph, seed=seed) for seed in (1, 1, 2))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["f.weight"], other["f.weight"])
