"""An answer at once: prices of mappings near those that were found so far."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from accel.spec import AcceleratorSpec
from mapper.check import split_violation
from mapper.kernel import Kernel
from mapper.layer_mapper import check_product
from mapper.nearby import Price, checked_cycles, nearby_price, nearby_prices
from mapper.splits import Split, reduction
from mapper.stages import largest_part
from reports.estimated import NO_ENERGY
from reports.provisional import provisional_work, remembered_work, roof_cycles
from reports.report import EMPTY, Report, WorkReport, transfer_cycles
from rooftile.explore.found import Searched, Step, is_exact
from rooftile.explore.prepared import Prepared

#: Of the 100 ms in which an answer is there, what prices may take: what is left when they are found
#: is for the network, the page, and a price that had begun.
BUDGET_S = 0.03
#: Mappings near one that was found whose prices are asked of the engine, after those of all layers.
MOST_IMPROVED = 6
Clock = Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quick:
    """An answer at once.

    Parameters
    ----------
    report
        What is known.
    priced, layers
        How many layers have prices on this machine, and how many there are; the others count as
        they did when they were last searched, as far as those with prices have changed.
    is_over
        Whether no more prices would be found.
    is_bound
        Whether mappings are known that take this, so that the best takes no more.
    """

    report: Report
    priced: int
    layers: int
    is_over: bool
    is_bound: bool

    @property
    def least_cycles(self) -> float:
        """What the network takes at least, by the roofs of array and memories."""
        return sum(layer.work.lower_bound_cycles for layer in self.report.layers)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Before:
    """A piece of work where it was searched: its first layer's steps, and what it took."""

    steps: tuple[Step, ...]
    report: WorkReport


class Pricing:
    """Prices of a network on a machine, which are found as far as there is time.

    Where only capacities differ from those of a search, a mapping that still fits takes what it
    took. On a machine of one core whose memories have bandwidth and latency prices are the engine's
    own, of mappings that keep all rules. # Approximation: on others they are the closed form's; how
    much longer cores wait for memories than it says changes with the time of the bytes that they
    move.

    Parameters
    ----------
    prepared
        The network.
    spec
        The machine.
    known
        What was found, for another machine or another batch.
    clock
        Gives seconds.

    Raises
    ------
    SpecError
        When the machine doesn't multiply the network's types.
    """

    def __init__(
        self,
        prepared: Prepared,
        spec: AcceleratorSpec,
        known: Searched,
        clock: Clock = time.perf_counter,
    ) -> None:
        self._prepared, self._spec, self._clock = prepared, spec, clock
        self._batch_ratio = prepared.graph.batch / known.report.batch
        reports = {layer.name: layer.work for layer in known.report.layers}
        #: Number of each work to what it was.
        self._before: dict[int, _Before] = {}
        self._counts: dict[int, int] = {}
        for layer in prepared.layers:
            number = layer.work_number
            self._counts[number] = self._counts.get(number, 0) + 1
            if number not in self._before:
                self._before[number] = _Before(
                    steps=known.steps[layer.name], report=reports[layer.name]
                )
        self._least: dict[int, float] = {}
        for number, kernels in enumerate(prepared.works):
            for kernel in kernels:
                check_product(kernel, spec)
            if kernels:
                self._least[number] = roof_cycles(kernels, prepared.least_bytes[number], spec)
        self._priced: dict[int, WorkReport] = {}
        self._is_bound = True
        if known.is_alike(prepared.asked, spec):
            self._priced = {
                number: replace(self._before[number].report, lower_bound_cycles=least)
                for number, least in self._least.items()
                if all(step.fits(spec) for step in self._before[number].steps)
            }
        #: Works without prices yet, what took longest last.
        self._waiting = sorted(self._least.keys() - self._priced.keys(), key=self._cycles_before)
        #: Works with the price of one mapping, what took longest last.
        self._improvable: list[int] = []
        #: Other mappings of the last of them, the best by the closed form last.
        self._others: list[tuple[int, Price]] = []

    def go_on(self, budget_s: float = BUDGET_S) -> Quick:
        """Return what is known after so many seconds: until then layers are begun."""
        end = self._clock() + budget_s
        while self._clock() < end and not self._is_over():
            if self._waiting:
                self._price_first(self._waiting.pop())
            elif self._others:
                number, price = self._others.pop()
                self._take(number, [(price, 1)])
            else:
                self._look_for_others(self._improvable.pop())
        return self._quick()

    def _cycles_before(self, number: int) -> float:
        return self._counts[number] * self._before[number].report.total_cycles

    def _price_first(self, number: int) -> None:
        """Price a work in the best mapping near that which was found, if one fits."""
        kernels, before = self._prepared.works[number], self._before[number]
        priced = _prices(kernels, before.steps, self._spec)
        if priced is not None and is_exact(self._spec):
            self._take(number, priced)
            if len(priced) == 1:
                self._improvable.insert(0, number)
        elif priced is not None:
            self._priced[number] = self._report(number, priced, self._with_waiting(priced, before))
        self._is_bound &= number in self._priced and is_exact(self._spec)

    def _look_for_others(self, number: int) -> None:
        """Find other mappings near: the best of the closed form isn't always the best."""
        (kernel,), (step,) = self._prepared.works[number], self._before[number].steps
        found = list(nearby_prices(kernel, self._spec, step.mapping, step.extents))
        found.sort(key=lambda price: price.cycles)
        self._others = [(number, price) for price in reversed(found[:MOST_IMPROVED])]

    def _is_over(self) -> bool:
        return not (self._waiting or self._improvable or self._others)

    def _take(self, number: int, priced: Sequence[tuple[Price, int]]) -> None:
        """Keep what the engine says of mappings, if no better ones are known."""
        kernels = self._prepared.works[number]
        cycles = checked_cycles(kernels, self._spec, [price.mapping for price, _ in priced])
        known = self._priced.get(number)
        if cycles is not None and (known is None or cycles < known.total_cycles):
            self._priced[number] = self._report(number, priced, cycles)

    def _report(
        self, number: int, priced: Sequence[tuple[Price, int]], cycles: float
    ) -> WorkReport:
        kernels, least_cycles = self._prepared.works[number], self._least[number]
        return provisional_work(
            kernels, priced, self._spec, cycles=cycles, least_cycles=least_cycles
        )

    def _with_waiting(self, priced: Sequence[tuple[Price, int]], before: _Before) -> float:
        """Return cycles in closed form, and those that cores wait besides."""
        moved = {memory.name: 0 for memory in self._spec.memories}
        for price, parts in priced:
            for name, size in price.memory_bytes.items():
                moved[name] += parts * size
        waited = before.report.total_cycles - sum(step.cycles for step in before.steps)
        was = max(before.report.resources.get(name, 0.0) for name in moved)
        now = max(transfer_cycles(self._spec, moved).values())
        cycles = sum(price.cycles for price, _ in priced)
        return max(now, cycles + waited * (now / was if was else 1.0))

    def _quick(self) -> Quick:
        works = dict.fromkeys(self._counts, EMPTY) | self._priced
        ratios = self._ratios()
        for number in self._least.keys() - self._priced.keys():
            before = self._before[number].report
            works[number] = remembered_work(
                self._prepared.works[number],
                before,
                self._spec,
                batch_ratio=self._batch_ratio,
                cycles_ratio=ratios.get(before.bound_by, ratios[""]),
                least_cycles=self._least[number],
            )
        layers = self._prepared.layers
        report = Report(
            network=self._prepared.graph.name,
            batch=self._prepared.graph.batch,
            spec=self._spec,
            layers=tuple(replace(one, work=works[one.work_number]) for one in layers),
            warnings=(),
            no_energy=NO_ENERGY,
            engine="analytical",
        )
        left = self._least.keys() - self._priced.keys()
        return Quick(
            report=report,
            priced=sum(layer.work_number not in left for layer in layers),
            layers=len(layers),
            is_over=self._is_over(),
            is_bound=self._is_bound and not left,
        )

    def _ratios(self) -> dict[str, float]:
        """Return what bounded works before, to how their cycles have changed; "" for all."""
        was: dict[str, float] = {}
        now: dict[str, float] = {}
        for number, report in self._priced.items():
            before = self._before[number].report
            for kind in ("", before.bound_by):
                was[kind] = was.get(kind, 0.0) + self._counts[number] * before.total_cycles
                now[kind] = now.get(kind, 0.0) + self._counts[number] * report.total_cycles
        found = {kind: now[kind] / cycles for kind, cycles in was.items() if cycles}
        return {"": self._batch_ratio} | found


def _prices(
    kernels: Sequence[Kernel], steps: Sequence[Step], spec: AcceleratorSpec
) -> list[tuple[Price, int]] | None:
    """Return the price of each part, and how many run side by side; None where one doesn't fit."""
    waiting, found = list(kernels), []
    for step in steps:
        if not waiting:
            return None
        kernel = waiting.pop(0)
        split = step.split
        if split_violation(kernel, split, spec.cores) is not None:
            split = Split()
        part, seen = largest_part(kernel, split, spec)
        if len(part.extents) != len(step.extents):
            return None
        price = nearby_price(part, seen, step.mapping, step.extents)
        if price is None:
            return None
        found.append((price, split.parts))
        along_k = split.along_k(kernel)
        if along_k > 1:
            waiting.insert(0, reduction(kernel, along_k))
    return None if waiting else found
