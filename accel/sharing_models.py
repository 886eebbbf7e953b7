"""The YAML format of what cores share: the network and the buffer, and its way back."""

from __future__ import annotations

from math import inf
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from accel.model_types import Capacity, Cycles, Part, PortBandwidth, one_of
from accel.network import TOPOLOGIES, NetworkSpec
from accel.shared_buffer_spec import SharedBufferSpec
from accel.units import CAPACITY, CYCLE_COUNT, PORT_BANDWIDTH

Place = Annotated[int, Field(ge=0, le=4095)]


class NetworkPart(Part):
    """The network on the chip."""

    topology: str
    rows: int = Field(default=1, ge=1, le=4096)
    columns: int | None = Field(default=None, ge=1, le=4096)
    memory_ports: Annotated[int, Field(ge=1, le=4096)] | list[tuple[Place, Place]]
    link: PortBandwidth
    router_delay: Cycles

    @field_validator("topology")
    @classmethod
    def _known_topology(cls, value: str) -> str:
        return one_of(list(TOPOLOGIES), value)

    @field_validator("memory_ports", mode="before")
    @classmethod
    def _pairs(cls, value: object) -> object:
        if isinstance(value, list):
            return [tuple(port) if isinstance(port, list) else port for port in value]
        return value

    @field_validator("link")
    @classmethod
    def _whole_bytes(cls, value: float) -> float:
        if value == inf or value != int(value):
            raise ValueError("must be a whole number of bytes per cycle")
        return value

    @model_validator(mode="after")
    def _fits_its_topology(self) -> NetworkPart:
        is_mesh = self.topology == "mesh"
        if is_mesh and self.columns is None:
            raise ValueError("a mesh needs 'rows' and 'columns'")
        if is_mesh != isinstance(self.memory_ports, list):
            form = "a list of [row, column]" if is_mesh else "a number"
            raise ValueError(f"'memory_ports' of a {self.topology} must be {form}")
        if not self.memory_ports:
            raise ValueError("needs at least 1 of 'memory_ports' but has 0")
        return self

    def spec(self) -> NetworkSpec:
        """Return the network."""
        ports = self.memory_ports
        return NetworkSpec(
            topology=self.topology,
            rows=self.rows,
            columns=self.columns or 1,
            ports=tuple(ports) if isinstance(ports, list) else ((0, 0),) * ports,
            link_bytes_per_cycle=int(self.link),
            router_delay_cycles=self.router_delay,
        )


class SharedBufferPart(Part):
    """A buffer that all cores share."""

    capacity: Capacity
    line: Capacity
    ways: int = Field(ge=1, le=1024)
    bandwidth: PortBandwidth
    latency: Cycles

    @model_validator(mode="after")
    def _has_a_bandwidth(self) -> SharedBufferPart:
        if self.bandwidth == inf:
            raise ValueError("'bandwidth' must be a number of bytes per cycle")
        return self

    def spec(self) -> SharedBufferSpec:
        """Return the buffer."""
        return SharedBufferSpec(
            capacity_bytes=self.capacity,
            line_bytes=self.line,
            ways=self.ways,
            bandwidth_bytes_per_cycle=float(self.bandwidth),
            latency_cycles=self.latency,
        )


def network_lines(network: NetworkSpec | None) -> list[str]:
    """Return a network as YAML."""
    if network is None:
        return []
    shape, ports = "", str(len(network.ports))
    if network.topology == "mesh":
        shape = f" rows: {network.rows}, columns: {network.columns},"
        ports = str([list(port) for port in network.ports])
    return [
        f"network: {{topology: {network.topology},{shape} memory_ports: {ports},"
        f" link: {PORT_BANDWIDTH.text(network.link_bytes_per_cycle)},"
        f" router_delay: {CYCLE_COUNT.text(network.router_delay_cycles)}}}"
    ]


def shared_buffer_lines(buffer: SharedBufferSpec | None) -> list[str]:
    """Return a shared buffer as YAML."""
    if buffer is None:
        return []
    return [
        f"shared_buffer: {{capacity: {CAPACITY.text(buffer.capacity_bytes)},"
        f" line: {CAPACITY.text(buffer.line_bytes)}, ways: {buffer.ways},"
        f" bandwidth: {PORT_BANDWIDTH.text(buffer.bandwidth_bytes_per_cycle)},"
        f" latency: {CYCLE_COUNT.text(buffer.latency_cycles)}}}"
    ]
