"""Tables for the terminal, for pipes, and for notebooks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from accel.energy_spec import EnergySpec
from accel.units import format_bytes, format_hz, format_time
from foundation.html import html_lines, html_table, html_title
from reports.energy import energy_line
from reports.report import LayerReport, Report
from reports.stats import largest
from reports.summary import sentence

#: Column heads, and whether a column is aligned to the right.
COLUMNS = (
    ("layer", False),
    ("operator", False),
    ("shape", False),
    ("compute", True),
    ("stall", True),
    ("total cycles", True),
    ("waits most for", False),
    ("PEs mapped", True),
    ("MAC util", True),
    ("DRAM in", True),
    ("weight", True),
    ("out", True),
    ("ops/B", True),
    ("bound by", False),
)

FOOTNOTES = (
    "×n: n layers of equal work in one line; every number in it is one layer's.",
    "compute: cycles in which the array works (the vector unit, in layers without MACs);"
    " stall: the others.",
    "waits most for: what most stall cycles wait for, and its share of them.",
    "PEs mapped: PEs that hold an operand; MAC util: MACs over PEs times total cycles.",
    "DRAM: main-memory bytes by operand. ops/B: operations per main-memory byte, 2 per MAC.",
    "bound by: what is busy longest; latency if nothing is busy for half of the time.",
)

NUMBER_IN_NAME = re.compile(r"(?<=\.)\d+(?=\.|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Layers that are shown in one line: equal work, and names that differ in numbers only."""

    name: str
    layers: tuple[LayerReport, ...]


def rows(report: Report) -> list[Row]:
    """Return the table's rows in the order in which their first layers run."""
    groups: dict[tuple[str, int], list[LayerReport]] = {}
    for layer in report.layers:
        groups.setdefault((NUMBER_IN_NAME.sub("*", layer.name), layer.work_number), []).append(
            layer
        )
    return [
        Row(name=pattern if len(layers) > 1 else layers[0].name, layers=tuple(layers))
        for (pattern, _), layers in groups.items()
    ]


def report_table(report: Report) -> str:
    """Return the table of layers, the totals, the sentence and the footnotes as text."""
    lines = aligned([name for name, _ in COLUMNS], [_cells(row) for row in rows(report)])
    return "\n".join(
        [
            _title(report),
            "",
            *lines,
            "",
            *_totals(report),
            sentence(report),
            *(f"warning: {warning}" for warning in report.warnings),
            "",
            *FOOTNOTES,
        ]
    )


def aligned(heads: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    """Return rows of the table of layers as lines with aligned columns."""
    return aligned_sides(heads, body, [right for _, right in COLUMNS])


def aligned_columns(
    heads: Sequence[str], body: Sequence[Sequence[str]], *, left: Sequence[int] = ()
) -> list[str]:
    """Return rows of numbers as lines with aligned columns and a rule under the heads.

    ``left`` are the columns that hold words.
    """
    return aligned_sides(heads, body, [column not in left for column in range(len(heads))])


def aligned_sides(
    heads: Sequence[str], body: Sequence[Sequence[str]], is_right: Sequence[bool]
) -> list[str]:
    """Return rows as lines with aligned columns, to the right where ``is_right`` says so."""
    table = [list(heads), *body]
    widths = [max(len(row[column]) for row in table) for column in range(len(heads))]

    def line(row: Sequence[str]) -> str:
        cells = zip(row, widths, is_right, strict=True)
        return "  ".join(c.rjust(w) if right else c.ljust(w) for c, w, right in cells).rstrip()

    return [line(heads), "  ".join("-" * width for width in widths), *map(line, body)]


def lines_of(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """Return names and what is said of each as lines with aligned columns."""
    width = max(len(name) for name, _ in pairs)
    return [f"{name.ljust(width)}  {text}" for name, text in pairs]


def report_html(report: Report) -> str:
    """Return the table as HTML for a notebook."""
    table = html_table([name for name, _ in COLUMNS], [_cells(row) for row in rows(report)])
    return f"{html_title(_title(report))}{table}{html_lines([*_totals(report), sentence(report)])}"


def _title(report: Report) -> str:
    spec = report.spec
    return (
        f"{report.network}, batch {report.batch}, on {spec.name}"
        f" ({spec.label}, {format_hz(spec.clock_hz)})"
        + (", analytical estimate" if report.is_estimate else "")
    )


def _totals(report: Report) -> list[str]:
    peak = report.peak_ops_per_s
    compute = sum(layer.work.compute_cycles for layer in report.layers)
    dram_bytes = sum(layer.work.total_dram_bytes for layer in report.layers)
    return [
        f"total        {report.total_cycles:,} cycles: {compute:,} compute,"
        f" {report.total_cycles - compute:,} stall",
        f"time         {format_time(report.time_fs)}, {rate(report.inferences_per_s)} inferences/s",
        f"throughput   {report.ops_per_s / 1e12:.4g} TOP/s,"
        f" {report.ops_per_s / peak:.1%} of the array's {peak / 1e12:.4g} TOP/s",
        f"main memory  {format_bytes(dram_bytes)}",
        *_energy_lines(report),
    ]


def _energy_lines(report: Report) -> list[str]:
    energy = report.spec.energy
    if energy is None or report.no_energy:
        return []
    line = energy_line(
        report.energies_pj,
        inferences=report.batch,
        has_leakage=energy.leakage_mw is not None,
        leakage_is_derived="leakage" in energy.derived,
        unknown=report.unknown_energies,
    )
    return [f"energy       {line}", *_technology_lines(energy)]


def _technology_lines(energy: EnergySpec) -> list[str]:
    """Return where energies are from, if they are derived."""
    if energy.technology is None:
        return []
    count, node = len(energy.derived), energy.technology.node_nm
    return [f"technology   {node:g} nm: {count} energies derived, as `rooftile energies` says"]


def rate(per_s: float) -> str:
    """Return a rate to four digits, in full where it is large."""
    return f"{per_s:,.0f}" if per_s >= 1000 else f"{per_s:.4g}"


def _share(share: float) -> str:
    """Return a share in per cent, with a decimal where it is small."""
    return f"{share:.1%}" if share < 0.1 else f"{share:.0%}"


def _cells(row: Row) -> list[str]:
    layer, work, count = row.layers[0], row.layers[0].work, len(row.layers)
    cause = largest(work.stalls)
    waits = f"{cause[0]} {cause[1] / work.stall_cycles:.0%}" if cause else "-"
    dram = [format_bytes(work.dram_bytes.get(n, 0)) for n in ("input", "weight", "output")]
    return [
        f"{row.name} ×{count}" if count > 1 else row.name,
        layer.operator,
        layer.shape,
        f"{work.compute_cycles:,}",
        f"{work.stall_cycles:,}",
        f"{work.total_cycles:,}",
        waits,
        _share(work.spatial_utilization) if work.macs else "-",
        f"{work.mac_utilization:.1%}" if work.macs else "-",
        *(dram if work.total_cycles else ["-"] * 3),
        f"{layer.arithmetic_intensity:.3g}" if layer.operations else "-",
        work.bound_by,
    ]
