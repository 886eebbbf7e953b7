"""What values of a machine file can be: quantities with units, names, one of several words."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, PlainValidator, WithJsonSchema

from accel.units import (
    AREA,
    BANDWIDTH,
    CAPACITY,
    CYCLE_COUNT,
    DURATION,
    ENERGY,
    ENERGY_PER_BIT,
    FREQUENCY,
    FS_PER_SECOND,
    INTENSITY,
    LENGTH,
    NODE,
    PERFORMANCE,
    PORT_BANDWIDTH,
    POWER,
    SIGNED_CYCLE_COUNT,
    VOLTAGE,
    Quantity,
)
from foundation.errors import nearest

MAX_CAPACITY_BYTES = 1 << 60
_NAME = r"[A-Za-z_][A-Za-z0-9_./-]{0,199}"


def _parser(kind: Quantity, *, positive: bool = True, maximum: int | None = None) -> PlainValidator:
    """Return the validator of a field that is written with a unit."""

    def parse(text: object) -> int | float:
        value = kind.parse(text)
        if positive and value == 0:
            raise ValueError(f"'{text}': {kind.name} must be greater than 0")
        if maximum is not None and value > maximum:
            raise ValueError(f"'{text}': {kind.name} must be at most {kind.text(maximum)}")
        return value

    return PlainValidator(parse)


def _text_schema(kind: Quantity) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "description": f"{kind.name}, such as {kind.example}"})


def one_of(known: list[str], value: object) -> str:
    """Return a value that is known; raise ValueError with the nearest one otherwise."""
    if value not in known:
        raise ValueError(
            f"must be one of {', '.join(known)} but is '{value}'{nearest(str(value), known)}"
        )
    return str(value)


def _name(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(_NAME, value):
        shown = f"'{value}'".replace("\n", "\\n")
        raise ValueError(
            f"must be a name (a letter first, then letters, digits and _ . / -; at most 200)"
            f" but is {shown}"
        )
    return value


Name = Annotated[
    str, PlainValidator(_name), WithJsonSchema({"type": "string", "pattern": f"^{_NAME}$"})
]
Capacity = Annotated[int, _parser(CAPACITY, maximum=MAX_CAPACITY_BYTES), _text_schema(CAPACITY)]
PortBandwidth = Annotated[float, _parser(PORT_BANDWIDTH), _text_schema(PORT_BANDWIDTH)]
Bandwidth = Annotated[float, _parser(BANDWIDTH), _text_schema(BANDWIDTH)]
Frequency = Annotated[int, _parser(FREQUENCY, maximum=10**12), _text_schema(FREQUENCY)]
Latency = Annotated[
    int, _parser(DURATION, positive=False, maximum=FS_PER_SECOND), _text_schema(DURATION)
]
Cycles = Annotated[
    int, _parser(CYCLE_COUNT, positive=False, maximum=10**9), _text_schema(CYCLE_COUNT)
]
PositiveCycles = Annotated[int, _parser(CYCLE_COUNT, maximum=10**9), _text_schema(CYCLE_COUNT)]
SignedCycles = Annotated[
    int,
    _parser(SIGNED_CYCLE_COUNT, positive=False, maximum=10**9),
    _text_schema(SIGNED_CYCLE_COUNT),
]
Energy = Annotated[float, _parser(ENERGY, positive=False), _text_schema(ENERGY)]
EnergyPerBit = Annotated[
    float, _parser(ENERGY_PER_BIT, positive=False), _text_schema(ENERGY_PER_BIT)
]
Performance = Annotated[float, _parser(PERFORMANCE), _text_schema(PERFORMANCE)]
Intensity = Annotated[float, _parser(INTENSITY), _text_schema(INTENSITY)]
Power = Annotated[float, _parser(POWER, positive=False), _text_schema(POWER)]
Node = Annotated[float, _parser(NODE), _text_schema(NODE)]
Voltage = Annotated[float, _parser(VOLTAGE), _text_schema(VOLTAGE)]
Length = Annotated[float, _parser(LENGTH), _text_schema(LENGTH)]
Area = Annotated[float, _parser(AREA, positive=False), _text_schema(AREA)]


class Part(BaseModel):
    """A mapping of a machine file: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
