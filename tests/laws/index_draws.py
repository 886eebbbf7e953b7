"""Random layers whose operators read or make indices: gathers, sorts, experts, sparse products."""

from __future__ import annotations

from math import prod

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from foundation.dtype import DTYPES
from tests.laws.draft import ACTIVATIONS, WIDEST_ROW_BYTES, Draft, Shape
from tests.laws.layer_draws import add_unary
from workloads.adjacency import Adjacency
from workloads.experts import Collect, Dispatch, Mixture, Routing, add_mixture
from workloads.graph import Tensor
from workloads.indexing import Gather, OneHot, RowNumbers, add_gather, add_scatter_add
from workloads.layers import Reduce, Reshape
from workloads.sampling import FloorInt32, LookupTable, Ramp, WeightedSum
from workloads.scan import Scan
from workloads.selection import Sort, add_top_k
from workloads.sparse import (
    GraphConvolution,
    Neighbours,
    NeighbourSum,
    NodeOrder,
    add_graph_convolution,
)


def _add_indices(draw: DrawFn, builder: Draft, shape: Shape, entries: int) -> Tensor:
    """Add indices: given ones, or, where values are exact, the places of the largest of others."""
    if not builder.is_exact or draw(st.booleans()):
        return builder.add_input(shape, DTYPES["int32"])
    values = builder.add_input((*shape, entries))
    return builder.add(Reduce(function="argmax", axes=(-1,)), [values])


def add_gathered(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    fits = [
        axis
        for axis in range(len(tensor.shape))
        if prod(tensor.shape[axis + 1 :]) * builder.dtype.size_bytes <= WIDEST_ROW_BYTES // 2
    ]
    axis = draw(st.sampled_from(fits))
    batch_axes = draw(st.integers(0, axis))
    shape = (*tensor.shape[:batch_axes], draw(st.integers(1, 4)))
    if draw(st.booleans()):
        shape = (*shape, 2)
    indices = _add_indices(draw, builder, shape, tensor.shape[axis])
    return builder.compose(add_gather, tensor, indices, axis, batch_axes)


def add_scattered(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    rank = draw(st.integers(1, min(3, len(tensor.shape))))
    rows = draw(st.integers(1, 9))
    indices = _add_indices(draw, builder, tensor.shape[:rank], rows)
    return builder.compose(add_scatter_add, tensor, indices, rows)


def add_sorted(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    axis = draw(st.integers(-len(tensor.shape), len(tensor.shape) - 1))
    return builder.add(Sort(function="sort", axis=axis), [tensor])


def add_chosen(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    """Add the largest elements of each row by their places."""
    if not builder.is_exact or tensor.shape[-1] > WIDEST_ROW_BYTES // 8:
        return add_sorted(draw, builder, tensor)
    rank, count = len(tensor.shape), draw(st.integers(1, tensor.shape[-1]))
    divisors = [parts for parts in (1, 2, 3) if tensor.shape[-1] % parts == 0]
    parts = draw(st.sampled_from(divisors))
    places = builder.compose(add_top_k, tensor, count, -1, "argsort", parts)
    return builder.compose(add_gather, tensor, places, -1, rank - 1)


def add_rows(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    """Add a look-up of rows along the first axis, nothing else."""
    rows = builder.add_input((draw(st.integers(1, 30)), *tensor.shape[3:]))
    indices = builder.add_input(tensor.shape[:2], DTYPES["int32"])
    return builder.add(Gather(), [rows, indices])


def add_row_numbers(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    batch_axes = draw(st.integers(0, 2))
    indices = builder.add_input((*tensor.shape[:batch_axes], 5), DTYPES["int32"])
    operator = RowNumbers(rows=7, tables=tensor.shape[:2], batch_axes=batch_axes)
    return builder.add(operator, [indices])


def add_one_hot(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    indices = builder.add_input(tensor.shape[:2], DTYPES["int32"])
    return builder.add(OneHot(classes=draw(st.integers(1, 30)), dtype=builder.dtype), [indices])


def add_places(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    """Add int32 places of elements: the largest one's, or those of all in order."""
    axis = draw(st.integers(0, len(tensor.shape) - 1))
    if draw(st.booleans()):
        return builder.add(Sort(function="argsort", axis=axis), [tensor])
    last = range(draw(st.integers(0, axis)), axis + 1)
    return builder.add(Reduce(function="argmax", axes=tuple(last)), [tensor])


def _routing(draw: DrawFn, tokens: int) -> Routing:
    experts = draw(st.integers(1, 5))
    return Routing(
        tokens=tokens,
        experts=experts,
        per_token=draw(st.integers(1, min(3, experts))),
        skew=draw(st.sampled_from([0.0, 1.5])),
        seed=draw(st.integers(0, 9)),
        capacity=draw(st.sampled_from([None, 0.5, 1.25])),
    )


def add_experts(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    tokens, features = prod(tensor.shape[:-1]), tensor.shape[-1]
    if features * builder.dtype.size_bytes > WIDEST_ROW_BYTES // 2 or tensor.size_elements > 500:
        return add_unary(draw, builder, tensor)
    mixture = Mixture(
        hidden=draw(st.integers(1, 6)),
        activation=draw(ACTIVATIONS),
        gated=draw(st.booleans()),
        normalized=builder.is_exact and draw(st.booleans()),
    )
    return builder.compose(add_mixture, tensor, _routing(draw, tokens), mixture)


def add_dispatch(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    routing = _routing(draw, tensor.shape[1])
    crew = draw(st.sampled_from(routing.crews))
    tokens = builder.add_input((tensor.shape[1], tensor.shape[-1]))
    return builder.add(Dispatch(routing=routing, rows=crew.rows), [tokens])


def add_collect(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    routing = _routing(draw, tensor.shape[1])
    shape = (routing.rows + bool(routing.dropped), tensor.shape[-1])
    return builder.add(Collect(routing=routing), [builder.add_input(shape)])


def _adjacency(draw: DrawFn, nodes: int) -> Adjacency:
    copies = draw(st.sampled_from([1, 1, nodes]))
    each = nodes // copies
    return Adjacency(
        nodes=nodes,
        copies=copies,
        edges=draw(st.integers(0, min(3 * each, each * (each - 1)))),
        exponent=draw(st.sampled_from([0.0, 1.0])),
        seed=draw(st.integers(0, 9)),
        weights=draw(st.sampled_from(["symmetric", "mean", "sum"])),
        self_loops=draw(st.booleans()),
    )


def add_graph_conv(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    features = tensor.shape[-1]
    if features * builder.dtype.size_bytes > WIDEST_ROW_BYTES // 2 or tensor.size_elements > 500:
        return add_unary(draw, builder, tensor)
    rows = builder.add(Reshape(shape=(-1, features)), [tensor])
    convolution = GraphConvolution(
        features=draw(st.integers(1, 9)),
        bias=draw(st.booleans()),
        activation=draw(ACTIVATIONS),
        order=draw(st.sampled_from([None, "A(XW)", "(AX)W"])),
    )
    adjacency = _adjacency(draw, rows.shape[0])
    return builder.compose(add_graph_convolution, rows, adjacency, convolution)


def add_neighbours(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    adjacency = _adjacency(draw, tensor.shape[1])
    width = draw(st.sampled_from(sorted(adjacency.parts)))
    rows = builder.add_input((tensor.shape[1], tensor.shape[-1]))
    return builder.add(Neighbours(adjacency=adjacency, width=width), [rows])


def add_neighbour_sum(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    adjacency = _adjacency(draw, tensor.shape[1])
    width = draw(st.sampled_from(sorted(adjacency.parts)))
    shape = (len(adjacency.parts[width].rows), width, tensor.shape[-1])
    operator = NeighbourSum(adjacency=adjacency, width=width)
    return builder.add(operator, [builder.add_input(shape)])


def add_node_order(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    rows = builder.add_input((tensor.shape[1], tensor.shape[-1]))
    return builder.add(NodeOrder(adjacency=_adjacency(draw, rows.shape[0])), [rows])


def add_scan(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    axis = draw(st.integers(-len(tensor.shape), len(tensor.shape) - 1))
    if tensor.shape[axis] * builder.dtype.size_bytes > WIDEST_ROW_BYTES // 2:
        return add_unary(draw, builder, tensor)
    return builder.add(Scan(axis=axis), [tensor, builder.add_input(tensor.shape)])


def add_ramp(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    axis = draw(st.integers(-len(tensor.shape), len(tensor.shape) - 1))
    size = tensor.shape[axis]
    operator = Ramp(
        function=draw(st.sampled_from(["add", "multiply"])),
        axis=axis,
        count=draw(st.integers(1, 5)) if size == 1 else size,
        start=draw(st.sampled_from([-1.0, 0.25])),
        step=0.125,
    )
    return builder.add(operator, [tensor])


def add_table(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    indices = builder.add_input(tensor.shape[:2], DTYPES["int32"])
    width = draw(st.integers(1, 5))
    rows = tuple(tuple(row / 4 - column for column in range(width)) for row in range(7))
    return builder.add(LookupTable(rows=rows, dtype=builder.dtype), [indices])


def add_weighted_sum(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    del draw
    if tensor.shape[-2] * builder.dtype.size_bytes > WIDEST_ROW_BYTES // 2:
        return tensor
    return builder.add(WeightedSum(), [tensor, builder.add_input(tensor.shape[:-1])])


def add_floors(draw: DrawFn, builder: Draft, tensor: Tensor) -> Tensor:
    del draw
    return builder.add(FloorInt32(), [tensor])
