"""Main memories: what DMA engines need from one, and one of bandwidth and latency."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import NamedTuple, Protocol

from accel.dma import Request
from accel.spec import MemorySpec
from accel.trace import MEMORY_CAUSES

FS_PER_SECOND = 10**15


class Served(NamedTuple):
    """When a memory works on a transfer, and the network behind it.

    ``end_fs`` is when it may start the engine's next one, ``landed_fs`` when the last byte is where
    it should be, ``causes`` the parts of the time that the memory needs by
    `accel.trace.MEMORY_CAUSES`, in any unit, and ``network_fs`` how much later the last byte lands
    because of the network. ``size_bytes`` are the bytes of the main memory where they aren't the
    transfer's.
    """

    start_fs: int
    end_fs: int
    landed_fs: int
    causes: tuple[int, ...]
    network_fs: int = 0
    size_bytes: int | None = None


WhenServed = Callable[[Served], None]


class MainMemory(Protocol):
    """What the DMA engines need from a main memory."""

    def request(self, now_fs: int, transfer: Request, served: WhenServed) -> None:
        """Take a transfer that is asked for at ``now_fs``; calls come in order of time.

        ``served`` is called once it is known when the transfer is served, in each engine's order.
        """

    def advance(self, until_fs: int) -> bool:
        """Go on up to a time before which no other transfer is asked for.

        Returns
        -------
        bool
            Whether it became known when a transfer is served: the memory may have stopped there.
        """

    def is_busy(self) -> bool:
        """Return whether there are transfers of which it isn't known when they are served."""


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

    def request(self, now_fs: int, transfer: Request, served: WhenServed) -> None:
        """Serve a transfer after those asked for before it."""
        if now_fs > self._free_fs:
            self._busy_since_fs, self._busy_bytes, self._free_fs = now_fs, 0, now_fs
        start = self._free_fs
        self._busy_bytes += transfer.size_bytes
        self._free_fs = self._busy_since_fs + self._transfer_fs(self._busy_bytes)
        causes = (self._free_fs - start, self._latency_fs, *_NO_OTHERS)
        served(Served(start, self._free_fs, self._free_fs + self._latency_fs, causes))

    def advance(self, until_fs: int) -> bool:
        """Do nothing: all is known when a transfer is asked for."""
        del until_fs
        return False

    def is_busy(self) -> bool:
        """Return False: all is known."""
        return False

    def _transfer_fs(self, size_bytes: int) -> int:
        if self._bandwidth == inf:
            return 0
        return -(-size_bytes * FS_PER_SECOND // int(self._bandwidth))


_NO_OTHERS = (0,) * (len(MEMORY_CAUSES) - 2)
