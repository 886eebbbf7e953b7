"""Maps layers one by one or as groups, with what is kept on the chip meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Mapping as Dictionary
from copy import copy
from dataclasses import replace
from math import inf, prod
from typing import NamedTuple

from accel.spec import AcceleratorSpec
from foundation.dtype import DTYPES
from foundation.errors import MappingError
from mapper.buffers import Buffer, fitted
from mapper.fusion import Fuser
from mapper.given import given_stages
from mapper.kernel import Contraction, Kernel
from mapper.lower import lower
from mapper.lower_group import lower_group
from mapper.operands import Placement
from mapper.operators import kernels_of
from mapper.orders import Orders
from mapper.pipeline import is_plain
from mapper.program_price import program_cycles
from mapper.residency import MemoryPlan, keep_activations, residency_candidates, view_sources
from mapper.search.find import SearchOptions
from mapper.stages import best_stages
from mapper.workers import process_count, side_by_side
from mapper.works import Work, roles_of, signature_of
from workloads.graph import Graph, Layer, TensorKind

#: What equal works share, and a unit's work or why it doesn't fit.
_Found = tuple[object, Work | MappingError]
#: Units for which it pays to start processes: these take some 10 ms, and a unit as long.
_MUCH = 16


class _Asked(NamedTuple):
    """A unit that is to be mapped.

    ``kind`` is what equal works share; ``kept`` of each layer role to buffer of the operands that
    are kept on the chip; ``free`` scratchpad to the bytes that are left.
    """

    kind: object
    unit: range
    kept: tuple[Dictionary[str, Buffer], ...]
    free: Dictionary[str, int]


class LayerMapper:
    """Maps layers one by one or as groups, equal work once.

    Parameters
    ----------
    graph, spec
        What is mapped, onto what.
    cores
        Numbers of the cores that take part.
    split
        One of `mapper.splits.CHOICES`.
    options
        What is asked of the search for mappings.
    orders
        What files say of layers.
    progress
        Called with the name of a layer that is about to be mapped.
    """

    def __init__(
        self,
        graph: Graph,
        spec: AcceleratorSpec,
        cores: Sequence[int],
        split: str,
        options: SearchOptions,
        orders: Orders,
        progress: Callable[[str], None] | None,
    ) -> None:
        self._options = options
        self._orders = orders
        self._progress = progress
        #: The network, in the order in which its layers run.
        self.graph = graph
        self._spec = spec
        self._cores = cores
        self._split = split
        self._sources = view_sources(graph)
        self._signatures = [signature_of(graph, layer) for layer in graph.layers]
        self._ordered = [orders.signature(layer) for layer in graph.layers]
        self._works: dict[object, Work | MappingError] = {}
        self._prices: dict[object, float] = {}
        self._on_cores: dict[object, Work | None] = {}
        kernels: dict[object, tuple[Kernel, ...]] = {}
        #: Of each layer.
        self.kernels: list[tuple[Kernel, ...]] = []
        for layer, signature in zip(graph.layers, self._signatures, strict=True):
            if signature not in kernels:
                kernels[signature] = kernels_of(graph, layer)
                for kernel in kernels[signature]:
                    check_product(kernel, spec)
            self.kernels.append(kernels[signature])
        self._fuser = Fuser(graph, spec)
        #: The network as ranges of layers, each alone or a group.
        self.units = self._apart(range(len(graph.layers)))

    def in_order(self, order: Sequence[int]) -> LayerMapper:
        """Return a mapper of the same layers in another order; both share what they find."""
        other = copy(self)
        other.graph = replace(self.graph, layers=tuple(self.graph.layers[n] for n in order))
        other.kernels = [self.kernels[n] for n in order]
        other._signatures = [self._signatures[n] for n in order]
        other._ordered = [self._ordered[n] for n in order]
        other._fuser = self._fuser.of(other.graph)
        other.units = self._apart(range(len(order)))
        return other

    def signature(self, number: int) -> object:
        """Return what a layer must share with another to be equal work."""
        return self._signatures[number], self._ordered[number]

    @property
    def passed(self) -> set[str]:
        """Names of the tensors that never leave a group."""
        return {self.graph.layers[n].name for unit in self.units for n in unit[:-1]}

    def keep(self, plan: MemoryPlan) -> MemoryPlan:
        """Return a memory plan with the activations that are worth their room.

        Taken one by one, exact cycles miss what pays only together: estimates are asked, too.
        """
        candidates = residency_candidates(self.graph, self.kernels, self.units, self._spec)
        found = [keep_activations(candidates, plan, cost) for cost in (self.cost, self._estimated)]
        return min(found, key=self.cost)

    def fused(self, plan: MemoryPlan) -> list[range]:
        """Return the network with neighbours as groups where that costs less than alone.

        The plan is that of layers alone. A group's estimate is coarse: where its program can be
        priced, it is, and those that don't pay run alone.
        """
        units = self._fuser.units(lambda unit: _estimate(self._try(unit, plan, unit)))
        return [
            one
            for unit in units
            for one in (self._apart(unit) if self._is_dear(unit, plan) else [unit])
        ]

    @staticmethod
    def _apart(unit: range) -> list[range]:
        return [range(number, number + 1) for number in unit]

    def _is_dear(self, unit: range, plan: MemoryPlan) -> bool:
        """Whether a group takes more cycles than its layers do alone, if that is known."""
        if not is_plain(self._spec) or len(unit) == 1:
            return False
        alone = sum(self._cycles(one, plan, self._try(one, plan, one)) for one in self._apart(unit))
        return self._cycles(unit, plan, self._try(unit, plan, unit)) > alone

    def _cycles(self, unit: range, plan: MemoryPlan, found: _Found) -> float:
        """Return the cycles of what was found for a unit; infinite where it doesn't fit.

        Where the machine's memories have bandwidth and latency, they are exact: the search prices
        what moves all its operands, and other programs are priced here, once for equal ones.
        """
        kind, work = found
        if isinstance(work, MappingError):
            return inf
        is_priced = not any(o.is_kept for kernel in work.kernels for o in kernel.operands)
        if is_priced or not is_plain(self._spec):
            return sum(estimate.cycles for estimate in work.estimates)
        if kind not in self._prices:
            self._prices[kind] = self._priced(unit, plan, work)
        return self._prices[kind]

    def _priced(self, unit: range, plan: MemoryPlan, work: Work) -> float:
        """Return what a unit's programs take."""
        nothing = {memory.name: 0 for memory in self._spec.memories}
        places = [self._somewhere(self.graph.layers[n], plan) for n in unit if self.kernels[n]]
        if work.fused is not None:
            fused = work.fused
            program = lower_group(
                fused.steps, fused.mapping, self._spec, places, nothing, work.free_bytes
            )
            return program_cycles(program, self._spec)
        return sum(
            count
            * program_cycles(
                lower(
                    piece.kernels, piece.mappings, self._spec, places[0], nothing, work.free_bytes
                ),
                self._spec,
            )
            for (piece,), count in work.distinct_rounds
        )

    def _somewhere(self, layer: Layer, plan: MemoryPlan) -> dict[str, Placement]:
        """Return places for a layer's tensors: where they are kept, or at any address."""
        kept, places = plan.placements(), {}
        for role, name in roles_of(layer).items():
            tensor = self.graph.tensors.get(name)
            is_parameter = tensor is not None and tensor.kind is TensorKind.PARAMETER
            memory = self._spec.memory_of("parameters" if is_parameter else "activations")
            anywhere = Placement(memory=memory.name, address=0)
            places[role] = kept.get(self._sources.get(name, name), anywhere)
        return places

    def works(self, plan: MemoryPlan) -> list[tuple[object, Work]]:
        """Return the works of all units; as `work`."""
        every = self._asked_of_all(plan)
        self._search_ahead(every)
        return [self._fitting(one) for one in every]

    def work(self, number: int, plan: MemoryPlan) -> tuple[object, Work]:
        """Return the work of a unit under a memory plan, and what equal works share.

        Raises
        ------
        MappingError
            When it doesn't fit.
        """
        return self._fitting(self._asked(self.units[number], plan, range(number, number + 1)))

    def _fitting(self, asked: _Asked) -> tuple[object, Work]:
        kind, found = self._find(asked)
        if isinstance(found, MappingError):
            raise found
        return kind, found

    def _try(self, unit: range, plan: MemoryPlan, times: range) -> _Found:
        """Return the work of a range of layers, while what lives at some times is kept."""
        return self._find(self._asked(unit, plan, times))

    def _find(self, asked: _Asked) -> _Found:
        if asked.kind not in self._works:
            self._show(asked)
            self._works[asked.kind] = self._mapped(asked)
        return asked.kind, self._works[asked.kind]

    def _asked(self, unit: range, plan: MemoryPlan, times: range) -> _Asked:
        kept = tuple(self._kept(n, plan) for n in unit)
        free = plan.free_bytes(times)
        places = {self.graph.layers[n].name: n - unit.start for n in unit}
        kind = (
            tuple(
                (
                    self._signatures[n],
                    self._ordered[n],
                    tuple(places.get(i) for i in self.graph.layers[n].inputs),
                )
                for n in unit
            ),
            tuple(tuple(own.items()) for own in kept),
            tuple(free.items()),
        )
        return _Asked(kind, unit, kept, free)

    def _asked_of_all(self, plan: MemoryPlan) -> list[_Asked]:
        return [self._asked(unit, plan, range(n, n + 1)) for n, unit in enumerate(self.units)]

    def _search_ahead(self, every: Sequence[_Asked]) -> None:
        """Map what isn't yet of some units, side by side if that is much.

        What should take longest comes first, so that no process is left with it at the end.
        """
        processes = self._options.processes or process_count()
        missing = {one.kind: one for one in every if one.kind not in self._works}
        if processes == 1 or len(missing) < _MUCH:
            return
        asked = sorted(missing.values(), key=self._effort, reverse=True)
        found = side_by_side(self._in_worker, asked, processes)
        for one, (work, warnings) in zip(asked, found, strict=True):
            self._show(one)
            self._works[one.kind] = work
            for warning in warnings:
                assert self._options.cache is not None, "that is what warns"
                self._options.cache.say(warning)

    def _effort(self, asked: _Asked) -> tuple[int, int]:
        """Return what units are ordered by: their products, then all that is computed or moved."""
        kernels = [kernel for n in asked.unit for kernel in self.kernels[n]]
        products = sum(isinstance(kernel.body, Contraction) for kernel in kernels)
        return products, sum(prod(kernel.extents) for kernel in kernels)

    def _in_worker(self, asked: _Asked) -> tuple[Work | MappingError, list[str]]:
        """Return the work that is asked for, and what the cache says meanwhile."""
        warnings: list[str] = []
        if self._options.cache is not None:
            self._options.cache.warn = warnings.append
        return self._mapped(asked), warnings

    def _show(self, asked: _Asked) -> None:
        if self._progress is not None:
            self._progress(self.graph.layers[asked.unit[-1]].name)

    def cost(self, plan: MemoryPlan, units: range | None = None) -> tuple[float, float]:
        """Return the cycles and estimated bytes of units; infinite where one doesn't fit.

        By default those of all units.
        """
        cycles, moved = 0.0, 0.0
        if units is None:
            units = range(len(self.units))
            self._search_ahead(self._asked_of_all(plan))
        for n in units:
            found = self._try(self.units[n], plan, range(n, n + 1))
            cycles += self._cycles(self.units[n], plan, found)
            moved += _bytes(found)
        return cycles, moved

    def _estimated(self, plan: MemoryPlan, units: range) -> tuple[float, float]:
        """Return the estimated cycles and bytes of units; infinite where one doesn't fit."""
        found = [_estimate(self._try(self.units[n], plan, range(n, n + 1))) for n in units]
        return sum(cycles for cycles, _ in found), sum(moved for _, moved in found)

    def _kept(self, number: int, plan: MemoryPlan) -> dict[str, Buffer]:
        """Return role to buffer of the operands of a layer that are kept."""
        return {
            role: plan.places[source][0].buffer
            for role, name in roles_of(self.graph.layers[number]).items()
            if (source := self._sources.get(name, name)) in plan.places
        }

    def _mapped(self, asked: _Asked) -> Work | MappingError:
        _, unit, kept, free = asked
        pads = tuple(replace(p, capacity_bytes=free[p.name]) for p in self._spec.scratchpads)
        spec = replace(self._spec, scratchpads=pads)
        kernels = [
            tuple(_keeping(kernel, own) for kernel in self.kernels[n])
            for n, own in zip(unit, kept, strict=True)
        ]
        name = self.graph.layers[unit[-1]].name
        if len(unit) == 1:
            try:
                return self._alone(self.graph.layers[unit[0]], kernels[0], spec, free)
            except MappingError as error:
                return error
        fused = self._fuser.fused(unit, kernels, spec)
        if fused is None:
            return MappingError(
                f"layer '{name}': its group doesn't fit what scratchpads leave free"
            )
        return Work(
            kernels=tuple(member.kernel for member in fused.group.members),
            stages=(),
            free_bytes=free,
            fused=fused,
        )

    def on_cores(self, number: int, count: int) -> Work | None:
        """Return the work of a layer on the first ``count`` cores; None where it doesn't fit.

        The other cores work meanwhile: all share the main memories' bandwidth.
        """
        layer = self.graph.layers[number]
        key = (count, self._signatures[number], self._ordered[number])
        if key not in self._on_cores:
            if self._progress is not None:
                self._progress(layer.name)
            free = {pad.name: pad.capacity_bytes for pad in self._spec.scratchpads}
            try:
                self._on_cores[key] = self._alone(
                    layer, self.kernels[number], self._spec, free, count
                )
            except MappingError:
                self._on_cores[key] = None
        return self._on_cores[key]

    def _alone(
        self,
        layer: Layer,
        kernels: tuple[Kernel, ...],
        spec: AcceleratorSpec,
        free: Dictionary[str, int],
        count: int | None = None,
    ) -> Work:
        """Return the work of a layer: as a file says, or as the search finds.

        It has all cores, or the first ``count`` while others work.
        """
        written, rules = self._orders.mapping(layer), self._orders.rules(layer)
        if written is not None:
            stages = given_stages(kernels, written, spec, self._cores)
        else:
            stages = best_stages(
                kernels,
                spec,
                layer.name,
                self._cores[:count],
                self._split,
                self._options,
                rules,
                sharing=1 if count is None else len(self._cores),
            )
        return Work(kernels=kernels, stages=stages, free_bytes=free, rules=rules)


def _bytes(found: _Found) -> float:
    """Return the estimated main-memory bytes of what was found; infinite where it doesn't fit."""
    _, work = found
    if isinstance(work, MappingError):
        return inf
    return sum(estimate.dram_bytes for estimate in work.estimates)


def _estimate(found: _Found) -> tuple[float, float]:
    """Return the estimated cycles and bytes of what was found; infinite where it doesn't fit."""
    _, work = found
    if isinstance(work, MappingError):
        return inf, inf
    return sum(estimate.cycles for estimate in work.estimates), _bytes(found)


def can_keep(spec: AcceleratorSpec, cores: Sequence[int]) -> bool:
    """Whether tensors can stay in scratchpads: one core, and no banks.

    # Approximation: what one core computes others read from main memory, and layouts without bank
    conflicts are only looked for in tiles.
    """
    return len(cores) == 1 and all(pad.bank_model is None for pad in spec.scratchpads)


def _keeping(kernel: Kernel, kept: Dictionary[str, Buffer]) -> Kernel:
    """Return a kernel whose operands of these roles are kept on the chip."""
    for role, buffer in kept.items():
        found = fitted(kernel, role, buffer)
        assert found is not None, "a candidate fits all its kernels"
        kernel = found
    inputs = tuple(replace(operand, is_kept=operand.role in kept) for operand in kernel.inputs)
    output = replace(kernel.output, is_kept=kernel.output.role in kept)
    return replace(kernel, inputs=inputs, output=output)


def check_product(kernel: Kernel, spec: AcceleratorSpec) -> None:
    """Raise SpecError unless a machine can do a kernel's products, if it has any."""
    if isinstance(kernel.body, Contraction):
        spec.check_product(kernel.multiplied, DTYPES[kernel.inputs[1].dtype.name])
        spec.check_weights(kernel.stored)
