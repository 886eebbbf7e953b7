"""Residence: when the parts of an operand come to a scratchpad, and when they may leave it.

`mapper.tiling.Strips` decides; this is what it says in words of tiles and spans.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from mapper.boxes import OperandTiles, Span
from mapper.kernel import Kernel, axis_step
from mapper.mapping import Mapping
from mapper.tiling import Strips, Tiling

#: What `mapper.tiling` says where tiles overlap along no axis.
_NO_AXIS = -1


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
        Number of a use to the strip that comes before it.
    departures
        Number of a use to the strips that leave after it.
    """

    number: int
    region: Span
    size: tuple[int, ...]
    arrivals: dict[int, Arrival] = field(default_factory=dict)
    departures: dict[int, int] = field(default_factory=dict)


def strips_of(
    kernel: Kernel, operand: int, mapping: Mapping, tiling: Tiling, uses: array[int]
) -> Strips:
    """Return the strips of operand number ``operand`` for the tiles that use it, by number."""
    what = kernel.operands[operand]
    tiled = _tiled_windows(kernel, operand, mapping)
    return Strips(
        tiling,
        uses,
        held=mapping.held[operand],
        buffers=mapping.num_buffers[operand],
        axes=[(axis.offset, axis_step(axis, kernel.extents), axis.terms) for axis in what.axes],
        depends=[d for d in range(len(kernel.dimensions)) if what.depends_on(d)],
        sliding=next(iter(tiled), _NO_AXIS),
        # Tiles that overlap along several axes, or by their taps, don't part a region in strips.
        comes_whole=len(tiled) > 1 or any(count > 1 for count in tiled.values()),
    )


class Residence:
    """The stays of an operand over a sequence of tiles.

    Parameters
    ----------
    strips
        When what comes and leaves.
    spans
        The operand's tiles.
    """

    def __init__(self, strips: Strips, spans: OperandTiles) -> None:
        axes, uses = len(spans.steps), len(strips.stay_of)
        rank = len(strips.region_size) // max(1, uses)
        bounds = zip(
            _rows(strips.region_first, axes, strips.stays),
            _rows(strips.region_extent, axes, strips.stays),
            _rows(strips.region_size, rank, strips.stays),
            strict=True,
        )
        stays = [
            Stay(number, Span(first, extent), size)
            for number, (first, extent, size) in enumerate(bounds)
        ]
        #: For each tile the content in which it works.
        self.stay_of = [stays[number] for number in strips.stay_of]
        first = _rows(strips.first, axes, strips.strips)
        extent = _rows(strips.extent, axes, strips.strips)
        for use, stay in enumerate(self.stay_of):
            strip, leaving = strips.arrival[use], strips.departing[use]
            if strip >= 0:
                stay.arrivals[use] = Arrival(Span(first[strip], extent[strip]), strips.waits[strip])
            if leaving:
                stay.departures[use] = leaving


def _rows(column: Sequence[int], width: int, count: int) -> list[tuple[int, ...]]:
    """Return the first rows of a flat table."""
    values = list(column[: count * width])
    return [tuple(values[start : start + width]) for start in range(0, len(values), width)]


def _tiled_windows(kernel: Kernel, number: int, mapping: Mapping) -> dict[int, int]:
    """Return the axes along which tiles of one region may overlap, and the dimensions cut there."""
    region, tile = mapping.region(number, kernel.extents), mapping.tile
    cut = {
        index: sum(tile[d] < region[d] for d, _ in axis.terms)
        for index, axis in enumerate(kernel.operands[number].axes)
        if len(axis.terms) > 1
    }
    return {index: count for index, count in cut.items() if count}
