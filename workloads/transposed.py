"""Transposed convolution: what makes an image larger with learned weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd, prod
from typing import ClassVar

from foundation.dtype import Dtype
from foundation.errors import WorkloadError
from workloads.graph import Parameter, Tensor
from workloads.layers import Convolution, Shape, Window, check_tied, product_parameters
from workloads.weights import Weights


@dataclass(frozen=True, slots=True, kw_only=True)
class TransposedConvolution:
    """A convolution backwards: each input element adds a window of outputs, ``stride`` apart.

    Output o gets input i through tap k where ``o = i · stride + k · dilation - pad_before``.

    Parameters
    ----------
    out_channels, groups, bias, activation, shift, tied
        As of `workloads.layers.Convolution`.
    windows
        One for each spatial axis; padding is what is cut off the output.
    output_padding
        For each spatial axis positions at the end of the output, beyond the last window.

    References
    ----------
    .. [1] PyTorch, "torch.nn.ConvTranspose2d",
       https://docs.pytorch.org/docs/stable/generated/torch.nn.ConvTranspose2d.html
    """

    kind: ClassVar[str] = "conv_transpose"
    out_channels: int
    windows: tuple[Window, ...]
    output_padding: tuple[int, ...]
    groups: int = 1
    bias: bool = False
    activation: str = "identity"
    shift: int | None = None
    tied: bool = False
    weights: Weights | None = None

    def output(self, inputs: Sequence[Tensor]) -> tuple[Shape, Dtype]:
        """Return ``[batch, OY, OX, OC]``: ``(size - 1) · stride + span - padding`` along an axis.

        Output padding comes on top of that.
        """
        tensor = inputs[0]
        _, dtype = self._pointwise().output([tensor])
        if self.tied:
            check_tied(inputs, self.windows, self.groups, self.out_channels)
        sizes = zip(tensor.shape[1:-1], self.windows, self.output_padding, strict=True)
        spatial = tuple(_output_size(*each) for each in sizes)
        return (tensor.shape[0], *spatial, self.out_channels), dtype

    def parameters(self, inputs: Sequence[Tensor]) -> dict[str, Parameter]:
        """Return weight, shape (G, FY, FX, IC/G, OC/G), and bias, shape (OC,).

        Taps are stored last first along every spatial axis, as the convolution has them that this
        one is the transposition of: the order in which they meet neighbouring inputs.
        """
        found = self._pointwise().parameters(inputs)
        groups, *_, in_channels, out_channels = found.pop("weight").shape
        if self.tied:
            return found
        kernel = (window.kernel for window in self.windows)
        shape = (groups, *kernel, in_channels, out_channels)
        weights = product_parameters(self.weights, shape, inputs[0].dtype, self.out_channels)
        return {**weights, **found}

    def macs(self, inputs: Sequence[Tensor]) -> int:
        """Return input elements times the window's taps times OC/G.

        References
        ----------
        .. [1] PyTorch, ``torch.utils.flop_counter.conv_flop_count`` with ``transposed``.
        """
        kernel = prod(window.kernel for window in self.windows)
        return inputs[0].size_elements * kernel * (self.out_channels // self.groups)

    def operations(self, inputs: Sequence[Tensor]) -> int:
        """Return 2 per MAC."""
        return 2 * self.macs(inputs)

    def reduction(self, in_channels: int) -> int:
        """Return the most products that one output adds up; ``in_channels`` are all groups'."""
        taps = prod(-(-w.kernel // tap_period(w)) for w in self.windows)
        return taps * (in_channels // self.groups)

    def _pointwise(self) -> Convolution:
        """Return the convolution with the same channels and windows of one tap."""
        return Convolution(
            out_channels=self.out_channels,
            windows=(Window(1),) * len(self.windows),
            groups=self.groups,
            bias=self.bias,
        )


def tap_period(window: Window) -> int:
    """Return how many taps apart those lie that meet at one output of a transposed convolution."""
    return window.stride // gcd(window.stride, window.dilation)


def _output_size(size: int, window: Window, output_padding: int) -> int:
    limit = max(window.stride, window.dilation)
    if output_padding >= limit:
        raise WorkloadError(
            f"output padding is {output_padding} but must be less than the larger of stride and"
            f" dilation, {limit}"
        )
    whole = (size - 1) * window.stride + window.span + output_padding
    padding = window.pad_before + window.pad_after
    if padding >= whole:
        raise WorkloadError(
            f"padding cuts {padding} positions off but the output has {whole}; reduce padding"
        )
    return whole - padding
