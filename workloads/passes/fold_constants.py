"""Constant folding: a layer that reads parameters only is computed once."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from foundation.numerics import Array, real
from workloads.evaluate import evaluate
from workloads.graph import Graph, Layer, Tensor, TensorKind
from workloads.layers import Concat, Elementwise, Reshape, Slice, Transpose
from workloads.passes.rewritten import Rewritten
from workloads.passes.sweep import Change, Derived, Sweep, swept
from workloads.random_values import filled

NAME = "fold_constants"
#: Operators whose result is one number everywhere where their operands are.
_POINTWISE = (Concat, Elementwise, Reshape, Slice, Transpose)


def fold_constants(graph: Graph, outputs: Collection[str] | None = None) -> Rewritten:
    """Return a network in which what follows from parameters alone is a parameter.

    Its value is that of the layer, in every bit and every dtype.
    """
    return swept(graph, outputs, NAME, lambda _: _fold)


def _fold(sweep: Sweep, layer: Layer) -> Change | None:
    operands = [sweep.tensors[name] for name in layer.inputs]
    if sweep.is_free(layer) or any(t.kind is not TensorKind.PARAMETER for t in operands):
        return None
    result, name = sweep.tensors[layer.name], f"{layer.name}.value"
    constant = _constant(layer, operands, result)
    if constant is not None:
        folded = sweep.constant(name, result.shape, result.dtype, constant)
        return Change(reason=f"it is {constant:g} everywhere", same_as=folded)
    sources = (*layer.inputs, *layer.parameters.values())
    alone = Graph(
        name=layer.name,
        batch=sweep.graph.batch,
        tensors={source: sweep.tensors[source] for source in (*sources, layer.name)},
        layers=(layer,),
    )

    def compute(*values: Array) -> Array:
        return evaluate(alone, dict(zip(sources, values, strict=True)))[layer.name]

    folded = sweep.parameter(name, result.shape, result.dtype, Derived(sources, compute))
    return Change(reason="it reads parameters only", same_as=folded)


def _constant(layer: Layer, operands: list[Tensor], result: Tensor) -> float | None:
    """Return the number that a layer of constants computes everywhere, if there is one."""
    numbers = [tensor.constant for tensor in operands]
    if None in numbers or not isinstance(layer.operator, _POINTWISE):
        return None
    if not isinstance(layer.operator, Elementwise):
        return numbers[0] if len(set(numbers)) == 1 else None
    # One element of each operand says it all, however large they are.
    small = {t.name: Tensor(name=t.name, shape=(1,), dtype=t.dtype, kind=t.kind) for t in operands}
    values = {t.name: filled(small[t.name], t.constant) for t in operands if t.constant is not None}
    point = Tensor(name=layer.name, shape=(1,), dtype=result.dtype, kind=result.kind)
    alone = Graph(name="", batch=1, tensors={**small, layer.name: point}, layers=(layer,))
    with np.errstate(over="ignore", invalid="ignore"):
        value = real(evaluate(alone, values)[layer.name][0], result.dtype)
    return value if np.isfinite(value) else None
