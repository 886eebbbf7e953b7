"""The times of scripts: queues, semaphores and memories of bandwidth, event by event.

This is the machine (`accel.machine`) without what reports need: events fall in the same order,
those of one time as well, so that times are equal to the cycle. All times are numbers of core
cycles, as every queue acts on clock edges only. Compiled where there is a C compiler (types in
``replay.pxd``).
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Sequence
from itertools import accumulate
from typing import Protocol

from accel.script import (
    CODE_BITS,
    CODE_MASK,
    COLUMNS,
    CONFLICT_STALL,
    EARLIEST,
    LATENCY,
    LEAD,
    OCCUPANCY,
    PORT_STALL,
    PRODUCT,
    SIGNAL,
    TRANSFER,
    VECTOR,
    Script,
)

#: Later than everything.
NEVER = 1 << 62
MAX_FS = 2**63 - 1
#: Where it isn't known yet when a transfer lands, and where nobody waits.
UNKNOWN = -1
ZERO, NOBODY = array("q", [0]), array("q", [UNKNOWN])


class Outside(Protocol):
    """Main memories that say when transfers land by `Replay.land`."""

    def request(self, now_fs: int, queue: int, number: int) -> None:
        """Take a queue's transfer: ``number`` counts them."""

    def advance(self, until_fs: int) -> bool:
        """Go on up to a time; return whether it became known when a transfer lands."""

    def is_busy(self) -> bool:
        """Return whether there are transfers of which it isn't known when they land."""


class Pace:
    """Steps of ``numerator / denominator`` of a unit, whose ends are rounded up and don't drift.

    Parameters
    ----------
    numerator, denominator
        Without a common factor.
    """

    def __init__(self, numerator: int, denominator: int) -> None:
        self._numerator = numerator
        self._denominator = denominator
        #: Up to which products fit in 64 bits.
        self._most_steps = (MAX_FS - denominator) // max(numerator, 1)
        self._most_distance = MAX_FS // denominator

    def after(self, steps: int) -> int:
        """Return ``ceil(steps * numerator / denominator)``."""
        if steps <= self._most_steps:
            if self._denominator == 1:  # dividing takes long
                return steps * self._numerator
            return (steps * self._numerator + self._denominator - 1) // self._denominator
        large = steps  # a Python integer, of any size
        return (large * self._numerator + self._denominator - 1) // self._denominator

    def steps(self, distance: int) -> int:
        """Return the fewest steps that end at a distance or after it.

        It is the first number above ``(distance - 1) * denominator / numerator``.
        """
        if distance <= 0:
            return 0
        if distance <= self._most_distance:
            return (distance - 1) * self._denominator // self._numerator + 1
        large = distance - 1
        return large * self._denominator // self._numerator + 1


class Replay:
    """Queues of operations, and what they share.

    Parameters
    ----------
    clock
        Of the cores: a cycle's length in femtoseconds.
    outstanding
        Transfers that a queue may have under way.
    paces, latencies_fs
        Of each main memory of bandwidth: a byte's length in femtoseconds, and the latency.
    cores
        What they run side by side.
    outside
        All main memories, where they aren't of bandwidth and latency alone.
    """

    def __init__(
        self,
        clock: Pace,
        outstanding: int,
        paces: Sequence[Pace],
        latencies_fs: Sequence[int],
        cores: Sequence[Script],
        outside: Outside | None = None,
    ) -> None:
        self.now = 0
        self._outside = outside
        self._clock = clock
        self._outstanding = outstanding
        self._paces = list(paces)
        self._latency_fs = array("q", latencies_fs)
        memories = len(paces)
        self._since_fs, self._served_bytes = ZERO * memories, ZERO * memories
        self._free_fs = ZERO * memories
        queues = [queue for core in cores for queue in core.queues]
        self._operations = _joined([queue.operations for queue in queues])
        self._products = _joined([core.products for core in cores])
        starts = _starts([len(queue.operations) for queue in queues])
        self._next, self._end = array("q", starts), array("q", starts[1:])
        self._product_base = _by_queue(cores, [len(core.products) for core in cores])
        self._semaphore_base = _by_queue(cores, [len(core.tokens) for core in cores])
        tokens = array("q", _joined([core.tokens for core in cores]))
        self._first_token, self._taken = ZERO * len(tokens), ZERO * len(tokens)
        self._given, self._waiter = tokens, NOBODY * len(tokens)
        self._tokens = ZERO * self._place_tokens(len(queues))
        self._sizes = _joined([queue.sizes for queue in queues])
        self._memory_of = _joined([queue.memories for queue in queues])
        self._landed = NOBODY * len(self._sizes)
        self._transfer_base = array("q", _starts([len(queue.sizes) for queue in queues]))
        self._queues = len(queues)
        #: Of each queue: how far it is, the transfers so far, its next event, and its unit. The
        #: last event is that of the memories outside.
        places = len(queues) + 1
        self._phase, self._transfers, self._time = ZERO * places, ZERO * places, ZERO * places
        self._order = array("q", range(places))
        self._is_landing, self._free_cycle = ZERO * places, ZERO * places
        self._finished = ZERO * places
        self._events = places
        self._is_asleep = outside is None
        if outside is None:
            self._time[self._queues] = NEVER
        #: Of each queue the transfers of which it isn't known when they land, with what comes
        #: behind them, and the one of which it must know.
        self._unfinished: list[deque[int]] = [deque() for _ in queues]
        self._asked = NOBODY * len(queues)
        #: Of each queue the cycles in which its array worked, and the end of its last work.
        self.busy, self._busy_until = ZERO * len(queues), ZERO * len(queues)

    def _place_tokens(self, queues: int) -> int:
        """Find a place for each semaphore's tokens; return how many there will ever be."""
        for queue in range(queues):
            for number in range(self._next[queue], self._end[queue]):
                operation = self._operations[number]
                if operation & CODE_MASK == SIGNAL:
                    semaphore = self._semaphore_base[queue] + (operation >> CODE_BITS)
                    self._first_token[semaphore] += 1
        total = 0
        for semaphore in range(len(self._given)):
            own = self._first_token[semaphore] + self._given[semaphore]
            self._first_token[semaphore] = total
            total += own
        return total

    def run(self) -> int:
        """Return the cycle in which all has landed."""
        last = 0
        while True:
            queue = self._first()
            if queue < 0:
                break
            self.now = self._time[queue]
            if self._is_landing[queue]:
                self._is_landing[queue] = 0
                self._schedule(queue, self.now)
            elif queue == self._queues:
                self._go_on()
            else:
                self._time[queue] = NEVER
                self._step(queue)
        for queue in range(self._queues):
            if self._next[queue] < self._end[queue]:
                raise RuntimeError("deadlock")
            if self._finished[queue] > last:
                last = self._finished[queue]
        return last if last > self.now else self.now

    def finished(self, queue: int) -> int:
        """Return the cycle in which a queue's last work is done."""
        return self._finished[queue]

    def _first(self) -> int:
        """Return the queue whose event is the first."""
        found = UNKNOWN
        first, order = NEVER, NEVER
        for queue in range(self._queues + 1):
            time = self._time[queue]
            if time < first or (time == first and time < NEVER and self._order[queue] < order):
                found, first, order = queue, time, self._order[queue]
        return found

    def _schedule(self, queue: int, cycle: int) -> None:
        self._time[queue] = cycle
        self._order[queue] = self._events
        self._events += 1

    def _step(self, queue: int) -> None:
        """Let a queue go on until it has to wait."""
        base, number = self._semaphore_base[queue], self._next[queue]
        end = self._end[queue]
        while number < end:
            operation = self._operations[number]
            argument, code = operation >> CODE_BITS, operation & CODE_MASK
            if code == TRANSFER:
                if self._transfer(queue):
                    break
            elif code == PRODUCT:
                if self._product(queue, self._product_base[queue] + argument * COLUMNS):
                    break
            elif code == SIGNAL:
                self._signal(queue, base + argument)
            elif code == VECTOR:
                number += 1
                self._finished[queue] = self.now + argument
                self._schedule(queue, self.now + argument)
                break
            elif self._take(base + argument, queue):
                number += 1
                break
            number += 1
        self._next[queue] = number

    def _signal(self, queue: int, semaphore: int) -> None:
        """Signal once all before has finished."""
        if self._outside is not None and self._unfinished[queue]:
            self._unfinished[queue].append(-1 - semaphore)
        else:
            finished = self._finished[queue]
            self._give(semaphore, finished if finished > self.now else self.now)

    def _take(self, semaphore: int, queue: int) -> bool:
        """Take a token; return whether the queue must wait for it."""
        taken = self._taken[semaphore]
        self._taken[semaphore] = taken + 1
        if taken == self._given[semaphore]:
            self._waiter[semaphore] = queue
            return True
        ready = self._tokens[self._first_token[semaphore] + taken]
        if ready <= self.now:
            return False
        self._schedule(queue, ready)
        return True

    def _give(self, semaphore: int, cycle: int) -> None:
        """Add a token that can be taken from ``cycle`` on."""
        given = self._given[semaphore]
        self._given[semaphore] = given + 1
        queue = self._waiter[semaphore]
        if queue < 0:
            self._tokens[self._first_token[semaphore] + given] = cycle
            return
        self._waiter[semaphore] = UNKNOWN
        if cycle > self.now:
            self._is_landing[queue] = 1
            self._schedule(queue, cycle)
        else:
            self._schedule(queue, self.now)

    def _product(self, queue: int, row: int) -> bool:
        """Go on with a matrix instruction; return whether the queue must wait for it."""
        phase = self._phase[queue]
        table = self._products
        if phase == 0:
            start = self._free_cycle[queue] - table[row + LEAD]
            if start < self.now:
                start = self.now
            self._free_cycle[queue] = start + table[row + OCCUPANCY] + table[row + LEAD]
            self._phase[queue] = phase = 1
            if start > self.now:
                self._schedule(queue, start)
                return True
        if phase == 1:
            # What a pipeline finishes behind new work isn't counted twice.
            self.busy[queue] += table[row + LATENCY] - max(0, self._busy_until[queue] - self.now)
            self._busy_until[queue] = self.now + table[row + LATENCY]
            self._finished[queue] = self.now + table[row + LATENCY]
            self._phase[queue] = 2
            self._schedule(queue, self.now + table[row + EARLIEST])
            return True
        if phase == 2:
            self._phase[queue] = phase = 3
            if table[row + PORT_STALL] > 0:
                self._stall(queue, table[row + PORT_STALL])
                return True
        if phase == 3:
            self._phase[queue] = phase = 4
            if table[row + CONFLICT_STALL] > 0:
                self._stall(queue, table[row + CONFLICT_STALL])
                return True
        self._phase[queue] = 0
        return False

    def _stall(self, queue: int, cycles: int) -> None:
        """Hold an array up from now on."""
        self._free_cycle[queue] += cycles
        self._finished[queue] += cycles
        self._schedule(queue, self.now + cycles)

    def _transfer(self, queue: int) -> bool:
        """Ask for a transfer; return whether the queue must wait until it may."""
        number = self._transfers[queue]
        place = self._transfer_base[queue] + number
        if self._phase[queue] != 1 and number >= self._outstanding:
            oldest = self._landed[place - self._outstanding]
            if oldest == UNKNOWN:
                self._asked[queue] = place - self._outstanding
                self._phase[queue] = 2
                return True
            if oldest > self.now:
                self._phase[queue] = 1
                self._schedule(queue, oldest)
                return True
        self._phase[queue] = 0
        self._transfers[queue] = number + 1
        if self._outside is not None:
            self._ask(queue, number, place)
            return False
        landed = self._serve(self._memory_of[place], self._sizes[place])
        self._landed[place] = landed
        if landed > self._finished[queue]:
            self._finished[queue] = landed
        return False

    def _ask(self, queue: int, number: int, place: int) -> None:
        """Ask the memories outside for a transfer."""
        line, outside = self._unfinished[queue], self._outside
        assert outside is not None
        if line:
            line.append(place)
        outside.request(self._clock.after(self.now), queue, number)
        if self._landed[place] == UNKNOWN and not line:
            line.append(place)
        if self._is_asleep:
            self._is_asleep = False
            self._schedule(self._queues, self.now)

    def land(self, queue: int, number: int, landed_fs: int) -> None:
        """Let it be known when a queue's transfer lands."""
        place, line = self._transfer_base[queue] + number, self._unfinished[queue]
        cycle = self._clock.steps(landed_fs)
        self._landed[place] = cycle
        if self._asked[queue] == place:
            self._asked[queue] = UNKNOWN
            self._schedule(queue, self.now)
        if not line:
            self._finished[queue] = max(self._finished[queue], cycle)
        while line:
            first = line[0]
            if first < 0:
                self._give(-1 - first, max(self._finished[queue], self.now))
            elif self._landed[first] == UNKNOWN:
                return
            else:
                self._finished[queue] = max(self._finished[queue], self._landed[first])
            line.popleft()

    def _go_on(self) -> None:
        """Let the memories outside go on up to the next event of the others."""
        own, outside = self._queues, self._outside
        assert outside is not None
        while True:
            self._time[own] = NEVER
            queue = self._first()
            until = self._time[queue] if queue >= 0 else NEVER
            if queue < 0 and not outside.is_busy():
                self._is_asleep = True
                return
            limit_fs = self._clock.after(until) if queue >= 0 else MAX_FS
            if outside.advance(limit_fs):
                continue
            if queue >= 0 and outside.is_busy():
                self._schedule(own, until)
            else:
                self._is_asleep = True
            return

    def _serve(self, memory: int, size_bytes: int) -> int:
        """Return the cycle in which a transfer lands: `accel.memory.BandwidthMemory`."""
        pace: Pace = self._paces[memory]
        now_fs = self._clock.after(self.now)
        if now_fs > self._free_fs[memory]:
            self._since_fs[memory] = now_fs
            self._served_bytes[memory] = 0
        self._served_bytes[memory] += size_bytes
        free = self._since_fs[memory] + pace.after(self._served_bytes[memory])
        self._free_fs[memory] = free
        return self._clock.steps(free + self._latency_fs[memory])


def _starts(lengths: Sequence[int]) -> list[int]:
    """Return where each of some parts begins, one behind the other, and where the last one ends."""
    return list(accumulate(lengths, initial=0))


def _joined(parts: Sequence[array[int]]) -> Sequence[int]:
    """Return numbers that stay as they are, one part behind the other."""
    return memoryview(b"".join(parts)).cast("q")


def _by_queue(cores: Sequence[Script], lengths: Sequence[int]) -> array[int]:
    """Return for each queue where its core's part of something begins."""
    pairs = zip(cores, _starts(lengths), strict=False)
    return array("q", [start for core, start in pairs for _ in core.queues])
