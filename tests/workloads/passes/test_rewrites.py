"""Each rewrite on the smallest network that has it, before and after."""

from __future__ import annotations

import pytest

from tests.workloads.passes.equality import assert_same, assert_sound
from tests.workloads.passes.networks import network, told
from workloads.passes.pipeline import PASSES

END = "name: end, op: tanh"


def check(name: str, dtype: str, layers: str, expected: list[str], *, exactly: bool) -> None:
    graph = network(layers, dtype=dtype)
    result = PASSES[name](graph)
    assert told(result) == expected
    assert {rewrite.by for rewrite in result.rewrites} == {name}
    assert_same(graph, result, exactly=exactly)
    assert_sound(graph, result)


@pytest.mark.parametrize("dtype", ["int8", "fp32", "bf16"])
@pytest.mark.parametrize(
    ("layers", "before", "after"),
    [
        ("name: a, op: add, inputs: [x, zero]", "a = add(x, zero)", "x"),
        ("name: a, op: add, inputs: [zero, x]", "a = add(zero, x)", "x"),
        ("name: a, op: subtract, inputs: [x, zero]", "a = subtract(x, zero)", "x"),
        ("name: a, op: multiply, inputs: [x, one]", "a = multiply(x, one)", "x"),
        ("name: a, op: multiply, inputs: [ones, x]", "a = multiply(ones, x)", "x"),
        ("name: a, op: divide, inputs: [x, one]", "a = divide(x, one)", "x"),
        ("name: a, op: minimum, inputs: [x, x]", "a = minimum(x, x)", "x"),
        (
            "name: a, op: multiply, inputs: [x, one], activation: gelu",
            "a = multiply(x, one)",
            "a = gelu(x)",
        ),
        ("name: a, op: maximum, inputs: [x, x]", "a = maximum(x, x)", "x"),
        (
            "name: a, op: maximum, inputs: [x, x], activation: relu",
            "a = maximum(x, x)",
            "a = relu(x)",
        ),
        ("name: a, op: maximum, inputs: [zero, x]", "a = maximum(zero, x)", "a = relu(x)"),
        ("name: a, op: identity, input: x", "a = identity(x)", "x"),
        ("name: a, op: reshape, input: x, shape: [2, -1]", "a = reshape(x, [2, -1])", "x"),
        ("name: a, op: slice, input: x, axis: 1, stop: 4", "a = slice(x, 0:4)", "x"),
        (
            "name: a, op: reduce, function: mean, axes: [0], input: flat",
            "a = reduce(flat)",
            "a = reshape(flat, [4])",
        ),
        (
            "name: a, op: max_pool, kernel: 1, input: image",
            "a = max_pool(image)",
            "image",
        ),
        (
            "name: a, op: average_pool, kernel: 1, input: image",
            "a = average_pool(image)",
            "image",
        ),
    ],
)  # fmt: skip
def test_one_layer_is_simplified(layers: str, before: str, after: str, dtype: str) -> None:
    check("simplify", dtype, f"{layers}\n{END}", [f"{before} -> {after}"], exactly=True)


@pytest.mark.parametrize("dtype", ["int8", "fp32", "bf16"])
@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        (
            "name: a, op: relu, input: x\nname: b, op: relu\n",
            ["b = relu(a) -> a"],
        ),
        (
            "name: a, op: relu6, input: x\nname: b, op: relu6\n",
            ["b = relu6(a) -> a"],
        ),
        (
            "name: a, op: relu, input: x\nname: b, op: relu6\n",
            ["a = relu(x), b = relu6(a) -> b = relu6(x)"],
        ),
        (
            "name: a, op: linear, out: 3, input: x, activation: relu6\nname: b, op: relu6\n",
            ["b = relu6(a) -> a"],
        ),
        (
            "name: a, op: softmax, input: x\nname: b, op: transpose, permutation: [1, 0]\n"
            "name: c, op: relu\n",
            ["c = relu(b) -> b"],
        ),
        (
            "name: a, op: reshape, input: x, shape: [8]\nname: b, op: reshape, shape: [4, 2]\n",
            ["a = reshape(x, [8]), b = reshape(a, [4, 2]) -> b = reshape(x, [4, 2])"],
        ),
        (
            "name: a, op: slice, input: long, axis: 1, start: 3, stop: 50, step: 2\n"
            "name: b, op: slice, axis: -1, start: 1, stop: 9, step: 3\n",
            ["a = slice(long, 3:50:2), b = slice(a, 1:9:3) -> b = slice(long, 5:18:6)"],
        ),
        (
            "name: a, op: concat, inputs: [x, x, y], axis: 1\n"
            "name: b, op: slice, axis: 1, start: 5, stop: 8, step: 2\n"
            "name: c, op: multiply, inputs: [y, y]\nname: d, op: slice, axis: 1, stop: 3\n"
            "name: e, op: concat, inputs: [b, d], axis: 1\n",
            ["a = concat(x, x, y), b = slice(a, 5:8:2) -> b = slice(x, 1:4:2)"],
        ),
        (
            "name: a, op: slice, input: x, axis: -1, stop: 1\n"
            "name: b, op: slice, input: x, axis: 1, start: 1, stop: 4\n"
            "name: c, op: concat, inputs: [a, b], axis: 1\n",
            ["a = slice(x, 0:1), b = slice(x, 1:4), c = concat(a, b) -> x"],
        ),
        (
            "name: r, op: relu, input: x\nname: a, op: subtract, inputs: [zero, r]\n"
            "name: b, op: multiply, inputs: [minus_one, a]\n",
            ["a = subtract(zero, r), b = multiply(minus_one, a) -> r"],
        ),
    ],
)
def test_layers_are_simplified(layers: str, expected: list[str], dtype: str) -> None:
    check("simplify", dtype, f"{layers}{END}", expected, exactly=True)


@pytest.mark.parametrize("dtype", ["int8", "fp16"])
@pytest.mark.parametrize(
    ("layers", "before", "number"),
    [
        ("name: a, op: multiply, inputs: [x, zero]", "a = multiply(x, zero)", 0),
        ("name: a, op: subtract, inputs: [x, x]", "a = subtract(x, x)", 0),
        (
            "name: a, op: multiply, inputs: [zero, x], activation: sigmoid",
            "a = multiply(zero, x)",
            0.5,
        ),
    ],
)
def test_zeros_are_constants(layers: str, before: str, number: float, dtype: str) -> None:
    layers = f"{layers}\nname: b, op: concat, inputs: [a, x], axis: 0"
    check("simplify", dtype, layers, [f"{before} -> a.value"], exactly=True)
    result = PASSES["simplify"](network(layers, dtype=dtype))
    assert result.graph.tensors["a.value"].constant == number
    assert result.graph.total_parameters == 0


def test_what_only_a_zero_needed_goes() -> None:
    layers = """name: a, op: linear, out: 4, input: x
        name: b, op: multiply, inputs: [a, zero]
        name: c, op: maximum, inputs: [b, x]"""
    expected = [
        "b = multiply(a, zero) -> b.value",
        "c = maximum(b.value, x) -> c = relu(x)",
        "a = linear(x) -> nothing",
    ]
    check("simplify", "int8", layers, expected, exactly=True)


@pytest.mark.parametrize("dtype", ["fp32", "fp16"])
def test_two_negations_are_none_in_floating_point(dtype: str) -> None:
    layers = f"""name: a, op: subtract, inputs: [zero, x]
        name: b, op: subtract, inputs: [zero, a], activation: tanh
        name: c, op: multiply, inputs: [a, minus_one]
        name: d, op: add, inputs: [b, c]
        {END}"""
    expected = [
        "a = subtract(zero, x), b = subtract(zero, a) -> b = tanh(x)",
        "a = subtract(zero, x), c = multiply(a, minus_one) -> x",
    ]
    check("simplify", dtype, layers, expected, exactly=True)


@pytest.mark.parametrize("dtype", ["int8", "bf16"])
def test_layers_of_parameters_become_parameters(dtype: str) -> None:
    layers = """name: a, op: gelu, input: p
        name: b, op: linear, out: 4, input: a
        name: c, op: batch_norm
        name: d, op: multiply, inputs: [x, c]"""
    expected = [
        "a = gelu(p) -> a.value",
        "b = linear(a.value) -> b.value",
        "c = batch_norm(b.value) -> c.value",
    ]
    check("fold_constants", dtype, layers, expected, exactly=True)
    result = PASSES["fold_constants"](network(layers, dtype=dtype))
    assert list(result.graph.tensors) == ["x", "c.value", "d"]
    assert result.graph.total_parameters == 4


def test_an_embedding_of_learned_indices_is_its_rows() -> None:
    layers = """name: a, op: embedding, entries: 9, out: 4, input: two
        name: b, op: add, inputs: [a, x]"""
    check("fold_constants", "int8", layers, ["a = embedding(two) -> a.value"], exactly=True)


@pytest.mark.parametrize("dtype", ["int8", "fp32"])
def test_constants_stay_constants(dtype: str) -> None:
    layers = """name: a, op: add, inputs: [half, half]
        name: b, op: concat, inputs: [a, one], axis: 0
        name: c, op: slice, axis: 0, stop: 1
        name: d, op: multiply, inputs: [x, c]"""
    graph = network(layers, dtype=dtype)
    result = PASSES["fold_constants"](graph)
    assert {n: t.constant for n, t in result.graph.tensors.items()} == {
        "x": None,
        "c.value": 1.0,
        "d": None,
    }
    assert_same(graph, result, exactly=True)


def test_constants_of_two_numbers_are_no_constant() -> None:
    layers = """name: a, op: concat, inputs: [half, one, half, one], axis: 0
        name: b, op: add, inputs: [x, a]"""
    check(
        "fold_constants",
        "int8",
        layers,
        ["a = concat(half, one, half, one) -> a.value"],
        exactly=True,
    )


def test_a_constant_beyond_the_dtype_is_no_constant() -> None:
    layers = """name: a, op: add, inputs: [large, large]
        name: b, op: maximum, inputs: [x, a]"""
    for dtype, constant in (("fp32", 120_000), ("fp16", None)):
        result = PASSES["fold_constants"](network(layers, dtype=dtype))
        assert result.graph.tensors["a.value"].constant == constant


@pytest.mark.parametrize("dtype", ["int8", "fp32"])
def test_equal_layers_are_computed_once(dtype: str) -> None:
    layers = """name: a, op: matmul, inputs: [x, y], equation: "ik,jk->ij"
        name: b, op: matmul, inputs: [x, y], equation: "ik,jk->ij"
        name: c, op: softmax, input: a
        name: d, op: softmax, input: b
        name: e, op: add, inputs: [c, a]
        name: f, op: add, inputs: [b, d]
        name: g, op: multiply, inputs: [e, half]
        name: h, op: subtract, inputs: [f, g]"""
    expected = ["b = matmul(x, y, ik,jk->ij) -> a", "d = softmax(a) -> c", "f = add(a, c) -> e"]
    check("share_equal_layers", dtype, layers, expected, exactly=True)


def test_reshapes_and_reductions_are_equal_whatever_they_are_written_like() -> None:
    layers = """name: a, op: reshape, shape: [4, 2], input: x
        name: b, op: reshape, shape: [-1, 2], input: x
        name: c, op: reduce, function: max, axes: [0], input: a
        name: d, op: reduce, function: max, axes: [-2], input: b
        name: e, op: add, inputs: [c, d]"""
    expected = ["b = reshape(x, [-1, 2]) -> a", "d = reduce(a) -> c"]
    check("share_equal_layers", "int8", layers, expected, exactly=True)


def test_a_shared_table_is_one_parameter() -> None:
    layers = """name: t, op: embedding, entries: 9, out: 4, input: words
        name: a, op: linear, tied_to: t, bias: false, input: t
        name: b, op: linear, tied_to: t, bias: false, input: t
        name: c, op: maximum, inputs: [a, b]"""
    expected = ["b = linear(t, t.table) -> a"]
    check("share_equal_layers", "int8", layers, expected, exactly=True)


@pytest.mark.parametrize("dtype", ["int8", "fp32"])
@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        (
            "name: a, op: transpose, permutation: [0, 1], input: x",
            ["a = transpose(x, [0, 1]) -> x"],
        ),
        (
            "name: a, op: transpose, permutation: [1, 0], input: flat",
            ["a = transpose(flat, [1, 0]) -> a = reshape(flat, [4, 1])"],
        ),
        (
            "name: a, op: transpose, permutation: [1, 2, 0], input: cube\n"
            "name: b, op: transpose, permutation: [1, 0, 2]",
            [
                "a = transpose(cube, [1, 2, 0]), b = transpose(a, [1, 0, 2])"
                " -> b = transpose(cube, [2, 1, 0])"
            ],
        ),
        (
            "name: a, op: transpose, permutation: [1, 0], input: y\n"
            'name: b, op: matmul, inputs: [x, a], equation: "ik,kj->ij"',
            [
                "a = transpose(y, [1, 0]), b = matmul(x, a, ik,kj->ij)"
                " -> b = matmul(x, y, ik,jk->ij)"
            ],
        ),
        (
            'name: a, op: matmul, inputs: [x, y], equation: "ik,jk->ij", activation: relu\n'
            "name: b, op: transpose, permutation: [1, 0]",
            [
                "a = matmul(x, y, ik,jk->ij), b = transpose(a, [1, 0])"
                " -> b = matmul(x, y, ik,jk->ji)"
            ],
        ),
        (
            "name: a, op: transpose, permutation: [2, 0, 1], input: cube\n"
            "name: b, op: reduce, function: mean, axes: [1, -1]",
            [
                "a = transpose(cube, [2, 0, 1]), b = reduce(a) -> b = reduce(cube)",
            ],
        ),
    ],
)  # fmt: skip
def test_transpositions_go(layers: str, expected: list[str], dtype: str) -> None:
    check("remove_transposes", dtype, f"{layers}\n{END}", expected, exactly=dtype == "int8")


def test_a_pair_of_transpositions_goes() -> None:
    layers = f"""name: a, op: transpose, permutation: [1, 2, 0], input: cube
        name: b, op: transpose, permutation: [2, 0, 1]
        {END}"""
    expected = [
        "a = transpose(cube, [1, 2, 0]), b = transpose(a, [2, 0, 1])"
        " -> b = transpose(cube, [0, 1, 2])",
        "b = transpose(cube, [0, 1, 2]) -> cube",
    ]
    check("remove_transposes", "int8", layers, expected, exactly=True)


def test_heads_that_are_transposed_go_into_the_equations() -> None:
    layers = """name: q, op: transpose, permutation: [1, 0, 2], input: cube
        name: k, op: transpose, permutation: [1, 2, 0], input: cube
        name: s, op: matmul, inputs: [q, k], equation: "hsd,hdt->hst"
        name: v, op: transpose, permutation: [1, 0, 2], input: cube
        name: c, op: matmul, inputs: [s, v], equation: "hst,htd->hsd"
        name: m, op: transpose, permutation: [1, 0, 2]"""
    graph = network(layers)
    result = PASSES["remove_transposes"](graph)
    assert [(layer.name, layer.operator.kind) for layer in result.graph.layers] == [
        ("s", "matmul"),
        ("m", "matmul"),
    ]
    assert_same(graph, result, exactly=True)


@pytest.mark.parametrize("dtype", ["fp32", "fp16", "bf16"])
@pytest.mark.parametrize(
    ("product", "kind"),
    [
        ("op: conv, input: image, out: 4, kernel: 3, padding: 1", "conv"),
        ("op: conv, input: image, out: 4, kernel: 3, groups: 2, bias: true", "conv"),
        ("op: conv, input: cube, out: 8, kernel: 2, groups: 4", "conv"),
        ("op: conv, input: image, out: 4, kernel: 1, batch_norm: true", "conv"),
        ("op: linear, input: x, out: 8", "linear"),
        ("op: linear, input: x, out: 8, bias: false", "linear"),
    ],
)
def test_batch_normalization_is_folded(product: str, kind: str, dtype: str) -> None:
    layers = f"name: c, {product}\nname: n, op: batch_norm\nname: r, op: relu"
    source = product.split("input: ")[1].split(",")[0]
    expected = [f"c = {kind}({source}), n = batch_norm(c) -> n = {kind}({source})"]
    check("fold_batch_norm", dtype, layers, expected, exactly=False)
    graph = PASSES["fold_batch_norm"](network(layers, dtype=dtype)).graph
    channels = graph.tensors["n"].shape[-1]
    assert graph.tensors["n.bias"].trainable_elements == channels * (2 if kind == "conv" else 1)


QKV = """name: k, op: linear, out: 2, input: x, bias: {bias}, activation: {activation}
    name: q, op: linear, out: 3, input: x, bias: {bias}, activation: {activation}
    name: v, op: linear, out: 4, input: x, bias: {bias}, activation: {activation}
    name: all, op: concat, inputs: [q, k, v], axis: 1"""


@pytest.mark.parametrize("dtype", ["int8", "fp32"])
@pytest.mark.parametrize(("bias", "activation"), [("true", "identity"), ("false", "gelu")])
def test_products_of_one_input_are_merged(bias: str, activation: str, dtype: str) -> None:
    layers = QKV.format(bias=bias, activation=activation)
    expected = [
        "k = linear(x), q = linear(x), v = linear(x) -> k.merged = linear(x),"
        " k = slice(k.merged, 0:2), q = slice(k.merged, 2:5), v = slice(k.merged, 5:9)"
    ]
    check("merge_all_products", dtype, layers, expected, exactly=dtype == "int8")


@pytest.mark.parametrize(("out", "pays"), [(15, True), (16, False)])
def test_merging_pays_when_the_input_is_longer_than_two_copies(out: int, pays: bool) -> None:
    layers = f"""name: a, op: linear, out: {out}, input: long
        name: b, op: linear, out: 16, input: long
        name: c, op: concat, inputs: [a, b], axis: 1"""
    assert bool(PASSES["merge_products"](network(layers)).rewrites) is pays


def test_new_names_are_names_that_nobody_has() -> None:
    layers = """name: a, op: linear, out: 4, input: x
        name: b, op: linear, out: 4, input: x
        name: c, op: add, inputs: [a, a.merged.bias]
        name: d, op: add, inputs: [b, c]"""
    graph = network(layers)
    result = PASSES["merge_all_products"](graph)
    assert result.graph.layers[0].name == "a.merged2"
    assert_same(graph, result, exactly=True)
    assert_sound(graph, result)
    layers = "name: a, op: relu, input: p\nname: b, op: add, inputs: [x, a]\n"
    graph = network(layers + "name: c, op: add, inputs: [b, a.value]")
    result = PASSES["fold_constants"](graph)
    assert result.graph.layers[0].inputs == ("x", "a.value2")
    assert_same(graph, result, exactly=True)


def test_what_others_need_stays_and_is_not_told_as_gone() -> None:
    layers = """name: a, op: relu, input: x
        name: b, op: relu6, input: a
        name: c, op: add, inputs: [a, b]"""
    check("simplify", "int8", layers, ["b = relu6(a) -> b = relu6(x)"], exactly=True)


def test_outputs_keep_their_names() -> None:
    layers = """name: a, op: multiply, inputs: [x, one]
        name: b, op: relu, input: y
        name: c, op: relu, input: b
        name: d, op: relu6, input: p"""
    graph = network(layers)
    simplified = PASSES["simplify"](graph)
    assert told(simplified) == [
        "a = multiply(x, one) -> a = reshape(x, [2, 4])",
        "c = relu(b) -> c = reshape(b, [2, 4])",
    ]
    folded = PASSES["fold_constants"](simplified.graph)
    assert told(folded) == ["d = relu6(p) -> d = reshape(d.value, [4])"]
    both = simplified.then(folded)
    assert_same(graph, both, exactly=True)
    assert_sound(graph, both)


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_inverse_functions_are_taken_back(dtype: str) -> None:
    layers = f"name: t, op: tanh, input: x\nname: e, op: exp\nname: a, op: log\n{END}"
    check("cancel_inverses", dtype, layers, ["e = exp(t), a = log(e) -> t"], exactly=False)
    layers = f"name: e, op: negative, input: x\nname: a, op: negative\n{END}"
    check("simplify", dtype, layers, ["e = negative(x), a = negative(e) -> x"], exactly=True)


def test_tables_of_int8_are_not_taken_back() -> None:
    for before, after in (("exp", "log"), ("reciprocal", "reciprocal"), ("negative", "negative")):
        graph = network(f"name: e, op: {before}, input: x\nname: a, op: {after}\n{END}")
        assert not PASSES["cancel_inverses"](graph).rewrites
        assert not PASSES["simplify"](graph).rewrites
