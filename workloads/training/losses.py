"""Losses: their value, and what a network's outputs change it by."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from foundation.dtype import DTYPES
from workloads.build import GraphBuilder
from workloads.graph import Graph, Tensor
from workloads.indexing import OneHot
from workloads.layers import Normalize
from workloads.training.draft import Draft, Steps


def add_losses(
    draft: Draft, graph: Graph, outputs: Sequence[str], loss: str
) -> tuple[Tensor, dict[str, Tensor]]:
    """Add the loss of outputs, and return it, and gradients by the tensor that they are of.

    The loss is the sum over outputs. Targets are inputs, ``target`` or, of several outputs,
    ``target.OUTPUT``.
    """
    add = _cross_entropy if loss == "cross_entropy" else _mean_squared_error
    gradients, values = {}, []
    for name in outputs:
        own = "" if len(outputs) == 1 else f".{name}"
        steps = draft.under(f"loss{own}")
        read, gradient, value = add(draft.builder, steps, graph, name, f"target{own}")
        gradients[read] = gradient
        values.append(value)
    total = values[0]
    for value in values[1:]:
        total = draft.under("loss").apply("sum", "add", total, value)
    return total, gradients


def _mean_squared_error(
    builder: GraphBuilder, steps: Steps, graph: Graph, name: str, target: str
) -> tuple[str, Tensor, Tensor]:
    output = graph.tensors[name]
    wanted = builder.add_input(target, output.shape, output.dtype)
    error = steps.apply("error", "subtract", output, wanted)
    square = steps.apply("square", "multiply", error, error)
    total = steps.total("total", square, range(len(output.shape)))
    value = steps.scale("value", total, 1 / output.size_elements)
    return name, steps.scale("gradient", error, 2 / output.size_elements), value


def _cross_entropy(
    builder: GraphBuilder, steps: Steps, graph: Graph, name: str, target: str
) -> tuple[str, Tensor, Tensor]:
    """Add ``-mean of log softmax(row)[class]``; a network's own softmax at its end is the loss's.

    The gradient is ``(softmax - one-hot) / rows``, of what goes into the softmax.
    """
    output = graph.tensors[name]
    layer = next(layer for layer in graph.layers if layer.name == name)
    operator = layer.operator
    ends_in_softmax = (
        isinstance(operator, Normalize)
        and operator.function == "softmax"
        and operator.axis % len(output.shape) == len(output.shape) - 1
    )
    if ends_in_softmax:
        (name,) = layer.inputs
        chances = output
    else:
        chances = steps.add("softmax", Normalize(function="softmax"), output)
    rows, classes = prod(output.shape[:-1]), output.shape[-1]
    indices = builder.add_input(target, output.shape[:-1] or (1,), DTYPES["int32"])
    places = steps.add("target", OneHot(classes=classes, dtype=output.dtype), indices)
    places = steps.reshape("target.shaped", places, output.shape)
    error = steps.apply("error", "subtract", chances, places)
    hit = steps.apply("hit", "multiply", chances, places)
    chance = steps.total("chance", hit, (len(output.shape) - 1,))
    total = steps.total("total", steps.apply("log", "log", chance), range(len(chance.shape)))
    return name, steps.scale("gradient", error, 1 / rows), steps.scale("value", total, -1 / rows)
