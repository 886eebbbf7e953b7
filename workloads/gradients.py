"""Operators that only gradients need: of convolutions by their weights, and of pooling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import ClassVar

from foundation.dtype import Dtype
from foundation.errors import WorkloadError
from foundation.functions import FUNCTIONS
from workloads.graph import Parameter, Tensor
from workloads.layers import Shape, Window, positive_axis


class _NoParameters:
    """An operator that learns nothing."""

    def parameters(self, inputs: Sequence[Tensor]) -> dict[str, Parameter]:
        """Return no parameters."""
        del inputs
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvolutionGradient(_NoParameters):
    """The gradient of a convolution by its weights: products of an image and the output's gradient.

    ``weight[g, k, ic, oc] = sum over b, o of image[b, o · stride + k · dilation - pad, g, ic]
    · gradient[b, o, g, oc]``. Its first input is the image, ``[batch, ..., IC]``, its second one
    the gradient, ``[batch, ..., OC]``.

    Parameters
    ----------
    windows, groups
        Those of the convolution.
    """

    kind: ClassVar[str] = "conv_gradient"
    windows: tuple[Window, ...]
    groups: int = 1

    def output(self, inputs: Sequence[Tensor]) -> tuple[Shape, Dtype]:
        """Return ``(G, FY, FX, IC/G, OC/G)``, with FZ before FY for a volume."""
        image, gradient = inputs
        _check_positions(image, gradient, self.windows)
        channels = [tensor.shape[-1] for tensor in inputs]
        for tensor, count in zip(inputs, channels, strict=True):
            if count % self.groups:
                raise WorkloadError(
                    f"{count} channels of '{tensor.name}' don't divide into {self.groups} groups"
                )
        kernel = (window.kernel for window in self.windows)
        return (self.groups, *kernel, *(count // self.groups for count in channels)), image.dtype

    def macs(self, inputs: Sequence[Tensor]) -> int:
        """Return as many as the convolution has: the gradient's elements times taps times IC/G."""
        image, gradient = inputs
        kernel = prod(window.kernel for window in self.windows)
        return gradient.size_elements * kernel * (image.shape[-1] // self.groups)

    def operations(self, inputs: Sequence[Tensor]) -> int:
        """Return 2 per MAC."""
        return 2 * self.macs(inputs)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolGradient(_NoParameters):
    """What a pooling's input gets of its output's gradient.

    With ``sum`` every element gets the gradients of all windows that it lies in, and the only
    input is the gradient. With ``max`` it gets those of windows whose largest element it equals:
    inputs are the pooled image, the largest elements, and the gradient.

    Parameters
    ----------
    function
        ``sum`` or ``max``.
    windows
        Those of the pooling.
    sizes
        Spatial sizes of the pooled image.

    Notes
    -----
    Where several elements of a window are the largest each gets its whole gradient, as in Theano;
    PyTorch gives it to the first of them.
    """

    kind: ClassVar[str] = "pool_gradient"
    function: str
    windows: tuple[Window, ...]
    sizes: tuple[int, ...]

    def output(self, inputs: Sequence[Tensor]) -> tuple[Shape, Dtype]:
        """Return the pooled image's shape."""
        needed = 3 if self.function == "max" else 1
        if len(inputs) != needed:
            raise WorkloadError(
                f"pool_gradient of {self.function} needs {needed} inputs but has {len(inputs)}"
            )
        gradient = inputs[-1]
        shape = (gradient.shape[0], *self.sizes, gradient.shape[-1])
        if self.function == "max" and inputs[0].shape != shape:
            raise WorkloadError(
                f"sizes {list(self.sizes)} make an image {list(shape)} but '{inputs[0].name}' is"
                f" {list(inputs[0].shape)}"
            )
        for result in inputs[1:2]:
            if result.shape != gradient.shape:
                raise WorkloadError(
                    f"'{result.name}' {list(result.shape)} and its gradient '{gradient.name}'"
                    f" {list(gradient.shape)} must have one shape"
                )
        return shape, gradient.dtype

    def macs(self, inputs: Sequence[Tensor]) -> int:
        """Return zero: the vector unit does it."""
        del inputs
        return 0

    def operations(self, inputs: Sequence[Tensor]) -> int:
        """Return those of the function per element of every window."""
        function = "max_gradient" if self.function == "max" else "sum"
        taps = prod(window.kernel for window in self.windows)
        return inputs[-1].size_elements * taps * FUNCTIONS[function].operations


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip(_NoParameters):
    """The elements along one axis, last first."""

    kind: ClassVar[str] = "flip"
    axis: int

    def output(self, inputs: Sequence[Tensor]) -> tuple[Shape, Dtype]:
        """Return the input's shape."""
        (tensor,) = inputs
        positive_axis(self.axis, len(tensor.shape))
        return tensor.shape, tensor.dtype

    def macs(self, inputs: Sequence[Tensor]) -> int:
        """Return zero."""
        del inputs
        return 0

    def operations(self, inputs: Sequence[Tensor]) -> int:
        """Return zero: elements are only moved."""
        del inputs
        return 0


def _check_positions(image: Tensor, gradient: Tensor, windows: Sequence[Window]) -> None:
    """Raise WorkloadError where a gradient has other positions than windows over an image."""
    rank = len(windows) + 2
    for tensor in (image, gradient):
        if len(tensor.shape) != rank:
            raise WorkloadError(
                f"a {len(windows)}-D window needs inputs of {rank} axes but '{tensor.name}' has"
                f" {len(tensor.shape)}: {list(tensor.shape)}"
            )
    if image.dtype != gradient.dtype or image.shape[0] != gradient.shape[0]:
        raise WorkloadError(
            f"'{image.name}' {list(image.shape)} {image.dtype} and '{gradient.name}'"
            f" {list(gradient.shape)} {gradient.dtype} must have one batch and one dtype"
        )
    sizes = zip(windows, image.shape[1:-1], gradient.shape[1:-1], strict=True)
    for axis, (window, size, positions) in enumerate(sizes, start=1):
        most = window.output_size(size, f"axis {axis}")
        if positions > most:
            raise WorkloadError(
                f"'{gradient.name}' has {positions} positions along axis {axis} but windows over"
                f" '{image.name}' have {most}"
            )
