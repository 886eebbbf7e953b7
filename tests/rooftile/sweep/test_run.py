"""Sweeps that run: what they find, and what becomes of those that are stopped."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from accel.spec_file import load_preset
from foundation.errors import OutputError, SweepError
from mapper.paces import CLOSED_FORM, WITHIN
from mapper.planner import make_plan
from rooftile.simulation import simulate
from rooftile.sources import find_network
from rooftile.sweep import space as space_module
from rooftile.sweep import tasks as tasks_module
from rooftile.sweep.run import run_sweep
from rooftile.sweep.store import FILE, Results, Store
from rooftile.sweep.sweep_file import load_sweep
from tests.rooftile.sweep.sweeps import NETWORK, SMALL, loaded, table, write

CYCLES = -5


def test_estimates_are_near_those_of_a_plan(tmp_path: Path) -> None:
    data = {**SMALL, "networks": ["lenet"], "grid": {"array.rows": [8, 32], "clock": ["2GHz"]}}
    run_sweep(loaded(tmp_path, data), tmp_path / "out")
    for row in table(tmp_path / "out"):
        spec = load_preset("edge_32x32")
        machine = replace(spec, clock_hz=2 * 10**9, array=replace(spec.array, rows=int(row[6])))
        plan = make_plan(find_network("lenet"), machine, options=CLOSED_FORM)
        least = sum(one.cycles for layer in plan.layers for one in plan.works[layer.work].estimates)
        assert row[CYCLES] == pytest.approx(least, rel=WITHIN + 0.01)


@pytest.mark.parametrize("engine", ["analytical", "cycle"])
def test_engines_are_those_of_a_run(tmp_path: Path, engine: str) -> None:
    data = {**SMALL, "engine": engine, "grid": {"memories.dram.bandwidth": ["4GB/s"]}}
    sweep = loaded(tmp_path, data)
    run_sweep(sweep, tmp_path / "out")
    ((*_, cycles, time_s, rate, moved, utilization),) = table(tmp_path / "out")
    text = "base: edge_32x32\nname: slow\nmemories: {dram: {bandwidth: 4GB/s}}\n"
    (tmp_path / "slow.yaml").write_text(text)
    report = simulate(tmp_path / "gemm.yaml", tmp_path / "slow.yaml", engine=engine).report
    assert (cycles, time_s, rate) == (report.total_cycles, report.time_s, report.inferences_per_s)
    assert moved == sum(layer.work.total_dram_bytes for layer in report.layers)
    assert utilization == report.total_macs / report.total_cycles / 1024


def test_processes_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks_module, "_TASK_S", 0.0)
    sweep = loaded(tmp_path, SMALL)
    run_sweep(sweep, tmp_path / "one")
    run_sweep(sweep, tmp_path / "two", jobs=2)
    assert table(tmp_path / "one") == table(tmp_path / "two")


def test_kept_searches_change_nothing(tmp_path: Path) -> None:
    sweep = loaded(tmp_path, SMALL)
    for name in ("first", "again"):
        pricing_cache = tmp_path / "cache"
        run_sweep(sweep, tmp_path / name, cache_folder=pricing_cache)
    assert table(tmp_path / "first") == table(tmp_path / "again")


def test_a_failed_point_is_a_row(tmp_path: Path) -> None:
    data = {**SMALL, "grid": {"scratchpads.psum.capacity": ["2B", "64KiB"]}}
    summary = run_sweep(loaded(tmp_path, data), tmp_path / "out")
    assert (summary.ok, summary.failed) == (1, 1)
    failed, ok = table(tmp_path / "out")
    assert failed[3] == "failed"
    assert "scratchpad 'psum'" in failed[4]
    assert failed[CYCLES:] == (None,) * 5
    assert ok[3] == "ok"
    assert "the first failure: layer 'fc', scratchpad 'psum'" in summary.text


def test_constraints_on_results_exclude_with_the_result(tmp_path: Path) -> None:
    sweep = loaded(tmp_path, {**SMALL, "constraints": ["time <= 6us", "dram_bytes >= 1KiB"]})
    summary = run_sweep(sweep, tmp_path / "out")
    assert summary.ok
    assert summary.excluded
    for row in table(tmp_path / "out"):
        assert (row[3] == "ok") == (row[CYCLES + 1] <= 6e-6)
        assert row[3] == "ok" or row[4].startswith("time <= 6us: ")


def test_constraints_that_nothing_meets(tmp_path: Path) -> None:
    sweep = loaded(tmp_path, {**SMALL, "constraints": ["array.rows > 64"]})
    with pytest.raises(SweepError, match="no point meets the constraints; the first one: array"):
        run_sweep(sweep, tmp_path / "out")


def test_the_best_are_looked_at_again(tmp_path: Path) -> None:
    sweep = loaded(tmp_path, {**SMALL, "best": {"count": 2, "by": "time", "engine": "cycle"}})
    run_sweep(sweep, tmp_path / "out")
    rows = table(tmp_path / "out")
    first, second = ([row for row in rows if row[0] == stage] for stage in (0, 1))
    best = sorted(first, key=lambda row: (row[CYCLES + 1], row[2]))[:2]
    assert sorted(row[2] for row in second) == sorted(row[2] for row in best)
    assert {row[1] for row in second} == {"cycle"}


def test_the_best_by_a_rate_are_those_of_the_largest(tmp_path: Path) -> None:
    best = {"count": 1, "by": "inferences_per_s", "engine": "analytical"}
    run_sweep(loaded(tmp_path, {**SMALL, "best": best}), tmp_path / "out")
    rows = table(tmp_path / "out")
    first, (second,) = ([row for row in rows if row[0] == stage] for stage in (0, 1))
    largest = max(row[CYCLES + 2] for row in first)
    assert next(row[CYCLES + 2] for row in first if row[2] == second[2]) == largest


def test_the_same_text_beside_another_network_is_another_sweep(tmp_path: Path) -> None:
    """Also in one process, which remembers what prices a sweep."""
    (tmp_path / "other").mkdir()
    path = write(tmp_path / "other", SMALL)
    (tmp_path / "other" / "gemm.yaml").write_text(NETWORK.replace("out: 64", "out: 640"))
    one, other = loaded(tmp_path, SMALL), load_sweep(path)
    assert one.text == other.text
    assert one != other
    run_sweep(one, tmp_path / "out")
    run_sweep(other, tmp_path / "out2")
    pairs = zip(table(tmp_path / "out"), table(tmp_path / "out2"), strict=True)
    assert all(row[CYCLES] < more[CYCLES] for row, more in pairs)
    with pytest.raises(SweepError, match="are of another sweep"):
        run_sweep(other, tmp_path / "out", resume=True)


def test_constraints_that_have_no_value_are_failures(tmp_path: Path) -> None:
    sweep = loaded(tmp_path, {**SMALL, "constraints": ["cycles <= network"]})
    with pytest.raises(SweepError, match="no point has a result; the first one: 'network' is"):
        run_sweep(sweep, tmp_path / "out")


def test_a_network_that_computes_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, SMALL)
    layer = "  - {name: flat, op: reshape, shape: [4096]}\n"
    (tmp_path / "gemm.yaml").write_text(NETWORK.replace(NETWORK.splitlines(True)[-1], layer))
    with pytest.raises(SweepError, match="network 'gemm' computes nothing"):
        run_sweep(load_sweep(path), tmp_path / "out")


def test_tables_are_made_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = loaded(tmp_path, SMALL)
    monkeypatch.setattr("rooftile.sweep.store.json.dumps", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run_sweep(sweep, tmp_path / "out")
    monkeypatch.undo()
    assert run_sweep(sweep, tmp_path / "out", resume=True).ok == 24


def test_a_folder_with_results_is_left_alone(tmp_path: Path) -> None:
    sweep = loaded(tmp_path, SMALL)
    run_sweep(sweep, tmp_path / "out")
    with pytest.raises(OutputError, match="has results; add --resume"):
        run_sweep(sweep, tmp_path / "out")
    assert run_sweep(sweep, tmp_path / "out", resume=True).new == 0


def test_another_sweep_isnt_resumed(tmp_path: Path) -> None:
    run_sweep(loaded(tmp_path, SMALL), tmp_path / "out")
    other = loaded(tmp_path, {**SMALL, "name": "other"})
    with pytest.raises(SweepError, match="are of another sweep"):
        run_sweep(other, tmp_path / "out", resume=True)


HOLDS = """\
import sys
from pathlib import Path
from rooftile.sweep.store import Store
store = Store(Path(sys.argv[1]), ["clock"])
print("open", flush=True)
sys.stdin.read()
"""


def test_two_sweeps_at_once(tmp_path: Path) -> None:
    sweep = loaded(tmp_path, SMALL)
    (tmp_path / "out").mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(tmp_path / "out")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(SweepError, match="another sweep writes there"):
            run_sweep(sweep, tmp_path / "out", resume=True)
        other.kill()
    run_sweep(sweep, tmp_path / "out", resume=True)


def test_results_of_another_version(tmp_path: Path) -> None:
    import sqlite3

    run_sweep(loaded(tmp_path, SMALL), tmp_path / "out")
    with sqlite3.connect(tmp_path / "out" / FILE) as connection:
        connection.execute("UPDATE meta SET value = '99' WHERE key = 'format'")
    connection.close()
    with pytest.raises(SweepError, match="format 99 but this version reads 2"):
        Results(tmp_path / "out")
    with pytest.raises(SweepError, match="results of another version"):
        run_sweep(loaded(tmp_path, SMALL), tmp_path / "out", resume=True)


def test_a_full_disk_stops_with_an_error_and_the_results_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks_module, "_TASK_S", 0.0)
    monkeypatch.setattr(space_module, "LARGEST_UNIT", 20)
    grid: dict[str, Any] = {"clock": {"from": "1GHz", "to": "2GHz", "count": 600}}
    sweep = loaded(tmp_path, {**SMALL, "grid": grid})
    begin = Store.begin

    def small(self: Store, meta: dict[str, Any]) -> None:
        begin(self, meta)
        self._connection.execute("PRAGMA max_page_count = 7")

    monkeypatch.setattr(Store, "begin", small)
    with pytest.raises(OutputError, match=r"can't be written .*full.*--resume goes on"):
        run_sweep(sweep, tmp_path / "out")
    kept = table(tmp_path / "out")
    assert 0 < len(kept) < 600
    monkeypatch.setattr(Store, "begin", begin)
    run_sweep(sweep, tmp_path / "out", resume=True)
    run_sweep(sweep, tmp_path / "whole")
    assert table(tmp_path / "out") == table(tmp_path / "whole")


KILLED = """\
import sys
from pathlib import Path
from rooftile.sweep import tasks
from rooftile.sweep.run import run_sweep
from rooftile.sweep.sweep_file import load_sweep
tasks._TASK_S = 0.0
run_sweep(load_sweep(Path(sys.argv[1])), Path(sys.argv[2]), jobs=2, resume=True)
"""


@pytest.mark.slow
def test_killed_sweeps_resume_exactly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed at 20 random moments."""
    monkeypatch.setattr(tasks_module, "_TASK_S", 0.0)
    path = write(tmp_path, {**SMALL, "grid": {**SMALL["grid"], "array.rows": [4, 8, 16, 32]}})
    draws, start = Random(0), time.monotonic()
    command = [sys.executable, "-c", KILLED, str(path)]
    subprocess.run([*command, str(tmp_path / "whole")], check=True)
    whole = time.monotonic() - start
    for number in range(20):
        folder = tmp_path / str(number)
        with subprocess.Popen([*command, str(folder)], start_new_session=True) as process:
            time.sleep(draws.uniform(0.1, 1) * whole)
            process.send_signal(signal.SIGKILL)
        subprocess.run([*command, str(folder)], check=True)
        assert table(folder) == table(tmp_path / "whole")
