"""The mappings of a network as text: the best, what else there was, and how good it can be."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

from accel.spec import AcceleratorSpec
from accel.units import format_bytes
from accel.vector import pass_cycles
from mapper.cost import CostEstimate
from mapper.kernel import Contraction, Kernel, VectorBody, compulsory_bytes
from mapper.plan import Plan, PlannedLayer
from mapper.search.find import Found
from mapper.splits import Split
from mapper.stages import search
from reports.explain_group import group_lines, kept_lines
from reports.explain_mapping import loop_lines, stage_lines
from reports.labels import operator_label, shape_label


def map_text(plan: Plan, layer: str | None = None) -> str:
    """Return how layers are mapped: equal work once, under the name of the first layer.

    Parameters
    ----------
    plan
        The network as it was mapped.
    layer
        Name of the only layer to show, None for all.

    Raises
    ------
    MappingError
        When there is no such layer.
    """
    chosen = [plan.layer(layer)] if layer is not None else _distinct(plan)
    return "\n\n".join("\n".join(_layer_lines(plan, planned)) for planned in chosen)


def _distinct(plan: Plan) -> list[PlannedLayer]:
    return [plan.representative(work) for work in range(len(plan.works))]


def _layer_lines(plan: Plan, planned: PlannedLayer) -> Iterable[str]:
    layer, work = planned.layer, plan.works[planned.work]
    equal = sum(other.work == planned.work for other in plan.layers)
    times = f" (as {equal - 1} more)" if equal > 1 else ""
    operators = " + ".join(operator_label(one) for one in planned.computing)
    yield f"{planned.name}: {operators} {shape_label(plan.graph, layer)}{times}"
    if not work.kernels:
        yield "  a view: no data moves"
    if work.fused is not None:
        yield from group_lines(work.fused, plan.spec)
    yield from kept_lines(plan, planned)
    for stage in work.stages:
        yield from stage_lines(stage, plan.spec)
        for kernel, split, estimate in zip(
            stage.kernels, stage.splits, stage.estimates, strict=True
        ):
            yield _bound_line(kernel, plan.spec, estimate)
            yield from _search_lines(kernel, split, plan, layer.name)


def _bound_line(kernel: Kernel, spec: AcceleratorSpec, estimate: CostEstimate) -> str:
    bounds = lower_bounds(kernel, spec)
    name, least = max(bounds.items(), key=lambda item: item[1])
    return (
        f"    lower bound {least:,.0f} cycles ({name}); the mapping takes"
        f" {estimate.cycles / max(1.0, least):.2f} times that, and moves"
        f" {format_bytes(estimate.dram_bytes)} of main memory"
    )


def lower_bounds(kernel: Kernel, spec: AcceleratorSpec) -> dict[str, float]:
    """Return resource to the cycles that a kernel can't take less of, on all cores.

    All MACs on all PEs, all elements in all lanes, every touched byte once at full bandwidth.
    """
    iterations = prod(kernel.extents)
    moved = compulsory_bytes(kernel) / spec.bandwidth_bytes_per_s * spec.clock_hz
    bounds = {"main memory": moved}
    match kernel.body:
        case Contraction():
            bounds["array"] = iterations / spec.pes
        case VectorBody() as body:
            pace = pass_cycles(spec.vector, body.function, body.activation)
            bounds["vector unit"] = iterations * pace / (spec.cores * spec.vector.lanes)
    return bounds


def _search_lines(kernel: Kernel, split: Split, plan: Plan, name: str) -> Iterable[str]:
    found = search(kernel, split, plan.spec, name, plan.options)
    pad, share = max(found.fill().items(), key=lambda item: item[1])
    yield f"    {_effort(found)}; '{pad}' is the fullest scratchpad, {share:.0%}"
    second = found.runner_up()
    if second is None:
        yield "    no other tile fits"
        return
    mapping, estimate = second
    moved = format_bytes(split.parts * estimate.dram_bytes)
    yield f"    runner-up, {estimate.cycles:,.0f} cycles and {moved} of main memory:"
    for line in loop_lines(kernel, split.largest_extents(kernel), mapping):
        yield f"  {line}"


def _effort(found: Found) -> str:
    """Return how many mappings were looked at, and what is known of the others."""
    coverage = found.coverage
    text = f"{coverage.scored:,} of {coverage.counted:,} mappings scored"
    if coverage.is_proved:
        return f"{text}, none of the others is better"
    return f"{text}, the best can be {coverage.gap:.1%} better"
