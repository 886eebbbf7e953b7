"""What networks of language begin and end with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise

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

    def last(part: Run, x: Tensor) -> Tensor:
        return net.cut("last_token", x, 1, part.tokens - 1, part.tokens)

    return by_length(net, run, (x,), last)


def by_length(
    net: NetworkBuilder,
    run: Run,
    tensors: Sequence[Tensor],
    build: Callable[..., Tensor],
) -> Tensor:
    """Add what each length of a batch has apart, and put the results one after the other.

    Approximation: rows are copied to be apart, and again to be together; kernels for mixed lengths
    read and write them in place.

    Parameters
    ----------
    net, run
        The network and its run; of one length, ``build`` is all there is.
    tensors
        Shape (1, tokens of all, ...).
    build
        Called with each part's run, and of each tensor with its rows, shape (batch, tokens, ...) of
        the part; what it returns has that shape up to the last axes, too.
    """
    if not run.parts:
        return build(run, *tensors)
    results: list[Tensor] = []
    starts = accumulate((part.batch * part.tokens for part in run.parts), initial=0)
    for index, (part, (start, stop)) in enumerate(zip(run.parts, pairwise(starts), strict=True)):
        with net.scope(f"part{index}"):
            rows = [
                net.reshape(
                    f"rows{number}",
                    net.cut(f"cut{number}", tensor, 1, start, stop),
                    *(part.batch, part.tokens, *tensor.shape[2:]),
                )
                for number, tensor in enumerate(tensors)
            ]
            result = build(part, *rows)
            size = result.shape[0] * result.shape[1]
            results.append(net.reshape("packed", result, 1, size, *result.shape[2:]))
    return net.join("all_parts", results, 1)


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
