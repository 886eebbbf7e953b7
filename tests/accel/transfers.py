"""Transfers of some bytes, for tests of main memories."""

from __future__ import annotations

from accel.dma import Transfer
from accel.memory import MainMemory, Served
from isa.instruction import Access, Load, Operand, Store


def transfer(
    size_bytes: int, *, base: int = 0, engine: int = 0, is_write: bool = False
) -> Transfer:
    """Return a transfer of contiguous bytes."""
    move = store if is_write else load
    return Transfer(engine, move(size_bytes, base))


def load(size_bytes: int, base: int) -> Load:
    """Return a load of contiguous bytes."""
    return Load(
        source=Access(space=0, base=base, strides=(1,)),
        destination=Access(space=1, base=0, strides=(1,)),
        shape=(size_bytes,),
        before=(0,),
        after=(0,),
        element_bytes=1,
        fill=0,
        operand=Operand.INPUT,
        tag=0,
    )


def store(size_bytes: int, base: int) -> Store:
    """Return a store of contiguous bytes."""
    return Store(
        source=Access(space=1, base=0, strides=(1,)),
        destination=Access(space=0, base=base, strides=(1,)),
        shape=(size_bytes,),
        element_bytes=1,
        operand=Operand.OUTPUT,
        tag=0,
    )


def served(memory: MainMemory, now_fs: int, what: Transfer) -> Served:
    """Ask a memory for a transfer and let it go on until that is served."""
    found: list[Served] = []
    memory.request(now_fs, what, found.append)
    while not found:
        assert memory.advance(1 << 62)
    return found[0]
