"""The YAML format of constraints on the map space, as pydantic models."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Count = Annotated[int, Field(ge=1)]
Names = Annotated[list[str], Field(min_length=1)]


class _Part(BaseModel):
    """A mapping of the file: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Sizes(_Part):
    """Which sizes are allowed: all by default."""

    min: Count | None = None
    max: Count | None = None
    only: Annotated[list[Count], Field(min_length=1)] | None = None
    excluded: list[Count] = Field(default=[], alias="not")


class DimensionSizes(_Part):
    """Sizes of a dimension: of tiles, and of the blocks that its outermost loop goes by."""

    tile: Count | Sizes | None = None
    block: Count | Sizes | None = None


class Choice(_Part):
    """What isn't allowed."""

    excluded: str | Names = Field(alias="not")


class SplitLimits(_Part):
    """How layers may be split over cores."""

    max_cores: Count | None = Field(default=None, description="At most so many take part.")
    along: Annotated[list[str], Field(min_length=1)] | None = Field(
        default=None, description="The only axes of products: m, n, k, groups."
    )
    excluded: list[str] = Field(default=[], alias="not", description="Axes that aren't split.")


class Entry(_Part):
    """Constraints of some layers."""

    layers: str | Names = Field(default="*", description="Names, with * and ? as wildcards.")
    operators: str | Names = Field(default="*", description="Operators, likewise.")
    dimensions: dict[str, DimensionSizes] = Field(
        default={}, description="By dimension, or M, N, K for all that it stands for."
    )
    order: str | Names | Choice | None = Field(default=None, description="Families of loop nests.")
    hold: dict[str, str | Names | Choice] = Field(
        default={}, description="Operand to where it is held: tile, block or whole."
    )
    buffers: dict[str, Literal[1, 2]] = Field(default={}, description="Operand to its buffers.")
    split: SplitLimits | None = None
    dataflow: str | Names | Choice | None = Field(
        default=None, description="Dataflows of products: OS, WS, IS."
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        given = (self.dimensions, self.order, self.hold, self.buffers, self.split, self.dataflow)
        if not any(given):
            raise ValueError(
                "constrains nothing; give one of dimensions, order, hold, buffers, split, dataflow"
            )
        return self


class ConstraintDocument(_Part):
    """Constraints on the map space: all that apply to a layer hold."""

    constraints: list[Entry]
