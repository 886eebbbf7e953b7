"""A trace of several cores, seen one core at a time."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from accel.trace import Trace

_PREFIX = re.compile(r"core(\d+)\.")


def core_of(unit: str) -> int:
    """Return the number of the core that a unit belongs to."""
    found = _PREFIX.match(unit)
    return int(found[1]) if found else 0


def plain_name(unit: str) -> str:
    """Return a unit's name without its core."""
    return _PREFIX.sub("", unit, count=1)


def core_view(trace: Trace, core: int) -> Trace:
    """Return what one core did, its units named as on a machine of one core."""
    numbers = [number for number, name in enumerate(trace.units) if core_of(name) == core]
    if len(numbers) == len(trace.units) and trace.units[0] == plain_name(trace.units[0]):
        return trace
    own = trace.select(np.isin(trace["unit"], numbers))
    columns = {**own.columns, "unit": np.searchsorted(numbers, own["unit"])}
    units = tuple(plain_name(trace.units[number]) for number in numbers)
    return replace(own, units=units, columns=columns)


def last_core(trace: Trace) -> int:
    """Return the core that finishes last: the first of equals."""
    cores = np.array([core_of(name) for name in trace.units])
    if not len(trace) or not cores.any():
        return int(cores[0]) if len(cores) else 0
    ends = np.zeros(cores.max() + 1, dtype=np.int64)
    np.maximum.at(ends, cores[trace["unit"]], trace["end_fs"])
    return int(ends.argmax())
