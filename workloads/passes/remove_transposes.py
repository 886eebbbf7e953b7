"""Transpositions that something else can do: an equation, one transposition, or a reshape."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from foundation.functions import INDEXING
from workloads.graph import Graph, Layer
from workloads.layers import MatMul, Reduce, Reshape, Shape, Transpose
from workloads.passes.rewritten import Rewritten
from workloads.passes.sweep import Change, Rule, Sweep, swept

NAME = "remove_transposes"


def remove_transposes(graph: Graph, outputs: Collection[str] | None = None) -> Rewritten:
    """Return a network with fewer transpositions.

    Two in a row become one or none; one that moves only axes of size 1 becomes a reshape, which
    moves no data; one before or behind a matrix product goes into its equation, and one before a
    reduction into its axes. In floating point, sums may then be taken in another order.
    """
    return swept(graph, outputs, NAME, _rule)


def _rule(graph: Graph) -> Rule:
    needed = _read_by_others(graph)

    def remove(sweep: Sweep, layer: Layer) -> Change | None:
        match layer.operator:
            case Transpose() as operator:
                return _transpose(sweep, layer, operator)
            case MatMul() as operator:
                return _matmul(sweep, layer, operator, needed)
            case Reduce() as operator if operator.function not in INDEXING:
                return _reduce(sweep, layer, operator)
            case _:
                return None

    return remove


def _read_by_others(graph: Graph) -> frozenset[str]:
    """Return the tensors that anything but a matrix product reads.

    A transposition among them stays: reading past it would save nothing.
    """
    return frozenset(
        name
        for layer in graph.layers
        if not isinstance(layer.operator, MatMul)
        for name in layer.inputs
    )


def _transpose(sweep: Sweep, layer: Layer, operator: Transpose) -> Change | None:
    source = layer.inputs[0]
    if list(operator.permutation) == sorted(operator.permutation):
        return Change(reason="no axis moves", same_as=source)
    if _moves_only_ones(sweep.tensors[source].shape, operator):
        free = sweep.layer(layer.name, Reshape(shape=sweep.tensors[layer.name].shape), [source])
        return Change(reason="only axes of size 1 move", layers=(free,))
    before = sweep.producer(source)
    if before is None:
        return None
    match before.operator:
        case Transpose() as inner:
            permutation = tuple(inner.permutation[axis] for axis in operator.permutation)
            one = sweep.layer(layer.name, Transpose(permutation=permutation), before.inputs)
            return Change(reason="two transpositions are one", layers=(one,), absorbed=(before,))
        case MatMul() as product if sweep.is_read_once(before.name):
            first, second, letters = product.subscripts()
            turned = "".join(letters[axis] for axis in operator.permutation)
            product = replace(product, equation=f"{first},{second}->{turned}")
            new = sweep.layer(layer.name, product, before.inputs)
            return Change(reason="the equation transposes", layers=(new,), absorbed=(before,))
        case _:
            return None


def _moves_only_ones(shape: Shape, operator: Transpose) -> bool:
    large = [axis for axis in operator.permutation if shape[axis] > 1]
    return large == sorted(large)


def _source(sweep: Sweep, tensor: str) -> tuple[Layer, Transpose] | None:
    """Return the transposition that computes a tensor, unless it has to stay as an output."""
    layer = sweep.producer(tensor)
    if layer is None or tensor in sweep.outputs or not isinstance(layer.operator, Transpose):
        return None
    return layer, layer.operator


def _matmul(sweep: Sweep, layer: Layer, operator: MatMul, needed: Collection[str]) -> Change | None:
    first, second, output = operator.subscripts()
    inputs, letters, absorbed = list(layer.inputs), [first, second], []
    for number, tensor in enumerate(layer.inputs):
        found = None if tensor in needed else _source(sweep, tensor)
        if found is not None:
            transposition, moved = found
            inputs[number] = transposition.inputs[0]
            letters[number] = _before(letters[number], moved)
            absorbed.append(transposition)
    if not absorbed:
        return None
    equation = f"{letters[0]},{letters[1]}->{output}"
    new = sweep.layer(layer.name, replace(operator, equation=equation), inputs)
    unique = {transposition.name: transposition for transposition in absorbed}
    return Change(reason="the equation transposes", layers=(new,), absorbed=tuple(unique.values()))


def _before(letters: Sequence[str], operator: Transpose) -> str:
    """Return the letters of a tensor's axes from those of its transposition's."""
    pairs = sorted(zip(operator.permutation, letters, strict=True))
    return "".join(letter for _, letter in pairs)


def _reduce(sweep: Sweep, layer: Layer, operator: Reduce) -> Change | None:
    found = _source(sweep, layer.inputs[0])
    if found is None or not sweep.is_read_once(layer.inputs[0]):
        return None
    transposition, moved = found
    reduced = operator.positive_axes(len(moved.permutation))
    kept = [a for number, a in enumerate(moved.permutation) if number not in reduced]
    if kept != sorted(kept):
        return None
    axes = tuple(sorted(moved.permutation[axis] for axis in reduced))
    new = sweep.layer(layer.name, replace(operator, axes=axes), transposition.inputs)
    return Change(reason="the reduction takes other axes", layers=(new,), absorbed=(transposition,))
