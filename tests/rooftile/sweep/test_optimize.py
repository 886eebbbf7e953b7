"""Searches for the best points, against pricing all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from foundation.errors import OutputError
from rooftile.sweep.names import SAMPLERS
from rooftile.sweep.optimize import optimize
from rooftile.sweep.run import run_sweep
from tests.rooftile.command import Command
from tests.rooftile.sweep.sweeps import SMALL, loaded, table, write

TIME, MOVED = -4, -2


def ok_rows(folder: Path) -> dict[int, tuple[Any, ...]]:
    return {row[2]: row for row in table(folder) if row[3] == "ok"}


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_enough_trials_find_the_fastest(tmp_path: Path, sampler: str) -> None:
    sweep = loaded(tmp_path, SMALL)
    run_sweep(sweep, tmp_path / "all")
    least = min(row[TIME] for row in ok_rows(tmp_path / "all").values())
    found = optimize(sweep, tmp_path / "some", objectives=["time"], sampler=sampler, trials=96)
    rows = ok_rows(tmp_path / "some")
    assert min(row[TIME] for row in rows.values()) == pytest.approx(least, rel=0.05)
    assert all(
        rows[number][TIME] == min(row[TIME] for row in rows.values()) for number in found.front
    )
    assert found.priced == len(rows) <= 24


def test_a_front_of_two(tmp_path: Path) -> None:
    data = {**SMALL, "grid": {**SMALL["grid"], "scratchpads.input.capacity": ["2KiB", "64KiB"]}}
    sweep = loaded(tmp_path, data)
    found = optimize(sweep, tmp_path / "out", objectives=["time", "dram_bytes"], trials=64)
    rows = ok_rows(tmp_path / "out")
    for number, row in rows.items():
        surpassed = any(
            other[TIME] <= row[TIME]
            and other[MOVED] <= row[MOVED]
            and (other[TIME], other[MOVED]) != (row[TIME], row[MOVED])
            for other in rows.values()
        )
        assert (number in found.front) == (not surpassed)


def test_larger_rates_are_better(tmp_path: Path) -> None:
    sweep = loaded(tmp_path, SMALL)
    found = optimize(
        sweep, tmp_path / "out", objectives=["inferences_per_s"], sampler="random", trials=64
    )
    rows = ok_rows(tmp_path / "out")
    assert {rows[n][-3] for n in found.front} == {max(row[-3] for row in rows.values())}


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_same_seed_proposes_the_same_and_goes_on(tmp_path: Path, sampler: str) -> None:
    sweep = loaded(tmp_path, SMALL)
    whole = optimize(sweep, tmp_path / "whole", objectives=["time"], sampler=sampler, trials=40)
    optimize(sweep, tmp_path / "part", objectives=["time"], sampler=sampler, trials=20)
    with pytest.raises(OutputError, match="add --resume"):
        optimize(sweep, tmp_path / "part", objectives=["time"], sampler=sampler, trials=40)
    rest = optimize(
        sweep, tmp_path / "part", objectives=["time"], sampler=sampler, trials=40, resume=True
    )
    assert rest.front == whole.front
    assert rest.priced < whole.priced
    assert table(tmp_path / "part") == table(tmp_path / "whole")


def test_points_that_fail_are_no_optimum(tmp_path: Path) -> None:
    data = {**SMALL, "grid": {"scratchpads.psum.capacity": ["2B", "64KiB"]}}
    found = optimize(loaded(tmp_path, data), tmp_path / "out", objectives=["time"], trials=16)
    assert found.front == (1,)


def test_the_command(rooftile: Command, tmp_path: Path) -> None:
    done = rooftile(
        *("optimize", write(tmp_path, SMALL), "-o", tmp_path / "out", "--trials", "20"),
        *("--objective", "time", "--objective", "dram_bytes", "--no-mapping-cache"),
    )
    assert done.status == 0, done.err
    assert "20 points proposed" in done.out
    assert "in time, dram_bytes" in done.out
