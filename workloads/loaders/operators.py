"""A layer's entry in the file becomes an operator of `workloads.layers`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from foundation.dtype import DTYPES, Dtype
from foundation.errors import WorkloadError
from workloads.adjacency import Adjacency, file_digest
from workloads.conversions import cast_to
from workloads.experts import Collect, Dispatch, Routing
from workloads.gradients import Flip
from workloads.graph import Operator, Tensor
from workloads.indexing import OneHot, RowNumbers
from workloads.layers import (
    Concat,
    Elementwise,
    Embedding,
    Linear,
    MatMul,
    Normalize,
    Reduce,
    Reshape,
    Slice,
    Transpose,
)
from workloads.loaders.expand import Place
from workloads.loaders.layer_models import (
    BinaryLayer,
    CastLayer,
    CollectLayer,
    ConcatLayer,
    ConvGradientLayer,
    ConvLayer,
    DispatchLayer,
    EmbeddingBagLayer,
    EmbeddingLayer,
    FlipLayer,
    FloorInt32Layer,
    GatherLayer,
    GlobalPoolLayer,
    GraphConvLayer,
    GroupNormLayer,
    InstanceNormLayer,
    InterpolateLayer,
    LinearLayer,
    LookupTableLayer,
    MatMulLayer,
    MixtureLayer,
    NeighboursLayer,
    NodeOrderLayer,
    NormalizeLayer,
    OneHotLayer,
    PoolGradientLayer,
    PoolLayer,
    RampLayer,
    ReduceLayer,
    RepeatLayer,
    ReshapeLayer,
    RowNumbersLayer,
    ScanLayer,
    ScatterAddLayer,
    SelectiveScanLayer,
    SliceLayer,
    SoftmaxLayer,
    SortLayer,
    SparseProductLayer,
    SuppressionLayer,
    TransposedConvLayer,
    TransposeLayer,
    UnaryLayer,
    WeightedSumLayer,
)
from workloads.loaders.models import LayerItem
from workloads.loaders.weights import weights_of
from workloads.loaders.windows import shift_of, window_gradient, windowed
from workloads.normalization import GroupNormalize
from workloads.resize import Interpolate, Repeat
from workloads.sampling import FloorInt32, LookupTable, Ramp, WeightedSum
from workloads.scan import Scan
from workloads.selection import Sort
from workloads.sparse import Neighbours, NeighbourSum, NodeOrder


def operator_of(
    item: LayerItem, place: Place, inputs: Sequence[Tensor], default_dtype: Dtype
) -> Operator:
    """Return the operator of a layer's entry.

    Parameters
    ----------
    item
        The entry.
    place
        Where it stands and what its parameters are.
    inputs
        What it computes on; a tied linear layer's weight is the last.
    default_dtype
        Type of what an embedding learns unless it says otherwise.

    Raises
    ------
    WorkloadError
        Wrong number of inputs, or an attribute out of its range.
    """
    check_count(item, place, inputs)
    for operator in (
        _product(item, place, inputs),
        _function(item, place, inputs),
        _index(item, place, default_dtype),
        _move(item, place),
    ):
        if operator is not None:
            return operator
    raise AssertionError(f"{item.op} is composed of layers")


def _product(item: LayerItem, place: Place, inputs: Sequence[Tensor]) -> Operator | None:
    """Return what the array computes, or slides over windows."""
    match item:
        case ConvLayer() | TransposedConvLayer() | PoolLayer() | GlobalPoolLayer():
            return windowed(item, place, inputs)
        case ConvGradientLayer() | PoolGradientLayer():
            return window_gradient(item, place, inputs)
        case LinearLayer():
            return _linear(item, place, inputs)
        case MatMulLayer():
            return MatMul(
                equation=item.equation, activation=item.activation, shift=shift_of(item, place)
            )
    return None


def _function(item: LayerItem, place: Place, inputs: Sequence[Tensor]) -> Operator | None:
    """Return what the vector unit computes."""
    match item:
        case CastLayer():
            return cast_to(inputs[0], DTYPES[item.dtype])
        case UnaryLayer():
            return Elementwise(function=item.op)
        case BinaryLayer():
            return Elementwise(function=item.op, activation=item.activation)
        case ReduceLayer():
            return Reduce(function=item.function, axes=place.integers(item.axes, "axes"))
        case NormalizeLayer():
            return Normalize(function=item.op)
        case SoftmaxLayer():
            return Normalize(function=item.op, axis=place.integer(item.axis, "axis"))
        case GroupNormLayer():
            return GroupNormalize(groups=place.integer(item.groups, "groups", minimum=1))
        case InstanceNormLayer():
            return GroupNormalize(groups=inputs[0].shape[-1])
        case InterpolateLayer():
            return Interpolate(
                axis=place.integer(item.axis, "axis"), factor=place.integer(item.factor, "factor")
            )
        case ScanLayer():
            return Scan(axis=place.integer(item.axis, "axis"))
        case FloorInt32Layer():
            return FloorInt32()
        case WeightedSumLayer():
            return WeightedSum()
        case RampLayer():
            return Ramp(
                function=item.function,
                axis=place.integer(item.axis, "axis"),
                count=place.integer(item.count, "count", minimum=1),
                start=float(item.start),
                step=float(item.step),
            )
        case SortLayer():
            return Sort(function=item.op, axis=place.integer(item.axis, "axis"))
    return None


def _index(item: LayerItem, place: Place, default_dtype: Dtype) -> Operator | None:
    """Return what looks up rows, or computes their numbers."""
    match item:
        case EmbeddingLayer():
            return embedding_of(item, place, default_dtype)
        case RowNumbersLayer():
            return RowNumbers(
                rows=place.integer(item.rows, "rows", minimum=1),
                tables=place.integers(item.tables, "tables", 1),
                batch_axes=place.integer(item.batch_axes, "batch_axes"),
            )
        case DispatchLayer():
            routing = routing_of(item, place, place.integer(item.tokens, "tokens", minimum=1))
            return Dispatch(routing=routing, rows=place.integer(item.rows, "rows", minimum=1))
        case CollectLayer():
            tokens = place.integer(item.tokens, "tokens", minimum=1)
            return Collect(routing=routing_of(item, place, tokens))
        case NeighboursLayer():
            adjacency = adjacency_of(item, place, place.integer(item.nodes, "nodes", minimum=1))
            operator = Neighbours if item.op == "neighbours" else NeighbourSum
            width = place.integer(item.width, "width", minimum=1)
            return operator(adjacency=adjacency, width=width)
        case NodeOrderLayer():
            nodes = place.integer(item.nodes, "nodes", minimum=1)
            return NodeOrder(adjacency=adjacency_of(item, place, nodes))
        case OneHotLayer():
            return OneHot(
                classes=place.integer(item.out, "out", minimum=1),
                dtype=DTYPES[item.dtype] if item.dtype else default_dtype,
            )
        case LookupTableLayer():
            return LookupTable(
                rows=tuple(tuple(float(number) for number in row) for row in item.rows),
                dtype=DTYPES[item.dtype] if item.dtype else default_dtype,
            )
    return None


def _move(item: LayerItem, place: Place) -> Operator | None:
    """Return what only moves data."""
    match item:
        case FlipLayer():
            return Flip(axis=place.integer(item.axis, "axis"))
        case ConcatLayer() | SliceLayer() | ReshapeLayer() | TransposeLayer() | RepeatLayer():
            return _mover(item, place)
    return None


def routing_of(
    item: MixtureLayer | DispatchLayer | CollectLayer, place: Place, tokens: int
) -> Routing:
    """Return the routing of so many tokens."""
    return Routing(
        tokens=tokens,
        experts=place.integer(item.experts, "experts", minimum=1),
        per_token=place.integer(item.per_token, "per_token", minimum=1),
        skew=float(item.skew),
        seed=place.integer(item.seed, "seed"),
        capacity=None if item.capacity is None else float(item.capacity),
    )


def adjacency_of(
    item: SparseProductLayer | GraphConvLayer | NeighboursLayer | NodeOrderLayer,
    place: Place,
    nodes: int,
) -> Adjacency:
    """Return the adjacency of so many nodes; its file is beside the network's."""
    file = digest = None
    if item.graph is not None:
        path = (Path(place.document.name).parent / item.graph).resolve()
        try:
            file, digest = str(path), file_digest(path)
        except WorkloadError as error:
            raise place.failure(str(error), "graph") from None
    return Adjacency(
        nodes=nodes,
        copies=place.integer(item.copies, "copies", minimum=1),
        edges=0 if item.edges is None else place.integer(item.edges, "edges"),
        exponent=float(item.exponent),
        seed=place.integer(item.seed, "seed"),
        file=file,
        digest=digest,
        weights=item.weights,
        self_loops=item.self_loops,
    )


def embedding_of(
    item: EmbeddingLayer | EmbeddingBagLayer, place: Place, default_dtype: Dtype
) -> Embedding:
    """Return the look-up of an embedding, or of a bag of them."""
    return Embedding(
        entries=place.integer(item.entries, "entries", minimum=1),
        features=place.integer(item.out, "out", minimum=1),
        dtype=DTYPES[item.dtype] if item.dtype else default_dtype,
    )


def _mover(
    item: ConcatLayer | SliceLayer | ReshapeLayer | TransposeLayer | RepeatLayer, place: Place
) -> Operator:
    """Return an operator that only moves data."""
    match item:
        case ConcatLayer():
            return Concat(axis=place.integer(item.axis, "axis"))
        case SliceLayer():
            return Slice(
                axis=place.integer(item.axis, "axis"),
                start=place.integer(item.start, "start"),
                stop=place.integer(item.stop, "stop"),
                step=place.integer(item.step, "step", minimum=1),
            )
        case TransposeLayer():
            return Transpose(permutation=place.integers(item.permutation, "permutation"))
        case RepeatLayer():
            return Repeat(factors=place.integers(item.factors, "factors", 1))
        case ReshapeLayer():
            shape = place.integers(item.shape, "shape")
            if min(shape) < -1 or 0 in shape or shape.count(-1) > 1:
                raise place.failure(
                    f"shape {list(shape)} must be sizes of at least 1, and at most one -1 for"
                    " whatever is left",
                    "shape",
                )
            return Reshape(shape=shape)


def check_count(item: LayerItem, place: Place, inputs: Sequence[Tensor]) -> None:
    """Raise WorkloadError when an entry has another number of inputs than it needs."""
    count = len(inputs)
    match item:
        case (
            BinaryLayer()
            | MatMulLayer()
            | GatherLayer()
            | ScatterAddLayer()
            | ScanLayer()
            | SuppressionLayer()
            | ConvGradientLayer()
            | WeightedSumLayer()
        ):
            needed = 2
        case ConvLayer() | TransposedConvLayer():
            needed = 2 if count == 2 else 1
        case PoolGradientLayer():
            needed = 3 if item.function == "max" else 1
        case LinearLayer():
            needed = 2 if item.tied_to else 1
        case SelectiveScanLayer():
            needed = 4
        case ConcatLayer():
            needed = max(2, count)
        case _:
            needed = 1
    if count != needed:
        tied = int(isinstance(item, LinearLayer) and item.tied_to is not None)
        plural = "" if needed - tied == 1 else "s"
        raise place.failure(
            f"{item.op} needs {needed - tied} input{plural} but has {count - tied};"
            " correct 'inputs'",
            "inputs",
        )


def _linear(item: LinearLayer, place: Place, inputs: Sequence[Tensor]) -> Linear:
    tied = item.tied_to is not None
    out_features = (
        inputs[1].shape[0] if item.out is None else place.integer(item.out, "out", minimum=1)
    )
    return Linear(
        out_features=out_features,
        bias=item.bias,
        activation=item.activation,
        tied=tied,
        shift=shift_of(item, place),
        weights=weights_of(item.weights, place),
    )
