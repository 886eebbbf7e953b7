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

from array import array

from accel.dram.commands import (
    ACTIVATE,
    CLOSED,
    NEVER,
    NONE,
    PRECHARGE,
    READ,
    REFRESH,
    WRITE_PRECHARGE,
)
from accel.dram.controller import Controller
from accel.dram.dramsim3_rules import IDLE_DRAIN, ROW_HIT_LIMIT, constraints
from accel.dram.spec import DramSpec
from accel.dram.transfers import Transfers

#: Lists of requests: the read queue, the write buffer, a queue for each bank.
READS, WRITES, FIRST_BANK = range(3)


class DramSim3Controller(Controller):
    """The controller of one channel.

    A bank's queue isn't looked at before its ``_wake``, a clock before which none of its requests
    can have become ready. What other banks do only delays them; whatever else happens to the bank
    or its queue sets that clock anew.
    """

    def __init__(
        self, spec: DramSpec, transfers: Transfers | None = None, posts_writes: bool = False
    ) -> None:
        super().__init__(
            spec,
            constraints(spec.timing),
            FIRST_BANK + spec.banks,
            transfers or Transfers(spec.read_queue),
            posts_writes,
        )
        self._banks = spec.banks
        self._command_queue = spec.command_queue
        self._has_two_buses = spec.has_two_command_buses
        #: Commands in the banks' queues, and those of them that write.
        self._queued = 0
        self._queued_writes = 0
        self._turn = 0
        self._draining = 0
        #: Banks with requests in their queue, in any order, and where each stands there.
        self._occupied = array("q", [0]) * spec.banks
        self._place = array("q", [NONE]) * spec.banks
        self._occupied_banks = 0
        self._wake = array("q", [NEVER]) * spec.banks
        #: Head of the list of reads that wait for the same data as a read in a slot.
        self._waiting = array("q", [NONE]) * (4 * (spec.read_queue + spec.write_queue))
        #: Reads and writes that wait for each bank's queue, and how many of them find room there.
        self._waiting_for = array("q", [0]) * (2 * spec.banks)
        self._movable = array("q", [0, 0])
        #: A clock before which no bank has to be looked at.
        self._first_wake = NEVER
        self._next_rank = 0
        self._refresh_interval = spec.timing.refi // spec.ranks
        self._next_refresh = self._refresh_interval if self._refresh_interval else NEVER
        self._stopped_rank = NONE
        self._found_command = NONE

    def accept(
        self, address: int, bank: int, row: int, is_write: bool, transfer: int, clock: int
    ) -> None:
        """Take a request: one whose data is in the write buffer is done at once."""
        if self._requests.find(address, True) != NONE:
            self._transfers.finish(transfer, clock + 1)
            return
        same = NONE if is_write else self._requests.find(address, False)
        slot = self._requests.add(address, bank, row, is_write, transfer, clock)
        if slot >= len(self._waiting):
            self._waiting = array("q", self._waiting) + array("q", [NONE]) * len(self._waiting)
        if same != NONE:
            self._requests.following[slot] = self._waiting[same]
            self._waiting[same] = slot
            return
        self._waiting[slot] = NONE
        self._requests.index(slot)
        source = WRITES if is_write else READS
        self._requests.append(source, slot)
        self._waiting_for[source * self._banks + bank] += 1
        if self._requests.length[FIRST_BANK + bank] < self._command_queue:
            self._movable[source] += 1
        if is_write:
            self.writes += 1
            self._post(transfer, clock)
        else:
            self.reads += 1

    def tick(self, clock: int) -> bool:
        """Do what happens in a clock; return whether anything did."""
        acts = False
        if clock == self._next_refresh:
            self._next_refresh += self._refresh_interval
            self.refreshes_due += 1
            acts = True
        command = self._issue_for_refresh(clock) if self.refreshes_due else NONE
        if command == NONE:
            command = self._issue_next(clock, NONE)
        if command != NONE:
            acts = True
            if self._has_two_buses:
                self._issue_next(clock, command)
        return self._schedule_transaction() or acts

    def next_change(self, clock: int) -> int:
        """Return the first clock behind this one in which a tick may do something by itself."""
        first = self._next_refresh
        if self.refreshes_due:
            bank = self._next_rank * self.banks.per_rank
            for each in range(bank, bank + self.banks.per_rank):
                command = REFRESH if self.banks.open_row[each] == CLOSED else PRECHARGE
                earliest = self.banks.earliest(command, each)
                if clock < earliest < first:
                    first = earliest
        if self._first_wake < first:
            first = self._first_wake
        return first if first > clock else clock + 1

    def is_idle(self) -> bool:
        """Return whether nothing is left to do but refreshes; the last few writes stay."""
        is_draining = self._draining > 0 or self.writes > IDLE_DRAIN
        return self.reads == 0 and self._queued == 0 and not is_draining

    def waits_for_row(self) -> bool:
        """Return whether no waiting request finds its row open."""
        for place in range(self._occupied_banks):
            bank = self._occupied[place]
            slot = self._requests.head[FIRST_BANK + bank]
            while slot != NONE:
                if self._requests.row[slot] == self.banks.open_row[bank]:
                    return False
                slot = self._requests.following[slot]
        return True

    def _issue_for_refresh(self, clock: int) -> int:
        """Issue the refresh that is due, or a precharge on its way; return the command."""
        rank = self._next_rank
        self._stopped_rank = rank
        first, ready = rank * self.banks.per_rank, 0
        for bank in range(first, first + self.banks.per_rank):
            command = REFRESH if self.banks.open_row[bank] == CLOSED else PRECHARGE
            if self.banks.earliest(command, bank) > clock:
                continue
            if command == PRECHARGE:
                self.banks.issue(PRECHARGE, bank, CLOSED, clock)
                self._look_at(bank, clock)
                return PRECHARGE
            ready += 1
        if ready < self.banks.per_rank:
            return NONE
        self.banks.issue(REFRESH, first, CLOSED, clock)
        self.refreshed = clock + self._refresh_clocks
        self.refreshes_due -= 1
        self._next_rank = (rank + 1) % self.banks.ranks
        self._stopped_rank = NONE
        self._first_wake = clock
        return REFRESH

    def _issue_next(self, clock: int, beside: int) -> int:
        """Issue the first ready command of the first queue in turn that has one; return it.

        With a command ``beside`` it, only one of the other bus is issued.
        """
        slot = self._next_ready(clock)
        if slot == NONE:
            return NONE
        command = self._found_command
        if beside != NONE and is_column(beside) == is_column(command):
            return NONE
        self._issue(slot, command, clock)
        return command

    def _next_ready(self, clock: int) -> int:
        """Return the first ready request, the queues taking turns; or ``NONE``."""
        if clock < self._first_wake:
            return NONE
        best, best_distance, best_command = NONE, self._banks + 1, NONE
        first_wake = NEVER
        for place in range(self._occupied_banks):
            bank = self._occupied[place]
            if self._is_stopped(bank):
                continue
            if self._wake[bank] <= clock:
                distance = bank - self._turn
                if distance <= 0:
                    distance += self._banks
                if distance < best_distance:
                    slot = self._first_ready(bank, clock)
                    if slot != NONE:
                        best, best_distance, best_command = slot, distance, self._found_command
            if self._wake[bank] < first_wake:
                first_wake = self._wake[bank]
        self._first_wake = first_wake
        if best != NONE:
            self._turn = self._requests.bank[best]
            self._found_command = best_command
        return best

    def _is_stopped(self, bank: int) -> bool:
        return self._stopped_rank != NONE and self.banks.rank_of(bank) == self._stopped_rank

    def _first_ready(self, bank: int, clock: int) -> int:
        """Return a queue's first ready request, or ``NONE`` and note when to look again."""
        head = self._requests.head[FIRST_BANK + bank]
        if self.banks.open_row[bank] != CLOSED:
            return self._first_ready_of_row(bank, head, clock)
        earliest = self.banks.earliest(ACTIVATE, bank)
        if earliest > clock:
            self._wake[bank] = earliest
            return NONE
        self._found_command = ACTIVATE
        return head

    def _first_ready_of_row(self, bank: int, head: int, clock: int) -> int:
        """Return the first ready request of a queue whose bank has an open row, as above."""
        requests, open_row = self._requests, self.banks.open_row[bank]
        slot, wake = head, NEVER
        known, earliest = NONE, NEVER
        is_mixed = 0 < self._queued_writes < self._queued
        while slot != NONE:
            is_hit = requests.row[slot] == open_row
            if is_hit or slot == head:
                command = self._needed(slot)
                if command != known:
                    known, earliest = command, self.banks.earliest(command, bank)
                if earliest > clock:
                    wake = min(wake, earliest)
                elif self._is_allowed(command, slot, head):
                    self._found_command = command
                    return slot
                if is_hit and not is_mixed and earliest > clock:
                    break  # what else is useful behind it needs the same
            slot = requests.following[slot]
        self._wake[bank] = wake
        return NONE

    def _is_allowed(self, command: int, slot: int, head: int) -> bool:
        """Return whether a queue's order allows a command that is ready."""
        if command == PRECHARGE:
            return not self._keeps_row_open(head)
        return not self._overtakes_read(head, slot)

    def _overtakes_read(self, head: int, slot: int) -> bool:
        """Return whether a write would be done before an older read of its address."""
        if not self._requests.is_write[slot]:
            return False
        older = head
        while older != slot:
            is_same = self._requests.address[older] == self._requests.address[slot]
            if is_same and not self._requests.is_write[older]:
                return True
            older = self._requests.following[older]
        return False

    def _keeps_row_open(self, head: int) -> bool:
        """Return whether a row has hits left, and may serve them."""
        bank = self._requests.bank[head]
        if self.banks.hits[bank] >= ROW_HIT_LIMIT:
            return False
        slot = head
        while slot != NONE:
            if self._requests.row[slot] == self.banks.open_row[bank]:
                return True
            slot = self._requests.following[slot]
        return False

    def _issue(self, slot: int, command: int, clock: int) -> None:
        requests = self._requests
        bank = requests.bank[slot]
        self.banks.issue(command, bank, requests.row[slot], clock)
        self._look_at(bank, clock)
        if not is_column(command):
            return
        if requests.length[FIRST_BANK + bank] == self._command_queue:
            self._movable[READS] += self._waiting_for[READS * self._banks + bank]
            self._movable[WRITES] += self._waiting_for[WRITES * self._banks + bank]
        requests.remove(FIRST_BANK + bank, slot)
        self._queued -= 1
        self._queued_writes -= requests.is_write[slot]
        if requests.length[FIRST_BANK + bank] == 0:
            self._leave(bank)
        finished = self._access(slot, clock)
        waiting = self._waiting[slot]
        while waiting != NONE:
            following = requests.following[waiting]
            self._transfers.finish(requests.transfer[waiting], finished)
            requests.release(waiting)
            waiting = following
        requests.forget(slot)
        requests.release(slot)

    def _schedule_transaction(self) -> bool:
        """Move the oldest transaction whose bank has room to the bank's queue."""
        if self._draining == 0 and (
            self.writes >= self._write_queue or (self.writes > IDLE_DRAIN and self._queued == 0)
        ):
            self._draining = self.writes
        source = WRITES if self._draining else READS
        if self._movable[source] == 0:
            return False
        requests = self._requests
        slot = requests.head[source]
        while requests.length[FIRST_BANK + requests.bank[slot]] >= self._command_queue:
            slot = requests.following[slot]
        self._move(slot, source)
        return True

    def _move(self, slot: int, source: int) -> None:
        """Move a transaction to its bank's queue, or stop draining if its data is being read."""
        requests, bank = self._requests, self._requests.bank[slot]
        if source == WRITES:
            if requests.find(requests.address[slot], False) != NONE:
                self._draining = 0
                return
            self._draining -= 1
            self.writes -= 1
        else:
            self.reads -= 1
        requests.remove(source, slot)
        requests.append(FIRST_BANK + bank, slot)
        self._queued += 1
        self._queued_writes += requests.is_write[slot]
        self._waiting_for[source * self._banks + bank] -= 1
        self._movable[source] -= 1
        if requests.length[FIRST_BANK + bank] == self._command_queue:
            self._movable[READS] -= self._waiting_for[READS * self._banks + bank]
            self._movable[WRITES] -= self._waiting_for[WRITES * self._banks + bank]
        if self._place[bank] == NONE:
            self._place[bank] = self._occupied_banks
            self._occupied[self._occupied_banks] = bank
            self._occupied_banks += 1
            self._wake[bank] = NEVER
        self._look_at(bank, self.banks.earliest(self._needed(slot), bank))

    def _look_at(self, bank: int, clock: int) -> None:
        """Look at a bank again, not later than in a clock."""
        if clock < self._wake[bank]:
            self._wake[bank] = clock
        if clock < self._first_wake:
            self._first_wake = clock

    def _leave(self, bank: int) -> None:
        """Take a bank off the list of those with requests."""
        place = self._place[bank]
        self._occupied_banks -= 1
        last = self._occupied[self._occupied_banks]
        self._occupied[place] = last
        self._place[last] = place
        self._place[bank] = NONE


def is_column(command: int) -> bool:
    """Return whether a command moves data."""
    return READ <= command <= WRITE_PRECHARGE
