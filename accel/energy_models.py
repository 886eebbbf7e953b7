"""The YAML format of a machine's energies, and its way back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from accel.energy_spec import AccessEnergy, EnergySpec
from accel.model_types import Energy, EnergyPerBit, Name, Part, Power, one_of
from accel.spec import AcceleratorSpec
from accel.technology.models import TechnologyPart, technology_text
from accel.units import ENERGY, ENERGY_PER_BIT, POWER, four_digits
from foundation.dtype import ACTIVATION_DTYPES
from foundation.errors import SpecError


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


#: Keys under which ``null`` beside a technology says that there is no number; elsewhere it is as if
#: the key weren't there. Without a number of their own, registers are part of a MAC, and leakage
#: isn't counted.
_CAN_BE_UNKNOWN = ("vector", "shared_buffer", "network")


class EnergyPart(Part):
    """The energies of a machine."""

    technology: TechnologyPart | None = None
    mac: dict[OperandType, Energy | None] = Field(default_factory=dict)
    vector: Energy | None = None
    registers: AccessPart | None = None
    scratchpads: dict[Name, AccessPart | None] = Field(default_factory=dict)
    shared_buffer: AccessPart | None = None
    network: EnergyPerBit | None = None
    memories: dict[Name, AccessPart | None] = Field(default_factory=dict)
    leakage: Power | None = None

    def spec(self, machine: AcceleratorSpec) -> EnergySpec:
        """Return the energies of a machine: those that are given, then those that are derived."""
        registers, buffer = self.registers, self.shared_buffer
        given = EnergySpec(
            mac_pj={name: value for name, value in self.mac.items() if value is not None},
            vector_pj=self.vector,
            registers=registers.spec() if registers is not None else None,
            scratchpads=_accesses(self.scratchpads),
            memories=_accesses(self.memories),
            shared_buffer=buffer.spec() if buffer is not None else None,
            network_pj_per_bit=self.network,
            leakage_mw=self.leakage,
        )
        return given if self.technology is None else self._with_derived(given, machine)

    def _unknown(self) -> Iterator[str]:
        """Yield the keys whose value is ``null``."""
        for section in ("mac", "scratchpads", "memories"):
            values = getattr(self, section)
            yield from (f"{section}.{name}" for name, value in values.items() if value is None)
        for key in _CAN_BE_UNKNOWN:
            if key in self.model_fields_set and getattr(self, key) is None:
                yield key

    def _with_derived(self, given: EnergySpec, machine: AcceleratorSpec) -> EnergySpec:
        """Return energies with what isn't given derived from the technology."""
        from accel.technology.energies import derived_energies

        assert self.technology is not None
        technology = self.technology.spec(machine)
        try:
            found = derived_energies(machine, technology)
        except SpecError as error:
            raise SpecError(f"energy.{error}") from None
        stated = {*self.model_fields_set, *self._dotted()}
        numbers = {key: one.value for key, one in found.items() if key not in stated}
        both = {
            key: AccessEnergy(read_pj_per_bit=value, write_pj_per_bit=value)
            for key, value in numbers.items()
        }
        return replace(
            given,
            mac_pj={**_under("mac", numbers), **given.mac_pj},
            vector_pj=numbers.get("vector", given.vector_pj),
            registers=both.get("registers", given.registers),
            scratchpads={**_under("scratchpads", both), **given.scratchpads},
            memories={**_under("memories", both), **given.memories},
            shared_buffer=both.get("shared_buffer", given.shared_buffer),
            network_pj_per_bit=numbers.get("network", given.network_pj_per_bit),
            leakage_mw=numbers.get("leakage", given.leakage_mw),
            technology=technology,
            derived=tuple(numbers),
            unknown=tuple(self._unknown()),
        )

    def _dotted(self) -> Iterator[str]:
        """Yield the keys of what is given by name."""
        for section in ("mac", "scratchpads", "memories"):
            yield from (f"{section}.{name}" for name in getattr(self, section))


def _accesses(parts: dict[str, AccessPart | None]) -> dict[str, AccessEnergy]:
    return {name: part.spec() for name, part in parts.items() if part is not None}


Value = TypeVar("Value")


def _under(section: str, values: dict[str, Value]) -> dict[str, Value]:
    """Return what stands under a section, by name."""
    start = f"{section}."
    return {key.removeprefix(start): one for key, one in values.items() if key.startswith(start)}


def energy_lines(energy: EnergySpec | None) -> list[str]:
    """Return energies as YAML; those that are derived as comments."""
    if energy is None:
        return []
    lines = list(_entries(_only(energy, derived=False)))
    if energy.technology is not None:
        derived = replace(_rounded(_only(energy, derived=True)), unknown=())
        lines = [
            f"technology: {technology_text(energy.technology)}",
            *lines,
            *(f"{key}: null" for key in _left_out(energy)),
            *(f"# derived: {line}" for line in _entries(derived)),
        ]
    return ["energy:", *(f"  {line}" for line in lines)] if lines else ["energy: {}"]


def _left_out(energy: EnergySpec) -> Iterator[str]:
    """Yield what isn't counted, though a technology may have a number for it."""
    if energy.registers is None:
        yield "registers"
    if energy.leakage_mw is None:
        yield "leakage"


def _only(energy: EnergySpec, *, derived: bool) -> EnergySpec:
    """Return the numbers that are derived, or the others."""

    def keeps(key: str) -> bool:
        return (key in energy.derived) == derived

    def kept(section: str, values: Mapping[str, Value]) -> dict[str, Value]:
        return {name: one for name, one in values.items() if keeps(f"{section}.{name}")}

    return replace(
        energy,
        mac_pj=kept("mac", energy.mac_pj),
        vector_pj=energy.vector_pj if keeps("vector") else None,
        registers=energy.registers if keeps("registers") else None,
        scratchpads=kept("scratchpads", energy.scratchpads),
        memories=kept("memories", energy.memories),
        shared_buffer=energy.shared_buffer if keeps("shared_buffer") else None,
        network_pj_per_bit=energy.network_pj_per_bit if keeps("network") else None,
        leakage_mw=energy.leakage_mw if keeps("leakage") else None,
    )


def _rounded(energy: EnergySpec) -> EnergySpec:
    """Return energies with four digits, for people."""

    def access(one: AccessEnergy) -> AccessEnergy:
        read, write = four_digits(one.read_pj_per_bit), four_digits(one.write_pj_per_bit)
        return AccessEnergy(read_pj_per_bit=read, write_pj_per_bit=write)

    def number(value: float | None) -> float | None:
        return None if value is None else four_digits(value)

    return replace(
        energy,
        mac_pj={name: four_digits(value) for name, value in energy.mac_pj.items()},
        vector_pj=number(energy.vector_pj),
        registers=None if energy.registers is None else access(energy.registers),
        scratchpads={name: access(one) for name, one in energy.scratchpads.items()},
        memories={name: access(one) for name, one in energy.memories.items()},
        shared_buffer=None if energy.shared_buffer is None else access(energy.shared_buffer),
        network_pj_per_bit=number(energy.network_pj_per_bit),
        leakage_mw=number(energy.leakage_mw),
    )


def _entries(energy: EnergySpec) -> Iterator[str]:
    macs = [
        *(f"{name}: {ENERGY.text(value)}" for name, value in energy.mac_pj.items()),
        *_nulls_under("mac", energy),
    ]
    if macs:
        yield f"mac: {{{', '.join(macs)}}}"
    if energy.vector_pj is not None:
        yield f"vector: {ENERGY.text(energy.vector_pj)}"
    if energy.registers is not None:
        yield f"registers: {_access_text(energy.registers)}"
    for section, accesses in (("scratchpads", energy.scratchpads), ("memories", energy.memories)):
        lines = [
            *(f"{name}: {_access_text(access)}" for name, access in accesses.items()),
            *_nulls_under(section, energy),
        ]
        if lines:
            yield f"{section}:"
            yield from (f"  {line}" for line in lines)
    if energy.shared_buffer is not None:
        yield f"shared_buffer: {_access_text(energy.shared_buffer)}"
    if energy.network_pj_per_bit is not None:
        yield f"network: {ENERGY_PER_BIT.text(energy.network_pj_per_bit)}"
    if energy.leakage_mw is not None:
        yield f"leakage: {POWER.text(energy.leakage_mw)}"
    yield from (f"{key}: null" for key in energy.unknown if "." not in key)


def _nulls_under(section: str, energy: EnergySpec) -> Iterator[str]:
    """Yield the names of a section that are said to have no number."""
    for key in energy.unknown:
        first, _, name = key.partition(".")
        if first == section and name:
            yield f"{name}: null"


def _access_text(access: AccessEnergy) -> str:
    read, write = (
        ENERGY_PER_BIT.text(value) for value in (access.read_pj_per_bit, access.write_pj_per_bit)
    )
    return f"{{read: {read}, write: {write}}}"
