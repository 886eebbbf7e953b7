"""Simplifications of functions, element by element: part of the pass `simplify`.

Fixed and floating point differ. In int8, ``0 - (0 - x)`` isn't ``x``: the least number has no
negative. In floating point, ``x * 0`` and ``x - x`` are taken as 0.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from foundation import numerics
from workloads.graph import Layer
from workloads.layers import Elementwise
from workloads.passes.signs import last_function
from workloads.passes.sweep import Change, Sweep

#: What an operand may be without changing the other: (function, position of the operand) to number.
_NEUTRAL = {
    ("add", 0): 0.0,
    ("add", 1): 0.0,
    ("subtract", 1): 0.0,
    ("multiply", 0): 1.0,
    ("multiply", 1): 1.0,
    ("divide", 1): 1.0,
}
#: Functions that change nothing the second time.
_IDEMPOTENT = ("relu", "relu6", "absolute")


def simpler_unary(
    sweep: Sweep, layer: Layer, operator: Elementwise, never_negative: Collection[str]
) -> Change | None:
    """Return what a function of one operand can be instead, None if nothing."""
    (source,) = layer.inputs
    function = operator.function
    if operator.activation != "identity":
        if function != "identity":
            return None
        new = sweep.layer(layer.name, Elementwise(function=operator.activation), [source])
        return Change(reason="identity changes nothing", layers=(new,))
    if function == "identity":
        return Change(reason="identity changes nothing", same_as=source)
    if function in ("relu", "absolute") and source in never_negative:
        return Change(reason=f"{source} is never negative", same_as=source)
    before = sweep.producer(source)
    if before is None:
        return None
    if function in _IDEMPOTENT and last_function(before.operator) == function:
        return Change(reason=f"{source} has had its {function}", same_as=source)
    if function == "negative" and before.operator == operator:
        (inner,) = before.inputs  # in int8 the least number has no negative
        if inner in never_negative or not sweep.tensors[source].dtype.is_integer:
            return Change(reason="negated twice", same_as=inner, absorbed=(before,))
    if function == "relu6" and before.operator == Elementwise(function="relu"):
        new = sweep.layer(layer.name, operator, before.inputs)
        return Change(reason="relu6 includes relu", layers=(new,), absorbed=(before,))
    return None


def simpler_binary(
    sweep: Sweep,
    layer: Layer,
    operator: Elementwise,
    never_negative: Collection[str],
    *,
    may_drop: bool,
) -> Change | None:
    """Return what a function of two operands can be instead, None if nothing.

    With ``may_drop`` an operand may lose its reader.
    """
    for position, name in enumerate(layer.inputs):
        other = layer.inputs[1 - position]
        number = sweep.tensors[name].constant
        if number is None:
            continue
        if _NEUTRAL.get((operator.function, position)) == number and _fits(sweep, layer, other):
            reason = f"{operator.function} with {number:g} changes nothing"
            return _only(sweep, layer, operator, other, reason)
        if (
            operator == Elementwise(function="maximum")
            and number == 0
            and _fits(sweep, layer, other)
        ):
            new = sweep.layer(layer.name, Elementwise(function="relu"), [other])
            return Change(reason="a maximum with 0 is relu", layers=(new,))
        if operator.function == "multiply" and number == 0 and may_drop:
            return _zero(sweep, layer, operator, f"{other} times 0")
    left, right = layer.inputs
    if left == right and operator.function in ("maximum", "minimum"):
        return _only(sweep, layer, operator, left, f"both operands are {left}")
    if left == right and operator.function == "subtract" and may_drop:
        return _zero(sweep, layer, operator, f"{left} minus itself")
    return _double_negation(sweep, layer, operator, never_negative)


def _fits(sweep: Sweep, layer: Layer, operand: str) -> bool:
    """Whether an operand isn't broadcast."""
    return sweep.tensors[operand].shape == sweep.tensors[layer.name].shape


def _only(sweep: Sweep, layer: Layer, operator: Elementwise, operand: str, reason: str) -> Change:
    """Return the change to one operand, with the activation that there may be."""
    if operator.activation == "identity":
        return Change(reason=reason, same_as=operand)
    new = sweep.layer(layer.name, Elementwise(function=operator.activation), [operand])
    return Change(reason=reason, layers=(new,))


def _zero(sweep: Sweep, layer: Layer, operator: Elementwise, reason: str) -> Change:
    """Return the change to a constant: the activation of 0."""
    # Approximation: floating-point numbers are finite. Of infinity or NaN the result would be NaN.
    result = sweep.tensors[layer.name]
    zero = numerics.stored(0, result.dtype).reshape(1)
    value = numerics.real(numerics.unary(operator.activation, zero, result.dtype)[0], result.dtype)
    constant = sweep.constant(f"{layer.name}.value", result.shape, result.dtype, value)
    return Change(reason=reason, same_as=constant)


def _double_negation(
    sweep: Sweep, layer: Layer, operator: Elementwise, never_negative: Collection[str]
) -> Change | None:
    negated = _negated(sweep, replace(layer, operator=replace(operator, activation="identity")))
    before = None if negated is None else sweep.producer(negated)
    source = None if before is None else _negated(sweep, before)
    if before is None or source is None:
        return None
    if sweep.tensors[source].dtype.is_integer and source not in never_negative:
        return None
    change = _only(sweep, layer, operator, source, "negated twice")
    return replace(change, absorbed=(before,))


def _negated(sweep: Sweep, layer: Layer) -> str | None:
    """Return the tensor of which a layer computes the negative, None if it doesn't."""
    operator = layer.operator
    if not isinstance(operator, Elementwise) or operator.activation != "identity":
        return None
    if len(layer.inputs) != 2:
        return None
    constants = [sweep.tensors[name].constant for name in layer.inputs]
    match operator.function, constants:
        case ("subtract", [0.0, _]) | ("multiply", [-1.0, _]):
            operand = layer.inputs[1]
        case "multiply", [_, -1.0]:
            operand = layer.inputs[0]
        case _:
            return None
    return operand if _fits(sweep, layer, operand) else None
