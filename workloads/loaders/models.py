"""The YAML format of networks, as pydantic models: what may stand where."""

from __future__ import annotations

import re
from keyword import iskeyword
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    GetJsonSchemaHandler,
    PlainValidator,
    StringConstraints,
    Tag,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from foundation.errors import nearest
from foundation.functions import FunctionKind, names
from foundation.validation import describe

_NAME = r"^[A-Za-z_][A-Za-z0-9_./-]*$"
_PARAMETER = r"^[A-Za-z_][A-Za-z0-9_]*$"
#: Parameters that every expression may use without declaring them.
RESERVED = ("batch", "index")
_NAME_RULE = "a letter first, then letters, digits and _ . / -"


def _integer(value: Any) -> int | str:
    if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
        raise ValueError(f"must be a whole number or an expression but is {describe(value)}")
    return value


def _name(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"must be text but is {describe(value)}")
    if len(value) > 200:
        raise ValueError(f"has {len(value)} characters but a name has at most 200")
    if not re.match(_NAME, value):
        raise ValueError(f"must be a name ({_NAME_RULE}) but is {describe(value)}")
    return value


def _parameter_name(value: Any) -> str:
    if not isinstance(value, str) or not re.match(_PARAMETER, value):
        raise ValueError("a parameter's name must be letters, digits and _, a letter first")
    if value in RESERVED or iskeyword(value):
        raise ValueError(f"parameter '{value}': the name is reserved; choose another")
    return value


def _lists_of_integers(value: Any, depth: int) -> Any:
    """Return integers nested in at most ``depth`` lists."""
    if isinstance(value, list) and depth:
        return [_lists_of_integers(item, depth - 1) for item in value]
    if isinstance(value, list):
        raise ValueError("has lists nested too deep")
    return _integer(value)


_INTEGER_SCHEMA: dict[str, Any] = {
    "description": "a whole number, or an expression over parameters",
    "type": ["integer", "string"],
}
_PER_AXIS_SCHEMA = {"anyOf": [_INTEGER_SCHEMA, {"type": "array", "items": _INTEGER_SCHEMA}]}
_PADDING_SCHEMA = {"anyOf": [_INTEGER_SCHEMA, {"type": "array", "items": _PER_AXIS_SCHEMA}]}
_NAME_SCHEMA = {"type": "string", "pattern": _NAME, "maxLength": 200}

Integer = Annotated[int | str, PlainValidator(_integer), WithJsonSchema(_INTEGER_SCHEMA)]
Name = Annotated[str, PlainValidator(_name), WithJsonSchema(_NAME_SCHEMA)]
ParameterName = Annotated[
    str, PlainValidator(_parameter_name), WithJsonSchema({"type": "string", "pattern": _PARAMETER})
]
#: One number for all spatial axes, or one for each.
PerAxis = Annotated[
    int | str | list[int | str],
    PlainValidator(lambda value: _lists_of_integers(value, 1)),
    WithJsonSchema(_PER_AXIS_SCHEMA),
]
#: As `PerAxis`, where each may also be ``[before, after]``; or the text ``same``.
Padding = Annotated[
    int | str | list[int | str | list[int | str]],
    PlainValidator(lambda value: _lists_of_integers(value, 2)),
    WithJsonSchema(_PADDING_SCHEMA),
]
DtypeName = Literal["int8", "int32", "fp16", "bf16", "fp32"]
ComputeDtypeName = Literal["int8", "fp16", "bf16", "fp32"]
Activation = Literal[
    "identity",
    "relu",
    "relu6",
    "gelu",
    "silu",
    "sigmoid",
    "tanh",
    "hard_swish",
    "hard_sigmoid",
    "softplus",
    "absolute",
    "negative",
    "exp",
    "log",
    "sqrt",
    "reciprocal",
    "erf",
]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


class TensorEntry(_Model):
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


class _Item(_Model):
    """What every entry of a list of layers has."""

    name: Name
    input: Name | None = None


class _Layer(_Item):
    """What every operator has."""

    inputs: Annotated[list[Name], Field(min_length=1)] | None = None
    share: Name | None = None
    trainable: dict[str, Annotated[int, Field(ge=0)]] = {}

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


class LinearLayer(_Layer):
    """``workloads.layers.Linear``."""

    op: Literal["linear"]
    out: Integer | None = None
    tied_to: Name | None = None
    bias: bool = True
    activation: Activation = "identity"
    shift: Integer | None = None

    @model_validator(mode="after")
    def _has_size(self) -> LinearLayer:
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

    op: Literal["add", "subtract", "multiply", "divide", "maximum", "minimum"]
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
    function: Literal["sum", "mean", "max"]
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


class BlockUse(_Item):
    """A block in the place of a layer, ``repeat`` times one after the other."""

    use: Name
    with_: Annotated[dict[str, Integer], Field(alias="with")] = {}
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
)

_TAGS = {
    **dict.fromkeys(names(FunctionKind.UNARY), "unary layer"),
    **dict.fromkeys(names(FunctionKind.BINARY), "binary layer"),
    **dict.fromkeys(("max_pool", "average_pool"), "pool layer"),
    **dict.fromkeys(("lstm", "gru"), "recurrent layer"),
    **dict.fromkeys(("layer_norm", "rms_norm", "batch_norm"), "normalize layer"),
    **{
        name: f"{name} layer"
        for name in (
            *("conv", "conv_transpose", "linear", "matmul", "global_pool", "reduce", "embedding"),
            *("concat", "slice", "reshape", "transpose", "repeat", "interpolate", "resize"),
            *("softmax", "group_norm", "instance_norm", "embedding_bag"),
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
    | Annotated[BlockUse, Tag("block use")]
    | Annotated[_NoOperator, Tag("no operator")],
    Discriminator(_tag),
]


class Block(_Model):
    """Layers that are used several times, with parameters and their defaults."""

    parameters: dict[ParameterName, Integer] = {}
    inputs: dict[Name, TensorEntry] = {}
    learned: dict[Name, LearnedEntry] = {}
    layers: Annotated[list[Item], Field(min_length=1)]


class NetworkFile(_Model):
    """A network."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    source: str | None = None
    notes: list[str] = []
    dtype: ComputeDtypeName = "int8"
    batch: Annotated[int, Field(ge=1, le=10**6)] = 1
    parameters: dict[ParameterName, Integer] = {}
    inputs: Annotated[dict[Name, TensorEntry], Field(min_length=1)]
    learned: dict[Name, LearnedEntry] = {}
    blocks: dict[Name, Block] = {}
    layers: Annotated[list[Item], Field(min_length=1)]
