"""The entries of layers in the YAML format: a model for each operator, or for a few alike."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, GetJsonSchemaHandler, StringConstraints, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from workloads.loaders.fields import (
    Activation,
    ComputeDtypeName,
    FormatName,
    Integer,
    Model,
    Name,
    Padding,
    PerAxis,
    WeightDtypeName,
)

FiniteNumber = Annotated[float | int, Field(allow_inf_nan=False)]
PositiveNumber = Annotated[float | int, Field(allow_inf_nan=False, gt=0)]


class SparsityEntry(Model):
    """``workloads.weights.Sparsity``: ``n`` of each ``m``, or a density."""

    n: Integer | Annotated[list[Integer], Field(min_length=1, max_length=64)] | None = None
    m: Integer | None = None
    density: Annotated[float, Field(allow_inf_nan=False)] | None = None
    block: Integer | None = None
    seed: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _one_pattern(self) -> SparsityEntry:
        has_nm = self.n is not None and self.m is not None
        if (self.n is None) != (self.m is None) or has_nm == (self.density is not None):
            raise ValueError("needs 'n' and 'm', or 'density'; give one of both")
        if has_nm and self.block is not None:
            raise ValueError("has 'block', which goes with 'density'; remove one")
        return self


class WeightsEntry(Model):
    """``workloads.weights.Weights``: all of it, or the name of a dtype."""

    dtype: WeightDtypeName | None = None
    scales: Literal["tensor", "channel"] | Integer | None = None
    scale_dtype: Literal["fp16", "bf16", "fp32"] = "fp16"
    sparsity: SparsityEntry | None = None
    format: FormatName | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        return {"dtype": value} if isinstance(value, str) else value

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Return the schema of both forms."""
        full = handler.resolve_ref_schema(handler(core_schema))
        return {"anyOf": [full["properties"]["dtype"], full]}


class ActivationsEntry(Model):
    """What is known of a layer's results: see ``workloads.activations``."""

    density: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
    format: Literal["bitmap", "csr"] = "bitmap"


class NamedItem(Model):
    """What every entry of a list of layers has."""

    name: Name
    input: Name | None = None


class _Layer(NamedItem):
    """What every operator has."""

    inputs: Annotated[list[Name], Field(min_length=1)] | None = None
    share: Name | None = None
    activations: ActivationsEntry | None = None
    trainable: dict[str, Annotated[int, Field(ge=0)]] = Field(default={})

    @model_validator(mode="after")
    def _one_of_both(self) -> _Layer:
        if self.input is not None and self.inputs is not None:
            raise ValueError("has both 'input' and 'inputs'; keep one")
        return self


class ConvLayer(_Layer):
    """``workloads.layers.Convolution``."""

    op: Literal["conv"]
    out: Integer
    kernel: PerAxis
    stride: PerAxis = 1
    dilation: PerAxis = 1
    padding: Padding = 0
    groups: Integer = 1
    bias: bool = False
    batch_norm: bool = False
    activation: Activation = "identity"
    shift: Integer | None = None
    weights: WeightsEntry | None = None


class TransposedConvLayer(_Layer):
    """``workloads.transposed.TransposedConvolution``."""

    op: Literal["conv_transpose"]
    out: Integer
    kernel: PerAxis
    stride: PerAxis = 1
    dilation: PerAxis = 1
    padding: Padding = 0
    output_padding: PerAxis = 0
    groups: Integer = 1
    bias: bool = False
    activation: Activation = "identity"
    shift: Integer | None = None
    weights: WeightsEntry | None = None


class LinearLayer(_Layer):
    """``workloads.layers.Linear``."""

    op: Literal["linear"]
    out: Integer | None = None
    tied_to: Name | None = None
    bias: bool = True
    activation: Activation = "identity"
    shift: Integer | None = None
    weights: WeightsEntry | None = None

    @model_validator(mode="after")
    def _has_size(self) -> LinearLayer:
        if self.tied_to is not None and self.weights is not None:
            raise ValueError("has 'weights' but 'tied_to' says whose they are; remove one")
        if self.out is None and self.tied_to is None:
            raise ValueError("key 'out' is missing; add it, or 'tied_to'")
        return self


class MatMulLayer(_Layer):
    """``workloads.layers.MatMul``."""

    op: Literal["matmul"]
    equation: Annotated[str, StringConstraints(max_length=100)]
    activation: Activation = "identity"
    shift: Integer | None = None


class UnaryLayer(_Layer):
    """``workloads.layers.Elementwise`` of one operand."""

    op: Activation


class BinaryLayer(_Layer):
    """``workloads.layers.Elementwise`` of two operands."""

    op: Literal[
        "add",
        "subtract",
        "multiply",
        "divide",
        "maximum",
        "minimum",
        "greater",
        "relu_gradient",
        "relu6_gradient",
        "sigmoid_gradient",
        "tanh_gradient",
        "hard_sigmoid_gradient",
        "gelu_gradient",
        "silu_gradient",
        "hard_swish_gradient",
        "absolute_gradient",
        "erf_gradient",
    ]
    activation: Activation = "identity"


class PoolLayer(_Layer):
    """``workloads.layers.Pool``; the stride is the kernel unless given."""

    op: Literal["max_pool", "average_pool"]
    kernel: PerAxis
    stride: PerAxis | None = None
    dilation: PerAxis = 1
    padding: Padding = 0


class GlobalPoolLayer(_Layer):
    """``workloads.layers.Reduce`` over all spatial axes."""

    op: Literal["global_pool"]
    function: Literal["mean", "max"] = "mean"


class ReduceLayer(_Layer):
    """``workloads.layers.Reduce``."""

    op: Literal["reduce"]
    function: Literal["sum", "mean", "max", "argmax"]
    axes: Annotated[list[Integer], Field(min_length=1)]


class NormalizeLayer(_Layer):
    """``workloads.layers.Normalize``."""

    op: Literal["layer_norm", "rms_norm", "batch_norm"]


class SoftmaxLayer(_Layer):
    """``workloads.layers.Normalize`` with a softmax."""

    op: Literal["softmax"]
    axis: Integer = -1


class GroupNormLayer(_Layer):
    """``workloads.normalization.GroupNormalize``."""

    op: Literal["group_norm"]
    groups: Integer


class InstanceNormLayer(_Layer):
    """``workloads.normalization.GroupNormalize`` with as many groups as channels."""

    op: Literal["instance_norm"]


class EmbeddingLayer(_Layer):
    """``workloads.layers.Embedding``."""

    op: Literal["embedding"]
    entries: Integer
    out: Integer
    dtype: ComputeDtypeName | None = None


class EmbeddingBagLayer(_Layer):
    """``workloads.layers.Embedding``, and a ``Reduce`` of what a bag's indices name."""

    op: Literal["embedding_bag"]
    entries: Integer
    out: Integer
    function: Literal["sum", "mean", "max"] = "sum"
    dtype: ComputeDtypeName | None = None


class ConcatLayer(_Layer):
    """``workloads.layers.Concat``."""

    op: Literal["concat"]
    axis: Integer


class SliceLayer(_Layer):
    """``workloads.layers.Slice``."""

    op: Literal["slice"]
    axis: Integer
    start: Integer = 0
    stop: Integer
    step: Integer = 1


class ReshapeLayer(_Layer):
    """``workloads.layers.Reshape``."""

    op: Literal["reshape"]
    shape: Annotated[list[Integer], Field(min_length=1, max_length=8)]


class TransposeLayer(_Layer):
    """``workloads.layers.Transpose``."""

    op: Literal["transpose"]
    permutation: Annotated[list[Integer], Field(min_length=1, max_length=8)]


class RepeatLayer(_Layer):
    """``workloads.resize.Repeat``."""

    op: Literal["repeat"]
    factors: Annotated[list[Integer], Field(min_length=1, max_length=8)]


class InterpolateLayer(_Layer):
    """``workloads.resize.Interpolate``."""

    op: Literal["interpolate"]
    axis: Integer
    factor: Integer


class ResizeLayer(_Layer):
    """``workloads.resize.add_resize``."""

    op: Literal["resize"]
    factor: PerAxis
    mode: Literal["nearest", "linear"] = "nearest"


class RecurrentLayer(_Layer):
    """``workloads.recurrent``."""

    op: Literal["lstm", "gru"]
    hidden: Integer
    bias: bool = True
    direction: Literal["forwards", "backwards", "both"] = "forwards"


class GatherLayer(_Layer):
    """``workloads.indexing.add_gather``: data, and indices."""

    op: Literal["gather"]
    axis: Integer = 0
    batch_axes: Integer = 0


class RowNumbersLayer(_Layer):
    """``workloads.indexing.RowNumbers``."""

    op: Literal["row_numbers"]
    rows: Integer
    tables: Annotated[list[Integer], Field(min_length=1, max_length=8)]
    batch_axes: Integer = 0


class OneHotLayer(_Layer):
    """``workloads.indexing.OneHot``."""

    op: Literal["one_hot"]
    out: Integer
    dtype: ComputeDtypeName | None = None


class ScatterAddLayer(_Layer):
    """``workloads.indexing.add_scatter_add``: updates, and indices."""

    op: Literal["scatter_add"]
    out: Integer


class SortLayer(_Layer):
    """``workloads.selection.Sort``."""

    op: Literal["sort", "argsort"]
    axis: Integer = -1


class TopKLayer(_Layer):
    """``workloads.selection.add_top_k``."""

    op: Literal["top_k"]
    k: Integer
    axis: Integer = -1
    parts: Integer = 1
    result: Literal["values", "indices"] = "values"


class _RoutedLayer(_Layer):
    """What all layers with a ``workloads.experts.Routing`` have."""

    experts: Integer
    per_token: Integer
    skew: Annotated[float | int, Field(allow_inf_nan=False)] = 0
    seed: Integer = 0
    capacity: Annotated[float | int, Field(allow_inf_nan=False)] | None = None


class MixtureLayer(_RoutedLayer):
    """``workloads.experts.add_mixture``."""

    op: Literal["mixture_of_experts"]
    hidden: Integer
    activation: Activation = "silu"
    gated: bool = True
    normalized: bool = True


class DispatchLayer(_RoutedLayer):
    """``workloads.experts.Dispatch``."""

    op: Literal["dispatch"]
    tokens: Integer
    rows: Integer


class CollectLayer(_RoutedLayer):
    """``workloads.experts.Collect``."""

    op: Literal["collect"]
    tokens: Integer


class _SparseLayer(_Layer):
    """What all layers with a ``workloads.adjacency.Adjacency`` have: a file, or its edges."""

    graph: Annotated[str, StringConstraints(min_length=1, max_length=1000)] | None = None
    edges: Integer | None = None
    exponent: Annotated[float | int, Field(allow_inf_nan=False)] = 0
    seed: Integer = 0
    copies: Integer = 1
    weights: Literal["symmetric", "mean", "sum"] = "symmetric"
    self_loops: bool = True

    @model_validator(mode="after")
    def _one_source(self) -> _SparseLayer:
        if (self.graph is None) == (self.edges is None):
            raise ValueError("needs 'graph', a file, or 'edges', to draw one; give one of both")
        return self


class SparseProductLayer(_SparseLayer):
    """``workloads.sparse.add_sparse_product``."""

    op: Literal["sparse_matmul"]


class GraphConvLayer(_SparseLayer):
    """``workloads.sparse.add_graph_convolution``."""

    op: Literal["graph_conv"]
    out: Integer
    bias: bool = True
    activation: Activation = "identity"
    order: Literal["auto", "A(XW)", "(AX)W"] = "auto"


class NeighboursLayer(_SparseLayer):
    """``workloads.sparse.Neighbours`` or ``NeighbourSum``."""

    op: Literal["neighbours", "neighbour_sum"]
    nodes: Integer
    width: Integer


class NodeOrderLayer(_SparseLayer):
    """``workloads.sparse.NodeOrder``."""

    op: Literal["node_order"]
    nodes: Integer


class ScanLayer(_Layer):
    """``workloads.scan.Scan``: factors and summands."""

    op: Literal["scan"]
    axis: Integer


class SelectiveScanLayer(_Layer):
    """``workloads.scan.add_selective_scan``: sequence, time, write and read."""

    op: Literal["selective_scan"]


class FloorInt32Layer(_Layer):
    """``workloads.sampling.FloorInt32``."""

    op: Literal["floor_int32"]


class RampLayer(_Layer):
    """``workloads.sampling.Ramp``."""

    op: Literal["ramp"]
    function: Literal["add", "multiply"] = "add"
    axis: Integer = -1
    count: Integer
    start: FiniteNumber = 0
    step: FiniteNumber = 1


class LookupTableLayer(_Layer):
    """``workloads.sampling.LookupTable``."""

    op: Literal["table"]
    rows: Annotated[
        list[Annotated[list[FiniteNumber], Field(min_length=1, max_length=64)]],
        Field(min_length=1, max_length=1024),
    ]
    dtype: ComputeDtypeName | None = None


class WeightedSumLayer(_Layer):
    """``workloads.sampling.WeightedSum``: values, and weights."""

    op: Literal["weighted_sum"]


class RoiAlignLayer(_Layer):
    """``workloads.roi_align.add_roi_align``: feature maps, and boxes."""

    op: Literal["roi_align"]
    out: Annotated[list[Integer], Field(min_length=2, max_length=2)]
    sampling_ratio: Integer = 2
    scales: Annotated[list[PositiveNumber], Field(min_length=1, max_length=8)]
    aligned: bool = False
    canonical_size: PositiveNumber = 224
    canonical_level: Annotated[int, Field(ge=0, le=32)] = 4


class DeformableLayer(_Layer):
    """``workloads.deformable.add_deformable_convolution``: image, offsets and a mask if any."""

    op: Literal["deform_conv"]
    out: Integer
    kernel: PerAxis
    stride: PerAxis = 1
    dilation: PerAxis = 1
    padding: Padding = 0
    offset_groups: Integer = 1
    bias: bool = False
    activation: Activation = "identity"


class SuppressionLayer(_Layer):
    """``workloads.suppression.add_suppression``: boxes, and their scores."""

    op: Literal["nms"]
    out: Integer
    threshold: Annotated[float | int, Field(ge=0, le=1)] = 0.5
    result: Literal["indices", "scores"] = "indices"


class ConvGradientLayer(_Layer):
    """``workloads.gradients.ConvolutionGradient``."""

    op: Literal["conv_gradient"]
    kernel: PerAxis
    stride: PerAxis = 1
    dilation: PerAxis = 1
    padding: Padding = 0
    groups: Integer = 1


class PoolGradientLayer(_Layer):
    """``workloads.gradients.PoolGradient``; the stride is the kernel unless given."""

    op: Literal["pool_gradient"]
    function: Literal["sum", "max"]
    sizes: PerAxis
    kernel: PerAxis
    stride: PerAxis | None = None
    dilation: PerAxis = 1
    padding: Padding = 0


class FlipLayer(_Layer):
    """``workloads.gradients.Flip``."""

    op: Literal["flip"]
    axis: Integer


class CastLayer(_Layer):
    """``workloads.conversions.Cast``."""

    op: Literal["cast"]
    dtype: ComputeDtypeName
