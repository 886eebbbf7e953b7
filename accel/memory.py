"""A main memory as bandwidth and latency.

This is where a bank-level DRAM model comes in: whatever has ``request`` can serve the machine.
"""

from __future__ import annotations

from math import inf
from typing import NamedTuple, Protocol

from accel.spec import MemorySpec

FS_PER_SECOND = 10**15


class Served(NamedTuple):
    """When a transfer holds the memory, and when its last byte is where it should be."""

    start_fs: int
    end_fs: int
    landed_fs: int


class MainMemory(Protocol):
    """What the DMA engines need from a main memory."""

    def request(self, now_fs: int, size_bytes: int) -> Served:
        """Serve a transfer that is asked for at ``now_fs``; calls come in order of time."""


class BandwidthMemory:
    """A memory that serves one transfer after another at its full bandwidth.

    # Approximation: every transfer gets peak bandwidth and pays one latency, whatever its
    # addresses; loads and stores take turns by whole transfers.
    """

    def __init__(self, spec: MemorySpec) -> None:
        self._bandwidth = spec.bandwidth_bytes_per_s
        self._latency_fs = spec.latency_fs
        # The end of n bytes is computed from the start of the busy period, so it doesn't drift.
        self._busy_since_fs = 0
        self._busy_bytes = 0
        self._free_fs = 0

    def request(self, now_fs: int, size_bytes: int) -> Served:
        """Serve a transfer after those asked for before it."""
        if now_fs > self._free_fs:
            self._busy_since_fs, self._busy_bytes, self._free_fs = now_fs, 0, now_fs
        start = self._free_fs
        self._busy_bytes += size_bytes
        self._free_fs = self._busy_since_fs + self._transfer_fs(self._busy_bytes)
        return Served(start, self._free_fs, self._free_fs + self._latency_fs)

    def _transfer_fs(self, size_bytes: int) -> int:
        if self._bandwidth == inf:
            return 0
        return -(-size_bytes * FS_PER_SECOND // int(self._bandwidth))
