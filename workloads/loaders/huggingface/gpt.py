"""GPT-2 and OPT: decoders with learned positions.

References
----------
.. [1] A. Radford et al., "Language Models are Unsupervised Multitask Learners", OpenAI 2019.
.. [2] S. Zhang et al., "OPT: Open Pre-trained Transformer Language Models", arXiv:2205.01068.
"""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from workloads.graph import Tensor
from workloads.loaders.huggingface.attention import PROJECTIONS, Attention, self_attention
from workloads.loaders.huggingface.family import Family
from workloads.loaders.huggingface.feed_forward import FeedForward, feed_forward
from workloads.loaders.huggingface.language import (
    language_head,
    position_embedding,
    token_embedding,
)
from workloads.loaders.huggingface.network import NetworkBuilder
from workloads.loaders.huggingface.run import Reads, Run
from workloads.loaders.huggingface.settings import (
    Activation,
    Layers,
    Settings,
    Size,
    TextSettings,
    check_multiple,
)

#: Rows of OPT's table of positions before that of the first token.
OPT_OFFSET = 2


class Gpt2Settings(Settings):
    """Keys of a GPT-2."""

    vocab_size: Size
    n_positions: Size
    n_embd: Size
    n_layer: Layers
    n_head: Size
    n_inner: Size | None = None
    activation_function: Activation = "gelu"
    tie_word_embeddings: bool = True
    add_cross_attention: bool = False

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        check_multiple(self.n_embd, "n_embd", self.n_head, "n_head")
        if self.add_cross_attention:
            raise ValueError("add_cross_attention is true but isn't built; give false")
        return self

    @property
    def position_limit(self) -> int | None:
        """Rows of the table of positions."""
        return self.n_positions

    @property
    def usual_tokens(self) -> int:
        """As many as there are positions."""
        return self.n_positions


class OptSettings(TextSettings):
    """Keys of an OPT."""

    hidden_size: Size
    num_hidden_layers: Layers
    num_attention_heads: Size
    ffn_dim: Size
    word_embed_proj_dim: Size | None = None
    do_layer_norm_before: bool = True
    enable_bias: bool = True
    no_final_norm: bool = Field(default=False, alias="_remove_final_layer_norm")
    layer_norm_elementwise_affine: bool = True
    activation_function: Activation = "relu"
    tie_word_embeddings: bool = True

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        check_multiple(
            self.hidden_size, "hidden_size", self.num_attention_heads, "num_attention_heads"
        )
        if not self.layer_norm_elementwise_affine:
            raise ValueError("layer_norm_elementwise_affine is false but norms have parameters")
        return self

    @property
    def position_limit(self) -> int | None:
        """Rows of the table of positions but for the offset."""
        return self.max_position_embeddings


def _block(
    net: NetworkBuilder,
    run: Run,
    x: Tensor,
    attention: Attention,
    between: FeedForward,
    *,
    norm_before: bool,
) -> Tensor:
    """Add a layer with its norms before its two parts, or behind their sums."""

    def inner(name: str) -> Tensor:
        return net.normalize(name, "layer_norm", x) if norm_before else x

    def outer(name: str) -> Tensor:
        return x if norm_before else net.normalize(name, "layer_norm", x)

    x = net.function("attention_add", "add", self_attention(net, run, inner("norm1"), attention), x)
    x = outer("norm1")
    x = net.function("add", "add", feed_forward(net, inner("norm2"), between), x)
    return outer("norm2")


def _build_gpt2(net: NetworkBuilder, settings: Gpt2Settings, run: Run, head: str) -> None:
    hidden = settings.n_embd
    token = token_embedding(net, run, settings.vocab_size, hidden)
    position = position_embedding(net, run, settings.n_positions, hidden)
    x = net.function("embedding", "add", token, position)
    attention = Attention(
        heads=settings.n_head, key_heads=settings.n_head, features=hidden // settings.n_head
    )
    between = FeedForward(
        features=settings.n_inner or 4 * hidden,
        activation=settings.activation_function,
        gated=False,
        bias=True,
    )
    for index in range(settings.n_layer):
        with net.scope(f"decoder.{index}"):
            x = _block(net, run, x, attention, between, norm_before=True)
    x = net.normalize("norm", "layer_norm", x)
    if head == "words":
        language_head(net, run, x, settings.vocab_size, tied=settings.tie_word_embeddings)


def _build_opt(net: NetworkBuilder, settings: OptSettings, run: Run, head: str) -> None:
    hidden = settings.hidden_size
    words = settings.word_embed_proj_dim or hidden
    x = token_embedding(net, run, settings.vocab_size, words)
    if words != hidden:
        x = net.linear("project_in", x, hidden, bias=False)
    position = position_embedding(net, run, settings.max_position_embeddings + OPT_OFFSET, hidden)
    x = net.function("embedding", "add", x, position)
    attention = Attention(
        heads=settings.num_attention_heads,
        key_heads=settings.num_attention_heads,
        features=hidden // settings.num_attention_heads,
        biases=PROJECTIONS if settings.enable_bias else frozenset(),
    )
    between = FeedForward(
        features=settings.ffn_dim,
        activation=settings.activation_function,
        gated=False,
        bias=settings.enable_bias,
    )
    before = settings.do_layer_norm_before
    for index in range(settings.num_hidden_layers):
        with net.scope(f"decoder.{index}"):
            x = _block(net, run, x, attention, between, norm_before=before)
    if before and not settings.no_final_norm:
        x = net.normalize("norm", "layer_norm", x)
    if words != hidden:
        x = net.linear("project_out", x, words, bias=False)
    if head == "words":
        language_head(net, run, x, settings.vocab_size, tied=settings.tie_word_embeddings)


GPT2 = Family(
    settings=Gpt2Settings,
    reads=Reads.GENERATED,
    heads={"GPT2LMHeadModel": "words", "GPT2Model": "none"},
    build=_build_gpt2,
    mixes_lengths=True,
)
OPT = Family(
    settings=OptSettings,
    reads=Reads.GENERATED,
    heads={"OPTForCausalLM": "words", "OPTModel": "none"},
    build=_build_opt,
    mixes_lengths=True,
)
