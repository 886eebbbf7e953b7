"""ONNX operators as calls of the importer: one function a family, and a table of all names.

A handler gets the graph so far, the node and its inputs, and returns its outputs.

References
----------
.. [1] ONNX, "Operators", https://onnx.ai/onnx/operators/
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial, reduce
from math import inf, prod

import numpy as np

from foundation.errors import WorkloadError
from workloads.layers import Shape, Window
from workloads.loaders.imported import movement, products, vector
from workloads.loaders.imported.importer import (
    Given,
    Importer,
    UnsupportedError,
    constant_value,
    known_array,
    number_of,
    weight_of,
)
from workloads.loaders.imported.values import Value, plain
from workloads.loaders.onnx.fold import reshape_sizes, slice_ranges, split_sizes
from workloads.loaders.onnx.node import (
    Inputs,
    Node,
    array_of,
    axes_of,
    axis_of,
    integers_of,
    needed,
    optional,
)

Handler = Callable[[Importer, Node, Inputs], Value | Sequence[Value]]


def _windows(node: Node, sizes: Shape, kernel: Sequence[int]) -> list[Window]:
    """Return the windows over spatial axes of these sizes.

    With ``ceil_mode`` there is padding for one more position where a window would be cut off.
    """
    count = len(kernel)
    strides = node.integers("strides") or (1,) * count
    dilations = node.integers("dilations") or (1,) * count
    pads = node.integers("pads") or (0,) * 2 * count
    if len(sizes) != count or not len(strides) == len(dilations) == len(pads) // 2 == count:
        raise WorkloadError(
            f"kernel, strides, dilations and pads must be for {len(sizes)} axes but are"
            f" {list(kernel)}, {list(strides)}, {list(dilations)} and {list(pads)}"
        )
    if min((*kernel, *strides, *dilations), default=1) < 1 or min(pads, default=0) < 0:
        raise WorkloadError("kernel, strides and dilations must be at least 1, and pads at least 0")
    rule = node.text("auto_pad", "NOTSET")
    windows = []
    for axis, size in enumerate(sizes):
        window = Window(kernel[axis], strides[axis], dilations[axis])
        before, after = pads[axis], pads[axis + count]
        if rule.startswith("SAME"):
            span = (window.kernel - 1) * window.dilation + 1
            total = max((-(-size // window.stride) - 1) * window.stride + span - size, 0)
            before = total // 2 if rule == "SAME_UPPER" else total - total // 2
            after = total - before
        elif rule == "VALID":
            before = after = 0
        window = window._replace(pad_before=before, pad_after=after)
        windows.append(_rounded_up(window, size) if node.integer("ceil_mode", 0) else window)
    return windows


def _rounded_up(window: Window, size: int) -> Window:
    """Return a window with padding for a last position that starts within the input."""
    span = (window.kernel - 1) * window.dilation + 1
    left = size + window.pad_before + window.pad_after - span
    positions = -(-left // window.stride)
    if positions * window.stride >= size + window.pad_before:
        return window
    return window._replace(pad_after=window.pad_after + max(0, positions * window.stride - left))


def _conv(to: Importer, node: Node, inputs: Inputs) -> Value:
    image, weight, bias = needed(inputs, 0), needed(inputs, 1), optional(inputs, 2)
    kernel = node.integers("kernel_shape") or weight.shape[2:]
    windows = _windows(node, image.shape[2:], kernel)
    return products.convolution(
        to, node.name, image, weight, bias, windows, node.integer("group", 1)
    )


def _pool(to: Importer, node: Node, inputs: Inputs, *, function: str) -> Value:
    image = needed(inputs, 0)
    if len(node.outputs) > 1 and node.outputs[1]:
        raise UnsupportedError("its indices are read, which no pooling layer computes")
    windows = _windows(node, image.shape[2:], node.integers("kernel_shape") or ())
    pads = any(window.pad_before or window.pad_after for window in windows)
    if function == "mean" and pads and not node.integer("count_include_pad", 0):
        # Approximation: the mean of a window at the border divides by its whole size.
        to.note("means of windows count padding as zeros, where the file leaves it out")
    return vector.pool(to, node.name, function, image, windows)


def _global_pool(to: Importer, node: Node, inputs: Inputs, *, function: str) -> Value:
    image = needed(inputs, 0)
    return vector.reduce(to, node.name, function, image, range(2, image.rank), keeps=True)


def _gemm(to: Importer, node: Node, inputs: Inputs) -> Value:
    left, right, bias = needed(inputs, 0), needed(inputs, 1), optional(inputs, 2)
    if left.rank != 2 or right.rank != 2:
        raise WorkloadError(f"needs matrices but has {list(left.shape)} and {list(right.shape)}")
    left = left.transposed((1, 0)) if node.integer("transA", 0) else left
    right = right.transposed((1, 0)) if node.integer("transB", 0) else right
    product = products.matmul(to, node.name, left, right)
    product = vector.with_number(
        to, f"{node.name}.alpha", "multiply", product, node.number("alpha", 1)
    )
    if bias is None:
        return product
    bias = vector.with_number(to, f"{node.name}.beta", "multiply", bias, node.number("beta", 1))
    return vector.binary(to, f"{node.name}.bias", "add", product, bias)


def _matmul(to: Importer, node: Node, inputs: Inputs) -> Value:
    return products.matmul(to, node.name, needed(inputs, 0), needed(inputs, 1))


def _einsum(to: Importer, node: Node, inputs: Inputs) -> Value:
    left, arrow, output = node.text("equation", "").replace(" ", "").partition("->")
    letters = left.split(",")
    if not arrow:
        output = "".join(letter for letter in sorted({*left} - {","}) if left.count(letter) == 1)
    if len(letters) > 2 or not "".join((*letters, output, "x")).isalpha():
        raise UnsupportedError("is known with one or two operands of letters, as in 'bij,bjk->bik'")
    if any(len(set(x)) != len(x) for x in (*letters, output)):
        raise UnsupportedError("has a letter twice in one operand, which isn't known")
    values = [needed(inputs, place) for place in range(len(letters))]
    if [len(x) for x in letters] != [value.rank for value in values]:
        shapes = ", ".join(str(list(value.shape)) for value in values)
        raise WorkloadError(f"equation '{left}' doesn't fit {shapes}")
    if len(values) == 2:
        return products.contract(
            to, node.name, values[0], letters[0], values[1], letters[1], output
        )
    axes = [axis for axis, letter in enumerate(left) if letter not in output]
    kept = [letter for letter in left if letter in output]
    total = vector.reduce(to, node.name, "sum", values[0], axes, keeps=False)
    return total.transposed([kept.index(letter) for letter in output])


def _unary(to: Importer, node: Node, inputs: Inputs, *, function: str) -> Value:
    return vector.unary(to, node.name, function, needed(inputs, 0))


def _same(to: Importer, node: Node, inputs: Inputs) -> Value:
    """Return the first input: an identity, and a change of scale or of the floating-point type."""
    del to, node
    return needed(inputs, 0)


def _quantized(to: Importer, node: Node, inputs: Inputs) -> Value:
    """Return the first input: the whole network is int8."""
    value = needed(inputs, 0)
    weight = weight_of(value)
    if weight is not None and value.dtype != to.dtype:
        return replace(value, source=weight.of_type(to.dtype))
    del node
    return value


def _cast(to: Importer, node: Node, inputs: Inputs) -> Value:
    """Return the input; integers that the network is given come as numbers at once."""
    value = needed(inputs, 0)
    is_float = node.integer("to", 1) in (1, 10, 11, 16)
    if is_float == (value.dtype == to.dtype):
        return value
    weight = weight_of(value)
    if weight is not None and is_float:
        return replace(value, source=weight.of_type(to.dtype))
    if isinstance(value.source, Given) and is_float:
        to.note(f"input '{value.source.name}' is given as {to.dtype}, to which the file casts it")
        return replace(value, source=value.source.of_type(to.dtype))
    raise UnsupportedError("casts what is computed between integers and floating point")


def _binary(to: Importer, node: Node, inputs: Inputs, *, function: str) -> Value:
    values = [needed(inputs, place) for place in range(len(inputs))]
    if not values:
        raise WorkloadError("has no input")
    return reduce(partial(vector.binary, to, node.name, function), values)


def _mean(to: Importer, node: Node, inputs: Inputs) -> Value:
    total = _binary(to, node, inputs, function="add")
    return vector.with_number(to, f"{node.name}.share", "multiply", total, 1 / len(inputs))


def _power(to: Importer, node: Node, inputs: Inputs) -> Value:
    value, exponent = needed(inputs, 0), number_of(needed(inputs, 1))
    if exponent in (0.5, -0.5):
        value = vector.unary(to, node.name, "sqrt", value)
    elif exponent in (2, 3, -2):
        square = vector.binary(to, node.name, "multiply", value, value)
        value = square if exponent != 3 else vector.binary(to, node.name, "multiply", square, value)
    elif exponent not in (1, -1):
        raise UnsupportedError(
            f"its exponent is {'computed' if exponent is None else exponent} but must be one of"
            " -2, -1, -0.5, 0.5, 1, 2, 3"
        )
    return vector.unary(to, node.name, "reciprocal", value) if exponent < 0 else value


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
    value = needed(inputs, 0)
    if slope > 1:
        raise UnsupportedError(f"its slope is {slope:g} but must be at most 1")
    small = vector.with_number(to, f"{node.name}.slope", "multiply", value, slope)
    return vector.binary(to, node.name, "maximum", value, small)


def _where(to: Importer, node: Node, inputs: Inputs) -> Value:
    """Return a choice by a known condition: both sides times 0 or 1, added."""
    known = known_array(needed(inputs, 0))
    if known is None:
        raise UnsupportedError("its condition is computed")
    condition = known.astype(np.float32)
    sides = [needed(inputs, 1), needed(inputs, 2)]
    shape = np.broadcast_shapes(condition.shape, *(side.shape for side in sides))
    parts = []
    for number, (side, mask) in enumerate(zip(sides, (condition, 1 - condition), strict=True)):
        numbers = known_array(side)
        if not mask.any():
            continue
        if mask.all():
            parts.append(side)
        elif numbers is not None:
            array = np.where(mask, numbers, 0).astype(np.float32)
            parts.append(constant_value(to, f"{node.name}.side{number}", array))
        else:
            factor = constant_value(to, f"{node.name}.mask{number}", mask)
            parts.append(vector.binary(to, node.name, "multiply", side, factor))
    whole = reduce(partial(vector.binary, to, node.name, "add"), parts)
    return vector.expand(to, node.name, whole, shape)


def _reduce(to: Importer, node: Node, inputs: Inputs, *, function: str) -> Value:
    value = needed(inputs, 0)
    axes = integers_of(node, inputs, "axes", 1)
    if not axes:
        if node.integer("noop_with_empty_axes", 0):
            return value
        axes = tuple(range(value.rank))
    keeps = bool(node.integer("keepdims", 1))
    return vector.reduce(to, node.name, function, value, axes_of(axes, value.rank), keeps=keeps)


def _reduced_of(to: Importer, node: Node, inputs: Inputs, *, before: str, after: str) -> Value:
    """Return a sum of squares or magnitudes, and a root or logarithm of it."""
    value = needed(inputs, 0)
    if before == "square":
        value = vector.binary(to, f"{node.name}.square", "multiply", value, value)
    elif before:
        value = vector.unary(to, f"{node.name}.{before}", before, value)
    total = _reduce(to, node, [value, *inputs[1:]], function="sum")
    return vector.unary(to, f"{node.name}.{after}", after, total) if after else total


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


def _layer_norm(to: Importer, node: Node, inputs: Inputs, *, function: str) -> Value:
    value = needed(inputs, 0)
    axis = axis_of(node.integer("axis", -1), value.rank)
    if any(node.outputs[1:]):
        raise UnsupportedError("its mean or deviation is read, which no normalization layer gives")
    gamma, beta = optional(inputs, 1), optional(inputs, 2)
    return vector.layer_norm(
        to, node.name, value, value.rank - axis, gamma, beta, function=function
    )


def _batch_norm(to: Importer, node: Node, inputs: Inputs) -> Value:
    if node.integer("training_mode", 0):
        raise WorkloadError("is in training mode; export the model for inference")
    value = needed(inputs, 0)
    gamma, beta, mean, variance = (needed(inputs, place) for place in range(1, 5))
    epsilon = node.number("epsilon", 1e-5)
    return vector.batch_norm(to, node.name, value, gamma, beta, mean, variance, epsilon)


def _concat(to: Importer, node: Node, inputs: Inputs) -> Value:
    values = [needed(inputs, place) for place in range(len(inputs))]
    axis = axis_of(node.integer("axis", 1), values[0].rank)
    return movement.concat(to, node.name, values, axis)


def _split(to: Importer, node: Node, inputs: Inputs) -> Sequence[Value]:
    value, given = needed(inputs, 0), optional(inputs, 1)
    axis = axis_of(node.integer("axis", 0), value.rank)
    known = None if given is None else array_of(given, "'split'")
    sizes = split_sizes(node, value.shape[axis], known)
    return movement.split(to, node.name, value, axis, sizes)


def _slice(to: Importer, node: Node, inputs: Inputs) -> Value:
    value = needed(inputs, 0)
    arrays = [None if v is None else array_of(v, "a bound") for v in inputs[1:]]
    for axis, start, stop, step in slice_ranges(node, value.shape, arrays):
        if step < 0:
            raise UnsupportedError(f"steps backwards ({step}), which no slice does")
        if start >= stop:
            raise WorkloadError(f"takes nothing along axis {axis}: {start}:{stop}")
        value = movement.cut(to, node.name, value, axis, start, stop, step)
    return value


def _reshape(to: Importer, node: Node, inputs: Inputs) -> Value:
    value = needed(inputs, 0)
    wanted = integers_of(node, inputs, "shape", 1) or ()
    return to.reshaped(value, reshape_sizes(value.shape, wanted, node.integer("allowzero", 0)))


def _flatten(to: Importer, node: Node, inputs: Inputs) -> Value:
    value, axis = needed(inputs, 0), node.integer("axis", 1)
    axis = axis if axis == value.rank else axis_of(axis, value.rank)
    return to.reshaped(value, (prod(value.shape[:axis]), prod(value.shape[axis:])))


def _squeeze(to: Importer, node: Node, inputs: Inputs) -> Value:
    value = needed(inputs, 0)
    axes = integers_of(node, inputs, "axes", 1)
    gone = (
        [axis for axis, size in enumerate(value.shape) if size == 1]
        if axes is None
        else axes_of(axes, value.rank)
    )
    return to.reshaped(value, tuple(s for axis, s in enumerate(value.shape) if axis not in gone))


def _unsqueeze(to: Importer, node: Node, inputs: Inputs) -> Value:
    value = needed(inputs, 0)
    axes = integers_of(node, inputs, "axes", 1) or ()
    rank = value.rank + len(axes)
    new = axes_of(axes, rank)
    sizes = iter(value.shape)
    return to.reshaped(value, tuple(1 if axis in new else next(sizes) for axis in range(rank)))


def _transpose(to: Importer, node: Node, inputs: Inputs) -> Value:
    del to
    value = needed(inputs, 0)
    permutation = node.integers("perm") or tuple(reversed(range(value.rank)))
    if sorted(permutation) != list(range(value.rank)):
        raise WorkloadError(f"perm {list(permutation)} must name each of {value.rank} axes once")
    return value.transposed(permutation)


def _gather(to: Importer, node: Node, inputs: Inputs) -> Value:
    value, indices = needed(inputs, 0), needed(inputs, 1)
    axis = axis_of(node.integer("axis", 0), value.rank)
    return movement.gather(to, node.name, value, indices, axis)


def _expand(to: Importer, node: Node, inputs: Inputs) -> Value:
    shape = integers_of(node, inputs, "shape", 1) or ()
    return vector.expand(to, node.name, needed(inputs, 0), shape)


def _tile(to: Importer, node: Node, inputs: Inputs) -> Value:
    """Return an input repeated along axes of size 1; another axis gets one before it for that."""
    value = needed(inputs, 0)
    repeats = integers_of(node, inputs, "repeats", 1) or ()
    if len(repeats) != value.rank or min(repeats, default=1) < 1:
        raise WorkloadError(f"needs {value.rank} repeats of at least 1 but has {list(repeats)}")
    pairs = list(zip(repeats, value.shape, strict=True))
    apart = to.reshaped(value, tuple(size for _, s in pairs for size in (1, s)))
    wide = vector.expand(to, node.name, apart, tuple(size for pair in pairs for size in pair))
    return to.reshaped(wide, tuple(count * size for count, size in pairs))


def _pad(to: Importer, node: Node, inputs: Inputs) -> Value:
    """Return an input with constants around it, axis by axis."""
    value = needed(inputs, 0)
    pads = integers_of(node, inputs, "pads", 1) or ()
    number = optional(inputs, 2)
    fill = node.number("value", 0) if number is None else number_of(number)
    given = integers_of(node, inputs, "axes", 3)
    axes = tuple(range(value.rank)) if given is None else axes_of(given, value.rank)
    if len(pads) != 2 * len(axes) or fill is None:
        raise WorkloadError(f"needs two pads for each of {len(axes)} axes and one known number")
    if any(pads) and node.text("mode", "constant") != "constant":
        raise UnsupportedError(f"its mode is {node.text('mode', '')} but only constants are known")
    for place, axis in enumerate(axes):
        value = _padded(to, node, value, axis, (pads[place], pads[place + len(axes)]), fill)
    return value


def _padded(
    to: Importer, node: Node, value: Value, axis: int, pads: tuple[int, int], fill: float
) -> Value:
    before, after = pads
    start, stop = max(0, -before), value.shape[axis] - max(0, -after)
    if start >= stop:
        raise WorkloadError(f"takes everything away along axis {axis}")
    parts = [movement.cut(to, node.name, value, axis, start, stop)]
    for place, size in ((0, before), (len(parts) + 1, after)):
        if size > 0:
            shape = tuple(size if a == axis else s for a, s in enumerate(value.shape))
            rim = plain(to.filled(f"{node.name}.rim", shape, fill))
            parts.insert(place, rim)
    return movement.concat(to, node.name, parts, axis)


def _quantized_conv(to: Importer, node: Node, inputs: Inputs) -> Value:
    """Return a convolution of int8; scales and zero points are the requantization's."""
    bias = optional(inputs, 8)
    weight = _quantized(to, node, [needed(inputs, 3)])
    return _conv(to, node, [needed(inputs, 0), weight, bias])


def _quantized_matmul(to: Importer, node: Node, inputs: Inputs) -> Value:
    weight = _quantized(to, node, [needed(inputs, 3)])
    return products.matmul(to, node.name, needed(inputs, 0), weight)


def _integer_product(to: Importer, node: Node, inputs: Inputs) -> Value:
    weight = _quantized(to, node, [needed(inputs, 1)])
    if node.operator == "ConvInteger":
        return _conv(to, node, [needed(inputs, 0), weight])
    return products.matmul(to, node.name, needed(inputs, 0), weight)


def _dynamic_quantization(to: Importer, node: Node, inputs: Inputs) -> Sequence[Value]:
    """Return the input, a scale of 1 and a zero point of 0."""
    one, zero = np.ones((), np.float32), np.zeros((), np.uint8)
    return [
        needed(inputs, 0),
        constant_value(to, f"{node.name}.scale", one),
        constant_value(to, f"{node.name}.zero_point", zero),
    ]


_UNARY = {
    **{"Abs": "absolute", "Erf": "erf", "Exp": "exp", "Gelu": "gelu", "HardSwish": "hard_swish"},
    **{"Log": "log", "Neg": "negative", "Reciprocal": "reciprocal", "Relu": "relu"},
    **{"Sigmoid": "sigmoid", "Softplus": "softplus", "Sqrt": "sqrt", "Tanh": "tanh"},
    "Swish": "silu",
}
_BINARY = {
    **{"Add": "add", "Sum": "add", "Sub": "subtract", "Mul": "multiply", "Div": "divide"},
    **{"Max": "maximum", "Min": "minimum"},
}

#: Operators of the standard domain to their handlers.
HANDLERS: dict[str, Handler] = {
    **{name: partial(_unary, function=function) for name, function in _UNARY.items()},
    **{name: partial(_binary, function=function) for name, function in _BINARY.items()},
    **dict.fromkeys(("Identity", "Dropout"), _same),
    **dict.fromkeys(("QuantizeLinear", "DequantizeLinear"), _quantized),
    **dict.fromkeys(("MatMulInteger", "ConvInteger"), _integer_product),
    "AveragePool": partial(_pool, function="mean"),
    "BatchNormalization": _batch_norm,
    "Cast": _cast,
    "CastLike": _same,
    "Clip": _clip,
    "Concat": _concat,
    "Conv": _conv,
    "DynamicQuantizeLinear": _dynamic_quantization,
    "Einsum": _einsum,
    "Expand": _expand,
    "Flatten": _flatten,
    "Gather": _gather,
    "Gemm": _gemm,
    "GlobalAveragePool": partial(_global_pool, function="mean"),
    "GlobalMaxPool": partial(_global_pool, function="max"),
    "HardSigmoid": _hard_sigmoid,
    "LayerNormalization": partial(_layer_norm, function="layer_norm"),
    "LeakyRelu": _leaky_relu,
    "LogSoftmax": _log_softmax,
    "MatMul": _matmul,
    "MaxPool": partial(_pool, function="max"),
    "Mean": _mean,
    "Pad": _pad,
    "Pow": _power,
    "QLinearConv": _quantized_conv,
    "QLinearMatMul": _quantized_matmul,
    "RMSNormalization": partial(_layer_norm, function="rms_norm"),
    "ReduceL1": partial(_reduced_of, before="absolute", after=""),
    "ReduceL2": partial(_reduced_of, before="square", after="sqrt"),
    "ReduceLogSum": partial(_reduced_of, before="", after="log"),
    "ReduceLogSumExp": partial(_reduced_of, before="exp", after="log"),
    "ReduceMax": partial(_reduce, function="max"),
    "ReduceMean": partial(_reduce, function="mean"),
    "ReduceSum": partial(_reduce, function="sum"),
    "ReduceSumSquare": partial(_reduced_of, before="square", after=""),
    "Reshape": _reshape,
    "Slice": _slice,
    "Softmax": _softmax,
    "Split": _split,
    "Squeeze": _squeeze,
    "Tile": _tile,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
    "Where": _where,
}
