"""The description of a DRAM memory: channels, controller, and where an address lies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from accel.dram.address import AddressMap, Places
from accel.dram.spec import DramSpec
from accel.dram.standards import Standard

Numbers = NDArray[np.int64]


#: Takes the clock of a transfer, its transactions' numbers, and whether they write.
RequestLog = Callable[[int, Numbers, bool], None]
#: Names of the controllers, which `accel.dram.controllers` has; a machine's file needs no more.
CONTROLLER_NAMES = ("dramsim3", "ramulator2")


@dataclass(frozen=True, slots=True, kw_only=True)
class DramMemorySpec:
    """Channels of one standard, all alike.

    Parameters
    ----------
    standard
        Its table.
    controller
        Name of the controller in `accel.dram.controllers`.
    channel
        A channel under that controller.
    channels
        How many.
    address_map
        From transactions to channels, banks and rows.
    window
        Requests that a DMA engine may have under way.
    """

    standard: Standard
    controller: str
    channel: DramSpec
    channels: int
    address_map: AddressMap
    window: int = 64

    @property
    def transaction_bytes(self) -> int:
        """Bytes of a burst."""
        return self.standard.organisation.transaction_bytes

    @property
    def clock_hz(self) -> int:
        """Frequency of the command clock, the timings' unit."""
        return self.standard.clock_hz

    def locate(self, transactions: Numbers) -> Places:
        """Return where transactions lie."""
        stacks = self.standard.organisation.stacks
        return self.address_map.places(transactions, self.channel, stacks)

    @property
    def peak_bytes_per_s(self) -> float:
        """Bytes that all data buses move at most."""
        timing = self.channel.timing
        buses = self.channels * (self.channel.ranks if self.channel.has_pseudochannels else 1)
        return buses * self.transaction_bytes * self.clock_hz / max(timing.burst, timing.ccd_s)

    @property
    def idle_read_fs(self) -> int:
        """Time from a request to its last data where its bank is closed and nothing else is on."""
        timing = self.channel.timing
        clocks = 1 + timing.rcd_read + timing.read_latency + timing.burst
        return clocks * 10**15 // self.clock_hz
