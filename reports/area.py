"""The area of a machine, part by part, and what its energies and areas are derived from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from accel.area import AreaOfPart, area_of_parts, known_area_um2
from accel.energy import required_energies
from accel.energy_spec import AccessEnergy, EnergySpec
from accel.spec import AcceleratorSpec
from accel.units import ENERGY, ENERGY_PER_BIT, POWER, format_area, four_digits
from reports.energy import at_least
from reports.tables import aligned_sides, lines_of

_PART_NAMES = {
    "pe": "PEs",
    "vector_lane": "vector lanes",
    "shared_buffer": "shared buffer",
    "network": "network",
    "other": "other",
}
_AREA_HEADS = ("part", "number", "each", "together", "share", "from")
_ENERGY_HEADS = ("energy", "read, or once", "write", "from")
#: Square micrometres in a square millimetre, operations in a TOP.
UM2_PER_MM2 = 1e6
OPS_PER_TOP = 1e12


def part_name(key: str) -> str:
    """Return a part in words; a scratchpad goes by its name."""
    return _PART_NAMES.get(key, key.partition(".")[2] or key)


def unknown_parts(parts: Iterable[AreaOfPart]) -> list[str]:
    """Return the keys of parts that are said to have no number."""
    return [part.key for part in parts if part.each_um2 is None]


def area_text(machine: AcceleratorSpec) -> str:
    """Return the table of parts, the area, and where numbers are from.

    Raises
    ------
    SpecError
        As `accel.area.area_of_parts`.
    """
    parts = area_of_parts(machine)
    assert machine.area is not None
    known = known_area_um2(parts)
    body = [_area_row(part, known, part.key in machine.area.derived) for part in parts]
    peak = machine.peak_ops_per_s / OPS_PER_TOP
    per_area = peak / (known / UM2_PER_MM2) if known else 0.0
    most = "at most " if unknown_parts(parts) else ""
    return "\n".join(
        [
            f"{machine.name} ({machine.label})",
            "",
            *_table(_AREA_HEADS, body, left=(0, 5)),
            "",
            *lines_of(
                [
                    ("area", area_line(parts)),
                    ("peak", f"{peak:.4g} TOP/s, {most}{per_area:.4g} TOP/s/mm2"),
                ]
            ),
            *_area_sources(machine),
        ]
    )


def area_record(machine: AcceleratorSpec) -> dict[str, Any]:
    """Return what `area_text` says as plain data; raises as that does."""
    parts = area_of_parts(machine)
    assert machine.area is not None
    return {
        "hardware": machine.name,
        "area_um2": known_area_um2(parts),
        "unknown": unknown_parts(parts),
        "parts": [
            {
                "part": part.key,
                "count": part.count,
                "each_um2": part.each_um2,
                "is_derived": part.key in machine.area.derived,
            }
            for part in parts
        ],
        "peak_ops_per_s": machine.peak_ops_per_s,
    }


def area_line(parts: tuple[AreaOfPart, ...]) -> str:
    """Return the area of a machine in one line, and what isn't in it."""
    unknown = unknown_parts(parts)
    names = ", ".join(part_name(key) for key in unknown)
    left_out = f", without {names} (no number)" if unknown else ""
    return f"{at_least(unknown)}{format_area(known_area_um2(parts))}{left_out}"


def energies_text(machine: AcceleratorSpec) -> str:
    """Return the table of a machine's energies, each with where it is from.

    Raises
    ------
    SpecError
        The machine has no energies.
    """
    energy = required_energies(machine)
    body = [
        [key, *texts, "derived" if key in energy.derived else "given"]
        for key, texts in _energy_texts(energy)
    ]
    body += [[key, "no number", "", "given"] for key in energy.unknown]
    known = {row[0] for row in body}
    body += [[key, "-", "", "missing"] for key in _needed(machine) if key not in known]
    return "\n".join(
        [
            f"{machine.name} ({machine.label})",
            "",
            *_table(_ENERGY_HEADS, body, left=(0, 3)),
            *_energy_sources(machine, energy),
        ]
    )


def _needed(machine: AcceleratorSpec) -> Iterable[str]:
    """Yield the keys of what a network can use: registers and leakage can be left out."""
    yield from dict.fromkeys(f"mac.{product.input}" for product in machine.array.products)
    yield "vector"
    yield from (f"scratchpads.{pad.name}" for pad in machine.scratchpads)
    if machine.shared_buffer is not None:
        yield "shared_buffer"
    if machine.network is not None:
        yield "network"
    yield from (f"memories.{memory.name}" for memory in machine.memories)


def _area_row(part: AreaOfPart, known_um2: float, is_derived: bool) -> list[str]:
    total = part.area_um2
    if part.each_um2 is None or total is None:
        return [part_name(part.key), f"{part.count:,}", "no number", "", "", "given"]
    share = f"{total / known_um2:.1%}" if known_um2 else ""
    origin = "derived" if is_derived else "given"
    each, together = format_area(part.each_um2), format_area(total)
    return [part_name(part.key), f"{part.count:,}", each, together, share, origin]


def _energy_texts(energy: EnergySpec) -> Iterable[tuple[str, list[str]]]:
    """Yield keys with what reads, or single things, and writes take."""
    yield from (
        (f"mac.{name}", [ENERGY.text(four_digits(pj)), ""]) for name, pj in energy.mac_pj.items()
    )
    if energy.vector_pj is not None:
        yield "vector", [ENERGY.text(four_digits(energy.vector_pj)), ""]
    accesses: Mapping[str, AccessEnergy | None] = {
        "registers": energy.registers,
        **{f"scratchpads.{name}": one for name, one in energy.scratchpads.items()},
        "shared_buffer": energy.shared_buffer,
        **{f"memories.{name}": one for name, one in energy.memories.items()},
    }
    for key, access in accesses.items():
        if access is not None:
            both = (access.read_pj_per_bit, access.write_pj_per_bit)
            yield key, [ENERGY_PER_BIT.text(four_digits(value)) for value in both]
    if energy.network_pj_per_bit is not None:
        yield "network", [ENERGY_PER_BIT.text(four_digits(energy.network_pj_per_bit)), ""]
    if energy.leakage_mw is not None:
        yield "leakage", [POWER.text(four_digits(energy.leakage_mw)), ""]


def _energy_sources(machine: AcceleratorSpec, energy: EnergySpec) -> Iterable[str]:
    """Yield where derived energies are from."""
    if energy.technology is None:
        return []
    from accel.technology.energies import derived_energies

    found = derived_energies(machine, energy.technology)
    return _sources({key: found[key].source for key in energy.derived})


def _area_sources(machine: AcceleratorSpec) -> Iterable[str]:
    """Yield where derived areas are from."""
    area = machine.area
    if area is None or area.technology_nm is None:
        return []
    from accel.technology.areas import derived_areas

    found = derived_areas(machine, area.technology_nm)
    return _sources({part_name(key): found[key].source for key in area.derived})


def _sources(sources: Mapping[str, str]) -> Iterable[str]:
    """Yield sources, those of several keys once."""
    keys: dict[str, list[str]] = {}
    for key, source in sources.items():
        keys.setdefault(source, []).append(key)
    if keys:
        yield from ("", "derived from")
        yield from (f"  {', '.join(names)}: {source}" for source, names in keys.items())


def _table(heads: Sequence[str], body: Sequence[Sequence[str]], left: Sequence[int]) -> list[str]:
    """Return rows as lines; columns of numbers are aligned to the right, those of ``left`` not."""
    return aligned_sides(heads, body, [column not in left for column in range(len(heads))])
