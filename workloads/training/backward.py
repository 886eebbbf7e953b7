"""The way back through a graph: a rule for each operator, gradients of what is read often added."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from foundation.errors import WorkloadError
from workloads.conversions import Cast
from workloads.graph import Graph, Layer, Tensor, TensorKind
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
    Slice,
    Transpose,
)
from workloads.normalization import GroupNormalize
from workloads.resize import Interpolate, Repeat
from workloads.training import functions, movement, products, rows
from workloads.training.draft import Draft
from workloads.training.node import Node, Rule
from workloads.transposed import TransposedConvolution

#: What the names of layers begin with that compute again what wasn't kept.
RECOMPUTED = "recompute"

_RULES: Mapping[type, Rule] = {
    Convolution: products.convolution,
    TransposedConvolution: products.transposed_convolution,
    Linear: products.linear,
    MatMul: products.matmul,
    Embedding: products.embedding,
    Elementwise: functions.elementwise,
    Normalize: rows.normalize,
    GroupNormalize: rows.group_normalize,
    Reduce: rows.reduce,
    Pool: movement.pool,
    Concat: movement.concat,
    Slice: movement.slice_,
    Reshape: movement.reshape,
    Transpose: movement.transpose,
    Repeat: movement.repeat,
    Interpolate: movement.interpolate,
    Cast: movement.cast,
}


def wanted_tensors(graph: Graph) -> frozenset[str]:
    """Return what gradients are needed of: what is learned, and what is computed from that.

    Indices have none, whatever they are computed from.
    """
    wanted = {
        tensor.name
        for tensor in graph.tensors.values()
        if tensor.kind is TensorKind.PARAMETER and tensor.trainable_elements
    }
    for layer in graph.layers:
        is_computed_on = graph.output_tensor(layer).dtype.name != "int32"
        if is_computed_on and wanted.intersection((*layer.inputs, *layer.parameters.values())):
            wanted.add(layer.name)
    return frozenset(wanted)


def add_backward(
    draft: Draft,
    graph: Graph,
    seeds: Mapping[str, Tensor],
    wanted: Collection[str],
    dropped: Collection[str],
) -> dict[str, Tensor]:
    """Add the backward pass, and return the gradient of every parameter that has one.

    Parameters
    ----------
    draft
        Gets the layers, called ``backward.LAYER...``, and ``recompute.LAYER``.
    graph
        The forward pass.
    seeds
        Gradients of the loss by the tensors that it reads.
    wanted
        Tensors whose gradients are needed, as of `wanted_tensors`.
    dropped
        Layers whose results aren't kept.

    Raises
    ------
    WorkloadError
        An operator has no gradient.
    """
    values = _Values(draft, graph, dropped)
    found = {name: gradient for name, gradient in seeds.items() if name in wanted}
    for layer in reversed(graph.layers):
        gradient = found.pop(layer.name, None)
        if gradient is None:
            continue
        for name, share in _shares(draft, graph, layer, gradient, values, wanted):
            if name in wanted:
                found[name] = _sum(draft, name, found.get(name), share)
    return found


def _shares(
    draft: Draft,
    graph: Graph,
    layer: Layer,
    gradient: Tensor,
    values: _Values,
    wanted: Collection[str],
) -> list[tuple[str, Tensor]]:
    """Return the gradients of what a layer reads."""
    operator = layer.operator
    rule = _rule(graph, layer)
    steps = draft.under(f"backward.{layer.name}")
    activation = getattr(operator, "activation", "identity")
    gradient = functions.function_gradient(
        steps, activation, gradient, lambda: values.of(layer.name)
    )
    node = Node(
        graph=graph, layer=layer, gradient=gradient, steps=steps, value=values.of, wanted=wanted
    )
    return list(rule(node))


def _rule(graph: Graph, layer: Layer) -> Rule:
    learned = graph.parameter_tensors(layer)
    match layer.operator:
        case Convolution(tied=True) | TransposedConvolution(tied=True) as operator:
            what = f"{operator.kind} with a given weight"
        case operator if "scale" in learned or any(one.stored for one in learned.values()):
            what = f"{operator.kind} with scaled, sparse or packed weights"
        case Elementwise(function=what) if what not in functions.WITH_GRADIENT:
            pass
        case operator:
            rule = _RULES.get(type(operator))
            if rule is not None:
                return rule
            what = operator.kind
    raise WorkloadError(
        f"layer '{layer.name}': operator '{what}' has no gradient; train a network without it"
    )


def _sum(draft: Draft, name: str, before: Tensor | None, share: Tensor) -> Tensor:
    if before is None:
        return share
    return draft.under("backward").apply(f"{name}.sum", "add", before, share)


class _Values:
    """The values of the forward pass while the backward one runs."""

    def __init__(self, draft: Draft, graph: Graph, dropped: Collection[str]) -> None:
        self._draft = draft
        self._graph = graph
        self._dropped = dropped
        self._again: dict[str, Tensor] = {}
        self._layers = {layer.name: (n, layer) for n, layer in enumerate(graph.layers)}

    def of(self, name: str) -> Tensor:
        """Return what holds a tensor's value; what was dropped is computed again when asked for."""
        if name not in self._dropped:
            return self._graph.tensors[name]
        for layer in self._missing(name):
            self._again[layer.name] = self._draft.builder.add_layer(
                f"{RECOMPUTED}.{layer.name}",
                layer.operator,
                [self._again.get(one, self._graph.tensors[one]) for one in layer.inputs],
                layer.name if layer.parameters else None,
            )
        return self._again[name]

    def _missing(self, name: str) -> list[Layer]:
        """Return the layers that have to run again for a tensor, in order."""
        found: set[str] = set()
        asked = [name]
        while asked:
            one = asked.pop()
            if one in self._dropped and one not in self._again and one not in found:
                found.add(one)
                asked += self._layers[one][1].inputs
        return [layer for _, layer in sorted((self._layers[one] for one in found), key=_place)]


def _place(numbered: tuple[int, Layer]) -> int:
    return numbered[0]
