"""Programs that only move data, for tests of what cores share."""

from __future__ import annotations

from isa.instruction import Access, Load, Operand, Queue, Store
from isa.program import Program, Space, Stream

#: Half of the address space of the main memory.
HALF = 8 * 2**30
SPACES = (
    Space(name="dram", size_bytes=2 * HALF, is_main_memory=True),
    Space(name="input", size_bytes=256 * 2**10, is_main_memory=False),
)


def loads(core: int, base: int, count: int, size_bytes: int) -> Program:
    """Return a program of one core that loads ``count`` tiles, one after the other."""
    code = tuple(
        Load(
            source=Access(space=0, base=base + number * size_bytes, strides=(1,)),
            destination=Access(space=1, base=0, strides=(1,)),
            shape=(size_bytes,),
            before=(0,),
            after=(0,),
            element_bytes=1,
            fill=0,
            operand=Operand.INPUT,
            tag=number,
        )
        for number in range(count)
    )
    stream = Stream(core=core, queue=Queue.LOAD)
    return Program(spaces=SPACES, semaphores=(), streams={stream: code})


def stores(core: int, base: int, size_bytes: int) -> Program:
    """Return a program of one core that stores one tile."""
    store = Store(
        source=Access(space=1, base=0, strides=(1,)),
        destination=Access(space=0, base=base, strides=(1,)),
        shape=(size_bytes,),
        element_bytes=1,
        operand=Operand.OUTPUT,
        tag=0,
    )
    stream = Stream(core=core, queue=Queue.STORE)
    return Program(spaces=SPACES, semaphores=(), streams={stream: (store,)})
