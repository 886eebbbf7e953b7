"""What a pass must leave alone."""

from __future__ import annotations

import pytest

from tests.workloads.passes.networks import network
from workloads.passes.pipeline import PASSES

END = "name: end, op: tanh"


def refused(name: str, layers: str, dtype: str = "int8") -> bool:
    graph = network(layers, dtype=dtype)
    result = PASSES[name](graph)
    assert result.graph is graph or result.rewrites
    return not result.rewrites


@pytest.mark.parametrize(
    "layers",
    [
        # The least int8 number has no negative.
        "name: a, op: subtract, inputs: [zero, x]\nname: b, op: subtract, inputs: [zero, a]",
        "name: a, op: multiply, inputs: [x, minus_one]\n"
        "name: b, op: multiply, inputs: [a, minus_one]",
        "name: a, op: add, inputs: [x, y]\nname: b, op: subtract, inputs: [a, y]",  # saturates
        "name: a, op: multiply, inputs: [x, half]\nname: b, op: add, inputs: [a, a]",  # rounds
        "name: a, op: subtract, inputs: [zero, x], activation: relu\n"
        "name: b, op: subtract, inputs: [zero, a]",
        "name: a, op: subtract, inputs: [zero, x]",
        "name: a, op: multiply, inputs: [x, half]",
        "name: a, op: multiply, inputs: [x, p]",  # learned: anything
        "name: a, op: maximum, inputs: [x, one]",
        "name: a, op: maximum, inputs: [x, zero], activation: gelu",
        "name: a, op: multiply, inputs: [x, tall]",  # broadcasts x
        "name: a, op: add, inputs: [x, x]",
        "name: a, op: gelu, input: x\nname: b, op: gelu",
        "name: a, op: relu6, input: x\nname: b, op: tanh\nname: c, op: relu",
        "name: a, op: relu, input: x\nname: b, op: sigmoid",
        "name: a, op: subtract, inputs: [x, y]\nname: b, op: relu",
        "name: a, op: relu, input: x\nname: b, op: relu, input: y\n"
        "name: c, op: subtract, inputs: [a, b]\nname: d, op: relu",
        # A window over nothing but padding gives the least number.
        "name: r, op: relu, input: image\n"
        "name: a, op: max_pool, kernel: 2, stride: 1, dilation: 3, padding: 3\nname: b, op: relu",
        "name: a, op: max_pool, kernel: 1, stride: 2, input: image",
        "name: a, op: slice, axis: 1, stop: 4, step: 2, input: x",
        "name: a, op: slice, axis: 0, stop: 1, input: x\nname: b, op: slice, axis: 1, stop: 2",
        # Not all of one part, or not in order.
        "name: a, op: concat, inputs: [x, y], axis: 1\n"
        "name: b, op: slice, axis: 1, start: 3, stop: 5",
        "name: a, op: concat, inputs: [x, y], axis: 1\nname: b, op: slice, axis: 0, stop: 1",
        "name: a, op: slice, axis: 1, stop: 1, input: x\n"
        "name: b, op: slice, axis: 1, start: 1, stop: 4, input: x\n"
        "name: c, op: concat, inputs: [b, a], axis: 1",
        "name: a, op: slice, axis: 1, stop: 1, input: x\n"
        "name: b, op: slice, axis: 1, start: 1, stop: 3, input: x\n"
        "name: c, op: concat, inputs: [a, b], axis: 1",
        "name: a, op: slice, axis: 1, stop: 2, input: x\n"
        "name: b, op: slice, axis: 1, start: 2, stop: 4, input: y\n"
        "name: c, op: concat, inputs: [a, b], axis: 1",
        "name: a, op: reduce, function: sum, axes: [0, 1], input: flat",
    ],
)  # fmt: skip
def test_not_simplified_in_int8(layers: str) -> None:
    assert refused("simplify", f"{layers}\n{END}")


@pytest.mark.parametrize(
    "layers",
    [
        "name: a, op: multiply, inputs: [x, zero]",
        "name: a, op: subtract, inputs: [x, x]\nname: b, op: add, inputs: [a, y]",
        "name: a, op: gelu, input: x\nname: b, op: subtract, inputs: [a, a]",
        "name: a, op: concat, inputs: [x, y], axis: 0\nname: b, op: slice, axis: 0, stop: 2",
    ],
)
def test_an_input_stays_read(layers: str) -> None:
    assert refused("simplify", f"{layers}\n{END}")


def test_the_rest_is_simplified_where_an_input_has_to_stay_read() -> None:
    layers = f"name: a, op: identity, input: x\nname: b, op: multiply, inputs: [a, zero]\n{END}"
    (rewrite,) = PASSES["simplify"](network(layers)).rewrites
    assert rewrite.before == "a = identity(x)"


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("fold_constants", "name: a, op: add, inputs: [x, p]"),
        ("fold_constants", "name: a, op: reshape, shape: [2, 2], input: p\n"
         "name: b, op: relu, input: x"),  # an output that only gives a name
        # Weights of their own, another function, another order that counts, another operand.
        ("share_equal_layers", "name: a, op: linear, out: 4, input: x\n"
         "name: b, op: linear, out: 4, input: x\nname: c, op: add, inputs: [a, b]"),
        ("share_equal_layers", "name: a, op: relu, input: x\nname: b, op: gelu, input: x\n"
         "name: c, op: add, inputs: [a, b]"),
        ("share_equal_layers", "name: a, op: subtract, inputs: [x, y]\n"
         "name: b, op: subtract, inputs: [y, x]\nname: c, op: add, inputs: [a, b]"),
        ("share_equal_layers", "name: a, op: add, inputs: [x, one]\n"
         "name: b, op: add, inputs: [x, half]\nname: c, op: add, inputs: [a, b]"),
        ("share_equal_layers", "name: a, op: add, inputs: [x, one]\n"
         "name: b, op: add, inputs: [x, tall]\nname: c, op: add, inputs: [a, b]"),
        # Two outputs of one value, and an output that would get a reader.
        ("share_equal_layers", "name: a, op: relu, input: x\nname: b, op: relu, input: x"),
        ("share_equal_layers", "name: a, op: relu, input: x\nname: b, op: relu, input: x\n"
         "name: c, op: tanh"),
        ("drop_dead", "name: a, op: relu, input: x\nname: b, op: gelu, input: x"),
        ("remove_transposes", "name: a, op: transpose, permutation: [1, 0], input: x"),
        # Something else needs the transposition, or the product that it turns.
        ("remove_transposes", "name: a, op: transpose, permutation: [1, 0], input: x\n"
         'name: b, op: matmul, inputs: [y, a], equation: "ik,kj->ij"\nname: c, op: relu, input: a'),
        ("remove_transposes", 'name: a, op: matmul, inputs: [x, y], equation: "ik,jk->ij"\n'
         "name: b, op: transpose, permutation: [1, 0]\nname: c, op: relu, input: a"),
        # What is left over would be in another order; the transposition is read by others.
        ("remove_transposes", "name: a, op: transpose, permutation: [2, 0, 1], input: cube\n"
         "name: b, op: reduce, function: sum, axes: [2]"),
        ("remove_transposes", "name: a, op: transpose, permutation: [2, 0, 1], input: cube\n"
         "name: b, op: reduce, function: sum, axes: [0]\nname: c, op: relu, input: a"),
        # In int8, the product is rounded before it is scaled.
        ("fold_batch_norm", "name: c, op: linear, out: 4, input: x\nname: n, op: batch_norm"),
        ("merge_all_products", "name: a, op: linear, out: 4, input: x\n"
         "name: b, op: linear, out: 4, input: y"),
        ("merge_all_products", "name: a, op: linear, out: 4, input: x\n"
         "name: b, op: linear, out: 4, input: x, activation: relu"),
        ("merge_all_products", "name: a, op: linear, out: 4, input: x\n"
         "name: b, op: linear, out: 4, input: x, shift: 3"),
        ("merge_all_products", "name: a, op: linear, out: 4, input: x\n"
         "name: b, op: linear, out: 4, input: x, bias: false"),
        ("merge_all_products", "name: t, op: embedding, entries: 9, out: 4, input: words\n"
         "name: a, op: linear, tied_to: t, input: t\nname: b, op: linear, tied_to: t, input: t"),
        ("merge_products", "name: a, op: linear, out: 4, input: x\n"
         "name: b, op: linear, out: 4, input: x"),
    ],
)  # fmt: skip
def test_left_alone(name: str, layers: str) -> None:
    assert refused(name, layers)


@pytest.mark.parametrize(
    "layers",
    [
        "name: c, op: linear, out: 4, input: x, activation: relu\nname: n, op: batch_norm",
        "name: c, op: linear, out: 4, input: x\nname: n, op: batch_norm\n"
        "name: r, op: relu, input: c",
        "name: c, op: linear, out: 4, input: x\nname: n, op: layer_norm",
        "name: t, op: embedding, entries: 9, out: 4, input: words\n"
        "name: c, op: linear, tied_to: t, input: t\nname: n, op: batch_norm",
        "name: n, op: batch_norm, input: x",
        # The folded layer's weight would have a name that is taken.
        "name: c, op: linear, out: 4, input: x\nname: n, op: batch_norm\n"
        "name: a, op: add, inputs: [n, n.weight]",
        "name: c, op: gelu, input: x\nname: n, op: batch_norm",
    ],
)
def test_batch_normalizations_that_stay(layers: str) -> None:
    assert refused("fold_batch_norm", layers, "fp32")


@pytest.mark.parametrize(
    ("name", "layers", "kept"),
    [
        ("fold_batch_norm", "name: c, op: linear, out: 4, input: x\nname: n, op: batch_norm", "c"),
        ("remove_transposes", 'name: c, op: matmul, inputs: [x, y], equation: "ik,jk->ij"\n'
         "name: n, op: transpose, permutation: [1, 0]", "c"),
        ("remove_transposes", "name: c, op: transpose, permutation: [1, 0], input: y\n"
         'name: n, op: matmul, inputs: [x, c], equation: "ik,kj->ij"', "c"),
    ],
)  # fmt: skip
def test_a_named_output_stays(name: str, layers: str, kept: str) -> None:
    graph = network(layers, dtype="fp32")
    assert PASSES[name](graph).rewrites
    assert PASSES[name](graph, ["n", kept]).rewrites == ()
