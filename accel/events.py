"""What the machine's processes share: the event loop, semaphores, and the record of busy units."""

from __future__ import annotations

from array import array
from collections import deque
from typing import Any

import numpy as np
import simpy

from accel.trace import COLUMNS, Column

NETWORK, SHARED_BUFFER = COLUMNS.index("network_fs"), COLUMNS.index("shared_buffer_fs")
START, END = COLUMNS.index("start_fs"), COLUMNS.index("end_fs")
BANDWIDTH, LATENCY = COLUMNS.index("dram_bandwidth_fs"), COLUMNS.index("dram_latency_fs")


class CountingEnvironment(simpy.Environment):
    """An event loop that knows how many events it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.events = 0

    def schedule(self, *arguments: Any, **options: Any) -> None:
        """Schedule an event, and count it."""
        self.events += 1
        super().schedule(*arguments, **options)


class Semaphore:
    """A counter as a line of tokens, each with the time from which it can be taken.

    A token that is signalled for later needs no event of its own unless a queue waits for it.
    """

    def __init__(self, env: simpy.Environment, initial: int) -> None:
        self._env = env
        self._tokens = deque([0] * initial)
        self._line: deque[simpy.Event] = deque()

    def take(self) -> simpy.Event | None:
        """Take a token, or return the event that will bring one."""
        if not self._tokens:
            event = self._env.event()
            self._line.append(event)
            return event
        wait_fs = self._tokens.popleft() - self._env.now
        return self._env.timeout(wait_fs) if wait_fs > 0 else None

    def give(self, at_fs: int) -> None:
        """Add a token that can be taken from ``at_fs`` on."""
        if not self._line:
            self._tokens.append(at_fs)
            return
        waiting = self._line.popleft()
        wait_fs = at_fs - self._env.now
        if wait_fs <= 0:
            waiting.succeed()
            return
        landing = self._env.timeout(wait_fs)
        assert landing.callbacks is not None
        landing.callbacks.append(waiting.trigger)


class Recorder:
    """The trace's rows, one after the other in one flat array."""

    def __init__(self) -> None:
        self._values = array("q")

    def add(self, row: list[int]) -> int:
        """Append a row in the order of ``COLUMNS``, and return where it begins."""
        self._values.extend(row)
        return len(self._values) - len(COLUMNS)

    def cut(self, position: int, end_fs: int) -> None:
        """Let an interval end no later than ``end_fs``: the end of a DMA's way is hidden first."""
        values = self._values
        hidden = values[position + END] - end_fs
        if hidden <= 0:
            return
        values[position + END] = end_fs
        for part in (NETWORK, SHARED_BUFFER, LATENCY, BANDWIDTH):
            of_part = min(hidden, values[position + part])
            values[position + part] -= of_part
            hidden -= of_part

    def columns(self) -> dict[str, Column]:
        """Return the columns by name."""
        table = np.frombuffer(self._values, dtype=np.int64).reshape(-1, len(COLUMNS))
        return dict(zip(COLUMNS, np.ascontiguousarray(table.T), strict=True))


class Unit:
    """A unit whose busy intervals are recorded without overlap.

    An interval lasts until its result is there, or until the unit starts its next work: what a
    pipeline finishes behind new work isn't counted twice.
    """

    def __init__(self, number: int, recorder: Recorder) -> None:
        self.number = number
        self._recorder = recorder
        self._last: int | None = None

    def busy(self, start_fs: int, end_fs: int, row: list[int]) -> None:
        """Record an interval; ``row`` has all columns but the times."""
        if self._last is not None:
            self._recorder.cut(self._last, start_fs)
        row[START], row[END] = start_fs, end_fs
        self._last = self._recorder.add(row)
