"""Which tensors are never negative: what some simplifications need to know."""

from __future__ import annotations

from collections.abc import Collection

from foundation.functions import FUNCTIONS, FunctionKind
from workloads.graph import Layer, Tensor
from workloads.layers import (
    Concat,
    Convolution,
    Elementwise,
    Linear,
    MatMul,
    Normalize,
    Pool,
    Reduce,
    Reshape,
    Slice,
    Transpose,
)

#: Functions without a negative result, tables of int8 included.
_NEVER_NEGATIVE = ("relu", "relu6", "sigmoid", "hard_sigmoid", "softplus", "exp")


def is_never_negative(layer: Layer, inputs: Collection[Tensor], known: Collection[str]) -> bool:
    """Whether a layer's result has no negative element, rounding and saturation included.

    Parameters
    ----------
    layer
        The layer.
    inputs
        What it reads.
    known
        Names of tensors that are never negative.
    """
    flags = [
        tensor.name in known or (tensor.constant is not None and tensor.constant >= 0)
        for tensor in inputs
    ]
    match layer.operator:
        case Convolution() | Linear() | MatMul() as operator:
            return operator.activation in _NEVER_NEGATIVE
        case Elementwise() as operator:
            return last_function(operator) in _NEVER_NEGATIVE or _keeps_sign(operator, flags)
        case Pool() as operator:
            # A maximum over nothing but padding is the least number there is.
            padded = any(window.pad_before or window.pad_after for window in operator.windows)
            return flags[0] and not (padded and operator.function == "max")
        case Normalize() as operator:
            return operator.function == "softmax"
        case Reduce() | Concat() | Slice() | Reshape() | Transpose():
            return all(flags)
        case _:
            return False


def last_function(operator: object) -> str:
    """Return the unary function that an operator applies last, ``identity`` for none."""
    match operator:
        case Elementwise() if operator.activation == "identity":
            unary = FUNCTIONS[operator.function].kind is FunctionKind.UNARY
            return operator.function if unary else "identity"
        case Convolution() | Linear() | MatMul() | Elementwise():
            return operator.activation
        case _:
            return "identity"


def _keeps_sign(operator: Elementwise, flags: list[bool]) -> bool:
    if operator.activation != "identity":
        return False
    if operator.function == "maximum":
        return any(flags)
    return operator.function in ("identity", "add", "multiply", "minimum") and all(flags)
