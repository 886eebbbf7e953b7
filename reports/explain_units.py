"""Where the cycles of each unit of each core went, as lines of text."""

from __future__ import annotations

from collections.abc import Iterable

from reports.cores import core_of, plain_name
from reports.report import WorkReport
from reports.stats import UnitCycles

#: Width of a bar that stands for everything.
BAR = 30
#: Cores that are shown in full; of the others only how busy their arrays are.
MAX_CORES = 4


def core_stacks(work: WorkReport) -> Iterable[str]:
    """Yield the lines of a layer's units: cores that did the same are shown once."""
    if all(plain_name(name) == name for name in work.units):
        yield from _stacks(work.units.items())
        return
    alike: dict[tuple[str, ...], list[int]] = {}
    for core in sorted({core_of(name) for name in work.units}):
        own = [(plain_name(n), unit) for n, unit in work.units.items() if core_of(n) == core]
        alike.setdefault(tuple(_stacks(own)), []).append(core)
    shown = list(alike.items())
    for lines, cores in shown[:MAX_CORES]:
        yield f"  {_cores(cores)}"
        yield from lines
    others = [core for _, cores in shown[MAX_CORES:] for core in cores]
    if others:
        busy = [unit.busy for n, unit in work.units.items() if _is_array_of(n, others)]
        yield f"  {len(others)} more cores, arrays busy for {min(busy):,} to {max(busy):,} cycles"


def _is_array_of(unit: str, cores: list[int]) -> bool:
    return plain_name(unit) == "matrix" and core_of(unit) in cores


def _cores(numbers: list[int]) -> str:
    if len(numbers) == 1:
        return f"core {numbers[0]}"
    if numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f"cores {numbers[0]} to {numbers[-1]}, each"
    return f"cores {', '.join(map(str, numbers))}, each"


def _stacks(units: Iterable[tuple[str, UnitCycles]]) -> Iterable[str]:
    for name, unit in units:
        if unit.busy:  # an engine without transfers only mirrors its queue's waits
            yield from _stack(name, unit)


def _stack(name: str, unit: UnitCycles) -> Iterable[str]:
    waits = sorted(unit.waits.items(), key=lambda item: -item[1])
    parts = [("busy", unit.busy), *((f"waits for {cause}", n) for cause, n in waits)]
    parts.append(("idle", unit.idle))
    for number, (label, cycles) in enumerate(p for p in parts if p[1] or p[0] == "busy"):
        share = cycles / unit.total if unit.total else 0.0
        bar = "#" * round(share * BAR)
        yield (
            f"  {name if number == 0 else '':<22} {label:<26} {cycles:>14,} {share:>6.1%}  {bar}"
        ).rstrip()
