"""Who proposes the points of a search."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from random import Random
from typing import Any, Protocol

from foundation.errors import SweepError
from rooftile.sweep.space import Point, Space

#: Points that are proposed and priced at once: a generation.
GENERATION = 16

#: Of a point the values of the objectives, all to be made small; None if it isn't ok.
Values = list[float] | None


class Sampler(Protocol):
    """Proposes points, and learns from what they are worth."""

    def ask(self, count: int) -> list[Point]:
        """Return some points."""

    def tell(self, values: Sequence[Values]) -> None:
        """Take what the points were worth that were asked for last."""


def sampler_of(name: str, space: Space, objectives: int, seed: int) -> Sampler:
    """Return a sampler of a space's points by its name: one of ``SAMPLERS``.

    Raises
    ------
    SweepError
        When it needs the extra ``optuna``, which isn't installed.
    """
    if name == "random":
        return _Draws(space, seed)
    return _Study(name, space, objectives, seed)


class _Draws:
    """Draws points from their distribution, none of them twice until all were there."""

    def __init__(self, space: Space, seed: int) -> None:
        self._space = space
        self._most = inf if space.sweep.space else len(space)
        self._draws = Random(seed)
        self._seen: set[tuple[object, ...]] = set()

    def ask(self, count: int) -> list[Point]:
        return [self._new() for _ in range(count)]

    def _new(self) -> Point:
        for _ in range(1000):
            point = self._space.drawn(self)
            values = tuple(point.values.items())
            if values not in self._seen or len(self._seen) == self._most:
                break
        self._seen.add(values)
        return point

    def option(self, _: str, count: int, /) -> int:
        return self._draws.randrange(count)

    def place(self, _: str, count: int, /) -> int:
        return self._draws.randrange(count)

    def quantile(self, _: str, /) -> float:
        return self._draws.random()

    def tell(self, values: Sequence[Values]) -> None:
        """Nothing is learned."""


class _Trial:
    """What a trial of Optuna draws."""

    def __init__(self, trial: Any) -> None:
        self._trial = trial

    def option(self, name: str, count: int, /) -> int:
        return int(self._trial.suggest_categorical(name, range(count)))

    def place(self, name: str, count: int, /) -> int:
        return int(self._trial.suggest_int(name, 0, count - 1))

    def quantile(self, name: str, /) -> float:
        # Evenly: what distribution a value has, its quantiles say.
        return float(self._trial.suggest_float(name, 0.0, 1.0))


class _Study:
    """Optuna's samplers, a generation at a time."""

    def __init__(self, name: str, space: Space, objectives: int, seed: int) -> None:
        try:
            import optuna
        except ImportError:
            raise SweepError(
                f"sampler '{name}' needs the package optuna; install it with pip install"
                " 'rooftile[optuna]', or use --sampler random"
            ) from None
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        own = (
            optuna.samplers.NSGAIISampler(seed=seed, population_size=GENERATION)
            if name == "nsga2"
            else optuna.samplers.TPESampler(seed=seed, constant_liar=True)
        )
        self._study: Any = optuna.create_study(sampler=own, directions=["minimize"] * objectives)
        self._failed = optuna.trial.TrialState.FAIL
        self._space = space
        self._open: list[Any] = []

    def ask(self, count: int) -> list[Point]:
        self._open = [self._study.ask() for _ in range(count)]
        return [self._space.drawn(_Trial(one)) for one in self._open]

    def tell(self, values: Sequence[Values]) -> None:
        for trial, own in zip(self._open, values, strict=True):
            if own is None:
                self._study.tell(trial, state=self._failed)
            else:
                self._study.tell(trial, own)
