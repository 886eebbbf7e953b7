"""How a layer was mapped, as lines of text."""

from __future__ import annotations

from collections.abc import Iterable

from accel.spec import AcceleratorSpec
from accel.units import format_bytes
from mapper.kernel import Axis, Kernel, Role
from mapper.mapping import Mapping
from mapper.plan import Plan
from mapper.splits import divided
from mapper.stages import Stage
from mapper.works import PlannedLayer
from reports.explain_beside import beside_lines, members_with_heads
from reports.explain_group import group_lines, kept_lines, order_lines, prefetch_lines
from reports.nest_text import nest_lines
from reports.report import WorkReport


def mapping_lines(plan: Plan, planned: PlannedLayer, work: WorkReport) -> Iterable[str]:
    """Yield the lines that say how a layer was mapped, and what came of it."""
    yield from plan_lines(plan, planned)
    if work.folds:
        folds = _counted(work.folds, "array fold")
        yield f"  {folds}, {work.spatial_utilization:.1%} of the PEs mapped"
    moved, least = work.total_dram_bytes, work.compulsory_bytes
    operands = ", ".join(f"{name} {format_bytes(n)}" for name, n in work.dram_bytes.items())
    yield (
        f"  main memory: {format_bytes(moved)} ({operands}), {moved / max(1, least):.2f} times the"
        f" compulsory {format_bytes(least)}"
    )


def plan_lines(plan: Plan, planned: PlannedLayer) -> Iterable[str]:
    """Yield the lines that say how a layer was mapped, which needs no run."""
    own = plan.works[planned.work]
    if own.fused is not None:
        yield from group_lines(own.fused, plan.spec)
    if own.beside is not None:
        yield from beside_lines(own.beside)
    for head, member in members_with_heads(planned, own):
        yield from head
        for number, stage in enumerate(stages := member.stages):
            if len(stages) > 1:
                yield "  first partial sums" if number == 0 else "  then their sum"
            yield from stage_lines(stage, plan.spec)
    yield from kept_lines(plan, planned)
    yield from prefetch_lines(plan, planned)
    yield from order_lines(plan, planned)


def stage_lines(stage: Stage, spec: AcceleratorSpec) -> Iterable[str]:
    """Yield the lines of one stage: its split, loop nests and layouts."""
    for kernel, split, mapping, estimate, tiles in zip(
        *(stage.kernels, stage.splits, stage.mappings, stage.estimates, stage.tile_counts),
        strict=True,
    ):
        if spec.cores > 1:
            yield f"  {split.label(kernel)}; of the largest part"
        yield f"  {_counted(tiles, 'tile')}, estimated {estimate.cycles:,.0f} cycles:"
        yield from nest_lines(next(divided(kernel, split)), spec, mapping)
        if not mapping.layouts:
            continue
        held = [
            (operand.role, "" if operand.is_kept else operand.scratchpad)
            for operand in kernel.operands
        ]
        if len(mapping.layouts) > len(held):  # a product whose output isn't itself partial sums
            held.append(("psum", "psum"))
        for number, (role, holder) in enumerate(held):
            if not holder:  # kept between layers
                continue
            pad = spec.scratchpad_of(holder)
            if pad.bank_model is not None:
                yield f"    {role} in {pad.name}: {_layout(kernel, mapping, number)}"


def _layout(kernel: Kernel, mapping: Mapping, number: int) -> str:
    """Return how an operand's tiles lie in a scratchpad with banks."""
    operands = kernel.operands
    if number < len(operands):
        names = [_axis_name(kernel, axis) for axis in operands[number].axes]
    else:
        kept = kernel.numbers(Role.GROUP, Role.M, Role.N)
        names = [kernel.dimensions[d].name for d in kept]
    label = mapping.layouts[number].label(names)
    return f"{label}, {mapping.conflict_cycles[number]:,} conflict cycles a tile"


def _axis_name(kernel: Kernel, axis: Axis) -> str:
    """Return an axis by the dimensions that move along it: ``OY+FY``."""
    return "+".join(kernel.dimensions[d].name for d, _ in axis.terms) or "1"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
