"""Whisper: an encoder of sound and a decoder of text.

References
----------
.. [1] A. Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision", ICML 2023.
"""

from __future__ import annotations

from workloads.graph import Tensor
from workloads.layers import Window
from workloads.loaders.huggingface.attention import (
    PROJECTIONS,
    Attention,
    cross_attention,
    self_attention,
)
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
    EncoderDecoderSettings,
    Size,
)

#: Spectra for each position of the encoder: the stride of its second convolution.
SPECTRA = 2


class WhisperSettings(EncoderDecoderSettings):
    """Keys of a Whisper."""

    vocab_size: Size
    num_mel_bins: Size
    max_source_positions: Size
    max_target_positions: Size
    activation_function: Activation = "gelu"
    tie_word_embeddings: bool = True

    @property
    def position_limit(self) -> int | None:
        """Positions of the decoder."""
        return self.max_target_positions

    @property
    def usual_tokens(self) -> int:
        """Positions of the encoder: sound of 30 s, always."""
        return self.max_source_positions

    @property
    def usual_target(self) -> int:
        """Positions of the decoder."""
        return self.max_target_positions

    def attention(self, heads: int) -> Attention:
        """Return what attention with some heads is made of: no bias of keys."""
        return Attention(
            heads=heads,
            key_heads=heads,
            features=self.d_model // heads,
            biases=PROJECTIONS - {"key"},
        )

    def between(self, features: int) -> FeedForward:
        """Return what stands between attentions."""
        return FeedForward(
            features=features, activation=self.activation_function, gated=False, bias=True
        )


def _build(net: NetworkBuilder, settings: WhisperSettings, run: Run, head: str) -> None:
    encoded = None if run.is_step else _encoder(net, settings, run.batch)
    x = _decoder(net, settings, run, encoded)
    if head == "words":
        language_head(net, run, x, settings.vocab_size, tied=settings.tie_word_embeddings)


def _encoder(net: NetworkBuilder, settings: WhisperSettings, batch: int) -> Tensor:
    hidden, tokens = settings.d_model, settings.max_source_positions
    run = Run(batch=batch, tokens=tokens)
    attention = settings.attention(settings.encoder_attention_heads)
    between = settings.between(settings.encoder_ffn_dim)
    with net.scope("encoder"):
        x = net.input("spectra", batch, SPECTRA * tokens, settings.num_mel_bins)
        x = net.convolution("conv1", x, hidden, Window(3, 1, 1, 1, 1), activation="gelu")
        x = net.convolution("conv2", x, hidden, Window(3, SPECTRA, 1, 1, 1), activation="gelu")
        # Sines that nobody trains, but a parameter of the PyTorch module.
        position = net.learned("position", tokens, hidden)
        x = net.function("add_position", "add", x, position)
        for index in range(settings.encoder_layers):
            with net.scope(str(index)):
                y = net.normalize("norm1", "layer_norm", x)
                y = self_attention(net, run, y, attention)
                x = net.function("attention_add", "add", y, x)
                x = _feed_forward(net, between, x)
        return net.normalize("norm", "layer_norm", x)


def _decoder(
    net: NetworkBuilder, settings: WhisperSettings, run: Run, encoded: Tensor | None
) -> Tensor:
    hidden = settings.d_model
    attention = settings.attention(settings.decoder_attention_heads)
    between = settings.between(settings.decoder_ffn_dim)
    token = token_embedding(net, run, settings.vocab_size, hidden)
    position = position_embedding(net, run, settings.max_target_positions, hidden)
    x = net.function("embedding", "add", token, position)
    with net.scope("decoder"):
        for index in range(settings.decoder_layers):
            with net.scope(str(index)):
                y = self_attention(net, run, net.normalize("norm1", "layer_norm", x), attention)
                x = net.function("attention_add", "add", y, x)
                y = net.normalize("cross_norm", "layer_norm", x)
                with net.scope("cross"):
                    y = cross_attention(net, run, y, encoded, attention)
                x = net.function("cross_add", "add", y, x)
                x = _feed_forward(net, between, x)
        return net.normalize("norm", "layer_norm", x)


def _feed_forward(net: NetworkBuilder, between: FeedForward, x: Tensor) -> Tensor:
    y = feed_forward(net, net.normalize("norm2", "layer_norm", x), between)
    return net.function("add", "add", y, x)


WHISPER = Family(
    settings=WhisperSettings,
    reads=Reads.HEARD,
    heads={"WhisperForConditionalGeneration": "words", "WhisperModel": "none"},
    build=_build,
)
