"""Ramulator 2.1's controller for HBM3, whose precharges may come on falling edges."""

from __future__ import annotations

from accel.dram.banks import ACTIVATE, COLUMN_COMMANDS, PRECHARGE, PRECHARGE_ALL, REFRESH
from accel.dram.controller import Request
from accel.dram.ramulator2 import Ramulator2Controller
from accel.dram.spec import DramSpec


class Hbm3Controller(Ramulator2Controller):
    """HBM3: time in half clocks; odd ones are rising edges, on falling ones only precharges issue.

    The falling edge in the shadow of a row command takes only a precharge of another bank, or one
    of the other pseudo-channel.
    """

    def __init__(self, spec: DramSpec) -> None:
        super().__init__(spec)
        #: The falling edge in the shadow of the last row command, and that command and its bank.
        self._shadow_edge, self._shadow_command, self._shadow_bank = -1, -1, -1

    def next_change(self, clock: int) -> int:
        """Return the next half clock while anything waits: its edge may make the difference."""
        if self._refreshes or not self.is_idle():
            return clock + 1
        return super().next_change(clock)

    def _is_edge_for(self, command: int, bank: int, now: int) -> bool:
        if now % 2:
            return True
        if command not in (PRECHARGE, PRECHARGE_ALL):
            return False
        per_rank = self._spec.banks_per_rank
        if now != self._shadow_edge or bank // per_rank != self._shadow_bank // per_rank:
            return True
        if self._shadow_command in (PRECHARGE_ALL, REFRESH):
            return False
        return command == PRECHARGE and bank != self._shadow_bank

    def _issue(self, request: Request, buffer: list[Request], now: int) -> None:
        self._cast_shadow(request.command, request.bank, now)
        super()._issue(request, buffer, now)

    def _issue_for_refresh(self, bus: tuple[int, ...], now: int) -> bool:
        command, bank = self._due()
        if not super()._issue_for_refresh(bus, now):
            return False
        self._cast_shadow(command, bank, now)
        return True

    def _cast_shadow(self, command: int, bank: int, now: int) -> None:
        if now % 2 and command not in COLUMN_COMMANDS:
            self._shadow_edge = now + (3 if command == ACTIVATE else 1)
            self._shadow_command, self._shadow_bank = command, bank
