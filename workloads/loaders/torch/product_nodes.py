"""Aten's convolutions, matrix products, attention and recurrences as calls of the importer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import inf
from typing import Any

import numpy as np

from foundation.errors import WorkloadError
from workloads.layers import Shape, Window
from workloads.loaders.imported import movement, products, vector
from workloads.loaders.imported.attention import attention
from workloads.loaders.imported.einsum import einsum
from workloads.loaders.imported.importer import Importer
from workloads.loaders.imported.indices import operand
from workloads.loaders.imported.recurrence import Direction, recurrence
from workloads.loaders.imported.refused import UnsupportedError
from workloads.loaders.imported.values import Value
from workloads.loaders.imported.weights import constant_value, known_array, learned_of, number_of
from workloads.loaders.torch.node import Call, Handler


def _batched(to: Importer, image: Value, axes: int) -> Value:
    """Return an image with a batch axis, which PyTorch lets one leave out."""
    return to.reshaped(image, (1, *image.shape)) if image.rank == axes + 1 else image


def _convolution(to: Importer, call: Call) -> Value:
    weight, bias = call.tensor("weight"), call.any("bias")
    axes = weight.rank - 2
    image = _batched(to, call.tensor(), axes)
    if call.flag("transposed") or "transpose" in call.node.operator:
        result = _transposed(to, call, image, axes)
    else:
        windows = _windows(call, image.shape[2:], weight.shape[2:])
        result = products.convolution(
            to, call.name, image, weight, bias, windows, call.integer("groups", 1)
        )
    return to.reshaped(result, call.shape)


def _windows(call: Call, sizes: Shape, kernel: Shape) -> list[Window]:
    count = len(kernel)
    strides, dilations = call.per_axis("stride", count, 1), call.per_axis("dilation", count, 1)
    windows = [Window(k, s, d) for k, s, d in zip(kernel, strides, dilations, strict=True)]
    padding = call.any("padding", default=0)
    if padding == "same":
        return [w._replace(pad_before=(w.span - 1) // 2, pad_after=w.span // 2) for w in windows]
    pads = (0,) * count if padding == "valid" else call.per_axis("padding", count, 0)
    if (
        len(sizes) != count
        or min((*strides, *dilations), default=1) < 1
        or min(pads, default=0) < 0
    ):
        raise WorkloadError(
            f"an image of {len(sizes)} axes doesn't fit a kernel {list(kernel)}, strides"
            f" {list(strides)}, dilations {list(dilations)} and padding {list(pads)}"
        )
    return [w._replace(pad_before=p, pad_after=p) for w, p in zip(windows, pads, strict=True)]


def _transposed(to: Importer, call: Call, image: Value, axes: int) -> Value:
    weight = call.tensor("weight")
    return products.transposed_convolution(
        to,
        call.name,
        image,
        weight,
        call.any("bias"),
        _windows(call, image.shape[2:], weight.shape[2:]),
        call.per_axis("output_padding", axes, 0),
        call.integer("groups", 1),
    )


def _linear(to: Importer, call: Call) -> Value:
    weight = call.tensor("weight")
    turned = weight.transposed(range(weight.rank)[::-1])
    product = products.matmul(to, call.name, call.tensor(), turned)
    bias = call.any("bias")
    return product if bias is None else vector.binary(to, f"{call.name}.bias", "add", product, bias)


def _matmul(to: Importer, call: Call) -> Value:
    left = operand(to, call.any("self", "input"))
    right = operand(to, call.tensor("mat2", "other", "vec", "tensor"))
    return products.matmul(to, call.name, left, right)


def _added(to: Importer, call: Call) -> Value:
    """Return ``beta * self + alpha * (first @ second)``."""
    first = call.tensor("mat1", "batch1", "mat")
    second = call.tensor("mat2", "batch2", "vec")
    product = products.matmul(to, call.name, first, second)
    product = vector.with_number(
        to, f"{call.name}.alpha", "multiply", product, call.number("alpha", default=1)
    )
    beta = call.number("beta", default=1)
    if beta == 0:
        return product
    own = call.tensor("self")
    own = own if beta == 1 else vector.with_number(to, f"{call.name}.beta", "multiply", own, beta)
    return vector.binary(to, f"{call.name}.bias", "add", product, own)


def _outer(to: Importer, call: Call) -> Value:
    left, right = call.tensor(), call.tensor("vec2")
    column = to.reshaped(left, (*left.shape, 1))
    return vector.binary(to, call.name, "multiply", column, right)


def _einsum(to: Importer, call: Call) -> Value:
    values = [operand(to, value) for value in call.any("tensors", default=[])]
    return einsum(to, call.name, call.text("equation"), values)


def _attention(to: Importer, call: Call) -> Value:
    """Return attention; of a causal one all scores are computed."""
    # Approximation: nothing is masked for ``is_causal``, as in the zoo: a dense kernel computes all
    # scores, and its mask costs nothing.
    query, key, value = (call.tensor(name) for name in ("query", "key", "value"))
    scale = call.number("scale", default=query.shape[-1] ** -0.5)
    return attention(
        to,
        call.name,
        query,
        key,
        value,
        scale=scale,
        mask=_mask(to, call, call.any("attn_mask", "attn_bias")),
    )


def _mask(to: Importer, call: Call, mask: Value | None) -> Value | None:
    """Return what is added to the scores, or None where nothing is."""
    if mask is None:
        return None
    known = known_array(mask)
    if known is None:
        return operand(to, mask)
    added = np.where(known, 0, -inf) if known.dtype == bool else known
    if not added.any():
        return None
    return constant_value(to, f"{call.name}.mask", added.astype(np.float32))


#: Roles of the arrays of one direction, in PyTorch's order.
_ARRAYS = (
    *(("input", "weight"), ("0.state", "weight")),
    *(("input", "bias"), ("0.state", "bias")),
)


def _recurrent(to: Importer, call: Call, *, kind: str) -> Sequence[Value]:
    """Return the results of stacked layers, and the states at the end of each."""
    if "data" in call.arguments:
        raise UnsupportedError("is known of tensors only, not of packed sequences")
    has_bias, layers = call.flag("has_biases"), call.integer("num_layers")
    both = 2 if call.flag("bidirectional") else 1
    arrays, given = call.any("params", default=[]), call.any("hx")
    each = 4 if has_bias else 2
    if len(arrays) != each * layers * both:
        raise UnsupportedError("projects its states, which no recurrent layer does")
    first = given if isinstance(given, list) else [given]
    sequence, is_single = call.tensor("input"), call.tensor("input").rank == 2
    if is_single:
        sequence = to.reshaped(sequence, (1, *sequence.shape))
    elif not call.flag("batch_first"):
        sequence = sequence.transposed((1, 0, 2))
    ends: list[list[Value]] = [[] for _ in first]
    for layer in range(layers):
        directions = []
        for number in range(layer * both, (layer + 1) * both):
            own = arrays[number * each : (number + 1) * each]
            directions.append(
                Direction(
                    learned=_gates(to, own),
                    hidden=own[1].shape[-1],
                    states=_states(to, first, number),
                    reverse=number % 2 == 1 if both == 2 else False,
                )
            )
        name = f"{call.name}.l{layer}" if layers > 1 else call.name
        sequence, last = recurrence(to, name, kind, sequence, directions)
        for all_layers, own_layer in zip(ends, last, strict=True):
            all_layers += own_layer
    final = [movement.stack(to, f"{call.name}.ends", each, 0) for each in ends]
    if is_single:
        sequence = to.reshaped(sequence, sequence.shape[1:])
    elif not call.flag("batch_first"):
        sequence = sequence.transposed((1, 0, 2))
    pairs = zip([sequence, *final], call.shapes, strict=True)
    return [to.reshaped(value, shape) for value, shape in pairs]


def _gates(to: Importer, arrays: Sequence[Value]) -> dict[tuple[str, str], Any]:
    dtype = to.dtype.numpy
    return {
        place: learned_of(array, lambda a: a.T.astype(dtype) if a.ndim == 2 else a)
        for place, array in zip(_ARRAYS, arrays, strict=False)
    }


def _states(to: Importer, first: Sequence[Value], number: int) -> list[Value]:
    """Return the states that a direction starts with; none for zeros."""
    if all(number_of(state) == 0 for state in first):
        return []
    return [movement.pick(to, "state", state, 0, number) for state in first]


HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(("conv1d", "conv2d", "conv3d", "convolution", "_convolution"), _convolution),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), _convolution),
    **dict.fromkeys(("matmul", "mm", "bmm", "mv", "dot", "linalg_matmul", "__matmul__"), _matmul),
    **dict.fromkeys(("addmm", "baddbmm", "addmv"), _added),
    **dict.fromkeys(("outer", "ger"), _outer),
    "einsum": _einsum,
    "gru": partial(_recurrent, kind="gru"),
    "linear": _linear,
    "lstm": partial(_recurrent, kind="lstm"),
    "scaled_dot_product_attention": _attention,
}
