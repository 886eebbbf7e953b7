"""One matrix instruction dealt out to the arrays of a core, in closed form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np

from accel.products import PLAIN, Reduction
from accel.spec import ArraySpec
from accel.systolic import DATAFLOWS, ArrayWork, array_work
from accel.timing import Count, smaller

#: What an instruction is dealt out along: the first of those with the fewest cycles.
AXES = ("N", "groups", "M")
_COUNTS = (
    "macs",
    "folds",
    "mapped_pes",
    "input_reads",
    "weight_reads",
    "psum_reads",
    "psum_writes",
)


def matmul_work(
    array: ArraySpec,
    *,
    groups: Count,
    m: Count,
    n: Count,
    k: Count,
    accumulate: Count,
    reduction: Reduction = PLAIN,
) -> ArrayWork[Count]:
    """Return the work of ``groups`` products of M x K by K x N on the arrays of a core.

    Parameters
    ----------
    array
        The arrays.
    groups, m, n, k, accumulate, reduction
        As in `accel.systolic.array_work`.

    Notes
    -----
    The product is cut along one axis into as many equal parts as there are arrays, in whole folds:
    the last part is the rest, and some arrays may get none. All start together, and the instruction
    takes as long as its largest part. K isn't cut: sums would have to be added up across arrays.
    Counts are those of all arrays; an operand that doesn't depend on the axis is read by each.
    """

    def work(sizes: dict[str, Count]) -> ArrayWork[Count]:
        return array_work(
            rows=array.rows,
            columns=array.columns,
            dataflow=DATAFLOWS[array.dataflow],
            timing=array.timing,
            groups=sizes["groups"],
            m=sizes["M"],
            n=sizes["N"],
            k=sizes["K"],
            accumulate=accumulate,
            reduction=reduction,
        )

    sizes = {"groups": groups, "M": m, "N": n, "K": k}
    if array.count == 1:
        return work(sizes)
    best = _dealt(array, AXES[0], sizes, work)
    for axis in AXES[1:]:
        best = _faster(best, _dealt(array, axis, sizes, work))
    return best


def _dealt(
    array: ArraySpec,
    axis: str,
    sizes: dict[str, Count],
    work: Callable[[dict[str, Count]], ArrayWork[Count]],
) -> ArrayWork[Count]:
    """Return the work of an instruction that is cut along an axis."""
    flow = DATAFLOWS[array.dataflow]
    grain = {flow.rows: array.rows, flow.columns: array.columns}.get(axis, 1)
    size = sizes[axis]
    folds = -(-size // grain)
    part = smaller(-(-folds // array.count) * grain, size)
    others = -(-size // part) - 1
    largest, last = work({**sizes, axis: part}), work({**sizes, axis: size - others * part})
    totals: dict[str, Any] = {
        name: others * getattr(largest, name) + getattr(last, name) for name in _COUNTS
    }
    return replace(largest, **totals)


def _faster(first: ArrayWork[Count], second: ArrayWork[Count]) -> ArrayWork[Count]:
    """Return the work that takes fewer cycles, element by element: the first of equals."""
    is_second: Any = second.timing.occupancy_cycles < first.timing.occupancy_cycles
    if isinstance(is_second, bool):
        return second if is_second else first

    def chosen(one: Any, other: Any, name: str) -> Any:
        return np.where(is_second, getattr(other, name), getattr(one, name))

    timing = {
        field.name: chosen(first.timing, second.timing, field.name)
        for field in fields(first.timing)
        if field.name != "lead_limit_cycles"  # the same for all instructions
    }
    counts = {name: chosen(first, second, name) for name in _COUNTS}
    return replace(first, timing=replace(first.timing, **timing), **counts)
