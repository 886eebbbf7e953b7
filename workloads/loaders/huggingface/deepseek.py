"""DeepSeek-V2 and V3: latent attention, and experts behind the first layers.

References
----------
.. [1] DeepSeek-AI, "DeepSeek-V2: A Strong, Economical, and Efficient Mixture-of-Experts Language
   Model", arXiv:2405.04434, section 2.1; "DeepSeek-V3 Technical Report", arXiv:2412.19437.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from workloads.graph import Tensor
from workloads.loaders.huggingface.attention import Rotary
from workloads.loaders.huggingface.caches import cache
from workloads.loaders.huggingface.family import Family
from workloads.loaders.huggingface.feed_forward import Experts, FeedForward, feed_forward
from workloads.loaders.huggingface.language import language_head, token_embedding
from workloads.loaders.huggingface.network import NetworkBuilder
from workloads.loaders.huggingface.run import Reads, Run
from workloads.loaders.huggingface.settings import Activation, Layers, Size, TextSettings


class DeepseekSettings(TextSettings):
    """Keys of a DeepSeek."""

    hidden_size: Size
    intermediate_size: Size
    num_hidden_layers: Layers
    num_attention_heads: Size
    q_lora_rank: Size | None
    kv_lora_rank: Size
    qk_nope_head_dim: Size
    qk_rope_head_dim: Size
    v_head_dim: Size
    n_routed_experts: Size | None = None
    n_shared_experts: Size | None = None
    num_experts_per_tok: Size | None = None
    moe_intermediate_size: Size | None = None
    first_k_dense_replace: int = Field(default=0, ge=0, le=10**9)
    moe_layer_freq: Size = 1
    scoring_func: Literal["softmax", "sigmoid"] = "softmax"
    norm_topk_prob: bool = False
    hidden_act: Activation = "silu"
    attention_bias: bool = False
    tie_word_embeddings: bool = False

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        if self.qk_rope_head_dim % 2:
            raise ValueError(
                f"qk_rope_head_dim is {self.qk_rope_head_dim} but must be even: rotary positions"
                " turn pairs"
            )
        if self.n_routed_experts is None:
            return self
        if self.num_experts_per_tok is None or self.moe_intermediate_size is None:
            raise ValueError(
                "n_routed_experts is given but num_experts_per_tok or moe_intermediate_size is"
                " missing; add it"
            )
        if self.num_experts_per_tok > self.n_routed_experts:
            raise ValueError(
                f"num_experts_per_tok is {self.num_experts_per_tok} but there are only"
                f" {self.n_routed_experts} (n_routed_experts)"
            )
        return self

    @property
    def corrects(self) -> bool:
        """Whether a learned number for each expert is added for the choice."""
        return False

    def between(self, layer: int) -> FeedForward | Experts:
        """Return what stands behind the attention of a layer."""
        experts, per_token = self.n_routed_experts, self.num_experts_per_tok
        dense = layer < self.first_k_dense_replace or layer % self.moe_layer_freq
        if experts is None or per_token is None or dense:
            return self._gated(self.intermediate_size)
        features = self.moe_intermediate_size or self.intermediate_size
        shared = self.n_shared_experts
        return Experts(
            count=experts,
            per_token=per_token,
            each=self._gated(features),
            scores=self.scoring_func,
            correction=self.corrects,
            normalized=self.norm_topk_prob,
            shared=None if shared is None else self._gated(shared * features),
        )

    def _gated(self, features: int) -> FeedForward:
        return FeedForward(features=features, activation=self.hidden_act, gated=True, bias=False)


class DeepseekV3Settings(DeepseekSettings):
    """Keys of a DeepSeek-V3."""

    scoring_func: Literal["softmax", "sigmoid"] = "sigmoid"
    norm_topk_prob: bool = True

    @property
    def corrects(self) -> bool:
        """Always: its loads are balanced without a loss."""
        return True


def _build(net: NetworkBuilder, settings: DeepseekSettings, run: Run, head: str) -> None:
    x = token_embedding(net, run, settings.vocab_size, settings.hidden_size)
    rotary = Rotary.of(net, run.tokens, settings.qk_rope_head_dim)
    for index in range(settings.num_hidden_layers):
        with net.scope(f"decoder.{index}"):
            y = _attention(net, run, net.normalize("norm1", "rms_norm", x), settings, rotary)
            x = net.function("attention_add", "add", y, x)
            y = net.normalize("norm2", "rms_norm", x)
            x = net.function("add", "add", feed_forward(net, y, settings.between(index)), x)
    x = net.normalize("norm", "rms_norm", x)
    if head == "words":
        language_head(net, run, x, settings.vocab_size, tied=settings.tie_word_embeddings)


def _attention(
    net: NetworkBuilder, run: Run, x: Tensor, settings: DeepseekSettings, rotary: Rotary
) -> Tensor:
    """Add multi-head latent attention.

    A head's key has a part that comes from the latent, and one for the position, which all heads
    share. Their products with the query are added. Each projection that makes two things is two
    layers here.
    """
    bias = settings.attention_bias
    source = x
    if settings.q_lora_rank is not None:
        source = net.linear("query_latent", x, settings.q_lora_rank, bias=bias)
        source = net.normalize("query_latent_norm", "rms_norm", source)
    heads, batch, tokens = settings.num_attention_heads, run.batch, run.tokens
    content = net.linear("query_content", source, heads * settings.qk_nope_head_dim, bias=False)
    position = net.linear("query_position", source, heads * settings.qk_rope_head_dim, bias=False)
    position = net.reshape("query_heads", position, batch, tokens, heads, settings.qk_rope_head_dim)
    position = rotary.turn(net, "query", position)
    latent = net.linear("latent", x, settings.kv_lora_rank, bias=bias)
    latent = net.normalize("latent_norm", "rms_norm", latent)
    key = net.linear("key_position", x, settings.qk_rope_head_dim, bias=bias)
    key = net.reshape("key_heads", key, batch, tokens, 1, settings.qk_rope_head_dim)
    key = rotary.turn(net, "key", key)
    if run.context is None:
        merged = _from_heads(net, settings, content, position, latent, key)
    else:
        latent = cache(net, run, "latent_cache", settings.kv_lora_rank)
        key = cache(net, run, "position_cache", settings.qk_rope_head_dim)
        merged = _from_latent(net, settings, content, position, latent, key)
    return net.linear("project", merged, settings.hidden_size, bias=bias)


def _position_scores(net: NetworkBuilder, position: Tensor, key: Tensor) -> Tensor:
    """Add scores of positions, shape (batch, tokens * heads, context)."""
    batch, tokens, heads, features = position.shape
    rows = net.reshape("position_rows", position, batch, tokens * heads, features)
    return net.product("position_scores", "bmd,btd->bmt", rows, key)


def _from_heads(
    net: NetworkBuilder,
    settings: DeepseekSettings,
    content: Tensor,
    position: Tensor,
    latent: Tensor,
    key: Tensor,
) -> Tensor:
    """Add attention with keys and values of every head, made from the latent."""
    batch, tokens, heads, _ = position.shape
    keys = net.linear("key_content", latent, heads * settings.qk_nope_head_dim, bias=False)
    values = net.linear("value", latent, heads * settings.v_head_dim, bias=False)
    content = net.reshape("content_heads", content, batch, tokens, heads, settings.qk_nope_head_dim)
    keys = net.reshape("key_content_heads", keys, batch, tokens, heads, settings.qk_nope_head_dim)
    values = net.reshape("value_heads", values, batch, tokens, heads, settings.v_head_dim)
    key = net.reshape("key_rows", key, batch, tokens, settings.qk_rope_head_dim)
    moved = _position_scores(net, position, key)
    moved = net.reshape("position_scores_heads", moved, batch, tokens, heads, tokens)
    scores = net.product("scores", "bshd,bthd->bsht", content, keys)
    weights = net.normalize("attention", "softmax", net.function("both", "add", scores, moved))
    context = net.product("context", "bsht,bthd->bshd", weights, values)
    return net.reshape("merged", context, batch, tokens, heads * settings.v_head_dim)


def _from_latent(
    net: NetworkBuilder,
    settings: DeepseekSettings,
    content: Tensor,
    position: Tensor,
    latent: Tensor,
    key: Tensor,
) -> Tensor:
    """Add attention to the cached latent itself.

    The weights that would make keys and values of it are multiplied with query and context
    instead, which gives the same: a step of decoding then reads one latent for all heads.
    """
    batch, tokens, heads, _ = position.shape
    inner, rank, outer = settings.qk_nope_head_dim, settings.kv_lora_rank, settings.v_head_dim
    content = net.reshape("content_heads", content, batch * tokens, heads, inner)
    key_weight = net.learned("key_content_weight", heads, inner, rank)
    absorbed = net.product("absorbed", "mhd,hdr->mhr", content, key_weight)
    absorbed = net.reshape("absorbed_rows", absorbed, batch, tokens * heads, rank)
    scores = net.product("scores", "bmr,btr->bmt", absorbed, latent)
    moved = _position_scores(net, position, key)
    weights = net.normalize("attention", "softmax", net.function("both", "add", scores, moved))
    context = net.product("context", "bmt,btr->bmr", weights, latent)
    context = net.reshape("context_heads", context, batch * tokens, heads, rank)
    value_weight = net.learned("value_weight", heads, rank, outer)
    values = net.product("values", "mhr,hrd->mhd", context, value_weight)
    return net.reshape("merged", values, batch, tokens, heads * outer)


DEEPSEEK_V2 = Family(
    settings=DeepseekSettings,
    reads=Reads.GENERATED,
    heads={"DeepseekV2ForCausalLM": "words", "DeepseekV2Model": "none"},
    build=_build,
)
DEEPSEEK_V3 = Family(
    settings=DeepseekV3Settings,
    reads=Reads.GENERATED,
    heads={"DeepseekV3ForCausalLM": "words", "DeepseekV3Model": "none"},
    build=_build,
)
