"""Operators with windows as kernels: convolutions and pooling over one to three axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from math import gcd, prod
from typing import NamedTuple

import numpy as np

from foundation.dtype import Dtype
from foundation.numerics import limits
from isa.instruction import Operand
from mapper.kernel import Axis, Contraction, Kernel, Role, VectorBody
from mapper.maps import (
    contraction,
    dimensions_of,
    input_map,
    learned_map,
    output_map,
    per_output,
    plain,
    segmented,
    shift_of,
)
from workloads.gradients import ConvolutionGradient, PoolGradient
from workloads.graph import Tensor
from workloads.layers import Convolution, Pool, Shape, Window
from workloads.transposed import TransposedConvolution, tap_period
from workloads.weights import Part, parts_of


def convolution(
    operator: Convolution,
    inputs: Sequence[Tensor],
    parameters: Mapping[str, Tensor],
    output: Tensor,
) -> tuple[Kernel, ...]:
    """Return a convolution as a product over taps and channels, or one for each part of outputs."""
    tensor = inputs[0]
    sizes, positions, windows = _spatial(tensor.shape, output.shape, operator.windows)
    axes = len(windows)
    in_channels = tensor.shape[-1] // operator.groups
    kernel = [window.kernel for window in windows]
    numbers = _Numbers.of(axes)
    sliding = _Sliding(
        positions=positions,
        taps=tuple(kernel),
        channels=in_channels,
        data=tuple(map(_window_axis, sizes, numbers.positions, numbers.taps, windows)),
        weight=plain(kernel, numbers.taps),
        output=plain(positions, numbers.positions),
    )
    reduced = prod(kernel) * in_channels
    return _products(operator, sliding, inputs, parameters, reduced)


def transposed_convolution(
    operator: TransposedConvolution,
    inputs: Sequence[Tensor],
    parameters: Mapping[str, Tensor],
    output: Tensor,
) -> tuple[Kernel, ...]:
    """Return a transposed convolution as one convolution of stride 1 for each phase of the output.

    A phase is the outputs that are whole strides apart. They get the same taps, every
    ``tap_period``-th one, from neighbouring inputs.

    # Approximation: each phase reads the input anew, and begins when the one before has ended.
    """
    tensor = inputs[0]
    sizes, positions, windows = _spatial(tensor.shape, output.shape, operator.windows)
    in_channels = tensor.shape[-1] // operator.groups
    numbers = _Numbers.of(len(windows))
    reduced = operator.reduction(tensor.shape[-1])
    kernels: list[Kernel] = []
    for firsts in product(*map(range, map(min, positions, [w.stride for w in windows]))):
        each = zip(sizes, positions, windows, firsts, *numbers[:2], strict=True)
        phases = [_phase(*one) for one in each]
        is_empty = any(not phase.taps for phase in phases)
        if is_empty:
            phases = [phase._replace(taps=1) for phase in phases]
        sliding = _Sliding(
            positions=tuple(phase.positions for phase in phases),
            taps=tuple(phase.taps for phase in phases),
            # Where no tap reaches, one product with padding makes the zero that gets the bias.
            channels=0 if is_empty else in_channels,
            data=tuple(phase.data for phase in phases),
            weight=tuple(phase.weight for phase in phases),
            output=tuple(phase.output for phase in phases),
        )
        kernels += _products(operator, sliding, inputs, parameters, reduced)
    return tuple(kernels)


class _Numbers(NamedTuple):
    """The numbers of a convolution's dimensions: G, B, positions, OC, taps, IC."""

    positions: range
    taps: range
    column: int
    channel: int

    @staticmethod
    def of(axes: int) -> _Numbers:
        """Return those of windows over some axes."""
        return _Numbers(
            positions=range(2, 2 + axes),
            column=2 + axes,
            taps=range(3 + axes, 3 + 2 * axes),
            channel=3 + 2 * axes,
        )


class _Sliding(NamedTuple):
    """A window that slides over spatial axes.

    Parameters
    ----------
    positions, taps
        Of the window along each axis.
    channels
        Of the input that are summed up in a group; 0 where there is only padding.
    data, weight, output
        The operands along their spatial axes.
    """

    positions: tuple[int, ...]
    taps: tuple[int, ...]
    channels: int
    data: tuple[Axis, ...]
    weight: tuple[Axis, ...]
    output: tuple[Axis, ...]


def _products(
    operator: Convolution | TransposedConvolution,
    sliding: _Sliding,
    inputs: Sequence[Tensor],
    parameters: Mapping[str, Tensor],
    reduced: int,
) -> tuple[Kernel, ...]:
    """Return products over taps and channels, one for each part of a group's outputs.

    ``reduced`` is how many products an output adds up.
    """
    tensor, groups = inputs[0], operator.groups
    shape = (tensor.shape[-1] // groups, operator.out_channels // groups)
    return tuple(
        _product(operator, sliding, inputs, parameters, reduced, part)
        for part in parts_of(operator.weights, shape, tensor.dtype)
    )


def _product(
    operator: Convolution | TransposedConvolution,
    sliding: _Sliding,
    inputs: Sequence[Tensor],
    parameters: Mapping[str, Tensor],
    reduced: int,
    part: Part,
) -> Kernel:
    """Return a product over taps and channels for some outputs of each group."""
    tensor = inputs[0]
    batch, groups, stored = tensor.shape[0], operator.groups, part.stored
    in_channels, out_channels = tensor.shape[-1] // groups, operator.out_channels // groups
    value, length, segment = tensor.dtype, 1, tensor.dtype
    if stored is not None:
        value, length, segment = stored.value, stored.length, stored.segment
    _, _, column, channel = _Numbers.of(len(sliding.taps))
    at_group, at_batch, at_column, at_channel, at_segment = plain(
        (groups, batch, part.size, in_channels, in_channels // length),
        (0, 1, column, channel, channel),
    )
    at_output = Axis(size=out_channels, terms=((column, 1),), offset=part.low)
    dimensions = [
        *dimensions_of(Role.GROUP, G=groups),
        *dimensions_of(Role.M, B=batch, **_named("O", sliding.positions)),
        *dimensions_of(Role.N, OC=part.size),
        *dimensions_of(Role.K, **_named("F", sliding.taps), IC=max(1, sliding.channels // length)),
    ]
    if operator.tied:
        axes = (at_group, *sliding.weight, at_column, at_channel)
        weight = input_map(inputs[1], 1, axes, scratchpad="weight", operand=Operand.WEIGHT)
    else:
        axes = (at_group, *sliding.weight, at_segment, at_column)
        weight = learned_map(part.role, axes, segment, "weight")
    data = input_map(tensor, 0, (at_batch, *sliding.data, at_group, at_channel))
    return contraction(
        dimensions,
        segmented(data, stored),
        weight,
        per_output(parameters, (at_group, at_output)),
        (at_batch, *sliding.output, at_group, at_output),
        Contraction(
            shift=shift_of(operator.shift, reduced, value),
            activation=operator.activation,
            stored=stored,
            is_scaled="scale" in parameters,
        ),
    )


class _Phase(NamedTuple):
    """The outputs ``first, first + stride, ...`` along one axis of a transposed convolution."""

    positions: int
    taps: int
    data: Axis
    weight: Axis
    output: Axis


def _phase(
    size: int, positions: int, window: Window, first: int, position: int, tap: int
) -> _Phase:
    """Return a phase of an axis; with no tap, its operands are those of one that sees padding.

    Notes
    -----
    Output ``first + q · stride`` gets tap k from input i where
    ``i · stride + k · dilation = first + q · stride + pad_before``: from ``start``, every
    ``tap_period``-th tap. Operands have no negative coefficients, so taps are gone through last
    first, as they are stored: tap k is weight ``kernel - 1 - k``.
    """
    period = tap_period(window)
    reached = first + window.pad_before
    meeting = [
        k for k in range(window.kernel) if (reached - k * window.dilation) % window.stride == 0
    ]
    output = Axis(size=positions, terms=((position, window.stride),), offset=first)
    count = -(-(positions - first) // window.stride)
    if not meeting:
        beyond = Axis(size=size, terms=((position, 1),), offset=size)
        return _Phase(count, 0, beyond, Axis(size=window.kernel, terms=((tap, 1),)), output)
    last = meeting[-1]
    nearest = (reached - last * window.dilation) // window.stride
    step = window.dilation // gcd(window.stride, window.dilation)
    data = Axis(size=size, terms=((position, 1), (tap, step)), offset=nearest)
    weight = Axis(size=window.kernel, terms=((tap, period),), offset=window.kernel - 1 - last)
    return _Phase(count, len(meeting), data, weight, output)


def convolution_gradient(
    operator: ConvolutionGradient, inputs: Sequence[Tensor], output: Tensor
) -> Kernel:
    """Return a product over batch and positions: its rows are taps and input channels.

    It is the convolution with other roles: the image is read as there, the gradient takes the
    weight's part, and the weight that of the output.
    """
    image, gradient = inputs
    sizes, positions, windows = _spatial(image.shape, gradient.shape, operator.windows)
    groups, *_, in_channels, out_channels = output.shape
    batch, taps = image.shape[0], tuple(window.kernel for window in windows)
    axes = len(windows)
    at_taps, at_places = range(1, 1 + axes), range(4 + axes, 4 + 2 * axes)
    at_group, at_channel, at_column, at_batch = plain(
        (groups, in_channels, out_channels, batch), (0, 1 + axes, 2 + axes, 3 + axes)
    )
    data = tuple(map(_window_axis, sizes, at_places, at_taps, windows))
    return contraction(
        [
            *dimensions_of(Role.GROUP, G=groups),
            *dimensions_of(Role.M, **_named("F", taps), IC=in_channels),
            *dimensions_of(Role.N, OC=out_channels),
            *dimensions_of(Role.K, B=batch, **_named("O", positions)),
        ],
        input_map(image, 0, (at_batch, *data, at_group, at_channel)),
        input_map(
            gradient,
            1,
            (at_batch, *plain(positions, at_places), at_group, at_column),
            scratchpad="weight",
            operand=Operand.WEIGHT,
        ),
        {},
        (at_group, *plain(taps, at_taps), at_channel, at_column),
        Contraction(
            shift=shift_of(None, batch * prod(positions), gradient.dtype), activation="identity"
        ),
    )


def pool_gradient(
    operator: PoolGradient, inputs: Sequence[Tensor], output: Tensor
) -> tuple[Kernel, ...]:
    """Return a sum over the windows that an element lies in, for each phase of the image.

    Phases are those of a transposed convolution with the same windows: elements that are a whole
    stride apart lie in as many windows, at the same taps.
    """
    gradient = inputs[-1]
    sizes, positions, windows = _spatial(gradient.shape, output.shape, operator.windows)
    batch, channels, axes = output.shape[0], output.shape[-1], len(windows)
    numbers = range(1, 1 + axes), range(2 + axes, 2 + 2 * axes)
    at_batch, at_channel = plain((batch, channels), (0, 1 + axes))
    is_max = operator.function == "max"
    kernels = []
    for firsts in product(*map(range, map(min, positions, [w.stride for w in windows]))):
        each = zip(sizes, positions, windows, firsts, *numbers, strict=True)
        # Where no window reaches, one tap of padding makes zeros.
        phases = [_phase(*one) for one in each]
        if any(not phase.taps for phase in phases):
            phases = [phase._replace(taps=1) for phase in phases]
        windowed = (at_batch, *(phase.data for phase in phases), at_channel)
        own = (at_batch, *(phase.output for phase in phases), at_channel)
        operands = [own, windowed, windowed] if is_max else [windowed]
        kernels.append(
            Kernel(
                dimensions=(
                    *dimensions_of(
                        Role.PARALLEL,
                        B=batch,
                        **_named("O", [phase.positions for phase in phases]),
                        C=channels,
                    ),
                    *dimensions_of(Role.WHOLE, **_named("F", [phase.taps for phase in phases])),
                ),
                inputs=tuple(
                    input_map(tensor, number, found)
                    for number, (tensor, found) in enumerate(zip(inputs, operands, strict=True))
                ),
                output=output_map(own, output.dtype),
                body=VectorBody(
                    function="max_gradient" if is_max else "sum", activation="identity"
                ),
            )
        )
    return tuple(kernels)


def pool(operator: Pool, tensor: Tensor, output: Tensor) -> Kernel:
    """Return a pooling as a reduction over the taps of its window."""
    sizes, positions, windows = _spatial(tensor.shape, output.shape, operator.windows)
    batch, channels = tensor.shape[0], tensor.shape[-1]
    axes = len(windows)
    at_positions, at_channel = range(1, 1 + axes), 1 + axes
    at_taps = range(2 + axes, 2 + 2 * axes)
    data = (
        Axis(size=batch, terms=((0, 1),)),
        *map(_window_axis, sizes, at_positions, at_taps, windows),
        Axis(size=channels, terms=((at_channel, 1),)),
    )
    fill = _lowest_bits(tensor.dtype) if operator.function == "max" else 0
    kept = (batch, *positions, channels)
    return Kernel(
        dimensions=(
            *dimensions_of(Role.PARALLEL, B=batch, **_named("O", positions), C=channels),
            *dimensions_of(Role.WHOLE, **_named("F", [window.kernel for window in windows])),
        ),
        inputs=(input_map(tensor, 0, data, fill=fill),),
        output=output_map(plain(kept, range(len(kept))), tensor.dtype),
        body=VectorBody(function=operator.function, activation="identity"),
    )


def _spatial(
    shape: Shape, output: Shape, windows: Sequence[Window]
) -> tuple[Shape, Shape, tuple[Window, ...]]:
    """Return spatial sizes of input and output, and windows: a signal is an image of height 1."""
    sizes, positions = shape[1:-1], output[1:-1]
    if len(windows) == 1:
        return (1, *sizes), (1, *positions), (Window(1), *windows)
    return sizes, positions, tuple(windows)


def _named(letter: str, extents: Sequence[int]) -> dict[str, int]:
    """Return extents along two or three spatial axes by name: ``OY`` and ``OX`` of letter O."""
    return dict(zip([letter + axis for axis in "ZYX"[-len(extents) :]], extents, strict=True))


def _window_axis(size: int, position: int, tap: int, window: Window) -> Axis:
    """Return a spatial axis: output position · stride + kernel tap · dilation - padding."""
    terms = ((position, window.stride), (tap, window.dilation))
    return Axis(size=size, terms=terms, offset=-window.pad_before)


def _lowest_bits(dtype: Dtype) -> int:
    """Return the bits of the lowest value of a dtype: padding that never wins a max."""
    if dtype.is_integer:
        return 1 << (8 * dtype.size_bytes - 1)
    lowest = -np.inf if dtype.bits > 8 else limits(dtype)[0]  # E4M3 has no infinity
    return int.from_bytes(np.array(lowest, dtype=dtype.numpy).tobytes(), "little")
