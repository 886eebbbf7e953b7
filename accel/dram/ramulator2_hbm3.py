"""Ramulator 2.1's controller for HBM3, whose precharges may come on falling edges."""

from __future__ import annotations

from accel.dram.commands import ACTIVATE, NONE, PRECHARGE, PRECHARGE_ALL, READ, REFRESH, WRITE
from accel.dram.ramulator2 import Ramulator2Controller
from accel.dram.spec import DramSpec
from accel.dram.transfers import Transfers


class Hbm3Controller(Ramulator2Controller):
    """HBM3: time in half clocks; odd ones are rising edges, on falling ones only precharges issue.

    The falling edge in the shadow of a row command takes only a precharge of another bank, or one
    of the other pseudo-channel.
    """

    def __init__(
        self, spec: DramSpec, transfers: Transfers | None = None, posts_writes: bool = False
    ) -> None:
        super().__init__(spec, transfers, posts_writes)
        #: The falling edge in the shadow of the last row command, and that command and its bank.
        self._shadow_edge = NONE
        self._shadow_command = NONE
        self._shadow_bank = NONE

    def next_change(self, clock: int) -> int:
        """Return the next half clock while anything waits: its edge may make the difference."""
        if self.refreshes_due or not self.is_idle():
            return clock + 1
        return Ramulator2Controller.next_change(self, clock)

    def _is_edge_for(self, command: int, bank: int, now: int) -> bool:
        if now % 2:
            return True
        if command not in (PRECHARGE, PRECHARGE_ALL):
            return False
        is_same_rank = self.banks.rank_of(bank) == self.banks.rank_of(max(self._shadow_bank, 0))
        if now != self._shadow_edge or not is_same_rank:
            return True
        if self._shadow_command in (PRECHARGE_ALL, REFRESH):
            return False
        return command == PRECHARGE and bank != self._shadow_bank

    def _issue(self, slot: int, number: int, now: int) -> None:
        self._cast_shadow(self._needed(slot), self._requests.bank[slot], now)
        Ramulator2Controller._issue(self, slot, number, now)

    def _issue_for_refresh(self, bus: int, now: int) -> bool:
        command, bank = self._due(), self._next_rank * self.banks.per_rank
        if not Ramulator2Controller._issue_for_refresh(self, bus, now):
            return False
        self._cast_shadow(command, bank, now)
        return True

    def _cast_shadow(self, command: int, bank: int, now: int) -> None:
        if now % 2 and command not in (READ, WRITE):
            self._shadow_edge = now + (3 if command == ACTIVATE else 1)
            self._shadow_command = command
            self._shadow_bank = bank
