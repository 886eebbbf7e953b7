"""Fusion: how a group of layers is best run on a machine, and whether that pays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import inf, prod

import numpy as np

from accel.scratchpad import port_cycles
from accel.several_arrays import matmul_work
from accel.spec import OPERANDS, AcceleratorSpec
from accel.vector import vector_cycles
from foundation.dtype import DTYPES
from mapper.cost import CostEstimate, NestCosts
from mapper.forms import latency_cycles
from mapper.group import Group, GroupMapping, Member, Steps, make_group
from mapper.held import memory_of
from mapper.kernel import (
    Contraction,
    Kernel,
    OperandMap,
    Role,
    VectorBody,
    box_bytes,
    padded_bytes,
)
from mapper.mapping import Loop, Mapping, Tile, cut
from mapper.nest import Counts, Nests
from mapper.parts import piece_of
from mapper.place_costs import Scores
from mapper.space import nested_sizes, product_options
from workloads.graph import Graph

#: Layers of a group, at most.
LONGEST = 8
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


def best_group(group: Group, spec: AcceleratorSpec, inner: _Inner) -> FusedGroup | None:
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
    return _least(found)


def _least(found: Iterable[FusedGroup]) -> FusedGroup | None:
    return min(found, key=lambda one: (one.estimate.cycles, one.estimate.dram_bytes), default=None)


def _fused(steps: Steps, spec: AcceleratorSpec, inner: _Inner) -> FusedGroup | None:
    """Return how a group runs with these steps, its best tiles within shares of scratchpads."""
    sample = _Sample.of(steps)
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
    rings = _Rings(steps.group.members, mappings, spec, room)
    _hold_longer(steps, sample, rings)
    _double(rings)
    whole = GroupMapping(loops=steps.loops, mappings=tuple(rings.mappings))
    estimate = _estimate(steps, sample, whole, spec)
    if estimate.tiles > MAX_TILES:
        return None
    return FusedGroup(steps=steps, mapping=whole, estimate=estimate)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sample:
    """One step of many, the largest.

    Parameters
    ----------
    count
        Number of steps.
    tiles
        Iterations of each member.
    passage_bytes
        Operand under which each passage is held, and its bytes with all slots.
    """

    count: int
    tiles: tuple[Tile, ...]
    passage_bytes: tuple[tuple[str, int], ...]

    @classmethod
    def of(cls, steps: Steps) -> _Sample | None:
        """Return the step in the middle of a group; None where passages can't be held."""
        extents = steps.group.last.kernel.extents
        counts = [-(-extents[d] // size) for d, size in steps.loops]
        middle = list(extents)
        low = [0] * len(extents)
        for (d, size), count in zip(steps.loops, counts, strict=True):
            low[d], middle[d] = (count // 2 if count > 2 else 0) * size, size
        one = Steps(steps.group, steps.loops, (Tile(low=tuple(low), size=tuple(middle)),))
        buffers = one.buffers
        if buffers is None:
            return None
        passages = zip(steps.group.passages, buffers, strict=True)
        return cls(
            count=prod(counts),
            tiles=tuple(one.tiles[0]),
            passage_bytes=tuple((p.scratchpad, p.slots * b.size_bytes) for p, b in passages),
        )


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


def _piece(kernel: Kernel, tile: Tile) -> Kernel:
    return piece_of(kernel, dict(enumerate(tile.low)), dict(enumerate(tile.size)))


class _Inner:
    """Tiles of members: scored once for each kernel and size of its part of a step.

    Parameters
    ----------
    spec
        The machine with one dataflow, whatever its scratchpads leave free.
    dataflow
        That one where the machine has several.
    """

    def __init__(self, spec: AcceleratorSpec, dataflow: str | None) -> None:
        self._spec = spec
        self._dataflow = dataflow
        self._known: dict[object, list[tuple[Nests, Scores]]] = {}

    def best(self, kernel: Kernel, tile: Tile, shared: AcceleratorSpec) -> Mapping | None:
        """Return how a member computes its part of a step: the best tiles that fit, held as such.

        ``shared`` is the machine with what scratchpads leave it.
        """
        best: tuple[float, Mapping] | None = None
        for nests, scores in self._scored(kernel, tile):
            cycles = np.where(scores.fits(shared), scores.cycles, np.inf)
            row = int(cycles.argmin())
            if np.isfinite(cycles[row]) and (best is None or cycles[row] < best[0]):
                mapping = Mapping(
                    loops=nests.loops(row),
                    held=(nests.depth,) * len(kernel.operands),
                    num_buffers=tuple(int(count[row]) for count in scores.num_buffers),
                    dataflow=self._dataflow if isinstance(kernel.body, Contraction) else None,
                )
                best = float(cycles[row]), mapping
        return best[1] if best is not None else None

    def _scored(self, kernel: Kernel, tile: Tile) -> list[tuple[Nests, Scores]]:
        key = (kernel, tile.size)
        if key not in self._known:
            piece = _piece(kernel, tile)
            self._known[key] = []
            for dimensions, table in _tables(piece, self._spec):
                nests = Nests(piece, dimensions, np.ascontiguousarray(table.T))
                places = (nests.depth,) * len(kernel.operands)
                scores = NestCosts(nests, self._spec).score(places, (True,) * len(places))
                self._known[key].append((nests, scores))
        return self._known[key]


def _tables(piece: Kernel, spec: AcceleratorSpec) -> list[tuple[list[int], Counts]]:
    """Return loop orders with the steps that are tried."""
    if isinstance(piece.body, VectorBody):
        parallel, whole = piece.numbers(Role.PARALLEL), piece.numbers(Role.WHOLE)
        sizes = nested_sizes([piece.extents[d] for d in parallel], spec.vector.lanes)
        rows = [(*size, *(piece.extents[d] for d in whole)) for size in sizes]
        return [([*parallel, *whole], np.array(rows, dtype=np.int64))]
    options = product_options(piece, spec)
    tables = []
    for roles in ((Role.GROUP, Role.M, Role.N, Role.K), (Role.GROUP, Role.N, Role.M, Role.K)):
        rows = [sum(choice, ()) for choice in product(*(options[role] for role in roles))]
        order = [d for role in roles for d in piece.numbers(role)]
        tables.append((order, np.array(rows, dtype=np.int64)))
    return tables


class _Rings:
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


def _hold_longer(steps: Steps, sample: _Sample, rings: _Rings) -> None:
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


def _double(rings: _Rings) -> None:
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


def _estimate(
    steps: Steps, sample: _Sample, mapping: GroupMapping, spec: AcceleratorSpec
) -> CostEstimate:
    """Return what a group should cost: the busiest unit's time for each step, and the way through.

    # Approximation: every step is as large as the one in the middle.
    """
    times = [
        _member_times(member.kernel, list(cut(tile, own.loops)), spec)
        for member, tile, own in zip(
            steps.group.members, sample.tiles, mapping.mappings, strict=True
        )
    ]
    moved: dict[str, float] = {memory.name: 0.0 for memory in spec.memories}
    first, last = dict(moved), dict(moved)
    for member, tile, own in zip(steps.group.members, sample.tiles, mapping.mappings, strict=True):
        for number, operand in enumerate(member.kernel.operands):
            if operand.is_kept:
                continue
            memory = memory_of(operand, spec).name
            once, all_steps = _traffic(member.kernel, number, own, tile, sample.count)
            moved[memory] += all_steps
            (last if operand is member.kernel.output else first)[memory] += once
    per_cycle = {m.name: m.bandwidth_bytes_per_s / spec.clock_hz for m in spec.memories}
    latency = latency_cycles(spec)
    turn = max(
        sum(one.array for one in times),
        sum(one.vector for one in times),
        # A member that multiplies what another has just computed is one step behind it.
        *(one.latency + one.vector for one in times),
    )
    return CostEstimate(
        cycles=max(turn * sample.count, *(moved[name] / per_cycle[name] for name in moved))
        + max(first[name] / per_cycle[name] for name in first)
        + sum(one.latency + one.vector / one.tiles for one in times)
        + max(last[name] / per_cycle[name] for name in last)
        + 2 * latency,
        dram_bytes=int(sum(moved.values())),
        tiles=sample.count * sum(one.tiles for one in times),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Times:
    """Cycles of a member's part of a step.

    Parameters
    ----------
    array, vector
        In which the units are taken.
    latency
        From the last product to its psums.
    tiles
        Number of tiles.
    """

    array: float
    vector: float
    latency: float
    tiles: int


def _member_times(kernel: Kernel, tiles: Sequence[Tile], spec: AcceleratorSpec) -> _Times:
    """Return the cycles of a member's tiles."""
    array = vector = latency = turns = 0.0
    counts: dict[tuple[int, ...], int] = {}
    for tile in tiles:
        counts[tile.size] = counts.get(tile.size, 0) + 1
    for size, count in counts.items():
        if isinstance(kernel.body, Contraction):
            occupied, behind, emptied = _product_times(kernel, kernel.body, size, spec)
            array, latency = array + count * occupied, max(latency, behind)
            vector += count * emptied
            # With two slots of psums, a tile is computed and emptied every other turn.
            turns += count * (occupied + behind + emptied) / 2
        else:
            vector += count * _vector_time(kernel, size, spec)
    if len(tiles) > 2:
        array = max(array, turns)
    return _Times(array=array, vector=vector, latency=latency, tiles=len(tiles))


def _product_times(
    kernel: Kernel, body: Contraction, size: tuple[int, ...], spec: AcceleratorSpec
) -> tuple[float, float, float]:
    """Return the cycles of one tile: of the array, behind it, and of the vector unit."""
    groups, m, n, k = (
        prod(size[d] for d in kernel.numbers(role)) for role in (Role.GROUP, Role.M, Role.N, Role.K)
    )
    work = matmul_work(
        spec.array,
        groups=groups,
        m=m,
        n=n,
        k=k,
        accumulate=0,
        reduction=kernel.reduction(spec.array),
    )
    ports: dict[str, float] = {}
    for operand, traffic in work.scratchpad_bytes(*kernel.factors).items():
        name = spec.scratchpad_of(operand).name
        ports[name] = ports.get(name, 0.0) + traffic
    slowest = max(
        port_cycles(ports[pad.name], pad.bandwidth_bytes_per_cycle)
        for pad in spec.scratchpads
        if pad.name in ports
    )
    sums = prod(-(-kernel.extents[d] // size[d]) for d in kernel.numbers(Role.K))
    emptied = vector_cycles(
        spec.vector,
        function=body.result_function,
        activation=body.activation,
        elements=float(groups * m * n),
    )
    timing = work.timing
    behind = timing.latency_cycles - timing.occupancy_cycles
    return max(timing.occupancy_cycles, slowest), behind, emptied / sums


def _vector_time(kernel: Kernel, size: tuple[int, ...], spec: AcceleratorSpec) -> float:
    """Return the cycles of one tile of a vector function."""
    body = kernel.body
    assert isinstance(body, VectorBody), "a group has products and vector functions"
    return vector_cycles(
        spec.vector,
        function=body.function,
        activation=body.activation,
        elements=float(prod(size)),
        row=kernel.row,
    )


def _traffic(
    kernel: Kernel, number: int, mapping: Mapping, tile: Tile, count: int
) -> tuple[float, float]:
    """Return the bytes of an operand that come before the first tile, and all of them."""
    operand: OperandMap = kernel.operands[number]
    held = mapping.held[number]
    if held == 0:
        return box_bytes(operand, mapping.tile), box_bytes(operand, kernel.extents)
    piece = _piece(kernel, tile)
    lead = len(mapping.loops) - len(kernel.dimensions)
    steps = np.array([[step] for _, step in mapping.loops[lead:]], dtype=np.int64)
    nests = Nests(piece, [d for d, _ in mapping.loops[lead:]], steps)
    first = _only(nests.box_bytes(operand, nests.depth))
    if held < len(mapping.loops):  # once for each turn of the loops over independent products
        region = mapping.region(number, kernel.extents)
        turns = prod(-(-kernel.extents[d] // step) for d, step in mapping.loops[:held])
        return first, turns * box_bytes(operand, region)
    moves = _only(nests.moves(operand, nests.depth))
    per_step = _only(nests.sweep_bytes(operand, nests.depth)) * _only(
        nests.repeats(operand, nests.depth)
    )
    stays = moves == 1 and box_bytes(operand, tile.size) == box_bytes(operand, kernel.extents)
    return first, per_step if stays else per_step * count


def _only(values: Counts) -> int:
    """Return what holds for the only nest."""
    return int(values.reshape(-1)[0])


#: A unit's estimated cycles and bytes; infinite where it doesn't fit.
Costs = Callable[[range], tuple[float, float]]


class Fuser:
    """Chooses which neighbours of a network run as groups.

    Parameters
    ----------
    graph, spec
        What is mapped, onto what.
    """

    def __init__(self, graph: Graph, spec: AcceleratorSpec) -> None:
        self._graph = graph
        self._spec = spec
        several = bool(spec.array.other_dataflows)
        self._inner = {
            name: _Inner(spec.with_dataflow(name), name if several else None)
            for name in spec.array.dataflows
        }
        self._last_use: dict[str, float] = dict.fromkeys(graph.outputs, inf)
        for number, layer in enumerate(graph.layers):
            for name in layer.inputs:
                self._last_use[name] = max(number, self._last_use.get(name, 0))

    def of(self, graph: Graph) -> Fuser:
        """Return a fuser of another graph on the same machine; both share what they find."""
        other = Fuser(graph, self._spec)
        other._inner = self._inner
        return other

    def units(self, costs: Costs) -> list[range]:
        """Return the network as ranges of layers, each alone or a group, with the least cost."""
        count = len(self._graph.layers)
        best: list[tuple[float, float, int]] = [(0.0, 0.0, 0)]
        for end in range(1, count + 1):
            choices = []
            for start in range(max(0, end - LONGEST), end):
                unit = range(start, end)
                cost = costs(unit) if len(unit) == 1 or self.is_group(unit) else (inf, inf)
                cycles, moved, _ = best[start]
                choices.append((cycles + cost[0], moved + cost[1], start))
            best.append(min(choices))
        units = []
        while count:
            units.append(range(best[count][2], count))
            count = best[count][2]
        return units[::-1]

    def is_group(self, layers: range) -> bool:
        """Whether only the last of some neighbours is needed by others."""
        names = [self._graph.layers[n].name for n in layers]
        return all(self._last_use.get(name, 0) < layers.stop for name in names[:-1])

    def fused(
        self, layers: range, kernels: Sequence[Sequence[Kernel]], spec: AcceleratorSpec
    ) -> FusedGroup | None:
        """Return the best way to run neighbours as a group; None where there is none.

        ``kernels`` are theirs, as they are where tensors are kept; ``spec`` has the scratchpads'
        free bytes.

        # Approximation: all members run in one dataflow, that of the least estimate: an array that
        changes between two of them would have to be drained first.
        """
        group = make_group([self._graph.layers[n] for n in layers], kernels)
        if group is None:
            return None
        found = (
            best_group(group, spec.with_dataflow(name), inner)
            for name, inner in self._inner.items()
        )
        return _least(one for one in found if one is not None)
