"""A main memory of DRAM, bank by bank, as the machine's DMA engines see it."""

from __future__ import annotations

from array import array
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from accel.dma import Request, transactions
from accel.dram.channels import Channels, Segment, Window
from accel.dram.controllers import controller_for
from accel.dram.memory_spec import DramMemorySpec, RequestLog
from accel.dram.states import DATA, IDLE, LATENCY, QUEUE, REFRESHING, ROW
from accel.memory import Served, WhenServed
from accel.units import Clock


@dataclass(slots=True)
class _UnderWay:
    """A transfer of an engine: where its requests are, and when they are all done."""

    number: int
    asked_fs: int
    served: WhenServed
    landed_fs: int = -1


class DramMemory:
    """Channels of DRAM behind the machine's DMA engines.

    Writes are posted: a store is done when the controllers have all of its requests. The
    controllers are idle at the start, half a refresh interval after their last refresh.

    Parameters
    ----------
    spec
        The memory.
    engines
        Number of DMA engines.
    log
        Called with the clock, the transactions and whether they write, of each transfer.
    """

    def __init__(
        self,
        spec: DramMemorySpec,
        engines: int,
        log: RequestLog | None = None,
    ) -> None:
        self._spec = spec
        self._log = log
        self._clock = Clock(hz=spec.clock_hz)
        timing = spec.channel.timing
        self._first_clock = timing.refi // (2 * spec.channel.ranks)
        window = Window(engines, spec.window)
        controller = controller_for(spec.controller, spec.standard.family)
        self._channels = Channels(
            [controller(spec.channel, window, True) for _ in range(spec.channels)],
            window,
            engines,
            max(timing.burst, timing.ccd_s),
            max(timing.write_to_read_l, timing.read_to_write, timing.ccd_l),
            self._first_clock,
        )
        self._lines: list[deque[_UnderWay]] = [deque() for _ in range(engines)]
        self._engine_of: dict[int, int] = {}
        #: For each engine when its last transfer landed, and what clocks were spent on by then.
        self._landed_fs = [0] * engines
        self._spent = [self._spent_now()] * engines

    def request(self, now_fs: int, transfer: Request, served: WhenServed) -> None:
        """Send a transfer's requests to the channels' queues."""
        numbers = transactions(transfer.runs(), self._spec.transaction_bytes)
        places = self._spec.locate(numbers)
        clock = self._first_clock + self._clock.cycle_at_or_after(now_fs)
        if self._log is not None:
            self._log(clock - self._first_clock, numbers, transfer.is_write)
        line = self._lines[transfer.engine]
        number = self._channels.window.open(len(numbers))
        if not line:
            self._landed_fs[transfer.engine] = max(now_fs, self._landed_fs[transfer.engine])
            self._spent[transfer.engine] = self._spent_now()
        line.append(_UnderWay(number, now_fs, served))
        self._engine_of[number] = transfer.engine
        for channel in range(self._spec.channels):
            columns = [numbers, places.bank, places.row]
            if self._spec.channels > 1:
                own = places.channel == channel
                columns = [column[own] for column in columns]
            if len(columns[0]):
                segment = Segment(number, transfer.is_write, clock, *map(_flat, columns))
                self._channels.send(transfer.engine, channel, segment)

    def advance(self, until_fs: int) -> bool:
        """Go on up to a time, or to the clock in which a transfer's last request is issued."""
        until = self._first_clock + self._clock.cycle_at_or_after(until_fs)
        window, is_known = self._channels.window, False
        while not is_known:
            self._channels.advance(until)
            if not window.complete:
                return False
            while window.complete:
                number = window.take_complete()
                landed_fs = self._clock.edge_fs(window.close(number) - self._first_clock)
                is_known = self._land(number, landed_fs) or is_known
        return True

    def is_busy(self) -> bool:
        """Return whether there are transfers that haven't landed."""
        return bool(self._engine_of)

    def _land(self, number: int, landed_fs: int) -> bool:
        """Note when a transfer has landed, and say so for all that have in their engine's order."""
        engine = self._engine_of.pop(number)
        line = self._lines[engine]
        # A number is used again while a transfer that had it waits for those before it in the line.
        landing = next(one for one in line if one.number == number and one.landed_fs < 0)
        landing.landed_fs = landed_fs
        said = False
        while line and line[0].landed_fs >= 0:
            one, said = line.popleft(), True
            start_fs = max(one.asked_fs, self._landed_fs[engine])
            end_fs = max(one.landed_fs, start_fs)
            before, self._spent[engine] = self._spent[engine], self._spent_now()
            self._landed_fs[engine] = end_fs
            causes = tuple(b - a for a, b in zip(before, self._spent[engine], strict=True))
            one.served(Served(start_fs, end_fs, end_fs, causes))
        return said

    def _spent_now(self) -> tuple[int, ...]:
        """Return the channels' clocks so far by `accel.trace.MEMORY_CAUSES`."""
        self._channels.account()
        spent = self._channels.spent
        return (
            spent[DATA],
            spent[LATENCY] + spent[IDLE],
            spent[ROW],
            spent[REFRESHING],
            spent[QUEUE],
            0,
        )


def _flat(column: NDArray[np.int64]) -> array[int]:
    values = array("q")
    values.frombytes(column.tobytes())
    return values
