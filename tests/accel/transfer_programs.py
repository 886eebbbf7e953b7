"""Programs that only move data, for tests of what cores share."""

from __future__ import annotations

from isa.instruction import Queue
from isa.program import Program, Space, Stream
from tests.accel.transfers import load, store

#: Half of the address space of the main memory.
HALF = 8 * 2**30
SPACES = (
    Space(name="dram", size_bytes=2 * HALF, is_main_memory=True),
    Space(name="input", size_bytes=256 * 2**10, is_main_memory=False),
)


def loads(core: int, base: int, count: int, size_bytes: int) -> Program:
    """Return a program of one core that loads ``count`` tiles, one after the other."""
    code = tuple(load(size_bytes, base + number * size_bytes) for number in range(count))
    stream = Stream(core=core, queue=Queue.LOAD)
    return Program(spaces=SPACES, semaphores=(), streams={stream: code})


def stores(core: int, base: int, size_bytes: int) -> Program:
    """Return a program of one core that stores one tile."""
    stream = Stream(core=core, queue=Queue.STORE)
    return Program(spaces=SPACES, semaphores=(), streams={stream: (store(size_bytes, base),)})
