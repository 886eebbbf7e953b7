"""How a layer was mapped, as lines of text."""

from __future__ import annotations

from collections.abc import Iterable

from accel.spec import AcceleratorSpec
from accel.units import format_bytes
from mapper.kernel import Kernel
from mapper.mapping import Mapping
from mapper.plan import Plan, PlannedLayer
from mapper.splits import largest_part
from mapper.stages import Stage
from reports.report import WorkReport


def mapping_lines(plan: Plan, planned: PlannedLayer, work: WorkReport) -> Iterable[str]:
    """Yield the lines that say how a layer was mapped."""
    for number, stage in enumerate(stages := plan.works[planned.work].stages):
        if len(stages) > 1:
            yield "  first partial sums" if number == 0 else "  then their sum"
        yield from _stage_lines(stage, plan.spec)
    if work.folds:
        folds = _counted(work.folds, "array fold")
        yield f"  {folds}, {work.spatial_utilization:.1%} of the PEs mapped"
    moved, least = work.total_dram_bytes, work.compulsory_bytes
    operands = ", ".join(f"{name} {format_bytes(n)}" for name, n in work.dram_bytes.items())
    yield (
        f"  main memory: {format_bytes(moved)} ({operands}), {moved / max(1, least):.2f} times the"
        f" compulsory {format_bytes(least)}"
    )


def _stage_lines(stage: Stage, spec: AcceleratorSpec) -> Iterable[str]:
    for kernel, split, mapping, estimate in zip(
        stage.kernels, stage.splits, stage.mappings, stage.estimates, strict=True
    ):
        if spec.cores > 1:
            yield f"  {split.label(kernel)}; of the largest part"
        yield (
            f"  {_counted(estimate.tiles, 'tile')}, closed form {estimate.cycles:,.0f} cycles;"
            " loops, outermost first:"
        )
        yield from _loops(largest_part(kernel, split), mapping)
        for operand, buffers in zip(kernel.operands, mapping.num_buffers, strict=True):
            scratchpad = spec.scratchpad_of(operand.scratchpad).name
            yield f"    {operand.role} in {scratchpad}, {_counted(buffers, 'buffer')}"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _loops(kernel: Kernel, mapping: Mapping) -> Iterable[str]:
    for number in mapping.order:
        dimension, size = kernel.dimensions[number], mapping.tile[number]
        count = -(-dimension.extent // size)
        if dimension.extent > 1:
            yield f"    {dimension.name:<9} {dimension.extent:>8} in {count} of {size}"
