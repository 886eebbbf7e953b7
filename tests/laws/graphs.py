"""Hypothesis strategies for small graphs: every operator, and chains of a few layers."""

from __future__ import annotations

from collections.abc import Callable, Collection

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from foundation.dtype import DTYPES
from tests.laws.draft import LARGEST_REDUCED_BYTES, Draft, image, signal, volume
from tests.laws.index_draws import (
    add_chosen,
    add_collect,
    add_dispatch,
    add_experts,
    add_floors,
    add_gathered,
    add_graph_conv,
    add_neighbour_sum,
    add_neighbours,
    add_node_order,
    add_one_hot,
    add_places,
    add_ramp,
    add_row_numbers,
    add_rows,
    add_scan,
    add_scattered,
    add_sorted,
    add_table,
    add_weighted_sum,
)
from tests.laws.layer_draws import (
    add_binary,
    add_cast,
    add_concat,
    add_conv,
    add_conv_gradient,
    add_conv_transpose,
    add_embedding,
    add_flip,
    add_group_normalize,
    add_interpolate,
    add_linear,
    add_matmul,
    add_normalize,
    add_pool,
    add_pool_gradient,
    add_reduce,
    add_repeat,
    add_reshape,
    add_slice,
    add_softmax,
    add_tied_conv,
    add_transpose,
    add_unary,
    add_upsampling,
)
from workloads.graph import Graph, Tensor

Adder = Callable[[DrawFn, Draft, Tensor], Tensor]
ON_IMAGES: dict[str, Adder] = {
    "conv": add_conv,
    "upsampling": add_upsampling,
    "pool": add_pool,
    "matmul": add_matmul,
    "softmax": add_softmax,
    "group_normalize": add_group_normalize,
}
ON_ALL: dict[str, Adder] = {
    "linear": add_linear,
    "unary": add_unary,
    "binary": add_binary,
    "normalize": add_normalize,
    "reduce": add_reduce,
    "slice": add_slice,
    "transpose": add_transpose,
    "concat": add_concat,
    "reshape": add_reshape,
    "repeat": add_repeat,
    "interpolate": add_interpolate,
    "gather": add_gathered,
    "scatter_add": add_scattered,
    "sort": add_sorted,
    "scan": add_scan,
    "top_k": add_chosen,
    "mixture": add_experts,
    "graph_conv": add_graph_conv,
    "cast": add_cast,
}
#: Operators that read or make indices, or need sizes of their own: they are in no chain.
INDEXING: dict[str, Adder] = {
    "rows": add_rows,
    "row_numbers": add_row_numbers,
    "one_hot": add_one_hot,
    "places": add_places,
    "dispatch": add_dispatch,
    "collect": add_collect,
    "neighbours": add_neighbours,
    "neighbour_sum": add_neighbour_sum,
    "node_order": add_node_order,
    "ramp": add_ramp,
    "table": add_table,
    "weighted_sum": add_weighted_sum,
    "floor_int32": add_floors,
}
OPERATORS: dict[str, Adder] = {
    **ON_IMAGES,
    **ON_ALL,
    "conv_transpose": add_conv_transpose,
    "embedding": add_embedding,
    "conv_gradient": add_conv_gradient,
    "pool_gradient": add_pool_gradient,
    "tied_conv": add_tied_conv,
    "flip": add_flip,
    **INDEXING,
}
WINDOWED = (
    *("conv", "conv_transpose", "pool", "upsampling"),
    *("conv_gradient", "pool_gradient", "tied_conv"),
)
#: Operators that may be several layers, or whose layers may have several kernels, or none.
NOT_ONE_KERNEL = (
    *("concat", "conv_transpose", "reshape", "upsampling"),
    *("gather", "scatter_add", "top_k", "mixture", "graph_conv"),
    *("cast", "flip", "pool_gradient", "tied_conv"),
)


@st.composite
def single_layers(draw: DrawFn, operator: str, dtype: str) -> Graph:
    """Draw a graph of one layer of an operator on an image, or of windows on one to three axes."""
    builder = Draft(DTYPES[dtype])
    shape = draw(st.sampled_from([signal, image, volume])) if operator in WINDOWED else image
    OPERATORS[operator](draw, builder, builder.add_input(shape(draw)))
    return builder.graph()


@st.composite
def chains(draw: DrawFn, dtype: str, without: Collection[str] = ()) -> Graph:
    """Draw a graph of two to five layers, each on any tensor there is by then."""
    builder = Draft(DTYPES[dtype])
    tensors = [builder.add_input(image(draw))]
    for _ in range(draw(st.integers(2, 5))):
        tensors.append(add_any(draw, builder, draw(st.sampled_from(tensors)), without))
    return builder.graph()


@st.composite
def branches(draw: DrawFn, dtype: str, without: Collection[str] = ()) -> Graph:
    """Draw a graph of two to four branches of one or two layers, which may begin on each other."""
    builder = Draft(DTYPES[dtype])
    roots = [builder.add_input(image(draw)) for _ in range(draw(st.integers(1, 2)))]
    for _ in range(draw(st.integers(2, 4))):
        first = add_any(draw, builder, draw(st.sampled_from(roots)), without)
        if draw(st.booleans()):
            add_any(draw, builder, first, without)
        if draw(st.booleans()):
            roots.append(first)
    return builder.graph()


def add_any(draw: DrawFn, builder: Draft, tensor: Tensor, without: Collection[str] = ()) -> Tensor:
    """Add any layer that a tensor's shape and size allow, but some."""
    large_enough = len(tensor.shape) == 4 and min(tensor.shape[1:3]) >= 3
    choices = {**ON_ALL, **(ON_IMAGES if large_enough else {})}
    choices = {name: add for name, add in choices.items() if name not in without}
    if tensor.size_elements > 2000:
        choices = {"reduce": add_reduce, "slice": add_slice}
    if tensor.size_elements > LARGEST_REDUCED_BYTES:
        choices = {"slice": add_slice}
    return choices[draw(st.sampled_from(sorted(choices)))](draw, builder, tensor)


def graphs(dtype: str) -> SearchStrategy[Graph]:
    """Return a strategy for chains of a dtype."""
    return chains(dtype=dtype)
