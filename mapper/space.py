"""The map space of a kernel: every loop nest, and every place of operands, that is tried."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from accel.bank_conflicts import edge_dimension
from accel.spec import AcceleratorSpec
from accel.systolic import DATAFLOWS
from mapper.kernel import Axis, Contraction, Kernel, Role
from mapper.nest import Counts, Nests

Rows = NDArray[np.bool_]

#: Into how many nearly equal parts a dimension is cut, and tiles of a block: 2^i and 3 · 2^i.
_PARTS = sorted({factor << i for i in range(40) for factor in (1, 3)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Loop nests of one order, with the places where their operands may be held.

    Parameters
    ----------
    label
        The order in words.
    nests
        All combinations of steps, as a grid.
    places
        Depths at which the operands are held, and which nests that is tried for: broadcasts to the
        grid.
    """

    label: str
    nests: Nests
    places: tuple[tuple[tuple[int, ...], Rows], ...]

    @property
    def count(self) -> int:
        """Number of mappings, buffers not counted."""
        return sum(
            int(np.broadcast_to(rows, self.nests.shape).sum(dtype=np.int64))
            for _, rows in self.places
        )


def map_space(kernel: Kernel, spec: AcceleratorSpec) -> tuple[Family, ...]:
    """Return the families of loop nests of a kernel."""
    if isinstance(kernel.body, Contraction):
        return tuple(_product_families(kernel, spec))
    return (_vector_family(kernel, spec),)


def tile_by_tile(kernel: Kernel, family: Family) -> Family:
    """Return the part of a family in which regions are tiles."""
    nests = family.nests
    places = []
    for held, rows in family.places:
        for depth, operand in zip(held, kernel.operands, strict=True):
            needed = [d for d in range(len(kernel.dimensions)) if operand.depends_on(d)]
            rows = rows & ~_differs(nests, depth, nests.depth, needed)
        places.append((held, rows))
    return Family(label=family.label, nests=nests, places=tuple(places))


def buffer_choices(kernel: Kernel) -> tuple[tuple[bool, ...], ...]:
    """Return which operands may have two buffers: all, then all but inputs of a product."""
    if not isinstance(kernel.body, Contraction):
        return ((True,) * len(kernel.operands),)
    others = (True,) * (len(kernel.operands) - 2)
    return tuple((*pair, *others) for pair in product((True, False), repeat=2))


def _product_families(kernel: Kernel, spec: AcceleratorSpec) -> Iterator[Family]:
    """Yield the families of a matrix product.

    Psums never leave the chip, so K is innermost. Of M and N one is outside, and may be cut twice:
    the operand along it is held in blocks while the other one passes by, tile by tile.
    """
    options = product_options(kernel, spec)
    numbers = {role: kernel.numbers(role) for role in options}
    for outside, inside in ((Role.M, Role.N), (Role.N, Role.M)):
        blocks = [
            (block, tile)
            for tile in options[outside]
            for block in blocks_of(tile, [kernel.extents[d] for d in numbers[outside]])
        ]
        dimensions = [
            *(*numbers[Role.GROUP], *numbers[outside]),
            *(*numbers[inside], *numbers[outside], *numbers[Role.K]),
        ]
        group, (block, tile), other, k = _grid(
            [options[Role.GROUP]], zip(*blocks, strict=True), [options[inside]], [options[Role.K]]
        )
        nests = Nests(kernel, dimensions, [*group[0], *block, *other[0], *tile, *k[0]])
        at_block = len(numbers[Role.GROUP]) + len(numbers[outside])
        at_row = at_block + len(numbers[inside])
        at_tile = len(dimensions)
        is_block = _differs(nests, at_block, at_tile, numbers[outside])
        # Where nothing passes by, a block is held for nothing.
        is_of_use = ~is_block | _differs(nests, at_block, at_tile, numbers[inside])
        k_is_cut = _differs(nests, at_block, at_tile, numbers[Role.K])
        others = (at_tile,) * (len(kernel.operands) - 2)
        first = 0 if outside is Role.M else 1  # the operand along the dimension outside

        def place(
            held: int,
            passing: int,
            first: int = first,
            others: tuple[int, ...] = others,
        ) -> tuple[int, ...]:
            pair = (held, passing) if first == 0 else (passing, held)
            return (*pair, *others)

        yield Family(
            label=f"{outside.value} outside {inside.value}",
            nests=nests,
            places=(
                (place(at_block, at_row), is_of_use),
                (place(at_block, at_tile), is_of_use & k_is_cut),
                (place(at_tile, at_row), k_is_cut & ~is_block),
                (place(at_tile, at_tile), k_is_cut & ~is_block),
            ),
        )


def _windows_overlap(axis: Axis, kernel: Kernel) -> bool:
    """Whether neighbouring windows along an axis share elements."""
    whole = set(kernel.numbers(Role.WHOLE))
    span = sum(c * (kernel.extents[d] - 1) for d, c in axis.terms if d in whole)
    return any(span >= c for d, c in axis.terms if d not in whole and kernel.extents[d] > 1)


def _vector_family(kernel: Kernel, spec: AcceleratorSpec) -> Family:
    """Return the only family of a kernel without products: its dimensions in their order.

    Where tiles of a window overlap, they may share the input of a block.
    """
    parallel, whole = kernel.numbers(Role.PARALLEL), kernel.numbers(Role.WHOLE)
    extents = [kernel.extents[d] for d in parallel]
    overlaps = any(_windows_overlap(axis, kernel) for axis in kernel.inputs[0].axes)
    blocks = [
        (block, tile)
        for tile in nested_sizes(extents, spec.vector.lanes)
        for block in (blocks_of(tile, extents) if overlaps else [tile])
    ]
    dimensions = [*parallel, *whole, *parallel]
    all_of_it = tuple(kernel.extents[d] for d in whole)
    ((outer, inner),) = _grid(zip(*blocks, strict=True))
    rest = [np.array([size], dtype=np.int64) for size in all_of_it]
    nests = Nests(kernel, dimensions, [*outer, *rest, *inner])
    at_block, at_tile = len(parallel) + len(whole), len(dimensions)
    others = (at_tile,) * (len(kernel.operands) - 1)
    every = np.ones(1, dtype=np.bool_)
    return Family(label="in order", nests=nests, places=(((at_block, *others), every),))


def _grid(
    *axes: Iterable[Sequence[Sequence[int]]],
) -> list[list[list[Counts]]]:
    """Return the columns of all combinations of choices, one choice along each axis.

    Each axis lists tuples of steps that are chosen together: one list for each tuple.
    """
    found = []
    for axis, lists in enumerate(axes):
        tables = [np.array(choices, dtype=np.int64) for choices in lists]
        shape = (1,) * axis + (-1,) + (1,) * (len(axes) - 1 - axis)
        found.append([[column.reshape(shape) for column in table.T] for table in tables])
    return found


def _differs(nests: Nests, outer: int, inner: int, dimensions: Sequence[int]) -> Rows:
    """Return in which nests dimensions are cut further between two depths."""
    result = np.zeros((1,) * len(nests.shape), dtype=np.bool_)
    for d in dimensions:
        result = result | (nests.size(inner, d) < nests.size(outer, d))
    return result


def blocks_of(tile: Sequence[int], extents: Sequence[int]) -> list[tuple[int, ...]]:
    """Return the blocks of whole tiles: the tile, multiples along what it cuts, and outer ones."""
    found: dict[tuple[int, ...], None] = {tuple(tile): None}
    for cut in reversed(range(len(extents))):
        inner = tuple(extents[cut + 1 :])
        if tile[cut] == extents[cut]:
            continue
        for count in _PARTS[1:]:
            if tile[cut] * count >= extents[cut]:
                break
            found[(*tile[:cut], tile[cut] * count, *inner)] = None
        found[(*tile[:cut], extents[cut], *inner)] = None
    return list(found)


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


def product_options(kernel: Kernel, spec: AcceleratorSpec) -> dict[Role, list[tuple[int, ...]]]:
    """Return the tile sizes that are tried along groups, M, N and K."""
    flow = DATAFLOWS[spec.array.dataflow]
    grain = {flow.rows: spec.array.rows, flow.columns: spec.array.columns, flow.time: 1}
    found: dict[Role, list[tuple[int, ...]]] = {}
    for role in (Role.GROUP, Role.M, Role.N):
        numbers = kernel.numbers(role)
        extents = [kernel.extents[n] for n in numbers]
        sizes_of_role = nested_sizes(extents, grain.get(role.value, 1))
        found[role] = _in_blocks(sizes_of_role, role, kernel, spec)
    # Taps of a window stay together unless not even one channel of all of them fits.
    numbers = kernel.numbers(Role.K)
    *taps, channels = (kernel.extents[n] for n in numbers)
    options = [(*taps, size) for size in sizes(channels, grain["K"])]
    if any(tap > 1 for tap in taps):
        options += [(*(1 for _ in taps), size) for size in sizes(channels, grain["K"])]
    found[Role.K] = _in_blocks(options, Role.K, kernel, spec)
    return found


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
