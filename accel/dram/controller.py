"""What every controller of a channel has: banks, a buffer for reads and one for writes."""

from __future__ import annotations

from collections.abc import Iterable

from accel.dram.banks import Banks
from accel.dram.commands import (
    ACTIVATE,
    CLOSED,
    PRECHARGE,
    READ,
    READ_PRECHARGE,
    WRITE,
    WRITE_PRECHARGE,
    Constraint,
)
from accel.dram.requests import Requests
from accel.dram.spec import DramSpec
from accel.dram.transfers import Transfers


class Controller:
    """A channel's controller, advanced clock by clock; it skips what changes nothing.

    Parameters
    ----------
    spec
        The channel.
    constraints
        What its commands have to wait for.
    lists
        Lists of requests that the controller keeps.
    transfers
        What its requests belong to.
    posts_writes
        Whether a write counts as finished in the clock after it was accepted, or when its data
        has crossed the bus.
    """

    def __init__(
        self,
        spec: DramSpec,
        constraints: Iterable[Constraint],
        lists: int,
        transfers: Transfers,
        posts_writes: bool,
    ) -> None:
        self.banks = Banks(spec, constraints)
        self.reads = 0
        self.writes = 0
        #: Clock of the last column command, and the clock in which the last data leaves the bus.
        self.last_column = -1
        self.last_data = -1
        #: Refreshes that are due, and the clock in which the last one issued has ended.
        self.refreshes_due = 0
        self.refreshed = -1
        self._refresh_clocks = spec.timing.rfc
        self._requests = Requests(2 * (spec.read_queue + spec.write_queue), lists)
        self._transfers = transfers
        self._posts_writes = posts_writes
        self._read_queue = spec.read_queue
        self._write_queue = spec.write_queue
        self._read_command = READ_PRECHARGE if spec.closes_pages else READ
        self._write_command = WRITE_PRECHARGE if spec.closes_pages else WRITE
        self._read_clocks = spec.timing.read_latency + spec.timing.burst
        self._write_clocks = spec.timing.write_latency + spec.timing.burst

    def can_accept(self, is_write: bool) -> bool:
        """Return whether there is room for a request."""
        if is_write:
            return self.writes < self._write_queue
        return self.reads < self._read_queue

    def accept(
        self, address: int, bank: int, row: int, is_write: bool, transfer: int, clock: int
    ) -> None:
        """Take a request before the clock's tick.

        Parameters
        ----------
        address
            In transactions; equal addresses are the same data.
        bank, row
            Where it lies: ranks, then groups, then banks.
        is_write
            Whether it writes.
        transfer
            Number in the channel's `Transfers`.
        clock
            When it comes.
        """
        raise NotImplementedError

    def tick(self, clock: int) -> bool:
        """Do what happens in a clock; return whether anything did."""
        raise NotImplementedError

    def next_change(self, clock: int) -> int:
        """Return the first clock behind this one in which a tick may do something by itself."""
        raise NotImplementedError

    def is_idle(self) -> bool:
        """Return whether nothing is left to do but refreshes."""
        raise NotImplementedError

    def waits_for_row(self) -> bool:
        """Return whether no waiting request finds its row open."""
        raise NotImplementedError

    def _needed(self, slot: int) -> int:
        """Return the command that brings a request on: open its row, close another's, or access."""
        open_row = self.banks.open_row[self._requests.bank[slot]]
        if open_row == CLOSED:
            return ACTIVATE
        if open_row != self._requests.row[slot]:
            return PRECHARGE
        return self._write_command if self._requests.is_write[slot] else self._read_command

    def _access(self, slot: int, clock: int) -> int:
        """Note a request's column command; return when its data has crossed the bus."""
        is_write = self._requests.is_write[slot]
        finished = clock + (self._write_clocks if is_write else self._read_clocks)
        self.last_column = clock
        if finished > self.last_data:
            self.last_data = finished
        if not (is_write and self._posts_writes):
            self._transfers.finish(self._requests.transfer[slot], finished)
        return finished

    def _post(self, transfer: int, clock: int) -> None:
        """Note that a write was accepted."""
        if self._posts_writes:
            self._transfers.finish(transfer, clock + 1)
