"""Attention over heads: grouped queries, rotary positions, caches, cross attention."""

from __future__ import annotations

from dataclasses import dataclass

from workloads.graph import Tensor
from workloads.loaders.huggingface.caches import cache
from workloads.loaders.huggingface.language import by_length
from workloads.loaders.huggingface.network import NetworkBuilder
from workloads.loaders.huggingface.run import Run

#: The projections that may have a bias.
PROJECTIONS = frozenset(("query", "key", "value", "project"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """What attention of one layer is made of.

    Parameters
    ----------
    heads
        Heads of the query.
    key_heads
        Heads of key and value; each serves ``heads // key_heads`` heads of the query.
    features
        Of a head.
    biases
        The projections that have one.
    head_norm
        Whether queries and keys are normalized, head by head.
    window
        Tokens back to which attention looks, itself included; None for all.
    cap
        Scores are bounded to it by a hyperbolic tangent; None for none.
    """

    heads: int
    key_heads: int
    features: int
    biases: frozenset[str] = PROJECTIONS
    head_norm: bool = False
    window: int | None = None
    cap: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotary:
    """Cosines and sines of the positions, which turn pairs of features of every head.

    The sign of a rotation is in its sines.
    Approximation: both are inputs of the network, and the rotation is a layer for each of its
    operations; a kernel that turns what a projection leaves saves their traffic.

    References
    ----------
    .. [1] J. Su et al., "RoFormer: Enhanced Transformer with Rotary Position Embedding",
       arXiv:2104.09864, equation 34.
    """

    cosine: Tensor
    sine: Tensor

    @classmethod
    def of(cls, net: NetworkBuilder, tokens: int, features: int) -> Rotary:
        """Add the inputs."""
        shape = (tokens, 1, features)
        return cls(cosine=net.input("cosine", *shape), sine=net.input("sine", *shape))

    def turn(self, net: NetworkBuilder, name: str, x: Tensor) -> Tensor:
        """Turn heads [batch, tokens, heads, features]: a feature's partner is half of them away."""
        half = x.shape[-1] // 2
        first = net.cut(f"{name}_first", x, 3, 0, half)
        second = net.cut(f"{name}_second", x, 3, half, 2 * half)
        swapped = net.join(f"{name}_swapped", (second, first), 3)
        kept = net.function(f"{name}_kept", "multiply", x, self.cosine)
        moved = net.function(f"{name}_moved", "multiply", swapped, self.sine)
        return net.function(f"{name}_turned", "add", kept, moved)


def self_attention(
    net: NetworkBuilder,
    run: Run,
    x: Tensor,
    shape: Attention,
    *,
    rotary: Rotary | None = None,
    score_bias: Tensor | None = None,
) -> Tensor:
    """Add attention of tokens to themselves, or to what a cache holds, with its projection.

    Approximation: nothing is masked, as in the zoo: all scores of a causal network are computed.
    """
    width = shape.key_heads * shape.features
    query = net.linear("query", x, shape.heads * shape.features, bias="query" in shape.biases)
    key = net.linear("key", x, width, bias="key" in shape.biases)
    value = net.linear("value", x, width, bias="value" in shape.biases)
    query = _heads(net, "query", query, shape, rotary)
    own: tuple[Tensor, ...] = ()
    if run.context is None:
        own = (_heads(net, "key", key, shape, rotary), _heads(net, "value", value, shape))
    elif shape.head_norm or rotary is not None:
        _heads(net, "key", key, shape, rotary)

    def attend(part: Run, query: Tensor, *own: Tensor) -> Tensor:
        keys, values = own or (
            cache(net, part, name, shape.key_heads, shape.features, window=shape.window)
            for name in ("key_cache", "value_cache")
        )
        return _attend(net, query, keys, values, shape, score_bias=score_bias)

    merged = by_length(net, run, (query, *own), attend)
    return net.linear("project", merged, x.shape[-1], bias="project" in shape.biases)


def cross_attention(
    net: NetworkBuilder, run: Run, x: Tensor, encoded: Tensor | None, shape: Attention
) -> Tensor:
    """Add attention of tokens to what an encoder left, with its projection.

    Parameters
    ----------
    net, run, shape
        As in `self_attention`.
    x
        The tokens.
    encoded
        The encoder's output; None where its keys and values come from caches.
    """
    width = shape.key_heads * shape.features
    query = net.linear("query", x, shape.heads * shape.features, bias="query" in shape.biases)
    if encoded is None:
        query = _heads(net, "query", query, shape)
        sizes = (run.batch, run.source, shape.key_heads, shape.features)
        keys, values = net.input("key_cache", *sizes), net.input("value_cache", *sizes)
    else:
        key = net.linear("key", encoded, width, bias="key" in shape.biases)
        value = net.linear("value", encoded, width, bias="value" in shape.biases)
        query = _heads(net, "query", query, shape)
        keys = _heads(net, "key", key, shape)
        values = _heads(net, "value", value, shape)
    merged = _attend(net, query, keys, values, shape)
    return net.linear("project", merged, x.shape[-1], bias="project" in shape.biases)


def _attend(
    net: NetworkBuilder,
    query: Tensor,
    keys: Tensor,
    values: Tensor,
    shape: Attention,
    *,
    score_bias: Tensor | None = None,
) -> Tensor:
    """Add scores, softmax and context, shape (batch, tokens, heads * features).

    Heads that share a key are neighbours along the rows of one product: heads of the query are
    stored so that those of one group stand ``key_heads`` apart, which is an order of its weights'
    columns. So is the scale of the scores part of these weights.

    Parameters
    ----------
    net, shape
        As in `self_attention`.
    query
        Shape (batch, tokens, heads, features).
    keys, values
        Shape (batch, context, key_heads, features).
    score_bias
        Shape (heads, tokens, context): added to the scores.
    """
    batch, tokens = query.shape[:2]
    group = shape.heads // shape.key_heads
    if group > 1:
        rows = tokens * group
        query = net.reshape("query_groups", query, batch, rows, shape.key_heads, shape.features)
    bounded = "identity" if shape.cap is None else "tanh"
    scores = net.product("scores", "bshd,bthd->bhst", query, keys, activation=bounded)
    if shape.cap is not None:
        scores = net.scale("capped", scores, shape.cap)
    if score_bias is not None:
        scores = net.function("biased", "add", scores, score_bias)
    weights = net.normalize("attention", "softmax", scores)
    context = net.product("context", "bhst,bthd->bshd", weights, values)
    return net.reshape("merged", context, batch, tokens, shape.heads * shape.features)


def _heads(
    net: NetworkBuilder, name: str, x: Tensor, shape: Attention, rotary: Rotary | None = None
) -> Tensor:
    """Return [batch, tokens, heads, features], normalized and turned where that is asked for."""
    batch, tokens, width = x.shape
    x = net.reshape(f"{name}_heads", x, batch, tokens, width // shape.features, shape.features)
    if shape.head_norm and name != "value":
        x = net.normalize(f"{name}_norm", "rms_norm", x)
    return x if rotary is None else rotary.turn(net, name, x)
