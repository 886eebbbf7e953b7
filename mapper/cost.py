"""The closed-form cost of mappings: guides the choice, and checks the simulator.

Every function scores many loop nests at once: results are arrays with one value for each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accel.scratchpad import port_cycles
from accel.several_arrays import matmul_work
from accel.spec import AcceleratorSpec, MemorySpec
from accel.systolic import ArrayWork
from accel.timing import larger
from accel.vector import vector_cycles
from foundation.dtype import DTYPES
from mapper.kernel import Contraction, Copy, Kernel, Lookup, OperandMap, Role, VectorBody, axis_step
from mapper.mapping import Mapping
from mapper.nest import Counts, Nests, nest_of

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
    """The costs of many nests under one choice of where operands are held, and in how many slots.

    Parameters
    ----------
    cycles, dram_bytes, tiles
        As in CostEstimate.
    required_bytes
        Scratchpad name to bytes that the regions need, slots counted.
    num_buffers
        For each operand (inputs, then output): 1 or 2.
    """

    cycles: Reals
    dram_bytes: Counts
    tiles: Counts
    required_bytes: dict[str, Counts]
    num_buffers: list[Counts]

    def fits(self, spec: AcceleratorSpec) -> NDArray[np.bool_]:
        """Return which nests fit in every scratchpad."""
        capacity = {s.name: s.capacity_bytes for s in spec.scratchpads}
        fitting = np.ones(len(self.cycles), dtype=np.bool_)
        for name, required in self.required_bytes.items():
            fitting &= required <= capacity[name]
        return fitting


def estimate(kernel: Kernel, spec: AcceleratorSpec, mapping: Mapping) -> CostEstimate:
    """Return the cost of one mapping."""
    slots = tuple(count > 1 for count in mapping.num_buffers)
    scores = NestCosts(nest_of(kernel, mapping), spec).score(mapping.held, slots)
    return CostEstimate(
        cycles=float(scores.cycles[0]),
        dram_bytes=int(scores.dram_bytes[0]),
        tiles=int(scores.tiles[0]),
    )


class NestCosts:
    """What nests cost on a machine: what doesn't depend on where operands are held, once.

    Parameters
    ----------
    nests
        The loop nests.
    spec
        The machine.
    """

    def __init__(self, nests: Nests, spec: AcceleratorSpec) -> None:
        self._nests = nests
        self._kernel = kernel = nests.kernel
        self._spec = spec
        self._tiles = nests.turns(nests.depth)
        sizes = [nests.size(nests.depth, d) for d in range(len(kernel.dimensions))]
        self._array, self._array_latency = _array_cycles(kernel, spec, sizes, self._tiles)
        self._vector = _vector_cycles(kernel, spec, sizes, nests)
        self._results = nests.moves(kernel.output, nests.depth)
        self._psums = _psum_bytes(kernel, sizes)
        self._at: dict[tuple[int, int], _Operand] = {}

    def score(self, held: Sequence[int], doubled: Sequence[bool]) -> Scores:
        """Return the costs where operands are held at these depths.

        Parameters
        ----------
        held
            As in `mapper.mapping.Mapping`.
        doubled
            For each operand whether it has two buffers where it moves more than once.

        Notes
        -----
        A tile's transfers, products and vector work overlap with those of its neighbours, so the
        total is that of the busiest unit, plus what comes before and after its work: first loads,
        last vector work and last store for the array and the vector unit; for a memory, whose loads
        and stores are all counted, the last tile's work between them. With two buffers, moving an
        operand's regions, their latency and their use can't take less than half of their sum; with
        one, moving and using take turns, strip by strip.
        # Approximation: ragged tiles cost what full ones do on the array and the vector unit.
        """
        kernel, spec = self._kernel, self._spec
        operands, waiting = self._operands(held)
        vector = self._vector + (self._waiting_cycles() if waiting is not None else 0.0)
        traffic = [operand.traffic for operand in operands]
        gathered = traffic[-1:] if isinstance(kernel.body, Lookup) else []
        moved = [operand.traffic * operand.bursts for operand in operands]
        first = [operand.first * operand.bursts for operand in operands]
        nothing = np.zeros(len(self._nests))
        latency_cycles = max(m.latency_fs for m in spec.memories) * spec.clock_hz / FS_PER_SECOND
        fill = _memory_cycles(kernel, spec, [*first[:-1], nothing])
        drain = _memory_cycles(kernel, spec, [*(nothing for _ in first[1:]), first[-1]])
        memory = _memory_cycles(kernel, spec, [*moved, *gathered])
        loads = _memory_cycles(kernel, spec, [*moved[:-1], nothing, *gathered])
        stores = _memory_cycles(kernel, spec, [*(nothing for _ in moved[1:]), moved[-1]])
        # The vector unit starts when the first result has left the array.
        vector_end = vector + (self._array - vector) / self._results
        loading, storing = self._turns(
            loads + np.maximum.reduce([o.moves for o in operands[:-1]]) * latency_cycles,
            stores + self._results * latency_cycles,
            vector,
        )
        several = self._tiles > 1
        bounds = [
            np.maximum(self._array, vector_end) + fill + drain + 2 * latency_cycles,
            memory + self._array / self._tiles + 2 * latency_cycles,
            (loading + drain + latency_cycles) * several,
            (storing + fill + latency_cycles) * several,
        ]
        for number, is_doubled in enumerate(doubled[:-1]):
            if not is_doubled:
                alone = [nothing] * len(moved)
                alone[number] = moved[number]
                load = _memory_cycles(kernel, spec, alone)
                bounds.append(
                    self._in_turn(operands[number], load, latency_cycles)
                    + (drain + latency_cycles) * (operands[number].moves > 1)
                )
        if not doubled[-1] and self._psums is not None:
            # Psums are computed and emptied in turn, and so are outputs made and stored.
            array = self._array + self._results * self._array_latency
            in_turn = np.maximum(array + fill, stores) + vector + drain
            bounds.append(in_turn * (operands[-1].moves > 1))
        buffers = [
            1 + (operand.moves > 1) * np.int64(both)
            for operand, both in zip(operands, doubled, strict=True)
        ]
        return Scores(
            cycles=np.maximum.reduce(bounds) + vector / self._results + self._array_latency,
            dram_bytes=np.sum([*traffic, *gathered], axis=0),
            tiles=self._tiles,
            required_bytes=self._required_bytes(operands, buffers, waiting),
            num_buffers=buffers,
        )

    def _operand(self, number: int, depth: int) -> _Operand:
        if (number, depth) not in self._at:
            operand = self._kernel.operands[number]
            self._at[number, depth] = _Operand.of(self._nests, operand, depth, self._spec)
        return self._at[number, depth]

    def _operands(self, held: Sequence[int]) -> tuple[list[_Operand], _Operand | None]:
        """Return the operands, and the region in which psums wait, if they do.

        Psums wait in a region, but outputs are stored tile by tile, and a bias comes with the first
        part of K only.
        """
        nests, kernel = self._nests, self._kernel
        operands = [self._operand(n, depth) for n, depth in enumerate(held)]
        if held[-1] == nests.depth:
            return operands, None
        region, tiles = operands[-1], self._operand(len(held) - 1, nests.depth)
        operands[-1] = replace(tiles, traffic=region.traffic)
        reduced = frozenset(kernel.numbers(Role.K))
        operands[2:-1] = [
            _Operand.of(nests, kernel.inputs[n], held[n], self._spec, reduced)
            for n in range(2, len(kernel.inputs))
        ]
        return operands, region

    def _waiting_cycles(self) -> Reals:
        """Return the vector unit's cycles for psums that are added to those that wait.

        They are read from the output's scratchpad and written there again.
        """
        assert self._psums is not None, "only products have psums"
        output, depth = self._kernel.output, self._nests.depth
        elements = self._nests.box_bytes(output, depth) // output.dtype.size_bytes
        bandwidth = self._spec.scratchpad_of("output").bandwidth_bytes_per_cycle
        cycles = np.maximum(
            vector_cycles(
                self._spec.vector,
                function="add",
                activation="identity",
                elements=elements.astype(np.float64),
            ),
            port_cycles(2 * self._psums.astype(np.float64), bandwidth),
        )
        result: Reals = cycles * (self._results - self._nests.distinct(output, depth))
        return result

    def _turns(self, loads: Reals, stores: Reals, vector: Reals) -> tuple[Reals, Reals]:
        """Return the least time in which double buffers of loads and of stores are used in turn.

        It includes the first load, and the last store.
        """
        if not self._array.any() and not vector.any():  # a copy: loaded, then stored
            return (loads + stores) / 2, np.zeros_like(loads)
        array = self._array + self._tiles * self._array_latency
        first_user = array if self._array.any() else vector
        return (loads + first_user) / 2, (vector + stores) / 2

    def _in_turn(self, operand: _Operand, load: Reals, latency_cycles: float) -> Reals:
        """Return the least time in which one buffer is filled and used in turn.

        A strip is loaded when the one in its place was used for the last time, in the last of the
        sweeps over the region.
        """
        user = self._array if self._array.any() else self._vector
        sweeps = np.maximum(1, self._tiles / (operand.moves * operand.strips))
        use, fill = user / operand.moves, load / operand.moves + latency_cycles
        last = use / sweeps
        overlapped = np.maximum(last + fill / operand.strips, fill + last / operand.strips)
        whole: Reals = operand.moves * (use - last + overlapped)
        return np.where(operand.moves > 1, whole, 0.0)

    def _required_bytes(
        self, operands: Sequence[_Operand], buffers: Sequence[Counts], waiting: _Operand | None
    ) -> dict[str, Counts]:
        kernel, spec = self._kernel, self._spec
        required: dict[str, Any] = {}

        def hold(operand: str, size: Counts, slots: Counts) -> None:
            pad = spec.scratchpad_of(operand)
            aligned = -(-size // pad.alignment_bytes) * pad.alignment_bytes
            required[pad.name] = required.get(pad.name, 0) + aligned * slots

        for what, held, slots in zip(kernel.operands, operands, buffers, strict=True):
            if what is not kernel.output or not is_copy(kernel):
                hold(what.scratchpad, held.region, slots)
        if self._psums is not None:
            hold("psum", self._psums, buffers[-1])
        if waiting is not None:
            widening = DTYPES[kernel.inputs[0].dtype.accumulator].size_bytes
            size = waiting.region // kernel.output.dtype.size_bytes * widening
            hold("output", size, np.ones_like(size))
        return required


@dataclass(frozen=True, slots=True, kw_only=True)
class _Operand:
    """One operand of many nests, held at a depth.

    Parameters
    ----------
    region, first
        Bytes of its largest region, and of the first strip that comes.
    moves
        How often its region is moved.
    strips
        Different parts that the tiles of a region use.
    traffic
        Bytes moved.
    bursts
        Bytes on a memory's bus for each of them.
    """

    region: Counts
    first: Counts
    moves: Counts
    strips: Counts
    traffic: Counts
    bursts: Reals

    @classmethod
    def of(
        cls,
        nests: Nests,
        operand: OperandMap,
        depth: int,
        spec: AcceleratorSpec,
        without: frozenset[int] = frozenset(),
    ) -> _Operand:
        """Return what holding an operand at a depth means.

        It is only used in the first turns of loops over the dimensions in ``without``.
        """
        distinct, moves = nests.distinct(operand, depth), nests.moves(operand, depth, without)
        region, is_whole = nests.box_bytes(operand, depth), _comes_whole(nests, operand, depth)
        strips = nests.distinct(operand, nests.depth) // distinct
        return cls(
            region=region,
            first=np.where(is_whole, region, nests.box_bytes(operand, nests.depth)),
            moves=moves,
            strips=np.where(is_whole, 1, strips),
            traffic=nests.sweep_bytes(operand, depth) * moves // distinct,
            bursts=burst_factor(operand, nests, depth, spec),
        )


def _comes_whole(nests: Nests, operand: OperandMap, depth: int) -> NDArray[np.bool_]:
    """Return where a region doesn't come in strips, as in `mapper.residence.Residence`."""
    axes = np.zeros(len(nests), dtype=np.int64)
    by_taps = np.zeros(len(nests), dtype=np.bool_)
    for axis in operand.axes:
        if len(axis.terms) > 1:
            cut = sum(
                (nests.size(nests.depth, d) < nests.size(depth, d)).astype(np.int64)
                for d, _ in axis.terms
            )
            axes += cut > 0
            by_taps |= cut > 1
    result: NDArray[np.bool_] = (axes > 1) | by_taps
    return result


def _psum_bytes(kernel: Kernel, sizes: Sequence[Counts]) -> Counts | None:
    """Return the bytes of a tile's psums, if the kernel has any."""
    if not isinstance(kernel.body, Contraction):
        return None
    accumulator = DTYPES[kernel.inputs[0].dtype.accumulator]
    numbers = kernel.numbers(Role.GROUP, Role.M, Role.N)
    return accumulator.size_bytes * prod((sizes[d] for d in numbers[1:]), start=sizes[numbers[0]])


def is_copy(kernel: Kernel) -> bool:
    """Whether the output's tile is the input's tile: nothing is computed on the way."""
    return isinstance(kernel.body, Copy)


def burst_factor(operand: OperandMap, nests: Nests, depth: int, spec: AcceleratorSpec) -> Reals:
    """Return the bytes on a memory's bus for each byte of an operand's parts at a depth.

    A DRAM moves whole bursts. A part's runs of contiguous bytes begin anywhere in a burst, unless
    runs and what lies between their starts are whole bursts themselves.
    # Approximation: bursts that two runs share count for both; tensors start at a burst.
    """
    memory = memory_of(operand, spec)
    if memory.dram is None:
        return np.ones(len(nests))
    burst, element = memory.dram.transaction_bytes, operand.dtype.size_bytes
    run = np.full(len(nests), element)
    pitch = np.full(len(nests), element)
    is_whole = np.ones(len(nests), dtype=np.bool_)
    stride = element
    for axis in reversed(operand.axes):
        step = axis_step(axis, nests.kernel.extents)
        box = 1 + sum((c // step * (nests.size(depth, d) - 1) for d, c in axis.terms), start=0)
        joined = is_whole & (step == 1)
        run = np.where(joined, run * np.minimum(box, axis.size), run)
        pitch = np.where(is_whole & (box > 1), stride * (axis.size if step == 1 else step), pitch)
        is_whole = joined & (box >= axis.size)
        stride *= axis.size
    is_aligned = (run % burst == 0) & (pitch % burst == 0)
    factor: Reals = np.where(is_aligned, 1.0, (run - element + burst) / run)
    return factor


def _array_cycles(
    kernel: Kernel, spec: AcceleratorSpec, sizes: Sequence[Counts], tiles: Counts
) -> tuple[Reals, Reals]:
    """Return the array's cycles for all tiles, and those of the last one's way out."""
    if not isinstance(kernel.body, Contraction):
        return np.zeros(len(tiles)), np.zeros(len(tiles))
    groups, m, n, k = (
        prod((sizes[d] for d in kernel.numbers(role)), start=np.ones_like(tiles))
        for role in (Role.GROUP, Role.M, Role.N, Role.K)
    )
    work = matmul_work(spec.array, groups=groups, m=m, n=n, k=k, accumulate=np.zeros_like(m))
    occupancy = larger(work.timing.occupancy_cycles, _port_cycles(kernel, spec, work))
    return (
        (tiles * occupancy).astype(np.float64),
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


def _vector_cycles(
    kernel: Kernel, spec: AcceleratorSpec, sizes: Sequence[Counts], nests: Nests
) -> Reals:
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
            return np.zeros(len(nests))
    elements = prod((sizes[d] for d in numbers[1:]), start=sizes[numbers[0]]).astype(np.float64)
    cycles: Reals = vector_cycles(
        spec.vector, function=function, activation=body.activation, elements=elements
    )
    for d in numbers:
        cycles = cycles * nests.parts(nests.depth, d)
    return cycles


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
