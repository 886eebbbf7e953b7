"""Products of a sparse matrix, an adjacency, with dense rows; graph convolutions of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from foundation.dtype import Dtype
from foundation.errors import WorkloadError
from foundation.functions import FUNCTIONS
from workloads.adjacency import Adjacency
from workloads.build import GraphBuilder
from workloads.graph import Parameter, Tensor
from workloads.indexing import FixedGather
from workloads.layers import Concat, Elementwise, Linear, Shape

#: Orders of a graph convolution: which product comes first.
TRANSFORM_FIRST, AGGREGATE_FIRST = "A(XW)", "(AX)W"


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours(FixedGather):
    """The neighbours' rows of all nodes whose rows in the matrix are filled up to ``width``."""

    kind: ClassVar[str] = "neighbours"
    adjacency: Adjacency
    width: int

    def shape(self, tensor: Tensor) -> Shape:
        """Return ``[nodes of this width, width, features]`` of ``[nodes, features]``."""
        _check_nodes(self.adjacency, tensor)
        return (_rows(self.adjacency, self.width), self.width, tensor.shape[1])

    def indices(self) -> Any:
        """Return the numbers of the neighbours."""
        return self.adjacency.parts[self.width].columns


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeOrder(FixedGather):
    """The rows of all nodes in their order, out of those of the parts one after the other."""

    kind: ClassVar[str] = "node_order"
    adjacency: Adjacency

    def shape(self, tensor: Tensor) -> Shape:
        """Return the input's shape."""
        _check_nodes(self.adjacency, tensor)
        return tensor.shape

    def indices(self) -> Any:
        """Return of each node its row."""
        return self.adjacency.places()


@dataclass(frozen=True, slots=True, kw_only=True)
class NeighbourSum:
    """The sum of neighbours' rows with the weights of a matrix, which are fixed."""

    kind: ClassVar[str] = "neighbour_sum"
    adjacency: Adjacency
    width: int

    def output(self, inputs: Sequence[Tensor]) -> tuple[Shape, Dtype]:
        """Return ``[nodes of this width, features]``."""
        (tensor,) = inputs
        rows = _rows(self.adjacency, self.width)
        if len(tensor.shape) != 3 or tensor.shape[:2] != (rows, self.width):
            raise WorkloadError(
                f"needs [{rows}, {self.width}, features] but '{tensor.name}' is"
                f" {list(tensor.shape)}"
            )
        return (rows, tensor.shape[2]), tensor.dtype

    def parameters(self, inputs: Sequence[Tensor]) -> dict[str, Parameter]:
        """Return the weights, which aren't learned."""
        (tensor,) = inputs
        shape = tensor.shape[:2]
        return {"weight": Parameter(shape=shape, dtype=tensor.dtype, trainable_elements=0)}

    def fixed(self, parameters: Mapping[str, Tensor]) -> dict[str, Any]:
        """Return the weights."""
        del parameters
        return {"weight": self.adjacency.parts[self.width].values}

    def macs(self, inputs: Sequence[Tensor]) -> int:
        """Return zero: the vector unit does it."""
        del inputs
        return 0

    def operations(self, inputs: Sequence[Tensor]) -> int:
        """Return a multiplication and an addition for each element of a neighbour."""
        return inputs[0].size_elements * FUNCTIONS["dot"].operations


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphConvolution:
    """A graph convolution A · X · W.

    Parameters
    ----------
    features
        Of its result.
    bias
        Whether it has one.
    activation
        Of its result.
    order
        ``A(XW)`` or ``(AX)W``; None for the one with fewer operations.
    """

    features: int
    bias: bool = True
    activation: str = "identity"
    order: str | None = None


def add_sparse_product(
    builder: GraphBuilder, name: str, tensor: Tensor, adjacency: Adjacency
) -> Tensor:
    """Add the product of a sparse matrix and dense rows.

    # Approximation: rows of the matrix are filled up with zeros to the next power of two, and those
    of one width are computed together: neighbours' rows are gathered into main memory, then
    multiplied and added by the vector unit. The array does none of it.

    Parameters
    ----------
    builder
        Gets ``name.gather32`` and ``name.sum32`` for width 32 and so on, and puts the sums into the
        order of the nodes.
    name
        Of the last layer.
    tensor
        Shape ``[nodes, features]``.
    adjacency
        The matrix.
    """
    _check(name, tensor, adjacency)
    sums = []
    for width in adjacency.parts:
        rows = Neighbours(adjacency=adjacency, width=width)
        taken = builder.add_layer(f"{name}.gather{width}", rows, [tensor])
        total = NeighbourSum(adjacency=adjacency, width=width)
        alone = len(adjacency.parts) == 1
        sums.append(builder.add_layer(name if alone else f"{name}.sum{width}", total, [taken]))
    if len(sums) == 1:
        return sums[0]
    joined = builder.add_layer(f"{name}.sums", Concat(axis=0), sums)
    return builder.add_layer(name, NodeOrder(adjacency=adjacency), [joined])


def add_graph_convolution(
    builder: GraphBuilder,
    name: str,
    tensor: Tensor,
    adjacency: Adjacency,
    convolution: GraphConvolution,
) -> Tensor:
    """Add a graph convolution of nodes' features ``[nodes, features]``, in either order."""
    _check(name, tensor, adjacency)
    if order_of(tensor, convolution) == AGGREGATE_FIRST:
        gathered = add_sparse_product(builder, f"{name}.aggregate", tensor, adjacency)
        product = Linear(
            out_features=convolution.features,
            bias=convolution.bias,
            activation=convolution.activation,
        )
        return builder.add_layer(name, product, [gathered])
    product = Linear(out_features=convolution.features, bias=False)
    transformed = builder.add_layer(f"{name}.transform", product, [tensor])
    if not convolution.bias and convolution.activation == "identity":
        return add_sparse_product(builder, name, transformed, adjacency)
    gathered = add_sparse_product(builder, f"{name}.aggregate", transformed, adjacency)
    if not convolution.bias:
        return builder.add_layer(name, Elementwise(function=convolution.activation), [gathered])
    bias = builder.add_learned(f"{name}.bias", (convolution.features,), tensor.dtype)
    added = Elementwise(function="add", activation=convolution.activation)
    return builder.add_layer(name, added, [gathered, bias])


def order_of(tensor: Tensor, convolution: GraphConvolution) -> str:
    """Return the order that is asked for, or the one that aggregates fewer features.

    Both multiply by W equally often; the sparse product goes over the features of what it reads.
    """
    if convolution.order is not None:
        return convolution.order
    return AGGREGATE_FIRST if tensor.shape[-1] < convolution.features else TRANSFORM_FIRST


def _check(name: str, tensor: Tensor, adjacency: Adjacency) -> None:
    """Raise WorkloadError, which names the layer, where an adjacency can't be or doesn't fit."""
    try:
        adjacency.check()
        _check_nodes(adjacency, tensor)
    except WorkloadError as error:
        raise WorkloadError(f"layer '{name}': {error}") from None


def _check_nodes(adjacency: Adjacency, tensor: Tensor) -> None:
    if len(tensor.shape) != 2 or tensor.shape[0] != adjacency.nodes:
        raise WorkloadError(
            f"needs [{adjacency.nodes}, features], a row for each node, but '{tensor.name}' is"
            f" {list(tensor.shape)}"
        )


def _rows(adjacency: Adjacency, width: int) -> int:
    """Return the nodes whose rows are filled up to a width."""
    adjacency.check()
    part = adjacency.parts.get(width)
    if part is None:
        raise WorkloadError(
            f"no row is filled up to {width} entries but to {list(adjacency.parts)}; correct"
            " 'width'"
        )
    return len(part.rows)
