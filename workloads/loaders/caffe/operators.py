"""Caffe's layers as ours: blobs are [N, C, H, W] there and [N, H, W, C] here.

References
----------
.. [1] Caffe, src/caffe/proto/caffe.proto and src/caffe/layers/, https://github.com/BVLC/caffe
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from foundation.dtype import Dtype
from workloads.build import GraphBuilder
from workloads.graph import Operator, Tensor
from workloads.layers import (
    Concat,
    Convolution,
    Elementwise,
    Linear,
    Normalize,
    Pool,
    Reduce,
    Reshape,
    Window,
)
from workloads.loaders.caffe.net import ACTIVATIONS, Node, activation_of, shifts
from workloads.loaders.caffe.text import Message

#: Axis of [N, C, H, W] to that of [N, H, W, C].
_CHANNELS_LAST = {0: 0, 1: 3, 2: 1, 3: 2}
#: Fields that say nothing of what a layer computes or how large it is.
_ELSEWHERE = ("weight_filler", "bias_filler", "engine", "force_nd_im2col", "filler", "transpose")
_SQUARES = ("kernel_size", "kernel_h", "kernel_w", "stride", "stride_h", "stride_w")
_PADS = ("pad", "pad_h", "pad_w")
#: Operation of Eltwise to function; enumerations may be numbers, too.
_ELTWISE = {"PROD": "multiply", "SUM": "add", "MAX": "maximum"}
_ELTWISE |= {"0": "multiply", "1": "add", "2": "maximum"}
_POOL = {"MAX": "max", "AVE": "mean", "0": "max", "1": "mean"}


class Network:
    """The graph so far.

    Parameters
    ----------
    builder
        Has its inputs.
    dtype
        Type of all tensors.
    """

    def __init__(self, builder: GraphBuilder, dtype: Dtype) -> None:
        self.builder = builder
        self.dtype = dtype

    def layer(self, name: str, operator: Operator, *inputs: Tensor) -> Tensor:
        """Add a layer and return its result."""
        return self.builder.add_layer(name, operator, inputs)

    def function(self, name: str, function: str, *inputs: Tensor) -> Tensor:
        """Add an element-wise layer and return its result."""
        return self.layer(name, Elementwise(function=function), *inputs)

    def constant(self, name: str, number: float) -> Tensor:
        """Return a tensor of one element, which broadcasts."""
        return self.builder.add_learned(name, (1,), self.dtype, number)

    def flat(self, name: str, tensor: Tensor) -> Tensor:
        """Return a tensor with one axis for everything but the batch."""
        if len(tensor.shape) == 2:
            return tensor
        return self.layer(name, Reshape(shape=(tensor.shape[0], -1)), tensor)


def _convolution(net: Network, node: Node, inputs: Sequence[Tensor]) -> Tensor:
    param = node.message.message("convolution_param")
    known = (*_SQUARES, *_PADS, "num_output", "bias_term", "group", "dilation", "axis")
    param.check_known((*known, *_ELSEWHERE))
    _check_channel_axis(node, param, inputs[0])
    windows = [
        Window(kernel, stride=stride, dilation=dilation, pad_before=pad, pad_after=pad)
        for kernel, stride, pad, dilation in zip(
            _pair(node, param, "kernel_size", "kernel", None),
            _pair(node, param, "stride", "stride", 1),
            _pair(node, param, "pad", "pad", 0),
            _pair(node, param, "dilation", None, 1),
            strict=True,
        )
    ]
    operator = Convolution(
        out_channels=_num_output(node, param),
        windows=tuple(windows),
        groups=param.integer("group", 1, 1),
        bias=param.flag("bias_term", default=True),
        batch_norm=node.is_normalized,
        activation=node.activation,
    )
    return net.layer(node.name, operator, inputs[0])


def _inner_product(net: Network, node: Node, inputs: Sequence[Tensor]) -> Tensor:
    """Return a product; the rows of its weights have another order where blobs have channels."""
    param = node.message.message("inner_product_param")
    param.check_known(("num_output", "bias_term", "axis", *_ELSEWHERE))
    if param.integer("axis", 1, -4) != 1:
        raise node.failure(f"axis is {param.integer('axis', 1, -4)} but only 1 is known")
    operator = Linear(
        out_features=_num_output(node, param),
        bias=param.flag("bias_term", default=True),
        activation=node.activation,
    )
    return net.layer(node.name, operator, net.flat(f"{node.name}.flat", inputs[0]))


def _pooling(net: Network, node: Node, inputs: Sequence[Tensor]) -> Tensor:
    """Return a pool; Caffe rounds the number of positions up.

    Approximation: where the last window hangs over, Caffe's average divides by what lies inside,
    ours by the whole window.
    """
    param = node.message.message("pooling_param")
    param.check_known((*_SQUARES, *_PADS, "pool", "global_pooling", "round_mode", "engine"))
    pool = param.word("pool", "MAX")
    if pool not in _POOL:
        raise node.failure(f"pool is {pool} but must be MAX or AVE")
    if len(inputs[0].shape) != 4:
        raise node.failure(f"pools 4 axes but '{inputs[0].name}' has {len(inputs[0].shape)}")
    batch, *sizes, channels = inputs[0].shape
    if param.flag("global_pooling", default=False):
        operator = Reduce(function=_POOL[pool], axes=(1, 2))
        reduced = net.layer(f"{node.name}.reduced", operator, inputs[0])
        return net.layer(node.name, Reshape(shape=(batch, 1, 1, channels)), reduced)
    rounds_up = param.word("round_mode", "CEIL") in ("CEIL", "0")
    windows = [
        _pool_window(size, kernel, stride, pad, rounds_up=rounds_up)
        for size, kernel, stride, pad in zip(
            sizes,
            _pair(node, param, "kernel_size", "kernel", None),
            _pair(node, param, "stride", "stride", 1),
            _pair(node, param, "pad", "pad", 0),
            strict=True,
        )
    ]
    return net.layer(node.name, Pool(function=_POOL[pool], windows=tuple(windows)), inputs[0])


def _pool_window(size: int, kernel: int, stride: int, pad: int, *, rounds_up: bool) -> Window:
    """Return a pool's window along an axis, padded behind so far that the last one has room.

    With padding, no window starts behind the input (src/caffe/layers/pooling_layer.cpp).
    """
    span = size + 2 * pad - kernel
    positions = (-(-span // stride) if rounds_up else span // stride) + 1
    if pad and (positions - 1) * stride >= size + pad:
        positions -= 1
    needed = (positions - 1) * stride + kernel
    return Window(kernel, stride=stride, pad_before=pad, pad_after=max(pad, needed - size - pad))


def _lrn(net: Network, node: Node, inputs: Sequence[Tensor]) -> Tensor:
    """Return ``x · (k + alpha / n · Σ x²)^-beta`` over n neighbouring channels, as it is defined.

    The sum is n times the mean of a window that slides along the channels; the power is the
    exponential of a multiple of the logarithm.
    """
    param = node.message.message("lrn_param")
    param.check_known(("local_size", "alpha", "beta", "norm_region", "k", "engine"))
    region = param.word("norm_region", "ACROSS_CHANNELS")
    if region not in ("ACROSS_CHANNELS", "0"):
        raise node.failure(f"norm_region is {region} but only ACROSS_CHANNELS is known")
    size = param.integer("local_size", 5, 1)
    if size % 2 == 0:
        raise node.failure(f"local_size is {size} but must be odd")
    alpha, beta, k = (
        param.number("alpha", 1.0),
        param.number("beta", 0.75),
        param.number("k", 1.0),
    )
    if net.dtype.is_integer:
        raise node.failure(
            f"LRN needs floating point but the network is {net.dtype}; ask for another dtype, such"
            " as bf16"
        )
    (x,), name = inputs, node.name
    channels = x.shape[-1]
    window = Window(size, pad_before=size // 2, pad_after=size // 2)
    squares = net.function(f"{name}.squares", "multiply", x, x)
    rows = net.layer(f"{name}.rows", Reshape(shape=(-1, channels, 1)), squares)
    mean = net.layer(f"{name}.means", Pool(function="mean", windows=(window,)), rows)
    means = net.layer(f"{name}.blob", Reshape(shape=x.shape), mean)
    scaled = net.function(f"{name}.scaled", "multiply", means, net.constant(f"{name}.alpha", alpha))
    base = net.function(f"{name}.base", "add", scaled, net.constant(f"{name}.k", k))
    logarithm = net.function(f"{name}.log", "log", base)
    exponent = net.function(
        f"{name}.exponent", "multiply", logarithm, net.constant(f"{name}.beta", -beta)
    )
    power = net.function(f"{name}.power", "exp", exponent)
    return net.function(name, "multiply", x, power)


def _concat(net: Network, node: Node, inputs: Sequence[Tensor]) -> Tensor:
    param = node.message.message("concat_param")
    param.check_known(("axis", "concat_dim"))
    axis = param.integer("axis", param.integer("concat_dim", 1, 0), -4)
    return net.layer(node.name, Concat(axis=_our_axis(node, axis, inputs[0])), *inputs)


def _eltwise(net: Network, node: Node, inputs: Sequence[Tensor]) -> Tensor:
    param = node.message.message("eltwise_param")
    param.check_known(("operation", "coeff", "stable_prod_grad"))
    operation = param.word("operation", "SUM")
    if operation not in _ELTWISE:
        raise node.failure(f"operation is {operation} but must be SUM, PROD or MAX")
    if len(inputs) < 2:
        raise node.failure(f"Eltwise needs 2 or more bottoms but has {len(inputs)}")
    for coefficient in param.numbers("coeff"):
        if coefficient != 1:
            raise node.failure(f"coeff is {coefficient:g} but only 1 is known")
    function, result = _ELTWISE[operation], inputs[0]
    for number, tensor in enumerate(inputs[1:-1], start=1):
        result = net.function(f"{node.name}.{number}", function, result, tensor)
    operator = Elementwise(function=function, activation=node.activation)
    return net.layer(node.name, operator, result, inputs[-1])


def _normalization(net: Network, node: Node, inputs: Sequence[Tensor]) -> Tensor:
    """Return a scale and a shift for each channel, which a BatchNorm is at inference."""
    return net.layer(node.name, Normalize(function="batch_norm"), inputs[0])


def _scale(net: Network, node: Node, inputs: Sequence[Tensor]) -> Tensor:
    param = node.message.message("scale_param")
    _check_channel_axis(node, param, inputs[0])
    if param.integer("num_axes", 1, -1) != 1:
        raise node.failure("num_axes must be 1: a number for each channel")
    if shifts(node):
        return _normalization(net, node, inputs)
    learned = net.builder.add_learned(f"{node.name}.scale", inputs[0].shape[-1:], net.dtype)
    return net.function(node.name, "multiply", inputs[0], learned)


def _flatten(net: Network, node: Node, inputs: Sequence[Tensor]) -> Tensor:
    param = node.message.message("flatten_param")
    if param.integer("axis", 1, -4) != 1 or param.integer("end_axis", -1, -4) != -1:
        raise node.failure("axis must be 1 and end_axis -1: everything but the batch")
    shape = (inputs[0].shape[0], -1)
    return net.layer(node.name, Reshape(shape=shape), inputs[0])


def _softmax(net: Network, node: Node, inputs: Sequence[Tensor]) -> Tensor:
    _check_channel_axis(node, node.message.message("softmax_param"), inputs[0])
    return net.layer(node.name, Normalize(function="softmax"), inputs[0])


def _activation(net: Network, node: Node, inputs: Sequence[Tensor]) -> Tensor:
    return net.function(node.name, activation_of(node), inputs[0])


def _unknown(net: Network, node: Node, inputs: Sequence[Tensor]) -> Tensor:
    """Return what a layer that isn't known gives: its first bottom's shape.

    Approximation: it takes one operation of the vector unit for each element.
    """
    return net.function(node.name, "identity", inputs[0])


class Translation(NamedTuple):
    """What adds a layer, and whether the layer reads one result only."""

    translate: Callable[[Network, Node, Sequence[Tensor]], Tensor]
    reads_one: bool = True


TRANSLATIONS = {
    "Convolution": Translation(_convolution),
    "InnerProduct": Translation(_inner_product),
    "Pooling": Translation(_pooling),
    "LRN": Translation(_lrn),
    "Concat": Translation(_concat, reads_one=False),
    "Eltwise": Translation(_eltwise, reads_one=False),
    "BatchNorm": Translation(_normalization),
    "Scale": Translation(_scale),
    "Flatten": Translation(_flatten),
    "Softmax": Translation(_softmax),
    **dict.fromkeys(ACTIVATIONS, Translation(_activation)),
}
#: Of any other type, where that is allowed.
UNKNOWN = Translation(_unknown)


def _num_output(node: Node, param: Message) -> int:
    if "num_output" not in param.fields:
        raise node.failure(f"{param.name} needs 'num_output'; add it")
    return param.integer("num_output", 1, 1)


def _pair(
    node: Node, param: Message, both: str, each: str | None, default: int | None
) -> tuple[int, int]:
    """Return a size along height and width: one field for both, or ``_h`` and ``_w``."""
    minimum = 0 if both == "pad" else 1
    sizes = param.integers(both, minimum)
    if each is not None and {f"{each}_h", f"{each}_w"} & set(param.fields):
        sizes = [*param.integers(f"{each}_h", minimum), *param.integers(f"{each}_w", minimum)]
        if len(sizes) != 2:
            raise node.failure(f"{param.name} needs both '{each}_h' and '{each}_w'")
    if not sizes and default is not None:
        sizes = [default]
    if not 1 <= len(sizes) <= 2:
        raise node.failure(f"{param.name} has {len(sizes)} times '{both}' but needs 1 or 2")
    return sizes[0], sizes[-1]


def _our_axis(node: Node, axis: int, tensor: Tensor) -> int:
    """Return the axis of ours that an axis of a blob is."""
    rank = len(tensor.shape)
    if not -rank <= axis < rank:
        raise node.failure(f"axis is {axis} but '{tensor.name}' has {rank} axes")
    return _CHANNELS_LAST[axis % rank] if rank == 4 else axis % rank


def _check_channel_axis(node: Node, param: Message, tensor: Tensor) -> None:
    axis = param.integer("axis", 1, -4)
    if _our_axis(node, axis, tensor) != len(tensor.shape) - 1:
        raise node.failure(f"axis is {axis} but only 1, the channels, is known")
