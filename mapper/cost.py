"""The closed-form cost of mappings: guides the choice, and checks the simulator.

Every function scores many loop nests at once: results are arrays with one value for each.
"""

from __future__ import annotations

from collections.abc import Mapping as Dictionary
from collections.abc import Sequence
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
from mapper.energy_counts import computing_counts, moving_counts
from mapper.held import HeldOperand, filled_bytes, region_bytes, waiting_bytes
from mapper.kernel import Kernel, Lookup, Role
from mapper.mapping import Mapping
from mapper.nest import Nests, nest_of
from mapper.place_costs import PlaceCosts, Waiting
from mapper.scores import Scores
from mapper.taking import Reals
from mapper.unit_cycles import UnitCosts, waiting_cycles


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
    return costs.computing, costs.moving(mapping.held)


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
        self._at: dict[tuple[int, int], HeldOperand] = {}

    @cached_property
    def units(self) -> UnitCosts:
        """What nests ask of the units."""
        return UnitCosts.of(self.nests, self.spec)

    def at(self, held: Sequence[int]) -> PlaceCosts:
        """Return the costs where operands are held at these depths.

        ``held`` is as in `mapper.mapping.Mapping`.
        """
        kernel, depths = self.nests.kernel, (*held[:-1], self.nests.depth)
        waiting = waiting_bytes(self.nests, held[-1])
        return PlaceCosts(
            kernel=kernel,
            spec=self.spec,
            shape=self.nests.shape,
            units=self.units,
            regions=[
                region_bytes(self.nests, operand, depth)
                for operand, depth in zip(kernel.operands, depths, strict=True)
            ],
            operand=lambda number: self.operand(number, held),
            waiting=None if waiting is None else Waiting(waiting, self.waiting_cycles),
            dynamic_pj=lambda: self.computing_pj + energy_pj(self.spec, self.moving(held)),
        )

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

    def moving(self, held: Sequence[int]) -> EnergyCounts[Reals]:
        """Return what takes energy because operands are held at these depths."""
        nests = self.nests
        moved = [self.operand(number, held).traffic for number in range(len(held))]
        filled = [
            filled_bytes(nests, what, depth, traffic)
            for what, depth, traffic in zip(nests.kernel.inputs, held[:-1], moved[:-1], strict=True)
        ]
        is_lookup = isinstance(nests.kernel.body, Lookup)
        gathered = moved[-1] if is_lookup else np.zeros((), dtype=np.int64)
        return moving_counts(nests.kernel, self.spec, moved, filled, gathered)

    def _operand(self, number: int, depth: int) -> HeldOperand:
        if (number, depth) not in self._at:
            operand = self.nests.kernel.operands[number]
            self._at[number, depth] = HeldOperand.of(self.nests, operand, depth, self.spec)
        return self._at[number, depth]

    def operand(self, number: int, held: Sequence[int]) -> HeldOperand:
        """Return an operand as it is held.

        Where psums wait outputs are stored tile by tile all the same, once each, and a bias comes
        with the first part of K only.
        """
        nests, kernel = self.nests, self.nests.kernel
        own, last = self._operand(number, held[number]), len(held) - 1
        if held[-1] == nests.depth or number < 2:
            return own
        if number == last:
            return self._operand(last, nests.depth)._replace(traffic=own.traffic)
        reduced = frozenset(kernel.numbers(Role.K))
        return HeldOperand.of(nests, kernel.inputs[number], held[number], self.spec, reduced)

    @cached_property
    def waiting_cycles(self) -> Reals:
        """The vector unit's cycles for psums that are added to those that wait."""
        units, nests = self.units, self.nests
        assert units.psums is not None, "only products have psums"
        additions = units.results - nests.distinct(nests.kernel.output, nests.depth)
        return waiting_cycles(nests, self.spec, units.psums, additions)
