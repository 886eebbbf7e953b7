"""How layers run together, as lines of text: a group's steps, what it passes on, what stays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from accel.spec import AcceleratorSpec
from accel.units import format_bytes
from mapper.group_search import FusedGroup
from mapper.kernel import Kernel
from mapper.mapping import Mapping
from mapper.plan import Plan
from mapper.works import PlannedLayer
from workloads.graph import Graph


def group_lines(fused: FusedGroup, spec: AcceleratorSpec) -> Iterable[str]:
    """Yield the lines of a group: its steps, its members, and what they pass on."""
    group, mapping = fused.group, fused.mapping
    last = group.last.kernel
    cuts = [
        f"{last.dimensions[loop.dimension].name} by {loop.step:,}"
        for loop in mapping.loops
        if loop.step < last.extents[loop.dimension]
    ]
    count = len(fused.steps.tiles)
    steps = f"{count:,} steps, {' and '.join(cuts)}" if cuts else "1 step"
    yield (
        f"  {len(group.members)} layers run together in {steps} of the last one's output;"
        f" estimated {fused.estimate.cycles:,.0f} cycles"
    )
    for member, own in zip(group.members, mapping.mappings, strict=True):
        behind = f", {member.lag} step behind" if member.lag else ""
        dataflow = f", {own.dataflow}" if own.dataflow else ""
        yield f"    {member.layer.name}{behind}: tiles of {_tile(member.kernel, own)}{dataflow}"
        for operand, depth in zip(member.kernel.inputs, own.held, strict=False):
            if not operand.is_kept:
                yield f"      {operand.role} from main memory{_stay(depth, own)}"
    yield from _passage_lines(fused, spec)


def _tile(kernel: Kernel, mapping: Mapping) -> str:
    sizes = zip(kernel.dimensions, mapping.tile, strict=True)
    return " ".join(f"{d.name} {size:,}" for d, size in sizes if d.extent > 1)


def _stay(depth: int, mapping: Mapping) -> str:
    """Return for how long an input stays, in words."""
    if depth == 0:
        return ", stays for all steps"
    return ", stays for several steps" if depth < len(mapping.loops) else ""


def _passage_lines(fused: FusedGroup, spec: AcceleratorSpec) -> Iterator[str]:
    """Yield what is passed on, where it lies, and what that saves."""
    group, buffers = fused.group, fused.steps.buffers
    assert buffers is not None, "a group that runs has its passages in scratchpads"
    for passage, buffer in zip(group.passages, buffers, strict=True):
        writer = group.members[passage.writer]
        size = writer.kernel.output.tensor_bytes
        readers = " and ".join(group.members[n].layer.name for n in passage.readers)
        pad = spec.scratchpad_of(passage.scratchpad).name
        times = f"{len(passage.readers)} times" if len(passage.readers) > 1 else "once"
        yield (
            f"    {writer.layer.name} -> {readers} in '{pad}':"
            f" {passage.slots} x {format_bytes(buffer.size_bytes)}"
            f" (before: {format_bytes(size)} written to main memory, and read {times} at least)"
        )


def kept_lines(plan: Plan, planned: PlannedLayer) -> Iterator[str]:
    """Yield which operands stay in scratchpads between layers."""
    for layer in planned.computing:
        for role, place in plan.places(layer).items():
            if place.buffer is not None:
                yield (
                    f"  {role} of {layer.name} stays in '{place.memory}' between layers:"
                    f" {format_bytes(place.buffer.size_bytes)} from byte {place.address:,} on"
                    " (before: through main memory)"
                )


def prefetch_lines(plan: Plan, planned: PlannedLayer) -> Iterator[str]:
    """Yield which weights come before a layer runs, and whose it loads."""
    work = plan.works[planned.work]
    if work.prefetch is not None:
        one = work.prefetch
        yield (
            f"  its first weights, {format_bytes(one.moved_bytes)} in '{one.scratchpad}' from byte"
            f" {one.address:,} on, come while the layer before runs"
            " (before: loaded when it starts)"
        )
    following = plan.following(planned)
    if work.fetches is not None and following is not None:
        one = work.fetches
        loads = f"{one.loads} load{'' if one.loads == 1 else 's'}"
        place = "after its first loads" if one.is_early else "after all its loads"
        yield (
            f"  loads the first weights of {following.name}, {format_bytes(one.moved_bytes)} in"
            f" {loads}, {place}: both layers take {one.saved_cycles:,} cycles less together"
        )


def order_lines(plan: Plan, planned: PlannedLayer) -> Iterator[str]:
    """Yield behind which layer a layer runs now, if it ran behind another one."""
    if plan.given is None:
        return
    first = planned.layers[0].name
    before, now = (_before(graph, first) for graph in (plan.given, plan.graph))
    if before != now:
        yield f"  runs behind {now or 'nothing'} (before: behind {before or 'nothing'})"


def _before(graph: Graph, name: str) -> str | None:
    """Return the layer that a graph has before another."""
    names = [layer.name for layer in graph.layers]
    place = names.index(name)
    return names[place - 1] if place else None
