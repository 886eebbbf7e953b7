"""LLaMA and what has its form: Mistral, Mixtral, Qwen2, Qwen3, Gemma and Gemma 2.

References
----------
.. [1] H. Touvron et al., "Llama 2: Open Foundation and Fine-Tuned Chat Models", arXiv:2307.09288;
   A. Dubey et al., "The Llama 3 Herd of Models", arXiv:2407.21783.
.. [2] A. Jiang et al., "Mistral 7B", arXiv:2310.06825; "Mixtral of Experts", arXiv:2401.04088.
.. [3] A. Yang et al., "Qwen2 Technical Report", arXiv:2407.10671; "Qwen3 Technical Report",
   arXiv:2505.09388.
.. [4] Gemma Team, "Gemma", arXiv:2403.08295; "Gemma 2", arXiv:2408.00118.
"""

from __future__ import annotations

from math import sqrt
from typing import Literal, Self

from pydantic import Field, model_validator

from workloads.graph import Tensor
from workloads.loaders.huggingface.attention import (
    PROJECTIONS,
    Attention,
    Rotary,
    self_attention,
)
from workloads.loaders.huggingface.family import Family
from workloads.loaders.huggingface.feed_forward import Experts, FeedForward, feed_forward
from workloads.loaders.huggingface.language import language_head, token_embedding
from workloads.loaders.huggingface.network import NetworkBuilder
from workloads.loaders.huggingface.run import Reads, Run
from workloads.loaders.huggingface.settings import (
    Activation,
    Layers,
    Number,
    Size,
    TextSettings,
    check_multiple,
)


class LlamaSettings(TextSettings):
    """Keys of a LLaMA; subclasses say what differs."""

    hidden_size: Size
    intermediate_size: Size
    num_hidden_layers: Layers
    num_attention_heads: Size
    num_key_value_heads: Size | None = None
    head_dim: Size | None = None
    hidden_act: Activation = "silu"
    attention_bias: bool = False
    mlp_bias: bool = False
    tie_word_embeddings: bool = False
    sliding_window: Size | None = None
    layer_types: list[Literal["full_attention", "sliding_attention"]] | None = None

    @model_validator(mode="after")
    def _types_are_enough(self) -> Self:
        if self.layer_types is not None and len(self.layer_types) != self.num_hidden_layers:
            raise ValueError(
                f"layer_types has {len(self.layer_types)} items but there are"
                f" {self.num_hidden_layers} layers (num_hidden_layers)"
            )
        return self

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        heads, key_heads = self.num_attention_heads, self.num_key_value_heads
        if self.head_dim is None:
            check_multiple(self.hidden_size, "hidden_size", heads, "num_attention_heads")
        if key_heads is not None:
            check_multiple(heads, "num_attention_heads", key_heads, "num_key_value_heads")
        if self.head_features % 2:
            raise ValueError(
                f"a head has {self.head_features} features but must have an even number: rotary"
                " positions turn pairs; correct head_dim, or hidden_size and num_attention_heads"
            )
        return self

    @property
    def head_features(self) -> int:
        """Features of a head."""
        return self.head_dim or self.hidden_size // self.num_attention_heads

    @property
    def biases(self) -> frozenset[str]:
        """The projections that have a bias."""
        return PROJECTIONS if self.attention_bias else frozenset()

    @property
    def head_norm(self) -> bool:
        """Whether queries and keys are normalized."""
        return False

    @property
    def score_cap(self) -> float | None:
        """Bound of scores."""
        return None

    @property
    def logit_cap(self) -> float | None:
        """Bound of logits."""
        return None

    @property
    def embedding_scale(self) -> float | None:
        """Factor of what the embedding gives."""
        return None

    @property
    def norms_behind(self) -> bool:
        """Whether each part of a layer has a norm behind it, too."""
        return False

    @property
    def between(self) -> FeedForward | Experts:
        """What stands between attentions."""
        return FeedForward(
            features=self.intermediate_size,
            activation=self.hidden_act,
            gated=True,
            bias=self.mlp_bias,
        )

    def has_window(self, layer: int) -> bool:
        """Whether a layer's attention has a window where ``layer_types`` doesn't say."""
        del layer
        return False

    def attention(self, layer: int) -> Attention:
        """Return what a layer's attention is made of."""
        windowed = self.has_window(layer)
        if self.layer_types is not None:
            windowed = self.layer_types[layer] == "sliding_attention"
        return Attention(
            heads=self.num_attention_heads,
            key_heads=self.num_key_value_heads or self.num_attention_heads,
            features=self.head_features,
            biases=self.biases,
            head_norm=self.head_norm,
            window=self.sliding_window if windowed else None,
            cap=self.score_cap,
        )


class MistralSettings(LlamaSettings):
    """Keys of a Mistral: a window in all layers."""

    num_key_value_heads: Size

    def has_window(self, layer: int) -> bool:
        """Every one."""
        del layer
        return True


class MixtralSettings(MistralSettings):
    """Keys of a Mixtral: experts in all layers."""

    num_local_experts: Size
    num_experts_per_tok: Size

    @model_validator(mode="after")
    def _experts_are_enough(self) -> Self:
        if self.num_experts_per_tok > self.num_local_experts:
            raise ValueError(
                f"num_experts_per_tok is {self.num_experts_per_tok} but there are only"
                f" {self.num_local_experts} (num_local_experts)"
            )
        return self

    @property
    def between(self) -> FeedForward | Experts:
        """Experts."""
        each = FeedForward(
            features=self.intermediate_size, activation=self.hidden_act, gated=True, bias=False
        )
        return Experts(count=self.num_local_experts, per_token=self.num_experts_per_tok, each=each)


class Qwen2Settings(LlamaSettings):
    """Keys of a Qwen2: biases of query, key and value; windows in later layers, if at all."""

    num_key_value_heads: Size
    use_sliding_window: bool = False
    max_window_layers: int = Field(default=0, ge=0, le=10**9)

    @property
    def biases(self) -> frozenset[str]:
        """All but the last projection."""
        return PROJECTIONS - {"project"}

    def has_window(self, layer: int) -> bool:
        """Those from ``max_window_layers`` on, if any."""
        return self.use_sliding_window and layer >= self.max_window_layers


class Qwen3Settings(Qwen2Settings):
    """Keys of a Qwen3: heads are normalized."""

    head_dim: Size | None = 128

    @property
    def biases(self) -> frozenset[str]:
        """All or none."""
        return PROJECTIONS if self.attention_bias else frozenset()

    @property
    def head_norm(self) -> bool:
        """Always."""
        return True


class GemmaSettings(LlamaSettings):
    """Keys of a Gemma: a scaled embedding, which is the head's weight, too."""

    num_key_value_heads: Size
    head_dim: Size | None = 256
    hidden_act: Activation = "gelu"
    tie_word_embeddings: bool = True

    @property
    def embedding_scale(self) -> float | None:
        """The root of its features."""
        return sqrt(self.hidden_size)


class Gemma2Settings(GemmaSettings):
    """Keys of a Gemma 2: bounded scores and logits, and a window in every second layer."""

    sliding_window: Size | None = 4096
    attn_logit_softcapping: Number | None = 50.0
    final_logit_softcapping: Number | None = 30.0

    @property
    def score_cap(self) -> float | None:
        """Bound of scores."""
        return self.attn_logit_softcapping

    @property
    def logit_cap(self) -> float | None:
        """Bound of logits."""
        return self.final_logit_softcapping

    @property
    def norms_behind(self) -> bool:
        """Always."""
        return True

    def has_window(self, layer: int) -> bool:
        """Even ones."""
        return layer % 2 == 0


def _build(net: NetworkBuilder, settings: LlamaSettings, run: Run, head: str) -> None:
    x = token_embedding(net, run, settings.vocab_size, settings.hidden_size)
    if settings.embedding_scale is not None:
        x = net.scale("embedding", x, settings.embedding_scale)
    rotary = Rotary.of(net, run.tokens, settings.head_features)
    for index in range(settings.num_hidden_layers):
        with net.scope(f"decoder.{index}"):
            x = _block(net, run, x, settings, index, rotary)
    x = net.normalize("norm", "rms_norm", x)
    if head == "words":
        language_head(
            net,
            run,
            x,
            settings.vocab_size,
            tied=settings.tie_word_embeddings,
            cap=settings.logit_cap,
        )


def _block(
    net: NetworkBuilder,
    run: Run,
    x: Tensor,
    settings: LlamaSettings,
    index: int,
    rotary: Rotary,
) -> Tensor:
    y = net.normalize("norm1", "rms_norm", x)
    y = self_attention(net, run, y, settings.attention(index), rotary=rotary)
    if settings.norms_behind:
        y = net.normalize("attention_norm", "rms_norm", y)
    x = net.function("attention_add", "add", y, x)
    y = feed_forward(net, net.normalize("norm2", "rms_norm", x), settings.between)
    if settings.norms_behind:
        y = net.normalize("contract_norm", "rms_norm", y)
    return net.function("add", "add", y, x)


def _family(settings: type[LlamaSettings], name: str) -> Family:
    return Family(
        settings=settings,
        reads=Reads.GENERATED,
        heads={f"{name}ForCausalLM": "words", f"{name}Model": "none"},
        build=_build,
        mixes_lengths=True,
    )


LLAMA = _family(LlamaSettings, "Llama")
MISTRAL = _family(MistralSettings, "Mistral")
MIXTRAL = _family(MixtralSettings, "Mixtral")
QWEN2 = _family(Qwen2Settings, "Qwen2")
QWEN3 = _family(Qwen3Settings, "Qwen3")
GEMMA = _family(GemmaSettings, "Gemma")
GEMMA2 = _family(Gemma2Settings, "Gemma2")
