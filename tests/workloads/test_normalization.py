"""Normalization over groups and softmax along any axis, against plain loops."""

from __future__ import annotations

import numpy as np
import pytest

from foundation.dtype import DTYPES
from foundation.errors import WorkloadError
from workloads.build import GraphBuilder
from workloads.evaluate import evaluate
from workloads.layers import Normalize
from workloads.loaders.yaml import parse_network, to_yaml
from workloads.random_values import random_tensors


@pytest.mark.parametrize(("layer", "groups"), [("group_norm, groups: 3", 3), ("instance_norm", 6)])
@pytest.mark.parametrize("shape", [(2, 4, 6), (2, 3, 2, 6), (1, 2, 2, 3, 6), (3, 6)])
def test_each_group_has_mean_0_and_deviation_1(
    layer: str, groups: int, shape: tuple[int, ...]
) -> None:
    graph = parse_network(
        f"name: n\ndtype: fp32\ninputs: {{x: {list(shape)}}}\nlayers: [{{name: g, op: {layer}}}]",
        "a.yaml",
    )
    assert graph.total_parameters == 2 * 6
    assert parse_network(to_yaml(graph), "resolved.yaml") == graph
    values = random_tensors(graph, seed=0)
    result = evaluate(graph, values)["g"]
    for inference in range(shape[0]):
        for group in range(groups):
            channels = slice(group * 6 // groups, (group + 1) * 6 // groups)
            row = values["x"][inference][..., channels]
            normal = (row - row.mean()) / np.sqrt(row.var() + 1e-5)
            expected = normal * values["g.gamma"][channels] + values["g.beta"][channels]
            assert result[inference][..., channels] == pytest.approx(expected, abs=1e-5)


def test_a_softmax_goes_along_its_axis() -> None:
    graph = parse_network(
        "name: n\ndtype: fp32\ninputs: {x: [2, 5, 3]}\nlayers: [{name: s, op: softmax, axis: 1}]",
        "a.yaml",
    )
    assert parse_network(to_yaml(graph), "resolved.yaml") == graph
    values = random_tensors(graph, seed=0)
    exponentials = np.exp(values["x"].astype(np.float64))
    expected = exponentials / exponentials.sum(axis=1, keepdims=True)
    assert evaluate(graph, values)["s"] == pytest.approx(expected, abs=1e-6)


def test_only_a_softmax_has_another_axis() -> None:
    builder = GraphBuilder("n", 1)
    image = builder.add_input("x", (2, 3, 4), DTYPES["int8"])
    with pytest.raises(WorkloadError) as caught:
        builder.add_layer("f", Normalize(function="layer_norm", axis=1), [image])
    assert str(caught.value) == (
        "layer 'f': layer_norm goes along the last axis but has axis 1; move it with a transpose"
    )
