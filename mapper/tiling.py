"""Which tile sizes are worth trying: a few thousand per kernel, all scored at once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from accel.bank_conflicts import edge_dimension
from accel.spec import AcceleratorSpec
from accel.systolic import DATAFLOWS
from mapper.kernel import Contraction, Kernel, Role

Tiles = NDArray[np.int64]

#: Into how many nearly equal parts a dimension is cut: 2^i and 3 · 2^i.
_PARTS = sorted({factor << i for i in range(40) for factor in (1, 3)})


def sizes(extent: int, grain: int) -> list[int]:
    """Return tile sizes of one dimension, largest first, each a multiple of ``grain`` or all.

    Cutting into equal parts leaves no small remainder; below one grain only halves are tried.
    """
    found = {extent}
    for parts in _PARTS:
        size = -(-extent // parts)
        if size <= grain:
            break
        found.add(min(extent, -(-size // grain) * grain))
    while grain >= 1:
        found.add(min(extent, grain))
        grain //= 2
    return sorted(found, reverse=True)


def nested_sizes(extents: Sequence[int], grain: int = 1) -> list[tuple[int, ...]]:
    """Return tile sizes of dimensions that are cut from the outside in.

    An inner dimension is only cut where every dimension outside it is down to 1, so that a tile
    stays as contiguous as its size allows. ``grain`` applies to the innermost dimension.
    """
    found: dict[tuple[int, ...], None] = {}
    for cut, extent in enumerate(extents):
        inner = tuple(extents[cut + 1 :])
        for size in sizes(extent, 1 if inner else grain):
            found[(1,) * cut + (size,) + inner] = None
    return list(found) or [()]


def candidate_tiles(kernel: Kernel, spec: AcceleratorSpec) -> Tiles:
    """Return tile sizes to try: shape (candidates, dimensions)."""
    parts = (
        _contraction_parts(kernel, spec)
        if isinstance(kernel.body, Contraction)
        else _vector_parts(kernel, spec)
    )
    numbers = [n for group, _ in parts for n in group]
    rows = [sum(choice, ()) for choice in product(*(options for _, options in parts))]
    tiles = np.empty((len(rows), len(numbers)), dtype=np.int64)
    tiles[:, numbers] = rows
    return tiles


def loop_orders(kernel: Kernel) -> list[tuple[int, ...]]:
    """Return the loop orders to try, outermost dimension first.

    Psums never leave the chip, so K is innermost. Whichever of M and N is outside keeps its
    operand resident while the other one passes by.
    """
    if not isinstance(kernel.body, Contraction):
        return [tuple(range(len(kernel.dimensions)))]
    groups, rows = kernel.numbers(Role.GROUP), kernel.numbers(Role.M)
    columns, reduced = kernel.numbers(Role.N), kernel.numbers(Role.K)
    return [(*groups, *rows, *columns, *reduced), (*groups, *columns, *rows, *reduced)]


Part = tuple[list[int], list[tuple[int, ...]]]


def _contraction_parts(kernel: Kernel, spec: AcceleratorSpec) -> list[Part]:
    flow = DATAFLOWS[spec.array.dataflow]
    grain = {flow.rows: spec.array.rows, flow.columns: spec.array.columns, flow.time: 1}
    parts: list[Part] = []
    for role in (Role.GROUP, Role.M, Role.N):
        numbers = kernel.numbers(role)
        extents = [kernel.extents[n] for n in numbers]
        sizes_of_role = nested_sizes(extents, grain.get(role.value, 1))
        parts.append((numbers, _in_blocks(sizes_of_role, role, kernel, spec)))
    # Taps of a window stay together unless not even one channel of all of them fits.
    numbers = kernel.numbers(Role.K)
    *taps, channels = (kernel.extents[n] for n in numbers)
    options = [(*taps, size) for size in sizes(channels, grain["K"])]
    if any(tap > 1 for tap in taps):
        options += [(*(1 for _ in taps), size) for size in sizes(channels, grain["K"])]
    parts.append((numbers, _in_blocks(options, Role.K, kernel, spec)))
    return parts


def _in_blocks(
    options: list[tuple[int, ...]], role: Role, kernel: Kernel, spec: AcceleratorSpec
) -> list[tuple[int, ...]]:
    """Return the sizes that keep to one block where an operand is laid out in blocks.

    A block is as wide as the array's edge that the operand enters: a tile holds one.
    """
    flow = DATAFLOWS[spec.array.dataflow]
    limit = spec.array.columns if flow.columns == role.value else spec.array.rows
    for name, operand in zip(("input", "weight"), kernel.inputs, strict=False):
        is_edge = edge_dimension(spec.array, name) == role.value
        if is_edge and spec.scratchpad_of(operand.scratchpad).layout == "blocked":
            return [option for option in options if option[-1] <= limit]
    return options


def _vector_parts(kernel: Kernel, spec: AcceleratorSpec) -> list[Part]:
    parallel, whole = kernel.numbers(Role.PARALLEL), kernel.numbers(Role.WHOLE)
    return [
        (parallel, nested_sizes([kernel.extents[n] for n in parallel], spec.vector.lanes)),
        (whole, [tuple(kernel.extents[n] for n in whole)]),
    ]
