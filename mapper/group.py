"""Groups: layers that run together, tile by tile of the last one's output.

Each step computes one tile of the last layer, and before it what it needs of the others, which
never leaves the chip: *passages* hold it in a scratchpad. Windows that overlap are computed again
(their halo). Layers work on steps in turn: one that multiplies what another has just computed is a
step behind it, so that the array needn't wait for the vector unit.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod

from mapper.buffers import Buffer, Range, axis_runs, common_axes, parted, to_axes, to_view
from mapper.kernel import Contraction, Kernel, OperandMap, Role, VectorBody
from mapper.mapping import Loop, Mapping, Tile, cut
from workloads.graph import Layer
from workloads.layers import Reshape

#: A tensor that is passed on: the number of the layer that writes it, and who reads it as what.
_Passed = tuple[int, list[tuple[int, str]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A layer of a group.

    Parameters
    ----------
    layer
        The layer.
    kernel
        What it computes. Its operands that are passed within the group are kept on the chip.
    reads
        Role of each operand that is passed to it, to the number of its passage.
    writes
        Number of the passage that it writes; None for the last layer.
    lag
        Steps that it is behind the first.
    """

    layer: Layer
    kernel: Kernel
    reads: Dictionary[str, int]
    writes: int | None
    lag: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A tensor that is passed within a group.

    Parameters
    ----------
    axes
        Fine enough for all who use it.
    writer, readers
        Numbers of members.
    scratchpad
        Under which of ``accel.spec.OPERANDS`` it is held.
    fill
        Value of padding.
    slots
        Steps of it that are held at the same time.
    """

    axes: tuple[int, ...]
    writer: int
    readers: tuple[int, ...]
    scratchpad: str
    fill: int
    slots: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Layers that run together; the last one's output is the group's.

    Parameters
    ----------
    members
        In order.
    passages
        What they pass on.
    """

    members: tuple[Member, ...]
    passages: tuple[Passage, ...]

    @property
    def last(self) -> Member:
        """The member whose output leaves the group."""
        return self.members[-1]


def make_group(layers: Sequence[Layer], kernels: Sequence[Sequence[Kernel]]) -> Group | None:
    """Return layers as a group; None where they can't run together.

    Parameters
    ----------
    layers
        Neighbours in the order of execution; of what they compute only the last one's output is
        needed by others.
    kernels
        Of each of them.
    """
    computing = [
        (layer, own[0])
        for layer, own in zip(layers, kernels, strict=True)
        if not isinstance(layer.operator, Reshape) and own
    ]
    if len(computing) < 2 or isinstance(layers[-1].operator, Reshape):
        return None
    if any(len(own) > 1 for own in kernels):
        return None
    if not all(isinstance(kernel.body, (Contraction, VectorBody)) for _, kernel in computing):
        return None
    sources: dict[str, str] = {}
    for layer in layers:
        if isinstance(layer.operator, Reshape):
            sources[layer.name] = sources.get(layer.inputs[0], layer.inputs[0])
    readers: dict[str, list[tuple[int, str]]] = {}
    for number, (layer, _) in enumerate(computing):
        for index, name in enumerate(layer.inputs):
            readers.setdefault(sources.get(name, name), []).append((number, f"input{index}"))
    passed = [(n, readers.get(layer.name, [])) for n, (layer, _) in enumerate(computing[:-1])]
    return _lagged(computing, passed) if all(found for _, found in passed) else None


def _lagged(computing: Sequence[tuple[Layer, Kernel]], found: Sequence[_Passed]) -> Group | None:
    """Return the group of layers that pass tensors on, with lags and kernels that fit."""
    common = _with_common_axes([kernel for _, kernel in computing], found)
    if common is None:
        return None
    kernels, axes_of = common
    lags = _lags(kernels, found)
    passages = [
        _passage(kernels, lags, axes, passed) for axes, passed in zip(axes_of, found, strict=True)
    ]
    sure = [passage for passage in passages if passage is not None]
    if len(sure) < len(passages):
        return None
    members = [
        _member(layer, kernel, number, lag, found)
        for number, ((layer, _), kernel, lag) in enumerate(
            zip(computing, kernels, lags, strict=True)
        )
    ]
    return Group(members=tuple(members), passages=tuple(sure))


def _with_common_axes(
    kernels: list[Kernel], found: Sequence[_Passed]
) -> tuple[list[Kernel], list[tuple[int, ...]]] | None:
    """Return kernels whose views of what is passed on are one axis each as far as can be.

    With them the axes of each tensor. Parting a dimension for one makes the views of others finer,
    so that it goes on until nothing changes. None where views have no common form.
    """
    before: list[Kernel] = []
    axes_of: list[tuple[int, ...]] = []
    while kernels != before:
        before, axes_of = list(kernels), []
        for writer, readers in found:
            uses = [(writer, "output"), *readers]
            axes = common_axes([_shape(kernels[n], role) for n, role in uses])
            # Who reads segments sees other elements than who writes them.
            if axes is None or len({_operand(kernels[n], role).dtype for n, role in uses}) > 1:
                return None
            axes_of.append(axes)
            for number, role in uses:
                for axis in range(len(axes)):
                    kernels[number] = parted(kernels[number], role, axes, [axis]) or kernels[number]
    return kernels, axes_of


def _lags(kernels: Sequence[Kernel], found: Sequence[_Passed]) -> list[int]:
    """Return the steps that each layer is behind: one more than what it multiplies."""
    lags: list[int] = []
    for number, kernel in enumerate(kernels):
        behind = [
            lags[writer] + isinstance(kernel.body, Contraction)
            for writer, readers in found
            for reader, _ in readers
            if reader == number
        ]
        lags.append(max(behind, default=0))
    return lags


def _passage(
    kernels: Sequence[Kernel], lags: Sequence[int], axes: tuple[int, ...], passed: _Passed
) -> Passage | None:
    """Return a tensor's passage; None where its readers want it in different ways."""
    writer, readers = passed
    operands = [_operand(kernels[n], role) for n, role in readers]
    pads = {operand.scratchpad for operand in operands}
    fills = {operand.fill for operand in operands}
    if len(pads) > 1 or len(fills) > 1:
        return None
    if not all(
        _sees_tensor(kernels[n], operand) and _is_padded_along_one(kernels[n], operand, axes)
        for (n, _), operand in zip(readers, operands, strict=True)
    ):
        return None
    return Passage(
        axes=axes,
        writer=writer,
        readers=tuple(dict.fromkeys(n for n, _ in readers)),
        scratchpad=pads.pop(),
        fill=fills.pop(),
        slots=max(lags[n] for n, _ in readers) - lags[writer] + 1,
    )


def _member(
    layer: Layer, kernel: Kernel, number: int, lag: int, found: Sequence[_Passed]
) -> Member:
    """Return a layer as a member, with what it reads and writes on the chip."""
    reads = {role: p for p, (_, readers) in enumerate(found) for n, role in readers if n == number}
    writes = next((p for p, (writer, _) in enumerate(found) if writer == number), None)
    inputs = tuple(replace(o, is_kept=o.is_kept or o.role in reads) for o in kernel.inputs)
    output = replace(kernel.output, is_kept=kernel.output.is_kept or writes is not None)
    return Member(
        layer=layer,
        kernel=replace(kernel, inputs=inputs, output=output),
        reads=reads,
        writes=writes,
        lag=lag,
    )


def _sees_tensor(kernel: Kernel, operand: OperandMap) -> bool:
    """Whether every window holds an element that exists: none lies in the padding as a whole."""
    taps = set(kernel.numbers(Role.K, Role.WHOLE))
    for axis in operand.axes:
        moved = sum(c * (kernel.extents[d] - 1) for d, c in axis.terms if d not in taps)
        span = sum(c * (kernel.extents[d] - 1) for d, c in axis.terms if d in taps)
        if axis.offset + span < 0 or axis.offset + moved > axis.size - 1:
            return False
    return True


def _is_padded_along_one(kernel: Kernel, operand: OperandMap, axes: Sequence[int]) -> bool:
    """Whether padding is only where an axis of the view is one of the passage's: no box else."""
    whole = Tile(low=(0,) * len(kernel.extents), size=kernel.extents)
    shape = [axis.size for axis in operand.axes]
    views = zip(_touched(operand, whole), shape, axis_runs(axes, shape), strict=True)
    return all((low >= 0 and high <= size) or len(run) == 1 for (low, high), size, run in views)


def _operand(kernel: Kernel, role: str) -> OperandMap:
    return next(operand for operand in kernel.operands if operand.role == role)


def _shape(kernel: Kernel, role: str) -> tuple[int, ...]:
    return tuple(axis.size for axis in _operand(kernel, role).axes)


Box = tuple[Range, ...]


@dataclass(frozen=True)
class Steps:
    """The steps of a group: for each what every member computes, and what passages hold.

    Parameters
    ----------
    group
        The group.
    loops
        Over the last member's dimensions, outermost first.
    only
        The turns of the loops that are looked at; all by default.
    """

    group: Group
    loops: tuple[Loop, ...]
    only: tuple[Tile, ...] | None = None

    @cached_property
    def tiles(self) -> list[list[Tile]]:
        """For each step the iterations of each member."""
        return [tiles for tiles, _ in self._found]

    @cached_property
    def boxes(self) -> list[list[Box]]:
        """For each step the box of each passage, padding included."""
        return [boxes for _, boxes in self._found]

    @cached_property
    def skips(self) -> list[bool]:
        """For each member whether some of its iterations are in no step: nobody needs them."""
        return [
            any(
                _leaves_out({(t.low[d], t.low[d] + t.size[d]) for t in tiles}, extent)
                for d, extent in enumerate(member.kernel.extents)
            )
            for member, tiles in zip(self.group.members, zip(*self.tiles, strict=True), strict=True)
        ]

    @cached_property
    def _found(self) -> list[tuple[list[Tile], list[Box]]]:
        extents = self.group.last.kernel.extents
        whole = Tile(low=(0,) * len(extents), size=extents)
        turns = cut(whole, self.loops) if self.only is None else self.only
        return [self._step(tile) for tile in turns]

    def _step(self, last: Tile) -> tuple[list[Tile], list[Box]]:
        """Go back from a tile of the last member to what is needed for it."""
        members, passages = self.group.members, self.group.passages
        tiles = [last] * len(members)
        needed: list[list[list[Range]]] = [[] for _ in passages]
        boxes: list[Box] = [()] * len(passages)
        for number in reversed(range(len(members))):
            member = members[number]
            if member.writes is not None:
                passage = passages[member.writes]
                wanted = _union(needed[member.writes])
                tiles[number], written = _computing(member.kernel, passage.axes, wanted)
                boxes[member.writes] = tuple(_union([wanted, written]))
            for role, p in member.reads.items():
                operand = _operand(member.kernel, role)
                shape = [axis.size for axis in operand.axes]
                touched = _touched(operand, tiles[number])
                needed[p].append(to_axes(passages[p].axes, shape, touched))
        return tiles, boxes

    @cached_property
    def buffers(self) -> list[Buffer] | None:
        """How each passage lies in its scratchpad (named by operand); None where it can't."""
        found = []
        for number, passage in enumerate(self.group.passages):
            boxes = [step[number] for step in self.boxes]
            extents = tuple(
                max(box[n][1] - box[n][0] for box in boxes) for n in range(len(passage.axes))
            )
            is_bordered = any(
                low < 0 or high > size
                for box in boxes
                for (low, high), size in zip(box, passage.axes, strict=True)
            )
            users = [passage.writer, *passage.readers]
            if not all(self._is_affine(number, n, extents) for n in users):
                return None
            found.append(
                Buffer(
                    scratchpad=passage.scratchpad,
                    axes=passage.axes,
                    before=(int(is_bordered), *([0] * (len(passage.axes) - 1))),
                    after=(0,) * len(passage.axes),
                    extents=extents,
                    element_bytes=self.group.members[passage.writer].kernel.output.dtype.size_bytes,
                    fill=passage.fill,
                )
            )
        return found

    def _is_affine(self, passage: int, number: int, extents: Sequence[int]) -> bool:
        """Whether a member's views of a box have one stride along each axis."""
        member, axes = self.group.members[number], self.group.passages[passage].axes
        for operand in member.kernel.operands:
            is_used = member.reads.get(operand.role) == passage or (
                operand.role == "output" and member.writes == passage
            )
            if is_used:
                for run in axis_runs(axes, [axis.size for axis in operand.axes]):
                    if any(extents[n] != axes[n] for n in run[1:]):
                        return False
        return True


def _leaves_out(ranges: Collection[Range], extent: int) -> bool:
    """Whether ranges leave something out of 0 to ``extent``."""
    reached = 0
    for low, high in sorted(ranges):
        if low > reached:
            return True
        reached = max(reached, high)
    return reached < extent


def _union(boxes: Sequence[Sequence[Range]]) -> list[Range]:
    return [
        (min(low for low, _ in along), max(high for _, high in along))
        for along in zip(*boxes, strict=True)
    ]


def _touched(operand: OperandMap, tile: Tile) -> list[Range]:
    """Return what a tile touches along each axis of an operand, padding included."""
    ranges = []
    for axis in operand.axes:
        low = axis.offset + sum(c * tile.low[d] for d, c in axis.terms)
        last = low + sum(c * (tile.size[d] - 1) for d, c in axis.terms)
        ranges.append((low, last + 1))
    return ranges


def _computing(
    kernel: Kernel, axes: Sequence[int], box: Sequence[Range]
) -> tuple[Tile, list[Range]]:
    """Return the iterations that compute a box of a kernel's output, and all that they compute.

    Rows that are computed as a whole (softmax) are, however little of them the box holds.
    """
    inside = [(max(0, low), min(size, high)) for (low, high), size in zip(box, axes, strict=True)]
    shape = [axis.size for axis in kernel.output.axes]
    rows = set(kernel.numbers(Role.WHOLE))
    ranges = [
        (0, axis.size) if any(d in rows for d, _ in axis.terms) else wanted
        for axis, wanted in zip(kernel.output.axes, to_view(axes, shape, inside), strict=True)
    ]
    low, size = [0] * len(kernel.extents), list(kernel.extents)
    for axis, (first, end) in zip(kernel.output.axes, ranges, strict=True):
        for d, _ in axis.terms:  # outputs have one dimension an axis, from 0 on
            low[d], size[d] = first, end - first
    return Tile(low=tuple(low), size=tuple(size)), to_axes(axes, shape, ranges)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMapping:
    """How a group runs.

    Parameters
    ----------
    loops
        Over the last member's dimensions: a turn is a step.
    mappings
        For each member how it computes its part of a step.
    """

    loops: tuple[Loop, ...]
    mappings: tuple[Mapping, ...]


def member_tiles(steps: Steps, number: int, mapping: Mapping) -> list[list[Tile]]:
    """Return the tiles of a member in each step."""
    return [list(cut(tiles[number], mapping.loops)) for tiles in steps.tiles]


def tile_count(steps: Steps, mapping: GroupMapping) -> int:
    """Return the number of tiles of all members."""
    return sum(
        prod(-(-size // step) for size, step in zip(tile.size, own.tile, strict=True))
        for tiles in steps.tiles
        for tile, own in zip(tiles, mapping.mappings, strict=True)
    )
