"""`python -m tests.bench.cluster [PART]`: what a cluster costs beside the work that it does.

A Dask scheduler and workers of this machine run sweeps of ten seconds and more, beside the same
number of processes; on a slow or busy machine a part of their points is enough, such as 0.2. The
overhead is the part of the workers' time, from start to end of the sweep, in which they price no
points. That points take longer in a worker's thread, beside its event loop and its profiler, isn't
in it: the ratio of times has that, on a machine that does nothing else. Needs the extra ``dask``.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import Executor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from distributed import LocalCluster

from rooftile.sweep.cluster import cluster
from rooftile.sweep.run import Summary, run_sweep
from rooftile.sweep.sweep import Sweep
from rooftile.sweep.sweep_file import load_sweep
from tests.bench.sweep import HARDWARE, data_of

WORKERS = 2
#: The most overhead, and the least that a sweep must take for it to be told.
MOST_PERCENT, LEAST_S = 5.0, 10.0


def sweeps(part: float) -> dict[str, dict[str, Any]]:
    """Return a sweep of many cheap points, and one of few dear ones."""
    count = round(120 * part)
    dear = {
        "hardware": HARDWARE,
        "networks": ["lenet"],
        "engine": "analytical",
        "grid": {
            "array.rows": [16, 32, 64],
            "memories.dram.bandwidth": {"from": "4GB/s", "to": "64GB/s", "count": count},
        },
    }
    cheap = data_of("resnet50", [16, 32, 64, 128], round(400 * part), 500)
    return {"estimates of resnet50": cheap, "analytical, lenet": dear}


def loaded(folder: Path, data: dict[str, Any]) -> Sweep:
    """Return the sweep that some data say."""
    path = folder / "bench.sweep.yaml"
    path.write_text(yaml.safe_dump(data))
    return load_sweep(path)


def timed(sweep: Sweep, folder: Path, executor: Executor | None = None) -> Summary:
    """Return how a sweep went whose searches are kept where they can be."""
    cache = folder.parent / "cache" if sweep.engine == "estimate" else None
    return run_sweep(sweep, folder, jobs=WORKERS, cache_folder=cache, executor=executor)


def overhead_percent(done: Summary) -> float:
    """Return the part of the workers' time in which they price no points."""
    return 100 * (1 - done.busy_s / (WORKERS * done.seconds))


def say(what: str, here: Summary, there: Summary) -> None:
    """Print a line."""
    overhead = overhead_percent(there)
    met = "met" if overhead < MOST_PERCENT else "NOT MET"
    met = met if there.seconds >= LEAST_S else "too short to tell"
    sys.stdout.write(
        f"cluster {what:<24} {there.points:>9,} points {there.seconds:6.1f} s,"
        f" {there.seconds / here.seconds:.2f} times {WORKERS} processes' {here.seconds:.1f} s;"
        f" overhead {overhead:.1f} % (processes {overhead_percent(here):.1f} %),"
        f" at most {MOST_PERCENT:g} %  {met}\n"
    )
    sys.stdout.flush()


def main() -> None:
    """Print the table."""
    part = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    sys.stdout.write(f"cluster load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors\n")
    with (
        TemporaryDirectory() as name,
        LocalCluster(
            n_workers=WORKERS, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
        ) as machines,
        cluster(machines.scheduler_address) as workers,
    ):
        assert workers is not None
        first = loaded(Path(name), data_of("lenet", [16, 32], 1, WORKERS * 2))
        timed(first, Path(name) / "first", workers.executor)  # workers import what they need
        for number, (what, data) in enumerate(sweeps(part).items()):
            sweep = loaded(Path(name), data)
            if sweep.engine == "estimate":
                timed(sweep, Path(name) / f"{number}-searched")
            here = timed(sweep, Path(name) / f"{number}-here")
            there = timed(sweep, Path(name) / f"{number}-there", workers.executor)
            say(what, here, there)


if __name__ == "__main__":
    main()
