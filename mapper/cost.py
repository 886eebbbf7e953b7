"""The closed-form cost of mappings: guides the choice, and checks the simulator.

Every function scores many loop nests at once: results are arrays with one value for each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accel.energy import (
    EnergyCounts,
    component_energies_pj,
    energy_pj,
    leakage_pj,
    unknown_components,
)
from accel.spec import AcceleratorSpec
from mapper.energy_counts import computing_counts
from mapper.forms import latency_cycles
from mapper.held import HeldOperand, psum_bytes, waiting_bytes
from mapper.kernel import Kernel, Role
from mapper.mapping import Mapping
from mapper.nest import Counts, Listed, Nests, Reals, Take, nest_of
from mapper.place_costs import PlaceCosts, Scores
from mapper.unit_cycles import (
    array_cycles,
    vector_cycles,
    waiting_cycles,
)


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
    found: dict[str, float] = {}
    for counts in _counts_of(kernel, spec, mapping):
        for component, part in component_energies_pj(spec, counts).items():
            found[component] = found.get(component, 0.0) + float(np.max(part))
    if "leakage" in found:
        found["leakage"] = leakage_pj(spec, cycles / spec.clock_hz)
    return found


def unknown_energies(kernel: Kernel, spec: AcceleratorSpec, mapping: Mapping) -> tuple[str, ...]:
    """Return the keys of what a mapping uses, but is said to have no number."""
    counts = _counts_of(kernel, spec, mapping)
    return tuple(dict.fromkeys(key for one in counts for key in unknown_components(spec, one)))


def _counts_of(
    kernel: Kernel, spec: AcceleratorSpec, mapping: Mapping
) -> tuple[EnergyCounts[Reals], EnergyCounts[Reals]]:
    """Return what takes energy in a mapping: computing, and moving."""
    costs = NestCosts(nest_of(kernel, mapping), spec.with_dataflow(mapping.dataflow))
    return costs.computing, costs.at(mapping.held).moving


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
        self._units = units
        self._find = held or self._hold
        kernel = nests.kernel
        self.latency_cycles = latency_cycles(spec)
        #: How often the first loads, and the last store, wait for it: never if nothing is moved.
        self.load_waits = int(any(not one.is_kept for one in kernel.inputs))
        self.store_waits = int(not kernel.output.is_kept)
        self._at: dict[tuple[int, int], HeldOperand] = {}

    @property
    def units(self) -> UnitCosts:
        """What nests ask of the units."""
        if self._units is None:
            self._units = UnitCosts.of(self.nests, self.spec)
        return self._units

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

    def narrowed(self, take: Take) -> NestCosts:
        """Return the costs of a smaller grid, of which more is found out there than of this one."""
        units = None if self._units is None else self._units.taken(take)
        return NestCosts(self.nests.taken(take), self.spec, units)

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
        operands[-1] = tiles._replace(traffic=operands[-1].traffic)
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
