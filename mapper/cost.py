"""The closed-form cost of mappings: guides the choice, and checks the simulator.

Every function scores many loop nests at once: results are arrays with one value for each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accel.energy import EnergyCounts, component_energies_pj, energy_pj, leakage_pj
from accel.spec import AcceleratorSpec
from mapper.energy_counts import computing_counts, moving_counts
from mapper.held import HeldOperand, filled_bytes, psum_bytes, required_bytes, waiting_bytes
from mapper.kernel import Kernel, Lookup, OperandMap, Role
from mapper.mapping import Mapping
from mapper.nest import Counts, Listed, Nests, Reals, Take, nest_of
from mapper.unit_cycles import (
    array_cycles,
    memory_cycles,
    vector_cycles,
    waiting_cycles,
)

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
    energy_pj
        Picojoules, those that leak in ``cycles`` included; None where nobody asked for them.
    """

    cycles: float
    dram_bytes: int
    tiles: int
    energy_pj: float | None = None

    def at_cycles(self, cycles: float, spec: AcceleratorSpec) -> CostEstimate:
        """Return the same cost with cycles that somebody knows better."""
        if self.energy_pj is None:
            return replace(self, cycles=cycles)
        leaked = leakage_pj(spec, (cycles - self.cycles) / spec.clock_hz)
        return replace(self, cycles=cycles, energy_pj=self.energy_pj + leaked)


#: What is known of every mapping: fields of estimates, and columns of scores.
COSTS = ("cycles", "dram_bytes", "tiles")
#: The same with what takes longer to find out.
COSTS_WITH_ENERGY = (*COSTS, "energy_pj")


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
    energy_pj
        As in CostEstimate.
    """

    cycles: Reals
    dram_bytes: Counts
    tiles: Counts
    required_bytes: dict[str, Counts]
    num_buffers: list[Counts]
    energy_pj: Reals | None = None

    def fits(self, spec: AcceleratorSpec) -> NDArray[np.bool_]:
        """Return which nests fit in every scratchpad."""
        capacity = {s.name: s.capacity_bytes for s in spec.scratchpads}
        fitting = np.ones(len(self.cycles), dtype=np.bool_)
        for name, required in self.required_bytes.items():
            fitting &= required <= capacity[name]
        return fitting


def estimate(
    kernel: Kernel, spec: AcceleratorSpec, mapping: Mapping, costs: Sequence[str] = COSTS
) -> CostEstimate:
    """Return the cost of one mapping: ``COSTS``, or ``COSTS_WITH_ENERGY``."""
    slots = tuple(count > 1 for count in mapping.num_buffers)
    machine = spec.with_dataflow(mapping.dataflow)
    scores = NestCosts(nest_of(kernel, mapping), machine).score(
        mapping.held, slots, with_energy="energy_pj" in costs
    )
    return estimate_of({name: getattr(scores, name) for name in costs}, 0)


def estimate_of(columns: Dictionary[str, NDArray[Any]], row: int) -> CostEstimate:
    """Return one row of columns by the names of ``COSTS`` or ``COSTS_WITH_ENERGY``."""
    return CostEstimate(**{name: column[row].item() for name, column in columns.items()})


def energies_pj(
    kernel: Kernel, spec: AcceleratorSpec, mapping: Mapping, cycles: float
) -> dict[str, float]:
    """Return the picojoules of a mapping by component, as in `accel.energy.component_energies_pj`.

    ``cycles`` is how long it takes.
    """
    costs = NestCosts(nest_of(kernel, mapping), spec.with_dataflow(mapping.dataflow))
    found: dict[str, float] = {}
    for counts in (costs.computing, costs.at(mapping.held).moving):
        for component, part in component_energies_pj(spec, counts).items():
            found[component] = found.get(component, 0.0) + float(np.max(part))
    if "leakage" in found:
        found["leakage"] = leakage_pj(spec, cycles / spec.clock_hz)
    return found


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
        array, array_latency = array_cycles(kernel, spec, sizes, tiles)
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


class NestCosts:
    """What nests cost on a machine: what doesn't depend on where operands are held, once.

    Parameters
    ----------
    nests
        The loop nests.
    spec
        The machine, whose array runs its first dataflow.
    units, held
        What is known of them already: what they ask of the units, and what finds an operand, by
        number, held at a depth.
    """

    def __init__(
        self,
        nests: Nests,
        spec: AcceleratorSpec,
        units: UnitCosts | None = None,
        held: Callable[[int, int], HeldOperand] | None = None,
    ) -> None:
        self.nests = nests
        self.spec = spec
        self.units = units or UnitCosts.of(nests, spec)
        self._find = held or self._hold
        kernel = nests.kernel
        latency_cycles = max(m.latency_fs for m in spec.memories) * spec.clock_hz / FS_PER_SECOND
        #: Of the first loads, and of the last store: none where nothing is moved.
        self.load_latency = latency_cycles * any(not one.is_kept for one in kernel.inputs)
        self.store_latency = latency_cycles * (not kernel.output.is_kept)
        self._at: dict[tuple[int, int], HeldOperand] = {}

    def listed(self, numbers: Counts) -> NestCosts:
        """Return the costs of some of the nests, one by one."""
        return self.taken(Listed(self.nests.shape, numbers))

    def taken(self, take: Take) -> NestCosts:
        """Return the costs of some of the nests, out of what is known of all."""
        return NestCosts(
            self.nests.taken(take),
            self.spec,
            self.units.taken(take),
            lambda number, depth: self._operand(number, depth).taken(take),
        )

    def at(self, held: Sequence[int]) -> PlaceCosts:
        """Return the costs where operands are held at these depths.

        ``held`` is as in `mapper.mapping.Mapping`.
        """
        return PlaceCosts(self, held, self._operands(held), waiting_bytes(self.nests, held[-1]))

    def score(
        self, held: Sequence[int], doubled: Sequence[bool], *, with_energy: bool = False
    ) -> Scores:
        """Return the costs at a place, one for each nest, as in `PlaceCosts.scores`."""
        return self.at(held).scores(doubled, with_energy=with_energy)

    @cached_property
    def computing(self) -> EnergyCounts[Reals]:
        """What takes energy wherever operands are held."""
        return computing_counts(self.nests, self.spec)

    @cached_property
    def computing_pj(self) -> Reals:
        """The picojoules of it."""
        return energy_pj(self.spec, self.computing)

    def _operand(self, number: int, depth: int) -> HeldOperand:
        if (number, depth) not in self._at:
            self._at[number, depth] = self._find(number, depth)
        return self._at[number, depth]

    def _hold(self, number: int, depth: int) -> HeldOperand:
        return HeldOperand.of(self.nests, self.nests.kernel.operands[number], depth, self.spec)

    def _operands(self, held: Sequence[int]) -> list[HeldOperand]:
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
            HeldOperand.of(nests, kernel.inputs[n], held[n], self.spec, reduced)
            for n in range(2, len(kernel.inputs))
        ]
        return operands

    @cached_property
    def waiting_cycles(self) -> Reals:
        """The vector unit's cycles for psums that are added to those that wait."""
        units, nests = self.units, self.nests
        assert units.psums is not None, "only products have psums"
        additions = units.results - nests.distinct(nests.kernel.output, nests.depth)
        return waiting_cycles(nests, self.spec, units.psums, additions)


class PlaceCosts:
    """What nests cost where operands are held at one choice of depths.

    Parameters
    ----------
    costs
        Of the nests.
    held
        As in `mapper.mapping.Mapping`.
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
        self,
        costs: NestCosts,
        held: Sequence[int],
        operands: Sequence[HeldOperand],
        waiting: Counts | None,
    ) -> None:
        self.costs = costs
        self._held = held
        self._operands = operands
        self._waiting = waiting
        kernel = costs.nests.kernel
        self._pairs = list(zip(kernel.operands, operands, strict=True))
        #: Rows of a table that are moved besides: as many as outputs.
        self._gathered = (
            [(kernel.body.table, operands[-1].traffic)] if isinstance(kernel.body, Lookup) else []
        )

    @cached_property
    def dram_bytes(self) -> Counts:
        """Main-memory bytes."""
        return reduce(np.add, [size for _, size in self.traffic])

    @property
    def traffic(self) -> list[tuple[OperandMap, Counts]]:
        """Main-memory bytes of each operand, and of a table's rows."""
        return [*((what, operand.traffic) for what, operand in self._pairs), *self._gathered]

    @cached_property
    def _moved(self) -> list[tuple[OperandMap, Counts | Reals]]:
        """Bytes on a memory's bus of each operand."""
        return [(what, operand.bus_bytes) for what, operand in self._pairs]

    @cached_property
    def _fill(self) -> Reals:
        """Cycles of the first loads."""
        first = [(what, operand.first_bus_bytes) for what, operand in self._pairs[:-1]]
        return memory_cycles(self.costs.spec, first)

    @cached_property
    def _drain(self) -> Reals:
        """Cycles of the last store."""
        what, operand = self._pairs[-1]
        return memory_cycles(self.costs.spec, [(what, operand.first_bus_bytes)])

    @cached_property
    def vector(self) -> Reals:
        """Cycles of the vector unit, those for psums that wait included."""
        vector = self.costs.units.vector
        return vector if self._waiting is None else vector + self.costs.waiting_cycles

    @cached_property
    def _last(self) -> Reals:
        """Cycles from the last product to its result."""
        units = self.costs.units
        return self.vector / units.results + units.array_latency

    @cached_property
    def bound_cycles(self) -> Reals:
        """Cycles that no number of buffers goes below."""
        return np.maximum(*self._unit_bounds) + self._last

    @cached_property
    def _unit_bounds(self) -> tuple[Reals, Reals]:
        """What units of unlimited buffers take, without the last tile's results."""
        costs = self.costs
        latency_cycles = costs.load_latency + costs.store_latency
        # The vector unit starts when the first result has left the array.
        vector_end = self.vector + (costs.units.array - self.vector) / costs.units.results
        computing = np.maximum(costs.units.array, vector_end) + (self._fill + self._drain)
        memory = memory_cycles(costs.spec, [*self._moved, *self._gathered])
        return (
            computing + latency_cycles,
            memory + costs.units.array / costs.units.tiles + latency_cycles,
        )

    @cached_property
    def moving(self) -> EnergyCounts[Reals]:
        """What takes energy because operands are held here."""
        nests = self.costs.nests
        gathered = sum((size for _, size in self._gathered), start=_NO_BYTES)
        filled = [
            filled_bytes(nests, what, depth, operand.traffic)
            for what, depth, operand in zip(
                nests.kernel.inputs, self._held[:-1], self._operands[:-1], strict=True
            )
        ]
        moved = [operand.traffic for operand in self._operands]
        return moving_counts(nests.kernel, self.costs.spec, moved, filled, gathered)

    @cached_property
    def _dynamic_pj(self) -> Reals:
        """The picojoules of all but leakage, on which the number of buffers has no influence."""
        return self.costs.computing_pj + energy_pj(self.costs.spec, self.moving)

    def energy_pj(self, cycles: Reals) -> Reals:
        """Return the picojoules of nests that take so many cycles."""
        spec = self.costs.spec
        return self._dynamic_pj + leakage_pj(spec, cycles / spec.clock_hz)

    def scores(self, doubled: Sequence[bool], *, with_energy: bool = False) -> Scores:
        """Return the costs, one for each nest.

        ``doubled`` says for each operand whether it has two buffers where it moves more than once.
        """
        costs = self.costs
        moved = self._moved
        loads = memory_cycles(costs.spec, [*moved[:-1], *self._gathered])
        stores = memory_cycles(costs.spec, moved[-1:])
        loading, storing = self._turns(
            loads + reduce(np.maximum, [o.moves for o in self._operands[:-1]]) * costs.load_latency,
            stores + costs.units.results * costs.store_latency,
        )
        several = costs.units.tiles > 1
        bounds = [
            *self._unit_bounds,
            (loading + self._drain + costs.store_latency) * several,
            (storing + self._fill + costs.load_latency) * several,
        ]
        for number, is_doubled in enumerate(doubled[:-1]):
            if not is_doubled:
                bounds.append(self._alone(number))
        if not doubled[-1] and costs.units.psums is not None:
            bounds.append(self._psums_alone(stores))
        cycles = reduce(np.maximum, bounds) + self._last
        return Scores(
            cycles=_flat(cycles, costs.nests),
            dram_bytes=_flat(self.dram_bytes, costs.nests),
            tiles=_flat(costs.units.tiles, costs.nests),
            required_bytes={
                name: _flat(size, costs.nests)
                for name, size in self.required_bytes(doubled).items()
            },
            num_buffers=[_flat(count, costs.nests) for count in self._buffers(doubled)],
            energy_pj=_flat(self.energy_pj(cycles), costs.nests) if with_energy else None,
        )

    def required_bytes(self, doubled: Sequence[bool]) -> dict[str, Counts]:
        """Return scratchpad name to the bytes that regions need in it, slots counted."""
        costs = self.costs
        regions = [operand.region for operand in self._operands]
        buffers = self._buffers(doubled)
        return required_bytes(
            costs.nests.kernel, costs.spec, regions, costs.units.psums, buffers, self._waiting
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
        costs = self.costs
        if not costs.units.array.any() and not self.vector.any():  # a copy: loaded, then stored
            return (loads + stores) / 2, np.zeros_like(loads)
        array = costs.units.array + costs.units.tiles * costs.units.array_latency
        first_user = array if costs.units.array.any() else self.vector
        return (loads + first_user) / 2, (self.vector + stores) / 2

    def _psums_alone(self, stores: Reals) -> Reals:
        """Return the least time in which the one buffer of psums, and of outputs, is used in turn.

        Psums are computed and emptied in turn, and so are outputs made and stored.
        """
        costs = self.costs
        array = costs.units.array + costs.units.results * costs.units.array_latency
        in_turn: Reals = np.maximum(array + self._fill, stores) + self.vector + self._drain
        return in_turn * (self._operands[-1].moves > 1)

    def _alone(self, number: int) -> Reals:
        """Return the least time in which the one buffer of an operand is filled and used in turn.

        A strip is loaded when the one in its place was used for the last time, in the last of the
        sweeps over the region.
        """
        costs, operand = self.costs, self._operands[number]
        load = memory_cycles(costs.spec, [self._moved[number]])
        user = costs.units.array if costs.units.array.any() else costs.units.vector
        sweeps = np.maximum(1, costs.units.tiles / (operand.moves * operand.strips))
        use, fill = user / operand.moves, load / operand.moves + costs.load_latency
        last = use / sweeps
        overlapped = np.maximum(last + fill / operand.strips, fill + last / operand.strips)
        whole: Reals = operand.moves * (use - last + overlapped)
        return np.where(operand.moves > 1, whole + self._drain + costs.store_latency, 0.0)


def _flat(values: Any, nests: Nests) -> Any:
    """Return an array with one value for each nest."""
    return np.broadcast_to(values, nests.shape).reshape(-1)


_NO_BYTES: Counts = np.zeros((), dtype=np.int64)
