"""The YAML format of a machine's energies, and its way back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from accel.energy_spec import AccessEnergy, EnergySpec
from accel.model_types import Energy, EnergyPerBit, Name, Part, Power, one_of
from accel.units import ENERGY, ENERGY_PER_BIT, POWER
from foundation.dtype import ACTIVATION_DTYPES


def _operand_type(name: str) -> str:
    return one_of(list(ACTIVATION_DTYPES), name)


OperandType = Annotated[str, AfterValidator(_operand_type)]


def _number_or_both(schema: dict[str, Any]) -> None:
    """Let the schema of reads and writes accept one number for both."""
    both = dict(schema)
    schema.clear()
    schema["anyOf"] = [both["properties"]["read"], both]


class AccessPart(Part):
    """What reading and writing a bit takes: one number, or one for each."""

    model_config = ConfigDict(json_schema_extra=_number_or_both)

    read: EnergyPerBit
    write: EnergyPerBit

    @model_validator(mode="before")
    @classmethod
    def _one_for_both(cls, value: object) -> object:
        is_number = isinstance(value, str | int | float)
        return {"read": value, "write": value} if is_number else value

    def spec(self) -> AccessEnergy:
        """Return the energies of both."""
        return AccessEnergy(read_pj_per_bit=self.read, write_pj_per_bit=self.write)


class EnergyPart(Part):
    """The energies of a machine."""

    mac: dict[OperandType, Energy] = Field(default_factory=dict)
    vector: Energy | None = None
    registers: AccessPart | None = None
    scratchpads: dict[Name, AccessPart] = Field(default_factory=dict)
    shared_buffer: AccessPart | None = None
    network: EnergyPerBit | None = None
    memories: dict[Name, AccessPart] = Field(default_factory=dict)
    leakage: Power | None = None

    def spec(self) -> EnergySpec:
        """Return the energies."""
        registers, buffer = self.registers, self.shared_buffer
        return EnergySpec(
            mac_pj=self.mac,
            vector_pj=self.vector,
            registers=registers.spec() if registers is not None else None,
            scratchpads={name: part.spec() for name, part in self.scratchpads.items()},
            memories={name: part.spec() for name, part in self.memories.items()},
            shared_buffer=buffer.spec() if buffer is not None else None,
            network_pj_per_bit=self.network,
            leakage_mw=self.leakage,
        )


def energy_lines(energy: EnergySpec | None) -> list[str]:
    """Return energies as YAML."""
    if energy is None:
        return []
    lines = list(_entries(energy))
    return ["energy:", *(f"  {line}" for line in lines)] if lines else ["energy: {}"]


def _entries(energy: EnergySpec) -> Iterator[str]:
    if energy.mac_pj:
        macs = ", ".join(f"{name}: {ENERGY.text(value)}" for name, value in energy.mac_pj.items())
        yield f"mac: {{{macs}}}"
    if energy.vector_pj is not None:
        yield f"vector: {ENERGY.text(energy.vector_pj)}"
    if energy.registers is not None:
        yield f"registers: {_access_text(energy.registers)}"
    for section, accesses in (("scratchpads", energy.scratchpads), ("memories", energy.memories)):
        if accesses:
            yield f"{section}:"
            yield from (f"  {name}: {_access_text(access)}" for name, access in accesses.items())
    if energy.shared_buffer is not None:
        yield f"shared_buffer: {_access_text(energy.shared_buffer)}"
    if energy.network_pj_per_bit is not None:
        yield f"network: {ENERGY_PER_BIT.text(energy.network_pj_per_bit)}"
    if energy.leakage_mw is not None:
        yield f"leakage: {POWER.text(energy.leakage_mw)}"


def _access_text(access: AccessEnergy) -> str:
    read, write = (
        ENERGY_PER_BIT.text(value) for value in (access.read_pj_per_bit, access.write_pj_per_bit)
    )
    return f"{{read: {read}, write: {write}}}"
