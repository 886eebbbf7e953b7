"""The main memories of a chip with the network behind them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from accel.dma import Request
from accel.dram.memory_spec import RequestLog
from accel.memory import BandwidthMemory, MainMemory, Served, WhenServed
from accel.network import Network
from accel.shared_buffer import SharedBuffer
from accel.spec import AcceleratorSpec, MemorySpec


class Memories:
    """Main memories and a network that are idle at the start.

    Parameters
    ----------
    spec
        The chip.
    cores
        Numbers of the cores that may ask for transfers.
    log
        Called for each transfer of a DRAM with its clock, its transactions' numbers, and whether
        they write.
    """

    def __init__(
        self, spec: AcceleratorSpec, cores: Iterable[int], log: RequestLog | None = None
    ) -> None:
        self._spec = spec
        self._log = log
        self._places = {core: place for place, core in enumerate(sorted(cores))}
        self._memories = {memory.name: self._memory(memory) for memory in spec.memories}
        self._network = Network(spec.network, spec.clock_hz) if spec.network is not None else None

    def engine(self, core: int, *, is_write: bool) -> int:
        """Return the number of a core's DMA engine for loads, or for stores."""
        return 2 * self._places[core] + is_write

    def request(
        self, now_fs: int, memory: str, core: int, transfer: Request, served: WhenServed
    ) -> None:
        """Ask a main memory for a transfer; ``served`` is called once it is known when it lands."""
        if self._network is not None:
            served = partial(self._carried, self._network, core, transfer, served)
        self._memories[memory].request(now_fs, transfer, served)

    def advance(self, until_fs: int) -> bool:
        """Go on up to a time; return whether it became known when a transfer is served.

        Then a memory may have stopped there.
        """
        return any(memory.advance(until_fs) for memory in self._memories.values())

    def is_busy(self) -> bool:
        """Return whether there are transfers of which it isn't known when they are served."""
        return any(memory.is_busy() for memory in self._memories.values())

    def _carried(
        self,
        network: Network,
        core: int,
        transfer: Request,
        served: WhenServed,
        at_memory: Served,
    ) -> None:
        """Send what a memory serves over the network.

        # Approximation: a store's bytes pass the network while the memory takes them, not before.
        """
        arrival = network.carry(
            core,
            transfer.size_bytes,
            at_memory.start_fs,
            at_memory.landed_fs,
            to_memory=transfer.is_write,
        )
        later = arrival - at_memory.landed_fs
        served(at_memory._replace(landed_fs=arrival, network_fs=later))

    def _memory(self, spec: MemorySpec) -> MainMemory:
        memory: MainMemory = BandwidthMemory(spec)
        if spec.dram is not None:
            # Imported here: most machines don't need it, and it takes a while.
            from accel.dram.memory import DramMemory

            memory = DramMemory(spec.dram, engines=2 * len(self._places), log=self._log)
        shared = self._spec.shared_buffer
        return SharedBuffer(shared, memory, self._spec.clock_hz) if shared is not None else memory
