"""What a ``config.json`` may say, as pydantic models: what all families have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from foundation.errors import nearest
from foundation.validation import describe

#: Names of functions in configurations to those of the vector unit. All forms of gelu are one
#: function here: a table look-up.
ACTIVATIONS: Mapping[str, str] = {
    **dict.fromkeys(
        ("gelu", "gelu_new", "gelu_fast", "gelu_python", "gelu_pytorch_tanh", "quick_gelu"), "gelu"
    ),
    **{name: name for name in ("relu", "sigmoid", "silu", "tanh")},
    "swish": "silu",
}
#: Types of weights in configurations to ours.
DTYPE_NAMES = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16"}


def _activation(value: Any) -> str:
    if not isinstance(value, str) or value not in ACTIVATIONS:
        hint = nearest(value, ACTIVATIONS) if isinstance(value, str) else ""
        known = ", ".join(ACTIVATIONS)
        raise ValueError(f"must be one of {known} but is {describe(value)}{hint}")
    return ACTIVATIONS[value]


#: A count of things, or of elements along an axis.
Size = Annotated[int, Field(ge=1, le=10**9)]
#: More layers than any network has: a typing error.
Layers = Annotated[int, Field(ge=1, le=1000)]
Number = Annotated[float, Field(gt=0, le=1e9)]
Activation = Annotated[str, BeforeValidator(_activation)]


class Settings(BaseModel):
    """Keys of every configuration; those that don't change shapes or counts are passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, defer_build=True)

    torch_dtype: str | None = None
    dtype: str | None = None
    num_labels: Size | None = None
    id2label: dict[str, Any] | None = None

    @property
    def labels(self) -> int:
        """Classes of a classifier: 2 where the file doesn't say."""
        if self.id2label:
            return len(self.id2label)
        return self.num_labels or 2

    @property
    def position_limit(self) -> int | None:
        """Tokens for which the network has learned positions; None where it needs none."""
        return None

    @property
    def usual_tokens(self) -> int:
        """Tokens of a sequence for which the network is meant; of its encoder, if it has one."""
        raise NotImplementedError

    @property
    def usual_target(self) -> int:
        """Tokens of the decoder for which a network of two parts is meant."""
        return self.usual_tokens


class TextSettings(Settings):
    """Keys of networks that read tokens."""

    vocab_size: Size
    max_position_embeddings: Size

    @property
    def usual_tokens(self) -> int:
        """Tokens of a sequence for which the network is meant."""
        return self.max_position_embeddings


def check_multiple(size: int, key: str, divisor: int, divisor_key: str) -> None:
    """Raise ValueError unless one key's size is a multiple of another's."""
    if size % divisor:
        raise ValueError(
            f"{key} is {size} but must be a multiple of {divisor_key}, which is {divisor}"
        )


class EncoderDecoderSettings(Settings):
    """Keys of families whose encoder and decoder have sizes of their own."""

    d_model: Size
    encoder_layers: Layers
    encoder_attention_heads: Size
    encoder_ffn_dim: Size
    decoder_layers: Layers
    decoder_attention_heads: Size
    decoder_ffn_dim: Size

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        for key in ("encoder_attention_heads", "decoder_attention_heads"):
            check_multiple(self.d_model, "d_model", getattr(self, key), key)
        return self
