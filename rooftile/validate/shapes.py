"""Layers from shape strings such as ``K64 C64 OY56 OX56 FY3 FX3 s1 p1`` and ``M512 K768 N3072``.

They are the words of a reference file: in a convolution K and C are output and input channels.
"""

from __future__ import annotations

import re
from itertools import product

from foundation.dtype import DTYPES
from foundation.errors import RooftileError, WorkloadError
from mapper.kernel import compulsory_bytes
from mapper.operators import kernels_of
from workloads.build import GraphBuilder
from workloads.graph import Graph
from workloads.layers import Convolution, Linear, MatMul, Window

_CONVOLUTION = ("K", "C", "OY", "OX", "FY", "FX", "s", "p")
_GEMM = ("M", "K", "N")
_DTYPE = DTYPES["int8"]


def layer_of(name: str, shape: str, moved_bytes: int, where: str) -> Graph:
    """Return the network of one int8 layer without bias.

    Parameters
    ----------
    name
        The layer's.
    shape
        Sizes with their letters; what stands in parentheses is ignored. ``B`` is the batch of a
        convolution, and the number of products of a GEMM whose operands are both activations.
    moved_bytes
        The compulsory bytes. Several inputs give a strided convolution's output: the one with these
        bytes is taken, else the smallest.
    where
        File and line, for errors.

    Raises
    ------
    RooftileError
        When it isn't such a shape.
    """
    sizes = _sizes(shape, where)
    try:
        if "OY" not in sizes:
            return _product(name, sizes)
        extra = range(sizes["s"])
        found = [_convolution(name, sizes, y, x) for y, x in product(extra, repeat=2)]
    except WorkloadError as error:
        raise RooftileError(f"{where}: shape '{shape}': {error}") from None
    fitting = [graph for graph in found if _compulsory(graph) == moved_bytes]
    return [*fitting, *found][0]


def _sizes(shape: str, where: str) -> dict[str, int]:
    words = shape.partition("(")[0].split()
    found = [re.fullmatch(r"([A-Za-z]+)([0-9]{1,9})", word) for word in words]
    sizes = {match[1]: int(match[2]) for match in found if match is not None}
    needed = _CONVOLUTION if "OY" in sizes else _GEMM
    is_known = set(needed) <= set(sizes) <= {*needed, "B"} and len(sizes) == len(words)
    if not is_known or not all(size for letter, size in sizes.items() if letter != "p"):
        raise RooftileError(
            f"{where}: shape '{shape}' must have sizes of at least 1 for {', '.join(_GEMM)}, or for"
            f" {', '.join(_CONVOLUTION)} (p from 0), and may have one for B"
        )
    return sizes


def _product(name: str, sizes: dict[str, int]) -> Graph:
    builder = GraphBuilder(name, 1)
    m, n, k = (sizes[letter] for letter in "MNK")
    if "B" not in sizes:
        data = builder.add_input("x", (m, k), _DTYPE)
        builder.add_layer(name, Linear(out_features=n, bias=False), [data])
        return builder.build()
    batch = sizes["B"]
    data = builder.add_input("x", (batch, m, k), _DTYPE)
    other = builder.add_input("y", (batch, k, n), _DTYPE)
    builder.add_layer(name, MatMul(equation="bmk,bkn->bmn"), [data, other])
    return builder.build()


def _convolution(name: str, sizes: dict[str, int], more_y: int, more_x: int) -> Graph:
    """Return a convolution whose input is larger than the smallest by some rows and columns."""
    builder = GraphBuilder(name, sizes.get("B", 1))
    stride, pad = sizes["s"], sizes["p"]
    height, width = (
        max(1, (sizes[f"O{axis}"] - 1) * stride + sizes[f"F{axis}"] - 2 * pad + more)
        for axis, more in (("Y", more_y), ("X", more_x))
    )
    data = builder.add_input("x", (sizes.get("B", 1), height, width, sizes["C"]), _DTYPE)
    windows = tuple(
        Window(kernel=sizes[f"F{axis}"], stride=stride, pad_before=pad, pad_after=pad)
        for axis in "YX"
    )
    builder.add_layer(name, Convolution(out_channels=sizes["K"], windows=windows), [data])
    return builder.build()


def _compulsory(graph: Graph) -> int:
    (kernel,) = kernels_of(graph, graph.layers[0])
    return compulsory_bytes(kernel)
