"""The YAML format of a technology, and its way back."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from accel.model_types import Length, Name, Node, Part, Voltage, one_of
from accel.spec import AcceleratorSpec
from accel.technology.spec import TechnologySpec
from accel.technology.tables import dram_kinds
from accel.units import LENGTH, NODE, VOLTAGE


def _kind(value: str) -> str:
    return one_of(list(dram_kinds()), value)


DramKindName = Annotated[str, AfterValidator(_kind)]


def _node_or_both(schema: dict[str, Any]) -> None:
    """Let the schema of a technology accept a node alone."""
    whole = dict(schema)
    schema.clear()
    schema["anyOf"] = [whole["properties"]["node"], whole]


class TechnologyPart(Part):
    """A technology: a node, or a node with more."""

    model_config = ConfigDict(json_schema_extra=_node_or_both)

    node: Node
    voltage: Voltage | None = None
    dram: DramKindName | dict[Name, DramKindName] = Field(default_factory=dict)
    link: Length | None = None

    @model_validator(mode="before")
    @classmethod
    def _node_alone(cls, value: object) -> object:
        return value if isinstance(value, dict | TechnologyPart) else {"node": value}

    def spec(self, machine: AcceleratorSpec) -> TechnologySpec:
        """Return the technology of a machine; one kind of DRAM is that of all its memories."""
        dram = self.dram
        if isinstance(dram, str):
            dram = {memory.name: dram for memory in machine.memories}
        return TechnologySpec(
            node_nm=self.node, voltage=self.voltage, dram=tuple(dram.items()), link_mm=self.link
        )


def technology_text(technology: TechnologySpec) -> str:
    """Return a technology as YAML."""
    parts = [f"node: {NODE.text(technology.node_nm)}"]
    if technology.voltage is not None:
        parts.append(f"voltage: {VOLTAGE.text(technology.voltage)}")
    if technology.dram:
        kinds = ", ".join(f"{name}: {kind}" for name, kind in technology.dram)
        parts.append(f"dram: {{{kinds}}}")
    if technology.link_mm is not None:
        parts.append(f"link: {LENGTH.text(technology.link_mm)}")
    return f"{{{', '.join(parts)}}}"
