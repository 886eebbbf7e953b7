"""Requests in numbered slots and linked lists: the queues of a controller, without objects."""

from __future__ import annotations

from array import array

from accel.dram.commands import NONE

#: Lists of addresses by hash: a power of two above what the queues hold, so that most are short.
BUCKETS = 1024


class Requests:
    """Slots that hold requests, and lists of slots.

    Parameters
    ----------
    slots
        Room at the start; it grows when needed.
    lists
        Number of lists.

    Notes
    -----
    A request has an ``address`` in transactions (equal addresses are the same data), a ``bank`` of
    the channel, a ``row``, ``is_write``, a number ``transfer`` of what it belongs to, and an
    ``order``, in which requests were added.
    """

    def __init__(self, slots: int, lists: int) -> None:
        self.address = array("q", [0]) * slots
        self.bank = array("q", [0]) * slots
        self.row = array("q", [0]) * slots
        self.is_write = array("q", [0]) * slots
        self.transfer = array("q", [0]) * slots
        self.accepted = array("q", [0]) * slots
        self.order = array("q", [0]) * slots
        self.following = array("q", range(1, slots + 1))
        self.following[slots - 1] = NONE
        self._preceding = array("q", [NONE]) * slots
        self._in_bucket = array("q", [NONE]) * slots
        self._free = 0
        self._added = 0
        self._slots = slots
        self._bucket = array("q", [NONE]) * BUCKETS
        self.head = array("q", [NONE]) * lists
        self._tail = array("q", [NONE]) * lists
        self.length = array("q", [0]) * lists

    def add(
        self, address: int, bank: int, row: int, is_write: bool, transfer: int, clock: int
    ) -> int:
        """Put a request into a free slot, and return its number."""
        if self._free == NONE:
            self._grow()
        slot = self._free
        self._free = self.following[slot]
        self.address[slot] = address
        self.bank[slot] = bank
        self.row[slot] = row
        self.is_write[slot] = is_write
        self.transfer[slot] = transfer
        self.accepted[slot] = clock
        self.order[slot] = self._added
        self._added += 1
        return slot

    def release(self, slot: int) -> None:
        """Free a slot, which is in no list."""
        self.following[slot] = self._free
        self._free = slot

    def append(self, number: int, slot: int) -> None:
        """Put a slot at the end of a list."""
        last = self._tail[number]
        self._preceding[slot] = last
        self.following[slot] = NONE
        if last == NONE:
            self.head[number] = slot
        else:
            self.following[last] = slot
        self._tail[number] = slot
        self.length[number] += 1

    def remove(self, number: int, slot: int) -> None:
        """Take a slot out of a list."""
        before, after = self._preceding[slot], self.following[slot]
        if before == NONE:
            self.head[number] = after
        else:
            self.following[before] = after
        if after == NONE:
            self._tail[number] = before
        else:
            self._preceding[after] = before
        self.length[number] -= 1

    def index(self, slot: int) -> None:
        """Let a slot be found by its address."""
        bucket = self._bucket_of(self.address[slot])
        self._in_bucket[slot] = self._bucket[bucket]
        self._bucket[bucket] = slot

    def forget(self, slot: int) -> None:
        """Let a slot be found no more."""
        bucket = self._bucket_of(self.address[slot])
        if self._bucket[bucket] == slot:
            self._bucket[bucket] = self._in_bucket[slot]
            return
        before = self._bucket[bucket]
        while self._in_bucket[before] != slot:
            before = self._in_bucket[before]
        self._in_bucket[before] = self._in_bucket[slot]

    def find(self, address: int, is_write: bool) -> int:
        """Return an indexed slot of an address that writes or reads, the last one; or ``NONE``."""
        slot = self._bucket[self._bucket_of(address)]
        while slot != NONE and (self.address[slot] != address or self.is_write[slot] != is_write):
            slot = self._in_bucket[slot]
        return slot

    def _bucket_of(self, address: int) -> int:
        return (address ^ (address >> 10) ^ (address >> 20)) & (BUCKETS - 1)

    def _grow(self) -> None:
        """Double the slots."""
        slots = self._slots
        self.address = array("q", self.address) * 2
        self.bank = array("q", self.bank) * 2
        self.row = array("q", self.row) * 2
        self.is_write = array("q", self.is_write) * 2
        self.transfer = array("q", self.transfer) * 2
        self.accepted = array("q", self.accepted) * 2
        self.order = array("q", self.order) * 2
        self._preceding = array("q", self._preceding) * 2
        self._in_bucket = array("q", self._in_bucket) * 2
        following = array("q", self.following) * 2
        for slot in range(slots, 2 * slots):
            following[slot] = slot + 1
        following[2 * slots - 1] = NONE
        self.following = following
        self._free = slots
        self._slots = 2 * slots
