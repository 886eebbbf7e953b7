"""An answer at once: closed-form prices of mappings near those that were found so far."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from accel.spec import AcceleratorSpec
from foundation.dtype import DTYPES
from mapper.check import split_violation
from mapper.kernel import Contraction, Kernel
from mapper.mapping import Mapping as Nest
from mapper.nearby import Price, nearby_price
from mapper.operators import kernels_of
from mapper.plan import Plan
from mapper.splits import Split, divided, reduction
from mapper.stages import largest_part
from mapper.works import signature_of
from reports.estimated import NO_ENERGY
from reports.labels import operator_label, shape_label
from reports.provisional import provisional_work, remembered_work
from reports.report import EMPTY, LayerReport, Report, WorkReport, skipped_operations
from rooftile.sources import find_network
from workloads.graph import Graph
from workloads.loaders.asked import Asked

#: Of the 100 ms in which an answer is there, what prices may take: what is left when they are found
#: is for the network, the page, and a price that had begun.
BUDGET_S = 0.04
#: Networks of other batches and types that are kept.
_KEPT = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """How a kernel's largest part was mapped: its extents, how the kernel was split, and how."""

    extents: tuple[int, ...]
    split: Split
    mapping: Nest


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """What a search found, as far as other answers follow from it.

    Parameters
    ----------
    report
        Of the analytical engine.
    steps
        Layer to how its kernels were mapped, one after the other.
    """

    report: Report
    steps: Mapping[str, tuple[Step, ...]]

    @classmethod
    def of(cls, plan: Plan, report: Report) -> Searched:
        """Return what is to be kept of a plan; equal layers share theirs."""
        works = [
            tuple(
                Step(
                    extents=next(divided(kernel, split)).extents,
                    split=split,
                    mapping=mapping,
                )
                for stage in work.stages
                for kernel, split, mapping in zip(
                    stage.kernels, stage.splits, stage.mappings, strict=True
                )
            )
            for work in plan.works
        ]
        return cls(
            report=report, steps={planned.name: works[planned.work] for planned in plan.layers}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Quick:
    """An answer at once.

    Parameters
    ----------
    report
        What is known.
    priced, layers
        How many layers have prices on this machine, and how many there are; the others count as
        they did when they were last searched.
    """

    report: Report
    priced: int
    layers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A network whose kernels are known.

    Parameters
    ----------
    graph
        The network.
    works
        Kernels of each distinct piece of work.
    layers
        Reports of the layers without their works'.
    """

    graph: Graph
    works: tuple[tuple[Kernel, ...], ...]
    layers: tuple[LayerReport, ...]


class Pricer:
    """Prices a network on other machines.

    Parameters
    ----------
    network
        A name of the zoo, or a file.
    spec
        The machine, whatever its sizes.
    clock
        Gives seconds.
    """

    def __init__(
        self, network: str, spec: AcceleratorSpec, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._network, self._spec, self._clock = network, spec, clock
        self._prepared: dict[tuple[int | None, str | None], Prepared] = {}

    def prepare(self, asked: Asked) -> Prepared:
        """Return the network as it is asked for; what was prepared before is kept.

        Raises
        ------
        WorkloadError
            When it can't be built.
        """
        key = (asked.batch, asked.dtype)
        if key not in self._prepared:
            if len(self._prepared) == _KEPT:
                del self._prepared[next(iter(self._prepared))]
            self._prepared[key] = _prepared(find_network(self._network, asked), self._spec)
        return self._prepared[key]

    def price(
        self, asked: Asked, spec: AcceleratorSpec, known: Searched, budget_s: float = BUDGET_S
    ) -> Quick:
        """Return an answer from what a search found elsewhere.

        Layers that took longest there are priced first, until the time is up.

        Parameters
        ----------
        asked, spec
            What is asked of the network, and the machine.
        known
            What was found, for another machine or another batch.
        budget_s
            Seconds until no other layer is begun.

        Raises
        ------
        SpecError, WorkloadError
            When the network can't be built, or the machine doesn't multiply its types.
        """
        end = self._clock() + budget_s
        prepared = self.prepare(asked)
        before = {layer.name: layer.work for layer in known.report.layers}
        first: dict[int, str] = {}
        weights: dict[int, int] = {}
        for layer in prepared.layers:
            first.setdefault(layer.work_number, layer.name)
            cycles = before[layer.name].total_cycles
            weights[layer.work_number] = weights.get(layer.work_number, 0) + cycles
        ratio = prepared.graph.batch / known.report.batch
        works: dict[int, WorkReport] = {}
        done: set[int] = set()
        for number in sorted(weights, key=lambda number: -weights[number]):
            kernels = prepared.works[number]
            for kernel in kernels:
                _check(kernel, spec)
            prices: list[tuple[Price, int]] | None = None
            if self._clock() < end:
                prices = _prices(kernels, known.steps[first[number]], spec)
            if not kernels:
                works[number] = EMPTY
            elif prices is None:
                works[number] = remembered_work(kernels, before[first[number]], ratio, spec)
            else:
                works[number] = provisional_work(kernels, prices, spec)
            if prices is not None or not kernels:
                done.add(number)
        report = Report(
            network=prepared.graph.name,
            batch=prepared.graph.batch,
            spec=spec,
            layers=tuple(replace(one, work=works[one.work_number]) for one in prepared.layers),
            warnings=(),
            no_energy=NO_ENERGY,
            engine="analytical",
        )
        count = sum(layer.work_number in done for layer in prepared.layers)
        return Quick(report=report, priced=count, layers=len(prepared.layers))


def _prepared(graph: Graph, spec: AcceleratorSpec) -> Prepared:
    numbers: dict[object, int] = {}
    works: list[tuple[Kernel, ...]] = []
    layers = []
    for layer in graph.layers:
        signature = signature_of(graph, layer)
        if signature not in numbers:
            numbers[signature] = len(works)
            works.append(kernels_of(graph, layer))
        kernels = works[numbers[signature]]
        layers.append(
            LayerReport(
                name=layer.name,
                operator=operator_label(layer),
                shape=shape_label(graph, layer),
                operations=graph.operations(layer) - skipped_operations(kernels, spec),
                work_number=numbers[signature],
                work=EMPTY,
            )
        )
    return Prepared(graph=graph, works=tuple(works), layers=tuple(layers))


def _check(kernel: Kernel, spec: AcceleratorSpec) -> None:
    """Raise SpecError unless the machine multiplies a kernel's types."""
    if isinstance(kernel.body, Contraction):
        spec.check_product(kernel.multiplied, DTYPES[kernel.inputs[1].dtype.name])


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
