"""Whether a rewritten network computes what the original did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from foundation.numerics import Array
from rooftile.validate.program import difference, tolerance
from workloads.evaluate import evaluate
from workloads.graph import Graph
from workloads.loaders.yaml import parse_network, to_yaml
from workloads.passes.drop_dead import drop_dead
from workloads.passes.rewritten import Rewritten
from workloads.random_values import random_tensors


def is_finite(graph: Graph, seed: int) -> bool:
    """Whether a network meets no infinity and no NaN, which passes take for granted."""
    with np.errstate(all="ignore"):
        values = evaluate(graph, random_tensors(graph, seed=seed))
    return all(np.isfinite(value.astype(np.float64)).all() for value in values.values())


def assert_same(graph: Graph, result: Rewritten, *, exactly: bool, seed: int = 0) -> None:
    """Assert that outputs stay, and that whatever keeps its name keeps its value."""
    story = "\n".join(map(str, result.rewrites))
    given = random_tensors(graph, seed=seed)
    old = {**given, **evaluate(graph, given)}
    taken = result.tensors(given)
    new = {**taken, **evaluate(result.graph, taken)}
    assert set(result.outputs) <= new.keys(), story
    for name, tensor in result.graph.tensors.items():
        assert new[name].dtype == tensor.dtype.numpy, (name, story)
        assert new[name].shape == tensor.shape, (name, story)
        if name in old:
            limit = 0.0 if exactly else tolerance(tensor.dtype)
            assert difference(new[name], old[name]) <= limit, (name, story)


def assert_sound(graph: Graph, result: Rewritten) -> None:
    """Assert what holds for every rewritten network, whatever it computes."""
    assert result.outputs == graph.outputs == result.graph.outputs
    assert result.graph.total_macs <= graph.total_macs
    assert bool(result.rewrites) == (result.graph != graph)
    assert_can_be_written(result)


def assert_can_be_written(result: Rewritten) -> None:
    """Assert that a file holds the whole network, in the order that gives equal addresses."""
    result = result.then(drop_dead(result.graph))  # a file has no parameter that nothing reads
    again, graph = parse_network(to_yaml(result.graph), "resolved.yaml"), _named(result.graph)
    assert again == graph
    if result.rewrites:
        assert list(again.tensors) == list(graph.tensors)


def _named(graph: Graph) -> Graph:
    """Return a graph whose parameters are called after the first layer that has them, as in a file.

    They are already, but where a pass has removed the first of several layers that share them.
    """
    names: dict[str, str] = {}
    for layer in graph.layers:
        for role, tensor in layer.parameters.items():
            names.setdefault(tensor, f"{layer.name}.{role}")
    tensors = [replace(t, name=names.get(t.name, t.name)) for t in graph.tensors.values()]
    layers = [
        replace(layer, parameters={role: names[t] for role, t in layer.parameters.items()})
        for layer in graph.layers
    ]
    return replace(graph, tensors={t.name: t for t in tensors}, layers=tuple(layers))


def evaluated(result: Rewritten, given: Mapping[str, Array]) -> dict[str, Array]:
    """Return the values of the new network's layers from the old network's data."""
    return evaluate(result.graph, result.tensors(given))
