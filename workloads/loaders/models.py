"""The YAML format of networks, as pydantic models: what may stand where."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import (
    Discriminator,
    Field,
    GetJsonSchemaHandler,
    StringConstraints,
    Tag,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from foundation.errors import nearest
from foundation.functions import FunctionKind, names
from foundation.validation import describe
from workloads.loaders.fields import (
    ComputeDtypeName,
    DtypeName,
    Integer,
    Model,
    Name,
    ParameterName,
)
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
    NamedItem,
    NeighboursLayer,
    NodeOrderLayer,
    NormalizeLayer,
    OneHotLayer,
    PoolGradientLayer,
    PoolLayer,
    RampLayer,
    RecurrentLayer,
    ReduceLayer,
    RepeatLayer,
    ReshapeLayer,
    ResizeLayer,
    RoiAlignLayer,
    RowNumbersLayer,
    ScanLayer,
    ScatterAddLayer,
    SelectiveScanLayer,
    SliceLayer,
    SoftmaxLayer,
    SortLayer,
    SparseProductLayer,
    SuppressionLayer,
    TopKLayer,
    TransposedConvLayer,
    TransposeLayer,
    UnaryLayer,
    WeightedSumLayer,
    WeightsEntry,
)


class TensorEntry(Model):
    """A tensor that no layer computes: its shape, or shape and dtype."""

    shape: Annotated[list[Integer], Field(min_length=1, max_length=8)]
    dtype: DtypeName | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_list(cls, value: Any) -> Any:
        return {"shape": value} if isinstance(value, list) else value

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Return the schema of both forms."""
        full = handler.resolve_ref_schema(handler(core_schema))
        return {"anyOf": [full["properties"]["shape"], full]}


class LearnedEntry(TensorEntry):
    """A tensor that is learned, or whose elements are all one number.

    ``idle`` says that no layer reads it: it is there, as experts are that nobody asks.
    ``trainable`` is how many parameters it counts as, where those aren't its elements.
    """

    constant: Annotated[float, Field(allow_inf_nan=False)] | None = None
    idle: bool = False
    trainable: Annotated[int, Field(ge=0)] | None = None


class BlockUse(NamedItem):
    """A block in the place of a layer, ``repeat`` times one after the other."""

    use: Name
    with_: dict[str, Integer] = Field(default={}, alias="with")
    repeat: Integer | None = None


LayerItem = (
    ConvLayer
    | TransposedConvLayer
    | LinearLayer
    | MatMulLayer
    | UnaryLayer
    | BinaryLayer
    | PoolLayer
    | GlobalPoolLayer
    | ReduceLayer
    | NormalizeLayer
    | SoftmaxLayer
    | GroupNormLayer
    | InstanceNormLayer
    | EmbeddingLayer
    | ConcatLayer
    | SliceLayer
    | ReshapeLayer
    | TransposeLayer
    | RepeatLayer
    | InterpolateLayer
    | ResizeLayer
    | RecurrentLayer
    | EmbeddingBagLayer
    | GatherLayer
    | RowNumbersLayer
    | OneHotLayer
    | ScatterAddLayer
    | SortLayer
    | TopKLayer
    | MixtureLayer
    | DispatchLayer
    | CollectLayer
    | SparseProductLayer
    | GraphConvLayer
    | NeighboursLayer
    | NodeOrderLayer
    | ScanLayer
    | SelectiveScanLayer
    | SuppressionLayer
    | ConvGradientLayer
    | PoolGradientLayer
    | FlipLayer
    | CastLayer
    | FloorInt32Layer
    | RampLayer
    | LookupTableLayer
    | WeightedSumLayer
    | RoiAlignLayer
    | DeformableLayer
)

_TAGS = {
    **dict.fromkeys(names(FunctionKind.UNARY), "unary layer"),
    **dict.fromkeys(names(FunctionKind.BINARY), "binary layer"),
    **dict.fromkeys(("max_pool", "average_pool"), "pool layer"),
    **dict.fromkeys(("lstm", "gru"), "recurrent layer"),
    **dict.fromkeys(("sort", "argsort"), "sort layer"),
    **dict.fromkeys(("neighbours", "neighbour_sum"), "neighbours layer"),
    **dict.fromkeys(("layer_norm", "rms_norm", "batch_norm"), "normalize layer"),
    **{
        name: f"{name} layer"
        for name in (
            *("conv", "conv_transpose", "linear", "matmul", "global_pool", "reduce", "embedding"),
            *("concat", "slice", "reshape", "transpose", "repeat", "interpolate", "resize"),
            *("softmax", "group_norm", "instance_norm", "embedding_bag"),
            *("gather", "row_numbers", "one_hot", "scatter_add", "top_k"),
            *("mixture_of_experts", "dispatch", "collect"),
            *("sparse_matmul", "graph_conv", "node_order", "scan", "selective_scan", "nms"),
            *("conv_gradient", "pool_gradient", "flip", "cast"),
            *("floor_int32", "ramp", "table", "weighted_sum", "roi_align", "deform_conv"),
        )
    },
}
#: Every operator's name in YAML.
OPERATORS = sorted(_TAGS)


def _tag(value: Any) -> str:
    """Return which model an entry is meant to be."""
    if not isinstance(value, dict):
        return "block use"
    if ("op" in value) == ("use" in value):
        return "no operator"
    operator = value.get("op")
    if operator is None:
        return "block use"
    return _TAGS.get(operator, "no operator") if isinstance(operator, str) else "no operator"


class _NoOperator(BlockUse):
    """An entry that is neither a layer nor a block: always an error, with a good message."""

    @model_validator(mode="before")
    @classmethod
    def _refuse(cls, value: dict[str, Any]) -> Any:
        if "op" in value and "use" in value:
            raise ValueError("has both 'op' and 'use'; keep one")
        if "op" not in value:
            raise ValueError("needs 'op' (an operator) or 'use' (a block); add one")
        operator = value["op"]
        hint = nearest(operator, OPERATORS) if isinstance(operator, str) else ""
        raise ValueError(f"unknown operator {describe(operator)}{hint}")

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Return the schema that nothing satisfies."""
        del core_schema, handler
        return {"not": {}}


Item = Annotated[
    Annotated[ConvLayer, Tag("conv layer")]
    | Annotated[TransposedConvLayer, Tag("conv_transpose layer")]
    | Annotated[LinearLayer, Tag("linear layer")]
    | Annotated[MatMulLayer, Tag("matmul layer")]
    | Annotated[UnaryLayer, Tag("unary layer")]
    | Annotated[BinaryLayer, Tag("binary layer")]
    | Annotated[PoolLayer, Tag("pool layer")]
    | Annotated[GlobalPoolLayer, Tag("global_pool layer")]
    | Annotated[ReduceLayer, Tag("reduce layer")]
    | Annotated[NormalizeLayer, Tag("normalize layer")]
    | Annotated[SoftmaxLayer, Tag("softmax layer")]
    | Annotated[GroupNormLayer, Tag("group_norm layer")]
    | Annotated[InstanceNormLayer, Tag("instance_norm layer")]
    | Annotated[EmbeddingLayer, Tag("embedding layer")]
    | Annotated[ConcatLayer, Tag("concat layer")]
    | Annotated[SliceLayer, Tag("slice layer")]
    | Annotated[ReshapeLayer, Tag("reshape layer")]
    | Annotated[TransposeLayer, Tag("transpose layer")]
    | Annotated[RepeatLayer, Tag("repeat layer")]
    | Annotated[InterpolateLayer, Tag("interpolate layer")]
    | Annotated[ResizeLayer, Tag("resize layer")]
    | Annotated[RecurrentLayer, Tag("recurrent layer")]
    | Annotated[EmbeddingBagLayer, Tag("embedding_bag layer")]
    | Annotated[GatherLayer, Tag("gather layer")]
    | Annotated[RowNumbersLayer, Tag("row_numbers layer")]
    | Annotated[OneHotLayer, Tag("one_hot layer")]
    | Annotated[ScatterAddLayer, Tag("scatter_add layer")]
    | Annotated[SortLayer, Tag("sort layer")]
    | Annotated[TopKLayer, Tag("top_k layer")]
    | Annotated[MixtureLayer, Tag("mixture_of_experts layer")]
    | Annotated[DispatchLayer, Tag("dispatch layer")]
    | Annotated[CollectLayer, Tag("collect layer")]
    | Annotated[SparseProductLayer, Tag("sparse_matmul layer")]
    | Annotated[GraphConvLayer, Tag("graph_conv layer")]
    | Annotated[NeighboursLayer, Tag("neighbours layer")]
    | Annotated[NodeOrderLayer, Tag("node_order layer")]
    | Annotated[ScanLayer, Tag("scan layer")]
    | Annotated[SelectiveScanLayer, Tag("selective_scan layer")]
    | Annotated[SuppressionLayer, Tag("nms layer")]
    | Annotated[ConvGradientLayer, Tag("conv_gradient layer")]
    | Annotated[PoolGradientLayer, Tag("pool_gradient layer")]
    | Annotated[FlipLayer, Tag("flip layer")]
    | Annotated[CastLayer, Tag("cast layer")]
    | Annotated[FloorInt32Layer, Tag("floor_int32 layer")]
    | Annotated[RampLayer, Tag("ramp layer")]
    | Annotated[LookupTableLayer, Tag("table layer")]
    | Annotated[WeightedSumLayer, Tag("weighted_sum layer")]
    | Annotated[RoiAlignLayer, Tag("roi_align layer")]
    | Annotated[DeformableLayer, Tag("deform_conv layer")]
    | Annotated[BlockUse, Tag("block use")]
    | Annotated[_NoOperator, Tag("no operator")],
    Discriminator(_tag),
]


class Block(Model):
    """Layers that are used several times, with parameters and their defaults."""

    parameters: dict[ParameterName, Integer] = Field(default={})
    inputs: dict[Name, TensorEntry] = Field(default={})
    learned: dict[Name, LearnedEntry] = Field(default={})
    layers: Annotated[list[Item], Field(min_length=1)]


class NetworkFile(Model):
    """A network."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    source: str | None = None
    notes: list[str] = Field(default=[])
    dtype: ComputeDtypeName = "int8"
    weights: WeightsEntry | None = None
    batch: Annotated[int, Field(ge=1, le=10**6)] = 1
    parameters: dict[ParameterName, Integer] = Field(default={})
    inputs: Annotated[dict[Name, TensorEntry], Field(min_length=1)]
    learned: dict[Name, LearnedEntry] = Field(default={})
    blocks: dict[Name, Block] = Field(default={})
    layers: Annotated[list[Item], Field(min_length=1)]
