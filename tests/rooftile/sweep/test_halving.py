"""Successive halving: who goes on, and how near the best a search comes that way."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.errors import SweepError
from rooftile.sweep.halving import crowding, promoted
from rooftile.sweep.names import ENGINES
from rooftile.sweep.optimize import Optimum, optimize
from rooftile.sweep.run import run_sweep
from tests.rooftile.command import Command
from tests.rooftile.sweep.sweeps import SMALL, loaded, table, write

TIME = -4
#: Points of all engines for the test of how near a search comes.
DATA: dict[str, Any] = {
    **SMALL,
    "grid": {
        "array.rows": [8, 16, 32, 64],
        "memories.dram.bandwidth": ["2GB/s", "8GB/s", "32GB/s"],
        "scratchpads.weight.capacity": ["4KiB", "16KiB", "64KiB"],
    },
    "derived": {"array.columns": "1024 // array.rows"},
}

POINTS = st.lists(st.tuples(*[st.integers(0, 5)] * 2), min_size=1, max_size=30)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=40), st.integers(2, 5))
def test_of_one_objective_the_least_go_on(values: list[int], eta: int) -> None:
    wanted = sorted(range(len(values)), key=lambda number: (values[number], number))
    count = -(-len(values) // eta)
    found = promoted({number: [value] for number, value in enumerate(values)}, eta)
    assert [values[n] for n in found] == [values[n] for n in wanted[:count]]
    assert len(set(found)) == count


@given(POINTS, st.integers(2, 5))
def test_nobody_goes_on_whom_one_that_stays_surpasses(
    values: list[tuple[int, int]], eta: int
) -> None:
    found = promoted(dict(enumerate(values)), eta)
    assert len(set(found)) == -(-len(values) // eta)
    for stays in set(range(len(values))) - set(found):
        for goes in found:
            surpasses = values[stays] != values[goes] and all(
                a <= b for a, b in zip(values[stays], values[goes], strict=True)
            )
            assert not surpasses


def test_ends_of_a_front_go_on_first() -> None:
    front = {0: [0, 9], 1: [1, 5], 2: [2, 4], 3: [3, 3], 4: [9, 0], 5: [10, 10]}
    assert promoted(front, 3) == [0, 4]
    assert promoted(front, 2) == [0, 4, 3], "the next has the most room"
    assert promoted({}, 3) == []


def test_crowding_is_the_room_between_neighbours() -> None:
    values = np.array([[0.0, 4.0], [1.0, 2.0], [4.0, 0.0]])
    assert crowding(values).tolist() == [np.inf, 4 / 4 + 4 / 4, np.inf]


def search(folder: Path, name: str, **more: Any) -> Optimum:
    asked = {"objectives": ["time"], "sampler": "random", "trials": 72, "engines": ENGINES, **more}
    return optimize(loaded(folder, DATA), folder / name, **asked)


def test_it_finds_the_best_with_a_ninth_of_the_runs(tmp_path: Path) -> None:
    run_sweep(loaded(tmp_path, {**DATA, "engine": "cycle"}), tmp_path / "all")
    times = {row[2]: row[TIME] for row in table(tmp_path / "all")}
    assert len(times) == 36
    found = search(tmp_path, "some")
    assert found.looks == (("estimate", 36), ("analytical", 12), ("cycle", 4))
    assert min(times[number] for number in found.front) == min(times.values())
    rows = [row for row in table(tmp_path / "some") if row[0] == 2]
    assert len(rows) == 4
    assert all(row[1] == "cycle" and row[TIME] == times[row[2]] for row in rows)


def test_each_engine_prices_the_best_of_the_one_before(tmp_path: Path) -> None:
    search(tmp_path, "out", trials=12, eta=2, sampler="tpe")
    rows = table(tmp_path / "out")
    stages = [{row[2]: row[TIME] for row in rows if row[0] == stage} for stage in range(3)]
    assert [len(own) for own in stages[1:]] == [-(-len(stages[0]) // 2), -(-len(stages[1]) // 2)]
    for before, after in pairwise(stages):
        assert max(before[n] for n in after) <= min(
            (value for n, value in before.items() if n not in after), default=np.inf
        )


def test_processes_and_a_kill_change_nothing(tmp_path: Path) -> None:
    goals = {"objectives": ["time", "dram_bytes"], "trials": 24}
    whole = search(tmp_path, "whole", **goals)
    assert search(tmp_path, "two", jobs=2, **goals) == whole
    assert table(tmp_path / "two") == table(tmp_path / "whole")
    code = (
        "import sys; from pathlib import Path; import tests.rooftile.sweep.test_halving as own;"
        f"own.search(Path(sys.argv[1]), 'killed', jobs=2, resume=True, **{goals})"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, start_new_session=True) as process:
        while not (tmp_path / "killed" / "results.sqlite").exists() and process.poll() is None:
            time.sleep(0.01)
        time.sleep(0.3)
        process.send_signal(signal.SIGKILL)
    rest = search(tmp_path, "killed", resume=True, **goals)
    assert rest.front == whole.front
    assert table(tmp_path / "killed") == table(tmp_path / "whole")


def test_points_that_are_excluded_or_fail_stay(tmp_path: Path) -> None:
    data = {**DATA, "constraints": ["array.rows < 64", "time < 1ms"]}
    grid = {**DATA["grid"], "scratchpads.psum.capacity": ["2B", "64KiB"]}
    sweep = loaded(tmp_path, {**data, "grid": grid})
    optimize(
        sweep, tmp_path / "out", objectives=["time"], sampler="random", trials=48, engines=ENGINES
    )
    rows = table(tmp_path / "out")
    ok = [row for row in rows if row[0] == 0 and row[3] == "ok"]
    assert {row[3] for row in rows if row[0] == 0} == {"ok", "excluded", "failed"}
    assert {row[3] for row in rows if row[0] > 0} == {"ok"}
    assert sum(row[0] == 1 for row in rows) == -(-len(ok) // 3)


@pytest.mark.parametrize(
    ("engines", "data", "message"),
    [
        (("cycle", "analytical"), DATA, "each must be more exact than the one before"),
        (("cycle", "cycle"), DATA, "each must be more exact than the one before"),
        (
            ("estimate", "cycle"),
            {**DATA, "engine": "cycle", "objective": "dram"},
            "estimates have 'objective' latency only; leave estimate out",
        ),
    ],
)
def test_mistakes(
    tmp_path: Path, engines: tuple[str, ...], data: dict[str, Any], message: str
) -> None:
    with pytest.raises(SweepError, match=message):
        optimize(loaded(tmp_path, data), tmp_path / "out", objectives=["time"], engines=engines)


def test_other_engines_are_another_search(tmp_path: Path) -> None:
    search(tmp_path, "out", trials=2)
    with pytest.raises(SweepError, match="are of another sweep"):
        search(tmp_path, "out", trials=2, engines=("estimate", "cycle"), resume=True)


def test_the_command(rooftile: Command, tmp_path: Path) -> None:
    path = write(tmp_path, DATA)
    options = ("--trials", "9", "--no-mapping-cache", "--sampler", "random")
    done = rooftile(
        *("optimize", path, "-o", tmp_path / "out", *options),
        *("--engines", "estimate, analytical,cycle"),
    )
    assert done.status == 0, done.err
    assert "points priced 9 by estimate, 3 by analytical, 1 by cycle" in done.out
    wrong = rooftile("optimize", path, "-o", tmp_path / "no", "--engines", "estimate,fast")
    assert wrong.status == 2
    assert "'fast' isn't one of estimate, analytical, cycle" in wrong.err
