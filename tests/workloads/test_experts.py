"""Mixtures of experts, against a loop over tokens."""

from __future__ import annotations

from itertools import product
from math import ceil

import numpy as np
import pytest

from accel.spec_file import load_preset
from rooftile.simulation import simulate
from rooftile.validate.program import validate_program
from workloads.evaluate import evaluate
from workloads.experts import Routing
from workloads.graph import Graph
from workloads.loaders.yaml import parse_network, to_yaml
from workloads.random_values import random_tensors

TOKENS, FEATURES, HIDDEN, EXPERTS = 12, 6, 5, 4


def mixture(options: str, dtype: str = "fp32") -> Graph:
    graph = parse_network(
        f"name: n\ndtype: {dtype}\ninputs: {{x: [2, {TOKENS // 2}, {FEATURES}]}}\nlayers:\n"
        f"  - {{name: m, op: mixture_of_experts, experts: {EXPERTS}, hidden: {HIDDEN}, {options}}}",
        "a.yaml",
    )
    assert parse_network(to_yaml(graph), "resolved.yaml") == graph
    return graph


def drawn(routing: Routing) -> list[list[int]]:
    """Return every token's experts, by way of who computes its rows."""
    owner: list[int] = []
    for crew in routing.crews:
        for expert in crew.experts:
            owner += [expert] * crew.rows
    owner.append(-1)
    return [[owner[row] for row in rows] for rows in routing.rows_of()]


@pytest.mark.parametrize("gated", [True, False])
@pytest.mark.parametrize("normalized", [True, False])
@pytest.mark.parametrize("skew", [0, 1.5])
@pytest.mark.parametrize("capacity", [None, 0.5, 1.25])
def test_every_token_is_the_weighted_sum_of_its_experts(
    capacity: float | None, skew: float, normalized: bool, gated: bool
) -> None:
    options = f"per_token: 2, skew: {skew}, seed: 3, activation: relu"
    options += f", gated: {str(gated).lower()}, normalized: {str(normalized).lower()}"
    graph = mixture(options + (f", capacity: {capacity}" if capacity else ""))
    routing = Routing(
        tokens=TOKENS, experts=EXPERTS, per_token=2, skew=skew, seed=3, capacity=capacity
    )
    values = random_tensors(graph, seed=0)
    result = evaluate(graph, values)["m"].reshape(TOKENS, FEATURES)
    weight = {
        (expert, name): values[f"m.crew{crew.rows}.{name}_weight"][number]
        for crew in routing.crews
        for number, expert in enumerate(crew.experts)
        for name in ("gate", "expand", "contract")[not gated :]
    }
    for x, experts, found in zip(
        values["x"].reshape(TOKENS, FEATURES), drawn(routing), result, strict=True
    ):
        shares = np.exp(x @ values["m.router.weight"])
        shares = np.sort(shares / shares.sum())[::-1][:2]
        if normalized:
            shares = shares / shares.sum()
        expected = np.zeros(FEATURES)
        for share, expert in zip(shares, experts, strict=True):
            if expert < 0:
                continue
            hidden = x @ weight[expert, "expand"]
            gate = np.maximum(x @ weight[expert, "gate"], 0) if gated else 1
            hidden = hidden * gate if gated else np.maximum(hidden, 0)
            expected += share * (hidden @ weight[expert, "contract"])
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("skew", [0.0, 1.0])
@pytest.mark.parametrize("capacity", [None, 0.25, 1.0, 4.0])
def test_macs_and_parameters_are_those_of_rows_and_experts(
    capacity: float | None, skew: float
) -> None:
    graph = mixture(f"per_token: 1, skew: {skew}" + (f", capacity: {capacity}" if capacity else ""))
    routing = Routing(tokens=TOKENS, experts=EXPERTS, per_token=1, skew=skew, capacity=capacity)
    working = sum(load > 0 for load in routing.loads)
    rows = TOKENS if capacity is None else working * ceil(capacity * TOKENS / EXPERTS)
    assert routing.rows == rows
    each = 3 * FEATURES * HIDDEN
    assert graph.total_macs == TOKENS * FEATURES * EXPERTS + rows * each
    assert graph.total_parameters == FEATURES * EXPERTS + EXPERTS * each


@pytest.mark.parametrize(
    ("tokens", "experts", "per_token"), [(1, 1, 1), (100, 8, 2), (7, 256, 8), (64, 4, 4)]
)
def test_a_token_takes_different_experts(tokens: int, experts: int, per_token: int) -> None:
    for skew, seed in product((0.0, 1.0, 3.0), (0, 1)):
        routing = Routing(tokens=tokens, experts=experts, per_token=per_token, skew=skew, seed=seed)
        assert sum(routing.loads) == tokens * per_token
        assert not routing.dropped
        choices = drawn(routing)
        assert all(len(set(one)) == per_token for one in choices)
        loads = np.bincount(np.array(choices).reshape(-1), minlength=experts)
        assert tuple(loads.tolist()) == routing.loads
        rows = [row for own in routing.rows_of() for row in own]
        assert sorted(rows) == list(range(tokens * per_token))
        if not skew:
            assert max(routing.loads) - min(routing.loads) <= 1


def test_choices_follow_zipf() -> None:
    loads = Routing(tokens=100_000, experts=4, per_token=1, skew=1.0).loads
    shares = np.array([1, 1 / 2, 1 / 3, 1 / 4])
    assert np.array(loads) / 100_000 == pytest.approx(shares / shares.sum(), abs=0.01)
    assert loads == Routing(tokens=100_000, experts=4, per_token=1, skew=1.0).loads
    assert loads != Routing(tokens=100_000, experts=4, per_token=1, skew=1.0, seed=1).loads


def test_a_capacity_drops_later_tokens_and_second_choices_first() -> None:
    routing = Routing(tokens=6, experts=2, per_token=2, capacity=0.5)
    assert routing.loads == (6, 6)
    assert routing.most_rows == 3
    assert routing.dropped == 6
    # Every token chooses expert 0 first: in turn it is the first of 0 and 1 each time.
    assert routing.rows_of() == [[0, 3], [1, 4], [2, 5], [6, 6], [6, 6], [6, 6]]


def test_a_skewed_mixture_is_proved_and_takes_longer_where_experts_wait_for_the_fullest() -> None:
    spec = load_preset("edge_32x32")
    graph = mixture("per_token: 2, skew: 1.5, capacity: 1.25", "int8")
    validation = validate_program(graph, spec, seed=0)
    assert validation.passed, validation.text
    cycles = {
        capacity: simulate(
            mixture(f"per_token: 2, capacity: {capacity}", "int8"), spec
        ).report.total_cycles
        for capacity in (1.0, 8.0)
    }
    assert cycles[1.0] < cycles[8.0]
