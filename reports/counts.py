"""What a network is made of: shapes, parameters and multiply-accumulates, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reports.labels import operator_label
from workloads.graph import Graph, Layer
from workloads.loaders.yaml import load_zoo, zoo_names

_Rows = Sequence[Sequence[str]]


def counts_record(graph: Graph) -> dict[str, Any]:
    """Return the counts as plain data.

    ``parameters`` are learned elements, those that layers share once; ``macs`` are of the whole
    batch.
    """
    return {
        "name": graph.name,
        "batch": graph.batch,
        "macs": graph.total_macs,
        "parameters": graph.total_parameters,
        "notes": list(graph.notes),
        "layers": [
            {
                "name": layer.name,
                "operator": layer.operator.kind,
                "output_shape": list(graph.tensors[layer.name].shape),
                "dtype": str(graph.tensors[layer.name].dtype),
                "macs": graph.macs(layer),
                "parameters": layer_parameters(graph, layer),
            }
            for layer in graph.layers
        ],
    }


def layer_parameters(graph: Graph, layer: Layer) -> int:
    """Return the learned elements of a layer, shared or not."""
    return sum(tensor.trainable_elements for tensor in graph.parameter_tensors(layer).values())


def counts_text(graph: Graph) -> str:
    """Return the counts as a table, layer by layer and in total."""
    rows = [("layer", "operator", "output", "parameters", "MACs")]
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
    notes = (f"note: {note}" for note in graph.notes)
    return "\n".join([f"{graph.name}, batch {graph.batch}", *_aligned(rows, left=3), *notes])


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
