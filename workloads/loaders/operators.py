"""A layer's entry in the file becomes an operator of `workloads.layers`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from foundation.dtype import DTYPES, Dtype
from foundation.errors import WorkloadError
from workloads.adjacency import Adjacency, file_digest
from workloads.conversions import Cast
from workloads.experts import Collect, Dispatch, Routing
from workloads.gradients import ConvolutionGradient, Flip, PoolGradient
from workloads.graph import Operator, Tensor
from workloads.indexing import OneHot, RowNumbers
from workloads.layers import (
    Concat,
    Convolution,
    Elementwise,
    Embedding,
    Linear,
    MatMul,
    Normalize,
    Pool,
    Reduce,
    Reshape,
    Slice,
    Transpose,
    Window,
)
from workloads.loaders.expand import Place
from workloads.loaders.layer_models import (
    BinaryLayer,
    CastLayer,
    CollectLayer,
    ConcatLayer,
    ConvGradientLayer,
    ConvLayer,
    DeformableLayer,
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
from workloads.normalization import GroupNormalize
from workloads.resize import Interpolate, Repeat
from workloads.sampling import FloorInt32, LookupTable, Ramp, WeightedSum
from workloads.scan import Scan
from workloads.selection import Sort
from workloads.sparse import Neighbours, NeighbourSum, NodeOrder
from workloads.transposed import TransposedConvolution


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
    match item:
        case ConvLayer() | TransposedConvLayer() | PoolLayer() | GlobalPoolLayer():
            return _windowed(item, place, inputs)
        case ConvGradientLayer() | PoolGradientLayer():
            return _window_gradient(item, place, inputs)
        case CastLayer():
            return Cast(dtype=DTYPES[item.dtype])
        case FlipLayer():
            return Flip(axis=place.integer(item.axis, "axis"))
        case LinearLayer():
            return _linear(item, place, inputs)
        case MatMulLayer():
            return MatMul(
                equation=item.equation, activation=item.activation, shift=_shift(item, place)
            )
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
        case EmbeddingLayer():
            return embedding_of(item, place, default_dtype)
        case InterpolateLayer():
            return Interpolate(
                axis=place.integer(item.axis, "axis"), factor=place.integer(item.factor, "factor")
            )
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
        case ScanLayer():
            return Scan(axis=place.integer(item.axis, "axis"))
        case OneHotLayer():
            return OneHot(
                classes=place.integer(item.out, "out", minimum=1),
                dtype=DTYPES[item.dtype] if item.dtype else default_dtype,
            )
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
        case LookupTableLayer():
            return LookupTable(
                rows=tuple(tuple(float(number) for number in row) for row in item.rows),
                dtype=DTYPES[item.dtype] if item.dtype else default_dtype,
            )
        case SortLayer():
            return Sort(function=item.op, axis=place.integer(item.axis, "axis"))
        case ConcatLayer() | SliceLayer() | ReshapeLayer() | TransposeLayer() | RepeatLayer():
            return _mover(item, place)
        case _:
            raise AssertionError(f"{item.op} is composed of layers")


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


def _shift(
    item: ConvLayer | TransposedConvLayer | LinearLayer | MatMulLayer, place: Place
) -> int | None:
    if item.shift is None:
        return None
    shift = place.integer(item.shift, "shift", minimum=0)
    if shift > 31:
        raise place.failure(f"shift is {shift} but must be at most 31", "shift")
    return shift


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
        shift=_shift(item, place),
        weights=weights_of(item.weights, place),
    )


def _windowed(
    item: ConvLayer | TransposedConvLayer | PoolLayer | GlobalPoolLayer,
    place: Place,
    inputs: Sequence[Tensor],
) -> Operator:
    tensor = inputs[0]
    axes = spatial_axes(item, place, tensor)
    match item:
        case GlobalPoolLayer():
            return Reduce(function=item.function, axes=tuple(range(1, axes + 1)))
        case PoolLayer():
            function = "max" if item.op == "max_pool" else "mean"
            return Pool(function=function, windows=windows_of(item, place, tensor))
        case ConvLayer():
            return Convolution(
                out_channels=place.integer(item.out, "out", minimum=1),
                windows=windows_of(item, place, tensor),
                groups=place.integer(item.groups, "groups", minimum=1),
                bias=item.bias,
                batch_norm=item.batch_norm,
                activation=item.activation,
                shift=_shift(item, place),
                tied=len(inputs) == 2,
                weights=weights_of(item.weights, place),
            )
        case TransposedConvLayer():
            windows, output_padding = _transposed_windows(item, place, tensor)
            return TransposedConvolution(
                out_channels=place.integer(item.out, "out", minimum=1),
                windows=windows,
                output_padding=output_padding,
                groups=place.integer(item.groups, "groups", minimum=1),
                bias=item.bias,
                activation=item.activation,
                shift=_shift(item, place),
                tied=len(inputs) == 2,
                weights=weights_of(item.weights, place),
            )


def _window_gradient(
    item: ConvGradientLayer | PoolGradientLayer, place: Place, inputs: Sequence[Tensor]
) -> Operator:
    axes = spatial_axes(item, place, inputs[0])
    windows = windows_of(item, place, inputs[0])
    if isinstance(item, ConvGradientLayer):
        groups = place.integer(item.groups, "groups", minimum=1)
        return ConvolutionGradient(windows=windows, groups=groups)
    sizes = per_axis(item.sizes, "sizes", place, axes)
    return PoolGradient(function=item.function, windows=windows, sizes=sizes)


def spatial_axes(item: LayerItem, place: Place, tensor: Tensor) -> int:
    """Return the number of spatial axes of an image, a signal or a volume."""
    rank = len(tensor.shape)
    if rank not in (3, 4, 5):
        raise place.failure(
            f"{item.op} needs an input of 4 axes [batch, height, width, channels], 3 [batch, width,"
            " channels] or 5 [batch, depth, height, width, channels] but"
            f" '{tensor.name}' has {rank}: {list(tensor.shape)}"
        )
    return rank - 2


def _transposed_windows(
    item: TransposedConvLayer, place: Place, tensor: Tensor
) -> tuple[tuple[Window, ...], tuple[int, ...]]:
    """Return a window and an output padding for each spatial axis."""
    windows = windows_of(item, place, tensor)
    if item.padding != "same":
        return windows, per_axis(item.output_padding, "output_padding", place, len(windows), 0)
    if item.output_padding != 0:
        raise place.failure(
            "has 'output_padding' and 'padding: same', which sets it; keep one", "output_padding"
        )
    return windows, tuple(max(window.stride - window.span, 0) for window in windows)


def windows_of(
    item: ConvLayer
    | TransposedConvLayer
    | PoolLayer
    | DeformableLayer
    | ConvGradientLayer
    | PoolGradientLayer,
    place: Place,
    tensor: Tensor,
) -> tuple[Window, ...]:
    """Return one window for each spatial axis."""
    sizes = tensor.shape[1:-1]
    axes = len(sizes)
    kernels = per_axis(item.kernel, "kernel", place, axes)
    strides = kernels
    if item.stride is not None:
        strides = per_axis(item.stride, "stride", place, axes)
    dilations = per_axis(item.dilation, "dilation", place, axes)
    windows = [
        Window(kernel=kernel, stride=stride, dilation=dilation)
        for kernel, stride, dilation in zip(kernels, strides, dilations, strict=True)
    ]
    if item.padding == "same" and isinstance(item, TransposedConvLayer):
        pads = [_same_transposed(window) for window in windows]
    elif item.padding == "same":
        if isinstance(item, PoolGradientLayer):
            raise place.failure("padding can't be 'same': give the pooling's numbers", "padding")
        pads = [_same(window, size) for window, size in zip(windows, sizes, strict=True)]
    else:
        pads = _padding(item.padding, place, axes)
    return tuple(
        window._replace(pad_before=before, pad_after=after)
        for window, (before, after) in zip(windows, pads, strict=True)
    )


def per_axis(
    value: int | str | list[int | str], key: str, place: Place, axes: int, minimum: int = 1
) -> tuple[int, ...]:
    """Return a number for each spatial axis: the one that stands for all, or those of a list."""
    if not isinstance(value, list):
        return (place.integer(value, key, minimum=minimum),) * axes
    if len(value) != axes:
        raise place.failure(_count_rule(key, len(value), axes), key)
    return place.integers(value, key, minimum)


def _count_rule(key: str, given: int, axes: int) -> str:
    values, windows = ("value", "axis") if axes == 1 else ("values", "axes")
    return f"{key} has {given} entries but needs {axes} {values} for {axes} spatial {windows}"


def _same(window: Window, size: int) -> tuple[int, int]:
    """Return padding for ``ceil(size / stride)`` positions, the odd element after the data.

    References
    ----------
    .. [1] TensorFlow, "tf.nn: Notes on padding", https://www.tensorflow.org/api_docs/python/tf/nn
    """
    positions = -(-size // window.stride)
    total = max((positions - 1) * window.stride + window.span - size, 0)
    return total // 2, total - total // 2


def _same_transposed(window: Window) -> tuple[int, int]:
    """Return what is cut off for ``size · stride`` positions, as the convolution back pads."""
    total = max(window.span - window.stride, 0)
    return total // 2, total - total // 2


def _padding(
    value: int | str | list[int | str | list[int | str]], place: Place, axes: int
) -> list[tuple[int, int]]:
    if not isinstance(value, list):
        return [(place.integer(value, "padding", minimum=0),) * 2] * axes
    if len(value) != axes:
        raise place.failure(_count_rule("padding", len(value), axes), "padding")
    pads = []
    for number, entry in enumerate(value):
        pair = entry if isinstance(entry, list) else [entry, entry]
        if len(pair) != 2:
            raise place.failure(
                f"padding of one axis has {len(pair)} values but needs 2: [before, after]",
                "padding",
                number,
            )
        before, after = (place.integer(size, "padding", number, minimum=0) for size in pair)
        pads.append((before, after))
    return pads
