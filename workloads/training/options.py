"""What a user asks of a training step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from foundation.errors import WorkloadError, nearest

OPTIMIZERS = ("sgd", "adam")
LOSSES = ("cross_entropy", "mean_squared_error")
PRECISIONS = ("mixed", "pure")


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """How a network is trained.

    Parameters
    ----------
    optimizer
        ``sgd``, with momentum unless that is 0, or ``adam``.
    loss
        ``cross_entropy`` of the softmax of every row of an output with indices of classes, or
        ``mean_squared_error`` with a tensor of the output's shape.
    recompute
        What isn't kept for the backward pass but computed again: names of layers; names of
        blocks, such as ``encoder.0``, whose inside isn't kept; or ``blocks`` for all blocks.
    precision
        ``mixed``: the optimizer works in fp32, on a copy of each weight if that is narrower;
        ``pure``: it works in each weight's own type.
    learning_rate, momentum, betas, epsilon
        Of the optimizer, with PyTorch's names.
    step
        Number of the step from 1, which Adam's correction of its averages depends on.
    """

    optimizer: str = "adam"
    loss: str = "cross_entropy"
    recompute: tuple[str, ...] = ()
    precision: str = "mixed"
    learning_rate: float = 1e-3
    momentum: float = 0.9
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    step: int = 1

    def check(self) -> None:
        """Raise WorkloadError for what no training is."""
        _check_word("optimizer", self.optimizer, OPTIMIZERS)
        _check_word("loss", self.loss, LOSSES)
        _check_word("precision", self.precision, PRECISIONS)
        if self.learning_rate <= 0 or self.epsilon <= 0:
            raise WorkloadError(
                f"training: learning rate {self.learning_rate:g} and epsilon {self.epsilon:g} must"
                " be greater than 0"
            )
        for name, value in (
            ("momentum", self.momentum),
            *zip(("first beta", "second beta"), self.betas, strict=True),
        ):
            if not 0 <= value < 1:
                raise WorkloadError(f"training: {name} is {value:g} but must lie in 0..1, below 1")
        if self.step < 1:
            raise WorkloadError(f"training: step is {self.step} but must be at least 1")


def _check_word(what: str, word: str, known: Sequence[str]) -> None:
    if word not in known:
        raise WorkloadError(
            f"training: {what} '{word}' must be one of {', '.join(known)}{nearest(word, known)}"
        )
