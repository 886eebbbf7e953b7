"""Common subexpressions: equal layers on equal operands are computed once."""

from __future__ import annotations

from collections.abc import Collection

from workloads.graph import Graph, Layer, Operator
from workloads.layers import Elementwise, Reduce, Reshape
from workloads.passes.rewritten import Rewritten
from workloads.passes.sweep import Change, Rule, Sweep, swept

NAME = "share_equal_layers"
#: In fixed and in floating point: both round once, and what they round is the same.
_COMMUTATIVE = ("add", "multiply", "maximum", "minimum")


def share_equal_layers(graph: Graph, outputs: Collection[str] | None = None) -> Rewritten:
    """Return a network in which nothing is computed twice.

    Layers are equal when their operators are, and they read the same tensors. Parameters are the
    same only if they are one tensor, or constants of one number. An output that nobody reads gets
    no reader: that is what makes it an output.
    """
    return swept(graph, outputs, NAME, _rule)


def _rule(graph: Graph) -> Rule:
    del graph
    known: dict[object, str] = {}

    def share(sweep: Sweep, layer: Layer) -> Change | None:
        key = _key(sweep, layer)
        first = known.setdefault(key, layer.name)
        if first == layer.name:
            return None
        if first in sweep.outputs and not sweep.is_read(first):
            return None  # with a reader it would no longer be one of `Graph.outputs`
        return Change(reason=f"{first} computes the same", same_as=first)

    return share


def _key(sweep: Sweep, layer: Layer) -> object:
    """Return what equal layers share."""
    operands = [_operand(sweep, name) for name in layer.inputs]
    if isinstance(layer.operator, Elementwise) and layer.operator.function in _COMMUTATIVE:
        operands.sort(key=repr)
    roles = tuple(sorted((role, _operand(sweep, n)) for role, n in layer.parameters.items()))
    return _operator(sweep, layer), tuple(operands), roles


def _operand(sweep: Sweep, name: str) -> object:
    """Return what stands for a tensor: its name, or a constant's number, shape and dtype."""
    tensor = sweep.tensors[name]
    return name if tensor.constant is None else (tensor.constant, tensor.shape, tensor.dtype)


def _operator(sweep: Sweep, layer: Layer) -> Operator:
    """Return a layer's operator in the one form that equal operators have."""
    match layer.operator:
        case Reshape():
            return Reshape(shape=sweep.tensors[layer.name].shape)
        case Reduce() as operator:
            rank = len(sweep.tensors[layer.inputs[0]].shape)
            return Reduce(function=operator.function, axes=operator.positive_axes(rank))
        case operator:
            return operator
