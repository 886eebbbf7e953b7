"""Looks for the best points of a sweep without pricing all of them."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from foundation.errors import SweepError
from mapper.search.pareto import on_front
from rooftile.sweep.halving import promoted
from rooftile.sweep.kept import FILE, keep
from rooftile.sweep.names import ENGINES, LARGER_IS_BETTER
from rooftile.sweep.pricing import FAILED, OK, Record, Row
from rooftile.sweep.run import meta_of
from rooftile.sweep.samplers import GENERATION, Sampler, Values, sampler_of
from rooftile.sweep.space import Point, Space
from rooftile.sweep.store import Store, made
from rooftile.sweep.sweep import MAPPING_KEYS, Sweep, beyond_estimates
from rooftile.sweep.tasks import Tasks, workers_of

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimum:
    """What a search found.

    Parameters
    ----------
    trials, priced
        Points that were asked for, and prices of them that weren't known.
    looks
        Of each engine its name, and how many points it has priced for this search.
    front
        Numbers of the points that no other surpasses in all objectives, in ascending order, as the
        last engine prices them.
    """

    trials: int
    priced: int
    looks: tuple[tuple[str, int], ...]
    front: tuple[int, ...]


def optimize(
    sweep: Sweep,
    folder: Path,
    *,
    objectives: Sequence[str],
    sampler: str = "nsga2",
    trials: int = 200,
    seed: int = 0,
    engines: Sequence[str] = (),
    eta: int = 3,
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
    engines, eta
        Price points one after another, by default the sweep's engine alone: the first prices all
        that are proposed, each other one the best of those before, one of ``eta``.
    sweep, folder, jobs, resume, cache_folder, executor, progress
        As in `rooftile.sweep.run.run_sweep`.

    Raises
    ------
    SweepError
        When a name is unknown, the extra ``optuna`` isn't installed, or no point is ok.
    OutputError
        When the folder can't be written.
    """
    engines = tuple(engines) or (sweep.engine,)
    sweep = sweep.deciding(objectives, engines)
    _check_engines(sweep, engines)
    space = Space(sweep)
    goals, say = _Goals(sweep, objectives), progress or (lambda _: None)
    proposes = sampler_of(sampler, space, len(objectives), seed)
    made(folder, resume=resume)
    store = Store(folder, sweep.keys, sweep.results)
    try:
        several = f" {engines}" if len(engines) > 1 else ""
        store.begin(
            {**meta_of(sweep), "key": f"{sampler} {seed} {objectives}{several} {sweep.key}"}
        )
        store.note("files", keep(sweep, folder))
        halving = ["--engines", ",".join(engines), "--eta", str(eta)] if several else []
        store.note("command", _command(objectives, sampler, trials, seed, halving))
        with workers_of(jobs, executor) as workers:
            tasks = Tasks(sweep, workers, jobs, cache_folder)
            looks = [_Look(store, tasks, stage, engine) for stage, engine in enumerate(engines)]
            proposed = _proposed(
                proposes, trials, looks[0], _Names(sweep, looks[0].known), goals, say
            )
            counts = [len(proposed), *_halved(proposed, looks, eta, goals, say)]
        front = goals.front(looks[-1].known)
        if not front:
            why = store.message(FAILED)
            raise SweepError(
                "no point that was proposed is ok; "
                + (f"the first that failed: {why}" if why else "see rooftile results")
            )
        return Optimum(
            trials=trials,
            priced=sum(look.new for look in looks),
            looks=tuple(zip(engines, counts, strict=True)),
            front=front,
        )
    finally:
        store.close()


def _proposed(
    sampler: Sampler, trials: int, look: _Look, named: _Names, goals: _Goals, say: Progress
) -> dict[int, Point]:
    """Return the points that a sampler proposes, by number; all of them are priced."""
    found: dict[int, Point] = {}
    for first in range(0, trials, GENERATION):
        points = [named.point(one) for one in sampler.ask(min(GENERATION, trials - first))]
        found.update((point.number, point) for point in points)
        look.price(points)
        sampler.tell([goals.of(look.known[point.number]) for point in points])
        say(f"{first + len(points):,} of {trials:,} points proposed, {look.new:,} priced")
    return found


def _halved(
    points: dict[int, Point], looks: Sequence[_Look], eta: int, goals: _Goals, say: Progress
) -> Iterator[int]:
    """Price the best points by each engine behind the first, and yield how many they are."""
    chosen = list(points)
    for before, look in pairwise(looks):
        values = {n: own for n in chosen if (own := goals.of(before.known[n])) is not None}
        chosen = promoted(values, eta)
        say(f"the best {len(chosen):,} points by the engine {look.engine}")
        look.price([points[number] for number in chosen])
        yield len(chosen)


def _command(
    objectives: Sequence[str], sampler: str, trials: int, seed: int, halving: Sequence[str]
) -> str:
    """Return the command that searches once more, inside the folder."""
    words = ["rooftile", "optimize", FILE, "-o", "../again", "--sampler", sampler]
    words += [word for name in objectives for word in ("--objective", name)]
    return shlex.join([*words, "--trials", str(trials), "--seed", str(seed), *halving])


def _check_engines(sweep: Sweep, engines: Sequence[str]) -> None:
    order = [ENGINES.index(engine) for engine in engines]
    if sorted(set(order)) != order:
        raise SweepError(
            f"engines {', '.join(engines)}: each must be more exact than the one before; the order"
            f" is {', '.join(ENGINES)}"
        )
    key = beyond_estimates(sweep) if engines[0] == "estimate" else ""
    if key:
        raise SweepError(
            f"engines {', '.join(engines)}: estimates have '{key}' {MAPPING_KEYS[key]} only; leave"
            " estimate out"
        )


class _Goals:
    """What is to be good of a record."""

    def __init__(self, sweep: Sweep, objectives: Sequence[str]) -> None:
        self._signs = [-1.0 if name in LARGER_IS_BETTER else 1.0 for name in objectives]
        first = 3 + len(sweep.keys)
        self._places = [first + sweep.results.index(name) for name in objectives]

    def of(self, record: Record) -> Values:
        """Return the objectives of a record, all to be made small; None unless it is ok."""
        if record[1] != OK:
            return None
        pairs = zip(self._signs, self._places, strict=True)
        return [sign * float(str(record[place])) for sign, place in pairs]

    def front(self, known: dict[int, Record]) -> tuple[int, ...]:
        """Return the numbers of the records that no other surpasses."""
        found = {n: own for n, record in known.items() if (own := self.of(record)) is not None}
        if not found:
            return ()
        is_best = on_front(np.array(list(found.values())))
        return tuple(sorted(n for n, best in zip(found, is_best.tolist(), strict=True) if best))


class _Names:
    """Gives points their numbers.

    Those of a grid have them. Others are known by their values, and numbered in the order in which
    they are proposed first, which is the same whenever a search goes on.
    """

    def __init__(self, sweep: Sweep, known: dict[int, Record]) -> None:
        self._sweep = sweep
        self._known = known
        self._numbers: dict[Record, int] = {}

    def point(self, point: Point) -> Point:
        """Return a point with its number.

        Raises
        ------
        SweepError
            When the results have another one of this number.
        """
        if not self._sweep.space:
            return point
        keys = self._sweep.keys
        row = Row(0, OK, "", tuple(point.values.get(key) for key in keys), ())
        values = row.record()[3:]
        number = self._numbers.setdefault(values, len(self._numbers))
        if number in self._known and self._known[number][3 : 3 + len(keys)] != values:
            raise SweepError(
                f"point {number} isn't the one that is proposed now: the results are of another"
                " version of the sampler; use another folder"
            )
        return replace(point, number=number)


class _Look:
    """Prices points by an engine, those that the folder doesn't know yet."""

    def __init__(self, store: Store, tasks: Tasks, stage: int, engine: str) -> None:
        self._store = store
        self._tasks = tasks
        self._stage = stage
        self.engine = engine
        #: Number of a point to its record.
        self.known = {int(str(record[0])): record for record in store.records(stage)}
        #: Points that were priced now.
        self.new = 0

    def price(self, points: Iterable[Point]) -> None:
        """Price some points."""
        missing = {one.number: one for one in points if one.number not in self.known}
        for task in self._tasks.priced(missing.values(), self.engine, len(missing)):
            self._store.add(task.records, self._stage, self.engine)
            self.known.update({int(str(record[0])): record for record in task.records})
            self.new += len(task.records)
