"""The closed-form cost of mappings: guides the choice, and checks the simulator.

Every function scores many candidates at once: ``tiles`` is an int64 array of shape
(candidates, dimensions), results have shape (candidates,).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accel.scratchpad import port_cycles
from accel.several_arrays import matmul_work
from accel.spec import AcceleratorSpec, MemorySpec
from accel.systolic import ArrayWork
from accel.timing import Count, larger
from accel.vector import vector_cycles
from foundation.dtype import DTYPES
from mapper.kernel import Contraction, Copy, Kernel, Lookup, OperandMap, Role, VectorBody, axis_step

Counts = NDArray[np.int64]
Reals = NDArray[np.float64]

FS_PER_SECOND = 10**15


@dataclass(frozen=True, slots=True, kw_only=True)
class CostEstimate:
    """What a mapping should cost.

    Parameters
    ----------
    cycles
        Estimated total, in core cycles.
    dram_bytes
        Main-memory bytes, padding counted as if it were fetched.
    tiles
        Number of tiles.
    """

    cycles: float
    dram_bytes: int
    tiles: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """The costs of many candidate tilings under one loop order.

    Parameters
    ----------
    cycles, dram_bytes, tiles
        As in CostEstimate.
    required_bytes
        Scratchpad name to bytes that the tiles need, buffers counted.
    num_buffers
        For each operand (inputs, then output): 1 or 2.
    """

    cycles: Reals
    dram_bytes: Counts
    tiles: Counts
    required_bytes: dict[str, Counts]
    num_buffers: list[Counts]

    def fits(self, spec: AcceleratorSpec) -> NDArray[np.bool_]:
        """Return which candidates fit in every scratchpad."""
        capacity = {s.name: s.capacity_bytes for s in spec.scratchpads}
        fitting = np.ones(len(self.cycles), dtype=np.bool_)
        for name, required in self.required_bytes.items():
            fitting &= required <= capacity[name]
        return fitting


def score(kernel: Kernel, spec: AcceleratorSpec, tiles: Counts, order: Sequence[int]) -> Scores:
    """Return the costs of ``tiles`` under one loop order.

    Notes
    -----
    A tile's transfers, products and vector work overlap with those of its neighbours, so the
    total is that of the busiest unit, plus what comes before and after its work: first loads, last
    vector work and last store for the array and the vector unit; for a memory, whose loads and
    stores are all counted, the last tile's work between them. With two buffers, moving an
    operand's tiles, their latency and their use can't take less than half of their sum.
    # Approximation: ragged tiles cost what full ones do on the array and the vector unit.
    """
    counts = -(-np.array(kernel.extents) // tiles)
    steps = counts.prod(axis=1)
    tile_bytes = [_tile_bytes(operand, kernel, tiles) for operand in kernel.operands]
    moves = [_moves(operand, counts, order) for operand in kernel.operands]
    traffic = [
        _sweep_bytes(operand, kernel, tiles, counts) * moves_ // _distinct(operand, counts)
        for operand, moves_ in zip(kernel.operands, moves, strict=True)
    ]
    gathered = traffic[-1:] if isinstance(kernel.body, Lookup) else []
    dram_bytes = np.sum(traffic + gathered, axis=0)
    bursts = [burst_factor(operand, kernel, spec, tiles) for operand in kernel.operands]
    moved = [size * factor for size, factor in zip(traffic, bursts, strict=True)]
    first = [size * factor for size, factor in zip(tile_bytes, bursts, strict=True)]
    array_cycles, array_latency = _array_cycles(kernel, spec, tiles, steps)
    vector_cycles = _vector_cycles(kernel, spec, tiles, counts)
    results = moves[-1]
    # The vector unit starts when the first result has left the array.
    vector_end = vector_cycles + (array_cycles - vector_cycles) / results
    memory_cycles = _memory_cycles(kernel, spec, [*moved, *gathered])
    nothing = np.zeros_like(steps)
    latency_cycles = max(m.latency_fs for m in spec.memories) * spec.clock_hz / FS_PER_SECOND
    loading, storing = _turn_cycles(
        array_cycles + steps * array_latency,
        vector_cycles,
        loads=_memory_cycles(kernel, spec, [*moved[:-1], nothing, *gathered])
        + np.maximum.reduce(moves[:-1]) * latency_cycles,
        stores=_memory_cycles(kernel, spec, [*(nothing for _ in moves[1:]), moved[-1]])
        + moves[-1] * latency_cycles,
    )
    fill = _memory_cycles(kernel, spec, [*first[:-1], nothing])
    drain = _memory_cycles(kernel, spec, [*(nothing for _ in first[1:]), first[-1]])
    empty = vector_cycles / results + array_latency
    buffers = [1 + (moves_ > 1) for moves_ in moves]
    return Scores(
        cycles=np.maximum.reduce(
            [
                np.maximum(array_cycles, vector_end) + fill + drain + 2 * latency_cycles,
                memory_cycles + array_cycles / steps + 2 * latency_cycles,
                (loading + drain + latency_cycles) * (steps > 1),
                (storing + fill + latency_cycles) * (steps > 1),
            ]
        )
        + empty,
        dram_bytes=dram_bytes,
        tiles=steps,
        required_bytes=_required_bytes(kernel, spec, tile_bytes, buffers, tiles),
        num_buffers=buffers,
    )


def _turn_cycles(
    array_cycles: Reals, vector_cycles: Reals, *, loads: Reals, stores: Reals
) -> tuple[Reals, Reals]:
    """Return the least time in which the double buffers of loads and of stores are used in turn.

    It includes the first load, and the last store.
    """
    if not array_cycles.any() and not vector_cycles.any():  # a copy: loaded, then stored
        return (loads + stores) / 2, np.zeros_like(loads)
    first_user = array_cycles if array_cycles.any() else vector_cycles
    return (loads + first_user) / 2, (vector_cycles + stores) / 2


def psum_bytes(kernel: Kernel, sizes: Sequence[Count]) -> Count:
    """Return the bytes of a tile's psums, from the tile size along each dimension."""
    accumulator = DTYPES[kernel.inputs[0].dtype.accumulator]
    numbers = kernel.numbers(Role.GROUP, Role.M, Role.N)
    return prod((sizes[number] for number in numbers[1:]), start=sizes[numbers[0]]) * (
        accumulator.size_bytes
    )


def _required_bytes(
    kernel: Kernel,
    spec: AcceleratorSpec,
    tile_bytes: list[Counts],
    buffers: list[Counts],
    tiles: Counts,
) -> dict[str, Counts]:
    required: dict[str, Any] = {}

    def hold(operand: str, size: Counts, slots: Counts) -> None:
        pad = spec.scratchpad_of(operand)
        aligned = -(-size // pad.alignment_bytes) * pad.alignment_bytes
        required[pad.name] = required.get(pad.name, 0) + aligned * slots

    for operand, size, slots in zip(kernel.operands, tile_bytes, buffers, strict=True):
        if operand is not kernel.output or not is_copy(kernel):
            hold(operand.scratchpad, size, slots)
    if isinstance(kernel.body, Contraction):
        hold("psum", psum_bytes(kernel, list(tiles.T)), buffers[-1])
    return required


def is_copy(kernel: Kernel) -> bool:
    """Whether the output's tile is the input's tile: nothing is computed on the way."""
    return isinstance(kernel.body, Copy)


def _tile_bytes(operand: OperandMap, kernel: Kernel, tiles: Counts) -> Counts:
    """Return the bytes of one tile's box, padding included."""
    size: Any = operand.dtype.size_bytes
    for axis in operand.axes:
        step = axis_step(axis, kernel.extents)
        size = size * (1 + sum(c // step * (tiles[:, d] - 1) for d, c in axis.terms))
    return np.broadcast_to(size, len(tiles))


def _sweep_bytes(operand: OperandMap, kernel: Kernel, tiles: Counts, counts: Counts) -> Counts:
    """Return the bytes of all distinct boxes of an operand, ragged ones at their true size."""
    size: Any = operand.dtype.size_bytes
    for axis in operand.axes:
        step = axis_step(axis, kernel.extents)
        boxes: Any = prod((counts[:, d] for d, _ in axis.terms), start=np.int64(1))
        elements = boxes
        for d, c in axis.terms:
            others = boxes // counts[:, d]
            elements = elements + c // step * (kernel.extents[d] - counts[:, d]) * others
        size = size * elements
    return np.broadcast_to(size, len(tiles))


def burst_factor(
    operand: OperandMap, kernel: Kernel, spec: AcceleratorSpec, tiles: Counts
) -> Reals:
    """Return the bytes on a memory's bus for each byte of an operand's tiles.

    A DRAM moves whole bursts. A tile's runs of contiguous bytes begin anywhere in a burst, unless
    runs and what lies between their starts are whole bursts themselves.
    # Approximation: bursts that two runs share count for both; tensors start at a burst.
    """
    memory = memory_of(operand, spec)
    if memory.dram is None:
        return np.ones(len(tiles))
    burst, element = memory.dram.transaction_bytes, operand.dtype.size_bytes
    run = np.full(len(tiles), element)
    pitch = np.full(len(tiles), element)
    is_whole = np.ones(len(tiles), dtype=np.bool_)
    stride = element
    for axis in reversed(operand.axes):
        step = axis_step(axis, kernel.extents)
        box = 1 + sum(c // step * (tiles[:, d] - 1) for d, c in axis.terms)
        joined = is_whole & (step == 1)
        run = np.where(joined, run * np.minimum(box, axis.size), run)
        pitch = np.where(is_whole & (box > 1), stride * (axis.size if step == 1 else step), pitch)
        is_whole = joined & (box >= axis.size)
        stride *= axis.size
    is_aligned = (run % burst == 0) & (pitch % burst == 0)
    factor: Reals = np.where(is_aligned, 1.0, (run - element + burst) / run)
    return factor


def _distinct(operand: OperandMap, counts: Counts) -> Counts:
    """Return the number of distinct boxes of an operand."""
    numbers = [d for d in range(counts.shape[1]) if operand.depends_on(d)]
    result: Counts = counts[:, numbers].prod(axis=1)
    return result


def _moves(operand: OperandMap, counts: Counts, order: Sequence[int]) -> Counts:
    """Return how often an operand's tile changes: all loops from its innermost one outwards."""
    moves = np.ones(len(counts), dtype=np.int64)
    changed = np.zeros(len(counts), dtype=np.bool_)
    for dimension in reversed(order):
        if operand.depends_on(dimension):
            changed |= counts[:, dimension] > 1
        moves *= np.where(changed, counts[:, dimension], 1)
    return moves


def _array_cycles(
    kernel: Kernel, spec: AcceleratorSpec, tiles: Counts, steps: Counts
) -> tuple[Reals, Reals]:
    """Return the array's cycles for all tiles, and those of the last one's way out."""
    if not isinstance(kernel.body, Contraction):
        return np.zeros(len(tiles)), np.zeros(len(tiles))
    groups, m, n, k = (
        tiles[:, kernel.numbers(role)].prod(axis=1) for role in (Role.GROUP, Role.M, Role.N, Role.K)
    )
    work = matmul_work(spec.array, groups=groups, m=m, n=n, k=k, accumulate=np.zeros_like(m))
    occupancy = larger(work.timing.occupancy_cycles, _port_cycles(kernel, spec, work))
    return (
        (steps * occupancy).astype(np.float64),
        (work.timing.latency_cycles - work.timing.occupancy_cycles).astype(np.float64),
    )


def _port_cycles(kernel: Kernel, spec: AcceleratorSpec, work: ArrayWork[Counts]) -> Counts:
    """Return the cycles in which the scratchpads can feed one tile's product."""
    by_scratchpad: dict[str, Any] = {}
    for operand, size in work.scratchpad_bytes(kernel.inputs[0].dtype).items():
        name = spec.scratchpad_of(operand).name
        by_scratchpad[name] = by_scratchpad.get(name, 0) + size
    bandwidth = {s.name: s.bandwidth_bytes_per_cycle for s in spec.scratchpads}
    cycles = [port_cycles(size, bandwidth[name]) for name, size in by_scratchpad.items()]
    result: Counts = np.maximum.reduce(cycles).astype(np.int64)
    return result


def _vector_cycles(kernel: Kernel, spec: AcceleratorSpec, tiles: Counts, counts: Counts) -> Reals:
    """Return the vector unit's cycles for all tiles."""
    body = kernel.body
    match body:
        case Contraction():
            function = body.result_function
            numbers = kernel.numbers(Role.GROUP, Role.M, Role.N)
        case VectorBody():
            function = body.function
            numbers = list(range(len(kernel.dimensions)))
        case _:
            return np.zeros(len(tiles))
    elements = tiles[:, numbers].prod(axis=1).astype(np.float64)
    cycles: Reals = vector_cycles(
        spec.vector, function=function, activation=body.activation, elements=elements
    )
    result: Reals = cycles * counts[:, numbers].prod(axis=1)
    return result


def _memory_cycles(
    kernel: Kernel, spec: AcceleratorSpec, traffic: Sequence[Counts | Reals]
) -> Reals:
    """Return the core cycles in which the busiest main memory moves these bytes.

    ``traffic`` is in the order of the operands, an embedding's table rows last.
    """
    operands = list(kernel.operands)
    if isinstance(kernel.body, Lookup) and len(traffic) > len(operands):
        operands.append(kernel.body.table)
    by_memory: dict[str, Any] = {}
    for operand, size in zip(operands, traffic, strict=True):
        name = memory_of(operand, spec).name
        by_memory[name] = by_memory.get(name, 0) + size
    cycles = [
        by_memory[memory.name] / memory.bandwidth_bytes_per_s * spec.clock_hz
        for memory in spec.memories
        if memory.name in by_memory
    ]
    result: Reals = np.maximum.reduce(cycles)
    return result


def memory_of(operand: OperandMap, spec: AcceleratorSpec) -> MemorySpec:
    """Return the main memory that an operand's tensor lives in."""
    return spec.memory_of("parameters" if operand.is_parameter else "activations")
