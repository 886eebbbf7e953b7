"""`make bench`: points that a sweep prices in a second, from kept searches, all results stored."""

from __future__ import annotations

import multiprocessing
import resource
import sys
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import yaml

from accel.spec import AcceleratorSpec
from accel.spec_file import load_preset
from mapper.kernel import Kernel
from mapper.operators import kernels_of
from mapper.paces import CLOSED_FORM, Paces, pace_of
from mapper.search.find import find_mapping
from mapper.works import signature_of
from rooftile.sweep.run import run_sweep
from rooftile.sweep.sweep_file import load_sweep
from workloads.loaders.yaml import load_zoo

GEMM = """\
name: gemm
inputs: {x: [512, 1024]}
layers:
  - {name: fc, op: linear, out: 1024}
"""
#: Points per second on one core, and how much more two processes give.
RESNET50, ONE_GEMM, TWO_PROCESSES = 3_000, 20_000, 1.8
HARDWARE = "edge_32x32"


def data_of(network: str, rows: list[int], bandwidths: int, clocks: int) -> dict[str, Any]:
    """Return a sweep over array shapes, bandwidths and clocks."""
    return {
        "hardware": HARDWARE,
        "networks": [network],
        "grid": {
            "array.rows": rows,
            "memories.dram.bandwidth": {
                **{"from": "4GB/s", "to": "64GB/s"},
                **{"count": bandwidths, "scale": "log"},
            },
            "clock": {"from": "500MHz", "to": "1.5GHz", "count": clocks},
        },
    }


def rate(folder: Path, name: str, jobs: int, data: dict[str, Any]) -> float:
    """Return the points per second of a sweep whose searches are kept."""
    path = folder / f"{name}.sweep.yaml"
    path.write_text(yaml.safe_dump(data))
    sweep = load_sweep(path)
    if jobs == 1:
        run_sweep(sweep, folder / f"{name}-first", jobs=2, cache_folder=folder / "cache")
    start = time.perf_counter()
    done = run_sweep(sweep, folder / f"{name}-{jobs}", jobs=jobs, cache_folder=folder / "cache")
    return done.ok / (time.perf_counter() - start)


def over_least_percent(network: str, count: int = 20) -> list[float]:
    """Return how far estimates of layers are over what a search finds, at random paces."""
    draws = np.random.default_rng(0)
    preset, graph = load_preset(HARDWARE), load_zoo(network)
    kinds = {signature_of(graph, layer): layer for layer in graph.layers}
    kernels = [(k, layer.name) for layer in kinds.values() for k in kernels_of(graph, layer)]
    machines = [
        replace(
            preset,
            clock_hz=int(draws.uniform(0.5e9, 1.5e9)),
            memories=tuple(
                replace(memory, bandwidth_bytes_per_s=float(int(10 ** draws.uniform(9.6, 10.8))))
                for memory in preset.memories
            ),
        )
        for _ in range(count)
    ]
    paces = np.array([pace_of(machine) for machine in machines])
    cycles = Paces.searched(kernels, machines.__getitem__, paces).taken(paces).cycles
    return [
        100 * float(cycles[row, place] / _least(kernel, machine, name) - 1)
        for row, machine in enumerate(machines)
        for place, (kernel, name) in enumerate(kernels)
    ]


def _least(kernel: Kernel, machine: AcceleratorSpec, name: str) -> float:
    return find_mapping(kernel, machine, name, CLOSED_FORM).coverage.least


def megabytes_of(folder: Path) -> float:
    """Return the memory of a process that runs a sweep of 100,000 points."""
    context = multiprocessing.get_context("spawn")
    queue: multiprocessing.Queue[float] = context.Queue()
    process = context.Process(target=_large, args=(folder, queue))
    process.start()
    found = queue.get()
    process.join()
    return found


def _large(folder: Path, queue: multiprocessing.Queue[float]) -> None:
    data = data_of("gemm.yaml", [8, 16, 32, 64, 128], 200, 100)
    rate(folder, "large", 1, data)
    queue.put(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def say(what: str, value: float, limit: float, unit: str) -> None:
    """Print a line."""
    met = "met" if value >= limit else "NOT MET"
    sys.stdout.write(f"sweep {what:<34} {value:>10,.1f} {unit:<10} at least {limit:,.1f}  {met}\n")
    sys.stdout.flush()


def main() -> None:
    """Print the table."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "gemm.yaml").write_text(GEMM)
        resnet50 = data_of("resnet50", [16, 32, 64, 128], 200, 200)
        gemm = data_of("gemm.yaml", [16, 32, 64, 128], 250, 200)
        one = rate(folder, "resnet50", 1, resnet50)
        say("resnet50 on one core", one, RESNET50, "points/s")
        single = rate(folder, "gemm", 1, gemm)
        say("one GEMM on one core", single, ONE_GEMM, "points/s")
        say(
            "two processes over one, resnet50",
            rate(folder, "resnet50", 2, resnet50) / one,
            TWO_PROCESSES,
            "times",
        )
        say(
            "two processes over one, GEMM",
            rate(folder, "gemm", 2, gemm) / single,
            TWO_PROCESSES,
            "times",
        )
        over = over_least_percent("resnet50")
        sys.stdout.write(
            f"sweep estimates of {len(over)} layers at random paces: {np.mean(over):.2f} %"
            f" over the least that a search finds, {np.quantile(over, 0.95):.2f} % at the 95th"
            f" percentile, {max(over):.2f} % at most\n"
        )
        sys.stdout.write(f"sweep of 100,000 points: {megabytes_of(folder):.0f} MiB\n")


if __name__ == "__main__":
    main()
