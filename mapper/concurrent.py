"""Concurrent layers: operators that don't depend on each other, at the same time on other cores.

Sets of layers are found that are near each other in the network's order, each gets a share of the
cores, and those that save most run together. The order of the others changes only where a set needs
it, and never against a dependency.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Mapping as Dictionary
from dataclasses import replace
from heapq import heapify, heappop, heappush
from itertools import combinations, pairwise, zip_longest

from accel.spec import AcceleratorSpec
from mapper.cost import CostEstimate
from mapper.kernel import box_bytes
from mapper.operands import Placement
from mapper.residency import view_sources
from mapper.rounds import Rounds
from mapper.works import Beside, Unit, Work, roles_of
from workloads.graph import Graph

#: Layers that run at the same time, at most.
MOST = 4
#: How far apart they may be in the network's order, views not counted.
REACH = 8
#: Into how many portions the cores of a large chip are dealt out; a small one's one by one.
PORTIONS = 8
#: A set is priced exactly if its estimate is at most so many times that of its layers one after the
#: other: the closed form is off by as much where DRAM is modelled bank by bank.
NEAR = 1.4

#: A layer's number and a number of cores to its work on so many; None where it doesn't fit.
OnCores = Callable[[int, int], Work | None]
Numbers = tuple[int, ...]


class Concurrency:
    """Chooses which layers of a network run at the same time.

    Parameters
    ----------
    graph, spec
        What is mapped, onto what.
    cores
        Numbers of the cores that take part.
    units
        The network's layers, each alone on all cores.
    placements
        Where every tensor lives.
    on_cores
        Maps a layer onto some of the cores, while the others work as well.
    """

    def __init__(
        self,
        graph: Graph,
        spec: AcceleratorSpec,
        cores: Sequence[int],
        units: Sequence[Unit],
        placements: Dictionary[str, Placement],
        on_cores: OnCores,
    ) -> None:
        self._graph = graph
        self._cores = cores
        self._units = units
        self._placements = placements
        self._on_cores = on_cores
        self._rounds = Rounds(spec)
        self._sources = view_sources(graph)
        places = {layer.name: number for number, layer in enumerate(graph.layers)}
        #: Of each layer those that compute its inputs.
        self._needs = [
            [places[name] for name in layer.inputs if name in places] for layer in graph.layers
        ]
        self._prices: dict[object, CostEstimate] = {}

    def units(self) -> list[Unit]:
        """Return the network in an order in which it can run, sets of layers as one unit.

        Sets that save most cycles for each of their layers come first.
        """
        chosen: dict[Numbers, Unit] = {}
        taken: set[int] = set()
        for unit in sorted(self._saving(), key=_saved, reverse=True):
            numbers = unit.numbers
            if not taken & set(numbers) and self._order([*chosen, numbers]) is not None:
                chosen[numbers] = unit
                taken.update(numbers)
        order = self._order(list(chosen))
        assert order is not None, "what is chosen can run"
        return [chosen[one] if one in chosen else self._units[one[0]] for one in order]

    def _saving(self) -> Iterator[Unit]:
        """Yield sets of layers, on shares of the cores, that cost less than one after the other."""
        for numbers in self._independent():
            for shares in self._dealt_out(numbers):
                unit = self._priced(numbers, shares)
                if unit is not None:
                    yield unit

    def _independent(self) -> Iterator[Numbers]:
        """Yield sets of layers that are near each other, none of which needs another's result."""
        before = [0] * len(self._needs)  # the layers before each, as bits
        for number, needs in enumerate(self._needs):
            for one in needs:
                before[number] |= before[one] | 1 << one
        computing = [n for n, unit in enumerate(self._units) if unit.work.kernels]
        most = min(MOST, len(self._cores))
        for place, first in enumerate(computing):
            near = computing[place + 1 : place + REACH]
            for count in range(1, most):
                for others in combinations(near, count):
                    numbers = (first, *others)
                    if not any(before[b] >> a & 1 for a, b in combinations(numbers, 2)):
                        yield numbers

    def _priced(self, numbers: Numbers, shares: Numbers) -> Unit | None:
        """Return layers as one unit; None if it costs no less than one after the other.

        What is estimated to be much dearer isn't priced exactly.
        """
        members = self._members(numbers, shares)
        if members is None:
            return None
        alone = [self._units[n] for n in numbers]
        apart = _sum([one for unit in alone for one in unit.work.estimates])
        estimate = _estimate(members)
        if estimate.cycles > NEAR * apart.cycles:
            return None
        shared_bytes = self._shared_bytes(numbers)
        beside = Beside(members=members, estimate=estimate, apart=apart, shared_bytes=shared_bytes)
        work = Work(
            kernels=tuple(kernel for member in members for kernel in member.kernels),
            stages=(),
            free_bytes=alone[0].work.free_bytes,
            beside=beside,
        )
        unit = Unit(numbers, (tuple(one.kind for one in alone), shares, shared_bytes), work)
        exact = replace(beside, estimate=self._price(unit), apart=_sum(map(self._price, alone)))
        if _cost(exact.estimate) >= _cost(exact.apart):
            return None
        return unit._replace(work=replace(work, beside=exact))

    def _dealt_out(self, numbers: Numbers) -> Iterator[Numbers]:
        """Yield how many cores each of some layers could get; all cores are dealt out.

        Of a large chip, only shares are tried that are near those of the layers' time alone.
        """
        count = len(self._cores)
        portions = min(count, PORTIONS)
        cycles = [sum(e.cycles for e in self._units[n].work.estimates) for n in numbers]
        even = [one * portions / max(1.0, sum(cycles)) for one in cycles]
        for cuts in combinations(range(1, portions), len(numbers) - 1):
            bounds = (0, *cuts, portions)
            dealt = [high - low for low, high in pairwise(bounds)]
            is_near = all(abs(own - due) < 1.5 for own, due in zip(dealt, even, strict=True))
            if is_near or portions == count:
                ends = [bound * count // portions for bound in bounds]
                yield tuple(high - low for low, high in pairwise(ends))

    def _members(self, numbers: Numbers, shares: Numbers) -> tuple[Work, ...] | None:
        """Return the works of layers on shares of the cores; None where one doesn't fit."""
        members, first = [], 0
        for number, share in zip(numbers, shares, strict=True):
            work = self._on_cores(number, share)
            if work is None:
                return None
            own = self._cores[first : first + share]
            stages = tuple(
                replace(stage, cores=tuple(own[: len(stage.cores)])) for stage in work.stages
            )
            members.append(replace(work, stages=stages))
            first += share
        return tuple(members)

    def _shared_bytes(self, numbers: Numbers) -> int:
        """Return the bytes of tensors that are read several times, counted for all but one."""
        read: dict[str, list[int]] = {}
        for number in numbers:
            names = roles_of(self._graph.layers[number])
            for kernel in self._units[number].work.kernels:
                for operand in kernel.inputs:
                    size = box_bytes(operand, kernel.extents)
                    name = names[operand.role]
                    read.setdefault(self._sources.get(name, name), []).append(size)
        return sum(sum(sizes) - max(sizes) for sizes in read.values())

    def _price(self, unit: Unit) -> CostEstimate:
        """Return the exact cost of a unit's programs, where the first of its kind lives."""
        if unit.kind not in self._prices:
            layers = [self._graph.layers[n] for n in unit.numbers]
            places = unit.work.operand_places(layers, self._placements)
            cycles = moved = 0
            for pieces, count in unit.work.distinct_rounds:
                cores = self._rounds.cores(pieces, places, unit.work.free_bytes)
                cycles += count * self._rounds.run(cores).cycles
                moved += count * sum(core.moved_bytes for core in cores)
            self._prices[unit.kind] = CostEstimate(
                cycles=cycles, dram_bytes=moved, tiles=unit.work.tile_count
            )
        return self._prices[unit.kind]

    def _order(self, sets: Sequence[Numbers]) -> list[Numbers] | None:
        """Return the network's layers, sets as one, each behind what it needs; None if none is.

        Of what can run, the first in the network's order does.
        """
        unit_of = {number: one for one in sets for number in one}
        units = {n: unit_of.get(n, (n,)) for n in range(len(self._units))}
        waits: dict[Numbers, set[Numbers]] = {one: set() for one in units.values()}
        readers: dict[Numbers, set[Numbers]] = {one: set() for one in units.values()}
        for number, needs in enumerate(self._needs):
            for one in needs:
                waits[units[number]].add(units[one])
                readers[units[one]].add(units[number])
        ready = [one for one, needed in waits.items() if not needed]
        heapify(ready)
        order = []
        while ready:
            order.append(heappop(ready))
            for reader in readers[order[-1]]:
                waits[reader].remove(order[-1])
                if not waits[reader]:
                    heappush(ready, reader)
        return order if len(order) == len(waits) else None


def _saved(unit: Unit) -> tuple[float, float]:
    """Return what a set saves for each of its layers: cycles, then bytes."""
    beside, count = unit.work.beside, len(unit.numbers)
    assert beside is not None, "a set"
    (cycles, moved), (less, fewer) = _cost(beside.apart), _cost(beside.estimate)
    return (cycles - less) / count, (moved - fewer) / count


def _estimate(members: Sequence[Work]) -> CostEstimate:
    """Return what works cost side by side: in each round as much as the slowest.

    # Approximation: a stage's rounds are of one length, and every core has an equal part of the
    main memories' bandwidth until the last has finished.
    """
    lines = [
        [
            sum(estimate.cycles for estimate in stage.estimates) / stage.round_count
            for stage in member.stages
            for _ in range(stage.round_count)
        ]
        for member in members
    ]
    total = _sum([estimate for member in members for estimate in member.estimates])
    return replace(total, cycles=sum(max(turn) for turn in zip_longest(*lines, fillvalue=0.0)))


def _sum(estimates: Iterable[CostEstimate]) -> CostEstimate:
    estimates = list(estimates)
    return CostEstimate(
        cycles=sum(one.cycles for one in estimates),
        dram_bytes=sum(one.dram_bytes for one in estimates),
        tiles=sum(one.tiles for one in estimates),
    )


def _cost(estimate: CostEstimate) -> tuple[float, int]:
    return estimate.cycles, estimate.dram_bytes
