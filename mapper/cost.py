"""The closed-form cost of mappings: guides the choice, and checks the simulator.

Every function scores many loop nests at once: results are arrays with one value for each.
"""

from __future__ import annotations

from collections.abc import Mapping as Dictionary
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property, reduce
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
from mapper.nest import Counts, Nests, nest_of, on_distinct

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


#: What a mapping costs: fields of estimates, and columns of scores.
COSTS = tuple(one.name for one in fields(CostEstimate))


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
    machine = spec.with_dataflow(mapping.dataflow)
    scores = NestCosts(nest_of(kernel, mapping), machine).score(mapping.held, slots)
    return estimate_of({name: getattr(scores, name) for name in COSTS}, 0)


def estimate_of(columns: Dictionary[str, NDArray[Any]], row: int) -> CostEstimate:
    """Return one row of columns by the names of ``COSTS``."""
    return CostEstimate(**{name: columns[name][row].item() for name in COSTS})


class NestCosts:
    """What nests cost on a machine: what doesn't depend on where operands are held, once.

    Parameters
    ----------
    nests
        The loop nests.
    spec
        The machine, whose array runs its first dataflow.
    """

    def __init__(self, nests: Nests, spec: AcceleratorSpec) -> None:
        self.nests = nests
        self.spec = spec
        kernel = nests.kernel
        sizes = [nests.size(nests.depth, d) for d in range(len(kernel.dimensions))]
        self.tiles = nests.turns(nests.depth)
        self.array, self.array_latency = _array_cycles(kernel, spec, sizes, self.tiles)
        self.vector = _vector_cycles(kernel, spec, sizes, nests)
        self.results = nests.moves(kernel.output, nests.depth)
        self.psums = psum_bytes(nests)
        latency_cycles = max(m.latency_fs for m in spec.memories) * spec.clock_hz / FS_PER_SECOND
        #: Of the first loads, and of the last store: none where nothing is moved.
        self.load_latency = latency_cycles * any(not one.is_kept for one in kernel.inputs)
        self.store_latency = latency_cycles * (not kernel.output.is_kept)
        self._at: dict[tuple[int, int], _Operand] = {}

    def at(self, held: Sequence[int]) -> PlaceCosts:
        """Return the costs where operands are held at these depths.

        ``held`` is as in `mapper.mapping.Mapping`.
        """
        return PlaceCosts(self, self._operands(held), waiting_bytes(self.nests, held[-1]))

    def score(self, held: Sequence[int], doubled: Sequence[bool]) -> Scores:
        """Return the costs at a place, one for each nest, as in `PlaceCosts.scores`."""
        return self.at(held).scores(doubled)

    def _operand(self, number: int, depth: int) -> _Operand:
        if (number, depth) not in self._at:
            operand = self.nests.kernel.operands[number]
            self._at[number, depth] = _Operand.of(self.nests, operand, depth, self.spec)
        return self._at[number, depth]

    def _operands(self, held: Sequence[int]) -> list[_Operand]:
        """Return the operands as they are held.

        Where psums wait outputs are stored tile by tile all the same, once each, and a bias comes
        with the first part of K only.
        """
        nests, kernel = self.nests, self.nests.kernel
        operands = [self._operand(n, depth) for n, depth in enumerate(held)]
        if held[-1] == nests.depth:
            return operands
        tiles = self._operand(len(held) - 1, nests.depth)
        operands[-1] = replace(tiles, traffic=operands[-1].traffic)
        reduced = frozenset(kernel.numbers(Role.K))
        operands[2:-1] = [
            _Operand.of(nests, kernel.inputs[n], held[n], self.spec, reduced)
            for n in range(2, len(kernel.inputs))
        ]
        return operands

    @cached_property
    def waiting_cycles(self) -> Reals:
        """The vector unit's cycles for psums that are added to those that wait.

        They are read from the output's scratchpad and written there again.
        """
        assert self.psums is not None, "only products have psums"
        nests, output, accumulator = self.nests, self.nests.kernel.output, _accumulator(self.nests)
        cycles = np.maximum(
            vector_cycles(
                self.spec.vector,
                function="add",
                activation="identity",
                elements=(self.psums // accumulator).astype(np.float64),
            ),
            port_cycles(
                2 * self.psums.astype(np.float64),
                self.spec.scratchpad_of("output").bandwidth_bytes_per_cycle,
            ),
        )
        result: Reals = cycles * (self.results - nests.distinct(output, nests.depth))
        return result


class PlaceCosts:
    """What nests cost where operands are held at one choice of depths.

    Parameters
    ----------
    costs
        Of the nests.
    operands
        As they are held.
    waiting
        Bytes of the psums that wait, None where none do.

    Notes
    -----
    A tile's transfers, products and vector work overlap with those of its neighbours, so the
    total is that of the busiest unit, plus what comes before and after its work: first loads,
    last vector work and last store for the array and the vector unit; for a memory, whose loads
    and stores are all counted, the last tile's work between them. With two buffers, moving an
    operand's regions, their latency and their use can't take less than half of their sum; with
    one, moving and using take turns, strip by strip; psums are computed and emptied in turn.
    # Approximation: ragged tiles cost what full ones do on the array and the vector unit.
    """

    def __init__(
        self, costs: NestCosts, operands: Sequence[_Operand], waiting: Counts | None
    ) -> None:
        self._costs = costs
        self._operands = operands
        self._waiting = waiting
        self._vector = costs.vector if waiting is None else costs.vector + costs.waiting_cycles
        kernel = costs.nests.kernel
        traffic = [operand.traffic for operand in operands]
        self._gathered = traffic[-1:] if isinstance(kernel.body, Lookup) else []
        self._moved = [operand.traffic * operand.bursts for operand in operands]
        first = [operand.first * operand.bursts for operand in operands]
        self._fill = self._memory_cycles([*first[:-1], _NOTHING])
        self._drain = self._memory_cycles([*(_NOTHING for _ in first[1:]), first[-1]])
        self.dram_bytes: Counts = sum([*traffic, *self._gathered], start=_NO_BYTES)
        self._last = self._vector / costs.results + costs.array_latency

    @cached_property
    def bound_cycles(self) -> Reals:
        """Cycles that no number of buffers goes below."""
        return np.maximum(*self._unit_bounds) + self._last

    @cached_property
    def _unit_bounds(self) -> tuple[Reals, Reals]:
        """What units of unlimited buffers take, without the last tile's results."""
        costs = self._costs
        latency_cycles = costs.load_latency + costs.store_latency
        # The vector unit starts when the first result has left the array.
        vector_end = self._vector + (costs.array - self._vector) / costs.results
        computing = np.maximum(costs.array, vector_end) + (self._fill + self._drain)
        memory = self._memory_cycles([*self._moved, *self._gathered])
        return computing + latency_cycles, memory + costs.array / costs.tiles + latency_cycles

    def scores(self, doubled: Sequence[bool]) -> Scores:
        """Return the costs, one for each nest.

        ``doubled`` says for each operand whether it has two buffers where it moves more than once.
        """
        costs = self._costs
        moved = self._moved
        loads = self._memory_cycles([*moved[:-1], _NOTHING, *self._gathered])
        stores = self._memory_cycles([*(_NOTHING for _ in moved[1:]), moved[-1]])
        loading, storing = self._turns(
            loads + reduce(np.maximum, [o.moves for o in self._operands[:-1]]) * costs.load_latency,
            stores + costs.results * costs.store_latency,
        )
        several = costs.tiles > 1
        bounds = [
            *self._unit_bounds,
            (loading + self._drain + costs.store_latency) * several,
            (storing + self._fill + costs.load_latency) * several,
        ]
        for number, is_doubled in enumerate(doubled[:-1]):
            if not is_doubled:
                bounds.append(self._alone(number))
        if not doubled[-1] and costs.psums is not None:
            bounds.append(self._psums_alone(stores))
        return Scores(
            cycles=_flat(reduce(np.maximum, bounds) + self._last, costs.nests),
            dram_bytes=_flat(self.dram_bytes, costs.nests),
            tiles=_flat(costs.tiles, costs.nests),
            required_bytes={
                name: _flat(size, costs.nests)
                for name, size in self.required_bytes(doubled).items()
            },
            num_buffers=[_flat(count, costs.nests) for count in self._buffers(doubled)],
        )

    def required_bytes(self, doubled: Sequence[bool]) -> dict[str, Counts]:
        """Return scratchpad name to the bytes that regions need in it, slots counted."""
        costs = self._costs
        regions = [operand.region for operand in self._operands]
        buffers = self._buffers(doubled)
        return required_bytes(
            costs.nests.kernel, costs.spec, regions, costs.psums, buffers, self._waiting
        )

    def _buffers(self, doubled: Sequence[bool]) -> list[Counts]:
        return [
            1 + (operand.moves > 1) * np.int64(both)
            for operand, both in zip(self._operands, doubled, strict=True)
        ]

    def _turns(self, loads: Reals, stores: Reals) -> tuple[Reals, Reals]:
        """Return the least time in which double buffers of loads and of stores are used in turn.

        It includes the first load, and the last store.
        """
        costs = self._costs
        if not costs.array.any() and not self._vector.any():  # a copy: loaded, then stored
            return (loads + stores) / 2, np.zeros_like(loads)
        array = costs.array + costs.tiles * costs.array_latency
        first_user = array if costs.array.any() else self._vector
        return (loads + first_user) / 2, (self._vector + stores) / 2

    def _psums_alone(self, stores: Reals) -> Reals:
        """Return the least time in which the one buffer of psums, and of outputs, is used in turn.

        Psums are computed and emptied in turn, and so are outputs made and stored.
        """
        costs = self._costs
        array = costs.array + costs.results * costs.array_latency
        in_turn: Reals = np.maximum(array + self._fill, stores) + self._vector + self._drain
        return in_turn * (self._operands[-1].moves > 1)

    def _alone(self, number: int) -> Reals:
        """Return the least time in which the one buffer of an operand is filled and used in turn.

        A strip is loaded when the one in its place was used for the last time, in the last of the
        sweeps over the region.
        """
        costs, operand = self._costs, self._operands[number]
        alone = [_NOTHING] * len(self._moved)
        alone[number] = self._moved[number]
        load = self._memory_cycles(alone)
        user = costs.array if costs.array.any() else costs.vector
        sweeps = np.maximum(1, costs.tiles / (operand.moves * operand.strips))
        use, fill = user / operand.moves, load / operand.moves + costs.load_latency
        last = use / sweeps
        overlapped = np.maximum(last + fill / operand.strips, fill + last / operand.strips)
        whole: Reals = operand.moves * (use - last + overlapped)
        return np.where(operand.moves > 1, whole + self._drain + costs.store_latency, 0.0)

    def _memory_cycles(self, traffic: Sequence[Counts | Reals]) -> Reals:
        return _memory_cycles(self._costs.nests.kernel, self._costs.spec, traffic)


def required_bytes(
    kernel: Kernel,
    spec: AcceleratorSpec,
    regions: Sequence[Counts],
    psums: Counts | None,
    buffers: Sequence[Counts],
    waiting: Counts | None = None,
) -> dict[str, Counts]:
    """Return scratchpad name to the bytes that are needed in it.

    Parameters
    ----------
    kernel, spec
        What is mapped, onto what.
    regions
        For each operand the bytes of its region.
    psums
        Bytes of a tile's psums, if the kernel has any; they have as many slots as the output.
    buffers
        For each operand its slots.
    waiting
        Bytes of the psums that wait in the output's scratchpad, if any do.
    """
    required: dict[str, Any] = {}

    def hold(operand: str, size: Counts, slots: Counts) -> None:
        pad = spec.scratchpad_of(operand)
        aligned = -(-size // pad.alignment_bytes) * pad.alignment_bytes
        required[pad.name] = required.get(pad.name, 0) + aligned * slots

    for what, region, slots in zip(kernel.operands, regions, buffers, strict=True):
        if what is not kernel.output or not is_copy(kernel):
            hold(what.scratchpad, region, slots)
    if psums is not None:
        hold("psum", psums, buffers[-1])
    if waiting is not None:
        hold("output", waiting, np.ones((), dtype=np.int64))
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
        """Return what holding an operand at a depth means; what is kept needs nothing more.

        It is only used in the first turns of loops over the dimensions in ``without``.
        """
        if operand.is_kept:
            none, one = np.zeros(1, np.int64), np.ones(1, np.int64)
            return cls(
                region=none, first=none, moves=one, strips=one, traffic=none, bursts=np.ones(1)
            )
        region, first = nests.box_bytes(operand, depth), nests.box_bytes(operand, nests.depth)
        strips = nests.distinct(operand, nests.depth) // nests.distinct(operand, depth)
        is_whole = _comes_whole(nests, operand, depth)
        if is_whole is not None:
            first, strips = np.where(is_whole, region, first), np.where(is_whole, 1, strips)
        return cls(
            region=region,
            first=first,
            moves=nests.moves(operand, depth, without),
            strips=strips,
            traffic=nests.sweep_bytes(operand, depth) * nests.repeats(operand, depth, without),
            bursts=burst_factor(operand, nests, depth, spec),
        )


def _comes_whole(nests: Nests, operand: OperandMap, depth: int) -> NDArray[np.bool_] | None:
    """Return where a region doesn't come in strips, as in `mapper.residence.Residence`.

    None where every region does.
    """
    windows = [axis for axis in operand.axes if len(axis.terms) > 1]
    if not windows or depth == nests.depth:
        return None
    axes: Any = 0
    by_taps: Any = np.False_
    for axis in windows:
        cut = sum(
            (nests.size(nests.depth, d) < nests.size(depth, d)).astype(np.int64)
            for d, _ in axis.terms
        )
        axes = axes + (cut > 0)
        by_taps = by_taps | (cut > 1)
    result: NDArray[np.bool_] = by_taps | (axes > 1)
    return result


def psum_bytes(nests: Nests) -> Counts | None:
    """Return the bytes of a tile's psums, if the kernel has any."""
    if not isinstance(nests.kernel.body, Contraction):
        return None
    return _psums_at(nests, nests.depth)


def waiting_bytes(nests: Nests, depth: int) -> Counts | None:
    """Return the bytes of psums that wait where the output is held at a depth, if any do."""
    if depth == nests.depth or not isinstance(nests.kernel.body, Contraction):
        return None
    return _psums_at(nests, depth)


def _psums_at(nests: Nests, depth: int) -> Counts:
    numbers = nests.kernel.numbers(Role.GROUP, Role.M, Role.N)
    one = np.asarray(_accumulator(nests), dtype=np.int64)
    return prod((nests.size(depth, d) for d in numbers), start=one)


def _accumulator(nests: Nests) -> int:
    """Return the bytes of a psum."""
    return DTYPES[nests.kernel.inputs[0].dtype.accumulator].size_bytes


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
        return np.ones(())
    burst, element = memory.dram.transaction_bytes, operand.dtype.size_bytes
    run = np.asarray(element)
    pitch = np.asarray(element)
    is_whole = np.ones((), dtype=np.bool_)
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
        return _NOTHING, _NOTHING

    def cycles(groups: Counts, m: Counts, n: Counts, k: Counts) -> tuple[Counts, Counts]:
        work = matmul_work(spec.array, groups=groups, m=m, n=n, k=k, accumulate=np.zeros_like(m))
        occupancy = larger(work.timing.occupancy_cycles, _port_cycles(kernel, spec, work))
        return occupancy, work.timing.latency_cycles - work.timing.occupancy_cycles

    occupancy, latency = on_distinct(
        cycles,
        *(
            prod((sizes[d] for d in kernel.numbers(role)), start=np.ones((), dtype=np.int64))
            for role in (Role.GROUP, Role.M, Role.N, Role.K)
        ),
    )
    return (tiles * occupancy).astype(np.float64), latency.astype(np.float64)


def _port_cycles(kernel: Kernel, spec: AcceleratorSpec, work: ArrayWork[Counts]) -> Counts:
    """Return the cycles in which the scratchpads can feed one tile's product."""
    by_scratchpad: dict[str, Any] = {}
    for operand, size in work.scratchpad_bytes(kernel.inputs[0].dtype).items():
        name = spec.scratchpad_of(operand).name
        by_scratchpad[name] = by_scratchpad.get(name, 0) + size
    bandwidth = {s.name: s.bandwidth_bytes_per_cycle for s in spec.scratchpads}
    cycles = [port_cycles(size, bandwidth[name]) for name, size in by_scratchpad.items()]
    result: Counts = reduce(np.maximum, cycles).astype(np.int64)
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
            return _NOTHING
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
    result: Reals = reduce(np.maximum, cycles)
    return result


def memory_of(operand: OperandMap, spec: AcceleratorSpec) -> MemorySpec:
    """Return the main memory that an operand's tensor lives in."""
    return spec.memory_of("parameters" if operand.is_parameter else "activations")


def _flat(values: Any, nests: Nests) -> Any:
    """Return an array with one value for each nest."""
    return np.broadcast_to(values, nests.shape).reshape(-1)


_NOTHING: Reals = np.zeros(())
_NO_BYTES: Counts = np.zeros((), dtype=np.int64)
