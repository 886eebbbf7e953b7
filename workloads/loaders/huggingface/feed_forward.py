"""Feed-forward layers: plain, gated, and a choice of experts."""

from __future__ import annotations

from dataclasses import dataclass

from workloads.graph import Tensor
from workloads.loaders.huggingface.network import NetworkBuilder


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedForward:
    """Two linear layers with an activation between, or three where one gates the other.

    Parameters
    ----------
    features
        Between the layers.
    activation
        Of the first layer, or of the gate.
    gated
        Whether there is a gate.
    bias
        Whether the layers have one.
    """

    features: int
    activation: str
    gated: bool
    bias: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Experts:
    """Gated feed-forward layers of which every token takes a few.

    Parameters
    ----------
    count
        Experts.
    per_token
        Experts that a token takes.
    each
        One expert.
    scores
        How the router's sums become weights: ``softmax`` or ``sigmoid``.
    correction
        Whether a learned number for each expert is added for the choice.
    normalized
        Whether the weights of a token's experts are divided by their sum.
    shared
        What all tokens take besides.
    """

    count: int
    per_token: int
    each: FeedForward
    scores: str = "softmax"
    correction: bool = False
    normalized: bool = True
    shared: FeedForward | None = None


def feed_forward(net: NetworkBuilder, x: Tensor, shape: FeedForward | Experts) -> Tensor:
    """Add the layers between two residual sums."""
    if isinstance(shape, Experts):
        return _experts(net, x, shape)
    return _plain(net, x, shape)


def _plain(net: NetworkBuilder, x: Tensor, shape: FeedForward) -> Tensor:
    if shape.gated:
        gate = net.linear("gate", x, shape.features, bias=shape.bias, activation=shape.activation)
        expanded = net.linear("expand", x, shape.features, bias=shape.bias)
        hidden = net.function("gated", "multiply", gate, expanded)
    else:
        hidden = net.linear(
            "expand", x, shape.features, bias=shape.bias, activation=shape.activation
        )
    return net.linear("contract", hidden, x.shape[-1], bias=shape.bias)


def _experts(net: NetworkBuilder, x: Tensor, shape: Experts) -> Tensor:
    """Add the router, the experts that work, and the weighted sum of what they leave.

    Approximation: no choice is made. Tokens are spread evenly: of T tokens that take k of E experts
    each, every expert gets T·k / E, some one more than others; with fewer than E such tokens, T·k
    experts get one each, and the weights of the others aren't read. The first k weights of a token
    stand for those of its experts, and k copies of the tokens for their way to the experts.
    """
    batch, tokens, features = x.shape
    total, chosen = batch * tokens, shape.per_token
    activation = "sigmoid" if shape.scores == "sigmoid" else "identity"
    weights = net.linear("router", x, shape.count, bias=False, activation=activation)
    if shape.scores == "softmax":
        weights = net.normalize("routing", "softmax", weights)
    if shape.correction:
        correction = net.learned("correction", shape.count)
        weights = net.function("corrected", "add", weights, correction)
    if chosen < shape.count:
        weights = net.cut("chosen", weights, 2, 0, chosen)
    if shape.normalized:
        total_weight = net.reshape("total", net.sum("chosen_sum", weights, 2), batch, tokens, 1)
        weights = net.function("normalized", "divide", weights, total_weight)
    rows = net.reshape("rows", x, total, 1, features)
    if chosen > 1:
        rows = net.join("dispatched", [rows] * chosen, 1)
    outputs = _even(net, net.reshape("queue", rows, total * chosen, features), shape)
    outputs = net.reshape("returned", outputs, total, chosen, features)
    weights = net.reshape("weights", weights, total, chosen, 1)
    weighted = net.function("weighted", "multiply", outputs, weights)
    combined = net.reshape("combined", net.sum("sum", weighted, 1), batch, tokens, features)
    if shape.shared is None:
        return combined
    with net.scope("shared"):
        shared = _plain(net, x, shape.shared)
    return net.function("experts_add", "add", combined, shared)


def _even(net: NetworkBuilder, queue: Tensor, shape: Experts) -> Tensor:
    """Add experts that share the rows of a queue evenly; return the rows that they leave."""
    rows, extra = divmod(queue.shape[0], shape.count)
    crews = [(extra, rows + 1, "busier"), (shape.count - extra, rows, "experts")]
    busy = [crew for crew in crews if crew[0] * crew[1]]
    outputs: list[Tensor] = []
    start = 0
    for count, each, name in busy:
        part = queue
        if len(busy) > 1:
            part = net.cut(f"{name}_queue", queue, 0, start, start + count * each)
        with net.scope(name):
            outputs.append(_crew(net, part, count, shape.each))
        start += count * each
    if not rows:
        features = 3 * queue.shape[1] * shape.each.features
        net.learned("idle", shape.count - extra, features)
    return outputs[0] if len(outputs) == 1 else net.join("experts_rows", outputs, 0)


def _crew(net: NetworkBuilder, queue: Tensor, count: int, shape: FeedForward) -> Tensor:
    """Add experts with an equal number of rows each as one product for all of them."""
    rows, features = queue.shape
    x = net.reshape("tokens", queue, count, rows // count, features)

    def multiply(name: str, data: Tensor, out: int, activation: str = "identity") -> Tensor:
        weight = net.learned(f"{name}_weight", count, data.shape[-1], out)
        return net.product(name, "emk,ekn->emn", data, weight, activation=activation)

    gate = multiply("gate", x, shape.features, shape.activation)
    expanded = multiply("expand", x, shape.features)
    hidden = net.function("gated", "multiply", gate, expanded)
    return net.reshape("rows", multiply("contract", hidden, features), rows, features)
