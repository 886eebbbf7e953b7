"""Inverse functions: what a function takes back needn't be computed."""

from __future__ import annotations

from collections.abc import Collection

from workloads.graph import Graph, Layer
from workloads.layers import Elementwise
from workloads.passes.rewritten import Rewritten
from workloads.passes.sweep import Change, Rule, Sweep, swept

NAME = "cancel_inverses"
#: Function to the one that it takes back.
_TAKES_BACK = {"log": "exp", "reciprocal": "reciprocal"}


def cancel_inverses(graph: Graph, outputs: Collection[str] | None = None) -> Rewritten:
    """Return a network without functions that take each other back: log(exp(x)), 1/(1/x).

    In floating point only: tables of int8 lose too much on the way.
    """
    return swept(graph, outputs, NAME, _rule)


def _rule(graph: Graph) -> Rule:
    del graph

    def cancelled(sweep: Sweep, layer: Layer) -> Change | None:
        operator = layer.operator
        if not isinstance(operator, Elementwise) or operator.activation != "identity":
            return None
        inner = _TAKES_BACK.get(operator.function)
        before = sweep.producer(layer.inputs[0])
        if inner is None or before is None or before.operator != Elementwise(function=inner):
            return None
        # Approximation: numbers neither overflow on the way there and back nor lose many bits.
        (source,) = before.inputs
        if sweep.tensors[source].dtype.is_integer:
            return None
        reason = f"{operator.function} takes back {before.name}"
        return Change(reason=reason, same_as=source, absorbed=(before,))

    return cancelled
