"""The energies of a machine: what each of its parts takes for what it does once."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from math import inf

from accel.technology.spec import TechnologySpec
from foundation.errors import SpecError, nearest


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessEnergy:
    """What it takes to read and to write a bit, in picojoules."""

    read_pj_per_bit: float
    write_pj_per_bit: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergySpec:
    """The energies of a machine. What isn't given is None, or isn't in the mapping: never 0.

    Keys are those of `accel.energy.component_energies_pj`, with ``mac.`` and the type for MACs.

    Parameters
    ----------
    mac_pj
        By name of the operands' type: a multiplication, its addition, and what moves the operands
        through a PE. With ``registers``, all but the stationary operand's register.
    vector_pj
        An operation of the vector unit (`foundation.functions`).
    registers
        The register of a PE that holds the stationary operand, in OS the sum. None: ``mac_pj`` has
        it.
    scratchpads, memories
        By name.
    shared_buffer
        The buffer that cores share.
    network_pj_per_bit
        A link of the network on the chip, with the router behind it.
    leakage_mw
        What the whole chip takes all the time. None: it isn't counted.
    technology
        What numbers that aren't given are derived from, if they are.
    derived
        Keys whose numbers are derived.
    unknown
        Keys that are said to have no number: what they do isn't counted, and reports say so.
    """

    mac_pj: Mapping[str, float]
    vector_pj: float | None
    registers: AccessEnergy | None
    scratchpads: Mapping[str, AccessEnergy]
    memories: Mapping[str, AccessEnergy]
    shared_buffer: AccessEnergy | None
    network_pj_per_bit: float | None
    leakage_mw: float | None
    technology: TechnologySpec | None = None
    derived: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check that nothing is negative."""
        for key, value in self._numbers():
            if value is not None and not 0 <= value < inf:
                raise SpecError(f"energy.{key}: must be at least 0 and finite but is {value:g}")

    def check_names(self, *, scratchpads: Collection[str], memories: Collection[str]) -> None:
        """Raise SpecError unless each name is one of the machine's.

        A network and a shared buffer may have energies without being there, so that a variation can
        leave them out.
        """
        for section, given, known in (
            ("scratchpads", self.scratchpads, scratchpads),
            ("memories", self.memories, memories),
        ):
            nulls = [key.partition(".")[2] for key in self.unknown if key.startswith(f"{section}.")]
            for name in (*given, *nulls):
                if name not in known:
                    raise SpecError(
                        f"energy.{section}.{name}: must be one of {', '.join(known)} but is"
                        f" '{name}'{nearest(name, known)}"
                    )

    def _numbers(self) -> Iterator[tuple[str, float | None]]:
        """Yield every number with its key."""
        yield from ((f"mac.{dtype}", value) for dtype, value in self.mac_pj.items())
        yield "vector", self.vector_pj
        yield "network", self.network_pj_per_bit
        yield "leakage", self.leakage_mw
        accesses = {
            "registers": self.registers,
            "shared_buffer": self.shared_buffer,
            **{f"scratchpads.{name}": access for name, access in self.scratchpads.items()},
            **{f"memories.{name}": access for name, access in self.memories.items()},
        }
        for key, access in accesses.items():
            if access is not None:
                yield f"{key}.read", access.read_pj_per_bit
                yield f"{key}.write", access.write_pj_per_bit
