"""What only moves data, as kernels."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from mapper.kernel import Axis, Copy, Kernel
from mapper.maps import input_map, output_map, parallel, plain
from workloads.gradients import Flip
from workloads.graph import Tensor
from workloads.layers import Concat, Slice, Transpose
from workloads.resize import Repeat


def _copy(
    tensor: Tensor,
    index: int,
    source: tuple[Axis, ...],
    target: tuple[Axis, ...],
    extents: Sequence[int],
) -> Kernel:
    """Return a kernel that moves data; its tiles stay in the scratchpad that holds outputs."""
    return Kernel(
        dimensions=tuple(parallel(extents)),
        inputs=(input_map(tensor, index, source, scratchpad="output"),),
        output=output_map(target, tensor.dtype),
        body=Copy(),
    )


def concat(operator: Concat, inputs: Sequence[Tensor], output: Tensor) -> tuple[Kernel, ...]:
    """Return a copy for each input."""
    rank = len(output.shape)
    axis = operator.axis % rank
    kernels = []
    offset = 0
    for index, tensor in enumerate(inputs):
        target = list(plain(output.shape, range(rank)))
        target[axis] = Axis(size=output.shape[axis], terms=((axis, 1),), offset=offset)
        source = plain(tensor.shape, range(rank))
        kernels.append(_copy(tensor, index, source, tuple(target), tensor.shape))
        offset += tensor.shape[axis]
    return tuple(kernels)


def slice_(operator: Slice, tensor: Tensor, output: Tensor) -> Kernel:
    """Return a copy of every so many places along an axis."""
    rank = len(tensor.shape)
    axis = operator.axis % rank
    source = list(plain(tensor.shape, range(rank)))
    source[axis] = Axis(
        size=tensor.shape[axis], terms=((axis, operator.step),), offset=operator.start
    )
    target = plain(output.shape, range(rank))
    return _copy(tensor, 0, tuple(source), target, output.shape)


def transpose(operator: Transpose, tensor: Tensor) -> Kernel:
    """Return a copy to other axes."""
    shape = [tensor.shape[axis] for axis in operator.permutation]
    numbers = [operator.permutation.index(axis) for axis in range(len(shape))]
    return _copy(tensor, 0, plain(tensor.shape, numbers), plain(shape, range(len(shape))), shape)


def repeat(operator: Repeat, tensor: Tensor) -> Kernel:
    """Return a copy to an output whose axes are an element and its copies."""
    extents: list[int] = []
    elements = []
    for size, factor in zip(tensor.shape, operator.factors, strict=True):
        elements.append(len(extents))
        extents += [size] if factor == 1 else [size, factor]
    target = plain(extents, range(len(extents)))
    return _copy(tensor, 0, plain(tensor.shape, elements), target, extents)


def flip(operator: Flip, tensor: Tensor) -> tuple[Kernel, ...]:
    """Return a copy for each place along the axis.

    # Approximation: a machine whose addresses can step backwards needs one.
    """
    axis = operator.axis % len(tensor.shape)
    size = tensor.shape[axis]
    extents = (prod(tensor.shape[:axis]), 1, prod(tensor.shape[axis + 1 :]))

    def at(place: int) -> tuple[Axis, ...]:
        outer, _, inner = plain(extents, range(3))
        return (outer, Axis(size=size, terms=((1, 1),), offset=place), inner)

    return tuple(
        _copy(tensor, 0, at(place), at(size - 1 - place), extents) for place in range(size)
    )
