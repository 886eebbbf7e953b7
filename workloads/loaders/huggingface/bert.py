"""BERT and RoBERTa.

References
----------
.. [1] J. Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers for Language
   Understanding", NAACL 2019.
.. [2] Y. Liu et al., "RoBERTa: A Robustly Optimized BERT Pretraining Approach", arXiv:1907.11692.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from workloads.graph import Tensor
from workloads.loaders.huggingface.attention import Attention, self_attention
from workloads.loaders.huggingface.family import Family
from workloads.loaders.huggingface.feed_forward import FeedForward, feed_forward
from workloads.loaders.huggingface.network import NetworkBuilder
from workloads.loaders.huggingface.run import Reads, Run
from workloads.loaders.huggingface.settings import (
    Activation,
    Layers,
    Size,
    TextSettings,
    check_multiple,
)


class BertSettings(TextSettings):
    """Keys of a BERT."""

    hidden_size: Size
    num_hidden_layers: Layers
    num_attention_heads: Size
    intermediate_size: Size
    type_vocab_size: Size
    hidden_act: Activation = "gelu"
    position_embedding_type: Literal["absolute"] = "absolute"

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        check_multiple(
            self.hidden_size, "hidden_size", self.num_attention_heads, "num_attention_heads"
        )
        return self

    @property
    def position_limit(self) -> int | None:
        """Rows of the positions' table that tokens may have."""
        return self.max_position_embeddings

    @property
    def usual_tokens(self) -> int:
        """As many as there are positions."""
        return self.position_limit or self.max_position_embeddings


class RobertaSettings(BertSettings):
    """Keys of a RoBERTa, whose positions begin behind that of padding."""

    pad_token_id: int = Field(default=1, ge=0, le=10**9)

    @model_validator(mode="after")
    def _positions_are_left(self) -> Self:
        if self.max_position_embeddings <= self.pad_token_id + 1:
            raise ValueError(
                f"max_position_embeddings is {self.max_position_embeddings} but must be more than"
                f" {self.pad_token_id + 1}: positions begin behind pad_token_id"
            )
        return self

    @property
    def position_limit(self) -> int | None:
        """Rows behind that of padding."""
        return self.max_position_embeddings - self.pad_token_id - 1


def _build(net: NetworkBuilder, settings: BertSettings, run: Run, head: str) -> None:
    x = _embedding(net, settings, run)
    hidden = settings.hidden_size
    attention = Attention(
        heads=settings.num_attention_heads,
        key_heads=settings.num_attention_heads,
        features=hidden // settings.num_attention_heads,
    )
    between = FeedForward(
        features=settings.intermediate_size,
        activation=settings.hidden_act,
        gated=False,
        bias=True,
    )
    for index in range(settings.num_hidden_layers):
        with net.scope(f"encoder.{index}"):
            context = self_attention(net, run, x, attention)
            x = net.function("attention_add", "add", context, x)
            x = net.normalize("attention_norm", "layer_norm", x)
            x = net.function("add", "add", feed_forward(net, x, between), x)
            x = net.normalize("norm", "layer_norm", x)
    _head(net, settings, x, head)


def _embedding(net: NetworkBuilder, settings: BertSettings, run: Run) -> Tensor:
    hidden, shape = settings.hidden_size, (run.batch, run.tokens)
    inputs = [net.indices(name, *shape) for name in ("tokens", "positions", "segments")]
    tables = (
        ("token_embedding", settings.vocab_size),
        ("position_embedding", settings.max_position_embeddings),
        ("segment_embedding", settings.type_vocab_size),
    )
    token, position, segment = (
        net.embedding(name, indices, entries, hidden)
        for (name, entries), indices in zip(tables, inputs, strict=True)
    )
    x = net.function("add_position", "add", token, position)
    return net.normalize("norm", "layer_norm", net.function("add_segment", "add", x, segment))


def _head(net: NetworkBuilder, settings: BertSettings, x: Tensor, head: str) -> None:
    """Add what stands on the encoder."""
    hidden = settings.hidden_size
    if head == "tokens":
        net.linear("head", x, settings.labels, bias=True)
    if head in ("pooler", "pooled classes", "pretraining", "dense classes"):
        first = net.cut("first_token", x, 1, 0, 1)
        name = "dense" if head == "dense classes" else "pooler"
        pooled = net.linear(name, first, hidden, bias=True, activation="tanh")
        if head == "pretraining":
            net.linear("next_sentence", pooled, 2, bias=True)
        elif head != "pooler":
            net.linear("head", pooled, settings.labels, bias=True)
    if head in ("words", "pretraining"):
        x = net.linear("words_dense", x, hidden, bias=True, activation=settings.hidden_act)
        x = net.normalize("words_norm", "layer_norm", x)
        net.tied("words", x, net.table("token_embedding"), bias=True)


BERT = Family(
    settings=BertSettings,
    reads=Reads.ENCODED,
    heads={
        "BertModel": "pooler",
        "BertForMaskedLM": "words",
        "BertForPreTraining": "pretraining",
        "BertForSequenceClassification": "pooled classes",
        "BertForTokenClassification": "tokens",
        "BertForQuestionAnswering": "tokens",
    },
    build=_build,
)
ROBERTA = Family(
    settings=RobertaSettings,
    reads=Reads.ENCODED,
    heads={
        "RobertaModel": "pooler",
        "RobertaForMaskedLM": "words",
        "RobertaForSequenceClassification": "dense classes",
        "RobertaForTokenClassification": "tokens",
        "RobertaForQuestionAnswering": "tokens",
    },
    build=_build,
)
