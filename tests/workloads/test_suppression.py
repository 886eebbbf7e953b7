"""Non-maximum suppression, against the greedy loop."""

from __future__ import annotations

import numpy as np
import pytest

from accel.spec_file import load_preset
from foundation.numerics import Array
from rooftile.validate.program import validate_program
from workloads.evaluate import evaluate
from workloads.graph import Graph
from workloads.loaders.yaml import parse_network, to_yaml

BOXES, KEPT = 12, 5


def network(options: str, dtype: str = "fp32", boxes: int = BOXES, out: int = KEPT) -> Graph:
    graph = parse_network(
        f"name: n\ndtype: {dtype}\ninputs: {{b: [2, {boxes}, 4], s: [2, {boxes}]}}\nlayers:\n"
        f"  - {{name: k, op: nms, out: {out}, inputs: [b, s], {options}}}",
        "a.yaml",
    )
    assert parse_network(to_yaml(graph), "resolved.yaml") == graph
    return graph


def greedy(boxes: Array, scores: Array, threshold: float) -> list[int]:
    """Return the boxes that are kept, as textbooks have it."""
    kept: list[int] = []
    for one in sorted(range(len(scores)), key=lambda number: -scores[number]):
        low, high = boxes[one, :2], boxes[one, 2:]
        overlaps = []
        for other in kept:
            sides = np.minimum(high, boxes[other, 2:]) - np.maximum(low, boxes[other, :2])
            inside = np.maximum(sides, 0).prod()
            union = (high - low).prod() + (boxes[other, 2:] - boxes[other, :2]).prod() - inside
            overlaps.append(inside / union)
        if all(overlap <= threshold for overlap in overlaps):
            kept.append(one)
    return kept


@pytest.mark.parametrize("threshold", [0.1, 0.5])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_it_is_the_greedy_choice(seed: int, threshold: float) -> None:
    generator = np.random.default_rng(seed)
    low = generator.uniform(0, 2, (2, BOXES, 2))
    sides = generator.uniform(1, 2, (2, BOXES, 2))
    boxes = np.concatenate([low, low + sides], axis=-1).astype(np.float32)
    scores = generator.uniform(0.1, 1, (2, BOXES)).astype(np.float32)
    values = {
        "b": boxes,
        "s": scores,
        "k.one": np.ones(1, np.float32),
        "k.threshold": np.full(1, threshold, np.float32),
    }
    by = {}
    for result in ("indices", "scores"):
        graph = network(f"threshold: {threshold}, result: {result}")
        numbers = np.arange(BOXES, dtype=np.int32)
        fixed = {
            name: numbers if name.endswith("numbers") else np.array([0, BOXES], dtype=np.int32)
            for layer in graph.layers
            for name in layer.parameters.values()
        }
        by[result] = evaluate(graph, {**values, **fixed})["k"]
    for inference in range(2):
        kept = greedy(boxes[inference], scores[inference], threshold)[:KEPT]
        padded = kept + [0] * (KEPT - len(kept))
        assert by["indices"][inference].tolist() == padded
        best = [*scores[inference][kept], *[0] * (KEPT - len(kept))]
        assert by["scores"][inference] == pytest.approx(best)


@pytest.mark.parametrize("dtype", ["int8"])
def test_its_programs_are_proved(dtype: str) -> None:
    graph = network("threshold: 0.25", dtype, boxes=6, out=2)
    validation = validate_program(graph, load_preset("edge_32x32"), seed=0)
    assert validation.passed, validation.text
