"""Counts of operators that don't show in a network's MACs, and graphs put together by hand."""

from __future__ import annotations

import pytest

from foundation.dtype import DTYPES
from foundation.errors import WorkloadError
from workloads.build import GraphBuilder
from workloads.graph import Graph, Operator
from workloads.layers import (
    Concat,
    Convolution,
    Elementwise,
    Embedding,
    Linear,
    MatMul,
    Normalize,
    Pool,
    Reduce,
    Reshape,
    Shape,
    Slice,
    Transpose,
    Window,
)

INT8 = DTYPES["int8"]


def single(operator: Operator, *shapes: Shape, dtype: str = "int8") -> Graph:
    builder = GraphBuilder("n", 1)
    inputs = [builder.add_input(f"x{i}", shape, DTYPES[dtype]) for i, shape in enumerate(shapes)]
    builder.add_layer("f", operator, inputs)
    return builder.build()


@pytest.mark.parametrize(
    ("operator", "shapes", "output", "operations", "parameters"),
    [
        (
            Convolution(out_channels=4, windows=(Window(3), Window(2)), bias=True),
            [(1, 5, 5, 2)],
            (1, 3, 4, 4),
            2 * 48 * 12,
            4 * 12 + 4,
        ),
        (
            Convolution(out_channels=4, windows=(Window(3, 2),), groups=2, batch_norm=True),
            [(2, 9, 6)],
            (2, 4, 4),
            2 * 32 * 9,
            4 * 9 + 2 * 4,
        ),
        (Linear(out_features=7), [(2, 3, 5)], (2, 3, 7), 2 * 2 * 3 * 5 * 7, 42),
        (MatMul(equation="mk,kn->nm"), [(3, 4), (4, 5)], (5, 3), 2 * 60, 0),
        (Elementwise(function="relu"), [(3, 4)], (3, 4), 12, 0),
        (Elementwise(function="add", activation="relu"), [(3, 4), (3, 1)], (3, 4), 24, 0),
        (Pool(function="max", windows=(Window(2, 2),)), [(1, 8, 3)], (1, 4, 3), 24, 0),
        (Reduce(function="mean", axes=(1, -1)), [(2, 3, 4)], (2,), 24, 0),
        (Reduce(function="sum", axes=(0,)), [(4,)], (1,), 4, 0),
        (Normalize(function="softmax"), [(2, 4)], (2, 4), 40, 0),
        (Normalize(function="layer_norm"), [(2, 4)], (2, 4), 56, 8),
        (Normalize(function="rms_norm"), [(2, 4)], (2, 4), 32, 4),
        (Normalize(function="batch_norm"), [(2, 4)], (2, 4), 16, 8),
        (Concat(axis=-1), [(2, 4), (2, 1)], (2, 5), 0, 0),
        (Slice(axis=0, start=1, stop=6, step=2), [(6, 2)], (3, 2), 0, 0),
        (Reshape(shape=(-1, 3)), [(6, 2)], (4, 3), 0, 0),
        (Transpose(permutation=(2, 0, 1)), [(2, 3, 4)], (4, 2, 3), 0, 0),
    ],
)
def test_shapes_and_counts(
    operator: Operator, shapes: list[Shape], output: Shape, operations: int, parameters: int
) -> None:
    graph = single(operator, *shapes)
    (layer,) = graph.layers
    assert graph.output_tensor(layer).shape == output
    assert graph.operations(layer) == operations
    assert graph.macs(layer) * 2 in (0, operations)
    assert graph.total_parameters == parameters


def test_embedding() -> None:
    graph = single(Embedding(entries=9, features=4, dtype=INT8), (2, 3), dtype="int32")
    (layer,) = graph.layers
    assert graph.output_tensor(layer).shape == (2, 3, 4)
    assert graph.output_tensor(layer).dtype is INT8
    assert (graph.operations(layer), graph.total_parameters) == (0, 36)


def test_parameters_are_named_after_their_layer() -> None:
    graph = single(Linear(out_features=7), (2, 5))
    assert graph.layers[0].parameters == {"weight": "f.weight", "bias": "f.bias"}
    tensors = graph.parameter_tensors(graph.layers[0])
    assert tensors["bias"].dtype is DTYPES["int32"]
    assert tensors["weight"].size_bytes == 35


def test_errors_name_the_layer() -> None:
    with pytest.raises(WorkloadError, match=r"^layer 'f': axis 2 must lie in -2\.\.1 for 2 axes$"):
        single(Concat(axis=2), (2, 4), (2, 4))


def test_a_name_is_used_once() -> None:
    builder = GraphBuilder("n", 1)
    builder.add_input("x", (4,), INT8)
    with pytest.raises(WorkloadError) as caught:
        builder.add_learned("x", (4,), INT8)
    assert str(caught.value) == "learned tensor 'x': a tensor 'x' exists already; rename one"
