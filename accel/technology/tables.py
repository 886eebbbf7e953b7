"""Published energies and areas, read from ``tables/``: every number with its source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from accel.units import AREA, CAPACITY, ENERGY, ENERGY_PER_BIT, NODE, POWER, VOLTAGE, Quantity
from foundation.document import read
from foundation.errors import SpecError

_FOLDER = Path(__file__).with_name("tables")


@dataclass(frozen=True, slots=True, kw_only=True)
class Arithmetic:
    """Additions and multiplications by type: picojoules and square micrometres."""

    node_nm: float
    voltage: float
    add_pj: Mapping[str, float]
    multiply_pj: Mapping[str, float]
    add_um2: Mapping[str, float]
    multiply_um2: Mapping[str, float]
    sources: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sram:
    """Memories on the chip by capacity in bytes.

    Parameters
    ----------
    access_pj
        Of an access of ``width_bits``.
    area_um2, leakage_mw
        Of the whole memory.
    """

    node_nm: float
    voltage: float
    width_bits: int
    access_pj: Mapping[float, float]
    area_um2: Mapping[float, float]
    leakage_mw: Mapping[float, float]
    sources: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PerBit:
    """A bit of a register, or of a wire of a millimetre; a wire has no area."""

    node_nm: float
    voltage: float
    pj_per_bit: float
    um2_per_bit: float | None
    sources: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class DramKind:
    """A kind of main memory."""

    pj_per_bit: float
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingNode:
    """A node of the scaling table.

    Parameters
    ----------
    area
        Relative to 45 nm.
    energy
        Coefficients a, b and c of a V^2 + b V + c.
    voltage
        Nominal, in volts; None where no source says.
    """

    area: float
    energy: tuple[float, float, float]
    voltage: float | None


@lru_cache(maxsize=1)
def arithmetic() -> Arithmetic:
    """Return the table of additions and multiplications."""
    data = _data("arithmetic")

    def column(operation: str, key: str, unit: Quantity) -> dict[str, float]:
        return {name: float(unit.parse(entry[key])) for name, entry in data[operation].items()}

    return Arithmetic(
        **_conditions(data),
        add_pj=column("add", "energy", ENERGY),
        multiply_pj=column("multiply", "energy", ENERGY),
        add_um2=column("add", "area", AREA),
        multiply_um2=column("multiply", "area", AREA),
    )


@lru_cache(maxsize=1)
def sram() -> Sram:
    """Return the table of memories on the chip."""
    data = _data("sram")

    def column(key: str, unit: Quantity) -> dict[float, float]:
        return {
            float(CAPACITY.parse(size)): float(unit.parse(value))
            for size, value in data[key].items()
        }

    return Sram(
        **_conditions(data),
        width_bits=data["width"],
        access_pj=column("energy", ENERGY),
        area_um2=column("area", AREA),
        leakage_mw=column("leakage", POWER),
    )


@lru_cache(maxsize=2)
def per_bit(name: str) -> PerBit:
    """Return the table ``registers`` or ``wires``."""
    data = _data(name)
    return PerBit(
        **_conditions(data),
        pj_per_bit=float(ENERGY_PER_BIT.parse(data["energy"])),
        um2_per_bit=float(AREA.parse(data["area"])) if "area" in data else None,
    )


@lru_cache(maxsize=1)
def dram_kinds() -> dict[str, DramKind]:
    """Return the kinds of main memories by name."""
    return {
        name: DramKind(
            pj_per_bit=float(ENERGY_PER_BIT.parse(entry["energy"])), source=entry["source"]
        )
        for name, entry in _data("dram").items()
    }


@lru_cache(maxsize=1)
def scaling_nodes() -> dict[float, ScalingNode]:
    """Return the scaling table by node in nanometres, largest first."""
    return {
        float(NODE.parse(name)): ScalingNode(
            area=float(entry["area"]),
            energy=_coefficients(*entry["energy"]),
            voltage=float(VOLTAGE.parse(entry["voltage"])) if "voltage" in entry else None,
        )
        for name, entry in _data("scaling")["nodes"].items()
    }


def _coefficients(a: float, b: float, c: float) -> tuple[float, float, float]:
    return float(a), float(b), float(c)


def scaling_sources() -> dict[str, str]:
    """Return where the scaling table is from."""
    return dict(_data("scaling")["sources"])


@lru_cache(maxsize=8)
def _data(name: str) -> Any:
    return read(_FOLDER / f"{name}.yaml", SpecError).data


def _conditions(data: Any) -> dict[str, Any]:
    """Return what every table says of itself: node, voltage and sources."""
    return {
        "node_nm": float(NODE.parse(data["node"])),
        "voltage": float(VOLTAGE.parse(data["voltage"])),
        "sources": dict(data["sources"]),
    }
