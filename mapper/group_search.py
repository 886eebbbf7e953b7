"""How a group of layers is best run on a machine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from accel.spec import AcceleratorSpec
from mapper.cost import CostEstimate
from mapper.group import Group, GroupMapping, Member, Steps
from mapper.group_cost import estimated
from mapper.group_rings import MemberRings, double, hold_longer
from mapper.group_step import SampleStep
from mapper.group_tiles import MemberTiles
from mapper.kernel import Contraction, Role
from mapper.mapping import Loop
from mapper.space import nested_sizes

#: Sizes of steps that are compared, of those that fit.
STEP_SIZES = 8
#: A group of more tiles isn't considered: its program isn't cut into pieces.
MAX_TILES = 16384


@dataclass(frozen=True, slots=True, kw_only=True)
class FusedGroup:
    """A group as it runs.

    Parameters
    ----------
    steps, mapping
        What it computes, and how.
    estimate
        What that should cost.
    """

    steps: Steps
    mapping: GroupMapping
    estimate: CostEstimate

    @property
    def group(self) -> Group:
        """The layers."""
        return self.steps.group

    def of(self, group: Group) -> FusedGroup:
        """Return how an equal group runs."""
        return replace(self, steps=Steps(group, self.steps.loops))


def best_group(group: Group, spec: AcceleratorSpec, inner: MemberTiles) -> FusedGroup | None:
    """Return the best way to run a group; None where none fits.

    Larger steps come first; only so many are looked at behind the first that fits, since small
    steps compute more of what overlaps.
    """
    last = group.last.kernel
    free = last.numbers(Role.GROUP, Role.M, Role.PARALLEL)
    extents = [last.extents[d] for d in free]
    found: list[FusedGroup] = []
    for sizes in nested_sizes(extents):
        loops = tuple(Loop(d, size) for d, size in zip(free, sizes, strict=True))
        fused = _fused(Steps(group, loops), spec, inner)
        if fused is not None:
            found.append(fused)
        if len(found) == STEP_SIZES:
            break
    return least(found)


def least(found: Iterable[FusedGroup]) -> FusedGroup | None:
    """Return the fastest, or that of the fewest bytes among equals; None of none."""
    return min(found, key=lambda one: (one.estimate.cycles, one.estimate.dram_bytes), default=None)


def _fused(steps: Steps, spec: AcceleratorSpec, inner: MemberTiles) -> FusedGroup | None:
    """Return how a group runs with these steps, its best tiles within shares of scratchpads."""
    sample = SampleStep.of(steps)
    if sample is None or sample.count * len(sample.tiles) > MAX_TILES:
        return None
    room = {pad.name: pad.capacity_bytes for pad in spec.scratchpads}
    for operand, size in sample.passage_bytes:
        room[spec.scratchpad_of(operand).name] -= size
    if min(room.values()) <= 0:
        return None
    shared = _shared(spec, room, steps.group.members)
    mappings = []
    for member, tile in zip(steps.group.members, sample.tiles, strict=True):
        mapping = inner.best(member.kernel, tile, shared)
        if mapping is None:
            return None
        mappings.append(mapping)
    rings = MemberRings(steps.group.members, mappings, spec, room)
    hold_longer(steps, sample, rings)
    double(rings)
    whole = GroupMapping(loops=steps.loops, mappings=tuple(rings.mappings))
    estimate = estimated(steps, sample, whole, spec)
    if estimate.tiles > MAX_TILES:
        return None
    return FusedGroup(steps=steps, mapping=whole, estimate=estimate)


def _shared(
    spec: AcceleratorSpec, room: dict[str, int], members: Sequence[Member]
) -> AcceleratorSpec:
    """Return a machine as one member sees it: an equal share of what all leave free.

    # Approximation: shares are equal, whatever the members need.
    """
    users: dict[str, int] = {}
    for member in members:
        operands = [o.scratchpad for o in member.kernel.operands if not o.is_kept]
        if isinstance(member.kernel.body, Contraction):
            operands.append("psum")
        for name in {spec.scratchpad_of(operand).name for operand in operands}:
            users[name] = users.get(name, 0) + 1
    pads = tuple(
        replace(pad, capacity_bytes=room[pad.name] // users.get(pad.name, 1))
        for pad in spec.scratchpads
    )
    return replace(spec, scratchpads=pads)
