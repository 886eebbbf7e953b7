"""The YAML format of mappings, as pydantic models."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Part(BaseModel):
    """A mapping of the file: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Step(_Part):
    """One line of a loop nest: a loop, or the place where operands are held."""

    dimension: str | None = Field(default=None, alias="for", description="Dimension of a loop.")
    by: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Iterations that one turn of the loop goes on."
    )
    hold: str | list[str] | None = Field(
        default=None, description="Operands that stay while the loops below run."
    )

    @model_validator(mode="after")
    def _is_loop_or_place(self) -> Self:
        is_loop = self.dimension is not None and self.by is not None
        is_hold = self.hold is not None
        if is_loop == is_hold or (is_hold and (self.dimension or self.by)):
            raise ValueError("must have either 'for' and 'by', or 'hold'")
        return self

    @property
    def held(self) -> list[str]:
        """The operands that are held here."""
        return [self.hold] if isinstance(self.hold, str) else list(self.hold or ())


class Nest(_Part):
    """How one kernel runs."""

    split: dict[str, Annotated[int, Field(ge=1)]] = Field(
        default={}, description="Dimension to the number of parts along it, one for each core."
    )
    dataflow: str | None = Field(
        default=None, description="One that the array has: by default its first."
    )
    loops: list[Step] = Field(default=[], max_length=100, description="Outermost first.")
    buffers: dict[str, int] = Field(default={}, description="Operand to its buffers, 1 or 2.")


class LayerEntry(Nest):
    """How a layer runs, and which layers run alike."""

    also: list[str] = Field(default=[], description="Other layers that are mapped the same way.")
    kernels: Annotated[list[Nest], Field(min_length=1)] | None = Field(
        default=None,
        description="Instead of one nest: those of the inputs of a concatenation, or of a product"
        " of partial sums and of their sum.",
    )

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if self.kernels is not None and (self.split or self.loops or self.buffers or self.dataflow):
            raise ValueError("must have either 'kernels' or the keys of one nest")
        return self


class MappingDocument(_Part):
    """Mappings of some layers of a network."""

    layers: dict[str, LayerEntry] = Field(
        description="Name of a layer to its mapping; others are searched."
    )
