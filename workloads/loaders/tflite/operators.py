"""All operators of TFLite that are known.

References
----------
.. [1] TensorFlow Lite, "TensorFlow Lite and TensorFlow operator compatibility",
   https://ai.google.dev/edge/litert/models/ops_compatibility
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from math import prod

import numpy as np

from foundation.errors import WorkloadError
from foundation.numerics import Array
from workloads.layers import Shape, Window
from workloads.loaders.imported import movement, products, vector
from workloads.loaders.imported.importer import Importer
from workloads.loaders.imported.pending import Given
from workloads.loaders.imported.refused import UnsupportedError
from workloads.loaders.imported.values import Value, lying, plain
from workloads.loaders.imported.weights import Learned, learned_of, number_of, weight_of
from workloads.loaders.tflite.file import Operation
from workloads.loaders.tflite.operation import (
    Handler,
    Inputs,
    activated,
    axis_of,
    integers,
    needed,
    optional,
    reshape_sizes,
    slice_ranges,
    windows,
)
from workloads.resize import Interpolate, Repeat
from workloads.transposed import TransposedConvolution

#: From ``[N, H, W, C]`` to the importer's ``[N, C, H, W]``, and back; neither moves data.
_TO_FIRST, _TO_LAST = (0, 3, 1, 2), (0, 2, 3, 1)
Said = Sequence[Shape]


def _image(inputs: Inputs, place: int = 0) -> Value:
    value = needed(inputs, place)
    if value.rank != 4:
        raise WorkloadError(f"needs an image [N, H, W, C] but has {list(value.shape)}")
    return value


def _filter(inputs: Inputs) -> Value:
    value = needed(inputs, 1)
    if value.rank != 4:
        raise WorkloadError(f"needs a filter of 4 axes but has {list(value.shape)}")
    return value


def _convolution(to: Importer, operation: Operation, inputs: Inputs, said: Said) -> Value:
    del said
    image, weight = _image(inputs), _filter(inputs)
    groups, rest = divmod(image.shape[3], max(weight.shape[3], 1))
    if rest:
        raise WorkloadError(
            f"{image.shape[3]} channels don't divide into groups of {weight.shape[3]}"
        )
    return _convolved(to, operation, inputs, weight.transposed(_TO_FIRST), groups)


def _depthwise(to: Importer, operation: Operation, inputs: Inputs, said: Said) -> Value:
    """Return a convolution of each channel; the filter is ``[1, FY, FX, channels]``."""
    del said
    weight = _filter(inputs).transposed((3, 0, 1, 2))
    return _convolved(to, operation, inputs, weight, _image(inputs).shape[3])


def _convolved(
    to: Importer, operation: Operation, inputs: Inputs, weight: Value, groups: int
) -> Value:
    """Return the convolution with a weight ``[OC, IC/G, FY, FX]``."""
    image = _image(inputs)
    taps = windows(operation, image.shape, (weight.shape[2], weight.shape[3]))
    value = products.convolution(
        to,
        operation.name,
        image.transposed(_TO_FIRST),
        weight,
        optional(inputs, 2),
        taps,
        groups,
    )
    return activated(to, operation, value).transposed(_TO_LAST)


def _transposed_convolution(
    to: Importer, operation: Operation, inputs: Inputs, said: Said
) -> Value:
    """Return what a filter ``[OC, FY, FX, IC]`` adds for each element of the third input."""
    del said
    weight, image, bias = _filter(inputs), _image(inputs, 2), optional(inputs, 3)
    if weight_of(weight) is None or (bias is not None and weight_of(bias) is None):
        raise UnsupportedError("its weight or bias is computed but must be an array of the file")
    if weight.shape[3] != image.shape[3]:
        raise WorkloadError(
            f"an input {list(image.shape)} needs a weight [OC, FY, FX, {image.shape[3]}] but it is"
            f" {list(weight.shape)}"
        )
    wanted = integers(inputs, 0, "its shape")
    taps, outer = [], []
    for axis, size, out, kernel in zip(
        "HW", image.shape[1:3], wanted[1:3], weight.shape[1:3], strict=True
    ):
        stride = operation.options.get(f"Stride{axis}", 1)
        cut = (size - 1) * stride + kernel - out  # SAME cuts as much of the output's rim
        before = max(cut, 0) // 2
        taps.append(Window(kernel, stride, 1, before, max(cut, 0) - before))
        outer.append(max(-cut, 0))
    operator = TransposedConvolution(
        out_channels=weight.shape[0],
        windows=tuple(taps),
        output_padding=tuple(outer),
        bias=bias is not None,
    )
    learned = {"weight": learned_of(weight, lambda a: _backwards(a).astype(to.dtype.numpy))}
    if bias is not None:
        learned["bias"] = learned_of(bias, lambda a: a.astype(np.float32))
    lie = (0, 1, 2, 3)
    tensor = to.layer(operation.name, operator, (to.tensor(image, lie),), learned)
    return activated(to, operation, lying(tensor, lie))


def _fully_connected(to: Importer, operation: Operation, inputs: Inputs, said: Said) -> Value:
    """Return the product with a weight ``[N, K]``."""
    del said
    value, weight, bias = needed(inputs, 0), needed(inputs, 1), optional(inputs, 2)
    if weight.rank != 2 or value.size_elements % max(weight.shape[1], 1):
        raise WorkloadError(
            f"an input {list(value.shape)} doesn't fit a weight {list(weight.shape)}, [N, K]"
        )
    if not operation.options.get("KeepNumDims", False):
        value = to.reshaped(value, (value.size_elements // weight.shape[1], weight.shape[1]))
    turned = weight.transposed((1, 0))
    if weight_of(weight) is None:
        product = products.matmul(to, operation.name, value, turned)
    else:
        product = products.linear(to, operation.name, value, turned)
    if bias is not None:
        product = vector.binary(to, f"{operation.name}.bias", "add", product, bias)
    return activated(to, operation, product)


def _batch_matmul(to: Importer, operation: Operation, inputs: Inputs, said: Said) -> Value:
    del said
    sides = []
    for place, name in enumerate(("AdjX", "AdjY")):
        value = needed(inputs, place)
        if operation.options.get(name, False):
            value = value.transposed((*range(value.rank - 2), value.rank - 1, value.rank - 2))
        sides.append(value)
    return products.matmul(to, operation.name, *sides)


def _pool(
    to: Importer, operation: Operation, inputs: Inputs, said: Said, *, function: str
) -> Value:
    # Approximation: a mean counts padding as zeros; TFLite leaves it out.
    del said
    image = _image(inputs)
    kernel = (operation.options.get("FilterHeight", 1), operation.options.get("FilterWidth", 1))
    taps = windows(operation, image.shape, kernel)
    value = vector.pool(to, operation.name, function, image.transposed(_TO_FIRST), taps)
    return activated(to, operation, value).transposed(_TO_LAST)


def _unary(
    to: Importer, operation: Operation, inputs: Inputs, said: Said, *, functions: Sequence[str]
) -> Value:
    """Return functions of every element, one after the other."""
    del said
    value = needed(inputs, 0)
    for function in functions:
        value = vector.unary(to, operation.name, function, value)
    return value


def _binary(
    to: Importer, operation: Operation, inputs: Inputs, said: Said, *, function: str
) -> Value:
    del said
    left, right = needed(inputs, 0), needed(inputs, 1)
    return activated(to, operation, vector.binary(to, operation.name, function, left, right))


def _squared_difference(to: Importer, operation: Operation, inputs: Inputs, said: Said) -> Value:
    del said
    left, right = needed(inputs, 0), needed(inputs, 1)
    apart = vector.binary(to, f"{operation.name}.difference", "subtract", left, right)
    return vector.binary(to, operation.name, "multiply", apart, apart)


def _square(to: Importer, operation: Operation, inputs: Inputs, said: Said) -> Value:
    del said
    value = needed(inputs, 0)
    return vector.binary(to, operation.name, "multiply", value, value)


def _between(
    to: Importer, operation: Operation, inputs: Inputs, said: Said, *, low: float, high: float
) -> Value:
    del said
    return vector.clip(to, operation.name, needed(inputs, 0), low, high)


def _leaky_relu(to: Importer, operation: Operation, inputs: Inputs, said: Said) -> Value:
    del said
    value, slope = needed(inputs, 0), float(operation.options.get("Alpha", 0.0))
    if not slope <= 1:
        raise UnsupportedError(f"its slope is {slope:g} but must be at most 1")
    small = vector.with_number(to, f"{operation.name}.slope", "multiply", value, slope)
    return vector.binary(to, operation.name, "maximum", value, small)


def _prelu(to: Importer, operation: Operation, inputs: Inputs, said: Said) -> Value:
    """Return ``max(x, 0) + slope * min(x, 0)``."""
    del said
    value, name = needed(inputs, 0), operation.name
    low = vector.with_number(to, f"{name}.low", "minimum", value, 0.0)
    low = vector.binary(to, f"{name}.slope", "multiply", low, needed(inputs, 1))
    high = vector.unary(to, f"{name}.high", "relu", value)
    return vector.binary(to, name, "add", high, low)


def _softmax(to: Importer, operation: Operation, inputs: Inputs, said: Said) -> Value:
    del said
    value, beta = needed(inputs, 0), float(operation.options.get("Beta", 1.0))
    value = vector.with_number(to, f"{operation.name}.beta", "multiply", value, beta)
    return vector.softmax(to, operation.name, value, axis_of(-1, value.rank))


def _log_softmax(to: Importer, operation: Operation, inputs: Inputs, said: Said) -> Value:
    del said
    value = needed(inputs, 0)
    value = vector.softmax(to, operation.name, value, axis_of(-1, value.rank))
    return vector.unary(to, f"{operation.name}.log", "log", value)


def _reduce(
    to: Importer, operation: Operation, inputs: Inputs, said: Said, *, function: str
) -> Value:
    del said
    value = needed(inputs, 0)
    axes = {axis_of(axis, value.rank) for axis in integers(inputs, 1, "its axes")}
    keeps = bool(operation.options.get("KeepDims", False))
    return vector.reduce(to, operation.name, function, value, sorted(axes), keeps=keeps)


def _reshape(to: Importer, operation: Operation, inputs: Inputs, said: Said) -> Value:
    """Return an input in the shape of the second one, of an option, or of what the file says."""
    value = needed(inputs, 0)
    if len(inputs) > 1:
        try:
            wanted = integers(inputs, 1, "its shape")
        except WorkloadError:
            wanted = tuple(said[0])
    else:
        wanted = tuple(operation.options.get("NewShape", ())) or tuple(said[0])
    return to.reshaped(value, reshape_sizes(value.shape, wanted))


def _squeeze(to: Importer, operation: Operation, inputs: Inputs, said: Said) -> Value:
    del said
    value = needed(inputs, 0)
    given = [axis_of(axis, value.rank) for axis in operation.options.get("SqueezeDims", ())]
    gone = given or [axis for axis, size in enumerate(value.shape) if size == 1]
    kept = tuple(size for axis, size in enumerate(value.shape) if axis not in gone)
    return to.reshaped(value, kept)


def _expand_dims(to: Importer, operation: Operation, inputs: Inputs, said: Said) -> Value:
    del operation, said
    value = needed(inputs, 0)
    (axis,) = integers(inputs, 1, "its axis")
    axis = axis_of(axis, value.rank + 1)
    return to.reshaped(value, (*value.shape[:axis], 1, *value.shape[axis:]))


def _transpose(to: Importer, operation: Operation, inputs: Inputs, said: Said) -> Value:
    del to, operation, said
    value, permutation = needed(inputs, 0), integers(inputs, 1, "its permutation")
    if sorted(permutation) != list(range(value.rank)):
        raise WorkloadError(f"perm {list(permutation)} must name each of {value.rank} axes once")
    return value.transposed(permutation)


def _concatenation(to: Importer, operation: Operation, inputs: Inputs, said: Said) -> Value:
    del said
    values = [needed(inputs, place) for place in range(len(inputs))]
    axis = axis_of(operation.options.get("Axis", 0), needed(inputs, 0).rank)
    return activated(to, operation, movement.concat(to, operation.name, values, axis))


def _pack(to: Importer, operation: Operation, inputs: Inputs, said: Said) -> Value:
    """Return values side by side along a new axis."""
    del said
    values = [needed(inputs, place) for place in range(len(inputs))]
    axis = axis_of(operation.options.get("Axis", 0), needed(inputs, 0).rank + 1)
    wide = [to.reshaped(v, (*v.shape[:axis], 1, *v.shape[axis:])) for v in values]
    return movement.concat(to, operation.name, wide, axis)


def _unpack(to: Importer, operation: Operation, inputs: Inputs, said: Said) -> list[Value]:
    del said
    value = needed(inputs, 0)
    axis = axis_of(operation.options.get("Axis", 0), value.rank)
    parts = movement.split(to, operation.name, value, axis, _ones(value.shape[axis], operation))
    kept = (*value.shape[:axis], *value.shape[axis + 1 :])
    return [to.reshaped(part, kept) for part in parts]


def _ones(size: int, operation: Operation) -> list[int]:
    if size != len(operation.outputs):
        raise WorkloadError(f"has {len(operation.outputs)} outputs for {size} parts")
    return [1] * size


def _split(to: Importer, operation: Operation, inputs: Inputs, said: Said) -> list[Value]:
    """Return equal parts; the first input is the axis."""
    del said
    value, (axis,) = needed(inputs, 1), integers(inputs, 0, "its axis")
    axis, parts = axis_of(axis, value.rank), len(operation.outputs)
    if value.shape[axis] % parts:
        raise WorkloadError(f"axis {axis} of {list(value.shape)} doesn't divide into {parts} parts")
    sizes = [value.shape[axis] // parts] * parts
    return movement.split(to, operation.name, value, axis, sizes)


def _split_v(to: Importer, operation: Operation, inputs: Inputs, said: Said) -> list[Value]:
    """Return parts of given sizes, of which one may be -1."""
    del said
    value, (axis,) = needed(inputs, 0), integers(inputs, 2, "its axis")
    axis = axis_of(axis, value.rank)
    sizes = integers(inputs, 1, "its sizes")
    rest = value.shape[axis] - sum(size for size in sizes if size != -1)
    sizes = tuple(rest if size == -1 else size for size in sizes)
    if min(sizes, default=0) < 1 or len(sizes) != len(operation.outputs):
        raise WorkloadError(
            f"its sizes {list(sizes)} aren't those of {len(operation.outputs)} parts"
        )
    return movement.split(to, operation.name, value, axis, sizes)


def _slice(to: Importer, operation: Operation, inputs: Inputs, said: Said) -> Value:
    del said
    value = needed(inputs, 0)
    starts, sizes = integers(inputs, 1, "its begin"), integers(inputs, 2, "its size")
    for axis, (start, size) in enumerate(zip(starts, sizes, strict=True)):
        stop = value.shape[axis] if size == -1 else start + size
        if not 0 <= start < stop <= value.shape[axis]:
            raise WorkloadError(f"takes {start}:{stop} of {value.shape[axis]} along axis {axis}")
        value = movement.cut(to, operation.name, value, axis, start, stop)
    return value


def _strided_slice(to: Importer, operation: Operation, inputs: Inputs, said: Said) -> Value:
    del said
    value = needed(inputs, 0)
    bounds = [integers(inputs, place, "a bound") for place in (1, 2, 3)]
    ranges, shape = slice_ranges(operation, value.shape, bounds)
    for axis, (start, stop, step) in enumerate(ranges):
        if step < 1:
            raise UnsupportedError(f"steps backwards ({step}), which no slice does")
        value = movement.cut(to, operation.name, value, axis, start, stop, step)
    return to.reshaped(value, shape)


def _pad(to: Importer, operation: Operation, inputs: Inputs, said: Said) -> Value:
    """Return an input with one number around it, axis by axis."""
    del said
    value, pads = needed(inputs, 0), integers(inputs, 1, "its padding")
    number = optional(inputs, 2)
    fill = 0.0 if number is None else number_of(number)
    if len(pads) != 2 * value.rank or fill is None or min(pads, default=0) < 0:
        raise WorkloadError(f"needs two pads for each of {value.rank} axes and one known number")
    for axis in range(value.rank):
        parts = [value]
        for place, size in ((0, pads[2 * axis]), (2, pads[2 * axis + 1])):
            if size:
                shape = tuple(size if a == axis else s for a, s in enumerate(value.shape))
                parts.insert(place, plain(to.filled(f"{operation.name}.rim", shape, fill)))
        value = movement.concat(to, operation.name, parts, axis)
    return value


def _resize(
    to: Importer, operation: Operation, inputs: Inputs, said: Said, *, linear: bool
) -> Value:
    """Return an image enlarged by whole factors."""
    del said
    image, sizes = _image(inputs), integers(inputs, 1, "its size")
    factors = []
    for size, wanted in zip(image.shape[1:3], sizes, strict=True):
        if wanted < size or wanted % size:
            raise UnsupportedError(f"resizes {size} to {wanted}, which isn't a whole factor")
        factors.append(wanted // size)
    options = operation.options
    if linear and not options.get("HalfPixelCenters", False) and max(factors) > 1:
        raise UnsupportedError("is linear between corners; only half-pixel centers are known")
    lie = (0, 1, 2, 3)
    tensor = to.tensor(image, lie)
    if not linear:
        return lying(to.layer(operation.name, Repeat(factors=(1, *factors, 1)), (tensor,)), lie)
    for axis, factor in enumerate(factors, start=1):
        if factor > 1:
            operator = Interpolate(axis=axis, factor=factor)
            weights = np.asarray(operator.weights(tensor.shape[axis]), np.float32)
            learned = {"weight": Learned(recipe=partial(_constant, weights.astype(to.dtype.numpy)))}
            tensor = to.layer(f"{operation.name}.{axis}", operator, (tensor,), learned)
    return lying(tensor, lie)


def _backwards(array: Array) -> Array:
    """Return [1, FY, FX, IC, OC], the last taps first, from [OC, FY, FX, IC]."""
    return array[:, ::-1, ::-1].transpose(1, 2, 3, 0)[None]


def _constant(array: Array, arrays: Mapping[str, Array]) -> Array:
    """Return a recipe's result that follows from no array of the file."""
    del arrays
    return array


def _gather(to: Importer, operation: Operation, inputs: Inputs, said: Said) -> Value:
    del said
    value, indices = needed(inputs, 0), needed(inputs, 1)
    if operation.options.get("BatchDims", 0):
        raise UnsupportedError("has batch axes, which no embedding has")
    axis = axis_of(operation.options.get("Axis", 0), value.rank)
    return movement.gather(to, operation.name, value, indices, axis)


def _embedding_lookup(to: Importer, operation: Operation, inputs: Inputs, said: Said) -> Value:
    """Return rows of the second input."""
    del said
    return movement.gather(to, operation.name, needed(inputs, 1), needed(inputs, 0), 0)


def _same(to: Importer, operation: Operation, inputs: Inputs, said: Said) -> Value:
    """Return the input: what changes is a scale, or the floating-point type."""
    del operation, said
    value = needed(inputs, 0)
    weight = weight_of(value)
    if value.dtype == to.dtype:
        return value
    if weight is not None:
        return replace(value, source=weight.of_type(to.dtype))
    if isinstance(value.source, Given):
        to.note(f"input '{value.source.name}' is given as {to.dtype}, to which the file casts it")
        return replace(value, source=value.source.of_type(to.dtype))
    raise UnsupportedError("casts what is computed between integers and floating point")


def _space_to_depth(to: Importer, operation: Operation, inputs: Inputs, said: Said) -> Value:
    del said
    value, block = _image(inputs), operation.options.get("BlockSize", 1)
    batch, height, width, channels = value.shape
    if block < 1 or height % block or width % block:
        raise WorkloadError(f"{height}x{width} doesn't divide into blocks of {block}x{block}")
    apart = (batch, height // block, block, width // block, block, channels)
    turned = to.reshaped(value, apart).transposed((0, 1, 3, 2, 4, 5))
    return to.reshaped(turned, (batch, height // block, width // block, block**2 * channels))


def _depth_to_space(to: Importer, operation: Operation, inputs: Inputs, said: Said) -> Value:
    del said
    value, block = _image(inputs), operation.options.get("BlockSize", 1)
    batch, height, width, channels = value.shape
    if block < 1 or channels % block**2:
        raise WorkloadError(f"{channels} channels don't divide into blocks of {block}x{block}")
    depth = channels // block**2
    turned = to.reshaped(value, (batch, height, width, block, block, depth))
    turned = turned.transposed((0, 1, 3, 2, 4, 5))
    return to.reshaped(turned, (batch, height * block, width * block, depth))


def _tile(to: Importer, operation: Operation, inputs: Inputs, said: Said) -> Value:
    """Return an input repeated along its axes."""
    del said
    value, repeats = needed(inputs, 0), integers(inputs, 1, "its repeats")
    if len(repeats) != value.rank or min(repeats, default=1) < 1:
        raise WorkloadError(f"needs {value.rank} repeats of at least 1 but has {list(repeats)}")
    pairs = list(zip(repeats, value.shape, strict=True))
    apart = to.reshaped(value, tuple(size for _, s in pairs for size in (1, s)))
    wide = vector.expand(to, operation.name, apart, tuple(size for pair in pairs for size in pair))
    return to.reshaped(wide, tuple(prod(pair) for pair in pairs))


_UNARY = {
    **{"ABS": ("absolute",), "EXP": ("exp",), "GELU": ("gelu",), "HARD_SWISH": ("hard_swish",)},
    **{"LOG": ("log",), "LOGISTIC": ("sigmoid",), "NEG": ("negative",), "RELU": ("relu",)},
    **{"RELU6": ("relu6",), "RSQRT": ("sqrt", "reciprocal"), "SQRT": ("sqrt",)},
    **{"TANH": ("tanh",)},
}
_BINARY = {
    **{"ADD": "add", "DIV": "divide", "MAXIMUM": "maximum", "MINIMUM": "minimum"},
    **{"MUL": "multiply", "SUB": "subtract"},
}

HANDLERS: dict[str, Handler] = {
    **{name: partial(_unary, functions=functions) for name, functions in _UNARY.items()},
    **{name: partial(_binary, function=function) for name, function in _BINARY.items()},
    **dict.fromkeys(("CAST", "DEQUANTIZE", "QUANTIZE"), _same),
    "AVERAGE_POOL_2D": partial(_pool, function="mean"),
    "BATCH_MATMUL": _batch_matmul,
    "CONCATENATION": _concatenation,
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _depthwise,
    "DEPTH_TO_SPACE": _depth_to_space,
    "EMBEDDING_LOOKUP": _embedding_lookup,
    "EXPAND_DIMS": _expand_dims,
    "FULLY_CONNECTED": _fully_connected,
    "GATHER": _gather,
    "LEAKY_RELU": _leaky_relu,
    "LOG_SOFTMAX": _log_softmax,
    "MAX_POOL_2D": partial(_pool, function="max"),
    "MEAN": partial(_reduce, function="mean"),
    "PACK": _pack,
    "PAD": _pad,
    "PADV2": _pad,
    "PRELU": _prelu,
    "REDUCE_MAX": partial(_reduce, function="max"),
    "RELU_N1_TO_1": partial(_between, low=-1.0, high=1.0),
    "RESHAPE": _reshape,
    "RESIZE_BILINEAR": partial(_resize, linear=True),
    "RESIZE_NEAREST_NEIGHBOR": partial(_resize, linear=False),
    "SLICE": _slice,
    "SOFTMAX": _softmax,
    "SPACE_TO_DEPTH": _space_to_depth,
    "SPLIT": _split,
    "SPLIT_V": _split_v,
    "SQUARE": _square,
    "SQUARED_DIFFERENCE": _squared_difference,
    "SQUEEZE": _squeeze,
    "STRIDED_SLICE": _strided_slice,
    "SUM": partial(_reduce, function="sum"),
    "TILE": _tile,
    "TRANSPOSE": _transpose,
    "TRANSPOSE_CONV": _transposed_convolution,
    "UNPACK": _unpack,
}
