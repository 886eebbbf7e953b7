"""Optimizers as layers: a gradient and what the step before left become new weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import sqrt

from foundation.dtype import DTYPES
from workloads.graph import Tensor
from workloads.training.draft import Draft, Steps
from workloads.training.options import Training

#: Adds a state of a role, and returns it.
State = Callable[[str], Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """The update of one parameter.

    Parameters
    ----------
    states
        What the optimizer keeps from step to step, a wider copy of the weight included.
    replaced
        Layer to the tensor in whose place its result comes: the parameter, or a state.
    """

    states: tuple[str, ...]
    replaced: Mapping[str, str]


def add_update(draft: Draft, parameter: Tensor, gradient: Tensor, training: Training) -> Update:
    """Add the layers that update a parameter; the last one is called ``update.PARAMETER``.

    Parameters
    ----------
    draft
        Gets the layers, and the states ``PARAMETER.momentum`` and so on as inputs.
    parameter
        What is learned.
    gradient
        Of the loss by it.
    training
        The optimizer and its numbers.
    """
    steps = draft.under(f"update.{parameter.name}")
    dtype = DTYPES["fp32"] if training.precision == "mixed" else parameter.dtype
    states: dict[str, Tensor] = {}

    def state(role: str) -> Tensor:
        name = f"{parameter.name}.{role}"
        states[role] = draft.builder.add_input(name, parameter.shape, dtype)
        return states[role]

    weight = parameter if dtype == parameter.dtype else state("master")
    gradient = steps.cast("gradient", gradient, dtype)
    if training.optimizer == "sgd":
        step, new = _momentum(steps, gradient, state, training)
    else:
        step, new = _adam(steps, gradient, state, training)
    is_master = weight is not parameter
    changed = steps.apply("master" if is_master else "", "subtract", weight, step)
    new["master" if is_master else ""] = changed
    if is_master:
        new[""] = steps.cast("", changed, parameter.dtype)
    names = {role: tensor.name for role, tensor in states.items()} | {"": parameter.name}
    replaced = {tensor.name: names[role] for role, tensor in new.items()}
    return Update(states=tuple(tensor.name for tensor in states.values()), replaced=replaced)


def _momentum(
    steps: Steps, gradient: Tensor, state: State, training: Training
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the change of a weight, and new states by role.

    Velocity v becomes ``momentum · v + gradient``, and the weight changes by ``rate · v``.

    References
    ----------
    .. [1] PyTorch, "torch.optim.SGD", https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html
    """
    rate, momentum = training.learning_rate, training.momentum
    if not momentum:
        return steps.scale("step", gradient, rate), {}
    kept = steps.scale("kept", state("momentum"), momentum)
    velocity = steps.apply("momentum", "add", kept, gradient)
    return steps.scale("step", velocity, rate), {"momentum": velocity}


def _adam(
    steps: Steps, gradient: Tensor, state: State, training: Training
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the change of a weight, and new states by role.

    Averages m of gradients and v of their squares; the weight changes by ``rate · √(1 - β₂ᵗ) /
    (1 - β₁ᵗ) · m / (√v + epsilon · √(1 - β₂ᵗ))``, which is Adam with both averages corrected.

    References
    ----------
    .. [1] D. Kingma and J. Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, section 2.
    """
    first, second = training.betas
    mean = _average(steps, "first_moment", state("first_moment"), gradient, first)
    square = steps.apply("square", "multiply", gradient, gradient)
    spread = _average(steps, "second_moment", state("second_moment"), square, second)
    correction = sqrt(1 - second**training.step)
    root = steps.apply("root", "sqrt", spread)
    epsilon = steps.constant(training.epsilon * correction, root)
    inverse = steps.apply("inverse", "add", root, epsilon, activation="reciprocal")
    direction = steps.apply("direction", "multiply", mean, inverse)
    rate = training.learning_rate * correction / (1 - first**training.step)
    return steps.scale("step", direction, rate), {"first_moment": mean, "second_moment": spread}


def _average(steps: Steps, name: str, before: Tensor, now: Tensor, beta: float) -> Tensor:
    """Return ``before + (1 - beta) · (now - before)``, a moving average."""
    change = steps.apply(f"{name}.change", "subtract", now, before)
    share = steps.scale(f"{name}.share", change, 1 - beta)
    return steps.apply(name, "add", before, share)
