"""The one place that converts between cycles, time and text."""

from __future__ import annotations

from dataclasses import dataclass

FS_PER_SECOND = 10**15


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """A clock whose n-th edge is computed from n, so that it never drifts."""

    hz: int

    def edge_fs(self, cycle: int) -> int:
        """Return the time of an edge, rounded up to a femtosecond."""
        return -(-cycle * FS_PER_SECOND // self.hz)

    def cycle_at_or_after(self, time_fs: int) -> int:
        """Return the number of the first edge at or after a time."""
        cycle = time_fs * self.hz // FS_PER_SECOND
        return cycle if self.edge_fs(cycle) >= time_fs else cycle + 1
