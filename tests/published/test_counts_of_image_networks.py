"""Counts of networks that segment, find or make images, against papers and closed forms."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import pytest

from workloads.layers import Convolution
from workloads.loaders.yaml import load_zoo
from workloads.transposed import TransposedConvolution


class Counts(NamedTuple):
    """Parameters and MACs."""

    parameters: int
    macs: int


def convolution(before: int, after: int, kernel: int, size: int, vectors: int = 1) -> Counts:
    """Return the counts of a convolution with ``size`` x ``size`` results, and so many vectors.

    A bias is one vector of parameters, a normalization two.
    """
    weights = before * after * kernel**2
    return Counts(weights + vectors * after, weights * size**2)


def total(counts: list[Counts]) -> Counts:
    """Return the sum of parameters and of MACs."""
    return Counts(*map(sum, zip(*counts, strict=True)))


def counts_of(name: str) -> Counts:
    """Return a zoo's network's counts."""
    graph = load_zoo(name)
    return Counts(graph.total_parameters, graph.total_macs)


def test_unet() -> None:
    # O. Ronneberger et al., MICCAI 2015, figure 1: sizes and channels as printed there; "in total
    # the network has 23 convolutional layers" (section 2), of which four go up.
    pairs = [
        *((1, 64, 570), (64, 128, 282), (128, 256, 138), (256, 512, 66), (512, 1024, 30)),
        *((1024, 512, 54), (512, 256, 102), (256, 128, 198), (128, 64, 390)),
    ]
    layers = [convolution(64, 2, 1, 388)]
    for before, after, size in pairs:
        layers.append(convolution(before, after, 3, size))
        layers.append(convolution(after, after, 3, size - 2))
    for before, size in ((1024, 28), (512, 52), (256, 100), (128, 196)):
        after = before // 2
        # Every element of the input meets four taps.
        layers.append(Counts(before * after * 4 + after, before * after * 4 * size**2))
    assert counts_of("unet") == total(layers) == (31_030_658, 150_428_424_448)
    operators = [layer.operator for layer in load_zoo("unet").layers]
    assert sum(isinstance(x, Convolution | TransposedConvolution) for x in operators) == 23


def cross_stage(before: int, after: int, blocks: int, size: int) -> list[Counts]:
    """Return YOLOv5's C3: models/common.py."""
    half = after // 2
    inner = [convolution(half, half, 1, size, 2), convolution(half, half, 3, size, 2)]
    outer = [2 * [convolution(before, half, 1, size, 2)], [convolution(after, after, 1, size, 2)]]
    return [*outer[0], *(blocks * inner), *outer[1]]


def test_yolov5s() -> None:
    # github.com/ultralytics/yolov5, release 6.0: README.md has 7.2M parameters and 16.5 GFLOPs
    # (thop's: 2 for each MAC, and some for normalizations); models/yolo.py prints 7,235,389.
    layers = [convolution(3, 32, 6, 320, 2)]
    stages = ((32, 64, 1, 160), (64, 128, 2, 80), (128, 256, 3, 40), (256, 512, 1, 20))
    for before, after, blocks, size in stages:
        layers += [convolution(before, after, 3, size, 2), *cross_stage(after, after, blocks, size)]
    layers += [convolution(512, 256, 1, 20, 2), convolution(1024, 512, 1, 20, 2)]
    layers += [convolution(512, 256, 1, 20, 2), *cross_stage(512, 256, 1, 40)]
    layers += [convolution(256, 128, 1, 40, 2), *cross_stage(256, 128, 1, 80)]
    layers += [convolution(128, 128, 3, 40, 2), *cross_stage(256, 256, 1, 40)]
    layers += [convolution(256, 256, 3, 20, 2), *cross_stage(512, 512, 1, 20)]
    layers += [convolution(x, 255, 1, size) for x, size in ((128, 80), (256, 40), (512, 20))]
    parameters, macs = total(layers)
    assert counts_of("yolov5s") == (parameters, macs)
    assert parameters == 7_235_389
    assert 2 * macs == pytest.approx(16.5e9, rel=0.005)
    assert load_zoo("yolov5s").tensors["boxes"].shape == (1, 3 * (80**2 + 40**2 + 20**2), 85)


def test_detectors_boxes() -> None:
    # T.-Y. Lin et al., ICCV 2017, section 4: nine boxes at every position of levels 3 to 7.
    tensors = load_zoo("retinanet_resnet50_fpn").tensors
    boxes = 9 * (100**2 + 50**2 + 25**2 + 13**2 + 7**2)
    assert tensors["all_scores"].shape == (1, boxes, 91)
    assert tensors["all_offsets"].shape == (1, boxes, 4)


def test_dcgan_generator() -> None:
    # github.com/pytorch/examples, dcgan/main.py: from 1x1 to 64x64, 4x4 taps, all but the last
    # layer normalized; 3,576,704 parameters.
    channels, sizes = (100, 512, 256, 128, 64, 3), (1, 4, 8, 16, 32)
    weights = [16 * before * after for before, after in pairwise(channels)]
    parameters = sum(weights) + 2 * sum(channels[1:-1])
    macs = sum(count * size**2 for count, size in zip(weights, sizes, strict=True))
    assert counts_of("dcgan_generator") == (parameters, macs)
    assert parameters == 3_576_704


def residual(before: int, after: int, size: int) -> list[Counts]:
    """Return DDPM's residual block: two norms and convolutions, the time's shift, a shortcut."""
    return [
        Counts(2 * before + 2 * after, 0),
        convolution(before, after, 3, size),
        convolution(after, after, 3, size),
        convolution(512, after, 1, 1),
        *([convolution(before, after, 1, size)] if before != after else []),
    ]


def attention(channels: int, size: int) -> list[Counts]:
    """Return DDPM's attention block: a norm, four projections, scores and contexts."""
    return [
        Counts(2 * channels, 2 * size**4 * channels),
        *(4 * [convolution(channels, channels, 1, size)]),
    ]


def test_ddpm_cifar10() -> None:
    # J. Ho et al., NeurIPS 2020, appendix B: 35.7M parameters. github.com/hojonathanho/diffusion,
    # models/unet.py, block by block: 128 channels times (1, 2, 2, 2), two blocks a resolution.
    layers = [convolution(128, 512, 1, 1), convolution(512, 512, 1, 1), convolution(3, 128, 3, 32)]
    resolutions, channels, skips = ((128, 32), (256, 16), (256, 8), (256, 4)), 128, [128]
    for after, size in resolutions:
        for _ in range(2):
            layers += residual(channels, after, size)
            layers += attention(after, size) if size == 16 else []
            channels = after
            skips.append(channels)
        if size > 4:
            layers.append(convolution(channels, channels, 3, size // 2))
            skips.append(channels)
    layers += [*residual(256, 256, 4), *attention(256, 4), *residual(256, 256, 4)]
    for after, size in reversed(resolutions):
        for _ in range(3):
            layers += residual(channels + skips.pop(), after, size)
            layers += attention(after, size) if size == 16 else []
            channels = after
        if size < 32:
            layers.append(convolution(channels, channels, 3, 2 * size))
    layers += [Counts(2 * 128, 0), convolution(128, 3, 3, 32)]
    parameters, macs = total(layers)
    assert skips == []
    assert counts_of("ddpm_cifar10") == (parameters, macs)
    assert parameters == 35_746_307
    # G. Fang et al., "Structural Pruning for Diffusion Models", NeurIPS 2023, table 1: 6.1 GMACs,
    # without the products of attention.
    assert macs - 5 * 2 * 16**4 * 256 - 2 * 4**4 * 256 == pytest.approx(6.1e9, rel=0.01)


def test_dit_xl_2() -> None:
    # W. Peebles and S. Xie, ICCV 2023, section 5: 675M parameters and 118.6 Gflops (one for each
    # MAC). Ours has scales and shifts of the norms besides, which DiT doesn't learn.
    hidden, tokens, layers = 1152, 256, 28
    layer = 18 * hidden**2 + (3 + 1 + 4 + 1 + 6) * hidden
    embeddings = (
        (16 + 1) * hidden  # patches of 2x2 positions of 4 channels
        + (256 + 1 + hidden + 1) * hidden  # step
        + 1001 * hidden  # classes, and none
    )
    last = (hidden + 1) * 2 * hidden + (hidden + 1) * 32
    learned = embeddings + layers * layer + last
    assert learned == pytest.approx(675e6, rel=0.0005)
    per_layer = 12 * tokens * hidden**2 + 2 * tokens**2 * hidden + 6 * hidden**2
    ends = tokens * 16 * hidden + (256 + hidden) * hidden + 2 * hidden**2 + tokens * hidden * 32
    macs = layers * per_layer + ends
    assert macs == pytest.approx(118.64e9, rel=0.0005)
    norms = (2 * layers + 1) * 2 * hidden
    assert norms == 131_328
    assert counts_of("dit_xl_2") == (learned + norms, macs)
