"""A buffer between the main memory and all cores: what one has fetched, the others find there.

Lines that are read stay until others take their place; what is written goes through to the main
memory, and lines of it that were there are dropped. A core that asks for a line on its way waits
for it.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from accel.dma import Request, Runs, transactions
from accel.memory import MainMemory, Served, WhenServed
from accel.shared_buffer_spec import SharedBufferSpec
from accel.trace import MEMORY_CAUSES
from accel.units import FS_PER_SECOND
from foundation.apportion import apportion
from foundation.distinct import distinct

Numbers = NDArray[np.int64]


class LineCache:
    """Which lines are there, and the fetch that brought each: least recently used goes first."""

    def __init__(self, spec: SharedBufferSpec) -> None:
        self._ways = spec.ways
        self._sets: list[OrderedDict[int, Fetch]] = [OrderedDict() for _ in range(spec.sets)]

    def read(self, lines: list[int], fetch: Fetch) -> tuple[list[int], list[Fetch]]:
        """Look up lines, and let ``fetch`` bring those that aren't there.

        Returns
        -------
        tuple
            The lines to fetch, in order, and the fetches that bring or brought the others.
        """
        missing: list[int] = []
        found: dict[int, Fetch] = {}
        for line in lines:
            own = self._sets[line % len(self._sets)]
            known = own.get(line)
            if known is not None:
                own.move_to_end(line)
                found[id(known)] = known
                continue
            missing.append(line)
            if len(own) == self._ways:
                own.popitem(last=False)
            own[line] = fetch
        found.pop(id(fetch), None)
        return missing, list(found.values())

    def drop(self, lines: list[int]) -> None:
        """Forget lines that are overwritten in the main memory."""
        for line in lines:
            self._sets[line % len(self._sets)].pop(line, None)


@dataclass(slots=True, eq=False)
class Fetch:
    """Lines from the main memory: on their way until it is known when they were served.

    ``waiting`` are the engines that have asked for some of them.
    """

    served: Served | None = None
    waiting: set[int] = field(default_factory=set)


@dataclass(slots=True, eq=False)
class _Reading:
    """A core's transfer: its fetches, and when the buffer can give its bytes."""

    asked_fs: int
    given_fs: int
    fetched_bytes: int
    served: WhenServed
    fetches: list[Fetch]

    @property
    def is_known(self) -> bool:
        """Whether all of its lines are there or known to come."""
        return all(fetch.served is not None for fetch in self.fetches)


@dataclass(frozen=True, slots=True)
class _Lines:
    """Lines as a transfer of the main memory."""

    engine: int
    lines: Numbers
    line_bytes: int

    @property
    def is_write(self) -> bool:
        """Whether it writes to the main memory."""
        return False

    @property
    def size_bytes(self) -> int:
        """Bytes moved."""
        return len(self.lines) * self.line_bytes

    def runs(self) -> Runs:
        """Return the bytes that it moves."""
        return Runs(self.lines * self.line_bytes, self.line_bytes)


class SharedBuffer:
    """A main memory behind a shared buffer.

    Parameters
    ----------
    spec
        The buffer.
    memory
        What is behind it.
    clock_hz
        Of the cores.
    """

    def __init__(self, spec: SharedBufferSpec, memory: MainMemory, clock_hz: int) -> None:
        self._spec = spec
        self._memory = memory
        self._cache = LineCache(spec)
        self._bytes_per_s = int(spec.bandwidth_bytes_per_cycle * clock_hz)
        self._latency_fs = -(-spec.latency_cycles * FS_PER_SECOND // clock_hz)
        self._free_fs = 0
        #: The readings of each engine that haven't been served, in order.
        self._lines: dict[int, deque[_Reading]] = {}
        self._landed_fs: dict[int, int] = {}

    def request(self, now_fs: int, transfer: Request, served: WhenServed) -> None:
        """Give what is there, fetch what isn't; write through."""
        numbers = transactions(transfer.runs(), self._spec.line_bytes)
        if (numbers[1:] <= numbers[:-1]).any():
            numbers = distinct(numbers)
        if transfer.is_write:
            self._cache.drop(numbers.tolist())
            self._memory.request(now_fs, transfer, served)
            return
        fetch = Fetch()
        missing, others = self._cache.read(numbers.tolist(), fetch)
        given = max(self._free_fs, now_fs) + self._moving_fs(transfer.size_bytes)
        self._free_fs = given
        size = len(missing) * self._spec.line_bytes
        fetches = [*others, fetch] if missing else others
        for one in fetches:
            if one.served is None:
                one.waiting.add(transfer.engine)
        reading = _Reading(now_fs, given, size, served, fetches)
        self._lines.setdefault(transfer.engine, deque()).append(reading)
        if missing:
            lines = _Lines(
                transfer.engine, np.array(missing, dtype=np.int64), self._spec.line_bytes
            )
            self._memory.request(now_fs, lines, lambda at: self._fetched(fetch, at))
        self._serve(transfer.engine)

    def advance(self, until_fs: int) -> bool:
        """Let the main memory go on."""
        return self._memory.advance(until_fs)

    def is_busy(self) -> bool:
        """Return whether the main memory is."""
        return self._memory.is_busy()

    def _fetched(self, fetch: Fetch, served: Served) -> None:
        fetch.served = served
        for engine in sorted(fetch.waiting):
            self._serve(engine)

    def _serve(self, engine: int) -> None:
        """Say when an engine's readings land, in their order, as far as it is known."""
        line = self._lines[engine]
        while line and line[0].is_known:
            reading = line.popleft()
            reading.served(self._served(engine, reading))

    def _served(self, engine: int, reading: _Reading) -> Served:
        """Return when a reading lands: its last fetch, then what the buffer takes itself."""
        start = max(reading.asked_fs, self._landed_fs.get(engine, 0))
        last = max(
            (fetch.served for fetch in reading.fetches if fetch.served is not None),
            key=lambda served: served.landed_fs,
            default=None,
        )
        at_memory = max(start, last.landed_fs) if last is not None else start
        landed = max(start, at_memory, reading.given_fs) + self._latency_fs
        self._landed_fs[engine] = landed - self._latency_fs
        causes = last.causes if last is not None else (1,) * len(MEMORY_CAUSES)
        parts = list(apportion(at_memory - start, causes))
        parts[_OWN] += landed - at_memory
        return Served(
            start, landed - self._latency_fs, landed, tuple(parts), size_bytes=reading.fetched_bytes
        )

    def _moving_fs(self, size_bytes: int) -> int:
        return -(-size_bytes * FS_PER_SECOND // self._bytes_per_s)


_OWN = MEMORY_CAUSES.index("shared_buffer")
