"""How a tile lies in a scratchpad: which axis is fastest, and gaps between rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The order of a tile's axes in a scratchpad.

    Parameters
    ----------
    last
        Number of the axis that is fastest, before all others in their order; None for the last.
    padded
        Number of the axis whose step is made longer, None for no gaps.
    pad_bytes
        By how much.
    """

    last: int | None = None
    padded: int | None = None
    pad_bytes: int = 0

    def strides(self, shape: Sequence[int], element_bytes: int) -> tuple[int, ...]:
        """Return the bytes per step along each axis of a tile."""
        strides = [0] * len(shape)
        step = element_bytes
        for axis in reversed(self._order(len(shape))):
            if axis == self.padded:
                step += self.pad_bytes
            strides[axis] = step
            step *= shape[axis]
        return tuple(strides)

    def size_bytes(self, shape: Sequence[int], element_bytes: int) -> int:
        """Return the bytes from a tile's start to the end of its slowest row."""
        strides = self.strides(shape, element_bytes)
        return element_bytes + sum(
            (extent - 1) * step for extent, step in zip(shape, strides, strict=True)
        )

    def _order(self, rank: int) -> list[int]:
        axes = list(range(rank))
        if self.last is not None:
            axes.remove(self.last)
            axes.append(self.last)
        return axes

    def label(self, names: Sequence[str]) -> str:
        """Return the layout in words."""
        order = "row-major" if self.last is None else f"{names[self.last]} fastest"
        if self.padded is None:
            return order
        return f"{order}, {self.pad_bytes} B of gap at each step of {names[self.padded]}"


#: Row-major without gaps.
PACKED = Layout()
