"""Several networks at the same time on one chip, as text: tables, and what they cost each other."""

from __future__ import annotations

import re
from collections.abc import Sequence

from accel.spec import AcceleratorSpec
from accel.units import format_time
from foundation.errors import RooftileError
from mapper.search.find import DEFAULT, SearchOptions
from rooftile.simulation import Result, simulate_side_by_side
from rooftile.sources import find_hardware
from workloads.graph import Graph


def run_side_by_side(
    networks: Sequence[Graph],
    hardware: str,
    cores: str | None,
    *,
    split: str,
    options: SearchOptions = DEFAULT,
) -> str:
    """Return the tables of networks that run at the same time, then each one's time beside alone.

    Parameters
    ----------
    networks
        What runs.
    hardware
        A preset's name or a file.
    cores
        How many cores each network has, such as ``3,1``; None shares them evenly.
    split, options
        As in `rooftile.simulation.simulate`.

    Raises
    ------
    RooftileError
        When the cores can't be given out as asked for.
    """
    spec = find_hardware(hardware)
    counts = _counts(cores, len(networks), spec)
    results = simulate_side_by_side(networks, spec, counts, split=split, options=options)
    lines = [f"{result}\n" for result in results]
    lines.append(f"at the same time on {spec.name}")
    for number, (result, count) in enumerate(zip(results, counts, strict=True)):
        (alone,) = simulate_side_by_side(
            [networks[number]], spec, [count], split=split, options=options
        )
        lines.append(_line(result, alone, first=sum(counts[:number]), count=count))
    return "\n".join(lines)


def _counts(cores: str | None, networks: int, spec: AcceleratorSpec) -> list[int]:
    if cores is None:
        each, more = divmod(spec.cores, networks)
        if not each:
            raise RooftileError(
                f"machine '{spec.name}': has {spec.cores} cores but {networks} networks need 1"
                " each; leave some out"
            )
        return [each + (number < more) for number in range(networks)]
    parts = cores.split(",")
    if not all(re.fullmatch(r"[1-9][0-9]{0,3}", part) for part in parts):
        raise RooftileError(f"--cores '{cores}': must be whole numbers such as 3,1")
    if len(parts) != networks:
        raise RooftileError(
            f"--cores '{cores}': has {len(parts)} numbers but {networks} networks run; give one for"
            " each"
        )
    return [int(part) for part in parts]


def _line(result: Result, alone: Result, *, first: int, count: int) -> str:
    where = f"core {first}" if count == 1 else f"cores {first} to {first + count - 1}"
    beside, without = result.report.time_fs, alone.report.time_fs
    slower = beside / without - 1 if without else 0.0
    return (
        f"  {result.report.network} on {where}: {format_time(beside)};"
        f" alone on them {format_time(without)} ({slower:+.1%})"
    )
