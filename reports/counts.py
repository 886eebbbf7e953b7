"""What a network is made of: shapes, parameters and multiply-accumulates, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reports.labels import operator_label, stored_label
from workloads.graph import Graph, Layer
from workloads.loaders.yaml import load_zoo, zoo_names

_Rows = Sequence[Sequence[str]]


def counts_record(graph: Graph) -> dict[str, Any]:
    """Return the counts as plain data.

    ``parameters`` are learned elements, those that layers share once; ``parameter_bytes`` what is
    stored of them, with scales and what sparse formats need; ``macs`` are of the whole batch.
    """
    return {
        "name": graph.name,
        "batch": graph.batch,
        "macs": graph.total_macs,
        "parameters": graph.total_parameters,
        "parameter_bytes": graph.parameter_bytes,
        "notes": list(graph.notes),
        "layers": [
            {
                "name": layer.name,
                "operator": layer.operator.kind,
                "output_shape": list(graph.tensors[layer.name].shape),
                "dtype": str(graph.tensors[layer.name].dtype),
                "macs": graph.macs(layer),
                "parameters": layer_parameters(graph, layer),
                "parameter_bytes": layer_parameter_bytes(graph, layer),
            }
            for layer in graph.layers
        ],
    }


def layer_parameters(graph: Graph, layer: Layer) -> int:
    """Return the learned elements of a layer, shared or not."""
    return sum(tensor.trainable_elements for tensor in graph.parameter_tensors(layer).values())


def layer_parameter_bytes(graph: Graph, layer: Layer) -> int:
    """Return the bytes of a layer's parameters as they are stored, shared or not."""
    return sum(tensor.size_bytes for tensor in graph.parameter_tensors(layer).values())


def counts_text(graph: Graph) -> str:
    """Return the counts as a table, layer by layer and in total.

    Bytes are shown where some weights aren't stored as the activations are, and how these are.
    """
    rows: list[tuple[str, ...]] = [("layer", "operator", "output", "parameters", "MACs")]
    rows += [
        (
            layer.name,
            operator_label(layer),
            "×".join(map(str, graph.tensors[layer.name].shape)) or "scalar",
            f"{layer_parameters(graph, layer):,}",
            f"{graph.macs(layer):,}",
        )
        for layer in graph.layers
    ]
    rows.append(("total", "", "", f"{graph.total_parameters:,}", f"{graph.total_macs:,}"))
    if any(tensor.stored is not None for tensor in graph.tensors.values()):
        more = [("bytes", "weights"), *(_stored_cells(graph, layer) for layer in graph.layers)]
        more.append((f"{graph.parameter_bytes:,}", ""))
        rows = [(*row, *cells) for row, cells in zip(rows, more, strict=True)]
    notes = (f"note: {note}" for note in graph.notes)
    return "\n".join([f"{graph.name}, batch {graph.batch}", *_aligned(rows, left=3), *notes])


def _stored_cells(graph: Graph, layer: Layer) -> tuple[str, str]:
    """Return the bytes of a layer's parameters, and how its weights are stored in words."""
    words = {
        stored_label(tensor.stored)
        for tensor in graph.parameter_tensors(layer).values()
        if tensor.stored is not None
    }
    return f"{layer_parameter_bytes(graph, layer):,}", ", ".join(sorted(words))


def zoo_text() -> str:
    """Return the networks of the zoo with their counts, one a line."""
    rows = [("network", "batch", "parameters", "MACs")]
    for name in zoo_names():
        graph = load_zoo(name)
        rows.append(
            (name, str(graph.batch), f"{graph.total_parameters:,}", f"{graph.total_macs:,}")
        )
    return "\n".join(_aligned(rows, left=1))


def _aligned(rows: _Rows, *, left: int) -> list[str]:
    """Return rows as lines, the first ``left`` columns flush left and the others flush right."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return [
        "  ".join(
            text.ljust(width) if place < left else text.rjust(width)
            for place, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
