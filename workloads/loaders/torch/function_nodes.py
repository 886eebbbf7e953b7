"""Aten's functions, reductions and normalizations as calls of the importer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import inf

import numpy as np

from workloads.loaders.imported import functions, movement, vector
from workloads.loaders.imported.importer import Importer
from workloads.loaders.imported.indices import chosen, given, operand
from workloads.loaders.imported.refused import UnsupportedError
from workloads.loaders.imported.values import Value
from workloads.loaders.imported.weights import constant_value, known_array
from workloads.loaders.torch.movement_nodes import axis_of
from workloads.loaders.torch.node import Call, Handler


def _input(to: Importer, call: Call) -> Value:
    return operand(to, call.any("self", "input", "x"))


def _unary(to: Importer, call: Call, *, function: str) -> Value:
    return vector.unary(to, call.name, function, _input(to, call))


def _looked_up(to: Importer, call: Call) -> Value:
    """Return a function that the vector unit looks up like any other, in one operation."""
    # Approximation: all of them cost what an identity costs.
    to.note(f"{call.node.operator} costs one operation per element, as an identity does")
    return vector.unary(to, call.name, "identity", _input(to, call))


def _cumulated(to: Importer, call: Call) -> Value:
    """Return a running sum or product: one operation per element."""
    return _looked_up(to, call)


def _binary(to: Importer, call: Call, *, function: str) -> Value:
    left, right = _input(to, call), operand(to, call.any("other", "exponent"))
    alpha = call.number("alpha", default=1)
    if alpha != 1:
        right = vector.with_number(to, f"{call.name}.alpha", "multiply", right, alpha)
    if call.node.operator == "rsub":
        left, right = right, left
    return vector.binary(to, call.name, function, left, right)


def _divide(to: Importer, call: Call) -> Value:
    value = _binary(to, call, function="divide")
    rounding = call.any("rounding_mode")
    return value if rounding is None else vector.unary(to, call.name, "identity", value)


def _power(to: Importer, call: Call) -> Value:
    exponent = call.any("exponent", "other")
    if isinstance(exponent, Value):
        known = known_array(exponent)
        exponent = float(known.flat[0]) if known is not None and known.size == 1 else exponent
    base = _input(to, call)
    if isinstance(exponent, Value):
        logarithm = vector.unary(to, f"{call.name}.log", "log", base)
        product = vector.binary(
            to, f"{call.name}.times", "multiply", logarithm, operand(to, exponent)
        )
        return vector.unary(to, call.name, "exp", product)
    return functions.power(to, call.name, base, float(exponent))


def _fused(to: Importer, call: Call, *, function: str) -> Value:
    """Return ``self + value * first · second``, or with a quotient of both."""
    first, second = operand(to, call.any("tensor1")), operand(to, call.any("tensor2"))
    product = vector.binary(to, f"{call.name}.both", function, first, second)
    factor = call.number("value", default=1)
    product = vector.with_number(to, f"{call.name}.value", "multiply", product, factor)
    return vector.binary(to, call.name, "add", _input(to, call), product)


def _lerp(to: Importer, call: Call) -> Value:
    """Return ``self + weight * (end - self)``."""
    start, end = _input(to, call), operand(to, call.any("end"))
    change = vector.binary(to, f"{call.name}.change", "subtract", end, start)
    weight = operand(to, call.any("weight"))
    part = vector.binary(to, f"{call.name}.part", "multiply", change, weight)
    return vector.binary(to, call.name, "add", start, part)


def _where(to: Importer, call: Call) -> Value:
    condition = call.tensor("condition")
    yes, no = call.any("self", default=0), call.any("other", default=0)
    return chosen(to, call.name, condition, yes, no, call.shape)


def _masked_fill(to: Importer, call: Call) -> Value:
    mask, fill = call.tensor("mask"), call.any("value", default=0)
    return chosen(to, call.name, mask, fill, call.tensor(), call.shape)


def _clamp(to: Importer, call: Call) -> Value:
    value, bounds = _input(to, call), []
    for name, other, none in (("min", "min_val", -inf), ("max", "max_val", inf)):
        bound = call.any(name, other)
        if call.node.operator == "hardtanh" and bound is None:
            bound = {"min": -1.0, "max": 1.0}[name]
        if isinstance(bound, Value):
            function = "maximum" if name == "min" else "minimum"
            value = vector.binary(to, call.name, function, value, operand(to, bound))
            bound = None
        bounds.append(none if bound is None else float(bound))
    return vector.clip(to, call.name, value, *bounds)


def _leaky_relu(to: Importer, call: Call) -> Value:
    slope = call.number("negative_slope", default=0.01)
    return functions.leaky_relu(to, call.name, _input(to, call), slope)


def _rrelu(to: Importer, call: Call) -> Value:
    slope = (call.number("lower", default=1 / 8) + call.number("upper", default=1 / 3)) / 2
    return functions.leaky_relu(to, call.name, _input(to, call), slope)


def _prelu(to: Importer, call: Call) -> Value:
    value, slope = _input(to, call), call.tensor("weight")
    if slope.size_elements > 1 and value.rank > 2:
        slope = to.reshaped(slope, (slope.size_elements, *(1,) * (value.rank - 2)))
    return functions.prelu(to, call.name, value, slope)


def _elu(to: Importer, call: Call) -> Value:
    slope, scale = call.number("alpha", default=1.0), call.number("scale", default=1.0)
    if call.node.operator == "selu":
        slope, scale = 1.6732632423543772, 1.0507009873554805
    return functions.elu(to, call.name, _input(to, call), slope, scale)


def _composed(to: Importer, call: Call, *, function: Callable[..., Value]) -> Value:
    return function(to, call.name, _input(to, call))


def _glu(to: Importer, call: Call) -> Value:
    value = _input(to, call)
    axis = axis_of(call, value, default=-1)
    half = value.shape[axis] // 2
    left, right = movement.split(to, f"{call.name}.half", value, axis, [half, half])
    gate = vector.unary(to, f"{call.name}.gate", "sigmoid", right)
    return vector.binary(to, call.name, "multiply", left, gate)


def _axes(call: Call, value: Value) -> list[int]:
    given_axes = call.any("dim")
    if given_axes is None or given_axes == []:
        return list(range(value.rank))
    return [axis % max(value.rank, 1) for axis in call.integers("dim")]


def _reduce(to: Importer, call: Call, *, function: str) -> Value | Sequence[Value]:
    if call.any("other") is not None:
        return _binary(to, call, function="maximum")
    value = _input(to, call)
    result = vector.reduce(
        to, call.name, function, value, _axes(call, value), keeps=call.flag("keepdim")
    )
    return [result] if len(call.shapes) > 1 else result


def _minimum(to: Importer, call: Call) -> Value | Sequence[Value]:
    if call.any("other") is not None:
        return _binary(to, call, function="minimum")
    value = _input(to, call)
    axes, keeps = _axes(call, value), call.flag("keepdim")
    result = functions.least(to, call.name, value, axes, keeps=keeps)
    return [result] if len(call.shapes) > 1 else result


def _norm(to: Importer, call: Call) -> Value:
    """Return the norm of an order along axes."""
    value, order = _input(to, call), call.any("ord", "p", default=2)
    axes, keeps = _axes(call, value), call.flag("keepdim")
    if order == 1:
        size = vector.unary(to, f"{call.name}.absolute", "absolute", value)
        return vector.reduce(to, call.name, "sum", size, axes, keeps=keeps)
    if order != 2:
        raise UnsupportedError(f"its order is {order} but only 1 and 2 are known")
    square = vector.binary(to, f"{call.name}.square", "multiply", value, value)
    total = vector.reduce(to, f"{call.name}.sum", "sum", square, axes, keeps=keeps)
    return vector.unary(to, call.name, "sqrt", total)


def _variance(to: Importer, call: Call) -> Value | Sequence[Value]:
    """Return the variance or the deviation, and the mean where it is wanted."""
    value = _input(to, call)
    axes, keeps = _axes(call, value), call.flag("keepdim")
    mean, variance = functions.moments(to, call.name, value, axes, keeps=keeps)
    if call.node.operator.startswith("std"):
        variance = vector.unary(to, f"{call.name}.deviation", "sqrt", variance)
    return [variance, mean] if call.node.operator.endswith("_mean") else variance


def _log_sum_exp(to: Importer, call: Call) -> Value:
    value = _input(to, call)
    power = vector.unary(to, f"{call.name}.exp", "exp", value)
    total = vector.reduce(
        to, f"{call.name}.sum", "sum", power, _axes(call, value), keeps=call.flag("keepdim")
    )
    return vector.unary(to, call.name, "log", total)


def _softmax(to: Importer, call: Call) -> Value:
    value = _input(to, call)
    axis = axis_of(call, value)
    if call.node.operator == "softmin":
        value = vector.unary(to, f"{call.name}.negative", "negative", value)
    result = vector.softmax(to, call.name, value, axis)
    is_log = "log" in call.node.operator
    return vector.unary(to, f"{call.name}.log", "log", result) if is_log else result


def _batch_norm(to: Importer, call: Call) -> Value | Sequence[Value]:
    value = _input(to, call)
    channels = value.shape[1]
    mean, variance = call.any("running_mean"), call.any("running_var")
    if mean is None or variance is None or call.flag("training"):
        raise UnsupportedError("needs the statistics of training; export the network after eval()")
    one, zero = (
        constant_value(to, f"{call.name}.{role}", np.full(channels, number, np.float32))
        for role, number in (("gamma", 1.0), ("beta", 0.0))
    )
    gamma, beta = call.any("weight", default=one), call.any("bias", default=zero)
    epsilon = call.number("eps", "epsilon", default=1e-5)
    result = vector.batch_norm(to, call.name, value, gamma, beta, mean, variance, epsilon)
    return [result] if len(call.shapes) > 1 else result


def _layer_norm(to: Importer, call: Call, *, function: str) -> Value | Sequence[Value]:
    value, axes = _input(to, call), len(call.integers("normalized_shape"))
    result = vector.layer_norm(
        to, call.name, value, axes, call.any("weight"), call.any("bias"), function=function
    )
    return [result] if len(call.shapes) > 1 else result


def _group_norm(to: Importer, call: Call) -> Value | Sequence[Value]:
    value = _input(to, call)
    if "instance" in call.node.operator:
        if not call.flag("use_input_stats", default=True):
            return _batch_norm(to, call)
        groups = value.shape[1]
    else:
        groups = call.integer("num_groups" if "num_groups" in call.arguments else "group")
    result = vector.group_norm(to, call.name, value, groups, call.any("weight"), call.any("bias"))
    return [result] if len(call.shapes) > 1 else result


def _top(to: Importer, call: Call) -> Sequence[Value]:
    """Return the largest elements along an axis, and their places."""
    # Approximation: one operation per element finds them; they are taken as the first ones.
    value = _input(to, call)
    axis = axis_of(call, value, default=-1)
    found = vector.unary(to, f"{call.name}.compared", "identity", value)
    kept = movement.cut(to, call.name, found, axis, 0, call.shape[axis])
    return [kept, given(to, f"{call.name}.places", call.shapes[1], is_index=True)]


def _product(to: Importer, call: Call) -> Value:
    """Return a product along axes as the exponential of a sum of logarithms."""
    value = _input(to, call)
    logs = vector.unary(to, f"{call.name}.log", "log", value)
    total = vector.reduce(
        to, f"{call.name}.sum", "sum", logs, _axes(call, value), keeps=call.flag("keepdim")
    )
    return vector.unary(to, call.name, "exp", total)


def _rsqrt(to: Importer, call: Call) -> Value:
    root = vector.unary(to, f"{call.name}.root", "sqrt", _input(to, call))
    return vector.unary(to, call.name, "reciprocal", root)


def _gelu(to: Importer, call: Call) -> Value:
    return vector.unary(to, call.name, "gelu", _input(to, call))


_UNARY = {
    **{"abs": "absolute", "erf": "erf", "exp": "exp", "hardswish": "hard_swish", "log": "log"},
    **{"hardsigmoid": "hard_sigmoid", "neg": "negative", "reciprocal": "reciprocal"},
    **{"relu": "relu", "relu6": "relu6", "sigmoid": "sigmoid", "silu": "silu", "sqrt": "sqrt"},
    **{"softplus": "softplus", "tanh": "tanh"},
}
_BINARY = {
    **{"add": "add", "sub": "subtract", "rsub": "subtract", "mul": "multiply"},
    **{"maximum": "maximum", "minimum": "minimum", "fmax": "maximum", "fmin": "minimum"},
}
_LOOKED_UP = (
    *("acos", "asin", "atan", "atan2", "ceil", "cos", "cosh", "cumprod", "cumsum", "digamma"),
    *("erfc", "exp2", "expm1", "floor", "frac", "hardshrink", "log10", "log1p", "log2", "logit"),
    *("nan_to_num", "round", "sign", "sin", "sinh", "softshrink", "tan", "trunc", "floor_divide"),
    *("remainder", "fmod", "tril", "triu", "threshold", "sort", "logcumsumexp"),
)
_LAYER_NORM = ("layer_norm", "native_layer_norm")
HANDLERS: dict[str, Handler] = {
    **{name: partial(_unary, function=function) for name, function in _UNARY.items()},
    **{name: partial(_binary, function=function) for name, function in _BINARY.items()},
    **dict.fromkeys(_LOOKED_UP, _looked_up),
    **dict.fromkeys(("batch_norm", "_native_batch_norm_legit_no_training"), _batch_norm),
    **dict.fromkeys(("native_batch_norm", "cudnn_batch_norm"), _batch_norm),
    **dict.fromkeys(("clamp", "clamp_max", "clamp_min", "clip", "hardtanh"), _clamp),
    **dict.fromkeys(("div", "true_divide"), _divide),
    **dict.fromkeys(("elu", "selu"), _elu),
    **dict.fromkeys(("group_norm", "native_group_norm", "instance_norm"), _group_norm),
    **dict.fromkeys(
        ("layer_norm", "native_layer_norm"), partial(_layer_norm, function="layer_norm")
    ),
    **dict.fromkeys(("rms_norm", "_fused_rms_norm"), partial(_layer_norm, function="rms_norm")),
    **dict.fromkeys(("linalg_vector_norm", "norm", "linalg_norm"), _norm),
    **dict.fromkeys(("softmax", "_softmax", "log_softmax", "_log_softmax", "softmin"), _softmax),
    **dict.fromkeys(("prelu", "_prelu_kernel"), _prelu),
    **dict.fromkeys(("std", "std_mean", "var", "var_mean"), _variance),
    **dict.fromkeys(("max", "amax"), partial(_reduce, function="max")),
    **dict.fromkeys(("min", "amin"), _minimum),
    "addcdiv": partial(_fused, function="divide"),
    "addcmul": partial(_fused, function="multiply"),
    "celu": partial(_composed, function=functions.celu),
    "gelu": _gelu,
    "glu": _glu,
    "leaky_relu": _leaky_relu,
    "lerp": _lerp,
    "log_sigmoid": partial(_composed, function=functions.log_sigmoid),
    "logsumexp": _log_sum_exp,
    "masked_fill": _masked_fill,
    "mean": partial(_reduce, function="mean"),
    "mish": partial(_composed, function=functions.mish),
    "pow": _power,
    "prod": _product,
    "rrelu": _rrelu,
    "rsqrt": _rsqrt,
    "softsign": partial(_composed, function=functions.softsign),
    "square": partial(_composed, function=functions.square),
    "sum": partial(_reduce, function="sum"),
    "topk": _top,
    "where": _where,
}
