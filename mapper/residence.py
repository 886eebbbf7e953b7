"""Residence: when the parts of an operand come to a scratchpad, and when they may leave it.

An operand's *region* is what the loops inside the place where it is held touch of it. It comes in
*strips*: each is what a tile needs and no tile before it has needed, so that work starts with the
first strip, every element comes once, and windows that overlap share what they both see. With one
region, a strip leaves after the last tile that uses it and makes room for the same strip of the
next region, while the rest is still in use.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from mapper.boxes import OperandTiles, Span
from mapper.kernel import Kernel
from mapper.mapping import Mapping, Tile


class Arrival(NamedTuple):
    """A strip that is loaded before a tile.

    ``waits`` are the strips of earlier contents that must have left, besides those of the strips
    before it.
    """

    strip: Span
    waits: int


@dataclass(slots=True)
class Stay:
    """One region's content, from its first tile to its last.

    Parameters
    ----------
    number
        Counts the contents from 0.
    region
        All of it.
    size
        Iterations of each dimension that it covers.
    arrivals
        Number of a tile to the strip that comes before it.
    departures
        Number of a tile to the strips that leave after it.
    """

    number: int
    region: Span
    size: tuple[int, ...]
    arrivals: dict[int, Arrival] = field(default_factory=dict)
    departures: dict[int, int] = field(default_factory=dict)


class Residence:
    """The stays of an operand over a sequence of tiles.

    Parameters
    ----------
    kernel, operand
        The kernel, and the number of the operand.
    mapping
        Says where it is held.
    tiles
        The tiles that use it, in order.
    spans
        The operand's tiles.
    """

    def __init__(
        self,
        kernel: Kernel,
        operand: int,
        mapping: Mapping,
        tiles: Sequence[Tile],
        spans: OperandTiles,
    ) -> None:
        self._spans = spans
        self._regions = Regions(kernel, operand, mapping)
        tiled = tiled_windows(kernel, operand, mapping)
        self._overlaps = tuple(tiled)
        #: Tiles that overlap along several axes, or by their taps, don't part a region in strips.
        self._comes_whole = len(tiled) > 1 or any(count > 1 for count in tiled.values())
        #: For each tile the content in which it works.
        self.stay_of: list[Stay] = []
        stays = self._stays(tiles)
        counts = [len(self._strips(stay, uses, tiles)) for stay, uses in stays]
        #: Strips of the content that has the most: as many leave with each content.
        self._most = max(counts)
        self._count_waits([stay for stay, _ in stays], mapping.num_buffers[operand])

    def _stays(self, tiles: Sequence[Tile]) -> list[tuple[Stay, list[int]]]:
        """Return the contents with the numbers of their tiles: a new one where the region moves."""
        found: list[tuple[Stay, list[int]]] = []
        last: tuple[int, ...] | None = None
        for number, tile in enumerate(tiles):
            region = self._regions.around(tile)
            part = self._spans.part(region)
            if part != last:
                stay = Stay(len(found), self._spans.span(region), region.size)
                found.append((stay, []))
                last = part
            found[-1][1].append(number)
            self.stay_of.append(found[-1][0])
        return found

    def _strips(self, stay: Stay, uses: list[int], tiles: Sequence[Tile]) -> list[Span]:
        """Note which strips come before which tile, and leave after which."""
        last_use = {self._spans.part(tiles[number]): number for number in uses}
        if self._comes_whole or self._meet([tiles[number] for number in uses]):
            stay.arrivals[uses[0]] = Arrival(stay.region, 0)
            stay.departures[uses[-1]] = 1
            return [stay.region]
        first_use = {self._spans.part(tiles[number]): number for number in reversed(uses)}
        strips: list[Span] = []
        leave: list[int] = []
        newest: dict[tuple[object, ...], list[int]] = {}
        for part, number in reversed(first_use.items()):
            span = self._spans.span(tiles[number])
            others, strip = self._new(span, newest, strips)
            for old in others:
                leave[old] = max(leave[old], last_use[part])
            if strip is not None:
                stay.arrivals[number] = Arrival(strip, 0)
                newest.setdefault(self._key(span), []).append(len(strips))
                strips.append(strip)
                leave.append(last_use[part])
        latest = -1
        for last in leave:  # strips leave in the order in which they came
            latest = max(latest, last)
            stay.departures[latest] = stay.departures.get(latest, 0) + 1
        return strips

    def _meet(self, tiles: Sequence[Tile]) -> bool:
        """Whether tiles don't part a region: all are one, or they meet where no window slides.

        In a nest of loops they don't meet; the steps of a group compute their halos again.
        """
        spans = {self._spans.span(tile) for tile in tiles}
        for axis, step in enumerate(self._spans.steps):
            if axis not in self._overlaps:
                along = sorted({(s.first[axis], s.extent[axis] * step) for s in spans})
                if any(low + size > other for (low, size), (other, _) in pairwise(along)):
                    return True
        return len(spans) == 1

    def _key(self, span: Span) -> tuple[object, ...]:
        """Return what spans share that overlap along the sliding axis."""
        return tuple(
            None if axis in self._overlaps else bounds
            for axis, bounds in enumerate(zip(span.first, span.extent, strict=True))
        )

    def _new(
        self, span: Span, newest: dict[tuple[object, ...], list[int]], strips: list[Span]
    ) -> tuple[list[int], Span | None]:
        """Return the strips that a span reaches into, and what of it is in none of them."""
        if not self._overlaps:
            return [], span
        (axis,) = self._overlaps
        step = self._spans.steps[axis]
        earlier = newest.get(self._key(span), [])
        start, end = span.first[axis], span.first[axis] + span.extent[axis] * step
        ends = {n: strips[n].first[axis] + strips[n].extent[axis] * step for n in earlier}
        reached = [n for n in earlier if ends[n] > start]
        begin = max([start, *(ends[n] for n in reached)])
        if begin >= end:
            return reached, None
        first = (*span.first[:axis], begin, *span.first[axis + 1 :])
        extent = (*span.extent[:axis], (end - begin) // step, *span.extent[axis + 1 :])
        return reached, Span(first, extent)

    def _count_waits(self, stays: Sequence[Stay], buffers: int) -> None:
        """Say how many strips must have left before each comes.

        None before the first contents, and nobody waits for the last ones to leave.
        """
        shapes: list[tuple[object, ...]] = []
        for stay in stays:
            numbers = list(stay.arrivals)
            if stay.number + buffers >= len(stays):
                stay.departures.clear()
            else:
                stay.departures[max(stay.departures)] += self._most - len(numbers)
            shapes.append(self._shape(stay) if self._most > 1 else ())
            if stay.number < buffers:
                continue
            waits = [1] * len(numbers)
            if shapes[-1] == shapes[stay.number - buffers]:
                waits[-1] += self._most - len(numbers)
            else:  # strips of another shape: all that was there must have left
                waits = [self._most, *([0] * (len(numbers) - 1))]
            for number, count in zip(numbers, waits, strict=True):
                stay.arrivals[number] = Arrival(stay.arrivals[number].strip, count)

    @staticmethod
    def _shape(stay: Stay) -> tuple[object, ...]:
        """Return where strips lie in the region: equal shapes take the same places in order."""
        strips = [
            (
                tuple(a - b for a, b in zip(strip.first, stay.region.first, strict=True)),
                strip.extent,
            )
            for strip, _ in stay.arrivals.values()
        ]
        return (stay.region.extent, *strips)


class Regions:
    """Finds the turn of the loops outside an operand's place in which a tile lies."""

    def __init__(self, kernel: Kernel, operand: int, mapping: Mapping) -> None:
        self._extents = kernel.extents
        self._loops = mapping.loops[: mapping.held[operand]]
        self._is_tile = mapping.held[operand] == len(mapping.loops)

    def around(self, tile: Tile) -> Tile:
        """Return the iterations of the turn that a tile lies in."""
        if self._is_tile:
            return tile
        low, size = [0] * len(self._extents), list(self._extents)
        for d, step in self._loops:
            start = low[d] + (tile.low[d] - low[d]) // step * step
            size[d] = min(step, low[d] + size[d] - start)
            low[d] = start
        return Tile(low=tuple(low), size=tuple(size))


def tiled_windows(kernel: Kernel, number: int, mapping: Mapping) -> dict[int, int]:
    """Return the axes along which tiles of one region may overlap, and the dimensions cut there."""
    windows = [
        (index, axis.terms)
        for index, axis in enumerate(kernel.operands[number].axes)
        if len(axis.terms) > 1
    ]
    if not windows:
        return {}
    region = {**dict(enumerate(kernel.extents)), **dict(mapping.loops[: mapping.held[number]])}
    tile = dict(mapping.loops)
    cut = {index: sum([tile[d] < region[d] for d, _ in terms]) for index, terms in windows}
    return {index: count for index, count in cut.items() if count}
