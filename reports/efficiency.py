"""The efficiency of a run: operations for a watt and a square millimetre, energy by level."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from accel.area import area_of_parts, known_area_um2
from accel.units import format_energy
from reports.area import OPS_PER_TOP, UM2_PER_MM2, area_line, unknown_parts
from reports.energy import energy_line
from reports.levels import OPERANDS, SECTIONS, energy_by_level
from reports.report import Report
from reports.tables import aligned_sides, lines_of

_PJ_PER_J = 1e12


def ops_per_joule(report: Report) -> float:
    """Return operations for a joule, which are operations per second for a watt; 2 for a MAC.

    Raises
    ------
    SpecError
        As `Report.energies_pj`.
    """
    energy_pj = report.energy_pj
    return 2.0 * report.total_macs * _PJ_PER_J / energy_pj if energy_pj else 0.0


def efficiency_text(report: Report, by_operand: Mapping[str, Mapping[str, float]]) -> str:
    """Return what a run takes and gives for it.

    Parameters
    ----------
    report
        The run.
    by_operand
        Its energies of `reports.levels.energy_by_operand`.

    Raises
    ------
    SpecError
        The machine doesn't have all energies that the network uses.
    """
    energies = report.energies_pj
    lines = [
        f"{report.network}, batch {report.batch}, on {report.spec.name} ({report.spec.label})",
        "",
        *lines_of(list(_totals(report))),
        "",
        *_level_table(energy_by_level(energies)),
        "",
        *_operand_table(by_operand),
    ]
    return "\n".join(lines)


def efficiency_record(
    report: Report, by_operand: Mapping[str, Mapping[str, float]]
) -> dict[str, Any]:
    """Return what `efficiency_text` says as plain data; raises as that does."""
    record = {
        "network": report.network,
        "hardware": report.spec.name,
        "batch": report.batch,
        "energy_pj": report.energy_pj,
        "unknown_energies": list(report.unknown_energies),
        "ops_per_joule": ops_per_joule(report),
        "energy_by_level_pj": energy_by_level(report.energies_pj),
        "energy_by_operand_pj": {section: dict(one) for section, one in by_operand.items()},
    }
    if report.spec.area is None:
        return record
    parts = area_of_parts(report.spec)
    return {
        **record,
        "area_um2": known_area_um2(parts),
        "unknown_areas": unknown_parts(parts),
        "ops_per_s": report.ops_per_s,
        "peak_ops_per_s": report.peak_ops_per_s,
    }


def _totals(report: Report) -> Iterable[tuple[str, str]]:
    """Yield what there is to say about the whole, line by line."""
    energy = report.spec.energy
    assert energy is not None
    unknown = report.unknown_energies
    yield (
        "energy",
        energy_line(
            report.energies_pj,
            inferences=report.batch,
            has_leakage=energy.leakage_mw is not None,
            leakage_is_derived="leakage" in energy.derived,
            unknown=unknown,
        ),
    )
    most = "at most " if unknown else ""
    yield "efficiency", f"{most}{ops_per_joule(report) / OPS_PER_TOP:.4g} TOP/s/W"
    if report.time_fs:
        least = "at least " if unknown else ""
        yield "power", f"{least}{report.energy_pj / _PJ_PER_J / report.time_s:.4g} W"
    if report.spec.area is not None:
        yield from _density(report)


def _density(report: Report) -> Iterable[tuple[str, str]]:
    """Yield the area, and the operations for a square millimetre of it."""
    parts = area_of_parts(report.spec)
    yield "area", area_line(parts)
    area_mm2 = known_area_um2(parts) / UM2_PER_MM2
    most = "at most " if unknown_parts(parts) else ""
    rates = (report.ops_per_s, report.peak_ops_per_s)
    achieved, peak = (rate / OPS_PER_TOP / area_mm2 if area_mm2 else 0.0 for rate in rates)
    yield "density", f"{most}{achieved:.4g} TOP/s/mm2, at full use {peak:.4g}"


def _level_table(levels: Mapping[str, float]) -> list[str]:
    total = sum(levels.values())
    body = [
        [name, format_energy(pj), f"{pj / total:.1%}" if total else "-"]
        for name, pj in levels.items()
    ]
    return aligned_sides(("level", "energy", "share"), body, (False, True, True))


def _operand_table(by_operand: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Return a table of operands by section."""
    heads = ("operand", "scratchpads", "main memories")
    body = [
        [name, *(format_energy(by_operand[section].get(name, 0.0)) for section in SECTIONS)]
        for name in OPERANDS
        if any(by_operand[section].get(name) for section in SECTIONS)
    ]
    return aligned_sides(heads, body, (False, True, True))
