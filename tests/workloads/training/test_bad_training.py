"""What can't be trained, or trained so, is an error that names it and says what to change."""

from __future__ import annotations

import re

import pytest

from foundation.errors import WorkloadError
from tests.workloads.training.networks import CNN, PERCEPTRON, TRANSFORMER
from workloads.loaders.yaml import parse_network
from workloads.training.options import Training
from workloads.training.step import training_step


@pytest.mark.parametrize(
    ("text", "dtype", "how", "message"),
    [
        (
            PERCEPTRON,
            "int8",
            {},
            "layer 'first': is int8 but training needs floating point; take dtype bf16, fp16 or"
            " fp32",
        ),
        (
            PERCEPTRON,
            "fp32",
            {"optimizer": "adamw"},
            "training: optimizer 'adamw' must be one of sgd, adam; did you mean 'adam'?",
        ),
        (
            PERCEPTRON,
            "fp32",
            {"loss": "hinge"},
            "training: loss 'hinge' must be one of cross_entropy, mean_squared_error",
        ),
        (
            PERCEPTRON,
            "fp32",
            {"precision": "fp32"},
            "training: precision 'fp32' must be one of mixed, pure",
        ),
        (
            PERCEPTRON,
            "fp32",
            {"learning_rate": 0.0},
            "training: learning rate 0 and epsilon 1e-08 must be greater than 0",
        ),
        (
            PERCEPTRON,
            "fp32",
            {"betas": (0.9, 1.0)},
            "training: second beta is 1 but must lie in 0..1, below 1",
        ),
        (PERCEPTRON, "fp32", {"step": 0}, "training: step is 0 but must be at least 1"),
        (
            PERCEPTRON,
            "fp32",
            {"recompute": ("blocks",)},
            "training: 'perceptron' has no repeated blocks to recompute; name layers instead",
        ),
        (
            TRANSFORMER,
            "fp32",
            {"recompute": ("decoder.2",)},
            "training: 'decoder.2' to recompute is neither a layer nor a block; did you mean"
            " 'decoder.1'?",
        ),
        (
            PERCEPTRON.replace("x:", "target:"),
            "fp32",
            {},
            "input 'target': a tensor 'target' exists already; rename one",
        ),
        (
            "name: nothing\ninputs: {x: [2, 3]}\nlayers: [{name: f, op: relu}]",
            "fp32",
            {},
            "training: 'nothing' has no floating-point output that depends on a parameter",
        ),
        (
            PERCEPTRON + "  - {name: class, op: reduce, function: argmax, axes: [-1]}",
            "fp32",
            {},
            "training: 'perceptron' has no floating-point output that depends on a parameter",
        ),
        (
            PERCEPTRON + "  - {name: back, op: relu_gradient, inputs: [second, second]}",
            "fp32",
            {},
            "layer 'back': operator 'relu_gradient' has no gradient; train a network without it",
        ),
        (
            PERCEPTRON + "  - {name: above, op: greater, inputs: [second, second]}",
            "fp32",
            {},
            "layer 'above': operator 'greater' has no gradient; train a network without it",
        ),
        (
            PERCEPTRON + "  - {name: in_order, op: sort}",
            "fp32",
            {},
            "layer 'in_order': operator 'sort' has no gradient; train a network without it",
        ),
        (
            PERCEPTRON + "  - {name: packed, op: linear, out: 2, weights: {dtype: int4}}",
            "fp32",
            {},
            "layer 'packed': operator 'linear with scaled, sparse or packed weights' has no"
            " gradient; train a network without it",
        ),
        (
            CNN + "  - {name: back, op: conv, inputs: [conv, inner.weight], out: 4, kernel: 3}",
            "fp32",
            {},
            "layer 'back': operator 'conv with a given weight' has no gradient; train a network"
            " without it",
        ),
        (
            PERCEPTRON.replace("tanh", "gelu") + "  - {name: first.gelu, op: relu, input: first}",
            "fp32",
            {},
            "layer 'first': training adds a layer 'first.gelu', which exists; rename one",
        ),
    ],
)
def test_errors(text: str, dtype: str, how: dict[str, object], message: str) -> None:
    graph = parse_network(text, "network.yaml", dtype=dtype)
    with pytest.raises(WorkloadError, match=f"^{re.escape(message)}$"):
        training_step(graph, Training(**how))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "- {name: b, op: conv, inputs: [x, w], out: 4, kernel: 3}",
            "layer 'b': a tied weight must be [groups, *kernel, output, input channels] ="
            " [1, 3, 3, 4, 2] but 'w' is [2, 5, 5, 2]",
        ),
        (
            "- {name: b, op: conv_gradient, inputs: [x, w], kernel: 3}",
            "layer 'b': 'w' has 5 positions along axis 1 but windows over 'x' have 3",
        ),
        (
            "- {name: b, op: pool_gradient, function: max, sizes: 5, inputs: [x, w], kernel: 3}",
            "pool_gradient needs 3 inputs but has 2",
        ),
        (
            "- {name: b, op: pool_gradient, function: max, sizes: 4, inputs: [x, w, w], kernel: 3}",
            "sizes [4, 4] make an image [2, 4, 4, 2] but 'x' is [2, 5, 5, 2]",
        ),
        ("- {name: b, op: one_hot, input: x, out: 4}", "indices must be int32 but 'x' is fp32"),
        ("- {name: b, op: flip, input: x, axis: 4}", "axis 4 must lie in -4..3"),
        (
            "- {name: b, op: add, inputs: [x, sum.weight]}",
            "layer 'b': reads 'sum.weight' but 'sum' has no weight of its own",
        ),
        ("- {name: b, op: add, inputs: [x, other.weight]}", "unknown inputs 'other'"),
    ],
)
def test_errors_of_operators_that_gradients_need(text: str, message: str) -> None:
    network = f"""
name: bad
dtype: fp32
inputs: {{x: [2, 5, 5, 2], w: [2, 5, 5, 2]}}
layers:
  - {{name: sum, op: add, inputs: [x, w]}}
  {text}
"""
    with pytest.raises(WorkloadError, match=re.escape(message)):
        parse_network(network, "bad.yaml")
