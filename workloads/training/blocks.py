"""Which results aren't kept for the backward pass but computed again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from foundation.errors import WorkloadError, nearest
from workloads.graph import Graph

#: What stands for all blocks.
ALL_BLOCKS = "blocks"
#: A block is a copy of what repeats: ``encoder.0`` of ``encoder.0.query``.
_BLOCK = re.compile(r"(.*?[./]\d+)[./]")


def block_of(layer: str) -> str | None:
    """Return the copy of a repeated block that a layer lies in, by its name."""
    found = _BLOCK.match(layer)
    return found[1] if found else None


def dropped(graph: Graph, names: Sequence[str], outputs: Sequence[str]) -> frozenset[str]:
    """Return the layers whose results aren't kept.

    Of a block, what others read is kept, so that the next one can begin there.

    Parameters
    ----------
    graph
        The forward pass.
    names
        As in `Training.recompute`.
    outputs
        Layers that the loss reads.

    Raises
    ------
    WorkloadError
        A name is neither a layer nor a block, or there are no blocks.
    """
    layers = [layer.name for layer in graph.layers]
    known = set(layers)
    found: set[str] = set()
    for name in names:
        if name == ALL_BLOCKS:
            found.update(_inner_of_all(graph, outputs))
        elif name in known:
            found.add(name)
        else:
            inside = {layer for layer in layers if layer.startswith((f"{name}.", f"{name}/"))}
            if not inside:
                raise _unknown(name, layers)
            found.update(_inner(graph, inside, outputs))
    return frozenset(found)


def _inner_of_all(graph: Graph, outputs: Sequence[str]) -> Iterable[str]:
    """Return what only layers of the same block read."""
    blocks: dict[str, set[str]] = {}
    for layer in graph.layers:
        block = block_of(layer.name)
        if block is not None:
            blocks.setdefault(block, set()).add(layer.name)
    if not blocks:
        raise WorkloadError(
            f"training: '{graph.name}' has no repeated blocks to recompute; name layers instead"
        )
    block_at = {name: block for block, inside in blocks.items() for name in inside}
    kept = set(outputs)
    for layer in graph.layers:
        kept.update(n for n in layer.inputs if block_at.get(n) != block_at.get(layer.name))
    return block_at.keys() - kept


def _inner(graph: Graph, inside: set[str], outputs: Sequence[str]) -> set[str]:
    """Return the layers of a set that no layer outside it reads."""
    read = {name for x in graph.layers if x.name not in inside for name in x.inputs}
    return inside - read - set(outputs)


def _unknown(name: str, layers: Sequence[str]) -> WorkloadError:
    blocks = dict.fromkeys(filter(None, map(block_of, layers)))
    return WorkloadError(
        f"training: '{name}' to recompute is neither a layer nor a block"
        f"{nearest(name, [ALL_BLOCKS, *blocks, *layers])}"
    )
