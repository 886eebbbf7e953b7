"""The same sweep on a Dask cluster of this machine, of which a worker is killed in the middle."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from foundation.errors import SweepError
from rooftile.sweep import tasks as tasks_module
from rooftile.sweep.cluster import cluster
from rooftile.sweep.run import run_sweep
from tests.rooftile.sweep.sweeps import SMALL, loaded, table

distributed = pytest.importorskip("distributed")


@pytest.mark.slow
def test_a_killed_worker_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks_module, "_TASK_S", 0.0)
    grid: dict[str, Any] = {**SMALL["grid"], "array.rows": [4, 8, 16, 32]}
    sweep = loaded(tmp_path, {**SMALL, "grid": grid})
    run_sweep(sweep, tmp_path / "here")
    with distributed.LocalCluster(
        n_workers=3, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
    ) as machines:
        victims = [worker.pid for worker in machines.workers.values()][:1]

        def kill(_: str) -> None:
            while victims:
                os.kill(victims.pop(), signal.SIGKILL)

        with monkeypatch.context() as newer:
            newer.setattr("rooftile.sweep.cluster.__version__", "9.9")
            told = r"has Rooftile .* but 9\.9 is needed, as here; install it there"
            with (
                pytest.raises(SweepError, match=told),
                cluster(machines.scheduler_address),
            ):
                pass
        monkeypatch.setattr("rooftile.sweep.run._PAUSE_S", 0.0)
        with cluster(machines.scheduler_address) as workers:
            assert workers is not None
            assert workers.processes == 3
            run_sweep(
                sweep,
                tmp_path / "there",
                jobs=workers.processes,
                executor=workers.executor,
                progress=kill,
            )
        assert not victims
    assert table(tmp_path / "here") == table(tmp_path / "there")


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rooftile.sweep.cluster._TIMEOUT_S", 0.2)
    with (
        pytest.raises(SweepError, match=r"--scheduler 'tcp://127.0.0.1:9': nobody answers"),
        cluster("tcp://127.0.0.1:9"),
    ):
        pass
