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
        x = net.scale("capped", x, cap)
    rank_beams(net, run, x)


def in_order(net: NetworkBuilder, run: Run, cache: Tensor) -> Tensor:
    """Return a cache whose rows are those of the beginnings that go on.

    A beginning may go on in several ways, and others end: then its cache is copied.

    Approximation: which ones go on isn't known; the copy of all of them, each from its own place,
    moves as many bytes.
    """
    if run.beams == 1:
        return cache
    return net.cut(f"{cache.name.rpartition('.')[2]}_in_order", cache, 0, 0, cache.shape[0])


def rank_beams(net: NetworkBuilder, run: Run, logits: Tensor) -> None:
    """Add the scores of all continuations of a beam search.

    Approximation: of the choice of the best, only one pass over the scores is built, the maximum of
    each beginning's; which of all go on is left to the host.
    """
    if run.beams == 1:
        return
    probabilities = net.normalize("probabilities", "softmax", logits)
    logarithms = net.function("log_probabilities", "log", probabilities)
    before = net.input("beam_scores", run.batch, 1, 1)
    scores = net.function("scores", "add", logarithms, before)
    net.maximum("best_score", scores, 2)
