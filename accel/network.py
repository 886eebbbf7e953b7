"""The network on the chip: how a transfer's bytes get from a memory's ports to a core, and back.

A link carries a number of bytes per cycle, and each router delays the head of a transfer. Transfers
are cut through: the head goes on before the tail has come. A link is a backlog of bytes: it works
whenever it has some, and what comes first goes first.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from accel.units import FS_PER_SECOND
from foundation.errors import SpecError

#: Shapes of a network.
TOPOLOGIES = ("crossbar", "mesh")

Numbers = NDArray[np.int64]
Router = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSpec:
    """A network between the cores of a chip and its main memories.

    Parameters
    ----------
    topology
        ``crossbar``: one switch with a link from and to each core and port. ``mesh``: a router for
        each core, in rows and columns, with a link each way between neighbours.
    rows, columns
        Of a mesh; core i sits at row i // columns and column i % columns.
    ports
        Row and column of each memory port of a mesh. A crossbar has as many; where doesn't matter.
        Main memories are interleaved over the ports.
    link_bytes_per_cycle
        Bytes that a link carries in a core cycle.
    router_delay_cycles
        Core cycles from a router's input to its output.
    """

    topology: str
    rows: int
    columns: int
    ports: tuple[Router, ...]
    link_bytes_per_cycle: int
    router_delay_cycles: int

    def __post_init__(self) -> None:
        """Check that ports lie inside, and no two at one router."""
        if self.topology != "mesh":
            return
        for row, column in self.ports:
            if row >= self.rows or column >= self.columns:
                raise SpecError(
                    f"network: port [{row}, {column}] lies outside of the mesh of"
                    f" {self.rows}x{self.columns} routers, which count from 0; move it"
                )
        if len(set(self.ports)) < len(self.ports):
            raise SpecError(
                f"network: {len(self.ports)} ports are at {len(set(self.ports))} routers; each"
                " needs a router of its own"
            )

    def check_cores(self, cores: int) -> None:
        """Raise SpecError unless every core of a chip has a router."""
        routers = self.rows * self.columns
        if self.topology == "mesh" and routers != cores:
            raise SpecError(
                f"network: a mesh of {self.rows}x{self.columns} has {routers} routers but the chip"
                f" has {cores} cores; they must be equal"
            )

    def mean_links(self, core: int) -> float:
        """Return how many links a byte passes between a core and the ports, on average."""
        if self.topology != "mesh":
            return 2.0
        row, column = divmod(core, self.columns)
        return sum(abs(row - r) + abs(column - c) for r, c in self.ports) / len(self.ports)


class Routes(NamedTuple):
    """The ways between a core and all ports.

    Links by number, through how many ports' routes each belongs to, and the longest delay of those;
    then the longest delay of all.
    """

    links: Numbers
    times: Numbers
    delays_fs: Numbers
    longest_fs: int


class Link(NamedTuple):
    """What a link has carried, for reports."""

    name: str
    size_bytes: float
    busy_fs: int


class Network:
    """The links of a chip and their backlogs.

    # Approximation: requests for data and acknowledgements take no bandwidth; a transfer's bytes
    are spread evenly over the ports; buffers never fill up, so that a transfer that waits for a
    link doesn't hold up another one behind it.

    Parameters
    ----------
    spec
        The network.
    clock_hz
        Frequency of links and routers: that of the cores.
    """

    def __init__(self, spec: NetworkSpec, clock_hz: int) -> None:
        self._spec = spec
        self._hz = clock_hz
        self._bytes_per_s = spec.link_bytes_per_cycle * clock_hz
        self._names: list[str] = []
        self._numbers: dict[str, int] = {}
        #: For each link when it is free, and the bytes of transfers in it, times the ports.
        self._free_fs = np.zeros(0, dtype=np.int64)
        self._carried = np.zeros(0, dtype=np.int64)
        self.routes = cache(self._routes)

    def carry(
        self, core: int, size_bytes: int, first_fs: int, last_fs: int, *, to_memory: bool
    ) -> int:
        """Return when the last byte of a transfer is at its target.

        Parameters
        ----------
        core
            Number of the core that reads or writes main memory.
        size_bytes
            Size of the transfer.
        first_fs, last_fs
            When the first and the last byte are at the source.
        to_memory
            Whether the core writes.
        """
        if not size_bytes:
            return last_fs
        routes = self.routes(core, to_memory)
        if not len(routes.links):
            return last_fs
        moving = self._moving_fs(size_bytes) * routes.times
        free = np.maximum(self._free_fs[routes.links], first_fs) + moving
        self._free_fs[routes.links] = free
        self._carried[routes.links] += size_bytes * routes.times
        return max(last_fs + routes.longest_fs, int((free + routes.delays_fs).max()))

    def links(self) -> list[Link]:
        """Return what each link has carried: its share of every transfer."""
        ports = len(self._spec.ports)
        return [
            Link(name, size / ports, self._moving_fs(size))
            for name, size in zip(self._names, self._carried.tolist(), strict=True)
            if size
        ]

    def _moving_fs(self, size_bytes: int) -> int:
        """Return how long a link moves a port's share of some bytes."""
        return -(-size_bytes * FS_PER_SECOND // (self._bytes_per_s * len(self._spec.ports)))

    def _routes(self, core: int, to_memory: bool) -> Routes:
        times: dict[int, int] = {}
        delays: dict[int, int] = {}
        longest = 0
        for port in range(len(self._spec.ports)):
            names, routers = self._path(core, port, to_memory)
            delay = -(-routers * self._spec.router_delay_cycles * FS_PER_SECOND // self._hz)
            longest = max(longest, delay)
            for name in names:
                link = self._link(name)
                times[link] = times.get(link, 0) + 1
                delays[link] = max(delays.get(link, 0), delay)
        return Routes(
            links=np.array(list(times), dtype=np.int64),
            times=np.array(list(times.values()), dtype=np.int64),
            delays_fs=np.array(list(delays.values()), dtype=np.int64),
            longest_fs=longest,
        )

    def _path(self, core: int, port: int, to_memory: bool) -> tuple[list[str], int]:
        """Return the links from a core to a port, or back, and the routers between them."""
        if self._spec.topology == "crossbar":
            ends = (f"core {core}", "switch", f"port {port}")
            path = ends if to_memory else ends[::-1]
            return [f"{a} to {b}" for a, b in pairwise(path)], 1
        at_core = divmod(core, self._spec.columns)
        at_port = self._spec.ports[port]
        routers = xy_path(at_core, at_port) if to_memory else xy_path(at_port, at_core)
        links = [f"{_place(a)} to {_place(b)}" for a, b in pairwise(routers)]
        return links, len(links)

    def _link(self, name: str) -> int:
        """Return the number of a link; a new one has carried nothing."""
        if name not in self._numbers:
            self._numbers[name] = len(self._names)
            self._names.append(name)
            self._free_fs = np.append(self._free_fs, 0)
            self._carried = np.append(self._carried, 0)
        return self._numbers[name]


def xy_path(source: Router, target: Router) -> list[Router]:
    """Return the routers from one to another: along the row first, then along the column.

    References
    ----------
    .. [1] W. J. Dally and B. Towles, "Principles and Practices of Interconnection Networks", 2004,
       section 8.4: dimension-order routing, which can't deadlock.
    """
    path = [source]
    row, column = source
    while column != target[1]:
        column += 1 if column < target[1] else -1
        path.append((row, column))
    while row != target[0]:
        row += 1 if row < target[0] else -1
        path.append((row, column))
    return path


def _place(router: Router) -> str:
    return f"router {router[0]},{router[1]}"
