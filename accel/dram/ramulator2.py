"""A controller with the queues and policies of Ramulator 2.1.

Requests wait in a read and a write buffer. The one whose next command is ready, the oldest of them,
gets it; with its activate it moves to the active buffer, which goes first, so that no row is closed
before its first access. The write buffer is served when it is nearly full or there is nothing to
read, until it is nearly empty. All ranks are refreshed at once; a refresh stops reads and writes.

References
----------
.. [1] H. Luo et al., "Ramulator 2.0: A Modern, Modular, and Extensible DRAM Simulator", IEEE CAL
   2023.
"""

from __future__ import annotations

from collections.abc import Iterator

from accel.dram.banks import (
    ACTIVATE,
    CLOSED,
    COLUMN_COMMANDS,
    PRECHARGE,
    PRECHARGE_ALL,
    READ,
    REFRESH,
    WRITE,
    Constraint,
)
from accel.dram.controller import NEVER, Buffered, Request, still_to_come
from accel.dram.spec import DramSpec, DramTiming

#: Shares of the write buffer at which writes start and stop (controller_base.cpp).
WRITES_START, WRITES_STOP = 0.8, 0.2

_COLUMN_BUS = (READ, WRITE)
_ROW_BUS = (ACTIVATE, PRECHARGE, PRECHARGE_ALL, REFRESH)


def constraints(spec: DramSpec) -> Iterator[Constraint]:
    """Yield the table of constraints of Ramulator's standards.

    A command that holds the bus for several clocks counts from its first: what follows it waits
    longer, what it follows less long.
    """
    t = spec.timing
    slots = {ACTIVATE: t.activate_slots, READ: t.column_slots, WRITE: t.column_slots}
    for rule in _nominal(t, "rank" if spec.has_pseudochannels else "channel"):
        for command in rule.preceding:
            for following in rule.following:
                clocks = rule.clocks + slots.get(command, 1) - slots.get(following, 1)
                yield Constraint(rule.level, (command,), (following,), clocks)
    buses = (_COLUMN_BUS, _ROW_BUS) if spec.has_two_command_buses else (_COLUMN_BUS + _ROW_BUS,)
    for bus in buses:
        for command in bus:
            if slots.get(command, 1) > 1:
                yield Constraint("channel", (command,), bus, slots[command])


def _nominal(t: DramTiming, data_bus: str) -> Iterator[Constraint]:
    yield Constraint(data_bus, (READ,), (READ,), t.burst)
    yield Constraint(data_bus, (WRITE,), (WRITE,), t.burst)
    yield Constraint("rank", (READ,), (READ,), t.ccd_s)
    yield Constraint("rank", (WRITE,), (WRITE,), t.ccd_s_write)
    yield Constraint("rank", (READ,), (WRITE,), t.read_to_write)
    yield Constraint("rank", (WRITE,), (READ,), t.write_to_read_s)
    if data_bus == "channel":
        yield Constraint("other_ranks", (READ,), (READ,), t.read_to_read_other)
        yield Constraint("other_ranks", (READ,), (WRITE,), t.read_to_write_other)
        yield Constraint("other_ranks", (WRITE,), (READ,), t.write_to_read_other)
    yield Constraint("rank", (READ,), (PRECHARGE_ALL,), t.rtp)
    yield Constraint("rank", (WRITE,), (PRECHARGE_ALL,), t.write_to_precharge)
    yield Constraint("rank", (ACTIVATE,), (ACTIVATE,), t.rrd_s)
    yield Constraint("rank", (ACTIVATE,), (PRECHARGE_ALL,), t.ras)
    yield Constraint("rank", (PRECHARGE_ALL,), (ACTIVATE,), t.rp_all)
    if t.ppd:
        both = (PRECHARGE, PRECHARGE_ALL)
        yield Constraint("rank", both, both, t.ppd)
    yield Constraint("rank", (ACTIVATE,), (REFRESH,), t.rc)
    yield Constraint("rank", (PRECHARGE, PRECHARGE_ALL), (REFRESH,), t.rp)
    yield Constraint("rank", (REFRESH,), (ACTIVATE, PRECHARGE_ALL), t.rfc)
    yield Constraint("group", (READ,), (READ,), t.ccd_l)
    yield Constraint("group", (WRITE,), (WRITE,), t.ccd_l_write)
    yield Constraint("group", (WRITE,), (READ,), t.write_to_read_l)
    yield Constraint("group", (ACTIVATE,), (ACTIVATE,), t.rrd_l)
    yield Constraint("bank", (ACTIVATE,), (ACTIVATE,), t.rc)
    yield Constraint("bank", (ACTIVATE,), (READ,), t.rcd_read)
    yield Constraint("bank", (ACTIVATE,), (WRITE,), t.rcd_write)
    yield Constraint("bank", (ACTIVATE,), (PRECHARGE,), t.ras)
    yield Constraint("bank", (PRECHARGE,), (ACTIVATE,), t.rp)
    yield Constraint("bank", (READ,), (PRECHARGE,), t.rtp)
    yield Constraint("bank", (WRITE,), (PRECHARGE,), t.write_to_precharge)


class Ramulator2Controller(Buffered):
    """The controller of one channel."""

    def __init__(self, spec: DramSpec) -> None:
        super().__init__(spec, constraints(spec))
        self._active: list[Request] = []
        self._active_in = [0] * spec.banks
        self._refreshes: list[int] = []
        self._next_refresh = spec.timing.refi or NEVER
        self._is_writing = False
        two = spec.has_two_command_buses
        self._buses = (_COLUMN_BUS, _ROW_BUS) if two else (_COLUMN_BUS + _ROW_BUS,)

    def accept(self, request: Request, clock: int) -> None:
        """Take a request: a read whose data is in the write buffer is done at once."""
        request.accepted = clock
        if request.is_write:
            self._writes.append(request)
        elif any(write.address == request.address for write in self._writes):
            request.finished = clock + 1
        else:
            self._reads.append(request)

    def tick(self, clock: int) -> bool:
        """Do what happens in a clock; return whether anything did.

        Ramulator counts the clock before it looks at its queues: commands of this tick are those
        of the next clock.
        """
        now = clock + 1
        acts = now == self._next_refresh
        if acts:
            self._next_refresh += self._spec.timing.refi
            self._refreshes += range(self._spec.ranks)
        for bus in self._buses:
            acts = self._issue_on(bus, now) or acts
        return acts

    def next_change(self, clock: int) -> int:
        """Return the first clock behind this one in which a tick does something by itself."""
        now = clock + 1
        first = self._next_refresh
        if self._refreshes:
            command, bank = self._due()
            first = min(first, still_to_come(self._earliest_for_rank(command, bank), now))
        waiting = [self._active]
        if not self._refreshes:
            waiting.append(self._writes if self._is_writing else self._reads)
        for buffer in waiting:
            for request in buffer:
                earliest = self.banks.earliest(self._needed(request), request.bank)
                first = min(first, still_to_come(earliest, now))
        return first - 1

    def is_idle(self) -> bool:
        """Return whether nothing is left to do but refreshes."""
        return not self._reads and not self._writes and not self._active

    def _issue_on(self, bus: tuple[int, ...], now: int) -> bool:
        """Issue a command on a bus: for an active request, a refresh, a read or a write."""
        request = self._best(self._active, bus, now) if READ in bus else None
        if request is not None:
            self._issue(request, self._active, now)
            return True
        if self._refreshes:
            return self._issue_for_refresh(bus, now)
        buffer = self._served_buffer()
        request = self._best(buffer, bus, now)
        if request is None:
            return False
        self._issue(request, buffer, now)
        return True

    def _served_buffer(self) -> list[Request]:
        share = len(self._writes) / self._spec.write_queue
        if not self._is_writing and (share > WRITES_START or not self._reads):
            self._is_writing = True
        elif self._is_writing and share < WRITES_STOP and self._reads:
            self._is_writing = False
        return self._writes if self._is_writing else self._reads

    def _best(self, buffer: list[Request], bus: tuple[int, ...], now: int) -> Request | None:
        """Return the oldest request whose next command is on the bus and may be issued now."""
        hits: dict[int, int] = {}
        for request in buffer:
            request.command = self._needed(request)
            if request.command in COLUMN_COMMANDS:
                oldest = hits.get(request.bank, request.accepted)
                hits[request.bank] = min(oldest, request.accepted)
        best = None
        for request in buffer:
            if request.command not in bus:
                continue
            if request.command == PRECHARGE and self._is_kept_open(request, hits):
                continue
            if not self._is_edge_for(request.command, request.bank, now):
                continue
            if best is not None and request.accepted >= best.accepted:
                continue
            if self.banks.earliest(request.command, request.bank) <= now:
                best = request
        return best

    def _is_edge_for(self, _command: int, _bank: int, _now: int) -> bool:
        """Return whether a command may be issued on this edge of the clock."""
        return True

    def _is_kept_open(self, request: Request, hits: dict[int, int]) -> bool:
        if self._active_in[request.bank]:
            return True
        if not self._spec.row_hits_first:
            return False
        return hits.get(request.bank, NEVER) <= request.accepted

    def _issue(self, request: Request, buffer: list[Request], now: int) -> None:
        command = request.command
        self.banks.issue(command, request.bank, request.row, now)
        if command == PRECHARGE:
            return
        buffer.remove(request)
        if command == ACTIVATE:
            self._active.append(request)
            self._active_in[request.bank] += 1
            return
        if buffer is self._active:
            self._active_in[request.bank] -= 1
        timing = self._spec.timing
        latency = timing.write_latency if request.is_write else timing.read_latency
        request.finished = now + latency + timing.burst

    def _due(self) -> tuple[int, int]:
        """Return what the next refresh needs, and a bank of its rank."""
        banks = self.banks.banks_of(self._refreshes[0])
        is_open = any(self.banks.open_row[bank] != CLOSED for bank in banks)
        return (PRECHARGE_ALL if is_open else REFRESH), banks[0]

    def _earliest_for_rank(self, command: int, bank: int) -> int:
        rank = bank // self._spec.banks_per_rank
        return max(self.banks.earliest(command, each) for each in self.banks.banks_of(rank))

    def _issue_for_refresh(self, bus: tuple[int, ...], now: int) -> bool:
        command, bank = self._due()
        if command not in bus or self._earliest_for_rank(command, bank) > now:
            return False
        if not self._is_edge_for(command, bank, now):
            return False
        rank_banks = self.banks.banks_of(self._refreshes[0])
        if command == PRECHARGE_ALL and any(self._active_in[each] for each in rank_banks):
            return False
        self.banks.issue(command, bank, CLOSED, now)
        if command == REFRESH:
            self._refreshes.pop(0)
        return True
