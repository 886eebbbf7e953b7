"""Updates are those of optimizers written in plain NumPy, for several steps in a row."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation.numerics import Array
from tests.workloads.training.networks import PERCEPTRON
from workloads.evaluate import evaluate
from workloads.loaders.yaml import parse_network
from workloads.random_values import random_tensors
from workloads.training.options import Training
from workloads.training.step import TrainingStep, build_step

STEPS = 3


def constants_of(step: TrainingStep) -> dict[str, Array]:
    """Return the numbers that a step depends on: those of Adam change from step to step."""
    values = random_tensors(step.graph, seed=0)
    return {name: values[name] for name, t in step.graph.tensors.items() if t.constant is not None}


class Sgd:
    """PyTorch's: velocity = momentum · velocity + gradient, weight -= rate · velocity."""

    def __init__(self, how: Training) -> None:
        self.how = how
        self.velocity: Array | float = 0.0

    def update(self, weight: Array, gradient: Array, number: int) -> Array:
        del number
        self.velocity = self.how.momentum * self.velocity + gradient
        return weight - self.how.learning_rate * self.velocity


class Adam:
    """Algorithm 1 of D. Kingma and J. Ba, ICLR 2015."""

    def __init__(self, how: Training) -> None:
        self.how = how
        self.first: Array | float = 0.0
        self.second: Array | float = 0.0

    def update(self, weight: Array, gradient: Array, number: int) -> Array:
        one, two = self.how.betas
        self.first = one * self.first + (1 - one) * gradient
        self.second = two * self.second + (1 - two) * gradient**2
        first, second = self.first / (1 - one**number), self.second / (1 - two**number)
        return weight - self.how.learning_rate * first / (np.sqrt(second) + self.how.epsilon)


@settings(max_examples=12)
@given(
    optimizer=st.sampled_from(["sgd", "adam"]),
    dtype=st.sampled_from(["fp32", "bf16"]),
    momentum=st.sampled_from([0.0, 0.9]),
    rate=st.sampled_from([0.01, 0.5]),
    seed=st.integers(0, 99),
)
def test_updates_are_those_of_numpy(
    optimizer: str, dtype: str, momentum: float, rate: float, seed: int
) -> None:
    graph = parse_network(PERCEPTRON, "perceptron.yaml", dtype=dtype)
    how = Training(optimizer=optimizer, momentum=momentum, learning_rate=rate)
    kind = Sgd if optimizer == "sgd" else Adam
    values = random_tensors(build_step(graph, how).graph, seed=seed)
    first = build_step(graph, how)
    for name in first.states:
        values[name] = np.zeros_like(values[name])
    plain = {name: kind(how) for name in first.gradients}
    weights = {name: values[name].astype(np.float64) for name in plain}
    for name in plain:
        if f"{name}.master" in values:
            values[f"{name}.master"] = values[name].astype(np.float32)
    for number in range(1, STEPS + 1):
        numbered = Training(optimizer=optimizer, momentum=momentum, learning_rate=rate, step=number)
        step = build_step(graph, numbered)
        values.update(constants_of(step))
        found = evaluate(step.graph, values)
        for name, one in plain.items():
            gradient = found[step.gradients[name]].astype(np.float64)
            weights[name] = one.update(weights[name], gradient, number)
            result = found[f"update.{name}"]
            assert result.dtype == values[name].dtype
            kept = f"update.{name}.master" if f"{name}.master" in values else f"update.{name}"
            assert found[kept].dtype == np.float32
            assert found[kept] == pytest.approx(weights[name], rel=2e-5, abs=2e-6)
        values.update({old: found[new] for new, old in step.replaced.items()})


def test_pure_precision_keeps_the_type_of_weights() -> None:
    graph = parse_network(PERCEPTRON, "perceptron.yaml", dtype="bf16")
    step = build_step(graph, Training(precision="pure"))
    assert {step.graph.tensors[name].dtype.name for name in step.states} == {"bf16", "fp32"}
    assert not any(name.endswith(".master") for name in step.states)  # biases are fp32 anyway
    mixed = build_step(graph, Training())
    assert {step.graph.tensors[name].dtype.name for name in mixed.states if name in step.states}
    assert {mixed.graph.tensors[name].dtype.name for name in mixed.states} == {"fp32"}


def test_without_momentum_nothing_is_kept() -> None:
    graph = parse_network(PERCEPTRON, "perceptron.yaml", dtype="fp32")
    assert build_step(graph, Training(optimizer="sgd", momentum=0.0)).states == ()


def test_the_correction_of_averages_depends_on_the_step() -> None:
    """At step 1 Adam moves every weight by the rate, whatever its gradient, as epsilon is small."""
    graph = parse_network(PERCEPTRON, "perceptron.yaml", dtype="fp32")
    step = build_step(graph, Training(learning_rate=0.25))
    values = random_tensors(step.graph, seed=1)
    values.update({name: np.zeros_like(values[name]) for name in step.states})
    found = evaluate(step.graph, values)
    moved = np.abs(found["update.first.weight"] - values["first.weight"])
    touched = np.abs(found[step.gradients["first.weight"]]) > 1e-4
    assert touched.sum() > 5
    assert moved[touched] == pytest.approx(0.25, rel=1e-3)
    assert sqrt(float((moved[~touched] ** 2).sum())) < 0.25 * sqrt((~touched).sum()) + 1e-9
