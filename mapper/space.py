"""The map space of a kernel: every loop nest, and every place of operands, that is tried."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations, product
from math import prod

import numpy as np
from numpy.typing import NDArray

from accel.bank_conflicts import edge_dimension
from accel.spec import AcceleratorSpec
from accel.systolic import DATAFLOWS
from foundation.dtype import DTYPES
from mapper.constraints import NO_RULES, LayerRules, Rule, Tried
from mapper.kernel import Contraction, Kernel, Role
from mapper.nest import Nests
from mapper.taking import Counts

Rows = NDArray[np.bool_]

#: Sizes that are tried along the dimensions of a role.
_Options = dict[Role, list[tuple[int, ...]]]

#: Into how many nearly equal parts a dimension is cut: 2^i and 3 · 2^i, into blocks any few.
_PARTS = sorted({factor << i for i in range(40) for factor in (1, 3)})
_PARTS_OF_BLOCKS = sorted({*range(1, 9), *_PARTS})


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
        nests = len(self.nests)
        return sum(int(np.count_nonzero(rows)) * nests // rows.size for _, rows in self.places)

    def tile_by_tile(self) -> Family:
        """Return the part in which all regions are tiles."""
        places = (
            (held, rows & are_tiles(self.nests.kernel, self.nests, held))
            for held, rows in self.places
        )
        return replace(self, places=tuple((held, rows) for held, rows in places if rows.any()))


def map_space(
    kernel: Kernel, spec: AcceleratorSpec, rules: LayerRules = NO_RULES, name: str = ""
) -> tuple[Family, ...]:
    """Return the families of loop nests of a kernel.

    Parameters
    ----------
    kernel, spec
        What is mapped, onto what.
    rules
        What may not be tried.
    name
        The layer's, for the error.

    Raises
    ------
    MappingError
        When a constraint leaves no mapping: which, and how many there were before it.
    """
    if isinstance(kernel.body, Contraction):
        options = product_options(kernel, spec, rules)
        families: tuple[Family, ...] = (
            *_product_families(kernel, options),
            *_waiting_families(kernel, spec, options),
        )
    else:
        families = (_vector_family(kernel, spec, rules),)
    for rule in rules.rules:
        before = sum(family.count for family in families)
        families = tuple(_constrained(kernel, family, rule) for family in families)
        if not any(family.count for family in families):
            raise rules.failure(
                rule.path,
                f"layer '{name}': leaves none of {before:,} mappings; see those there are with"
                " rooftile map --space",
            )
    return families


def _constrained(kernel: Kernel, family: Family, rule: Rule) -> Family:
    """Return the part of a family that a constraint leaves."""
    places = tuple(
        (
            held,
            rows
            & rule.allows(Tried(kernel=kernel, order=family.label, nests=family.nests, held=held)),
        )
        for held, rows in family.places
    )
    return replace(family, places=places)


def are_tiles(kernel: Kernel, nests: Nests, held: Sequence[int]) -> Rows:
    """Return in which nests all regions are tiles; broadcasts to the grid."""
    rows = np.ones((1,) * len(nests.shape), dtype=np.bool_)
    for depth, operand in zip(held, kernel.operands, strict=True):
        rows = rows & ~_differs(nests, depth, nests.depth, operand.dimensions)
    return rows


def buffer_choices(kernel: Kernel) -> tuple[tuple[bool, ...], ...]:
    """Return which operands may have two buffers: all, then all but some of a product.

    Psums and outputs have one where inputs have two, or where everything has one.
    """
    if not isinstance(kernel.body, Contraction):
        return ((True,) * len(kernel.operands),)
    others = (True,) * (len(kernel.operands) - 3)
    pairs = list(product((True, False), repeat=2))
    choices = [*((pair, True) for pair in pairs), (pairs[0], False), (pairs[-1], False)]
    return tuple((*pair, *others, last) for pair, last in choices)


def _product_families(kernel: Kernel, options: _Options) -> Iterator[Family]:
    """Yield the families of a matrix product in which every tile is summed up at once.

    K is innermost. Of M and N one is outside, and may be cut twice: the operand along it is held in
    blocks while the other one passes by, tile by tile.
    """
    numbers = {role: kernel.numbers(role) for role in options}
    for outside, inside in ((Role.M, Role.N), (Role.N, Role.M)):
        blocks = [
            (block, tile)
            for tile in options[outside]
            for block in blocks_of(
                tile,
                [kernel.extents[d] for d in numbers[outside]],
                as_wide=outside is Role.M and windows_overlap(kernel),
            )
        ]
        dimensions = [
            *(*numbers[Role.GROUP], *numbers[outside]),
            *(*numbers[inside], *numbers[outside], *numbers[Role.K]),
        ]
        group, (block, tile), other, k = _grid(
            [options[Role.GROUP]], zip(*blocks, strict=True), [options[inside]], [options[Role.K]]
        )
        nests = Nests(kernel, dimensions, [*group[0], *block, *other[0], *tile, *k[0]])
        yield Family(
            label=f"{outside.value} outside {inside.value}",
            nests=nests,
            places=tuple(_product_places(nests, outside, inside)),
        )


def _product_places(
    nests: Nests, outside: Role, inside: Role
) -> Iterator[tuple[tuple[int, ...], Rows]]:
    """Yield where operands are held in a family of `_product_families`."""
    kernel = nests.kernel
    numbers = {role: kernel.numbers(role) for role in (Role.GROUP, outside, inside, Role.K)}
    at_group, at_tile = len(numbers[Role.GROUP]), nests.depth
    at_block = at_group + len(numbers[outside])
    at_row = at_block + len(numbers[inside])
    is_block = _differs(nests, at_block, at_tile, numbers[outside])
    overlaps = outside is Role.M and windows_overlap(kernel)
    # Where nothing passes by, a block is held for nothing, but for windows that overlap.
    is_of_use = ~is_block | overlaps | _differs(nests, at_block, at_tile, numbers[inside])
    k_is_cut = _differs(nests, at_block, at_tile, numbers[Role.K])
    groups_are_cut = _differs(nests, 0, at_group, numbers[Role.GROUP])
    place = partial(_place, kernel, at_tile, outside)
    places = (
        (place(at_block, at_row), is_of_use),
        (place(at_block, at_tile), is_of_use & k_is_cut),
        (place(at_tile, at_row), k_is_cut & ~is_block),
        (place(at_tile, at_tile), k_is_cut & ~is_block),
        # All of the operand that passes by may stay: while windows share a block, or so that the
        # next group's is loaded early.
        (place(at_block, at_group), is_of_use & ((is_block & overlaps) | groups_are_cut)),
    )
    return (one for one in places if one[1].any())


def _place(kernel: Kernel, at_tile: int, outside: Role, held: int, passing: int) -> tuple[int, ...]:
    """Return the depths of operands: of that along the dimension outside, and of the other one."""
    pair = (held, passing) if outside is Role.M else (passing, held)
    return (*pair, *(at_tile,) * (len(kernel.operands) - 2))


def _waiting_families(kernel: Kernel, spec: AcceleratorSpec, options: _Options) -> Iterator[Family]:
    """Yield the families in which psums wait in the output's scratchpad, if that one is larger.

    Blocks of M and N are outside, then K. Inside, tiles as large as the scratchpad of psums holds
    go through a block: one operand's part of it stays, and the other one's passes by.
    """
    if isinstance(kernel.body, Contraction) and kernel.body.is_scaled:
        return  # a scale is for whole sums, and a bias is added to the first part
    blocks = list(waiting_blocks(kernel, spec, options))
    cuts = [
        k for k in options[Role.K] if k != tuple(kernel.extents[d] for d in kernel.numbers(Role.K))
    ]
    if not blocks or not cuts:
        return
    groups, m, n, k = (kernel.numbers(r) for r in (Role.GROUP, Role.M, Role.N, Role.K))
    at_block = len(groups) + len(m) + len(n)
    at_k, at_tile = at_block + len(k), at_block + len(k) + len(m) + len(n)
    others = (at_tile,) * (len(kernel.operands) - 3)
    (outer_m, tile_m, outer_n, tile_n), (cut,) = _grid(zip(*blocks, strict=True), [cuts])
    single = [np.ones((1, 1), dtype=np.int64) for _ in groups]
    for first, inside, tile in (
        (Role.M, [*n, *m], [*tile_n, *tile_m]),
        (Role.N, [*m, *n], [*tile_m, *tile_n]),
    ):
        nests = Nests(
            kernel, [*groups, *m, *n, *k, *inside], [*single, *outer_m, *outer_n, *cut, *tile]
        )
        at_row = at_k + (len(n) if first is Role.M else len(m))
        pair = (at_k, at_row) if first is Role.M else (at_row, at_k)
        yield Family(
            label=f"K outside {first.value}",
            nests=nests,
            places=(((*pair, *others, at_block), np.ones((1, 1), dtype=np.bool_)),),
        )


def waiting_blocks(
    kernel: Kernel, spec: AcceleratorSpec, options: _Options
) -> Iterator[tuple[tuple[int, ...], ...]]:
    """Yield block and tile along M and along N of psums that wait, and of those in work.

    Tiles fill the scratchpad of psums to more than a quarter, blocks the output's to an eighth.
    """
    psum_bytes = DTYPES[kernel.inputs[0].dtype.accumulator].size_bytes
    work, wait = (spec.scratchpad_of(name).capacity_bytes for name in ("psum", "output"))
    extents = {role: [kernel.extents[d] for d in kernel.numbers(role)] for role in options}
    if work >= min(wait, psum_bytes * prod((*extents[Role.M], *extents[Role.N]))):
        return
    for tile_m, tile_n in product(options[Role.M], options[Role.N]):
        tile_bytes = psum_bytes * prod((*tile_m, *tile_n))
        if not work < 4 * tile_bytes <= 4 * work:
            continue
        for m, n in product(blocks_of(tile_m, extents[Role.M]), blocks_of(tile_n, extents[Role.N])):
            block_bytes = psum_bytes * prod((*m, *n))
            if max(tile_bytes + 1, wait // 8) <= block_bytes < wait:
                yield m, tile_m, n, tile_n


def _vector_family(kernel: Kernel, spec: AcceleratorSpec, rules: LayerRules) -> Family:
    """Return the only family of a kernel without products: its dimensions in their order.

    Where tiles of a window overlap, they may share the input of a block.
    """
    parallel, whole = kernel.numbers(Role.PARALLEL), kernel.numbers(Role.WHOLE)
    extents = [kernel.extents[d] for d in parallel]
    overlaps = windows_overlap(kernel)
    blocks = [
        (block, tile)
        for tile in rules.with_tiles(kernel, parallel, nested_sizes(extents, spec.vector.lanes))
        for block in (blocks_of(tile, extents, as_wide=True) if overlaps else [tile])
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


def windows_overlap(kernel: Kernel) -> bool:
    """Whether neighbouring windows of a kernel's first input share elements."""
    for axis in kernel.inputs[0].axes:
        for (first, step), (second, other) in combinations(axis.terms, 2):
            if kernel.extents[first] > 1 and other * (kernel.extents[second] - 1) >= step:
                return True
    return False


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


def _differs(nests: Nests, outer: int, inner: int, dimensions: Collection[int]) -> Rows:
    """Return in which nests dimensions are cut further between two depths."""
    result = np.zeros((1,) * len(nests.shape), dtype=np.bool_)
    for d in dimensions:
        inside, outside = nests.size(inner, d), nests.size(outer, d)
        if inside is not outside:
            result = result | (inside < outside)
    return result


def blocks_of(
    tile: Sequence[int], extents: Sequence[int], *, as_wide: bool = False
) -> list[tuple[int, ...]]:
    """Return the blocks of whole tiles: the tile, and nearly equal parts of what is outside.

    With ``as_wide`` there are blocks that are only as wide as the tile, too: where windows overlap,
    a square shares more of what it reads than whole rows do.
    """
    found: dict[tuple[int, ...], None] = {tuple(tile): None}
    for cut in reversed(range(len(extents))):
        inner, narrow, size = tuple(extents[cut + 1 :]), tuple(tile[cut + 1 :]), tile[cut]
        tiles = -(-extents[cut] // size)
        for parts in _PARTS_OF_BLOCKS:
            together = -(-tiles // parts)
            if together == 1:
                break
            high = min(together * size, extents[cut])
            found[(*tile[:cut], high, *inner)] = None
            if as_wide:
                found[(*tile[:cut], high, *narrow)] = None
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


def product_options(
    kernel: Kernel, spec: AcceleratorSpec, rules: LayerRules = NO_RULES
) -> dict[Role, list[tuple[int, ...]]]:
    """Return the tile sizes that are tried along groups, M, N and K."""
    flow = DATAFLOWS[spec.array.dataflow]
    grain = {flow.rows: spec.array.rows, flow.columns: spec.array.columns, flow.time: 1}
    # Each index of K may take the array several steps.
    grain["K"] = -(-grain["K"] // max(1, kernel.reduction(spec.array).steps(1)))
    found: _Options = {}
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
    return {
        role: rules.with_tiles(kernel, kernel.numbers(role), sizes_of_role)
        for role, sizes_of_role in found.items()
    }


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
