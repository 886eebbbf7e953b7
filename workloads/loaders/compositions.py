"""A layer's entry in the file becomes layers of a graph: one, or several where it is composed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from foundation.dtype import Dtype
from workloads.build import MAX_LAYERS, GraphBuilder
from workloads.deformable import Deformable, add_deformable_convolution
from workloads.experts import Mixture, add_mixture
from workloads.graph import Tensor
from workloads.indexing import add_gather, add_scatter_add
from workloads.layers import Reduce
from workloads.loaders.expand import Place
from workloads.loaders.layer_models import (
    DeformableLayer,
    EmbeddingBagLayer,
    GatherLayer,
    GraphConvLayer,
    MixtureLayer,
    RecurrentLayer,
    ResizeLayer,
    RoiAlignLayer,
    ScatterAddLayer,
    SelectiveScanLayer,
    SparseProductLayer,
    SuppressionLayer,
    TopKLayer,
)
from workloads.loaders.models import LayerItem
from workloads.loaders.operators import (
    adjacency_of,
    check_count,
    embedding_of,
    operator_of,
    routing_of,
)
from workloads.loaders.windows import per_axis, spatial_axes, windows_of
from workloads.recurrent import (
    LAYERS_A_STEP,
    STATES,
    Recurrence,
    add_bidirectional,
    add_recurrence,
)
from workloads.resize import add_resize
from workloads.roi_align import RoiAlign, add_roi_align
from workloads.scan import add_selective_scan
from workloads.selection import add_top_k
from workloads.sparse import GraphConvolution, add_graph_convolution, add_sparse_product
from workloads.suppression import LAYERS_A_BOX, add_suppression

#: Adds the layers of an entry to a graph: the builder, the last one's name, and whose parameters
#: they share.
Adder = Callable[[GraphBuilder, str, str | None], Tensor]


def adder_of(
    item: LayerItem, place: Place, inputs: Sequence[Tensor], default_dtype: Dtype
) -> Adder:
    """Return what adds the layers of an entry; parameters as of `operator_of`.

    Raises
    ------
    WorkloadError
        Wrong number of inputs, or an attribute out of its range.
    """
    match item:
        case (
            ResizeLayer()
            | RecurrentLayer()
            | EmbeddingBagLayer()
            | GatherLayer()
            | ScatterAddLayer()
            | TopKLayer()
            | MixtureLayer()
            | SparseProductLayer()
            | GraphConvLayer()
            | SelectiveScanLayer()
            | SuppressionLayer()
            | RoiAlignLayer()
            | DeformableLayer()
        ) if item.share is not None:
            raise place.failure(
                f"{item.op} is several layers, which share no parameters with others; leave 'share'"
                " out",
                "share",
            )
        case ResizeLayer():
            return _resize(item, place, inputs)
        case RecurrentLayer():
            return _recurrent(item, place, inputs)
        case EmbeddingBagLayer():
            return _embedding_bag(item, place, inputs, default_dtype)
        case GatherLayer():
            return _gather(item, place, inputs)
        case ScatterAddLayer():
            return _scatter_add(item, place, inputs)
        case TopKLayer():
            return _top_k(item, place, inputs)
        case SelectiveScanLayer():
            check_count(item, place, inputs)
            return lambda builder, name, _: add_selective_scan(builder, name, *inputs)
        case SuppressionLayer():
            return _suppression(item, place, inputs)
        case RoiAlignLayer():
            return _roi_align(item, place, inputs)
        case DeformableLayer():
            return _deformable(item, place, inputs)
        case MixtureLayer():
            return _mixture(item, place, inputs)
        case SparseProductLayer() | GraphConvLayer():
            return _sparse(item, place, inputs)
        case _:
            operator = operator_of(item, place, inputs, default_dtype)
            return lambda builder, name, share: builder.add_layer(name, operator, inputs, share)


def _embedding_bag(
    item: EmbeddingBagLayer, place: Place, inputs: Sequence[Tensor], default_dtype: Dtype
) -> Adder:
    check_count(item, place, inputs)
    lookup = embedding_of(item, place, default_dtype)
    reduction = Reduce(function=item.function, axes=(-2,))

    def add(builder: GraphBuilder, name: str, share: str | None) -> Tensor:
        del share
        rows = builder.add_layer(f"{name}.rows", lookup, inputs)
        return builder.add_layer(name, reduction, [rows])

    return add


def _gather(item: GatherLayer, place: Place, inputs: Sequence[Tensor]) -> Adder:
    check_count(item, place, inputs)
    data, indices = inputs
    axis = place.integer(item.axis, "axis")
    batch_axes = place.integer(item.batch_axes, "batch_axes")
    return lambda builder, name, _: add_gather(builder, name, data, indices, axis, batch_axes)


def _scatter_add(item: ScatterAddLayer, place: Place, inputs: Sequence[Tensor]) -> Adder:
    check_count(item, place, inputs)
    updates, indices = inputs
    rows = place.integer(item.out, "out", minimum=1)
    return lambda builder, name, _: add_scatter_add(builder, name, updates, indices, rows)


def _top_k(item: TopKLayer, place: Place, inputs: Sequence[Tensor]) -> Adder:
    check_count(item, place, inputs)
    (tensor,) = inputs
    count, axis = place.integer(item.k, "k"), place.integer(item.axis, "axis")
    parts = place.integer(item.parts, "parts", minimum=1)
    function = "sort" if item.result == "values" else "argsort"
    return lambda builder, name, _: add_top_k(builder, name, tensor, count, axis, function, parts)


def _mixture(item: MixtureLayer, place: Place, inputs: Sequence[Tensor]) -> Adder:
    check_count(item, place, inputs)
    (tensor,) = inputs
    routing = routing_of(item, place, tensor.size_elements // tensor.shape[-1])
    mixture = Mixture(
        hidden=place.integer(item.hidden, "hidden", minimum=1),
        activation=item.activation,
        gated=item.gated,
        normalized=item.normalized,
    )
    return lambda builder, name, _: add_mixture(builder, name, tensor, routing, mixture)


def _sparse(
    item: SparseProductLayer | GraphConvLayer, place: Place, inputs: Sequence[Tensor]
) -> Adder:
    check_count(item, place, inputs)
    (tensor,) = inputs
    adjacency = adjacency_of(item, place, tensor.shape[0])
    if isinstance(item, SparseProductLayer):
        return lambda builder, name, _: add_sparse_product(builder, name, tensor, adjacency)
    convolution = GraphConvolution(
        features=place.integer(item.out, "out", minimum=1),
        bias=item.bias,
        activation=item.activation,
        order=None if item.order == "auto" else item.order,
    )
    return lambda builder, name, _: add_graph_convolution(
        builder, name, tensor, adjacency, convolution
    )


def _suppression(item: SuppressionLayer, place: Place, inputs: Sequence[Tensor]) -> Adder:
    check_count(item, place, inputs)
    boxes, scores = inputs
    count = place.integer(item.out, "out")
    if count * LAYERS_A_BOX > MAX_LAYERS:
        raise place.failure(
            f"out is {count} but at most {MAX_LAYERS // LAYERS_A_BOX} are possible", "out"
        )
    threshold = float(item.threshold)
    return lambda builder, name, _: add_suppression(
        builder, name, boxes, scores, count, threshold, item.result
    )


def _roi_align(item: RoiAlignLayer, place: Place, inputs: Sequence[Tensor]) -> Adder:
    *features, boxes = inputs
    if not features:
        raise place.failure("roi_align needs feature maps and boxes; correct 'inputs'", "inputs")
    rows, columns = place.integers(item.out, "out", 1)
    roi = RoiAlign(
        sizes=(rows, columns),
        sampling_ratio=place.integer(item.sampling_ratio, "sampling_ratio", minimum=1),
        scales=tuple(float(scale) for scale in item.scales),
        aligned=item.aligned,
        canonical_size=float(item.canonical_size),
        canonical_level=item.canonical_level,
    )
    return lambda builder, name, _: add_roi_align(builder, name, features, boxes, roi)


def _deformable(item: DeformableLayer, place: Place, inputs: Sequence[Tensor]) -> Adder:
    if not 2 <= len(inputs) <= 3 or len(inputs[0].shape) != 4:
        raise place.failure(
            "deform_conv needs an image [batch, height, width, channels], offsets"
            " and a mask if any; correct 'inputs'",
            "inputs",
        )
    image, offset, *masks = inputs
    rows, columns = windows_of(item, place, image)
    deformable = Deformable(
        out_channels=place.integer(item.out, "out", minimum=1),
        windows=(rows, columns),
        bias=item.bias,
        activation=item.activation,
        offset_groups=place.integer(item.offset_groups, "offset_groups", minimum=1),
    )
    mask = masks[0] if masks else None
    return lambda builder, name, _: add_deformable_convolution(
        builder, name, image, offset, mask, deformable
    )


def _resize(item: ResizeLayer, place: Place, inputs: Sequence[Tensor]) -> Adder:
    check_count(item, place, inputs)
    (tensor,) = inputs
    factors = per_axis(item.factor, "factor", place, spatial_axes(item, place, tensor))
    is_linear = item.mode == "linear"
    return lambda builder, name, _: add_resize(builder, name, tensor, factors, linear=is_linear)


def _recurrent(item: RecurrentLayer, place: Place, inputs: Sequence[Tensor]) -> Adder:
    sequence, *states = inputs
    hidden = place.integer(item.hidden, "hidden", minimum=1)
    if len(sequence.shape) != 3:
        raise place.failure(
            f"{item.op} needs an input of 3 axes [batch, steps, features] but '{sequence.name}' has"
            f" {len(sequence.shape)}: {list(sequence.shape)}"
        )
    if sequence.shape[1] * LAYERS_A_STEP > MAX_LAYERS:
        raise place.failure(
            f"has {sequence.shape[1]} steps but at most {MAX_LAYERS // LAYERS_A_STEP} are possible"
        )
    _check_states(item, place, states, (sequence.shape[0], 1, hidden))
    recurrence = Recurrence(
        kind=item.op, hidden=hidden, bias=item.bias, reverse=item.direction == "backwards"
    )
    if item.direction == "both":
        return lambda builder, name, _: add_bidirectional(builder, name, sequence, recurrence)
    return lambda builder, name, _: add_recurrence(builder, name, sequence, recurrence, states)


def _check_states(
    item: RecurrentLayer, place: Place, states: Sequence[Tensor], shape: tuple[int, ...]
) -> None:
    needed = STATES[item.op]
    if states and (item.direction == "both" or len(states) != needed):
        one_way = f" or {1 + needed}, with the state before the first step"
        raise place.failure(
            f"{item.op} needs 1 input{'' if item.direction == 'both' else one_way} but has"
            f" {1 + len(states)}; correct 'inputs'",
            "inputs",
        )
    for state in states:
        if state.shape != shape:
            raise place.failure(
                f"a state must be [batch, 1, hidden] = {list(shape)} but '{state.name}' is"
                f" {list(state.shape)}",
                "inputs",
            )
