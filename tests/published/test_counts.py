"""Parameters and MACs of the zoo against published numbers and closed forms."""

from __future__ import annotations

from itertools import pairwise

import pytest

from workloads.graph import Graph
from workloads.layers import Convolution, Linear, MatMul
from workloads.loaders.yaml import load_zoo, zoo_names

#: Parameters of torchvision's auxiliary classifier of Inception v3, which inference doesn't use:
#: two normalized convolutions (768 to 128 channels, 1x1, and 128 to 768, 5x5) and a linear layer.
INCEPTION_V3_AUXILIARY = (768 * 128 + 2 * 128) + (128 * 768 * 5 * 5 + 2 * 768) + (768 * 1000 + 1000)

#: The same of DeepLabV3's: a normalized 3x3 convolution, 1024 to 256 channels, and the scores of 21
#: classes, at 65x65 positions.
DEEPLABV3_AUXILIARY = (9 * 1024 * 256 + 2 * 256) + (256 * 21 + 21)
DEEPLABV3_AUXILIARY_MACS = 65 * 65 * (9 * 1024 * 256 + 256 * 21)

#: Widths of Darknet-53's residual blocks, and how many: arXiv:1804.02767, table 1.
DARKNET53 = ((32, 1), (64, 2), (128, 8), (256, 8), (512, 4))

#: Channels of ResNet-50's normalizations. RetinaNet's are frozen, so that torchvision doesn't count
#: their two parameters a channel.
RESNET50_CHANNELS = 64 + sum(
    width * (blocks * (1 + 1 + 4) + 4) for width, blocks in ((64, 3), (128, 4), (256, 6), (512, 3))
)

#: torchvision 0.15, torchvision/models/*.py, detection/*.py and video/*.py, each network's weights:
#: ``num_params`` and ``_ops`` (1e9 multiply-accumulates of one image, to three decimals), then the
#: exact MACs.
TORCHVISION = {
    "alexnet": (61_100_840, 0.714, 714_188_480),
    "vgg11": (132_863_336, 7.609, 7_609_090_048),
    "vgg16": (138_357_544, 15.47, 15_470_264_320),
    "vgg19": (143_667_240, 19.632, 19_632_062_464),
    "squeezenet1_1": (1_235_496, 0.349, 349_151_936),
    "googlenet": (6_624_904, 1.498, 1_498_376_192),
    "inception_v3": (27_161_264 - INCEPTION_V3_AUXILIARY, 5.713, 5_713_216_096),
    "resnet18": (11_689_512, 1.814, 1_814_073_344),
    "resnet34": (21_797_672, 3.664, 3_663_761_408),
    "resnet50": (25_557_032, 4.089, 4_089_184_256),
    "resnet101": (44_549_160, 7.801, 7_801_405_440),
    "resnet152": (60_192_808, 11.514, 11_513_626_624),
    "resnext50_32x4d": (25_028_904, 4.23, 4_230_479_872),
    "wide_resnet50_2": (68_883_240, 11.398, 11_398_021_120),
    "densenet121": (7_978_856, 2.834, 2_834_161_664),
    "mobilenet_v2": (3_504_872, 0.301, 300_774_272),
    "mobilenet_v3_large": (5_483_032, 0.217, 216_589_760),
    "mnasnet1_0": (4_383_312, 0.314, 314_415_872),
    "shufflenet_v2_x1_0": (2_278_604, 0.145, 144_907_992),
    "efficientnet_b0": (5_288_548, 0.386, 385_814_752),
    "regnet_y_400mf": (4_344_144, 0.402, 401_842_848),
    "convnext_tiny": (28_589_128, 4.456, 4_455_531_264),
    "vit_b16": (86_567_656, 17.564, 17_563_828_224),
    "vit_l16": (304_326_632, 61.555, 61_554_712_576),
    "swin_t": (28_288_354, 4.491, 4_490_566_656),
    "ssd300_vgg16": (35_641_826, 34.858, 34_858_153_472),
    "r3d_18": (33_371_472, 40.697, 40_696_553_472),
    "retinanet_resnet50_fpn": (34_014_999 + 2 * RESNET50_CHANNELS, 151.54, 151_540_437_248),
}


@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvision_counts(name: str) -> None:
    parameters, giga_macs, macs = TORCHVISION[name]
    graph = load_zoo(name)
    assert graph.total_parameters == parameters
    assert graph.total_macs == macs
    assert round(macs / 1e9, 3) == giga_macs


def test_deeplabv3_without_its_auxiliary_classifier() -> None:
    # torchvision 0.15, models/segmentation/deeplabv3.py, deeplabv3_resnet50.
    graph = load_zoo("deeplabv3_resnet50")
    assert graph.total_parameters == 42_004_074 - DEEPLABV3_AUXILIARY
    assert round((graph.total_macs + DEEPLABV3_AUXILIARY_MACS) / 1e9, 3) == 178.722


def test_fcn_without_its_auxiliary_classifier() -> None:
    # torchvision 0.15, models/segmentation/fcn.py, fcn_resnet50; the same classifier.
    graph = load_zoo("fcn_resnet50")
    assert graph.total_parameters == 35_322_218 - DEEPLABV3_AUXILIARY
    assert round((graph.total_macs + DEEPLABV3_AUXILIARY_MACS) / 1e9, 3) == 152.717


def test_faster_rcnn_with_fewer_proposals() -> None:
    # torchvision 0.15, models/detection/faster_rcnn.py, fasterrcnn_resnet50_fpn: it counts 1000
    # proposals, not 300, and no frozen normalization.
    graph = load_zoo("faster_rcnn_resnet50_fpn")
    assert graph.total_parameters == 41_755_286 + 2 * RESNET50_CHANNELS
    per_proposal = 7 * 7 * 256 * 1024 + 1024 * 1024 + 1024 * 91 + 1024 * 4 * 91
    assert round((graph.total_macs + 700 * per_proposal) / 1e9, 2) == 134.38
    assert graph.tensors["regions"].shape == (1, 300, 7, 7, 256)


def test_yolov3() -> None:
    # github.com/pjreddie/darknet, cfg/yolov3.cfg at 416x416: 65.86 billion operations, 2 for each
    # MAC (pjreddie.com/darknet/yolo, YOLOv3-416); 61.9 million parameters.
    graph = load_zoo("yolov3")
    darknet = sum(g for g in (32 * 27, *(9 * w * 2 * w for w in (32, 64, 128, 256, 512))))
    darknet += sum(n * (2 * w * w + 9 * w * 2 * w) for w, n in DARKNET53)
    necks = [(1024, 512), (256 + 512, 256), (128 + 256, 128)]
    heads = sum(c * w + 2 * 2 * w * w + 3 * 18 * w * w + 2 * w * 255 for c, w in necks)
    between = 512 * 256 + 256 * 128
    normalized = 32 + sum(2 * w + 3 * w * n for w, n in DARKNET53)
    normalized += sum(3 * w + 3 * 2 * w for _, w in necks) + 256 + 128
    assert graph.total_parameters == darknet + heads + between + 2 * normalized + 3 * 255
    assert round(2 * graph.total_macs / 1e9, 2) == 65.86
    assert graph.tensors["boxes"].shape == (1, 3 * (13**2 + 26**2 + 52**2), 85)


def _macs_of(graph: Graph, *operators: type) -> int:
    return sum(graph.macs(layer) for layer in graph.layers if isinstance(layer.operator, operators))


def test_alexnet_macs_layer_by_layer() -> None:
    # Positions * output channels * window * input channels, from A. Krizhevsky, arXiv:1404.5997.
    convolutions = (
        55 * 55 * 64 * 11 * 11 * 3
        + 27 * 27 * 192 * 5 * 5 * 64
        + 13 * 13 * 9 * (192 * 384 + 384 * 256 + 256 * 256)
    )
    graph = load_zoo("alexnet")
    assert _macs_of(graph, Convolution) == convolutions
    assert _macs_of(graph, Linear) == 9216 * 4096 + 4096 * 4096 + 4096 * 1000


def test_vgg16_macs_stage_by_stage() -> None:
    # K. Simonyan and A. Zisserman, ICLR 2015, table 1, configuration D: 3x3 everywhere.
    stages = [
        (224, (3, 64, 64)),
        (112, (64, 128, 128)),
        (56, (128, 256, 256, 256)),
        (28, (256, 512, 512, 512)),
        (14, (512, 512, 512, 512)),
    ]
    convolutions = sum(
        size * size * 9 * before * after
        for size, channels in stages
        for before, after in pairwise(channels)
    )
    graph = load_zoo("vgg16")
    assert _macs_of(graph, Convolution) == convolutions
    assert _macs_of(graph, Linear) == 25088 * 4096 + 4096 * 4096 + 4096 * 1000


def test_resnet50_macs_stage_by_stage() -> None:
    # K. He et al., CVPR 2016, table 1, with the stride in the 3x3 (torchvision's version 1.5).
    macs = 112 * 112 * 64 * 49 * 3
    channels = 64
    for width, size, blocks, stride in (
        (64, 56, 3, 1),
        (128, 28, 4, 2),
        (256, 14, 6, 2),
        (512, 7, 3, 2),
    ):
        for block in range(blocks):
            before = size * stride if block == 0 else size
            macs += before**2 * channels * width + size**2 * (9 * width**2 + 4 * width**2)
            macs += size**2 * channels * 4 * width if block == 0 else 0
            channels = 4 * width
    assert load_zoo("resnet50").total_macs == macs + 2048 * 1000


def test_mobilenet_v2_macs_block_by_block() -> None:
    # M. Sandler et al., CVPR 2018, table 2: expansion, channels, repeats, stride.
    macs, channels, size = 112 * 112 * 32 * 27, 32, 112
    for expansion, out, repeats, first_stride in (
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    ):
        for repeat in range(repeats):
            hidden = expansion * channels
            macs += size**2 * channels * hidden if expansion > 1 else 0
            size //= first_stride if repeat == 0 else 1
            macs += size**2 * (9 * hidden + hidden * out)
            channels = out
    assert load_zoo("mobilenet_v2").total_macs == macs + 49 * 320 * 1280 + 1280 * 1000


@pytest.mark.parametrize(
    ("name", "layers", "hidden", "parameters"),
    [("bert_base", 12, 768, 109_482_240), ("bert_large", 24, 1024, 335_141_888)],
)
def test_bert_counts(name: str, layers: int, hidden: int, parameters: int) -> None:
    # J. Devlin et al., NAACL 2019, section 3: 110M and 340M parameters. Tensor by tensor in
    # github.com/google-research/bert/issues/656: tables of 30522 + 512 + 2 rows and a norm; per
    # layer 4 projections, 2 feed-forward matrices and 2 norms; the pooler.
    closed_form = (
        (30522 + 512 + 2) * hidden
        + 2 * hidden
        + layers * (4 * (hidden**2 + hidden) + 8 * hidden**2 + 5 * hidden + 4 * hidden)
        + hidden**2
        + hidden
    )
    graph = load_zoo(name)
    assert graph.total_parameters == closed_form == parameters
    sequence = 384
    per_layer = 12 * sequence * hidden**2 + 2 * sequence**2 * hidden
    assert graph.total_macs == layers * per_layer + hidden**2


def test_vit_b16_closed_form() -> None:
    # A. Dosovitskiy et al., ICLR 2021, section 3.1 and table 1.
    graph, tokens, hidden = load_zoo("vit_b16"), 197, 768
    patches = 196 * hidden * 16 * 16 * 3
    per_layer = 12 * tokens * hidden**2 + 2 * tokens**2 * hidden
    assert graph.total_macs == patches + 12 * per_layer + hidden * 1000
    assert _macs_of(graph, MatMul) == 12 * 2 * tokens**2 * hidden


def _gpt_parameters(layers: int, hidden: int, positions: int) -> int:
    """Tables, per layer 12 d^2 weights and 9 d biases and 4 d of two norms, the final norm."""
    return (50257 + positions) * hidden + layers * (12 * hidden**2 + 13 * hidden) + 2 * hidden


def test_gpt2_counts() -> None:
    # A. Radford et al. 2019, table 2; 124M parameters in github.com/openai/gpt-2 (model 124M).
    graph, sequence, hidden = load_zoo("gpt2"), 1024, 768
    assert graph.total_parameters == _gpt_parameters(12, hidden, 1024) == 124_439_808
    per_layer = 12 * sequence * hidden**2 + 2 * sequence**2 * hidden
    assert graph.total_macs == 12 * per_layer + sequence * hidden * 50257


def test_gpt3_prefill_counts() -> None:
    # T. Brown et al., NeurIPS 2020, table 2.1: 175.0B parameters, 96 layers, hidden size 12288.
    graph, sequence, hidden = load_zoo("gpt3_175b_prefill"), 2048, 12288
    parameters = _gpt_parameters(96, hidden, 2048)
    assert graph.total_parameters == parameters == 174_604_259_328
    assert parameters == pytest.approx(175.0e9, rel=0.005)
    per_layer = 12 * sequence * hidden**2 + 2 * sequence**2 * hidden
    assert graph.total_macs == 96 * per_layer + hidden * 50257


def test_gpt3_decode_counts() -> None:
    graph, context, hidden = load_zoo("gpt3_175b_decode"), 2048, 12288
    assert graph.total_parameters == _gpt_parameters(96, hidden, 2048)
    per_layer = 12 * hidden**2 + 2 * context * hidden
    assert graph.total_macs == 96 * per_layer + hidden * 50257
    # Every layer leaves its new key and value, and the head its logits.
    assert len(graph.outputs) == 2 * 96 + 1
    cache_elements = sum(
        tensor.size_elements for name, tensor in graph.tensors.items() if name.endswith("_cache")
    )
    assert cache_elements == 2 * 96 * context * hidden


@pytest.mark.parametrize("name", zoo_names())
def test_macs_grow_with_the_batch_and_parameters_do_not(name: str) -> None:
    one, three = load_zoo(name), load_zoo(name, batch=3)
    assert three.total_macs == 3 * one.total_macs
    assert three.total_parameters == one.total_parameters
