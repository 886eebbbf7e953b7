"""Gradients of matrix products, convolutions and look-ups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod

from workloads.gradients import ConvolutionGradient, Flip
from workloads.graph import Tensor
from workloads.indexing import OneHot
from workloads.layers import Convolution, Embedding, Linear, MatMul, Slice, Transpose, Window
from workloads.training.draft import Steps
from workloads.training.node import Node
from workloads.transposed import TransposedConvolution


def linear(node: Node) -> Iterator[tuple[str, Tensor]]:
    """Go back through a linear layer: ``dx = dy · Wᵀ`` and ``dW = xᵀ · dy``."""
    operator = node.layer.operator
    assert isinstance(operator, Linear)
    steps, gradient, features = node.steps, node.gradient, node.known().shape[-1]
    weight = node.operand(1) if operator.tied else node.parameters["weight"]
    rows = steps.reshape("rows", gradient, (prod(gradient.shape[:-1]), operator.out_features))
    if node.wants(0) and operator.tied:
        product = steps.add("input", MatMul(equation="rn,nk->rk"), rows, weight)
        yield node.to(0, steps.reshape("input.shaped", product, node.known().shape))
    elif node.wants(0):
        back = Linear(out_features=features, bias=False, tied=True)
        yield node.to(0, steps.add("input", back, gradient, weight))
    if weight.name in node.wanted:
        data = steps.reshape("data", node.operand(), (rows.shape[0], features))
        if operator.tied:
            found = steps.add("weight", MatMul(equation="rn,rk->nk"), rows, data)
        else:
            found = steps.add("weight", MatMul(equation="rk,rn->kn"), data, rows)
        yield weight.name, found
    yield from _bias(node)


def matmul(node: Node) -> Iterator[tuple[str, Tensor]]:
    """Go back through a product of two activations: two more with other letters summed."""
    operator = node.layer.operator
    assert isinstance(operator, MatMul)
    first, second, result = operator.subscripts()
    if node.wants(0):
        back = MatMul(equation=f"{result},{second}->{first}")
        yield node.to(0, node.steps.add("input0", back, node.gradient, node.operand(1)))
    if node.wants(1):
        back = MatMul(equation=f"{result},{first}->{second}")
        yield node.to(1, node.steps.add("input1", back, node.gradient, node.operand(0)))


def convolution(node: Node) -> Iterator[tuple[str, Tensor]]:
    """Go back through a convolution: its transposition with the same taps, the last one first."""
    operator = node.layer.operator
    assert isinstance(operator, Convolution)
    steps, gradient, image = node.steps, node.gradient, node.known()
    weight = node.parameters["weight"]
    if node.wants():
        sizes = zip(operator.windows, image.shape[1:-1], gradient.shape[1:-1], strict=True)
        back = TransposedConvolution(
            out_channels=image.shape[-1],
            windows=operator.windows,
            output_padding=tuple(_unreached(*each) for each in sizes),
            groups=operator.groups,
            tied=True,
        )
        turned = _turned(steps, weight, operator.windows)
        yield node.to(0, steps.add("input", back, gradient, turned))
    if weight.name in node.wanted:
        product = ConvolutionGradient(windows=operator.windows, groups=operator.groups)
        yield weight.name, steps.add("weight", product, node.operand(), gradient)
    yield from _bias(node)


def transposed_convolution(node: Node) -> Iterator[tuple[str, Tensor]]:
    """Go back through a transposed convolution: the convolution that it is the transposition of."""
    operator = node.layer.operator
    assert isinstance(operator, TransposedConvolution)
    steps, gradient, image = node.steps, node.gradient, node.known()
    weight = node.parameters["weight"]
    if node.wants():
        back = Convolution(
            out_channels=image.shape[-1],
            windows=operator.windows,
            groups=operator.groups,
            tied=True,
        )
        turned = _turned(steps, weight, operator.windows)
        found = steps.add("input", back, gradient, turned)
        # Output padding may be as large as a stride: one more position, which no input made.
        for axis, size in enumerate(image.shape[1:-1], start=1):
            if found.shape[axis] > size:
                found = steps.add("inside", Slice(axis=axis, start=0, stop=size), found)
        yield node.to(0, found)
    if weight.name in node.wanted:
        product = ConvolutionGradient(windows=operator.windows, groups=operator.groups)
        found = _turned(
            steps, steps.add("taps", product, gradient, node.operand()), operator.windows
        )
        rank = len(weight.shape)
        swapped = Transpose(permutation=(*range(rank - 2), rank - 1, rank - 2))
        yield weight.name, steps.add("weight", swapped, found)
    yield from _bias(node)


def embedding(node: Node) -> Iterator[tuple[str, Tensor]]:
    """Go back through a look-up: one-hot rows of the indices, times the gradient.

    # Approximation: a product where a machine may add rows to a table at computed addresses. It is
    # what BERT runs on TPUs (google-research/bert, modeling.py, ``use_one_hot_embeddings``).
    """
    operator = node.layer.operator
    assert isinstance(operator, Embedding)
    steps, gradient = node.steps, node.gradient
    table = node.parameters["table"]
    if table.name not in node.wanted:
        return
    rows = prod(gradient.shape[:-1])
    indices = steps.reshape("indices", node.operand(), (rows,))
    places = steps.add("places", OneHot(classes=operator.entries, dtype=gradient.dtype), indices)
    flat = steps.reshape("rows", gradient, (rows, operator.features))
    yield table.name, steps.add("table", MatMul(equation="re,rf->ef"), places, flat)


def _bias(node: Node) -> Iterator[tuple[str, Tensor]]:
    """Yield the gradient of a bias, if there is one: the sum over everything but channels."""
    bias = node.parameters.get("bias")
    if bias is not None and bias.name in node.wanted:
        yield bias.name, node.steps.columns("bias", node.gradient, bias.dtype)


def _turned(steps: Steps, weight: Tensor, windows: Sequence[Window]) -> Tensor:
    """Return a weight, shape (G, FY, FX, ...), with the last tap first along every spatial axis."""
    for axis, window in enumerate(windows, start=1):
        if window.kernel > 1:
            weight = steps.add("turned", Flip(axis=axis), weight)
    return weight


def _unreached(window: Window, size: int, positions: int) -> int:
    """Return the elements at an image's end that no window reaches."""
    padded = size + window.pad_before + window.pad_after
    return padded - (positions - 1) * window.stride - window.span
