"""A map space looked through one mapping at a time, in plain Python: what strategies must equal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import product
from math import prod

from accel.spec import AcceleratorSpec
from foundation.dtype import DTYPES
from mapper.boxes import OperandTiles
from mapper.cost import COSTS, CostEstimate, estimate
from mapper.kernel import Axis, Contraction, Copy, Kernel, Role
from mapper.mapping import Loop, Mapping
from mapper.space import blocks_of, nested_sizes, product_options, waiting_blocks, windows_overlap

Steps = tuple[int, ...]


def declared(kernel: Kernel, spec: AcceleratorSpec) -> Iterator[Mapping]:
    """Yield every mapping of the declared space."""
    if not isinstance(kernel.body, Contraction):
        yield from _declared_vector(kernel, spec)
        return
    for loops, held in (*_summed_at_once(kernel, spec), *_waiting(kernel, spec)):
        rest = len(kernel.operands) - 3
        pairs = list(product((2, 1), repeat=2))
        for two, last in [*((two, 2) for two in pairs), ((2, 2), 1), ((1, 1), 1)]:
            yield Mapping(loops=loops, held=held, num_buffers=(*two, *(2,) * rest, last))


Nest = tuple[tuple[Loop, ...], tuple[int, ...]]


def _summed_at_once(kernel: Kernel, spec: AcceleratorSpec) -> Iterator[Nest]:
    """Yield loops and places where K is innermost."""
    options = product_options(kernel, spec)
    for outside, inside in ((Role.M, Role.N), (Role.N, Role.M)):
        for group, tile, other, k in product(
            *(options[role] for role in (Role.GROUP, outside, inside, Role.K))
        ):
            overlaps = outside is Role.M and windows_overlap(kernel)
            for block in blocks_of(tile, _extents(kernel, outside), as_wide=overlaps):
                loops = [
                    *_loops(kernel, Role.GROUP, group),
                    *_loops(kernel, outside, block),
                    *_loops(kernel, inside, other),
                    *_loops(kernel, outside, tile),
                    *_loops(kernel, Role.K, k),
                ]
                at_block = len(group) + len(block)
                places = _places(
                    is_block=tuple(block) != tuple(tile),
                    passes=tuple(other) != _extents(kernel, inside),
                    k_is_cut=tuple(k) != _extents(kernel, Role.K),
                    groups_are_cut=tuple(group) != _extents(kernel, Role.GROUP),
                    overlaps=overlaps,
                    depths=(len(group), at_block, at_block + len(other), len(loops)),
                )
                for held, passing in places:
                    pair = (held, passing) if outside is Role.M else (passing, held)
                    yield tuple(loops), (*pair, *(len(loops),) * (len(kernel.operands) - 2))


def _waiting(kernel: Kernel, spec: AcceleratorSpec) -> Iterator[Nest]:
    """Yield loops and places where psums wait between parts of K."""
    options = product_options(kernel, spec)
    single = (1,) * len(_extents(kernel, Role.GROUP))
    for outer_m, tile_m, outer_n, tile_n in waiting_blocks(kernel, spec, options):
        for k in options[Role.K]:
            if tuple(k) == _extents(kernel, Role.K):
                continue
            outer = [
                *_loops(kernel, Role.GROUP, single),
                *_loops(kernel, Role.M, outer_m),
                *_loops(kernel, Role.N, outer_n),
            ]
            around = [*outer, *_loops(kernel, Role.K, k)]
            inner = {Role.M: _loops(kernel, Role.M, tile_m), Role.N: _loops(kernel, Role.N, tile_n)}
            for first, second in ((Role.N, Role.M), (Role.M, Role.N)):
                loops = (*around, *inner[first], *inner[second])
                row = len(around) + len(inner[first])
                pair = (len(around), row) if first is Role.N else (row, len(around))
                biases = (len(loops),) * (len(kernel.inputs) - 2)
                yield loops, (*pair, *biases, len(outer))


def _shares(axis: Axis, kernel: Kernel) -> bool:
    """Whether two neighbours along a dimension of the output touch an element in common."""
    taps = [d for d, _ in axis.terms if kernel.dimensions[d].role is Role.WHOLE]
    steps = [d for d, _ in axis.terms if d not in taps and kernel.extents[d] > 1]
    coefficient = dict(axis.terms)
    touched = {0}
    for d in taps:
        touched = {a + coefficient[d] * n for a in touched for n in range(kernel.extents[d])}
    low, high = min(touched), max(touched)
    return any(high >= low + coefficient[d] for d in steps)


def _declared_vector(kernel: Kernel, spec: AcceleratorSpec) -> Iterator[Mapping]:
    extents = _extents(kernel, Role.PARALLEL)
    overlaps = any(_shares(axis, kernel) for axis in kernel.inputs[0].axes)
    for tile in nested_sizes(extents, spec.vector.lanes):
        for block in blocks_of(tile, extents, as_wide=True) if overlaps else [tile]:
            loops = [
                *_loops(kernel, Role.PARALLEL, block),
                *_loops(kernel, Role.WHOLE, _extents(kernel, Role.WHOLE)),
                *_loops(kernel, Role.PARALLEL, tile),
            ]
            others = len(kernel.operands) - 1
            yield Mapping(
                loops=tuple(loops),
                held=(len(loops) - len(tile), *(len(loops),) * others),
                num_buffers=(2,) * len(kernel.operands),
            )


def _places(
    *,
    is_block: bool,
    passes: bool,
    k_is_cut: bool,
    groups_are_cut: bool,
    overlaps: bool,
    depths: tuple[int, int, int, int],
) -> Iterator[tuple[int, int]]:
    """Yield where the operand outside, and the one that passes it by, are held."""
    group, block, row, tile = depths
    if is_block and not passes and not overlaps:
        return
    yield block, row
    if k_is_cut:
        yield block, tile
    if k_is_cut and not is_block:
        yield tile, row
        yield tile, tile
    if groups_are_cut or (is_block and overlaps):
        yield block, group


def _extents(kernel: Kernel, role: Role) -> Steps:
    return tuple(d.extent for d in kernel.dimensions if d.role is role)


def _loops(kernel: Kernel, role: Role, steps: Sequence[int]) -> list[Loop]:
    return [Loop(d, step) for d, step in zip(kernel.numbers(role), steps, strict=True)]


def fits(kernel: Kernel, spec: AcceleratorSpec, mapping: Mapping) -> bool:
    """Whether regions, psums and their buffers fit in every scratchpad."""
    used = dict.fromkeys((pad.name for pad in spec.scratchpads), 0)

    def hold(scratchpad: str, size_bytes: int, buffers: int) -> None:
        pad = spec.scratchpad_of(scratchpad)
        words = -(-size_bytes // pad.alignment_bytes)
        used[pad.name] += words * pad.alignment_bytes * buffers

    is_product = isinstance(kernel.body, Contraction)
    accumulator = DTYPES[kernel.inputs[0].dtype.accumulator].size_bytes
    kept = kernel.numbers(Role.GROUP, Role.M, Role.N)
    buffers = 1
    for number, operand in enumerate(kernel.operands):
        region = mapping.region(number, kernel.extents)
        if is_product and operand is kernel.output:  # stored tile by tile, wherever psums wait
            if region != mapping.tile:
                hold("output", prod(region[d] for d in kept) * accumulator, 1)
            region = mapping.tile
        buffers = mapping.num_buffers[number] if _moves(kernel, mapping, number, region) else 1
        if isinstance(kernel.body, Copy) and operand is kernel.output:
            continue
        hold(operand.scratchpad, _size_bytes(kernel, number, region), buffers)
    if is_product:
        hold("psum", prod(mapping.tile[d] for d in kept) * accumulator, buffers)
    return all(used[pad.name] <= pad.capacity_bytes for pad in spec.scratchpads)


def _moves(kernel: Kernel, mapping: Mapping, number: int, region: Steps) -> bool:
    """Whether an operand's region changes."""
    operand = kernel.operands[number]
    return any(
        operand.depends_on(d) for d, extent in enumerate(kernel.extents) if region[d] < extent
    )


@lru_cache(maxsize=1 << 14)
def _size_bytes(kernel: Kernel, number: int, region: Steps) -> int:
    return _tiles(kernel, number).size_bytes(region)


@lru_cache(maxsize=64)
def _tiles(kernel: Kernel, number: int) -> OperandTiles:
    return OperandTiles(kernel, kernel.operands[number])


def all_fitting(
    kernel: Kernel, spec: AcceleratorSpec, costs: Sequence[str] = COSTS
) -> list[tuple[Mapping, CostEstimate]]:
    """Return every mapping of the declared space that fits, and its cost.

    Of mappings that differ only in loops that cut nothing, or in buffers that are never used, the
    cost is estimated once.
    """
    known: dict[object, CostEstimate] = {}
    found = []
    for mapping in declared(kernel, spec):
        if not fits(kernel, spec, mapping):
            continue
        same = _same(kernel, mapping)
        if same not in known:
            known[same] = estimate(kernel, spec, mapping, costs)
        found.append((mapping, known[same]))
    return found


def _same(kernel: Kernel, mapping: Mapping) -> object:
    """Return what mappings of equal cost share: loops that cut, and what is held inside which."""
    sizes = list(kernel.extents)
    cutting: list[tuple[int, int, int]] = []
    for number, (d, step) in enumerate(mapping.loops):
        if step < sizes[d]:
            cutting.append((number, d, step))
            sizes[d] = step
    held = tuple(sum(number < depth for number, _, _ in cutting) for depth in mapping.held)
    buffers = []
    for number, operand in enumerate(kernel.operands):
        depth = len(cutting) if operand is kernel.output else held[number]
        outside = [d for _, d, _ in cutting[:depth]]
        moves = any(operand.depends_on(d) for d in outside)
        buffers.append(mapping.num_buffers[number] if moves else 1)
    return tuple((d, step) for _, d, step in cutting), held, tuple(buffers)
