"""ONNX's functions, reductions and normalizations as calls of the importer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, reduce
from math import inf, prod

import numpy as np

from foundation.errors import WorkloadError
from workloads.loaders.imported import functions, vector
from workloads.loaders.imported.importer import Importer
from workloads.loaders.imported.indices import chosen, given, is_computed, operand
from workloads.loaders.imported.refused import UnsupportedError
from workloads.loaders.imported.values import Value
from workloads.loaders.imported.weights import constant_value, known_array, number_of
from workloads.loaders.onnx.file import FLOATS
from workloads.loaders.onnx.node import (
    Handler,
    Inputs,
    Node,
    axes_of,
    axis_of,
    integers_of,
    needed,
    optional,
)


def _unary(to: Importer, node: Node, inputs: Inputs, *, function: str) -> Value:
    return vector.unary(to, node.name, function, needed(inputs, 0))


def _looked_up(to: Importer, node: Node, inputs: Inputs) -> Value:
    """Return a function that the vector unit looks up like any other, in one operation."""
    # Approximation: all of them cost what an identity costs.
    to.note(f"{node.operator} costs one operation per element, as an identity does")
    return vector.unary(to, node.name, "identity", needed(inputs, 0))


def _same(to: Importer, node: Node, inputs: Inputs) -> Value:
    """Return the first input: an identity, and a change of scale or of the floating-point type."""
    del to, node
    return needed(inputs, 0)


def _cast(to: Importer, node: Node, inputs: Inputs) -> Value:
    """Return the input; integers that the network is given come as numbers at once."""
    return _converted(to, node.name, needed(inputs, 0), is_float=node.integer("to", 1) in FLOATS)


def _cast_like(to: Importer, node: Node, inputs: Inputs) -> Value:
    return _converted(
        to, node.name, needed(inputs, 0), is_float=needed(inputs, 1).dtype == to.dtype
    )


def _converted(to: Importer, name: str, value: Value, *, is_float: bool) -> Value:
    if is_float:
        return operand(to, value)
    known = known_array(value)
    if known is not None:
        return constant_value(to, "places", known.astype(np.int64))
    return given(to, name, value.shape, is_index=True) if value.dtype == to.dtype else value


def _binary(to: Importer, node: Node, inputs: Inputs, *, function: str) -> Value:
    values = [needed(inputs, place) for place in range(len(inputs))]
    if not values:
        raise WorkloadError("has no input")
    if node.version < 7 and "axis" in node.attributes:  # where the second one's axes begin
        behind = values[0].rank - values[1].rank - node.integer("axis", 0)
        values[1] = to.reshaped(values[1], (*values[1].shape, *(1,) * behind))
    return reduce(partial(vector.binary, to, node.name, function), values)


def _mean(to: Importer, node: Node, inputs: Inputs) -> Value:
    total = _binary(to, node, inputs, function="add")
    return vector.with_number(to, f"{node.name}.share", "multiply", total, 1 / len(inputs))


def _power(to: Importer, node: Node, inputs: Inputs) -> Value:
    exponent = number_of(needed(inputs, 1))
    if exponent is None:
        raise UnsupportedError("its exponent is computed but must be one number of the file")
    return functions.power(to, node.name, needed(inputs, 0), exponent)


def _clip(to: Importer, node: Node, inputs: Inputs) -> Value:
    bounds = []
    for place, (name, default) in enumerate((("min", -inf), ("max", inf)), start=1):
        value = optional(inputs, place)
        bound = node.number(name, default) if value is None else number_of(value)
        if bound is None:
            raise UnsupportedError(f"its {name} must be one number that the file holds")
        bounds.append(bound)
    return vector.clip(to, node.name, needed(inputs, 0), *bounds)


def _hard_sigmoid(to: Importer, node: Node, inputs: Inputs) -> Value:
    slope, offset = node.number("alpha", 0.2), node.number("beta", 0.5)
    value = needed(inputs, 0)
    if abs(slope - 1 / 6) < 1e-3 and offset == 0.5:
        return vector.unary(to, node.name, "hard_sigmoid", value)
    value = vector.with_number(to, node.name, "multiply", value, slope)
    value = vector.with_number(to, node.name, "add", value, offset)
    return vector.clip(to, node.name, value, 0, 1)


def _leaky_relu(to: Importer, node: Node, inputs: Inputs) -> Value:
    slope = node.number("alpha", 0.01)
    return functions.leaky_relu(to, node.name, needed(inputs, 0), slope)


def _where(to: Importer, node: Node, inputs: Inputs) -> Value:
    known = known_array(needed(inputs, 0))
    sides = needed(inputs, 1), needed(inputs, 2)
    if known is not None:
        return functions.choice(to, node.name, known, *(operand(to, side) for side in sides))
    condition = needed(inputs, 0)
    if is_computed(to, condition) and all(map(_is_finite, sides)):
        numbers = [operand(to, value) for value in (condition, *sides)]
        return functions.computed_choice(to, node.name, *numbers)
    shape = np.broadcast_shapes(condition.shape, *(side.shape for side in sides))
    return chosen(to, node.name, condition, *sides, shape)


def _is_finite(value: Value) -> bool:
    """Whether a value may be multiplied by 0; of what isn't known, it is taken so."""
    known = known_array(value)
    return known is None or bool(np.isfinite(known).all())


def _axes(node: Node, inputs: Inputs, rank: int) -> tuple[int, ...] | None:
    """Return the axes of a reduction, or None where it leaves its input as it is."""
    axes = integers_of(node, inputs, "axes", 1)
    if not axes and node.integer("noop_with_empty_axes", 0):
        return None
    return axes_of(axes or range(rank), rank)


def _reduce(to: Importer, node: Node, inputs: Inputs, *, function: str) -> Value:
    value = needed(inputs, 0)
    axes, keeps = _axes(node, inputs, value.rank), bool(node.integer("keepdims", 1))
    if axes is None:
        return value
    return vector.reduce(to, node.name, function, value, axes, keeps=keeps)


def _reduced_of(to: Importer, node: Node, inputs: Inputs, *, before: str, after: str) -> Value:
    """Return a sum of squares or magnitudes, and a root or logarithm of it."""
    value = needed(inputs, 0)
    if before == "square":
        value = vector.binary(to, f"{node.name}.square", "multiply", value, value)
    elif before:
        value = vector.unary(to, f"{node.name}.{before}", before, value)
    total = _reduce(to, node, [value, *inputs[1:]], function="sum")
    return vector.unary(to, f"{node.name}.{after}", after, total) if after else total


def _minimum(to: Importer, node: Node, inputs: Inputs) -> Value:
    value = needed(inputs, 0)
    axes, keeps = _axes(node, inputs, value.rank), bool(node.integer("keepdims", 1))
    if axes is None:
        return value
    return functions.least(to, node.name, value, axes, keeps=keeps)


def _softmax(to: Importer, node: Node, inputs: Inputs) -> Value:
    value = needed(inputs, 0)
    if node.version >= 13:
        axis = axis_of(node.integer("axis", -1), value.rank)
        return vector.softmax(to, node.name, value, axis)
    axis = axis_of(node.integer("axis", 1), value.rank)  # all axes from here on are one row
    rows = (*value.shape[:axis], prod(value.shape[axis:]))
    flat = vector.softmax(to, node.name, to.reshaped(value, rows), axis)
    return to.reshaped(flat, value.shape)


def _log_softmax(to: Importer, node: Node, inputs: Inputs) -> Value:
    return vector.unary(to, f"{node.name}.log", "log", _softmax(to, node, inputs))


def _layer_norm(
    to: Importer, node: Node, inputs: Inputs, *, function: str
) -> Value | Sequence[Value]:
    value = needed(inputs, 0)
    axis = axis_of(node.integer("axis", -1), value.rank)
    gamma, beta = optional(inputs, 1), optional(inputs, 2)
    normal = vector.layer_norm(
        to, node.name, value, value.rank - axis, gamma, beta, function=function
    )
    if not any(node.outputs[1:]):
        return normal
    mean, variance = functions.moments(to, node.name, value, range(axis, value.rank), keeps=True)
    epsilon = node.number("epsilon", 1e-5)
    variance = vector.with_number(to, f"{node.name}.epsilon", "add", variance, epsilon)
    deviation = vector.unary(to, f"{node.name}.deviation", "sqrt", variance)
    return [normal, mean, vector.unary(to, f"{node.name}.inverse", "reciprocal", deviation)]


def _batch_norm(to: Importer, node: Node, inputs: Inputs) -> Value:
    if node.integer("training_mode", 0):
        raise WorkloadError("is in training mode; export the model for inference")
    value = needed(inputs, 0)
    gamma, beta, mean, variance = (needed(inputs, place) for place in range(1, 5))
    epsilon = node.number("epsilon", 1e-5)
    return vector.batch_norm(to, node.name, value, gamma, beta, mean, variance, epsilon)


def _prelu(to: Importer, node: Node, inputs: Inputs) -> Value:
    return functions.prelu(to, node.name, needed(inputs, 0), needed(inputs, 1))


def _elu(to: Importer, node: Node, inputs: Inputs) -> Value:
    return functions.elu(to, node.name, needed(inputs, 0), node.number("alpha", 1.0), 1.0)


def _selu(to: Importer, node: Node, inputs: Inputs) -> Value:
    slope = node.number("alpha", 1.6732632423543772)
    scale = node.number("gamma", 1.0507009873554805)
    return functions.elu(to, node.name, needed(inputs, 0), slope, scale)


def _composed(to: Importer, node: Node, inputs: Inputs, *, function: Callable[..., Value]) -> Value:
    return function(to, node.name, needed(inputs, 0))


def _swish(to: Importer, node: Node, inputs: Inputs) -> Value:
    """Return ``x * sigmoid(alpha * x)``."""
    value, slope = needed(inputs, 0), node.number("alpha", 1.0)
    if slope == 1:
        return vector.unary(to, node.name, "silu", value)
    factor = vector.with_number(to, f"{node.name}.slope", "multiply", value, slope)
    factor = vector.unary(to, f"{node.name}.sigmoid", "sigmoid", factor)
    return vector.binary(to, node.name, "multiply", value, factor)


def _instance_norm(to: Importer, node: Node, inputs: Inputs) -> Value:
    value = needed(inputs, 0)
    if value.rank > 3 and _has_our_epsilon(node):  # a signal's channels would have to move
        gamma, beta = needed(inputs, 1), needed(inputs, 2)
        return vector.group_norm(to, node.name, value, value.shape[1], gamma, beta)
    normal = _normal(to, node, value, range(2, value.rank))
    return _scaled(to, node, normal, needed(inputs, 1), needed(inputs, 2))


def _has_our_epsilon(node: Node) -> bool:
    """Whether a normalization adds what our layers add to the variance."""
    return round(node.number("epsilon", 1e-5), 8) == 1e-5


def _group_norm(to: Importer, node: Node, inputs: Inputs) -> Value:
    value, groups = needed(inputs, 0), node.integer("num_groups", 1)
    if value.rank < 2 or groups < 1 or value.shape[1] % groups:
        raise WorkloadError(f"{list(value.shape)} doesn't divide into {groups} groups of channels")
    gamma, beta = needed(inputs, 1), needed(inputs, 2)
    if gamma.shape == (value.shape[1],) and _has_our_epsilon(node):
        return vector.group_norm(to, node.name, value, groups, gamma, beta)
    apart = (value.shape[0], groups, value.shape[1] // groups, *value.shape[2:])
    normal = _normal(to, node, to.reshaped(value, apart), range(2, value.rank + 1))
    if gamma.shape == (groups,) != (value.shape[1],):  # before operator set 21
        return to.reshaped(_scaled(to, node, normal, gamma, beta), value.shape)
    return _scaled(to, node, to.reshaped(normal, value.shape), gamma, beta)


def _normal(to: Importer, node: Node, value: Value, axes: Sequence[int]) -> Value:
    """Return a value with mean 0 and deviation 1 over some axes, wherever they lie."""
    name, epsilon = node.name, node.number("epsilon", 1e-5)
    mean = vector.reduce(to, f"{name}.mean", "mean", value, axes, keeps=True)
    centred = vector.binary(to, f"{name}.centred", "subtract", value, mean)
    squares = vector.binary(to, f"{name}.squares", "multiply", centred, centred)
    variance = vector.reduce(to, f"{name}.variance", "mean", squares, axes, keeps=True)
    variance = vector.with_number(to, f"{name}.epsilon", "add", variance, epsilon)
    deviation = vector.unary(to, f"{name}.deviation", "sqrt", variance)
    return vector.binary(to, f"{name}.normal", "divide", centred, deviation)


def _scaled(to: Importer, node: Node, value: Value, gamma: Value, beta: Value) -> Value:
    """Return a value times gamma plus beta, which are vectors along axis 1."""
    shape = (value.shape[1], *(1 for _ in value.shape[2:]))
    value = vector.binary(to, f"{node.name}.gamma", "multiply", value, to.reshaped(gamma, shape))
    return vector.binary(to, f"{node.name}.beta", "add", value, to.reshaped(beta, shape))


_UNARY = {
    **{"Abs": "absolute", "Erf": "erf", "Exp": "exp", "Gelu": "gelu", "HardSwish": "hard_swish"},
    **{"Log": "log", "Neg": "negative", "Reciprocal": "reciprocal", "Relu": "relu"},
    **{"Sigmoid": "sigmoid", "Softplus": "softplus", "Sqrt": "sqrt", "Tanh": "tanh"},
}
_BINARY = {
    **{"Add": "add", "Sum": "add", "Sub": "subtract", "Mul": "multiply", "Div": "divide"},
    **{"Max": "maximum", "Min": "minimum"},
}
_LOOKED_UP = (*("Atan", "Ceil", "Cos", "Floor", "Round", "Sin", "Trilu"),)

HANDLERS: dict[str, Handler] = {
    **{name: partial(_unary, function=function) for name, function in _UNARY.items()},
    **{name: partial(_binary, function=function) for name, function in _BINARY.items()},
    **dict.fromkeys(_LOOKED_UP, _looked_up),
    **dict.fromkeys(("Dropout", "Identity"), _same),
    "BatchNormalization": _batch_norm,
    "Cast": _cast,
    "CastLike": _cast_like,
    "Clip": _clip,
    "Elu": _elu,
    "GroupNormalization": _group_norm,
    "HardSigmoid": _hard_sigmoid,
    "InstanceNormalization": _instance_norm,
    "LayerNormalization": partial(_layer_norm, function="layer_norm"),
    "LeakyRelu": _leaky_relu,
    "LogSoftmax": _log_softmax,
    "Mean": _mean,
    "Mish": partial(_composed, function=functions.mish),
    "PRelu": _prelu,
    "Pow": _power,
    "RMSNormalization": partial(_layer_norm, function="rms_norm"),
    "ReduceL1": partial(_reduced_of, before="absolute", after=""),
    "ReduceL2": partial(_reduced_of, before="square", after="sqrt"),
    "ReduceLogSum": partial(_reduced_of, before="", after="log"),
    "ReduceLogSumExp": partial(_reduced_of, before="exp", after="log"),
    "ReduceMax": partial(_reduce, function="max"),
    "ReduceMean": partial(_reduce, function="mean"),
    "ReduceMin": _minimum,
    "ReduceSum": partial(_reduce, function="sum"),
    "ReduceSumSquare": partial(_reduced_of, before="square", after=""),
    "Selu": _selu,
    "Softmax": _softmax,
    "Softsign": partial(_composed, function=functions.softsign),
    "Swish": _swish,
    "Where": _where,
}
