"""What an imported network computes, in the terms of the file that it comes from."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from foundation.numerics import Array
from workloads.evaluate import evaluate
from workloads.graph import Tensor
from workloads.loaders.imported.importer import Imported
from workloads.random_values import filled, fixed_tensors


def outputs_of(imported: Imported, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Return the foreign outputs on foreign inputs and weights, by name."""
    graph = imported.graph
    values: dict[str, Array] = fixed_tensors(graph)
    for name, (foreign, lie) in imported.inputs.items():
        tensor = graph.tensors[name]
        array = np.asarray(arrays[foreign]).transpose(lie)
        values[name] = array.reshape(tensor.shape).astype(tensor.dtype.numpy)
    for name, recipe in imported.recipes.items():
        values[name] = recipe(arrays).reshape(graph.tensors[name].shape)
    for tensor in graph.tensors.values():
        if tensor.constant is not None:
            values[tensor.name] = filled(tensor, tensor.constant)
    values.update(evaluate(graph, values))
    results = {}
    for name, value in imported.outputs.items():
        assert isinstance(value.source, Tensor)
        results[name] = values[value.source.name].reshape(value.view).transpose(value.order)
        assert results[name].shape == value.shape
    return results
