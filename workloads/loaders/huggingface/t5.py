"""T5: an encoder and a decoder with relative positions.

References
----------
.. [1] C. Raffel et al., "Exploring the Limits of Transfer Learning with a Unified Text-to-Text
   Transformer", JMLR 21, 2020; version 1.1 has gates and a head of its own.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator

from foundation.validation import describe
from workloads.graph import Tensor
from workloads.loaders.huggingface.attention import Attention, cross_attention, self_attention
from workloads.loaders.huggingface.family import Family
from workloads.loaders.huggingface.feed_forward import FeedForward, feed_forward
from workloads.loaders.huggingface.language import last_token, rank_beams
from workloads.loaders.huggingface.network import NetworkBuilder
from workloads.loaders.huggingface.run import Reads, Run
from workloads.loaders.huggingface.settings import Layers, Settings, Size


def _projection(value: Any) -> str:
    if value not in ("relu", "gated-gelu"):
        raise ValueError(f"must be relu or gated-gelu but is {describe(value)}")
    return str(value)


class T5Settings(Settings):
    """Keys of a T5."""

    vocab_size: Size
    d_model: Size
    d_kv: Size
    d_ff: Size
    num_layers: Layers
    num_decoder_layers: Layers | None = None
    num_heads: Size
    relative_attention_num_buckets: Size = 32
    feed_forward_proj: Annotated[str, BeforeValidator(_projection)] = "relu"
    tie_word_embeddings: bool = True
    n_positions: Size = 512

    @property
    def usual_tokens(self) -> int:
        """As many as it was trained on."""
        return self.n_positions

    @property
    def attention(self) -> Attention:
        """What all attention is made of."""
        return Attention(
            heads=self.num_heads, key_heads=self.num_heads, features=self.d_kv, biases=frozenset()
        )

    @property
    def between(self) -> FeedForward:
        """What stands between attentions."""
        gated = self.feed_forward_proj == "gated-gelu"
        activation = "gelu" if gated else "relu"
        return FeedForward(features=self.d_ff, activation=activation, gated=gated, bias=False)


def _build(net: NetworkBuilder, settings: T5Settings, run: Run, head: str) -> None:
    encoded = None
    if run.is_step:
        x = _embedded(net, settings, run.batch, run.tokens)
    else:
        # One table serves both parts, so that one look-up does.
        both = _embedded(net, settings, run.batch, run.source + run.tokens)
        source = net.cut("source", both, 1, 0, run.source)
        x = net.cut("target", both, 1, run.source, run.source + run.tokens)
        encoded = _encoder(net, settings, run.batch, source)
    x = _decoder(net, settings, run, x, encoded)
    if head == "words":
        x = last_token(net, run, x)
        if settings.tie_word_embeddings:
            logits = net.tied("head", x, net.table("token_embedding"))
        else:
            logits = net.linear("head", x, settings.vocab_size, bias=False)
        rank_beams(net, run, logits)


def _embedded(net: NetworkBuilder, settings: T5Settings, batch: int, tokens: int) -> Tensor:
    indices = net.indices("tokens", batch, tokens)
    return net.embedding("token_embedding", indices, settings.vocab_size, settings.d_model)


def _score_bias(net: NetworkBuilder, settings: T5Settings, tokens: int, context: int) -> Tensor:
    """Add what scores get for the distance of their tokens, shape (heads, tokens, context)."""
    buckets = net.indices("buckets", tokens, context)
    bias = net.embedding(
        "distances", buckets, settings.relative_attention_num_buckets, settings.num_heads
    )
    return net.transpose("score_bias", bias, 2, 0, 1)


def _encoder(net: NetworkBuilder, settings: T5Settings, batch: int, x: Tensor) -> Tensor:
    tokens = x.shape[1]
    run = Run(batch=batch, tokens=tokens)
    with net.scope("encoder"):
        bias = _score_bias(net, settings, tokens, tokens)
        for index in range(settings.num_layers):
            with net.scope(str(index)):
                y = net.normalize("norm1", "rms_norm", x)
                y = self_attention(net, run, y, settings.attention, score_bias=bias)
                x = net.function("attention_add", "add", y, x)
                x = _feed_forward(net, settings, x)
        return net.normalize("norm", "rms_norm", x)


def _decoder(
    net: NetworkBuilder, settings: T5Settings, run: Run, x: Tensor, encoded: Tensor | None
) -> Tensor:
    """Add the decoder; with a head that is tied, its last norm has the scale of the logits."""
    with net.scope("decoder"):
        context = run.cache_rows if run.is_step else run.tokens
        bias = _score_bias(net, settings, run.tokens, context)
        for index in range(settings.num_decoder_layers or settings.num_layers):
            with net.scope(str(index)):
                y = net.normalize("norm1", "rms_norm", x)
                y = self_attention(net, run, y, settings.attention, score_bias=bias)
                x = net.function("attention_add", "add", y, x)
                y = net.normalize("cross_norm", "rms_norm", x)
                with net.scope("cross"):
                    y = cross_attention(net, run, y, encoded, settings.attention)
                x = net.function("cross_add", "add", y, x)
                x = _feed_forward(net, settings, x)
        return net.normalize("norm", "rms_norm", x)


def _feed_forward(net: NetworkBuilder, settings: T5Settings, x: Tensor) -> Tensor:
    y = feed_forward(net, net.normalize("norm2", "rms_norm", x), settings.between)
    return net.function("add", "add", y, x)


T5 = Family(
    settings=T5Settings,
    reads=Reads.TRANSLATED,
    heads={"T5ForConditionalGeneration": "words", "T5Model": "none"},
    build=_build,
)
