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

from array import array

from accel.dram.commands import (
    ACTIVATE,
    CLOSED,
    EVER,
    NEVER,
    NONE,
    PRECHARGE,
    PRECHARGE_ALL,
    READ,
    REFRESH,
)
from accel.dram.controller import Controller
from accel.dram.ramulator2_rules import command_buses, constraints, drain_thresholds
from accel.dram.spec import DramSpec
from accel.dram.transfers import Transfers

#: Lists of requests: the active ones; then for each bank those of the read buffer, and for each
#: bank those of the write buffer.
ACTIVE, FIRST_READS = range(2)


class Ramulator2Controller(Controller):
    """The controller of one channel.

    A bank's requests in a buffer aren't looked at before their ``_wake``, a clock before which none
    of them can have become ready. What other banks do only delays them; whatever else happens to
    the bank or its requests sets that clock anew.
    """

    def __init__(
        self, spec: DramSpec, transfers: Transfers | None = None, posts_writes: bool = False
    ) -> None:
        super().__init__(
            spec,
            constraints(spec),
            FIRST_READS + 2 * spec.banks,
            transfers or Transfers(spec.read_queue),
            posts_writes,
        )
        self._banks = spec.banks
        self._first_writes = FIRST_READS + spec.banks
        self._row_hits_first = spec.row_hits_first
        #: Active requests of each bank, and a clock before which none of them can be ready.
        self._active_in = array("q", [0]) * spec.banks
        self._active_wake = NEVER
        #: For each list: requests that find their row open, and when to look at it again.
        self._hits = array("q", [0]) * (FIRST_READS + 2 * spec.banks)
        self._wake = array("q", [EVER]) * (FIRST_READS + 2 * spec.banks)
        #: Lists that aren't empty, of reads and behind them of writes, in any order; how many; and
        #: where each list stands there.
        self._occupied = array("q", [0]) * (2 * spec.banks)
        self._occupied_lists = array("q", [0, 0])
        self._place = array("q", [NONE]) * (FIRST_READS + 2 * spec.banks)
        self._refresh_interval = spec.timing.refi
        self._next_refresh = spec.timing.refi or NEVER
        self._next_rank = 0
        self._is_writing = False
        self._writes_start, self._writes_stop = drain_thresholds(spec.write_queue)
        #: When a list that was just looked at may have a ready request.
        self._found_wake = NEVER
        buses = command_buses(spec)
        self._has_row_bus = len(buses) > 1
        self._main_bus, self._row_bus = buses[0], buses[len(buses) - 1]

    def accept(
        self, address: int, bank: int, row: int, is_write: bool, transfer: int, clock: int
    ) -> None:
        """Take a request: a read whose data is in the write buffer is done at once."""
        if not is_write and self._requests.find(address, True) != NONE:
            self._transfers.finish(transfer, clock + 1)
            return
        slot = self._requests.add(address, bank, row, is_write, transfer, clock)
        number = (self._first_writes if is_write else FIRST_READS) + bank
        self._requests.append(number, slot)
        if self.banks.open_row[bank] == row:
            self._hits[number] += 1
        self._wake[number] = EVER
        if self._place[number] == NONE:
            self._enter(number)
        if is_write:
            self._requests.index(slot)
            self.writes += 1
            self._post(transfer, clock)
        else:
            self.reads += 1

    def tick(self, clock: int) -> bool:
        """Do what happens in a clock; return whether anything did.

        Ramulator counts the clock before it looks at its queues: commands of this tick are those
        of the next clock.
        """
        now = clock + 1
        acts = False
        if now == self._next_refresh:
            self._next_refresh += self._refresh_interval
            self.refreshes_due += self.banks.ranks
            acts = True
        if self._issue_on(self._main_bus, now):
            acts = True
        if self._has_row_bus and self._issue_on(self._row_bus, now):
            acts = True
        return acts

    def next_change(self, clock: int) -> int:
        """Return the first clock behind this one in which a tick may do something by itself."""
        now, first = clock + 1, self._next_refresh
        if self.refreshes_due:
            earliest = self._earliest_for_rank(self._due())
            if now < earliest < first:
                first = earliest
        else:
            buffer = 1 if self._is_writing else 0
            for place in range(self._occupied_lists[buffer]):
                wake = self._wake[self._occupied[buffer * self._banks + place]]
                if wake < first:
                    first = wake
        first = min(first, self._active_wake)
        return first - 1 if first > now else clock + 1

    def is_idle(self) -> bool:
        """Return whether nothing is left to do but refreshes."""
        return self.reads == 0 and self.writes == 0 and self._requests.length[ACTIVE] == 0

    def waits_for_row(self) -> bool:
        """Return whether no waiting request finds its row open."""
        if self._requests.length[ACTIVE]:
            return False
        buffer = 1 if self._is_writing else 0
        for place in range(self._occupied_lists[buffer]):
            if self._hits[self._occupied[buffer * self._banks + place]]:
                return False
        return True

    def _issue_on(self, bus: int, now: int) -> bool:
        """Issue a command on a bus: for an active request, a refresh, a read or a write."""
        slot = self._best_active(now) if bus >> READ & 1 == 1 else NONE
        if slot != NONE:
            self._issue(slot, ACTIVE, now)
            return True
        if self.refreshes_due:
            return self._issue_for_refresh(bus, now)
        slot = self._best_waiting(bus, now)
        if slot == NONE:
            return False
        self._issue(slot, self._list_of(slot), now)
        return True

    def _list_of(self, slot: int) -> int:
        """Return the list that a request waits in."""
        first = self._first_writes if self._requests.is_write[slot] else FIRST_READS
        return first + self._requests.bank[slot]

    def _best_active(self, now: int) -> int:
        """Return the active request that was accepted first of those that are ready."""
        if now < self._active_wake:
            return NONE
        requests, best, wake = self._requests, NONE, NEVER
        slot = requests.head[ACTIVE]
        while slot != NONE:
            # Its row is open: nobody closes it before its access.
            command = self._write_command if requests.is_write[slot] else self._read_command
            earliest = self.banks.earliest(command, requests.bank[slot])
            wake = min(wake, earliest)
            if (
                earliest <= now
                and (best == NONE or requests.accepted[slot] < requests.accepted[best])
                and self._is_edge_for(command, requests.bank[slot], now)
            ):
                best = slot
            slot = requests.following[slot]
        self._active_wake = wake
        return best

    def _best_waiting(self, bus: int, now: int) -> int:
        """Return the oldest request of the served buffer whose command is ready, on a bus."""
        buffer, best = self._served_buffer(), NONE
        for place in range(self._occupied_lists[buffer]):
            number = self._occupied[buffer * self._banks + place]
            if self._wake[number] > now:
                continue
            head = self._requests.head[number]
            if best != NONE and self._requests.order[head] > self._requests.order[best]:
                continue
            command = self._only_command(number, self._requests.bank[head])
            if command != NONE:
                earliest = self.banks.earliest(command, self._requests.bank[head])
                if earliest > now:
                    self._wake[number] = earliest
                    continue
                if bus >> command & 1 == 0:
                    continue
            slot = self._candidate(number, bus, now)
            if slot != NONE and (
                best == NONE or self._requests.order[slot] < self._requests.order[best]
            ):
                best = slot
        return best

    def _only_command(self, number: int, bank: int) -> int:
        """Return what all requests of a list need; ``NONE`` if they need different commands."""
        if self.banks.open_row[bank] == CLOSED:
            return ACTIVATE
        if self._hits[number] == 0:
            return PRECHARGE
        if self._hits[number] < self._requests.length[number]:
            return NONE
        return self._write_command if number >= self._first_writes else self._read_command

    def _served_buffer(self) -> int:
        """Return 0 for the reads or 1 for the writes; they change places by the writes' share."""
        if not self._is_writing and (self.writes >= self._writes_start or self.reads == 0):
            self._is_writing = True
        elif self._is_writing and self.writes < self._writes_stop and self.reads:
            self._is_writing = False
        return 1 if self._is_writing else 0

    def _candidate(self, number: int, bus: int, now: int) -> int:
        """Return a list's oldest request that is ready, or ``NONE`` and note when to look again."""
        requests = self._requests
        head = requests.head[number]
        bank = requests.bank[head]
        if self._is_held(bank):
            return NONE
        self._found_wake = NEVER
        if self.banks.open_row[bank] == CLOSED:
            best = head if self._may_issue(head, bus, now) else NONE
        else:
            best = self._hit_or_miss(number, head, bus, now)
        self._wake[number] = self._found_wake
        return best

    def _hit_or_miss(self, number: int, head: int, bus: int, now: int) -> int:
        """Return a list's oldest row hit or row miss: which is ready, or the older one of both."""
        requests, hit, miss = self._requests, NONE, NONE
        if self._hits[number]:
            hit = self._first_of(head, True)
        if self._hits[number] < requests.length[number]:
            miss = self._first_of(head, False)
            if self._is_kept_open(miss, hit):
                miss = NONE
        can_hit = hit != NONE and self._may_issue(hit, bus, now)
        can_miss = miss != NONE and self._may_issue(miss, bus, now)
        if can_hit and not (can_miss and requests.order[miss] < requests.order[hit]):
            return hit
        return miss if can_miss else NONE

    def _may_issue(self, slot: int, bus: int, now: int) -> bool:
        """Return whether a request's command may be issued on a bus; note when it is ready."""
        command, bank = self._needed(slot), self._requests.bank[slot]
        earliest = self.banks.earliest(command, bank)
        self._found_wake = min(self._found_wake, max(earliest, now))
        return earliest <= now and bus >> command & 1 == 1 and self._is_edge_for(command, bank, now)

    def _first_of(self, head: int, is_hit: bool) -> int:
        """Return a list's first request whose row is, or isn't, the open one."""
        requests, slot = self._requests, head
        open_row = self.banks.open_row[requests.bank[head]]
        while (requests.row[slot] == open_row) != is_hit:
            slot = requests.following[slot]
        return slot

    def _is_edge_for(self, _command: int, _bank: int, _now: int) -> bool:
        """Return whether a command may be issued on this edge of the clock."""
        return True

    def _is_held(self, _bank: int) -> bool:
        """Return whether a bank's requests have to wait for what isn't a command of theirs."""
        return False

    def _is_kept_open(self, miss: int, hit: int) -> bool:
        """Return whether a bank's row stays open against its oldest row miss."""
        if self._active_in[self._requests.bank[miss]]:
            return True
        if not self._row_hits_first or hit == NONE:
            return False
        return self._requests.accepted[hit] <= self._requests.accepted[miss]

    def _issue(self, slot: int, number: int, now: int) -> None:
        """Issue what a request needs; ``number`` is the list that it is in."""
        requests, command = self._requests, self._needed(slot)
        bank = requests.bank[slot]
        self.banks.issue(command, bank, requests.row[slot], now)
        if command == PRECHARGE:
            self._set_hits(bank)
            return
        if number == ACTIVE:
            requests.remove(ACTIVE, slot)
            self._active_in[bank] -= 1
        else:
            self._leave_buffer(slot, number)
        if command == ACTIVATE:
            self._set_hits(bank)
            self._activated(slot, now)
            return
        if number != ACTIVE:
            self._hits[number] -= 1
        self._wake[FIRST_READS + bank] = EVER
        self._wake[self._first_writes + bank] = EVER
        self._access(slot, now)
        requests.release(slot)

    def _activated(self, slot: int, _now: int) -> None:
        """Go on with a request whose activate was issued."""
        self._make_active(slot)

    def _make_active(self, slot: int) -> None:
        """Put a request whose row is being opened where it goes first."""
        self._requests.append(ACTIVE, slot)
        self._active_in[self._requests.bank[slot]] += 1
        self._active_wake = EVER

    def _leave_buffer(self, slot: int, number: int) -> None:
        self._requests.remove(number, slot)
        if self._requests.length[number] == 0:
            self._leave(number)
        if self._requests.is_write[slot]:
            self._requests.forget(slot)
            self.writes -= 1
        else:
            self.reads -= 1

    def _set_hits(self, bank: int) -> None:
        """Count the row hits of a bank's requests anew, and look at them again."""
        self._hits[FIRST_READS + bank] = self._count_hits(FIRST_READS + bank)
        self._hits[self._first_writes + bank] = self._count_hits(self._first_writes + bank)
        self._wake[FIRST_READS + bank] = EVER
        self._wake[self._first_writes + bank] = EVER

    def _count_hits(self, number: int) -> int:
        slot, hits = self._requests.head[number], 0
        while slot != NONE:
            if self._requests.row[slot] == self.banks.open_row[self._requests.bank[slot]]:
                hits += 1
            slot = self._requests.following[slot]
        return hits

    def _due(self) -> int:
        """Return what the next refresh needs."""
        first = self._next_rank * self.banks.per_rank
        for bank in range(first, first + self.banks.per_rank):
            if self.banks.open_row[bank] != CLOSED:
                return PRECHARGE_ALL
        return REFRESH

    def _earliest_for_rank(self, command: int) -> int:
        """Return when all banks of the rank to be refreshed may get a command."""
        first, clock = self._next_rank * self.banks.per_rank, EVER
        for bank in range(first, first + self.banks.per_rank):
            clock = max(clock, self.banks.earliest(command, bank))
        return clock

    def _issue_for_refresh(self, bus: int, now: int) -> bool:
        command, first = self._due(), self._next_rank * self.banks.per_rank
        if bus >> command & 1 == 0 or self._earliest_for_rank(command) > now:
            return False
        if not self._is_edge_for(command, first, now):
            return False
        for bank in range(first, first + self.banks.per_rank):
            if (command == PRECHARGE_ALL and self._active_in[bank]) or self._is_held(bank):
                return False
        self.banks.issue(command, first, CLOSED, now)
        for bank in range(first, first + self.banks.per_rank):
            self._set_hits(bank)
        if command == REFRESH:
            self.refreshed = now + self._refresh_clocks
            self.refreshes_due -= 1
            self._next_rank = (self._next_rank + 1) % self.banks.ranks
        return True

    def _enter(self, number: int) -> None:
        """Put a list among those that aren't empty."""
        buffer = 1 if number >= self._first_writes else 0
        place = self._occupied_lists[buffer]
        self._occupied[buffer * self._banks + place] = number
        self._place[number] = place
        self._occupied_lists[buffer] += 1

    def _leave(self, number: int) -> None:
        """Take a list off those that aren't empty."""
        buffer = 1 if number >= self._first_writes else 0
        place = self._place[number]
        self._occupied_lists[buffer] -= 1
        last = self._occupied[buffer * self._banks + self._occupied_lists[buffer]]
        self._occupied[buffer * self._banks + place] = last
        self._place[last] = place
        self._place[number] = NONE
