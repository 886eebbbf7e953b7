"""Encoders and decoders as in fairseq: the first Transformer, Marian's, FSMT's, and BART.

References
----------
.. [1] A. Vaswani et al., "Attention Is All You Need", NeurIPS 2017.
.. [2] M. Ott et al., "fairseq: A Fast, Extensible Toolkit for Sequence Modeling", NAACL 2019.
.. [3] M. Junczys-Dowmunt et al., "Marian: Fast Neural Machine Translation in C++", ACL 2018.
.. [4] M. Lewis et al., "BART: Denoising Sequence-to-Sequence Pre-training for Natural Language
   Generation, Translation, and Comprehension", ACL 2020.
"""

from __future__ import annotations

from math import sqrt
from typing import Self

from pydantic import model_validator

from workloads.graph import Tensor
from workloads.loaders.huggingface.attention import Attention, cross_attention, self_attention
from workloads.loaders.huggingface.family import Family
from workloads.loaders.huggingface.feed_forward import FeedForward, feed_forward
from workloads.loaders.huggingface.language import last_token, position_embedding, rank_beams
from workloads.loaders.huggingface.network import NetworkBuilder
from workloads.loaders.huggingface.run import Reads, Run
from workloads.loaders.huggingface.settings import (
    Activation,
    EncoderDecoderSettings,
    Size,
)


class TranslationSettings(EncoderDecoderSettings):
    """Keys that all of them have."""

    max_position_embeddings: Size
    activation_function: Activation
    scale_embedding: bool = False

    @property
    def position_limit(self) -> int | None:
        """Positions of either part."""
        return self.max_position_embeddings

    @property
    def usual_tokens(self) -> int:
        """As many as there are positions."""
        return self.max_position_embeddings

    @property
    def entries(self) -> tuple[int, int]:
        """Words of the encoder and of the decoder."""
        raise NotImplementedError

    @property
    def shares_words(self) -> bool:
        """Whether both parts look words up in one table."""
        return True

    @property
    def position_entries(self) -> int:
        """Rows of the table of positions."""
        return self.max_position_embeddings

    @property
    def norm_of_embedding(self) -> bool:
        """Whether embeddings are normalized."""
        return False

    def attention(self, heads: int) -> Attention:
        """Return what attention with some heads is made of."""
        return Attention(heads=heads, key_heads=heads, features=self.d_model // heads)

    def between(self, features: int) -> FeedForward:
        """Return what stands between attentions."""
        return FeedForward(
            features=features, activation=self.activation_function, gated=False, bias=True
        )


class MarianSettings(TranslationSettings):
    """Keys of a Marian, whose sines are parameters of the PyTorch module that nobody trains."""

    vocab_size: Size
    decoder_vocab_size: Size | None = None
    share_encoder_decoder_embeddings: bool = True
    activation_function: Activation = "gelu"

    @property
    def entries(self) -> tuple[int, int]:
        """Words of the encoder and of the decoder."""
        return self.vocab_size, self.decoder_vocab_size or self.vocab_size

    @property
    def shares_words(self) -> bool:
        """As it says."""
        return self.share_encoder_decoder_embeddings

    @model_validator(mode="after")
    def _shared_words_are_equal(self) -> Self:
        source, target = self.entries
        if self.shares_words and source != target:
            raise ValueError(
                f"vocab_size is {source} but decoder_vocab_size is {target}; make them equal, or"
                " give share_encoder_decoder_embeddings: false"
            )
        return self


class BartSettings(TranslationSettings):
    """Keys of a BART."""

    vocab_size: Size
    activation_function: Activation = "gelu"

    @property
    def entries(self) -> tuple[int, int]:
        """Words of the encoder and of the decoder."""
        return self.vocab_size, self.vocab_size

    @property
    def position_entries(self) -> int:
        """Rows of the table of positions: two before that of the first token."""
        return self.max_position_embeddings + 2

    @property
    def norm_of_embedding(self) -> bool:
        """Always."""
        return True


class FsmtSettings(TranslationSettings):
    """Keys of a fairseq model of the WMT 2019 translation task."""

    src_vocab_size: Size
    tgt_vocab_size: Size
    activation_function: Activation = "relu"
    scale_embedding: bool = True

    @property
    def entries(self) -> tuple[int, int]:
        """Words of the encoder and of the decoder."""
        return self.src_vocab_size, self.tgt_vocab_size

    @property
    def shares_words(self) -> bool:
        """Never."""
        return False

    @property
    def position_entries(self) -> int:
        """Rows of the table of positions: those of padding before that of the first token."""
        return self.max_position_embeddings + 2


def _build(net: NetworkBuilder, settings: TranslationSettings, run: Run, head: str) -> None:
    source, target = settings.entries
    # The decoder's words come first: they are there in every phase, and their table is the head's.
    x = _embedded(net, settings, run.batch, run.tokens, target)
    encoded = None
    if not run.is_step:
        with net.scope("encoder"):
            share = "token_embedding" if settings.shares_words else None
            words = _embedded(net, settings, run.batch, run.source, source, share)
            encoded = _encoder(net, settings, run, words)
    with net.scope("decoder"):
        x = _decoder(net, settings, run, x, encoded)
    if head == "words":
        logits = net.tied("head", last_token(net, run, x), net.table("token_embedding"))
        rank_beams(net, run, logits)


def _embedded(
    net: NetworkBuilder,
    settings: TranslationSettings,
    batch: int,
    tokens: int,
    entries: int,
    share: str | None = None,
) -> Tensor:
    """Add words and positions, shape (batch, tokens, d_model)."""
    hidden = settings.d_model
    words = net.indices("tokens", batch, tokens)
    x = net.embedding("token_embedding", words, entries, hidden, share)
    if settings.scale_embedding:
        x = net.scale("scaled", x, sqrt(hidden))
    run = Run(batch=batch, tokens=tokens)
    position = position_embedding(net, run, settings.position_entries, hidden)
    x = net.function("embedding", "add", x, position)
    return net.normalize("embedding_norm", "layer_norm", x) if settings.norm_of_embedding else x


def _encoder(net: NetworkBuilder, settings: TranslationSettings, run: Run, x: Tensor) -> Tensor:
    own = Run(batch=run.batch, tokens=run.source)
    attention = settings.attention(settings.encoder_attention_heads)
    between = settings.between(settings.encoder_ffn_dim)
    for index in range(settings.encoder_layers):
        with net.scope(str(index)):
            x = _added(net, "attention", self_attention(net, own, x, attention), x)
            x = _added(net, "contract", feed_forward(net, x, between), x)
    return x


def _decoder(
    net: NetworkBuilder,
    settings: TranslationSettings,
    run: Run,
    x: Tensor,
    encoded: Tensor | None,
) -> Tensor:
    attention = settings.attention(settings.decoder_attention_heads)
    between = settings.between(settings.decoder_ffn_dim)
    for index in range(settings.decoder_layers):
        with net.scope(str(index)):
            x = _added(net, "attention", self_attention(net, run, x, attention), x)
            with net.scope("cross"):
                y = cross_attention(net, run, x, encoded, attention)
            x = _added(net, "cross", y, x)
            x = _added(net, "contract", feed_forward(net, x, between), x)
    return x


def _added(net: NetworkBuilder, name: str, y: Tensor, x: Tensor) -> Tensor:
    """Add what a part of a layer gives to what it got, and normalize the sum."""
    return net.normalize(f"{name}_norm", "layer_norm", net.function(f"{name}_add", "add", y, x))


def _family(settings: type[TranslationSettings], generates: str, model: str) -> Family:
    return Family(
        settings=settings,
        reads=Reads.TRANSLATED,
        heads={generates: "words", model: "none"},
        build=_build,
    )


MARIAN = _family(MarianSettings, "MarianMTModel", "MarianModel")
BART = _family(BartSettings, "BartForConditionalGeneration", "BartModel")
FSMT = _family(FsmtSettings, "FSMTForConditionalGeneration", "FSMTModel")
