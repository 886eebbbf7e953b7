"""What a group should cost: cycles, bytes and tiles, before it is lowered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from accel.spec import AcceleratorSpec
from accel.vector import vector_cycles
from mapper.cost import CostEstimate
from mapper.forms import latency_cycles
from mapper.group import GroupMapping, Steps
from mapper.group_step import SampleStep, piece_of_step
from mapper.held import memory_of
from mapper.kernel import Contraction, Kernel, OperandMap, Role, VectorBody, box_bytes
from mapper.mapping import Mapping, Tile, cut
from mapper.nest import Nests
from mapper.taking import Counts
from mapper.unit_cycles import feed_cycles, product_work


def estimated(
    steps: Steps, sample: SampleStep, mapping: GroupMapping, spec: AcceleratorSpec
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
    work = product_work(kernel, spec, size)
    slowest = float(feed_cycles(kernel, spec, work))
    sums = prod(-(-kernel.extents[d] // size[d]) for d in kernel.numbers(Role.K))
    emptied = vector_cycles(
        spec.vector,
        function=body.result_function,
        activation=body.activation,
        elements=float(prod(size[d] for d in kernel.numbers(Role.GROUP, Role.M, Role.N))),
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
    piece = piece_of_step(kernel, tile)
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
