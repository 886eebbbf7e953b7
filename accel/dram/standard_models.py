"""The YAML format of DRAM standards, as pydantic models."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema, field_validator

from accel.dram.rules import check_timings
from accel.dram.standards import Organisation, Standard
from accel.units import FREQUENCY
from foundation.errors import SpecError, nearest

#: What a table must have, and what it may have.
REQUIRED = (
    *("CL", "CWL", "tRCD", "tRP", "tRAS", "tRC", "tRRD_S", "tRRD_L", "tFAW", "tCCD_S", "tCCD_L"),
    *("tWTR_S", "tWTR_L", "tRTP", "tWR", "tRFC", "tREFI", "tRTRS"),
)
OPTIONAL = (
    *("tRCDWR", "tRPab", "tCCD_S_WR", "tCCD_L_WR", "tPPD", "t32AW", "tRTW"),
    *("activate_slots", "column_slots", "activate_window", "data_clock_runs_on"),
)


def known_timings(values: dict[str, int]) -> dict[str, int]:
    """Return timings whose names are known and whose values aren't negative."""
    known = (*REQUIRED, *OPTIONAL)
    for name, clocks in values.items():
        if name not in known:
            raise ValueError(f"unknown timing '{name}'{nearest(name, known)}")
        if not 0 <= clocks <= 10**6:
            raise ValueError(f"'{name}': must be 0 to 1000000 clocks but is {clocks}")
    return values


def _power_of_two(value: Any) -> int:
    if not isinstance(value, int) or value < 1 or value & (value - 1):
        raise ValueError(f"must be a power of two but is {value}")
    return value


PowerOfTwo = Annotated[
    int, PlainValidator(_power_of_two), WithJsonSchema({"type": "integer", "minimum": 1})
]


class OrganisationPart(BaseModel):
    """What a channel is made of."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    bus_width: PowerOfTwo
    burst_length: PowerOfTwo
    beats_per_clock: PowerOfTwo = 2
    ranks: PowerOfTwo = 1
    pseudochannels: PowerOfTwo = 1
    stacks: PowerOfTwo = 1
    bank_groups: PowerOfTwo
    banks_per_group: PowerOfTwo
    rows: PowerOfTwo
    columns: PowerOfTwo
    command_buses: int = Field(default=1, ge=1, le=2)


class StandardFile(BaseModel):
    """A standard's file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    family: str
    clock: Annotated[int, PlainValidator(FREQUENCY.parse), WithJsonSchema({"type": "string"})]
    organisation: OrganisationPart
    timings_in_clocks: dict[str, int]

    @field_validator("timings_in_clocks")
    @classmethod
    def _consistent(cls, values: dict[str, int]) -> dict[str, int]:
        known_timings(values)
        missing = [name for name in REQUIRED if name not in values]
        if missing:
            raise ValueError(f"timings missing: {', '.join(missing)}")
        try:
            check_timings(values)
        except SpecError as error:
            raise ValueError(str(error)) from None
        return values

    def standard(self, name: str) -> Standard:
        """Return the standard of this name."""
        return Standard(
            name=name,
            family=self.family,
            clock_hz=self.clock,
            organisation=Organisation(**self.organisation.model_dump()),
            timings=self.timings_in_clocks,
        )
