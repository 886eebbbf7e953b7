"""Algebraic simplification: layers that compute what is there already, or a shorter way to it."""

from __future__ import annotations

from collections.abc import Collection

from foundation.functions import FUNCTIONS, INDEXING, FunctionKind
from workloads.graph import Graph, Layer, TensorKind
from workloads.layers import Concat, Elementwise, Pool, Reduce, Reshape, Slice
from workloads.passes.arithmetic import simpler_binary, simpler_unary
from workloads.passes.rewritten import Rewritten
from workloads.passes.signs import is_never_negative
from workloads.passes.sweep import Change, Rule, Sweep, swept

NAME = "simplify"


def simplify(graph: Graph, outputs: Collection[str] | None = None) -> Rewritten:
    """Return a network without layers whose value is there already.

    Values stay in every bit, in int8 and in floating point; `workloads.passes.arithmetic` says what
    that assumes. Every input of the network stays read: ``x * 0`` stays where it is the only use.
    """
    result = swept(graph, outputs, NAME, lambda _: _rule(may_drop=True))
    if _unread_inputs(result.graph) != _unread_inputs(graph):
        result = swept(graph, outputs, NAME, lambda _: _rule(may_drop=False))
    return result


def _unread_inputs(graph: Graph) -> set[str]:
    read = {name for layer in graph.layers for name in layer.inputs}
    return {
        name for name, tensor in graph.tensors.items() if tensor.kind is TensorKind.INPUT
    } - read


def _rule(*, may_drop: bool) -> Rule:
    """Return the rule for one walk; with ``may_drop`` an operand may lose its reader."""
    never_negative: set[str] = set()

    def simplified(sweep: Sweep, layer: Layer) -> Change | None:
        inputs = [sweep.tensors[name] for name in layer.inputs]
        if is_never_negative(layer, inputs, never_negative):
            never_negative.add(layer.name)
        match layer.operator:
            case Elementwise() as operator:
                if FUNCTIONS[operator.function].kind is FunctionKind.UNARY:
                    return simpler_unary(sweep, layer, operator, never_negative)
                return simpler_binary(sweep, layer, operator, never_negative, may_drop=may_drop)
            case Reshape():
                return _reshape(sweep, layer)
            case Slice() as operator:
                return _slice(sweep, layer, operator, may_drop=may_drop)
            case Concat() as operator:
                return _concat(sweep, layer, operator)
            case Reduce() as operator if operator.function not in INDEXING:
                return _reduce(sweep, layer, operator)
            case Pool() as operator:
                return _pool(layer, operator)
            case _:
                return None

    return simplified


def _reshape(sweep: Sweep, layer: Layer) -> Change | None:
    (source,) = layer.inputs
    shape = sweep.tensors[layer.name].shape
    if sweep.tensors[source].shape == shape:
        return Change(reason="the shape stays", same_as=source)
    before = sweep.producer(source)
    if before is None or not isinstance(before.operator, Reshape):
        return None
    new = sweep.layer(layer.name, Reshape(shape=shape), before.inputs)
    return Change(reason="the last shape counts", layers=(new,), absorbed=(before,))


def _slice(sweep: Sweep, layer: Layer, operator: Slice, *, may_drop: bool) -> Change | None:
    (source,) = layer.inputs
    shape, result = sweep.tensors[source].shape, sweep.tensors[layer.name].shape
    if shape == result:
        return Change(reason="it takes everything", same_as=source)
    before = sweep.producer(source)
    if before is None:
        return None
    axis = operator.axis % len(shape)
    match before.operator:
        case Slice() as inner if inner.axis % len(shape) == axis:
            step = inner.step * operator.step
            start = inner.start + operator.start * inner.step
            stop = start + (result[axis] - 1) * step + 1
            sliced = Slice(axis=axis, start=start, stop=stop, step=step)
            new = sweep.layer(layer.name, sliced, before.inputs)
            return Change(reason="one slice of a slice", layers=(new,), absorbed=(before,))
        case Concat() as inner if may_drop and inner.axis % len(shape) == axis:
            return _slice_of_concat(sweep, layer, operator, before, axis)
        case _:
            return None


def _slice_of_concat(
    sweep: Sweep, layer: Layer, operator: Slice, concat: Layer, axis: int
) -> Change | None:
    """Return the slice of the one part in which all its elements lie."""
    length = sweep.tensors[layer.name].shape[axis]
    last = operator.start + (length - 1) * operator.step
    begin = 0
    for part in concat.inputs:
        end = begin + sweep.tensors[part].shape[axis]
        if begin <= operator.start and last < end:
            start = operator.start - begin
            own = Slice(axis=axis, start=start, stop=last + 1 - begin, step=operator.step)
            new = sweep.layer(layer.name, own, [part])
            return Change(reason=f"all of it is in {part}", layers=(new,), absorbed=(concat,))
        begin = end
    return None


def _concat(sweep: Sweep, layer: Layer, operator: Concat) -> Change | None:
    """Return the tensor whose slices a concatenation puts together again."""
    rank = len(sweep.tensors[layer.name].shape)
    parts = [sweep.producer(name) for name in layer.inputs]
    slices = [_plain_slice(part, operator.axis, rank) for part in parts]
    whole = parts[0].inputs[0] if parts[0] is not None else ""
    stop = 0
    for part, taken in zip(parts, slices, strict=True):
        if part is None or taken is None or part.inputs != (whole,) or taken.start != stop:
            return None
        stop = taken.stop
    if sweep.tensors[whole].shape != sweep.tensors[layer.name].shape:
        return None
    absorbed = tuple(part for part in parts if part is not None)
    return Change(reason=f"the parts of {whole} in order", same_as=whole, absorbed=absorbed)


def _plain_slice(layer: Layer | None, axis: int, rank: int) -> Slice | None:
    """Return a layer's operator if it takes neighbours along an axis."""
    if layer is None or not isinstance(layer.operator, Slice):
        return None
    operator = layer.operator
    is_plain = operator.step == 1 and (operator.axis - axis) % rank == 0
    return operator if is_plain else None


def _reduce(sweep: Sweep, layer: Layer, operator: Reduce) -> Change | None:
    shape = sweep.tensors[layer.inputs[0]].shape
    if any(shape[axis] != 1 for axis in operator.positive_axes(len(shape))):
        return None
    result = sweep.tensors[layer.name].shape
    new = sweep.layer(layer.name, Reshape(shape=result), layer.inputs)
    return Change(reason="it reduces axes of size 1", layers=(new,))


def _pool(layer: Layer, operator: Pool) -> Change | None:
    for window in operator.windows:
        if window.kernel > 1 or window.stride > 1 or window.pad_before or window.pad_after:
            return None
    return Change(reason="a window of one element", same_as=layer.inputs[0])
