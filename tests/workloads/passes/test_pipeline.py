"""Passes by name, together, and with outputs by name."""

from __future__ import annotations

import pytest

from foundation.errors import WorkloadError
from tests.workloads.passes.equality import assert_same, assert_sound, evaluated
from tests.workloads.passes.networks import network, told
from workloads.build import GraphBuilder
from workloads.evaluate import evaluate
from workloads.layers import Elementwise
from workloads.passes.pipeline import ALL, PASSES, pass_names, rewrite
from workloads.random_values import random_tensors

MIXED = """name: t, op: transpose, permutation: [1, 0], input: y
    name: scale, op: add, inputs: [half, half]
    name: scaled, op: multiply, inputs: [x, scale]
    name: s, op: matmul, inputs: [scaled, t], equation: "ik,kj->ij"
    name: again, op: matmul, inputs: [x, y], equation: "ik,jk->ij"
    name: both, op: maximum, inputs: [s, again]
    name: clipped, op: relu, input: both
    name: end, op: relu"""


def test_passes_make_room_for_each_other() -> None:
    graph = network(MIXED)
    result = rewrite(graph)
    assert [(rewrite.by, rewrite.after) for rewrite in result.rewrites] == [
        ("simplify", "end = reshape(clipped, [2, 2])"),
        ("fold_constants", "scale.value"),
        ("remove_transposes", "s = matmul(scaled, y, ik,jk->ij)"),
        ("simplify", "x"),
        ("share_equal_layers", "s"),
        ("simplify", "s"),
    ]
    assert [layer.name for layer in result.graph.layers] == ["s", "clipped", "end"]
    assert list(result.graph.tensors) == ["x", "y", "s", "clipped", "end"]
    assert_same(graph, result, exactly=True)
    assert_sound(graph, result)


def test_a_rewrite_in_words() -> None:
    first = rewrite(network(MIXED)).rewrites[0]
    assert str(first) == (
        "simplify: end = relu(clipped) -> end = reshape(clipped, [2, 2])"
        " (clipped is never negative)"
    )


def test_the_order_of_the_names_doesnt_matter() -> None:
    graph = network(MIXED)
    assert rewrite(graph, ALL[::-1]).rewrites == rewrite(graph).rewrites


def test_no_passes_change_nothing() -> None:
    graph = network(MIXED)
    assert rewrite(graph, ()).graph is graph


def test_recipes_make_the_new_values_from_the_old() -> None:
    layers = """name: a, op: gelu, input: p
        name: b, op: add, inputs: [x, a]"""
    graph = network(layers)
    result = rewrite(graph)
    given = random_tensors(graph, seed=3)
    (recipe,) = result.recipes
    assert (recipe.name, recipe.sources) == ("a.value", ("p",))
    assert result.tensors(given)["a.value"].tolist() == evaluate(graph, given)["a"].tolist()
    assert set(result.tensors(given)) == {"x", "a.value"}
    assert evaluated(result, given)["b"].tolist() == evaluate(graph, given)["b"].tolist()


def test_named_outputs_make_the_rest_dead() -> None:
    layers = """name: a, op: relu, input: x
        name: b, op: linear, out: 3, input: a
        name: c, op: add, inputs: [a, y]"""
    graph = network(layers)
    result = rewrite(graph, ["drop_dead"], ["a"])
    assert told(result) == [
        "b = linear(a) -> nothing",
        "c = add(a, y) -> nothing",
        "input y -> nothing",
    ]
    assert list(result.graph.tensors) == ["x", "a"]
    assert result.outputs == ("a",)
    both = rewrite(graph, ["drop_dead"], ["a", "c"])
    assert told(both) == ["b = linear(a) -> nothing"]
    assert [layer.name for layer in both.graph.layers] == ["a", "c"]


def test_a_parameter_that_nothing_reads_is_dead() -> None:
    builder = GraphBuilder("n", 1)
    tensor = builder.add_input("x", (4,), network("name: a, op: relu, input: x").tensors["x"].dtype)
    builder.add_learned("p", (4,), tensor.dtype)
    builder.add_layer("a", Elementwise(function="relu"), [tensor])
    result = rewrite(builder.build())
    assert told(result) == ["parameter p -> nothing"]
    assert list(result.graph.tensors) == ["x", "a"]


def test_an_unknown_output() -> None:
    graph = network("name: scores, op: relu, input: x")
    with pytest.raises(WorkloadError) as caught:
        rewrite(graph, ALL, ["score"])
    assert str(caught.value) == (
        "output 'score': network 'n' has no such layer; did you mean 'scores'?"
    )


KNOWN = (
    "all, none, simplify, cancel_inverses, fold_constants, remove_transposes, fold_batch_norm,"
    " share_equal_layers, drop_dead, merge_products, merge_all_products"
)


def test_an_unknown_pass() -> None:
    with pytest.raises(WorkloadError) as caught:
        rewrite(network("name: a, op: relu, input: x"), ["simplfy"])
    assert str(caught.value) == (
        f"pass 'simplfy': must be one of {KNOWN}; did you mean 'simplify'?"
    )


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("none", ()),
        ("all", ALL),
        ("drop_dead, simplify", ("drop_dead", "simplify")),
        ("all,merge_all_products", (*ALL, "merge_all_products")),
        ("simplify,simplify", ("simplify",)),
    ],
)
def test_names_that_a_user_gives(text: str, names: tuple[str, ...]) -> None:
    assert pass_names(text) == names


@pytest.mark.parametrize("text", ["", "simplify,", "none,simplify", "All"])
def test_names_that_a_user_may_not_give(text: str) -> None:
    with pytest.raises(WorkloadError, match=r"^pass '.*': must be one of all, none, simplify, "):
        pass_names(text)


def test_all_but_what_costs_is_asked_for_by_all() -> None:
    assert set(PASSES) - set(ALL) == {"merge_all_products"}
