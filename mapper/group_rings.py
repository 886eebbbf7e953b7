"""The scratchpads' bytes that members of a group share, and what fits besides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

from accel.spec import OPERANDS, AcceleratorSpec
from foundation.dtype import DTYPES
from mapper.group import Member, Steps
from mapper.group_step import SampleStep
from mapper.kernel import Contraction, Kernel, Role, box_bytes, padded_bytes
from mapper.mapping import Loop, Mapping


class MemberRings:
    """The members' mappings, and the scratchpads' bytes that they take: all fit together.

    Parameters
    ----------
    members, mappings
        One of each.
    spec
        The machine.
    room
        Scratchpad to bytes that there are.
    """

    def __init__(
        self,
        members: Sequence[Member],
        mappings: Sequence[Mapping],
        spec: AcceleratorSpec,
        room: dict[str, int],
    ) -> None:
        self.members = members
        self.mappings = list(mappings)
        self._pads = {operand: spec.scratchpad_of(operand).name for operand in OPERANDS}
        pairs = zip(members, mappings, strict=True)
        self._taken = [self._bytes(member.kernel, mapping) for member, mapping in pairs]
        self._left = dict(room)
        for taken in self._taken:
            for pad, size in taken.items():
                self._left[pad] -= size

    def change(self, number: int, mapping: Mapping) -> bool:
        """Let a member have another mapping if it fits, and return whether it does."""
        taken, before = self._bytes(self.members[number].kernel, mapping), self._taken[number]
        left = {p: n + before.get(p, 0) - taken.get(p, 0) for p, n in self._left.items()}
        if min(left.values()) < 0:
            return False
        self._left, self._taken[number], self.mappings[number] = left, taken, mapping
        return True

    def _bytes(self, kernel: Kernel, mapping: Mapping) -> dict[str, int]:
        """Return scratchpad to the bytes of a member's rings."""
        taken: dict[str, int] = {}
        extents = kernel.extents
        for number, operand in enumerate(kernel.operands):
            if not operand.is_kept:
                size = padded_bytes(operand, extents, mapping.region(number, extents))
                pad = self._pads[operand.scratchpad]
                taken[pad] = taken.get(pad, 0) + size * mapping.num_buffers[number]
        if isinstance(kernel.body, Contraction):
            accumulator = DTYPES[kernel.inputs[0].dtype.accumulator]
            tile, numbers = mapping.tile, kernel.numbers(Role.GROUP, Role.M, Role.N)
            psums = prod(tile[d] for d in numbers) * accumulator.size_bytes
            pad = self._pads["psum"]
            taken[pad] = taken.get(pad, 0) + psums * mapping.num_buffers[-1]
        return taken


def hold_longer(steps: Steps, sample: SampleStep, rings: MemberRings) -> None:
    """Let operands that are used in several steps stay, as far as they fit."""

    def saved(place: tuple[int, int]) -> float:
        number, operand = place
        kernel = rings.members[number].kernel
        per_step = box_bytes(kernel.inputs[operand], sample.tiles[number].size)
        return sample.count * per_step / box_bytes(kernel.inputs[operand], kernel.extents)

    places = {
        (number, operand): saved((number, operand))
        for number, member in enumerate(rings.members)
        for operand in range(len(member.kernel.inputs))
        if not member.kernel.inputs[operand].is_kept
    }
    for (number, operand), times in sorted(places.items(), key=lambda one: -one[1]):
        if times > 1:
            for held in _longer(steps, rings.members[number], rings.mappings[number], operand):
                if rings.change(number, held):
                    break


def double(rings: MemberRings) -> None:
    """Let operands have two buffers where they fit: the next step's tiles come meanwhile."""
    for number, member in enumerate(rings.members):
        for operand in reversed(range(len(member.kernel.operands))):
            mapping = rings.mappings[number]
            if mapping.num_buffers[operand] == 1 and mapping.held[operand]:
                buffers = mapping.num_buffers
                doubled = (*buffers[:operand], 2, *buffers[operand + 1 :])
                rings.change(number, replace(mapping, num_buffers=doubled))


def _longer(steps: Steps, member: Member, mapping: Mapping, operand: int) -> list[Mapping]:
    """Return mappings in which an input stays longer: for all steps, or for those of a group."""
    held = [*mapping.held]
    held[operand] = 0
    buffers = [*mapping.num_buffers]
    buffers[operand] = 1
    found = [replace(mapping, held=tuple(held), num_buffers=tuple(buffers))]
    groups = _group_loops(steps, member)
    what = member.kernel.inputs[operand]
    if groups and mapping.loops[: len(groups)] != groups:
        lead = tuple(groups)
        outer = tuple(h + len(lead) if h else 0 for h in mapping.held)
        at_group = [*outer]
        at_group[operand] = len(lead)
        if any(what.depends_on(d) for d, _ in lead):
            found += [
                replace(
                    mapping,
                    loops=(*lead, *mapping.loops),
                    held=tuple(at_group),
                    num_buffers=(*buffers[:operand], count, *buffers[operand + 1 :]),
                )
                for count in (2, 1)
            ]
    return found


def _group_loops(steps: Steps, member: Member) -> tuple[Loop, ...]:
    """Return the loops over independent products, where steps cut a member along them."""
    numbers = member.kernel.numbers(Role.GROUP)
    first, last = steps.loops, steps.group.last.kernel
    cut_sizes = {last.dimensions[d].name: size for d, size in first if size < last.extents[d]}
    return tuple(
        Loop(d, cut_sizes[member.kernel.dimensions[d].name])
        for d in numbers
        if member.kernel.dimensions[d].name in cut_sizes
        and member.kernel.extents[d] == _extent(last, member.kernel.dimensions[d].name)
    )


def _extent(kernel: Kernel, name: str) -> int:
    return next(dimension.extent for dimension in kernel.dimensions if dimension.name == name)
