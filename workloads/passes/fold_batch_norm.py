"""Batch normalization behind a convolution or a linear layer, folded into weight and bias."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy as np

from foundation.numerics import Array
from workloads.graph import Graph, Layer, TensorKind
from workloads.layers import Convolution, Linear, Normalize, Shape
from workloads.passes.rewritten import Rewritten
from workloads.passes.sweep import Change, Derived, Sweep, swept

NAME = "fold_batch_norm"


def fold_batch_norm(graph: Graph, outputs: Collection[str] | None = None) -> Rewritten:
    """Return a network whose batch normalizations are folded, where their layer is read once.

    Only in floating point, and within its tolerance: weights are rounded again. In int8 a layer's
    result is rounded and saturated before it is scaled, which no weights give.
    """
    return swept(graph, outputs, NAME, lambda _: _fold)


def _fold(sweep: Sweep, layer: Layer) -> Change | None:
    if not isinstance(layer.operator, Normalize) or layer.operator.function != "batch_norm":
        return None
    product = sweep.producer(layer.inputs[0])
    if product is None or not sweep.is_read_once(product.name) or not sweep.may_learn(layer.name):
        return None
    operator = product.operator
    if not isinstance(operator, Convolution | Linear) or operator.activation != "identity":
        return None
    if sweep.tensors[layer.name].dtype.is_integer or "weight" not in product.parameters:
        return None
    if operator.weights is not None:
        return None  # a scale of their own would make weights of another grid
    weight = sweep.tensors[product.parameters["weight"]]
    assert weight.kind is TensorKind.PARAMETER
    if isinstance(operator, Convolution):
        folded: Convolution | Linear = replace(operator, bias=False, batch_norm=True)
    else:
        folded = replace(operator, bias=True)
    gamma, beta = layer.parameters["gamma"], layer.parameters["beta"]
    bias = (product.parameters["bias"],) if "bias" in product.parameters else ()
    new = sweep.layer(
        layer.name,
        folded,
        product.inputs,
        {
            "weight": Derived((weight.name, gamma), _scaled(_channels_of(weight.shape))),
            "bias": Derived((gamma, beta, *bias), _shifted),
        },
    )
    return Change(
        reason="scale and shift go into weight and bias", layers=(new,), absorbed=(product,)
    )


def _channels_of(weight: Shape) -> Shape:
    """Return the shape in which a value per output channel broadcasts against a weight.

    A linear layer's weight is (K, N), a convolution's (G, FY, FX, IC/G, OC/G): channels are
    numbered group by group.
    """
    if len(weight) == 2:
        return (1, weight[1])
    return (weight[0], *(1 for _ in weight[1:-1]), weight[-1])


def _scaled(channels: Shape) -> Any:
    """Return the recipe of the weight: each output channel times its scale."""

    def compute(weight: Array, gamma: Array) -> Array:
        scale = gamma.astype(np.float32).reshape(channels)
        result: Array = (weight.astype(np.float32) * scale).astype(weight.dtype)
        return result

    return compute


def _shifted(gamma: Array, beta: Array, *bias: Array) -> Array:
    """Return the bias, in fp32: the old one, if any, times the scale, plus the shift."""
    shift: Array = beta.astype(np.float32)
    for old in bias:
        shift = shift + old * gamma.astype(np.float32)
    return shift
