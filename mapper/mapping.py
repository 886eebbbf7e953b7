"""A mapping: how one kernel's loops are tiled and ordered, and where its operands are held."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import NamedTuple

from accel.timing import Count
from mapper.kernel import Kernel
from mapper.layout import PACKED, Layout
from mapper.tiling import Tiling


class Loop(NamedTuple):
    """One loop of a nest: ``dimension`` goes on by ``step`` iterations in each turn."""

    dimension: int
    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """The temporal loop nest of a kernel over the main memories.

    Parameters
    ----------
    loops
        Outermost first; every dimension has at least one, and a loop's step is at most that of the
        loop of its dimension outside it. The innermost steps are the *tile*: what one instruction
        covers.
    held
        For each operand (inputs, then output) the number of loops outside the place where it is
        held: its *region*, all that the loops inside touch of it, is moved once for each turn of
        the loops outside that changes it. With as many as there are loops the region is the tile's.
        Psums of a product whose output is held further out wait in the output's scratchpad, in a
        region of that size, while loops over K outside of the tile go on.
    num_buffers
        For each operand: 2 if its next region is moved while this one is used, 1 if it isn't.
    layouts, conflict_cycles
        For each operand, then for a product's psums, how a region lies in its scratchpad, and the
        cycles that one tile costs in bank conflicts; empty where no scratchpad has banks.
    dataflow
        That of a product's instructions; None for the array's first, or only, one.
    """

    loops: tuple[Loop, ...]
    held: tuple[int, ...]
    num_buffers: tuple[int, ...]
    layouts: tuple[Layout, ...] = ()
    conflict_cycles: tuple[int, ...] = ()
    dataflow: str | None = None

    @property
    def psums_wait(self) -> bool:
        """Whether a product's psums wait in the output's scratchpad for other parts of K."""
        return self.held[-1] < len(self.loops)

    @property
    def tile(self) -> tuple[int, ...]:
        """Iterations of each dimension that one instruction covers."""
        return tuple(step for _, step in sorted(dict(self.loops).items()))

    def region(self, operand: int, extents: Sequence[int]) -> tuple[int, ...]:
        """Return the iterations of each dimension in the region of operand number ``operand``."""
        outside = dict(self.loops[: self.held[operand]])
        return tuple(outside.get(d, extent) for d, extent in enumerate(extents))

    def layout(self, number: int) -> Layout:
        """Return how operand ``number`` lies in its scratchpad; -1 for psums."""
        return self.layouts[number] if self.layouts else PACKED

    def within(self, extents: Sequence[int]) -> Mapping:
        """Return this mapping for a part of the iteration space: no step is larger than it."""
        if all(step <= extents[d] for d, step in self.loops):
            return self
        loops = tuple(Loop(d, min(step, extents[d])) for d, step in self.loops)
        return replace(self, loops=loops)

    def canonical(self, extents: Sequence[int]) -> Mapping:
        """Return this mapping without loops of one turn: dimensions without any come last, whole.

        What runs is the same. ``extents`` is the size of the iteration space.
        """
        inside = list(extents)
        kept: list[Loop] = []
        outside = [0]
        for loop in self.loops:
            if loop.step < inside[loop.dimension]:
                kept.append(loop)
                inside[loop.dimension] = loop.step
            outside.append(len(kept))
        looped = {dimension for dimension, _ in kept}
        loops = (*kept, *(Loop(d, e) for d, e in enumerate(extents) if d not in looped))
        held = (outside[depth] for depth in self.held)
        return replace(
            self,
            loops=loops,
            held=tuple(depth if depth < len(kept) else len(loops) for depth in held),
        )

    def tile_count(self, extents: Sequence[int]) -> int:
        """Return into how many tiles an iteration space is cut."""
        return prod(parts(extents[d], nested) for d, nested in self.steps.items())

    @property
    def steps(self) -> dict[int, list[int]]:
        """Dimension to the steps of its loops, outermost first."""
        steps: dict[int, list[int]] = {}
        for dimension, step in self.loops:
            steps.setdefault(dimension, []).append(step)
        return steps


def parts(extent: Count, steps: Sequence[Count]) -> Count:
    """Return into how many parts nested loops of one dimension cut it, outermost step first."""
    if len(steps) == 1:
        return -(-extent // steps[0])
    whole, rest = extent // steps[0], extent % steps[0]
    return whole * parts(steps[0], steps[1:]) + parts(rest, steps[1:])


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One tile of an iteration space: ``size`` iterations of each dimension from ``low`` on."""

    low: tuple[int, ...]
    size: tuple[int, ...]


def tiles(kernel: Kernel, mapping: Mapping) -> Iterator[Tile]:
    """Yield the tiles in the order in which they run."""
    extents = kernel.extents
    yield from cut(Tile(low=(0,) * len(extents), size=extents), mapping.loops)


def cut(space: Tile, loops: Sequence[Loop]) -> Iterator[Tile]:
    """Yield the parts of a space that loops cut it into."""
    if not loops:
        yield space
        return
    (d, step), *inner = loops
    start, extent = space.low[d], space.size[d]
    if step >= extent:
        yield from cut(space, inner)
        return
    for offset in range(0, extent, step):
        part = Tile(
            low=(*space.low[:d], start + offset, *space.low[d + 1 :]),
            size=(*space.size[:d], min(step, extent - offset), *space.size[d + 1 :]),
        )
        yield from cut(part, inner)


def tiling_of(kernel: Kernel, mapping: Mapping) -> Tiling:
    """Return the tiles as arrays, in the order in which they run."""
    counts = [1] * len(kernel.dimensions)
    for d, nested in mapping.steps.items():
        counts[d] = parts(kernel.extents[d], nested)
    return Tiling(kernel.extents, mapping.loops, counts)


def results_of(kernel: Kernel, tiling: Tiling) -> array[int]:
    """Return the numbers of the tiles that are the last of a part of the output."""
    output = kernel.output
    return tiling.results([d for d in range(tiling.rank) if output.depends_on(d)])


def tile_at(tiling: Tiling, number: int) -> Tile:
    """Return a tile by its number."""
    return Tile(low=tiling.low(number), size=tiling.size(number))
