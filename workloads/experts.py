"""A mixture of experts: a router, experts of which every token takes a few, and their sum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from typing import Any, ClassVar, NamedTuple

from foundation.dtype import Dtype
from foundation.errors import WorkloadError
from workloads.build import GraphBuilder
from workloads.graph import Tensor
from workloads.indexing import FixedGather
from workloads.layers import (
    Concat,
    Elementwise,
    Linear,
    MatMul,
    Normalize,
    Reduce,
    Reshape,
    Shape,
)
from workloads.selection import add_top_k

#: Tokens times experts at most: what is drawn at once.
MAX_CHOICES = 10**8


class Crew(NamedTuple):
    """Experts that compute equally many rows, one after the other."""

    rows: int
    experts: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """Which tokens go to which experts: declared, so that all sizes are known.

    Parameters
    ----------
    tokens, experts, per_token
        Every token takes ``per_token`` different ones of the experts.
    skew
        0 deals tokens out evenly, in turn. Above it a token draws its experts without repetition,
        expert e in proportion to ``1 / (e + 1)**skew``: Zipf's law.
    seed
        Of these draws.
    capacity
        None: every expert computes the tokens it gets. A factor: at most
        ``ceil(capacity · tokens · per_token / experts)``, first choices first, then in the order of
        tokens; what is beyond is dropped, and less is filled up with the first token.

    References
    ----------
    .. [1] D. Lepikhin et al., "GShard: Scaling Giant Models with Conditional Computation and
       Automatic Sharding", ICLR 2021.
    .. [2] W. Fedus et al., "Switch Transformers", JMLR 2022, section 2.2.
    """

    tokens: int
    experts: int
    per_token: int
    skew: float = 0.0
    seed: int = 0
    capacity: float | None = None

    def check(self) -> None:
        """Raise WorkloadError for what can't be."""
        if not 1 <= self.per_token <= self.experts:
            raise WorkloadError(
                f"per_token is {self.per_token} but must lie in 1..{self.experts}, the experts"
            )
        if self.skew < 0 or self.seed < 0:
            raise WorkloadError(
                f"skew and seed are {self.skew:g} and {self.seed} but must be at least 0"
            )
        if self.capacity is not None and self.capacity <= 0:
            raise WorkloadError(f"capacity is {self.capacity:g} but must be above 0")
        if self.tokens * self.experts > MAX_CHOICES:
            raise WorkloadError(
                f"{self.tokens} tokens times {self.experts} experts are more than the"
                f" {MAX_CHOICES} that are drawn; reduce one"
            )

    @property
    def most_rows(self) -> int | None:
        """Rows that an expert computes at most: exactly these where there is a capacity."""
        if self.capacity is None:
            return None
        return ceil(self.capacity * self.tokens * self.per_token / self.experts)

    @property
    def crews(self) -> tuple[Crew, ...]:
        """The experts that work, those with the most rows first."""
        return _routes(self).crews

    @property
    def loads(self) -> tuple[int, ...]:
        """Tokens that chose each expert, dropped ones included."""
        return _routes(self).loads

    @property
    def dropped(self) -> int:
        """Choices that no expert computes."""
        return _routes(self).dropped

    @property
    def rows(self) -> int:
        """Rows that all experts compute, padding included."""
        return sum(crew.rows * len(crew.experts) for crew in self.crews)

    def tokens_of(self, rows: int) -> list[int]:
        """Return the token of each row of the crew of so many rows."""
        return _routes(self).tokens_of[rows]

    def rows_of(self) -> list[list[int]]:
        """Return the rows of each token's choices; of dropped ones the row behind the last."""
        return _routes(self).rows_of


class _Routes(NamedTuple):
    crews: tuple[Crew, ...]
    loads: tuple[int, ...]
    dropped: int
    tokens_of: Mapping[int, list[int]]
    rows_of: list[list[int]]


@lru_cache(maxsize=64)
def _routes(routing: Routing) -> _Routes:
    """Return who computes what."""
    import numpy as np

    tokens, experts = routing.tokens, routing.experts
    chosen = _chosen(routing)
    in_turn = chosen.T.reshape(-1)  # first choices of all tokens, then the second ones
    order = np.argsort(in_turn, kind="stable")
    loads = np.bincount(in_turn, minlength=experts)
    starts = np.cumsum(loads) - loads
    places = np.empty_like(order)
    places[order] = np.arange(len(order)) - starts[in_turn[order]]
    most = routing.most_rows
    kept = np.minimum(loads, loads if most is None else most)
    rows = kept if most is None else np.where(loads > 0, most, 0)
    by_rows = [
        Crew(int(size), tuple(np.flatnonzero(rows == size).tolist()))
        for size in sorted(set(rows[rows > 0].tolist()), reverse=True)
    ]
    first = np.zeros(experts, dtype=np.int64)
    total = 0
    tokens_of = {}
    for crew in by_rows:
        own = np.zeros((len(crew.experts), crew.rows), dtype=np.int64)
        for number, expert in enumerate(crew.experts):
            first[expert] = total + number * crew.rows
            here = order[starts[expert] : starts[expert] + kept[expert]]
            own[number, : kept[expert]] = here % tokens
        tokens_of[crew.rows] = own.reshape(-1).tolist()
        total += own.size
    is_kept = places < kept[in_turn]
    rows_of = np.where(is_kept, first[in_turn] + places, total).reshape(-1, tokens).T
    return _Routes(
        crews=tuple(by_rows),
        loads=tuple(loads.tolist()),
        dropped=int((~is_kept).sum()),
        tokens_of=tokens_of,
        rows_of=rows_of.tolist(),
    )


def _chosen(routing: Routing) -> Any:
    """Return the experts of every token, shape (tokens, per_token).

    Drawing without repetition is taking the largest of logarithms of weights and Gumbel noise
    (T. Vieira, "Gumbel-max trick and weighted reservoir sampling", 2014).
    """
    import numpy as np

    tokens, experts, per_token = routing.tokens, routing.experts, routing.per_token
    if not routing.skew:
        return np.arange(tokens * per_token).reshape(tokens, per_token) % experts
    generator = np.random.default_rng(routing.seed)
    weights = -routing.skew * np.log(np.arange(1, experts + 1))
    noisy = weights + generator.gumbel(size=(tokens, experts))
    return np.argsort(-noisy, axis=1, kind="stable")[:, :per_token]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch(FixedGather):
    """The tokens of all experts that compute ``rows`` rows each."""

    kind: ClassVar[str] = "dispatch"
    routing: Routing
    rows: int

    def shape(self, tensor: Tensor) -> Shape:
        """Return ``[experts · rows, features]`` of ``[tokens, features]``."""
        self.routing.check()
        if len(tensor.shape) != 2 or tensor.shape[0] != self.routing.tokens:
            raise WorkloadError(
                f"needs [{self.routing.tokens}, features] but '{tensor.name}' is"
                f" {list(tensor.shape)}"
            )
        if self.rows not in (known := [crew.rows for crew in self.routing.crews]):
            raise WorkloadError(f"no expert has {self.rows} rows but {known}; correct 'rows'")
        return (len(self.routing.tokens_of(self.rows)), tensor.shape[1])

    def indices(self) -> list[int]:
        """Return the numbers of the tokens."""
        return self.routing.tokens_of(self.rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Collect(FixedGather):
    """What experts made of every token: a row for each of its choices."""

    kind: ClassVar[str] = "collect"
    routing: Routing

    def shape(self, tensor: Tensor) -> Shape:
        """Return ``[tokens, per_token, features]``."""
        self.routing.check()
        rows = self.routing.rows + bool(self.routing.dropped)
        if len(tensor.shape) != 2 or tensor.shape[0] != rows:
            raise WorkloadError(
                f"needs [{rows}, features], a row for each that experts compute and one for what is"
                f" dropped, but '{tensor.name}' is {list(tensor.shape)}"
            )
        return (self.routing.tokens, self.routing.per_token, tensor.shape[1])

    def indices(self) -> list[list[int]]:
        """Return the numbers of the rows."""
        return self.routing.rows_of()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixture:
    """A mixture of experts, each of them two linear layers, or three where one gates another.

    Parameters
    ----------
    hidden
        Features between an expert's layers.
    activation
        Behind its first layer, or its gate.
    gated
        Whether there is a gate.
    normalized
        Whether a token's weights are divided by their sum.
    """

    hidden: int
    activation: str = "silu"
    gated: bool = True
    normalized: bool = True


def add_mixture(
    builder: GraphBuilder, name: str, tensor: Tensor, routing: Routing, mixture: Mixture
) -> Tensor:
    """Add a mixture of experts, and return the weighted sum of what a token's experts made of it.

    Router (a linear layer without bias), softmax and the largest weights are computed.

    # Approximation: which expert a token takes is the routing's, not the router's: its j-th expert
    has its j-th largest weight. Experts without tokens compute nothing, others all rows up to the
    capacity.

    Parameters
    ----------
    builder
        Gets the layers. Experts with equally many rows (`Crew`) are one product each layer, with
        weights ``[experts, in, out]``.
    name
        Of the last layer, and before a dot of all others.
    tensor
        Shape ``[..., features]``; all that isn't features are tokens.
    routing, mixture
        What is computed.

    Raises
    ------
    WorkloadError
        What `Routing.check` refuses, or tokens that aren't the tensor's.
    """
    features = tensor.shape[-1]
    add = _Adder(builder, name)
    try:
        routing.check()
    except WorkloadError as error:
        raise WorkloadError(f"layer '{name}': {error}") from None
    tokens = add.layer("tokens", Reshape(shape=(-1, features)), tensor)
    weights = _weights(add, tokens, routing, normalized=mixture.normalized)
    parts = [_crew(add, tokens, crew, routing, mixture) for crew in routing.crews]
    if routing.dropped:
        parts.append(
            builder.add_learned(f"{name}.dropped", (1, features), tensor.dtype, constant=0.0)
        )
    _idle(add, routing, (2 + mixture.gated) * features * mixture.hidden, tensor.dtype)
    rows = add.layer("rows", Concat(axis=0), *parts) if len(parts) > 1 else parts[0]
    made = add.layer("collected", Collect(routing=routing), rows)
    weighted = add.layer("weighted", Elementwise(function="multiply"), made, weights)
    total = add.layer("sum", Reduce(function="sum", axes=(1,)), weighted)
    return builder.add_layer(name, Reshape(shape=tensor.shape), [total])


class _Adder:
    """Adds layers under a composition's name."""

    def __init__(self, builder: GraphBuilder, name: str) -> None:
        self.builder = builder
        self.name = name

    def layer(self, name: str, operator: Any, *inputs: Tensor) -> Tensor:
        """Add a layer."""
        return self.builder.add_layer(f"{self.name}.{name}", operator, inputs)

    def learned(self, name: str, shape: Shape, dtype: Dtype) -> Tensor:
        """Add a learned tensor."""
        return self.builder.add_learned(f"{self.name}.{name}", shape, dtype)


def _weights(add: _Adder, tokens: Tensor, routing: Routing, *, normalized: bool) -> Tensor:
    """Add the router; return the weights of each token's choices, ``[tokens, per_token, 1]``."""
    logits = add.layer("router", Linear(out_features=routing.experts, bias=False), tokens)
    shares = add.layer("softmax", Normalize(function="softmax"), logits)
    count = routing.per_token
    weights = add_top_k(add.builder, f"{add.name}.top", shares, count, -1, "sort")
    if normalized:
        total = add.layer("top_sum", Reduce(function="sum", axes=(1,)), weights)
        total = add.layer("top_total", Reshape(shape=(routing.tokens, 1)), total)
        weights = add.layer("normalized", Elementwise(function="divide"), weights, total)
    return add.layer("weights", Reshape(shape=(routing.tokens, count, 1)), weights)


def _crew(add: _Adder, tokens: Tensor, crew: Crew, routing: Routing, mixture: Mixture) -> Tensor:
    """Add the experts of a crew; return their rows."""
    features, count = tokens.shape[-1], len(crew.experts)
    prefix = f"crew{crew.rows}"
    taken = add.layer(f"{prefix}.dispatch", Dispatch(routing=routing, rows=crew.rows), tokens)
    x = add.layer(f"{prefix}.tokens", Reshape(shape=(count, crew.rows, features)), taken)

    def multiply(name: str, data: Tensor, out: int, activation: str = "identity") -> Tensor:
        shape = (count, data.shape[-1], out)
        weight = add.learned(f"{prefix}.{name}_weight", shape, tokens.dtype)
        product = MatMul(equation="emk,ekn->emn", activation=activation)
        return add.layer(f"{prefix}.{name}", product, data, weight)

    if mixture.gated:
        gate = multiply("gate", x, mixture.hidden, mixture.activation)
        expanded = multiply("expand", x, mixture.hidden)
        hidden = add.layer(f"{prefix}.gated", Elementwise(function="multiply"), gate, expanded)
    else:
        hidden = multiply("expand", x, mixture.hidden, mixture.activation)
    made = multiply("contract", hidden, features)
    return add.layer(f"{prefix}.rows", Reshape(shape=(count * crew.rows, features)), made)


def _idle(add: _Adder, routing: Routing, elements: int, dtype: Dtype) -> None:
    """Add the weights of experts that no token takes: nobody reads them."""
    count = routing.experts - sum(len(crew.experts) for crew in routing.crews)
    if count:
        add.learned("idle", (count, elements), dtype)
