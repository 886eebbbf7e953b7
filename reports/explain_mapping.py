"""How a layer was mapped, as lines of text."""

from __future__ import annotations

from collections.abc import Iterable

from accel.spec import AcceleratorSpec, ScratchpadSpec
from accel.units import format_bytes
from mapper.kernel import Axis, Contraction, Kernel, Role
from mapper.mapping import Mapping
from mapper.plan import Plan, PlannedLayer
from mapper.stages import Stage
from reports.explain_group import group_lines, kept_lines
from reports.report import WorkReport


def mapping_lines(plan: Plan, planned: PlannedLayer, work: WorkReport) -> Iterable[str]:
    """Yield the lines that say how a layer was mapped."""
    own = plan.works[planned.work]
    if own.fused is not None:
        yield from group_lines(own.fused, plan.spec)
    for number, stage in enumerate(stages := own.stages):
        if len(stages) > 1:
            yield "  first partial sums" if number == 0 else "  then their sum"
        yield from stage_lines(stage, plan.spec)
    yield from kept_lines(plan, planned)
    if work.folds:
        folds = _counted(work.folds, "array fold")
        yield f"  {folds}, {work.spatial_utilization:.1%} of the PEs mapped"
    moved, least = work.total_dram_bytes, work.compulsory_bytes
    operands = ", ".join(f"{name} {format_bytes(n)}" for name, n in work.dram_bytes.items())
    yield (
        f"  main memory: {format_bytes(moved)} ({operands}), {moved / max(1, least):.2f} times the"
        f" compulsory {format_bytes(least)}"
    )


def stage_lines(stage: Stage, spec: AcceleratorSpec) -> Iterable[str]:
    """Yield the lines of one stage: its split, loops, buffers and layouts."""
    for kernel, split, mapping, estimate, tiles in zip(
        *(stage.kernels, stage.splits, stage.mappings, stage.estimates, stage.tile_counts),
        strict=True,
    ):
        if spec.cores > 1:
            yield f"  {split.label(kernel)}; of the largest part"
        yield (
            f"  {_counted(tiles, 'tile')}, closed form {estimate.cycles:,.0f} cycles;"
            " loops, outermost first:"
        )
        yield from loop_lines(kernel, split.largest_extents(kernel), mapping)
        held = [
            (operand.role, "" if operand.is_kept else operand.scratchpad)
            for operand in kernel.operands
        ]
        buffers = list(mapping.num_buffers)
        if isinstance(kernel.body, Contraction) and mapping.layouts:
            held.append(("psum", "psum"))
            buffers.append(buffers[-1])
        for number, (role, holder) in enumerate(held):
            if not holder:  # kept between layers
                continue
            pad = spec.scratchpad_of(holder)
            counted = _counted(buffers[number], "buffer")
            yield f"    {role} in {pad.name}, {counted}{_layout(kernel, mapping, number, pad)}"


def _layout(kernel: Kernel, mapping: Mapping, number: int, pad: ScratchpadSpec) -> str:
    """Return how an operand's tiles lie in a scratchpad with banks."""
    if pad.bank_model is None or not mapping.layouts:
        return ""
    operands = kernel.operands
    if number < len(operands):
        names = [_axis_name(kernel, axis) for axis in operands[number].axes]
    else:
        kept = kernel.numbers(Role.GROUP, Role.M, Role.N)
        names = [kernel.dimensions[d].name for d in kept]
    label = mapping.layouts[number].label(names)
    return f", {label}, {mapping.conflict_cycles[number]:,} conflict cycles a tile"


def _axis_name(kernel: Kernel, axis: Axis) -> str:
    """Return an axis by the dimensions that move along it: ``OY+FY``."""
    return "+".join(kernel.dimensions[d].name for d, _ in axis.terms) or "1"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def loop_lines(kernel: Kernel, extents: tuple[int, ...], mapping: Mapping) -> Iterable[str]:
    """Yield the loops of a mapping over ``extents``, outermost first, and what is held inside."""
    inside = list(extents)
    for number, (d, step) in enumerate(mapping.loops, start=1):
        extent, inside[d] = inside[d], min(step, inside[d])
        if extent > step or (step == extents[d] > 1 and d not in dict(mapping.loops[number:])):
            name, count = kernel.dimensions[d].name, -(-extent // step)
            yield f"    {name:<9} {extent:>8} in {count} of {step}"
        for operand, depth in zip(kernel.operands, mapping.held, strict=True):
            if not operand.is_kept and depth == number < len(mapping.loops):
                yield f"      {operand.role} stays here"
