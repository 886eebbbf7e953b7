"""Values for a graph's inputs and parameters: drawn, or fixed by operators."""

from __future__ import annotations

import numpy as np

from foundation import numerics, segments
from foundation.functions import INDEXING
from foundation.numerics import Array
from workloads.evaluate_products import is_weight
from workloads.graph import Fixes, Graph, Layer, Tensor, TensorKind
from workloads.indexing import Gather, OneHot, RowNumbers
from workloads.layers import Embedding, Reduce
from workloads.sampling import LookupTable
from workloads.selection import Sort


def random_tensors(graph: Graph, *, seed: int) -> dict[str, Array]:
    """Return values for every input and parameter of a graph.

    Parameters
    ----------
    graph
        The network.
    seed
        Equal seeds give equal values.

    Returns
    -------
    dict
        Tensor name to array: int8 over its full range, biases of a size that shows in the result,
        indices below their table's entries, floating point with deviation 1; weights that obey
        their pattern, times their scales; constants, and what an operator fixes, as they are.
    """
    generator = np.random.default_rng(seed)
    entries = _table_entries(graph)
    drawn = {
        tensor.name: _random(generator, tensor, entries.get(tensor.name))
        if tensor.constant is None
        else filled(tensor, tensor.constant)
        for tensor in graph.tensors.values()
        if tensor.kind is not TensorKind.ACTIVATION
    }
    return {**drawn, **fixed_tensors(graph), **_in_range(graph, drawn)}


def fixed_tensors(graph: Graph) -> dict[str, Array]:
    """Return the values of parameters that follow from their layer's operator."""
    found = {}
    for layer in graph.layers:
        if isinstance(layer.operator, Fixes):
            tensors = graph.parameter_tensors(layer)
            for role, real in layer.operator.fixed(tensors).items():
                tensor = tensors[role]
                values = np.array(real, dtype=np.float64).reshape(tensor.shape)
                found[tensor.name] = numerics.stored(values, tensor.dtype)
    return found


def _in_range(graph: Graph, drawn: dict[str, Array]) -> dict[str, Array]:
    """Return floating-point scales that bring scaled weights into the range of activations."""
    found = {}
    for layer in graph.layers:
        scale = layer.parameters.get("scale")
        if scale is not None and not graph.tensors[scale].dtype.is_integer:
            weight = next(name for role, name in layer.parameters.items() if is_weight(role))
            largest = segments.largest_value(graph.tensors[weight].dtype)
            found[scale] = drawn[scale] / np.float32(largest)
    return found


def filled(tensor: Tensor, constant: float) -> Array:
    """Return the value of a tensor whose elements are all one real number."""
    return np.full(tensor.shape, numerics.stored(constant, tensor.dtype))


def _table_entries(graph: Graph) -> dict[str, int]:
    """Return, for each tensor that indexes tables, the entries of the smallest of them."""
    entries: dict[str, int] = {}
    for layer in reversed(graph.layers):
        names, passed = layer.inputs, entries.get(layer.name)
        if isinstance(layer.operator, Gather):  # what moves indices passes their limit on
            names, moved = names[1:], names[0]
            if passed is not None:
                entries[moved] = min(passed, entries.get(moved, passed))
        if isinstance(layer.operator, Sort | Reduce) and layer.operator.function in INDEXING:
            passed = None  # where something stands says nothing of what it is
        limit = _entries_of(graph, layer) or passed
        if limit is not None:
            entries.update({name: min(limit, entries.get(name, limit)) for name in names})
    return entries


def _entries_of(graph: Graph, layer: Layer) -> int | None:
    """Return the entries of the table that a layer's indices choose from, if it has any."""
    match layer.operator:
        case Embedding(entries=entries):
            return entries
        case Gather():
            return graph.tensors[layer.inputs[0]].shape[0]
        case RowNumbers(rows=rows):
            return rows
        case OneHot(classes=classes):
            return classes
        case LookupTable(rows=rows):
            return len(rows)
        case _:
            return None


def _random(generator: np.random.Generator, tensor: Tensor, entries: int | None) -> Array:
    if tensor.stored is not None:
        *outer, reduced, outputs = tensor.shape
        shape = (*outer, reduced // tensor.stored.length, outputs)
        return segments.joined(
            segments.draw(generator, shape, tensor.stored, pattern_seed=tensor.pattern_seed)
        )
    if not tensor.dtype.is_integer:
        return numerics.saturate(generator.standard_normal(tensor.shape), tensor.dtype)
    low, high = (-128, 128) if tensor.dtype.name == "int8" else (-20_000, 20_000)
    if entries is not None:
        low, high = 0, entries
    return generator.integers(low, high, tensor.shape).astype(tensor.dtype.numpy)
