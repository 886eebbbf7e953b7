"""Small networks from a line of YAML."""

from __future__ import annotations

from workloads.graph import Graph
from workloads.loaders.yaml import parse_network
from workloads.passes.rewritten import Rewritten

#: Constants and learned tensors that a network may use.
LEARNED = {
    "zero": "{shape: [1], constant: 0}",
    "one": "{shape: [1], constant: 1}",
    "minus_one": "{shape: [1], constant: -1}",
    "half": "{shape: [1], constant: 0.5}",
    "ones": "{shape: [2, 4], constant: 1}",
    "tall": "{shape: [3, 2, 4], constant: 1}",
    "p": "[4]",
    "large": "{shape: [1], constant: 60000}",
    "n.weight": "[4]",
    "a.merged.bias": "[4]",
    "a.value": "[4]",
    "two": "{shape: [2], dtype: int32}",
}
INPUTS = {
    "x": "[2, 4]",
    "y": "[2, 4]",
    "flat": "[1, 4]",
    "long": "[2, 64]",
    "image": "[1, 4, 4, 6]",
    "cube": "[2, 3, 4]",
    "words": "{shape: [2], dtype: int32}",
}


def network(layers: str, *, dtype: str = "int8") -> Graph:
    """Return a network of the layers, one a line, with the inputs and learned tensors they name."""
    used = set(layers.replace("[", " ").replace("]", " ").replace(",", " ").split())
    used = {word.rstrip("}") for word in used}
    text = "".join(
        f"{key}:\n" + "".join(f"  {name}: {tensors[name]}\n" for name in tensors if name in used)
        for key, tensors in (("inputs", INPUTS), ("learned", LEARNED))
        if used & tensors.keys()
    )
    lines = "".join(f"  - {{{line.strip()}}}\n" for line in layers.strip().splitlines())
    return parse_network(f"name: n\ndtype: {dtype}\n{text}layers:\n{lines}", "n.yaml")


def told(result: Rewritten) -> list[str]:
    """Return the rewrites, without the pass and the reason."""
    return [f"{rewrite.before} -> {rewrite.after}" for rewrite in result.rewrites]
