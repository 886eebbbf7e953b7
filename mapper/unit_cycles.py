"""The cycles of a core's units in closed form: array, vector unit, main memories.

Every function takes many loop nests at once, as `mapper.cost` does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from math import prod
from typing import Any

import numpy as np

from accel.scratchpad import port_cycles
from accel.several_arrays import matmul_work
from accel.spec import AcceleratorSpec
from accel.systolic import ArrayWork
from accel.timing import Count, larger
from accel.vector import vector_cycles as instruction_cycles
from mapper.held import accumulator_bytes, memory_of, psum_bytes
from mapper.kernel import Contraction, Kernel, OperandMap, Role, VectorBody
from mapper.nest import Nests, on_distinct
from mapper.taking import Counts, Reals, Take, joined

#: Of a unit that has nothing to do.
NOTHING: Reals = np.zeros(())
#: In the order in which a matrix instruction has its sizes.
_ROLES = (Role.GROUP, Role.M, Role.N, Role.K)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitCosts:
    """What nests ask of the units, wherever operands are held.

    Parameters
    ----------
    tiles, results
        Number of tiles, and of those with which a result is complete.
    array, array_latency
        Cycles of the array for all tiles, and those of the last one's way out.
    vector
        Cycles of the vector unit for all tiles.
    psums
        Bytes of a tile's psums; None for kernels without.
    """

    tiles: Counts
    results: Counts
    array: Reals
    array_latency: Reals
    vector: Reals
    psums: Counts | None

    @classmethod
    def of(cls, nests: Nests, spec: AcceleratorSpec) -> UnitCosts:
        """Return those of nests on a machine."""
        kernel, tiles = nests.kernel, nests.turns(nests.depth)
        sizes = [nests.size(nests.depth, d) for d in range(len(kernel.dimensions))]
        array, array_latency = array_cycles(nests, spec)
        return cls(
            tiles=tiles,
            results=nests.moves(kernel.output, nests.depth),
            array=array,
            array_latency=array_latency,
            vector=vector_cycles(kernel, spec, sizes, nests),
            psums=psum_bytes(nests),
        )

    def taken(self, take: Take) -> UnitCosts:
        """Return those of some of the nests."""
        return UnitCosts(
            tiles=take(self.tiles),
            results=take(self.results),
            array=take(self.array),
            array_latency=take(self.array_latency),
            vector=take(self.vector),
            psums=None if self.psums is None else take(self.psums),
        )

    @classmethod
    def joined(cls, parts: Sequence[UnitCosts], counts: Sequence[int]) -> UnitCosts:
        """Return those of several lists of nests, with so many in each."""
        psums = [part.psums for part in parts if part.psums is not None]
        return cls(
            tiles=joined([part.tiles for part in parts], counts),
            results=joined([part.results for part in parts], counts),
            array=joined([part.array for part in parts], counts),
            array_latency=joined([part.array_latency for part in parts], counts),
            vector=joined([part.vector for part in parts], counts),
            psums=joined(psums, counts) if psums else None,
        )


def array_cycles(nests: Nests, spec: AcceleratorSpec) -> tuple[Reals, Reals]:
    """Return the array's cycles for all tiles, and those of the last one's way out."""
    kernel = nests.kernel
    if not isinstance(kernel.body, Contraction):
        return NOTHING, NOTHING

    def cycles(*sizes: Counts) -> tuple[Counts, Counts]:
        work = tile_work(kernel, spec, *sizes)
        occupancy = larger(work.timing.occupancy_cycles, feed_cycles(kernel, spec, work))
        return occupancy, work.timing.latency_cycles - work.timing.occupancy_cycles

    occupancy, latency = on_distinct(cycles, *tile_sizes(nests))
    return (nests.turns(nests.depth) * occupancy).astype(np.float64), latency.astype(np.float64)


def least_array_cycles(nests: Nests, spec: AcceleratorSpec) -> Reals:
    """Return what the array takes at least: all iterations at the pace of whole tiles.

    A little less, so that rounding never makes it too much.
    """
    kernel = nests.kernel
    if not isinstance(kernel.body, Contraction):
        return NOTHING
    iterations = prod(kernel.extents) * (1 - 1e-12)

    def cycles(*sizes: Counts) -> tuple[Reals]:
        work = tile_work(kernel, spec, *sizes)
        groups, m, n, k = sizes
        return (work.timing.occupancy_cycles * (iterations / (groups * m * n * k)),)

    (found,) = on_distinct(cycles, *tile_sizes(nests))
    return found


def tile_sizes(nests: Nests) -> list[Counts]:
    """Return the iterations of a product's tiles along groups, M, N and K."""
    one = np.ones((), dtype=np.int64)
    return [
        prod((nests.size(nests.depth, d) for d in nests.kernel.numbers(role)), start=one)
        for role in _ROLES
    ]


def tile_work(
    kernel: Kernel, spec: AcceleratorSpec, groups: Count, m: Count, n: Count, k: Count
) -> ArrayWork[Count]:
    """Return the array's work for one instruction of these sizes, which overwrites its psums."""
    return matmul_work(
        spec.array,
        groups=groups,
        m=m,
        n=n,
        k=k,
        accumulate=0 * m,
        reduction=kernel.reduction(spec.array),
    )


def product_work(kernel: Kernel, spec: AcceleratorSpec, sizes: Sequence[int]) -> ArrayWork[int]:
    """Return a core's work for so many iterations of a product's dimensions: one instruction."""
    groups, m, n, k = (prod(sizes[d] for d in kernel.numbers(role)) for role in _ROLES)
    return tile_work(kernel, spec, groups, m, n, k)


def feed_cycles(kernel: Kernel, spec: AcceleratorSpec, work: ArrayWork[Any]) -> Counts:
    """Return the cycles in which the scratchpads can feed one tile's product."""
    by_scratchpad: dict[str, Any] = {}
    for operand, size in work.scratchpad_bytes(*kernel.factors).items():
        name = spec.scratchpad_of(operand).name
        by_scratchpad[name] = by_scratchpad.get(name, 0) + size
    bandwidth = {s.name: s.bandwidth_bytes_per_cycle for s in spec.scratchpads}
    cycles = [port_cycles(size, bandwidth[name]) for name, size in by_scratchpad.items()]
    return np.asarray(reduce(np.maximum, cycles)).astype(np.int64)


def vector_cycles(
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
            return NOTHING
    elements = prod((sizes[d] for d in numbers[1:]), start=sizes[numbers[0]]).astype(np.float64)
    cycles: Reals = instruction_cycles(
        spec.vector,
        function=function,
        activation=body.activation,
        elements=elements,
        row=kernel.row,
    )
    for d in numbers:
        cycles = cycles * nests.parts(nests.depth, d)
    return cycles


def waiting_cycles(nests: Nests, spec: AcceleratorSpec, psums: Counts, additions: Counts) -> Reals:
    """Return the vector unit's cycles for psums that are added to those that wait.

    They are read from the output's scratchpad and written there again.

    Parameters
    ----------
    nests, spec
        What is mapped, onto what.
    psums
        Bytes of a tile's psums.
    additions
        How many tiles' psums are added.
    """
    size = psums.astype(np.float64)
    cycles = np.maximum(
        instruction_cycles(
            spec.vector,
            function="add",
            activation="identity",
            elements=size / accumulator_bytes(nests.kernel),
        ),
        port_cycles(2 * size, spec.scratchpad_of("output").bandwidth_bytes_per_cycle),
    )
    result: Reals = cycles * additions
    return result


def bytes_by_memory(
    spec: AcceleratorSpec, traffic: Sequence[tuple[OperandMap, Counts | Reals]]
) -> dict[str, Any]:
    """Return the name of each main memory to the bytes that it moves of operands."""
    found: dict[str, Any] = {}
    for operand, size in traffic:
        name = memory_of(operand, spec).name
        found[name] = found[name] + size if name in found else size
    return found


def busiest_cycles(spec: AcceleratorSpec, moved: Mapping[str, Any]) -> Reals:
    """Return the core cycles in which the busiest main memory moves these bytes."""
    cycles = [
        moved[memory.name] / memory.bandwidth_bytes_per_s * spec.clock_hz
        for memory in spec.memories
        if memory.name in moved
    ]
    result: Reals = reduce(np.maximum, cycles)
    return result
