"""Vision transformers.

References
----------
.. [1] A. Dosovitskiy et al., "An Image is Worth 16x16 Words: Transformers for Image Recognition at
   Scale", ICLR 2021.
"""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from workloads.graph import Tensor
from workloads.layers import Window
from workloads.loaders.huggingface.attention import PROJECTIONS, Attention, self_attention
from workloads.loaders.huggingface.family import Family
from workloads.loaders.huggingface.feed_forward import FeedForward, feed_forward
from workloads.loaders.huggingface.network import NetworkBuilder
from workloads.loaders.huggingface.run import Reads, Run
from workloads.loaders.huggingface.settings import (
    Activation,
    Layers,
    Settings,
    Size,
    check_multiple,
)


class VitSettings(Settings):
    """Keys of a vision transformer."""

    hidden_size: Size
    num_hidden_layers: Layers
    num_attention_heads: Size
    intermediate_size: Size
    image_size: Size
    patch_size: Size
    num_channels: Size = 3
    hidden_act: Activation = "gelu"
    qkv_bias: bool = True

    @model_validator(mode="after")
    def _parts_divide(self) -> Self:
        check_multiple(
            self.hidden_size, "hidden_size", self.num_attention_heads, "num_attention_heads"
        )
        check_multiple(self.image_size, "image_size", self.patch_size, "patch_size")
        return self

    @property
    def usual_tokens(self) -> int:
        """The patches and the class token."""
        return (self.image_size // self.patch_size) ** 2 + 1


def _build(net: NetworkBuilder, settings: VitSettings, run: Run, head: str) -> None:
    hidden, heads = settings.hidden_size, settings.num_attention_heads
    x = _embedding(net, settings, run.batch)
    attention = Attention(
        heads=heads,
        key_heads=heads,
        features=hidden // heads,
        biases=PROJECTIONS if settings.qkv_bias else frozenset(("project",)),
    )
    between = FeedForward(
        features=settings.intermediate_size,
        activation=settings.hidden_act,
        gated=False,
        bias=True,
    )
    for index in range(settings.num_hidden_layers):
        with net.scope(f"encoder.{index}"):
            y = self_attention(net, run, net.normalize("norm1", "layer_norm", x), attention)
            x = net.function("attention_add", "add", y, x)
            y = feed_forward(net, net.normalize("norm2", "layer_norm", x), between)
            x = net.function("add", "add", y, x)
    x = net.normalize("norm", "layer_norm", x)
    x = net.cut("first_token", x, 1, 0, 1)
    if head == "pooler":
        net.linear("pooler", x, hidden, bias=True, activation="tanh")
    else:
        net.linear("head", x, settings.labels, bias=True)


def _embedding(net: NetworkBuilder, settings: VitSettings, batch: int) -> Tensor:
    """Add patches, the class token before them, and their positions."""
    size, patch, hidden = settings.image_size, settings.patch_size, settings.hidden_size
    image = net.input("image", batch, size, size, settings.num_channels)
    # All zeros: the class token is a table of one entry, looked up once for every image.
    class_index = net.indices("class_index", batch, 1)
    position = net.learned("position", settings.usual_tokens, hidden)
    patches = net.convolution("patches", image, hidden, Window(patch, patch), Window(patch, patch))
    patch_tokens = net.reshape("patch_tokens", patches, batch, settings.usual_tokens - 1, hidden)
    class_token = net.embedding("class_token", class_index, 1, hidden)
    sequence = net.join("sequence", (class_token, patch_tokens), 1)
    return net.function("add_position", "add", sequence, position)


VIT = Family(
    settings=VitSettings,
    reads=Reads.SEEN,
    heads={"ViTModel": "pooler", "ViTForImageClassification": "classes"},
    build=_build,
)
