"""The YAML format of prices: everything that a cost needs and nobody but the user knows."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, PlainValidator, WithJsonSchema, model_validator

from accel.model_types import Length, Name, Part
from accel.units import Quantity
from foundation.document import Document, json_schema, read
from foundation.errors import PriceError, nearest

HOURS_PER_YEAR = 8766  # 365.25 days
_LIFETIME = Quantity(
    name="a lifetime",
    units={
        "years": HOURS_PER_YEAR, "year": HOURS_PER_YEAR, "days": 24, "day": 24, "hours": 1,
        "hour": 1,
    },
    example="4 years",
    is_whole=False,
)  # fmt: skip
_DEFECTS = Quantity(
    name="a density of defects",
    units={"/cm2": 1, "/mm2": 100, "/in2": Fraction(10000, 64516)},
    example="0.1/cm2",
    is_whole=False,
)
_PER_GIB = Quantity(
    name="a price per GiB", units={"/GiB": 1, "/MiB": 1024}, example="5/GiB", is_whole=False
)
_PER_KWH = Quantity(
    name="a price of electricity", units={"/kWh": 1, "/MWh": Fraction(1, 1000)},
    example="0.2/kWh", is_whole=False,
)  # fmt: skip


def _parsed(kind: Quantity) -> tuple[PlainValidator, WithJsonSchema]:
    schema = {"type": "string", "description": f"{kind.name}, such as {kind.example}"}
    return PlainValidator(lambda text: float(kind.parse(text))), WithJsonSchema(schema)


Amount = Annotated[float, Field(ge=0, le=1e15, allow_inf_nan=False)]
Lifetime = Annotated[float, *_parsed(_LIFETIME)]
Defects = Annotated[float, *_parsed(_DEFECTS)]
PerGib = Annotated[float, *_parsed(_PER_GIB)]
PerKwh = Annotated[float, *_parsed(_PER_KWH)]
#: The parameter that each yield model needs besides the density of defects.
YIELD_MODELS = {"poisson": None, "negative_binomial": "clustering", "bose_einstein": "complexity"}
_MODEL_SCHEMA: dict[str, Any] = {"enum": list(YIELD_MODELS)}


def _model(value: object) -> str:
    if not isinstance(value, str) or value not in YIELD_MODELS:
        known = ", ".join(YIELD_MODELS)
        raise ValueError(
            f"must be one of {known} but is '{value}'{nearest(str(value), YIELD_MODELS)}"
        )
    return value


class WaferPrice(Part):
    """A wafer with all its processing."""

    cost: Amount
    diameter: Length


class Yield(Part):
    """How many dies of a wafer work (`reports.cost.die_yield`)."""

    model: Annotated[str, PlainValidator(_model), WithJsonSchema(_MODEL_SCHEMA)]
    defects: Defects
    clustering: float | None = Field(default=None, gt=0, le=1e6)
    complexity: float | None = Field(default=None, gt=0, le=1e6)

    @model_validator(mode="after")
    def _has_its_parameter(self) -> Yield:
        for name in ("clustering", "complexity"):
            needed, given = YIELD_MODELS[self.model] == name, getattr(self, name) is not None
            if needed and not given:
                raise ValueError(f"'{self.model}' needs '{name}'; add it")
            if given and not needed:
                raise ValueError(f"'{name}' isn't a parameter of '{self.model}'; remove it")
        return self


class Prices(Part):
    """Prices, and how a machine is used. ``null`` says that an amount isn't known."""

    currency: Name
    wafer: WaferPrice
    yield_: Yield = Field(alias="yield")
    packaging: Amount | None
    memory: dict[Name, PerGib | None]
    other: Amount | None
    electricity: PerKwh
    power_usage_effectiveness: float = Field(ge=1, le=100)
    lifetime: Lifetime = Field(gt=0)
    utilization: float = Field(gt=0, le=1)


def load_prices(path: Path) -> Prices:
    """Return the prices in a YAML file.

    Raises
    ------
    PriceError
        The file can't be read, or something is missing or wrong: which line, and what to change.
    """
    return _prices(read(path, PriceError))


def _prices(document: Document) -> Prices:
    if not isinstance(document.data, dict):
        raise document.failure((), "prices are a mapping (key: value)")
    return document.validate(Prices)


def located(error: PriceError, path: Path) -> PriceError:
    """Return an error about a key of a file of prices with the file and the line before it."""
    key = tuple(str(error).partition(":")[0].split(".", 1))
    return PriceError(f"{path}:{read(path, PriceError).line(key)}: {error}")


def schema() -> dict[str, Any]:
    """Return the JSON Schema of files of prices, for editors."""
    return json_schema(Prices)
