"""What a memory controller is to those who send it requests."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from accel.dram.banks import (
    ACTIVATE,
    CLOSED,
    PRECHARGE,
    READ,
    READ_PRECHARGE,
    WRITE,
    WRITE_PRECHARGE,
    Banks,
    Constraint,
)
from accel.dram.spec import DramSpec

#: A controller that waits for nothing.
NEVER = 1 << 60


@dataclass(slots=True, kw_only=True)
class Request:
    """A transaction of one burst.

    Parameters
    ----------
    address
        In transactions; equal addresses are the same data.
    is_write
        Whether it writes.
    bank
        Number of the bank in the channel: ranks, then groups, then banks.
    row
        Row of the bank.
    accepted, finished
        Clocks: when the controller took it, when its last data is on the bus; -1 before.
    command
        What the bank has to do for it next; kept by the controller.
    """

    address: int
    is_write: bool
    bank: int
    row: int
    accepted: int = -1
    finished: int = -1
    command: int = -1


class Controller(Protocol):
    """A channel's controller, advanced clock by clock; it skips what changes nothing."""

    banks: Banks

    def can_accept(self, is_write: bool) -> bool:
        """Return whether there is room for a request."""

    def accept(self, request: Request, clock: int) -> None:
        """Take a request before the clock's tick."""

    def tick(self, clock: int) -> bool:
        """Do what happens in a clock; return whether anything did."""

    def next_change(self, clock: int) -> int:
        """Return the first clock behind this one in which a tick does something by itself."""

    def is_idle(self) -> bool:
        """Return whether nothing is left to do but refreshes."""


class Buffered:
    """Banks with a buffer for reads and one for writes: what every controller here has."""

    def __init__(self, spec: DramSpec, constraints: Iterable[Constraint]) -> None:
        self.banks = Banks(spec, constraints)
        self._spec = spec
        self._reads: list[Request] = []
        self._writes: list[Request] = []
        self._read_command = READ_PRECHARGE if spec.closes_pages else READ
        self._write_command = WRITE_PRECHARGE if spec.closes_pages else WRITE

    def can_accept(self, is_write: bool) -> bool:
        """Return whether there is room for a request."""
        if is_write:
            return len(self._writes) < self._spec.write_queue
        return len(self._reads) < self._spec.read_queue

    def _needed(self, request: Request) -> int:
        """Return the command that brings a request on: open its row, close another's, or access."""
        open_row = self.banks.open_row[request.bank]
        if open_row == CLOSED:
            return ACTIVATE
        if open_row != request.row:
            return PRECHARGE
        return self._write_command if request.is_write else self._read_command


def still_to_come(earliest: int, clock: int) -> int:
    """Return a clock from which a command may be issued, or never if it has passed."""
    return earliest if earliest > clock else NEVER
