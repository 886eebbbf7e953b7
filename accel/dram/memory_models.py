"""The ``dram`` key of a machine's memory, as a pydantic model, and its way back to text."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from accel.dram.address import AddressMap, parse_map
from accel.dram.memory_spec import CONTROLLER_NAMES, DramMemorySpec
from accel.dram.rules import check_address_map, check_capacity, check_timings
from accel.dram.standard_models import PowerOfTwo, known_timings
from accel.dram.standards import Standard, interleaved_map, load_standard
from foundation.errors import SpecError, nearest


class DramPart(BaseModel):
    """DRAM bank by bank: a standard, how many channels, and who controls them."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    standard: str
    controller: str = "ramulator2"
    channels: PowerOfTwo = 1
    ranks: PowerOfTwo = 1
    address_map: str = "interleaved"
    pages: str = "open"
    refresh: bool = True
    read_queue: int = Field(default=32, ge=1, le=1024)
    write_queue: int = Field(default=32, ge=1, le=1024)
    command_queue: int = Field(default=8, ge=1, le=1024)
    window: int = Field(default=64, ge=1, le=65536)
    timings_in_clocks: dict[str, int] = {}

    @field_validator("timings_in_clocks")
    @classmethod
    def _known_timings(cls, values: dict[str, int]) -> dict[str, int]:
        return known_timings(values)

    @field_validator("controller")
    @classmethod
    def _known_controller(cls, value: str) -> str:
        return _one_of(list(CONTROLLER_NAMES), value)

    @field_validator("pages")
    @classmethod
    def _known_pages(cls, value: str) -> str:
        return _one_of(["open", "closed"], value)

    @model_validator(mode="after")
    def _consistent(self) -> DramPart:
        if self.pages == "closed" and self.controller != "dramsim3":
            raise ValueError("'pages: closed' needs 'controller: dramsim3'; Ramulator's is open")
        try:
            check_timings(self.table.timings)
            check_address_map(self._map, self.table.organisation.field_sizes(self.channels))
        except SpecError as error:
            raise ValueError(str(error)) from None
        return self

    @cached_property
    def table(self) -> Standard:
        """The standard with the ranks and timings that are asked for."""
        try:
            standard = load_standard(self.standard)
        except SpecError as error:
            raise ValueError(f"standard {error}") from None
        return replace(
            standard,
            organisation=replace(standard.organisation, ranks=self.ranks),
            timings={**standard.timings, **self.timings_in_clocks},
        )

    @cached_property
    def _map(self) -> AddressMap:
        if self.address_map == "interleaved":
            return interleaved_map(self.table.organisation.field_sizes(self.channels))
        return parse_map(self.address_map)

    def check_capacity(self, capacity_bytes: int) -> None:
        """Check that the channels hold a capacity.

        Raises
        ------
        ValueError
            When they don't: both numbers.
        """
        try:
            check_capacity(capacity_bytes, self.channels, self.table.organisation.capacity_bytes)
        except SpecError as error:
            raise ValueError(str(error)) from None

    def spec(self) -> DramMemorySpec:
        """Return the memory's channels."""
        standard = self.table
        channel = standard.channel(self.controller)
        return DramMemorySpec(
            standard=standard,
            controller=self.controller,
            channel=replace(
                channel,
                timing=channel.timing if self.refresh else replace(channel.timing, refi=0),
                closes_pages=self.pages == "closed",
                read_queue=self.read_queue,
                write_queue=self.write_queue,
                command_queue=self.command_queue,
            ),
            channels=self.channels,
            address_map=self._map,
            window=self.window,
        )


def _one_of(known: list[str], value: str) -> str:
    if value not in known:
        raise ValueError(
            f"must be one of {', '.join(known)} but is '{value}'{nearest(value, known)}"
        )
    return value


def dram_text(dram: DramMemorySpec) -> str:
    """Return a memory's channels as YAML."""
    standard, channel = dram.standard, dram.channel
    original = load_standard(standard.name)
    changed = {n: c for n, c in standard.timings.items() if original.timings.get(n) != c}
    fields = " ".join(f"{name}:{bits}" for name, bits in dram.address_map.fields)
    values = {
        "standard": standard.name,
        "controller": dram.controller,
        "channels": dram.channels,
        "ranks": standard.organisation.ranks,
        "address_map": f'"{fields}"',
        "pages": "closed" if channel.closes_pages else "open",
        "refresh": "true" if channel.timing.refi else "false",
        "read_queue": channel.read_queue,
        "write_queue": channel.write_queue,
        "command_queue": channel.command_queue,
        "window": dram.window,
    }
    if changed:
        values["timings_in_clocks"] = "{" + ", ".join(f"{n}: {c}" for n, c in changed.items()) + "}"
    return "{" + ", ".join(f"{key}: {value}" for key, value in values.items()) + "}"
