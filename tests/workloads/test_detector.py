"""A small Faster R-CNN: its proposals and their samples, against loops."""

from __future__ import annotations

import re

import numpy as np

from foundation.numerics import Array
from tests.workloads.test_sampling import computed, pooled
from tests.workloads.test_suppression import greedy
from workloads.graph import Graph
from workloads.loaders.yaml import parse_network, zoo_path

SIDE, BEST, KEPT = 128, 12, 4


def small_detector(dtype: str) -> Graph:
    """Return the zoo's network with an image of 128x128, eight channels and few boxes."""
    text = zoo_path("faster_rcnn_resnet50_fpn").read_text()
    text = text.replace("800, 800", f"{SIDE}, {SIDE}").replace("constant: 800", f"constant: {SIDE}")
    text = text.replace("best: 500, kept: 60", f"best: {BEST}, kept: {KEPT}")
    for level, before in enumerate((200, 100, 50, 25, 13), start=2):
        now = SIDE >> level
        text = text.replace(f"3 * {before} * {before}", f"3 * {now} * {now}")
    text = re.sub(r"(out|width): (64|128|256|512|1024)\b", r"\1: 8", text)
    return parse_network(text.replace("7 * 7 * 256", "7 * 7 * 8"), "small.yaml", dtype=dtype)


def boxes_of(anchors: Array, offsets: Array) -> Array:
    """Return anchors moved and scaled: S. Ren et al., NeurIPS 2015, eq. 2."""
    centres = anchors[:, :2] + offsets[:, :2] * anchors[:, 2:]
    sizes = anchors[:, 2:] * np.exp(np.minimum(offsets[:, 2:], np.log(1000 / 16)))
    corners = np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=1)
    return corners.clip(0, SIDE)


def test_proposals_are_the_best_of_each_level_and_sampled() -> None:
    graph, generator = small_detector("fp32"), np.random.default_rng(0)
    sizes = {name: t.shape for name, t in graph.tensors.items() if name.endswith("anchors")}
    anchors = {name: generator.uniform(8, 90, shape).astype("f") for name, shape in sizes.items()}
    weights = {
        name: generator.standard_normal(t.shape).astype("f") / np.sqrt(np.prod(t.shape[:-1]))
        for name, t in graph.tensors.items()
        if name.endswith(".weight")
    }
    weights["proposals2.offsets.weight"] /= 16  # anchors move by parts of themselves
    biases = {
        name: np.zeros(t.shape, "f") for name, t in graph.tensors.items() if name.endswith("bias")
    }
    image = {"image": generator.standard_normal((1, SIDE, SIDE, 3)).astype("f")}
    values = computed(graph, {**weights, **biases, **anchors, **image})
    expected = []
    for level in range(2, 7):
        name = f"proposals{level}"
        scores = values[f"{name}.objects"].reshape(-1)
        best = np.argsort(-scores, kind="stable")[:BEST]
        offsets = values[f"{name}.offsets"].reshape(-1, 4)[best]
        boxes = boxes_of(values[f"{name}.best.anchors"][best], offsets)
        kept = greedy(boxes, scores[best], 0.7)[:KEPT]
        expected.append(boxes[kept + [0] * (KEPT - len(kept))])
    proposals = np.concatenate(expected)
    np.testing.assert_allclose(values["proposals"][0], proposals, atol=1e-3)
    for number, box in enumerate(values["proposals"][0]):
        size = np.sqrt((box[2:] - box[:2]).prod())
        level = int(np.clip(np.floor(4 + np.log2(max(size, 1e-9) / 224) + 1e-6), 2, 5))
        samples = pooled(values[f"level{level}"][0], box, 0.5**level, 7, 2, aligned=False)
        np.testing.assert_allclose(values["regions"][0, number], samples, atol=1e-3)
