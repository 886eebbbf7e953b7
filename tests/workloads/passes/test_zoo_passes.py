"""The zoo through all passes: as it is, made smaller, and with its normalizations taken apart."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import workloads
from rooftile.validate.program import difference, tolerance
from tests.workloads.passes.equality import assert_same, assert_sound, evaluated
from workloads.evaluate import evaluate
from workloads.layers import Convolution, Normalize
from workloads.loaders.yaml import load_zoo, parse_network, zoo_names
from workloads.passes.pipeline import PASSES, rewrite
from workloads.random_values import random_tensors

ZOO = {
    name: (Path(workloads.__file__).parent / "zoo" / f"{name}.yaml").read_text()
    for name in zoo_names()
}
#: How often Q, K and V of an encoder or decoder are merged: once in each of them, and where
#: decoders read what an encoder gives, their K and V (in Whisper, whose K has no bias, apart).
MERGES = {
    "bert_base": 12, "bert_large": 24, "deit_small": 12, "gpt2": 12, "opt_125m": 12,
    "roberta_base": 12, "swin_t": 12, "t5_small": 13, "transformer_base": 13,
    "transformer_big": 13, "vit_b16": 12, "vit_l16": 24,
    "whisper_tiny": 10, "gpt3_175b_decode": 96, "gpt3_175b_prefill": 96,
    "llama2_7b_decode": 32, "llama2_7b_prefill": 32, "llama3_8b_decode": 32,
    "llama3_8b_prefill": 32, "mistral_7b_decode": 32, "mistral_7b_prefill": 32,
}  # fmt: skip
#: In a detector: views of each step of a suppression, of gathers and of levels, and two products;
#: of both levels that are sorted in parts, the best of each part (four layers), which give values
#: and places, and four views of views.
DETECTOR = {
    "share_equal_layers": 117 + 2 * 4,
    "simplify": 7 + 2 * 4,
    "remove_transposes": 1,
    "merge_products": 1,
}
#: Rewrites of other kinds, by default and with all passes, by pass. What all blocks of a diffusion
#: network make of its step's number is one product; in DiT, whose blocks' parts are slices of it,
#: slices of slices become slices. The first step of a recurrent layer, whose state is zeros, needs
#: no forget gate (multiply, add, its slice and sigmoid) and no product with the state.
REWRITTEN = {
    "ddpm_cifar10": ({"merge_products": 1}, {"merge_products": 1, "merge_all_products": 6}),
    "dit_xl_2": ({}, {"merge_all_products": 28 + 1, "simplify": 28 * 6 + 2}),
    "faster_rcnn_resnet50_fpn": (DETECTOR, DETECTOR),
    "deepspeech2": (
        {"simplify": 10 * 4, "fold_constants": 10},
        {"simplify": 10 * 4, "fold_constants": 10, "merge_all_products": 5},
    ),
}
#: Networks that can't be made small, because they name the sizes of images or divide channels.
FIXED = ("efficientnet_b0", "regnet_y_400mf", "shufflenet_v2_x1_0", "swin_t")
#: Networks that are still large then; no pass changes them.
LARGE = (
    *("deeplabv3_resnet50", "densenet121", "googlenet", "inception_v3", "r3d_18"),
    *("retinanet_resnet50_fpn", "ssd300_vgg16", "unet", "yolov5s", "yolov3"),
    *("faster_rcnn_resnet50_fpn", "fcn_resnet50"),
)
#: Networks in which every convolution has a batch normalization.
NORMALIZED = ("mobilenet_v2", "resnet18", "resnet50")


def smaller(text: str) -> str:
    """Return a network of the zoo with every block, but small enough to be computed at once."""
    text = text.replace("tokens: 196", "tokens: (4)")
    text = re.sub(r"(sequence|context|tokens|target): \d+", r"\1: 5", text)
    text = re.sub(r"frames: \d+, source: \d+", "frames: 8, source: 4", text)
    text = re.sub(r"source: \d+", "source: 4", text)
    text = text.replace("frames: 50", "frames: 8")
    text = re.sub(r"hidden: \d+", "hidden: 8", text)
    text = re.sub(r"([{ ])heads: \d+", r"\1heads: 2", text)
    text = re.sub(r"kv_heads: \d+, head_size: \d+", "kv_heads: 1, head_size: 4", text)
    text = re.sub(r"head_size: \d+, units: \d+", "head_size: 4, units: 6", text)
    text = re.sub(r"entries: \d{2,}", "entries: 9", text)
    text = re.sub(r"repeat: \d+", "repeat: 2", text)
    text = text.replace("224, 224", "64, 64")
    text = text.replace("side: 32", "side: 16")
    text = re.sub(r"\d \* \d \* \d+", "-1", text)
    text = re.sub(r"kernel: 16, stride: 16", "kernel: 32, stride: 32", text)
    return re.sub(
        r"(out|width|channels|groups): (\d+)(?=[,}])",
        lambda m: f"{m[1]}: {-(-int(m[2]) // 16)}",
        text,
    )


def taken_apart(text: str) -> str:
    """Return a network whose folded batch normalizations and their activations are layers."""

    def apart(found: re.Match[str]) -> str:
        indent, name, before, after = found.groups()
        activation = re.search(r"activation: (\w+)", after)
        norm = f"{name}_norm" if activation else name
        lines = [f"{{name: {name}_product{before}}}", f"{{name: {norm}, op: batch_norm}}"]
        if activation:
            lines.append(f"{{name: {name}, op: {activation[1]}}}")
        return "\n".join(f"{indent}- {line}" for line in lines)

    return re.sub(r"( +)- \{name: ([\w.]+)(.*), batch_norm: true(.*)\}", apart, text)


@pytest.mark.parametrize("name", sorted({*zoo_names()} - {*REWRITTEN}))
def test_the_zoo_has_nothing_to_rewrite(name: str) -> None:
    graph = load_zoo(name)
    result = rewrite(graph)
    assert result.rewrites == ()
    assert result.graph is graph


@pytest.mark.parametrize("name", REWRITTEN)
def test_what_there_is_to_rewrite(name: str) -> None:
    graph = parse_network(ZOO[name].replace("frames: 50", "frames: 10"), f"{name}.yaml")
    for passes, expected in zip(((), tuple(PASSES)), REWRITTEN[name], strict=True):
        result = rewrite(graph, passes) if passes else rewrite(graph)
        assert Counter(rewrite.by for rewrite in result.rewrites) == expected
        # Of a product with a state of zeros, its bias for all four gates is left.
        folded = expected.get("fold_constants", 0)
        assert graph.total_macs - result.graph.total_macs == folded * 4 * 1024 * 1024
        assert result.graph.total_parameters - graph.total_parameters == folded * 4 * 1024


@pytest.mark.parametrize("name", sorted({*zoo_names()} - {*REWRITTEN}))
def test_every_query_key_and_value_can_be_merged(name: str) -> None:
    graph = load_zoo(name)
    result = rewrite(graph, tuple(PASSES))
    assert len(result.rewrites) == MERGES.get(name, 0)
    assert all("query" in x.before or "cross." in x.before for x in result.rewrites)
    assert result.graph.total_macs == graph.total_macs
    assert result.graph.total_parameters == graph.total_parameters
    assert len(result.graph.layers) == len(graph.layers) + MERGES.get(name, 0)


@pytest.mark.parametrize("name", sorted({*zoo_names()} - {*FIXED, *LARGE}))
def test_small_versions_of_the_zoo_compute_the_same(name: str) -> None:
    graph = parse_network(smaller(ZOO[name]), f"{name}.yaml")
    assert graph.total_macs < 2e7
    result = rewrite(graph, tuple(PASSES))
    assert bool(result.rewrites) == (name in MERGES or name in REWRITTEN)
    assert_same(graph, result, exactly=True)
    assert_sound(graph, result)


@pytest.mark.parametrize("name", NORMALIZED)
def test_batch_normalizations_taken_apart_are_folded_to_the_published_counts(name: str) -> None:
    graph = parse_network(taken_apart(ZOO[name]), f"{name}.yaml", dtype="bf16")
    published = load_zoo(name, dtype="bf16")
    result = rewrite(graph)
    convolutions = [x for x in published.layers if isinstance(x.operator, Convolution)]
    assert len(result.rewrites) == len(convolutions)
    assert {rewrite.by for rewrite in result.rewrites} == {"fold_batch_norm"}
    assert not any(isinstance(layer.operator, Normalize) for layer in result.graph.layers)
    assert result.graph.total_macs == published.total_macs == graph.total_macs
    assert result.graph.total_parameters == published.total_parameters == graph.total_parameters
    assert rewrite(parse_network(taken_apart(ZOO[name]), f"{name}.yaml")).rewrites == ()


@pytest.mark.parametrize("name", NORMALIZED)
def test_folded_networks_compute_the_same(name: str) -> None:
    graph = parse_network(smaller(taken_apart(ZOO[name])), f"{name}.yaml", dtype="fp32")
    result = rewrite(graph)
    given = random_tensors(graph, seed=0)
    for tensor, value in given.items():
        if tensor.endswith(".weight"):  # else fifty layers would take the values out of range
            given[tensor] = value / np.sqrt(np.float32(value[..., 0].size))
    old, new = evaluate(graph, given), evaluated(result, given)
    for output in graph.outputs:
        limit = tolerance(graph.tensors[output].dtype)
        assert 0 < difference(new[output], old[output]) <= limit
        assert np.isfinite(old[output]).all()
