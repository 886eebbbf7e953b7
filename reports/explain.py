"""One layer explained: where its cycles went, how it was mapped, what would help."""

from __future__ import annotations

from collections.abc import Iterable

from accel.units import format_bytes
from mapper.kernel import Kernel
from mapper.mapping import Mapping
from mapper.plan import Plan, PlannedLayer
from reports.report import LayerReport, Report, WorkReport
from reports.stats import UnitCycles
from reports.summary import saving_cycles

_BAR = 30


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
    layer = report.layer(name)
    if not plan.works[planned.work].parts:
        return f"{name}: {layer.operator} {layer.shape} is a view: no data moves, no cycle passes."
    work = layer.work
    lines = [
        f"{name}: {layer.operator} {layer.shape} on {report.spec.name}",
        f"{work.total_cycles:,} cycles: {work.compute_cycles:,} compute,"
        f" {work.stall_cycles:,} stall{_stall_parts(work)}",
        *_cause_lines(work),
        "",
        "where each unit's cycles went",
        *_stacks(work),
        "",
        "how it was mapped",
        *_mapping_lines(plan, planned, work),
        "",
        f"what bounds it: {_bound(work)}",
        *_roof_lines(report, layer),
        "",
        "what would help",
        *_help_lines(work),
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
        yield f"  {cause:<22} {cycles:>14,} {share:>6.1%}  {'#' * round(share * _BAR)}".rstrip()


def _stacks(work: WorkReport) -> Iterable[str]:
    for name, unit in work.units.items():
        if unit.busy:  # an engine without transfers only mirrors its queue's waits
            yield from _stack(name, unit)


def _stack(name: str, unit: UnitCycles) -> Iterable[str]:
    waits = sorted(unit.waits.items(), key=lambda item: -item[1])
    parts = [("busy", unit.busy), *((f"waits for {cause}", n) for cause, n in waits)]
    parts.append(("idle", unit.idle))
    for number, (label, cycles) in enumerate(p for p in parts if p[1] or p[0] == "busy"):
        share = cycles / unit.total if unit.total else 0.0
        bar = "#" * round(share * _BAR)
        yield (
            f"  {name if number == 0 else '':<22} {label:<26} {cycles:>14,} {share:>6.1%}  {bar}"
        ).rstrip()


def _mapping_lines(plan: Plan, planned: PlannedLayer, work: WorkReport) -> Iterable[str]:
    parts = plan.works[planned.work]
    for kernel, mapping, estimate in zip(
        parts.kernels, parts.mappings, parts.estimates, strict=True
    ):
        yield (
            f"  {_counted(estimate.tiles, 'tile')}, closed form {estimate.cycles:,.0f} cycles;"
            " loops, outermost first:"
        )
        yield from _loops(kernel, mapping)
        for operand, buffers in zip(kernel.operands, mapping.num_buffers, strict=True):
            scratchpad = plan.spec.scratchpad_of(operand.scratchpad).name
            yield f"    {operand.role} in {scratchpad}, {_counted(buffers, 'buffer')}"
    if work.folds:
        folds = _counted(work.folds, "array fold")
        yield f"  {folds}, {work.spatial_utilization:.1%} of the PEs mapped"
    moved, least = work.total_dram_bytes, work.compulsory_bytes
    operands = ", ".join(f"{name} {format_bytes(n)}" for name, n in work.dram_bytes.items())
    yield (
        f"  main memory: {format_bytes(moved)} ({operands}), {moved / max(1, least):.2f} times the"
        f" compulsory {format_bytes(least)}"
    )


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _loops(kernel: Kernel, mapping: Mapping) -> Iterable[str]:
    for number in mapping.order:
        dimension, size = kernel.dimensions[number], mapping.tile[number]
        count = -(-dimension.extent // size)
        if dimension.extent > 1:
            yield f"    {dimension.name:<9} {dimension.extent:>8} in {count} of {size}"


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
    if layer.operations:
        yield f"  arithmetic intensity {layer.arithmetic_intensity:.4g} ops/B"
    if work.macs:
        peak = report.spec.peak_ops_per_s
        achieved = layer.operations * report.spec.clock_hz / work.total_cycles
        yield f"  {achieved / 1e12:.4g} of the array's {peak / 1e12:.4g} TOP/s"


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
