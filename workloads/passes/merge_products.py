"""Linear layers that share an input become one, of which slices are the results."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from itertools import accumulate

import numpy as np

from foundation.numerics import Array
from workloads.graph import Graph, Layer
from workloads.layers import Linear, Slice
from workloads.passes.rewritten import Rewritten
from workloads.passes.sweep import Change, Derived, Rule, Sweep, swept

MERGE_PAYING = "merge_products"
MERGE_ALL = "merge_all_products"


def merge_products(graph: Graph, outputs: Collection[str] | None = None) -> Rewritten:
    """Return a network in which linear layers on one input are one, where that moves fewer bytes.

    The input is read once instead of by each layer, but every slice is a copy through memory: for
    n layers of N outputs on K inputs, merging saves (n - 1) K elements a row and costs 2 n N.
    """
    return swept(graph, outputs, MERGE_PAYING, lambda graph: _rule(graph, only_paying=True))


def merge_all_products(graph: Graph, outputs: Collection[str] | None = None) -> Rewritten:
    """Return a network in which linear layers on one input are one, whatever their slices cost."""
    return swept(graph, outputs, MERGE_ALL, lambda graph: _rule(graph, only_paying=False))


def _rule(graph: Graph, *, only_paying: bool) -> Rule:
    groups = _groups(graph, graph.layers, only_paying=only_paying)

    def merge(sweep: Sweep, layer: Layer) -> Change | None:
        group = groups.get(layer.name)
        return None if group is None else _merged(sweep, group)

    return merge


def _groups(
    graph: Graph, layers: Iterable[Layer], *, only_paying: bool
) -> dict[str, Sequence[Layer]]:
    """Return the layers to merge by the name of the first of each group."""
    alike: dict[object, list[Layer]] = defaultdict(list)
    for layer in layers:
        if isinstance(layer.operator, Linear) and not _is_apart(layer.operator):
            alike[layer.inputs, replace(layer.operator, out_features=0)].append(layer)
    return {
        group[0].name: group
        for group in alike.values()
        if len(group) > 1 and (not only_paying or _pays(graph, group))
    }


def _is_apart(operator: Linear) -> bool:
    """Whether its weights can't be put beside others: an embedding's, or those with a pattern."""
    return operator.tied or operator.weights is not None


def _pays(graph: Graph, group: Sequence[Layer]) -> bool:
    """Whether one read of the input for all saves more than writing and reading slices costs."""
    # Approximation: this counts each operand once and knows no machine. One that its array limits
    # may lose cycles with fewer bytes.
    read = graph.tensors[group[0].inputs[0]].shape[-1]
    copied = sum(graph.tensors[layer.name].shape[-1] for layer in group)
    return (len(group) - 1) * read > 2 * copied


def _merged(sweep: Sweep, group: Sequence[Layer]) -> Change:
    first = group[0]
    assert isinstance(first.operator, Linear)
    sizes = [sweep.tensors[layer.name].shape[-1] for layer in group]
    weights = tuple(layer.parameters["weight"] for layer in group)
    derived = {"weight": Derived(weights, _side_by_side)}
    if first.operator.bias:
        biases = tuple(layer.parameters["bias"] for layer in group)
        derived["bias"] = Derived(biases, _side_by_side)
    merged = sweep.layer(
        sweep.unused(f"{first.name}.merged"),
        replace(first.operator, out_features=sum(sizes)),
        first.inputs,
        derived,
    )
    axis = len(sweep.tensors[first.name].shape) - 1
    slices = tuple(
        Layer(
            name=layer.name,
            operator=Slice(axis=axis, start=stop - size, stop=stop),
            inputs=(merged.name,),
            parameters={},
        )
        for layer, size, stop in zip(group, sizes, accumulate(sizes), strict=True)
    )
    return Change(
        reason=f"{len(group)} products of {first.inputs[0]}",
        layers=(merged, *slices),
        absorbed=tuple(group[1:]),
    )


def _side_by_side(*parts: Array) -> Array:
    """Return weights (K, N) or biases (N,) one behind the other along N."""
    return np.concatenate(parts, axis=-1)
