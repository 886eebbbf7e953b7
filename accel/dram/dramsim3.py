"""A controller with the queues and policies of DRAMsim3.

Transactions wait in a read queue and a write buffer; one a clock moves to its bank's command queue.
The banks' queues take turns; within a queue the first command that is ready is issued. A row stays
open for its hits, but for four at most once an older command wants another row. Writes are drained
in batches. Ranks are refreshed in turn; a refresh stops its rank's queues until it is issued.

References
----------
.. [1] S. Li et al., "DRAMsim3: a Cycle-accurate, Thermal-Capable DRAM Simulator", IEEE CAL 2020.
"""

from __future__ import annotations

from collections.abc import Iterator

from accel.dram.banks import (
    ACTIVATE,
    CLOSED,
    COLUMN_COMMANDS,
    PRECHARGE,
    READ,
    READ_PRECHARGE,
    REFRESH,
    WRITE,
    WRITE_PRECHARGE,
    Constraint,
)
from accel.dram.controller import NEVER, Buffered, Request, still_to_come
from accel.dram.spec import DramSpec, DramTiming

#: Hits after which a row gives way to an older request (command_queue.cc, ArbitratePrecharge).
ROW_HIT_LIMIT = 4
#: Writes that are worth draining when nothing else is to do (controller.cc, ScheduleTransaction).
IDLE_DRAIN = 8


def constraints(timing: DramTiming) -> Iterator[Constraint]:
    """Yield the table of constraints of DRAMsim3's timing.cc."""
    reads, writes = (READ, READ_PRECHARGE), (WRITE, WRITE_PRECHARGE)
    t = timing
    for level, read_gap, write_gap, write_to_read in (
        ("group", max(t.burst, t.ccd_l), max(t.burst, t.ccd_l), t.write_to_read_l),
        ("rank", max(t.burst, t.ccd_s), max(t.burst, t.ccd_s), t.write_to_read_s),
        ("other_ranks", t.read_to_read_other, t.write_to_write_other, t.write_to_read_other),
    ):
        turnaround = t.read_to_write_other if level == "other_ranks" else t.read_to_write
        yield Constraint(level, reads, reads, read_gap)
        yield Constraint(level, writes, writes, write_gap)
        yield Constraint(level, reads, writes, turnaround)
        yield Constraint(level, writes, reads, write_to_read)
    yield Constraint("bank", (READ,), (PRECHARGE,), t.rtp)
    yield Constraint("bank", (WRITE,), (PRECHARGE,), t.write_to_precharge)
    yield Constraint("bank", (READ_PRECHARGE,), (ACTIVATE,), t.burst + t.rtp + t.rp)
    yield Constraint("bank", (READ_PRECHARGE,), (REFRESH,), t.rtp + t.rp)
    yield Constraint("bank", (WRITE_PRECHARGE,), (ACTIVATE, REFRESH), t.write_to_precharge + t.rp)
    yield Constraint("bank", (ACTIVATE,), (ACTIVATE,), t.rc)
    yield Constraint("bank", (ACTIVATE,), reads, t.rcd_read)
    yield Constraint("bank", (ACTIVATE,), writes, t.rcd_write)
    yield Constraint("bank", (ACTIVATE,), (PRECHARGE,), t.ras)
    yield Constraint("group", (ACTIVATE,), (ACTIVATE,), t.rrd_l)
    yield Constraint("rank", (ACTIVATE,), (ACTIVATE,), t.rrd_s)
    yield Constraint("bank", (PRECHARGE,), (ACTIVATE, REFRESH), t.rp)
    yield Constraint("rank", (PRECHARGE,), (PRECHARGE,), t.ppd)
    yield Constraint("rank", (REFRESH,), (ACTIVATE, REFRESH), t.rfc)


class DramSim3Controller(Buffered):
    """The controller of one channel."""

    def __init__(self, spec: DramSpec) -> None:
        super().__init__(spec, constraints(spec.timing))
        self._queues: list[list[Request]] = [[] for _ in range(spec.banks)]
        self._queued = 0
        self._turn = 0
        self._draining = 0
        self._pending_reads: dict[int, list[Request]] = {}
        self._pending_writes: set[int] = set()
        self._refreshes: list[int] = []
        self._next_rank = 0
        self._refresh_interval = spec.timing.refi // spec.ranks
        self._is_refreshing = False

    def accept(self, request: Request, clock: int) -> None:
        """Take a request: one whose data is in the write buffer is done at once."""
        request.accepted = clock
        if request.address in self._pending_writes:
            request.finished = clock + 1
        elif request.is_write:
            self._pending_writes.add(request.address)
            self._writes.append(request)
        elif request.address in self._pending_reads:
            self._pending_reads[request.address].append(request)
        else:
            self._pending_reads[request.address] = [request]
            self._reads.append(request)

    def tick(self, clock: int) -> bool:
        """Do what happens in a clock; return whether anything did."""
        acts = self._start_refresh(clock)
        issued = self._issue_for_refresh(clock)
        if issued is None:
            issued = self._issue_from_queues(clock)
        if issued is not None and self._spec.has_two_command_buses:
            self._issue_second(issued, clock)
        return self._schedule_transaction() or issued is not None or acts

    def next_change(self, clock: int) -> int:
        """Return the first clock behind this one in which a tick does something by itself."""
        interval = self._refresh_interval
        first = (clock // interval + 1) * interval if interval else NEVER
        for rank in self._refreshes[:1]:
            for bank in self.banks.banks_of(rank):
                command = REFRESH if self.banks.open_row[bank] == CLOSED else PRECHARGE
                first = min(first, still_to_come(self.banks.earliest(command, bank), clock))
        for bank, queue in enumerate(self._queues):
            if queue and not self._is_stopped(bank):
                for command in {self._needed(request) for request in queue}:
                    first = min(first, still_to_come(self.banks.earliest(command, bank), clock))
        return first

    def is_idle(self) -> bool:
        """Return whether nothing is left to do but refreshes; the last few writes stay."""
        is_draining = self._draining > 0 or len(self._writes) > IDLE_DRAIN
        return not self._reads and not self._queued and not is_draining

    def _start_refresh(self, clock: int) -> bool:
        if not self._refresh_interval or clock == 0 or clock % self._refresh_interval:
            return False
        self._refreshes.append(self._next_rank)
        self._next_rank = (self._next_rank + 1) % self._spec.ranks
        return True

    def _is_stopped(self, bank: int) -> bool:
        return self._is_refreshing and bank // self._spec.banks_per_rank == self._refreshes[0]

    def _issue_for_refresh(self, clock: int) -> int | None:
        """Issue the refresh that is due, or a precharge on its way; return the command."""
        if not self._refreshes:
            return None
        self._is_refreshing = True
        banks, ready = self.banks, 0
        for bank in banks.banks_of(self._refreshes[0]):
            command = REFRESH if banks.open_row[bank] == CLOSED else PRECHARGE
            if banks.earliest(command, bank) > clock:
                continue
            if command == PRECHARGE:
                banks.issue(PRECHARGE, bank, CLOSED, clock)
                return PRECHARGE
            ready += 1
        if ready < self._spec.banks_per_rank:
            return None
        rank = self._refreshes.pop(0)
        self._is_refreshing = False
        banks.issue(REFRESH, banks.banks_of(rank)[0], CLOSED, clock)
        return REFRESH

    def _issue_from_queues(self, clock: int) -> int | None:
        """Issue the first ready command of the first queue in turn that has one."""
        found = self._next_ready(clock)
        if found is None:
            return None
        self._issue(*found, clock)
        return found[1]

    def _issue_second(self, first: int, clock: int) -> None:
        """Issue a row command beside a column command, or the other way round."""
        found = self._next_ready(clock)
        if found and (found[1] in COLUMN_COMMANDS) != (first in COLUMN_COMMANDS):
            self._issue(*found, clock)

    def _next_ready(self, clock: int) -> tuple[Request, int] | None:
        for _ in range(len(self._queues)):
            self._turn = (self._turn + 1) % len(self._queues)
            queue = self._queues[self._turn]
            if queue and not self._is_stopped(self._turn):
                found = self._first_ready(queue, clock)
                if found:
                    return found
        return None

    def _first_ready(self, queue: list[Request], clock: int) -> tuple[Request, int] | None:
        for place, request in enumerate(queue):
            command = self._needed(request)
            if self.banks.earliest(command, request.bank) > clock:
                continue
            if command == PRECHARGE and (place or self._keeps_row_open(queue)):
                continue
            is_write = command in (WRITE, WRITE_PRECHARGE)
            if is_write and any(
                not other.is_write and other.address == request.address for other in queue[:place]
            ):
                continue
            return request, command
        return None

    def _keeps_row_open(self, queue: list[Request]) -> bool:
        bank = queue[0].bank
        if self.banks.hits[bank] >= ROW_HIT_LIMIT:
            return False
        return any(request.row == self.banks.open_row[bank] for request in queue)

    def _issue(self, request: Request, command: int, clock: int) -> None:
        self.banks.issue(command, request.bank, request.row, clock)
        if command not in COLUMN_COMMANDS:
            return
        self._queues[request.bank].remove(request)
        self._queued -= 1
        timing = self._spec.timing
        if request.is_write:
            request.finished = clock + timing.write_latency + timing.burst
            self._pending_writes.discard(request.address)
            return
        for waiting in self._pending_reads.pop(request.address):
            waiting.finished = clock + timing.read_latency + timing.burst

    def _schedule_transaction(self) -> bool:
        """Move the oldest transaction whose bank has room to the bank's queue."""
        is_full = len(self._writes) >= self._spec.write_queue
        if not self._draining and (
            is_full or (len(self._writes) > IDLE_DRAIN and not self._queued)
        ):
            self._draining = len(self._writes)
        source = self._writes if self._draining else self._reads
        for place, request in enumerate(source):
            queue = self._queues[request.bank]
            if len(queue) >= self._spec.command_queue:
                continue
            if request.is_write:
                if request.address in self._pending_reads:
                    self._draining = 0
                    return True
                self._draining -= 1
            queue.append(request)
            self._queued += 1
            del source[place]
            return True
        return False
