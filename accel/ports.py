"""What is on the array's ports, cycle by cycle, and where two records of it part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The array's ports: arrays whose first axis is the cycle.

    Parameters
    ----------
    ready, accepted, load, stream
        bool arrays: the array would accept a fold, accepts one, has a beat of a load or an input on
        its port.
    valid
        bool array, shape (cycles, C): column c has a result.
    results
        int64 array, shape (cycles, C): the results where valid, 0 elsewhere; None if not recorded.
    """

    ready: Flags
    accepted: Flags
    load: Flags
    stream: Flags
    valid: Flags
    results: NDArray[np.int64] | None


def first_difference(expected: Ports, found: Ports) -> str:
    """Return the first cycle and the signal in which two records differ, or nothing."""
    length = min(len(expected.ready), len(found.ready))
    parts: list[tuple[int, str]] = []
    for name in ("ready", "accepted", "load", "stream"):
        wanted, got = getattr(expected, name)[:length], getattr(found, name)[:length]
        parts += [
            (int(cycle), f"{name} is {got[cycle]:d} instead of {wanted[cycle]:d}")
            for cycle in np.flatnonzero(wanted != got)[:1]
        ]
    for cycle, column in np.argwhere(expected.valid[:length] != found.valid[:length])[:1]:
        what = "has a result too many" if found.valid[cycle, column] else "lacks a result"
        parts.append((int(cycle), f"column {column} {what}"))
    if expected.results is not None and found.results is not None:
        both = expected.valid[:length] & found.valid[:length]
        wrong = both & (expected.results[:length] != found.results[:length])
        for cycle, column in np.argwhere(wrong)[:1]:
            got, wanted = found.results[cycle, column], expected.results[cycle, column]
            parts.append((int(cycle), f"column {column} has result {got:,} instead of {wanted:,}"))
    if parts:
        cycle, what = min(parts)
        return f"cycle {cycle:,}: {what}"
    if len(expected.ready) != len(found.ready):
        return f"cycle {length:,}: {len(found.ready):,} cycles instead of {len(expected.ready):,}"
    return ""
