"""Convolutions over three axes and transposed ones, against plain loops over elements."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation.dtype import DTYPES
from foundation.numerics import Array
from workloads.build import GraphBuilder
from workloads.evaluate import evaluate
from workloads.layers import Convolution, Pool, Window
from workloads.loaders.yaml import parse_network
from workloads.transposed import TransposedConvolution

FP32 = DTYPES["fp32"]
GENERATOR = np.random.default_rng(1)


def value_of(operator: Any, image: Array, **learned: Array) -> Array:
    builder = GraphBuilder("n", 1)
    builder.add_layer("f", operator, [builder.add_input("x", image.shape, FP32)])
    values = {f"f.{role}": value for role, value in learned.items()}
    return evaluate(builder.build(), {"x": image, **values})["f"]


def test_a_volume_is_convolved_and_pooled() -> None:
    image = GENERATOR.standard_normal((1, 4, 5, 6, 4)).astype(np.float32)
    weight = GENERATOR.standard_normal((2, 2, 3, 1, 2, 3)).astype(np.float32)
    windows = (Window(2, 1, 2), Window(3, 2, 1, 1, 1), Window(1, 3))
    padded = np.pad(image, ((0, 0), (0, 0), (1, 1), (0, 0), (0, 0)))
    expected = np.zeros((1, 2, 3, 2, 6))
    pooled = np.zeros((1, 2, 3, 2, 4))
    for z, y, x, w, v in product(range(2), range(3), range(2), range(2), range(3)):
        seen = padded[0, z + 2 * w, 2 * y + v, 3 * x]
        pooled[0, z, y, x] += seen / 6
        for group in range(2):
            part = seen[2 * group : 2 * group + 2] @ weight[group, w, v, 0]
            expected[0, z, y, x, 3 * group : 3 * group + 3] += part
    conv = Convolution(out_channels=6, windows=windows, groups=2)
    assert value_of(conv, image, weight=weight) == pytest.approx(expected, abs=1e-4)
    pool = Pool(function="mean", windows=windows)
    assert value_of(pool, image) == pytest.approx(pooled, abs=1e-5)


@settings(max_examples=40)
@given(data=st.data(), axes=st.integers(1, 3), groups=st.integers(1, 2))
def test_a_transposed_convolution_scatters(data: st.DataObject, axes: int, groups: int) -> None:
    """Every input adds its window to the outputs, as PyTorch describes it; then padding goes."""
    sizes = [data.draw(st.integers(1, 3)) for _ in range(axes)]
    windows, more = [], []
    for size in sizes:
        kernel, stride, dilation = (data.draw(st.integers(1, 3)) for _ in range(3))
        window = Window(kernel, stride, dilation)
        more.append(data.draw(st.integers(0, max(stride, dilation) - 1)))
        room = (size - 1) * stride + window.span + more[-1] - 1
        before = data.draw(st.integers(0, min(2, room)))
        after = data.draw(st.integers(0, min(2, room - before)))
        windows.append(window._replace(pad_before=before, pad_after=after))
    kernel_shape = [window.kernel for window in windows]
    image = GENERATOR.standard_normal((1, *sizes, 2 * groups)).astype(np.float32)
    weight = GENERATOR.standard_normal((groups, *kernel_shape, 2, 3)).astype(np.float32)
    whole = [
        (size - 1) * w.stride + w.span + beyond
        for size, w, beyond in zip(sizes, windows, more, strict=True)
    ]
    scattered = np.zeros((*whole, 3 * groups))
    taps_first = weight[(slice(None), *(slice(None, None, -1) for _ in windows))]
    for place in np.ndindex(*sizes):
        for tap in np.ndindex(*kernel_shape):
            at = tuple(
                i * w.stride + k * w.dilation for i, k, w in zip(place, tap, windows, strict=True)
            )
            for g in range(groups):
                part = image[0][place][2 * g : 2 * g + 2] @ taps_first[g][tap]
                scattered[at][3 * g : 3 * g + 3] += part
    kept = tuple(
        slice(w.pad_before, size - w.pad_after) for w, size in zip(windows, whole, strict=True)
    )
    operator = TransposedConvolution(
        out_channels=3 * groups, windows=tuple(windows), output_padding=tuple(more), groups=groups
    )
    result = value_of(operator, image, weight=weight)
    assert result[0] == pytest.approx(scattered[kept], abs=1e-4)


def test_counts_are_those_of_pytorch() -> None:
    """DCGAN's second layer, ConvTranspose2d(512, 256, 4, 2, 1), on a 4x4 input.

    Input elements times taps times output channels, as torch.utils.flop_counter has it.
    """
    text = (
        "name: n\ninputs: {x: [batch, 4, 4, 512]}\nlayers:"
        " [{name: c, op: conv_transpose, out: 256, kernel: 4, stride: 2, padding: 1}]"
    )
    graph = parse_network(text, "a.yaml")
    assert graph.tensors["c"].shape == (1, 8, 8, 256)
    assert graph.total_macs == 16 * 16 * 512 * 256
    assert graph.total_parameters == 16 * 512 * 256


@pytest.mark.parametrize(
    ("options", "size", "window", "more"),
    [
        ("kernel: 3, stride: 2, padding: 1, output_padding: 1", 16, Window(3, 2, 1, 1, 1), 1),
        ("kernel: 3, stride: 2, padding: same", 16, Window(3, 2, 1, 0, 1), 0),
        ("kernel: 2, stride: 3, padding: same", 24, Window(2, 3), 1),
        ("kernel: [3], padding: [[2, 1]], dilation: 2", 9, Window(3, 1, 2, 2, 1), 0),
    ],
)
def test_transposed_windows(options: str, size: int, window: Window, more: int) -> None:
    text = (
        "name: n\ninputs: {x: [batch, 8, 4]}\n"
        f"layers: [{{name: c, op: conv_transpose, out: 2, {options}}}]"
    )
    graph = parse_network(text, "a.yaml")
    operator = graph.layers[0].operator
    assert isinstance(operator, TransposedConvolution)
    assert (operator.windows, operator.output_padding) == ((window,), (more,))
    assert graph.tensors["c"].shape == (1, size, 2)
