"""ONNX's convolutions, windows and matrix products as calls of the importer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from foundation.errors import WorkloadError
from workloads.layers import Shape, Window
from workloads.loaders.imported import products, vector
from workloads.loaders.imported.einsum import einsum
from workloads.loaders.imported.importer import Importer
from workloads.loaders.imported.refused import UnsupportedError
from workloads.loaders.imported.values import Value
from workloads.loaders.imported.weights import constant_value, number_of, weight_of
from workloads.loaders.onnx.node import Handler, Inputs, Node, needed, optional


def windows_of(node: Node, sizes: Shape, kernel: Sequence[int]) -> list[Window]:
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
        windows.append(vector.rounded_up(window, size) if node.integer("ceil_mode", 0) else window)
    return windows


def _conv(to: Importer, node: Node, inputs: Inputs) -> Value:
    image, weight, bias = needed(inputs, 0), needed(inputs, 1), optional(inputs, 2)
    if bias is not None and number_of(bias) == 0:
        bias = None  # PyTorch's exporter writes one, of whatever shape, where there is none
    kernel = node.integers("kernel_shape") or weight.shape[2:]
    windows = windows_of(node, image.shape[2:], kernel)
    return products.convolution(
        to, node.name, image, weight, bias, windows, node.integer("group", 1)
    )


def _conv_transpose(to: Importer, node: Node, inputs: Inputs) -> Value:
    image, weight, bias = needed(inputs, 0), needed(inputs, 1), optional(inputs, 2)
    rule = node.text("auto_pad", "NOTSET")
    if rule not in ("NOTSET", "VALID") or node.integers("output_shape"):
        raise UnsupportedError(
            "is given the size of its output, which isn't known; export its pads"
        )
    kernel = node.integers("kernel_shape") or weight.shape[2:]
    return products.transposed_convolution(
        to,
        node.name,
        image,
        weight,
        bias,
        windows_of(node, image.shape[2:], kernel),
        node.integers("output_padding") or (0,) * len(kernel),
        node.integer("group", 1),
    )


def _pool(to: Importer, node: Node, inputs: Inputs, *, function: str) -> Value:
    image = needed(inputs, 0)
    if len(node.outputs) > 1 and node.outputs[1]:
        raise UnsupportedError("its indices are read, which no pooling layer computes")
    windows = windows_of(node, image.shape[2:], node.integers("kernel_shape") or ())
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
    values = [needed(inputs, place) for place in range(len(inputs))]
    return einsum(to, node.name, node.text("equation", ""), values)


def _quantized(to: Importer, node: Node, inputs: Inputs) -> Value:
    """Return the first input: the whole network is int8."""
    value = needed(inputs, 0)
    weight = weight_of(value)
    if weight is not None and value.dtype != to.dtype:
        return replace(value, source=weight.of_type(to.dtype))
    del node
    return value


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


HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(("QuantizeLinear", "DequantizeLinear"), _quantized),
    **dict.fromkeys(("MatMulInteger", "ConvInteger"), _integer_product),
    "AveragePool": partial(_pool, function="mean"),
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "DynamicQuantizeLinear": _dynamic_quantization,
    "Einsum": _einsum,
    "Gemm": _gemm,
    "GlobalAveragePool": partial(_global_pool, function="mean"),
    "GlobalMaxPool": partial(_global_pool, function="max"),
    "MatMul": _matmul,
    "MaxPool": partial(_pool, function="max"),
    "QLinearConv": _quantized_conv,
    "QLinearMatMul": _quantized_matmul,
}
