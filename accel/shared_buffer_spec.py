"""The sizes of a buffer that cores share."""

from __future__ import annotations

from dataclasses import dataclass

from foundation.errors import SpecError


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedBufferSpec:
    """A second-level buffer that all cores share.

    Parameters
    ----------
    capacity_bytes
        Of all lines.
    line_bytes
        What is fetched at once; a power of two.
    ways
        Lines of a set: the one that wasn't used for longest makes room.
    bandwidth_bytes_per_cycle
        What it gives to all cores together, per core cycle.
    latency_cycles
        From a line's arrival to its first byte on the network.
    """

    capacity_bytes: int
    line_bytes: int
    ways: int
    bandwidth_bytes_per_cycle: float
    latency_cycles: int

    def __post_init__(self) -> None:
        """Check that lines and sets come out even."""
        for name, value in (
            ("capacity", self.capacity_bytes),
            ("line", self.line_bytes),
            ("ways", self.ways),
            ("bandwidth", self.bandwidth_bytes_per_cycle),
        ):
            if value <= 0:
                raise SpecError(f"shared_buffer: '{name}' must be greater than 0 but is {value:g}")
        if self.line_bytes & (self.line_bytes - 1):
            raise SpecError(
                f"shared_buffer: a line must be a power of two in bytes but is {self.line_bytes};"
                " change 'line'"
            )
        way_bytes = self.line_bytes * self.ways
        if self.capacity_bytes % way_bytes or self.sets & (self.sets - 1):
            raise SpecError(
                f"shared_buffer: {self.capacity_bytes} bytes in sets of {self.ways} lines of"
                f" {self.line_bytes} bytes make {self.capacity_bytes / way_bytes:g} sets, which"
                " must be a power of two; change 'capacity' or 'ways'"
            )

    @property
    def sets(self) -> int:
        """Number of sets."""
        return self.capacity_bytes // (self.line_bytes * self.ways)
