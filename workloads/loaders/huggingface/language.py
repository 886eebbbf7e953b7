"""What networks of language begin and end with."""

from __future__ import annotations

from workloads.graph import Tensor
from workloads.loaders.huggingface.network import NetworkBuilder
from workloads.loaders.huggingface.run import Run


def token_embedding(net: NetworkBuilder, run: Run, entries: int, features: int) -> Tensor:
    """Add tokens and their embedding, shape (batch, tokens, features)."""
    tokens = net.indices("tokens", run.batch, run.tokens)
    return net.embedding("token_embedding", tokens, entries, features)


def position_embedding(net: NetworkBuilder, run: Run, entries: int, features: int) -> Tensor:
    """Add positions and their embedding, shape (batch, tokens, features)."""
    positions = net.indices("positions", run.batch, run.tokens)
    return net.embedding("position_embedding", positions, entries, features)


def last_token(net: NetworkBuilder, run: Run, x: Tensor) -> Tensor:
    """Return what generation goes on with: in a prefill only the last token."""
    if not run.last_only or run.tokens == 1:
        return x
    return net.cut("last_token", x, 1, run.tokens - 1, run.tokens)


def language_head(
    net: NetworkBuilder, run: Run, x: Tensor, entries: int, *, tied: bool, cap: float | None = None
) -> None:
    """Add the logits of the last token, or of every one outside of a prefill.

    With ``cap`` they are bounded by a hyperbolic tangent; its scale is part of the norm before.
    """
    x = last_token(net, run, x)
    bounded = "identity" if cap is None else "tanh"
    if tied:
        x = net.tied("head", x, net.table("token_embedding"), activation=bounded)
    else:
        x = net.linear("head", x, entries, bias=False, activation=bounded)
    if cap is not None:
        net.scale("capped", x, cap)
