"""Every layer of published networks has PyTorch's name, output shape and multiply-accumulates.

`export_torch.py` kept what the flop counter counts, operator by operator, and what each layer of
`torch.nn` gives. The same network has the same table through both of PyTorch's exporters.
"""

from __future__ import annotations

import json
import lzma
from collections import Counter
from collections.abc import Sequence
from math import prod
from typing import Any

import pytest

from tests.workloads.test_torch_counts import FOLDER, read
from workloads.graph import Graph, Layer
from workloads.layers import Convolution
from workloads.transposed import TransposedConvolution

LAYERS: dict[str, dict[str, Any]] = json.loads(
    lzma.decompress((FOLDER / "layers.json.xz").read_bytes())
)
FILES = sorted(path.name for path in FOLDER.glob("*.pt2") if ".case." not in path.name) + sorted(
    path.name for path in FOLDER.glob("*.onnx.xz")
)


def _products(outputs: Sequence[tuple[int, int]], *, is_recurrent: bool) -> Counter[Any]:
    """Count products of equal output elements and multiply-accumulates.

    A recurrence is a product for each step in PyTorch, and one for all here: of it only elements
    of equal depth are added up.
    """
    found: Counter[Any] = Counter()
    for elements, macs in outputs:
        if macs:
            found[macs // elements if is_recurrent else (elements, macs)] += (
                elements if is_recurrent else 1
            )
    return found


@pytest.mark.parametrize("name", FILES)
def test_every_layer_is_pytorchs(name: str) -> None:
    graph, expected = read(name).graph, LAYERS[name.partition(".")[0]]
    is_recurrent = name.startswith("tagger")
    theirs = [(prod(shape), macs) for shape, macs in expected["products"]]
    ours = [(graph.output_tensor(layer).size_elements, graph.macs(layer)) for layer in graph.layers]
    assert _products(ours, is_recurrent=is_recurrent) == _products(
        theirs, is_recurrent=is_recurrent
    )
    _compare_modules(graph, expected["modules"])


#: Networks of which one file has an array that the other has in pieces: their parameters count
#: once, at other layers.
APART = ("tagger_gru", "tagger_lstm", "swin_v2_t")


@pytest.mark.parametrize("name", [name for name in FILES if not name.endswith(".pt2")])
def test_both_exporters_give_one_table(name: str) -> None:
    """Layers that compute products are the same in the same order; attention has other names."""
    network, _, kind = name.partition(".")
    tables = [_table(read(file).graph) for file in (name, f"{network}.pt2")]
    if network in APART or kind == "optimized.onnx.xz":  # which may keep an equal array elsewhere
        tables = [[(prod(shape), macs) for shape, macs, _ in table] for table in tables]
    assert tables[0] == tables[1]


def _table(graph: Graph) -> list[tuple[Any, ...]]:
    """Return output shape, multiply-accumulates and parameters of layers with products."""
    return [
        (
            graph.output_tensor(layer).shape,
            graph.macs(layer),
            sum(tensor.trainable_elements for tensor in graph.parameter_tensors(layer).values()),
        )
        for layer in graph.layers
        if graph.macs(layer)
    ]


def _compare_modules(graph: Graph, modules: Sequence[Any]) -> None:
    """Compare each layer of `torch.nn` with the layers that have its name.

    A class of the model's own that derives from one of them has its name and that of a function.
    """
    layers = {layer.name: layer for layer in graph.layers}
    calls: Counter[str] = Counter()
    for name, shape, macs in modules:
        calls[name] += 1
        found = name if calls[name] == 1 else f"{name}_{calls[name]}"
        inside = [layer for layer in graph.layers if layer.name.startswith(f"{name}.")]
        if macs:
            named = [layers[found]] if found in layers else inside
            named = [layer for layer in named if graph.macs(layer)]
            assert sum(map(graph.macs, named)) == macs, name
        else:  # it may be part of another one, or be several
            again = [layer for layer in graph.layers if layer.name.startswith(f"{name}_")]
            named = [layers[name], *inside, *again] if name in layers else []
        assert not named or any(_is_same(graph, layer, shape) for layer in named), name


def _is_same(graph: Graph, layer: Layer, shape: Sequence[int]) -> bool:
    """Whether a layer's output has PyTorch's shape; channels come last here.

    Axes of size 1 say nothing.
    """
    ours = graph.output_tensor(layer).shape
    if isinstance(layer.operator, Convolution | TransposedConvolution) and len(shape) > 2:
        return list(ours) == [shape[0], *shape[2:], shape[1]]
    return sorted(size for size in ours if size > 1) == sorted(size for size in shape if size > 1)
