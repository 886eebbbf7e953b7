"""The mappings of a network as text: the best, what else there was, and how good it can be."""

from __future__ import annotations

from collections.abc import Iterable

from accel.spec import AcceleratorSpec
from accel.units import format_bytes, format_energy
from mapper.bounds import bounds, capacity_bytes
from mapper.check import held
from mapper.constraints import LayerRules
from mapper.cost import CostEstimate
from mapper.kernel import Kernel
from mapper.mapping import Mapping
from mapper.plan import Plan
from mapper.search.find import Found
from mapper.search.larger import next_better
from mapper.search.problem import problem_of
from mapper.splits import Split
from mapper.stages import Stage, largest_part, search, split_energies_pj
from mapper.works import PlannedLayer
from reports.energy import at_least, largest_shares
from reports.explain_beside import beside_lines, members_with_heads
from reports.explain_group import group_lines, kept_lines, order_lines, prefetch_lines
from reports.explain_mapping import stage_lines
from reports.labels import operator_label, shape_label
from reports.nest_text import nest_lines


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
    shapes = " + ".join(shape_label(plan.graph, one) for one in plan.results(planned))
    yield f"{planned.name}: {operators} {shapes}{times}"
    if not work.kernels:
        yield "  a view: no data moves"
    if work.fused is not None:
        yield from group_lines(work.fused, plan.spec)
    if work.beside is not None:
        yield from beside_lines(work.beside)
    yield from kept_lines(plan, planned)
    yield from prefetch_lines(plan, planned)
    yield from order_lines(plan, planned)
    for head, member in members_with_heads(planned, work):
        yield from head
        for stage in member.stages:
            yield from _stage_lines(stage, plan, layer.name, member.rules)


def _stage_lines(stage: Stage, plan: Plan, name: str, rules: LayerRules) -> Iterable[str]:
    """Yield how a stage is mapped, how good that is, and what else there was."""
    yield from stage_lines(stage, plan.spec)
    for number, (kernel, split, mapping, estimate) in enumerate(
        zip(stage.kernels, stage.splits, stage.mappings, stage.estimates, strict=True)
    ):
        yield from _bound_lines(kernel, plan.spec, estimate)
        yield from _energy_lines(kernel, split, plan.spec, mapping, estimate.cycles)
        yield from _search_lines(stage, number, plan, name, rules)


def _bound_lines(kernel: Kernel, spec: AcceleratorSpec, estimate: CostEstimate) -> Iterable[str]:
    """Yield what the kernel takes at least on all cores, and how far the mapping is from it."""
    least = bounds(kernel, spec)
    others = ", ".join(f"{name} {cycles:,.0f}" for name, cycles in least.by_resource.items())
    yield (
        f"    least cycles: {others}; the mapping takes"
        f" {estimate.cycles / max(1.0, least.cycles):.2f} times the largest"
    )
    traffic = max(1.0, least.traffic_bytes)
    yield (
        f"    least main-memory traffic: {format_bytes(least.compulsory_bytes)} compulsory,"
        f" {format_bytes(round(traffic))} with {format_bytes(capacity_bytes(spec))} on the chip;"
        f" the mapping moves {format_bytes(estimate.dram_bytes)},"
        f" {estimate.dram_bytes / traffic:.2f} times that"
    )


def _energy_lines(
    kernel: Kernel, split: Split, spec: AcceleratorSpec, mapping: Mapping, cycles: float
) -> Iterable[str]:
    """Yield what the mapping takes on all cores, if that is known."""
    energies = split_energies_pj(kernel, split, spec, mapping, cycles)
    if energies is not None:
        total = format_energy(sum(energies.values()))
        without = "" if "leakage" in energies else ", leakage not counted"
        unknown = () if spec.energy is None else spec.energy.unknown
        yield f"    energy: {at_least(unknown)}{total}{without}: {largest_shares(energies)}"


def _search_lines(
    stage: Stage, number: int, plan: Plan, name: str, rules: LayerRules
) -> Iterable[str]:
    """Yield what else there was for a kernel: how much was tried, what binds, the runner-up."""
    kernel, split, sharing = stage.kernels[number], stage.splits[number], stage.sharing
    found = search(kernel, split, plan.spec, name, plan.options, rules, sharing)
    pad, share = max(found.fill().items(), key=lambda item: item[1])
    yield f"    {_effort(found)}; '{pad}' is the fullest scratchpad, {share:.0%}"
    part, seen = largest_part(kernel, split, plan.spec, sharing)
    best = found.chosen[0]
    seen = seen.with_dataflow(best.mapping.dataflow)
    problem = problem_of(part, seen, name, plan.options.objective, rules)
    larger = next_better(problem, best)
    dataflow = f" in dataflow {best.mapping.dataflow}" if best.mapping.dataflow else ""
    if larger is None:
        yield f"    no larger scratchpad would allow a better mapping{dataflow}"
    else:
        lack = _lack(part, plan.spec, larger.mapping)
        cost = _cost(kernel, split, plan.spec, larger.mapping, larger.cost)
        yield f"    {lack} would allow {cost}{dataflow}"
    second = found.runner_up()
    if second is None:
        yield "    no other tile fits"
        return
    mapping, estimate = second
    yield f"    runner-up, {_cost(kernel, split, plan.spec, mapping, estimate)}:"
    for line in nest_lines(part, plan.spec, mapping):
        yield f"  {line}"


def _effort(found: Found) -> str:
    """Return how many mappings were looked at, and what is known of the others."""
    coverage = found.coverage
    text = f"{coverage.scored:,} of {coverage.counted:,} mappings scored"
    if coverage.is_proved:
        return f"{text}, none of the others is better"
    return f"{text}, the best can be {coverage.gap:.1%} better"


def _cost(
    kernel: Kernel, split: Split, spec: AcceleratorSpec, mapping: Mapping, estimate: CostEstimate
) -> str:
    cycles, moved = f"{estimate.cycles:,.0f} cycles", split.parts * estimate.dram_bytes
    energies = split_energies_pj(kernel, split, spec, mapping, estimate.cycles)
    if energies is None:
        return f"{cycles} and {format_bytes(moved)} of main memory"
    energy = format_energy(sum(energies.values()))
    return f"{cycles}, {format_bytes(moved)} of main memory and {energy}"


def _lack(kernel: Kernel, spec: AcceleratorSpec, mapping: Mapping) -> str:
    """Return the bytes that a mapping lacks, and what takes the most there."""
    everything = held(kernel, spec, mapping)
    lacking = []
    for pad in spec.scratchpads:
        inside = [one for one in everything if one.pad is pad]
        missing = sum(one.total_bytes for one in inside) - pad.capacity_bytes
        if missing > 0:
            largest = max(inside, key=lambda one: one.total_bytes)
            lacking.append(f"{missing:,} more bytes in '{pad.name}' (most for {largest.what})")
    return " and ".join(lacking)
