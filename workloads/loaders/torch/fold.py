"""Nodes whose inputs are known while the file is read: masks and positions, in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, prod
from typing import Any

import numpy as np

from foundation.errors import WorkloadError
from foundation.numerics import Array
from workloads.loaders.imported.values import reshaped
from workloads.loaders.torch.archive import TYPES
from workloads.loaders.torch.node import Call

#: More elements than masks and tables have: nothing larger is computed.
MOST_ELEMENTS = 1 << 24


def folded(call: Call) -> list[Array] | None:
    """Return the outputs of a node on known arrays, or None for an operator that isn't folded.

    An operator that writes into its first argument does so.
    """
    name = call.node.operator
    function = FUNCTIONS.get(name.rstrip("_") if call.node.is_in_place else name)
    sizes = [prod(shape) for shape in call.shapes] + [array.size for array in call.tensors]
    if function is None or max(sizes, default=0) > MOST_ELEMENTS:
        return None
    with np.errstate(all="ignore"):
        result = function(call)
        listed = result if isinstance(result, list | tuple) else [result]
        results = [
            np.asarray(array).astype(TYPES.get(dtype, "float32"), copy=False)
            for array, dtype in zip(listed, call.dtypes, strict=False)
        ]
    if call.node.is_in_place:
        target = call.tensor()
        target[...] = results[0]
        return [target]
    return results


def _unary(function: Callable[..., Any]) -> Callable[[Call], Any]:
    return lambda call: function(call.tensor())


def _binary(function: Callable[..., Any]) -> Callable[[Call], Any]:
    def compute(call: Call) -> Any:
        other = call.any("other", "exponent", "value", "src")
        alpha = call.any("alpha", default=1)
        return function(call.any("self", "input"), other if alpha == 1 else other * alpha)

    return compute


def _divide(call: Call) -> Any:
    rounding = call.any("rounding_mode")
    quotient = call.any("self") / _safe(call.any("other"))
    return {None: quotient, "floor": np.floor(quotient), "trunc": np.trunc(quotient)}[rounding]


def _safe(divisor: Any) -> Any:
    is_integer = isinstance(divisor, np.ndarray) and divisor.dtype.kind in "iub"
    return np.where(divisor == 0, 1, divisor) if is_integer else divisor


def _arange(call: Call) -> Any:
    start, end = call.any("start", default=0), call.any("end", "#0")
    return np.arange(start, end, call.any("step", default=1))


def _full(call: Call) -> Any:
    return np.full(call.shape, call.any("fill_value", "s", "value", default=0))


def _filled(number: float) -> Callable[[Call], Any]:
    return lambda call: np.full(call.shape, number)


def _same(call: Call) -> Any:
    return call.any("self", "input", "data", "x")


def _copied(call: Call) -> Any:
    return np.array(call.tensor())


def _shaped(call: Call) -> Any:
    return reshaped(call.any("self", "input"), call.shape)


def _expanded(call: Call) -> Any:
    return np.broadcast_to(call.tensor(), call.shape)


def _least(call: Call) -> Any:
    return (_binary(np.minimum) if "other" in call.arguments else _reduce(np.min))(call)


def _largest(call: Call) -> Any:
    return (_binary(np.maximum) if "other" in call.arguments else _reduce(np.max))(call)


def _axis(axis: int, rank: int) -> int:
    return axis + rank if axis < 0 else axis


def _slice(call: Call) -> Any:
    array = call.tensor()
    axis = _axis(call.integer("dim", 0), array.ndim)
    where = slice(call.any("start"), call.any("end"), call.any("step"))
    return array[(slice(None),) * axis + (where,)]


def _select(call: Call) -> Any:
    array = call.tensor()
    axis = _axis(call.integer("dim", 0), array.ndim)
    return array[(slice(None),) * axis + (call.integer("index"),)]


def _index(call: Call) -> Any:
    places = [slice(None) if place is None else np.asarray(place) for place in call.any("indices")]
    return call.tensor()[
        tuple(p if isinstance(p, slice) or p.dtype == bool else p.astype(np.int64) for p in places)
    ]


def _take(call: Call) -> Any:
    return np.take(call.tensor(), call.tensor("index").astype(np.int64), axis=call.integer("dim"))


def _gather(call: Call) -> Any:
    return np.take_along_axis(
        call.tensor(), call.tensor("index").astype(np.int64), axis=call.integer("dim")
    )


def _embedding(call: Call) -> Any:
    return call.tensor("weight")[call.tensor("indices").astype(np.int64)]


def _split(call: Call) -> Any:
    array = call.tensor()
    axis = _axis(call.integer("dim", 0), array.ndim)
    ends = np.cumsum([shape[axis] for shape in call.shapes])[:-1]
    return np.split(array, ends, axis=axis)


def _unbind(call: Call) -> Any:
    return list(np.moveaxis(call.tensor(), call.integer("dim", 0), 0))


def _reduce(function: Callable[..., Any]) -> Callable[[Call], Any]:
    def compute(call: Call) -> Any:
        axes = call.any("dim")
        axis = None if axes is None or axes == [] else tuple(call.integers("dim"))
        return function(call.tensor(), axis=axis, keepdims=call.flag("keepdim"))

    return compute


def _where(call: Call) -> Any:
    return np.where(call.tensor("condition"), call.any("self"), call.any("other"))


def _masked_fill(call: Call) -> Any:
    return np.where(call.tensor("mask"), call.any("value"), call.tensor())


def _clamp(call: Call) -> Any:
    return np.clip(call.tensor(), call.any("min", default=-inf), call.any("max", default=inf))


def _triangle(function: Callable[..., Any]) -> Callable[[Call], Any]:
    return lambda call: function(call.tensor(), call.integer("diagonal", 0))


def _transpose(call: Call) -> Any:
    return np.swapaxes(call.tensor(), call.integer("dim0"), call.integer("dim1"))


def _roll(call: Call) -> Any:
    dims = call.integers("dims", ())
    return np.roll(call.tensor(), call.integers("shifts"), dims or None)


def _pad(call: Call) -> Any:
    array, pads = call.tensor(), call.integers("pad")
    if call.text("mode", "constant") != "constant" or min(pads, default=0) < 0:
        raise WorkloadError("is folded only with constants around")
    widths = [(0, 0)] * (array.ndim - len(pads) // 2)
    widths += [(pads[n], pads[n + 1]) for n in range(len(pads) - 2, -1, -2)]
    return np.pad(array, widths, constant_values=call.any("value", default=0))


def _diff(call: Call) -> Any:
    options = {name: call.any(name) for name in ("prepend", "append") if call.any(name) is not None}
    return np.diff(call.tensor(), call.integer("n", 1), axis=call.integer("dim", -1), **options)


def _meshgrid(call: Call) -> Any:
    return np.meshgrid(*call.any("tensors"), indexing=call.any("indexing", default="ij"))


def _linspace(call: Call) -> Any:
    return np.linspace(call.any("start"), call.any("end"), call.integer("steps"))


def _rounded(call: Call) -> Any:
    return np.round(call.tensor(), call.integer("decimals", 0))


_SHAPED = (
    *("view", "reshape", "_unsafe_view", "flatten", "unflatten", "squeeze", "unsqueeze"),
    *("view_as", "ravel", "_reshape_copy", "view_copy", "unsqueeze_copy", "squeeze_copy"),
)
_SAME = (
    *("contiguous", "alias", "detach", "lift_fresh", "dropout", "to", "type_as", "_to_copy"),
    *("detach_copy", "alias_copy", "type", "float", "feature_dropout", "alpha_dropout"),
)
FUNCTIONS: dict[str, Callable[[Call], Any]] = {
    **dict.fromkeys(_SHAPED, _shaped),
    **dict.fromkeys(_SAME, _same),
    **dict.fromkeys(("clone", "lift_fresh_copy"), _copied),
    **dict.fromkeys(
        ("expand", "expand_as"), lambda call: np.broadcast_to(call.tensor(), call.shape)
    ),
    **dict.fromkeys(("ones", "ones_like", "new_ones"), _filled(1)),
    **dict.fromkeys(("zeros", "zeros_like", "new_zeros", "empty", "empty_like"), _filled(0)),
    **dict.fromkeys(("new_empty", "empty_permuted", "zero"), _filled(0)),
    **dict.fromkeys(("full", "full_like", "new_full", "scalar_tensor"), _full),
    **dict.fromkeys(("split", "split_with_sizes", "chunk", "tensor_split"), _split),
    **dict.fromkeys(("eq", "eq_"), _binary(np.equal)),
    **dict.fromkeys(("pad", "constant_pad_nd"), _pad),
    **dict.fromkeys(("logical_and", "__and__", "bitwise_and"), _binary(np.bitwise_and)),
    **dict.fromkeys(("logical_or", "__or__", "bitwise_or"), _binary(np.bitwise_or)),
    **dict.fromkeys(("logical_xor", "__xor__", "bitwise_xor"), _binary(np.bitwise_xor)),
    **dict.fromkeys(("logical_not", "bitwise_not"), _unary(np.logical_not)),
    "_assert_tensor_metadata": lambda _: [],
    "abs": _unary(np.abs),
    "add": _binary(np.add),
    "all": _reduce(np.all),
    "amax": _reduce(np.max),
    "amin": _reduce(np.min),
    "any": _reduce(np.any),
    "arange": _arange,
    "cat": lambda call: np.concatenate(call.any("tensors"), axis=call.integer("dim", 0)),
    "ceil": _unary(np.ceil),
    "clamp": _clamp,
    "clamp_max": _clamp,
    "clamp_min": _clamp,
    "copy": _binary(lambda old, new: np.broadcast_to(new, old.shape)),
    "cos": _unary(np.cos),
    "cumsum": lambda call: np.cumsum(call.tensor(), axis=call.integer("dim")),
    "diff": _diff,
    "div": _divide,
    "embedding": _embedding,
    "exp": _unary(np.exp),
    "eye": lambda call: np.eye(call.shape[0], call.shape[-1]),
    "fill": _binary(lambda old, number: np.full(old.shape, number)),
    "flip": lambda call: np.flip(call.tensor(), call.integers("dims")),
    "floor": _unary(np.floor),
    "floor_divide": _binary(lambda a, b: a // _safe(b)),
    "fmod": _binary(lambda a, b: np.fmod(a, _safe(b))),
    "gather": _gather,
    "ge": _binary(np.greater_equal),
    "gt": _binary(np.greater),
    "index": _index,
    "index_select": _take,
    "isinf": _unary(np.isinf),
    "isnan": _unary(np.isnan),
    "le": _binary(np.less_equal),
    "linspace": _linspace,
    "log": _unary(np.log),
    "log2": _unary(np.log2),
    "lt": _binary(np.less),
    "masked_fill": _masked_fill,
    "max": _largest,
    "maximum": _binary(np.maximum),
    "mean": _reduce(np.mean),
    "meshgrid": _meshgrid,
    "min": lambda call: (
        _binary(np.minimum)(call) if "other" in call.arguments else _reduce(np.min)(call)
    ),
    "minimum": _binary(np.minimum),
    "mul": _binary(np.multiply),
    "narrow": lambda call: np.take(
        call.tensor(),
        range(call.integer("start"), call.integer("start") + call.integer("length")),
        axis=call.integer("dim"),
    ),
    "ne": _binary(np.not_equal),
    "neg": _unary(np.negative),
    "outer": lambda call: np.outer(call.tensor(), call.tensor("vec2")),
    "permute": lambda call: call.tensor().transpose(call.integers("dims")),
    "pow": _binary(lambda a, b: np.power(np.asarray(a, np.float64), b)),
    "reciprocal": _unary(lambda array: 1 / array),
    "relu": _unary(lambda array: np.maximum(array, 0)),
    "remainder": _binary(lambda a, b: np.mod(a, _safe(b))),
    "repeat": lambda call: np.tile(call.tensor(), call.integers("repeats")),
    "roll": _roll,
    "round": _rounded,
    "rsqrt": _unary(lambda array: 1 / np.sqrt(array)),
    "rsub": _binary(lambda a, b: b - a),
    "select": _select,
    "sign": _unary(np.sign),
    "sin": _unary(np.sin),
    "slice": _slice,
    "sqrt": _unary(np.sqrt),
    "stack": lambda call: np.stack(call.any("tensors"), axis=call.integer("dim", 0)),
    "sub": _binary(np.subtract),
    "sum": _reduce(np.sum),
    "t": _unary(np.transpose),
    "tanh": _unary(np.tanh),
    "transpose": _transpose,
    "tril": _triangle(np.tril),
    "triu": _triangle(np.triu),
    "unbind": _unbind,
    "where": _where,
}
