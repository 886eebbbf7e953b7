"""One layer explained: where its cycles went, how it was mapped, what would help."""

from __future__ import annotations

from collections.abc import Iterable

from accel.units import format_bytes, format_energy
from mapper.plan import Plan
from reports.energy import at_least, energy_shares, without
from reports.explain_mapping import mapping_lines
from reports.explain_units import BAR, core_stacks
from reports.report import LayerReport, Report, WorkReport
from reports.summary import saving_cycles


def explain_text(report: Report, plan: Plan, name: str) -> str:
    """Return the explanation of a layer as text.

    Parameters
    ----------
    report, plan
        The run.
    name
        The layer's.

    Raises
    ------
    MappingError
        When there is no such layer.
    """
    planned = plan.layer(name)
    layer = report.layer(planned.name)
    if not plan.works[planned.work].kernels:
        return f"{name}: {layer.operator} {layer.shape} is a view: no data moves, no cycle passes."
    work = layer.work
    lines = [
        f"{planned.name}: {layer.operator} {layer.shape} on {report.spec.name}",
        f"{work.total_cycles:,} cycles: {work.compute_cycles:,} compute,"
        f" {work.stall_cycles:,} stall{_stall_parts(work)}",
        *_cause_lines(work),
        "",
        "where each unit's cycles went",
        *core_stacks(work),
        "",
        "how it was mapped",
        *mapping_lines(plan, planned, work),
        "",
        f"what bounds it: {_bound(work)}",
        *_roof_lines(report, layer),
        "",
        *_energy_lines(report, work),
        "what would help",
        *_help_lines(work),
        *(f"note: {note}" for note in plan.graph.notes),
    ]
    return "\n".join(lines)


def _stall_parts(work: WorkReport) -> str:
    ordered = sorted(work.stalls.items(), key=lambda item: -item[1])
    return f" ({', '.join(f'{cause} {cycles:,}' for cause, cycles in ordered)})" if ordered else ""


def _cause_lines(work: WorkReport) -> Iterable[str]:
    """Yield why the layer stalls, if it does: the causes add up to its stall cycles."""
    if not work.causes:
        return
    yield ""
    yield "why it stalls"
    for cause, cycles in sorted(work.causes.items(), key=lambda item: -item[1]):
        share = cycles / work.stall_cycles
        yield f"  {cause:<22} {cycles:>14,} {share:>6.1%}  {'#' * round(share * BAR)}".rstrip()


def _bound(work: WorkReport) -> str:
    if work.bound_by == "latency":
        return "latency; no unit is busy for half of the time"
    busy = work.resources[work.bound_by]
    return f"{work.bound_by}, {busy:,.0f} cycles of work ({busy / work.total_cycles:.0%} of all)"


def _roof_lines(report: Report, layer: LayerReport) -> Iterable[str]:
    work = layer.work
    yield (
        f"  the roofs allow no fewer than {work.bound_cycles:,.0f} cycles;"
        f" it takes {work.total_cycles / max(1.0, work.bound_cycles):.2f} times that"
    )
    yield (
        f"  no mapping takes fewer than {work.lower_bound_cycles:,.0f} cycles or moves less than"
        f" {format_bytes(round(work.lower_bound_bytes))}: it takes"
        f" {work.cycles_of_lower_bound:.2f} and moves {work.traffic_of_lower_bound:.2f} times that"
    )
    if layer.operations:
        yield f"  arithmetic intensity {layer.arithmetic_intensity:.4g} ops/B"
    if work.macs:
        peak = report.peak_ops_per_s
        achieved = layer.operations * report.spec.clock_hz / work.total_cycles
        yield f"  {achieved / 1e12:.4g} of the array's {peak / 1e12:.4g} TOP/s"


def _energy_lines(report: Report, work: WorkReport) -> Iterable[str]:
    """Yield where a layer's energy goes, if the machine says what its parts take."""
    if report.no_energy:
        return
    unknown = work.unknown_energies
    energy = f"{at_least(unknown)}{format_energy(work.energy_pj)}{without(unknown)}"
    yield f"where its energy goes: {energy}"
    for name, energy_pj, share in energy_shares(work.energies_pj):
        bar = "#" * round(share * BAR)
        yield f"  {name:<22} {format_energy(energy_pj):>14} {share:>6.1%}  {bar}".rstrip()
    yield ""


def _help_lines(work: WorkReport) -> Iterable[str]:
    remedies = {"array": "an array twice as large", "vector": "twice as many vector lanes"}
    savings = [
        (saving_cycles(work, name), remedies.get(name, f"twice the bandwidth of '{name}'"))
        for name in work.resources
    ]
    useful = sorted((item for item in savings if item[0]), reverse=True)
    for saved, remedy in useful:
        yield f"  {remedy}: at most {saved:,} cycles ({saved / work.total_cycles:.0%})"
    if work.macs and work.spatial_utilization < 0.75:
        yield (
            f"  another dataflow, array shape or batch: only {work.spatial_utilization:.1%} of the"
            " PEs are mapped"
        )
    if work.total_dram_bytes > 1.2 * work.compulsory_bytes:
        extra = work.total_dram_bytes - work.compulsory_bytes
        yield f"  larger scratchpads: {format_bytes(extra)} are moved more than once"
    if not useful:
        yield "  overlap with other layers: no single unit is the limit"
