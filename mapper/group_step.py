"""One step of a group: the part that each member computes, and what is passed on."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from mapper.group import Steps
from mapper.kernel import Kernel
from mapper.mapping import Tile
from mapper.parts import piece_of


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleStep:
    """One step of many, the largest.

    Parameters
    ----------
    count
        Number of steps.
    tiles
        Iterations of each member.
    passage_bytes
        Operand under which each passage is held, and its bytes with all slots.
    """

    count: int
    tiles: tuple[Tile, ...]
    passage_bytes: tuple[tuple[str, int], ...]

    @classmethod
    def of(cls, steps: Steps) -> SampleStep | None:
        """Return the step in the middle of a group; None where passages can't be held."""
        extents = steps.group.last.kernel.extents
        counts = [-(-extents[d] // size) for d, size in steps.loops]
        middle = list(extents)
        low = [0] * len(extents)
        for (d, size), count in zip(steps.loops, counts, strict=True):
            low[d], middle[d] = (count // 2 if count > 2 else 0) * size, size
        one = Steps(steps.group, steps.loops, (Tile(low=tuple(low), size=tuple(middle)),))
        buffers = one.buffers
        if buffers is None:
            return None
        passages = zip(steps.group.passages, buffers, strict=True)
        return cls(
            count=prod(counts),
            tiles=tuple(one.tiles[0]),
            passage_bytes=tuple((p.scratchpad, p.slots * b.size_bytes) for p, b in passages),
        )


def piece_of_step(kernel: Kernel, tile: Tile) -> Kernel:
    """Return a member's part of a step, a tile of it, as a kernel."""
    return piece_of(kernel, dict(enumerate(tile.low)), dict(enumerate(tile.size)))
