"""Looks for the best points of a sweep without pricing all of them."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Protocol

import numpy as np

from foundation.errors import SweepError
from mapper.search.pareto import on_front
from rooftile.sweep.kept import FILE, keep
from rooftile.sweep.names import LARGER_IS_BETTER
from rooftile.sweep.pricing import OK, Record
from rooftile.sweep.run import meta_of, priced, workers_of
from rooftile.sweep.space import Space
from rooftile.sweep.store import Store, made
from rooftile.sweep.sweep import Sweep

#: Points that are priced at once: a generation.
GENERATION = 16

Progress = Callable[[str], None]
#: Of a point the values of the objectives, None if it isn't ok.
Values = list[float] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimum:
    """What a search found.

    Parameters
    ----------
    trials, priced
        Points that were asked for, and those of them that weren't known.
    front
        Numbers of the points that no other surpasses in all objectives, in ascending order.
    """

    trials: int
    priced: int
    front: tuple[int, ...]


class Sampler(Protocol):
    """Proposes points, and learns from what they are worth."""

    def ask(self, count: int) -> list[tuple[int, ...]]:
        """Return the places along all axes of some points."""

    def tell(self, values: Sequence[Values]) -> None:
        """Take what the points were worth that were asked for last: all to be made small."""


def optimize(
    sweep: Sweep,
    folder: Path,
    *,
    objectives: Sequence[str],
    sampler: str = "nsga2",
    trials: int = 200,
    seed: int = 0,
    jobs: int = 1,
    resume: bool = False,
    cache_folder: Path | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Optimum:
    """Search a sweep's points for the best, and keep all that are priced in a folder.

    A search that goes on proposes the same points once more, in the same order: those that are in
    the folder need no price.

    Parameters
    ----------
    objectives
        Results that are to be good: small, or large where that is better.
    sampler, trials, seed
        One of ``SAMPLERS``; how many points it proposes; of its draws.
    sweep, folder, jobs, resume, cache_folder, executor, progress
        As in `rooftile.sweep.run.run_sweep`.

    Raises
    ------
    SweepError
        When a name is unknown, the extra ``optuna`` isn't installed, or no point is ok.
    OutputError
        When the folder can't be written.
    """
    sweep = sweep.deciding(objectives)
    space = Space(sweep)
    signs = [-1.0 if name in LARGER_IS_BETTER else 1.0 for name in objectives]
    places = [3 + len(sweep.keys) + sweep.results.index(name) for name in objectives]
    proposes = sampler_of(sampler, [len(axis.values) for axis in space.axes], len(objectives), seed)
    made(folder, resume=resume)
    store = Store(folder, sweep.keys, sweep.results)
    try:
        store.begin({**meta_of(sweep), "key": f"{sampler} {seed} {objectives} {sweep.key}"})
        known = {int(str(record[0])): record for record in store.records(0)}
        store.note("files", keep(sweep, folder))
        store.note("command", _command(objectives, sampler, trials, seed))
        new = asked = 0
        with workers_of(jobs, executor) as workers:
            while asked < trials:
                points = proposes.ask(min(GENERATION, trials - asked))
                asked += len(points)
                numbers = [space.number(point) for point in points]
                missing = [n for n in dict.fromkeys(numbers) if n not in known]
                tasks = (range(number, number + 1) for number in missing)
                for records in priced(sweep, tasks, sweep.engine, workers, jobs, cache_folder):
                    store.add(records, 0, sweep.engine)
                    known.update({int(str(record[0])): record for record in records})
                    new += len(records)
                proposes.tell([_values(known[number], places, signs) for number in numbers])
                if progress is not None:
                    progress(f"{asked:,} of {trials:,} points proposed, {new:,} priced")
        found = {n: values for n, r in known.items() if (values := _values(r, places, signs))}
        if not found:
            raise SweepError("no point that was proposed is ok; see rooftile results")
        is_best = on_front(np.array(list(found.values())))
        front = sorted(n for n, best in zip(found, is_best.tolist(), strict=True) if best)
        return Optimum(trials=asked, priced=new, front=tuple(front))
    finally:
        store.close()


def _command(objectives: Sequence[str], sampler: str, trials: int, seed: int) -> str:
    """Return the command that searches once more, inside the folder."""
    words = ["rooftile", "optimize", FILE, "-o", "../again", "--sampler", sampler]
    words += [word for name in objectives for word in ("--objective", name)]
    return shlex.join([*words, "--trials", str(trials), "--seed", str(seed)])


def _values(record: Record, places: Sequence[int], signs: Sequence[float]) -> Values:
    """Return the objectives of a record, all to be made small; None unless it is ok."""
    if record[1] != OK:
        return None
    return [sign * float(str(record[place])) for sign, place in zip(signs, places, strict=True)]


def sampler_of(name: str, sizes: Sequence[int], objectives: int, seed: int) -> Sampler:
    """Return a sampler by its name: one of ``SAMPLERS``."""
    return _Draws(sizes, seed) if name == "random" else _Study(name, sizes, objectives, seed)


class _Draws:
    """Draws points evenly, none of them twice until all were there."""

    def __init__(self, sizes: Sequence[int], seed: int) -> None:
        self._sizes = sizes
        self._draws = Random(seed)
        self._seen: set[tuple[int, ...]] = set()

    def ask(self, count: int) -> list[tuple[int, ...]]:
        found = []
        for _ in range(count):
            point = self._drawn()
            for _ in range(1000):
                if point not in self._seen:
                    break
                point = self._drawn()
            self._seen.add(point)
            found.append(point)
        return found

    def _drawn(self) -> tuple[int, ...]:
        return tuple(self._draws.randrange(size) for size in self._sizes)

    def tell(self, values: Sequence[Values]) -> None:
        """Nothing is learned."""


class _Study:
    """Optuna's samplers, a generation at a time."""

    def __init__(self, name: str, sizes: Sequence[int], objectives: int, seed: int) -> None:
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
        self._sizes = sizes
        self._open: list[Any] = []

    def ask(self, count: int) -> list[tuple[int, ...]]:
        self._open = [self._study.ask() for _ in range(count)]
        return [
            tuple(one.suggest_int(str(axis), 0, size - 1) for axis, size in enumerate(self._sizes))
            for one in self._open
        ]

    def tell(self, values: Sequence[Values]) -> None:
        for trial, own in zip(self._open, values, strict=True):
            if own is None:
                self._study.tell(trial, state=self._failed)
            else:
                self._study.tell(trial, own)
