"""A plan: a network's layers in order, each mapped, and where every tensor lives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass, field, replace
from math import inf

from accel.spec import AcceleratorSpec
from foundation.errors import MappingError, nearest
from isa.program import Program, side_by_side
from mapper.buffers import Buffer, fitted
from mapper.constraints import NO_RULES, Constraints, LayerRules
from mapper.cost import CostEstimate
from mapper.fusion import FusedGroup, Fuser
from mapper.given import given_stages
from mapper.group import tile_count
from mapper.kernel import Kernel
from mapper.lower import lower
from mapper.lower_group import lower_group
from mapper.mapping_file import LayerMapping, MappingFile, mappings_text
from mapper.operands import Placement
from mapper.operators import kernels_of
from mapper.orders import Orders
from mapper.pipeline import is_plain
from mapper.program_price import program_cycles
from mapper.residency import (
    MemoryPlan,
    keep_activations,
    residency_candidates,
    view_sources,
)
from mapper.search.find import DEFAULT, SearchOptions
from mapper.splits import PARTIAL
from mapper.stages import Piece, Stage, best_stages
from workloads.graph import Graph, Layer, TensorKind
from workloads.layers import Reshape

#: Tensors start at multiples of this: a DRAM burst of 64 bytes (JESD79-4: 8 beats of 64 bits).
ALIGNMENT_BYTES = 64
#: Passes over several layers that can be switched on.
ACROSS = ("fusion", "residency")
#: Name of the place of partial sums; no tensor has a space in its name.
PARTIAL_SUMS = "partial sums"


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What layers of equal operator, shapes, dtypes and placement share.

    Parameters
    ----------
    kernels
        What is computed: one kernel, several for a concatenation, none for a reshape.
    stages
        How: one after the other.
    free_bytes
        Scratchpad name to bytes from its start that tiles may take.
    fused
        How, for several layers that run as a group.
    rules
        What the search for the stages didn't try.
    """

    kernels: tuple[Kernel, ...]
    stages: tuple[Stage, ...]
    free_bytes: Dictionary[str, int]
    fused: FusedGroup | None = None
    rules: LayerRules = NO_RULES

    @property
    def estimates(self) -> tuple[CostEstimate, ...]:
        """What should be spent, one part after the other."""
        if self.fused is not None:
            return (self.fused.estimate,)
        return tuple(estimate for stage in self.stages for estimate in stage.estimates)

    @property
    def tile_count(self) -> int:
        """Number of tiles on all cores."""
        if self.fused is not None:
            return tile_count(self.fused.steps, self.fused.mapping)
        return sum(sum(stage.tile_counts) for stage in self.stages)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedLayer:
    """A layer, or a group of layers, that runs when the one before has finished.

    Parameters
    ----------
    layers
        The layer, or those of the group, views between them included.
    work
        Number of its work in ``Plan.works``.
    """

    layers: tuple[Layer, ...]
    work: int

    @property
    def layer(self) -> Layer:
        """The layer whose output leaves it."""
        return self.layers[-1]

    @property
    def computing(self) -> tuple[Layer, ...]:
        """The layers without the views between them."""
        if len(self.layers) == 1:
            return self.layers
        return tuple(layer for layer in self.layers if not isinstance(layer.operator, Reshape))

    @property
    def name(self) -> str:
        """The layer's name; a group's are joined: ``block.conv1 + bn + relu``."""
        first, *others = (layer.name for layer in self.computing)
        prefix = first.rpartition(".")[0]
        return " + ".join([first, *(name.removeprefix(f"{prefix}.") for name in others)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the mapper hands on for a network.

    Parameters
    ----------
    graph, spec
        What was mapped, onto what.
    works
        Each distinct piece of work once: it is simulated once.
    layers
        In execution order. Each starts when the one before has finished.
    placements
        Where every tensor lives.
    memory_bytes
        Main memory name to bytes in use.
    split
        What was asked for: one of `mapper.splits.CHOICES`.
    across
        Which passes over several layers were asked for: some of ``ACROSS``.
    lifetimes
        Tensor that is kept on the chip to the numbers of the layers during which it is.
    options
        What was asked of the search for mappings.
    """

    graph: Graph
    spec: AcceleratorSpec
    works: tuple[Work, ...]
    layers: tuple[PlannedLayer, ...]
    placements: Dictionary[str, Placement]
    memory_bytes: Dictionary[str, int]
    split: str
    across: tuple[str, ...] = ()
    lifetimes: Dictionary[str, range] = field(default_factory=dict)

    @property
    def views(self) -> dict[str, str]:
        """Name of each reshape's output to the tensor whose bytes it shows."""
        return view_sources(self.graph)

    def alive(self, number: int) -> list[str]:
        """Return the tensors that are kept on the chip while layer ``number`` runs."""
        return [name for name, layers in self.lifetimes.items() if number in layers]

    options: SearchOptions = DEFAULT

    def program(self, planned: PlannedLayer) -> Program:
        """Return the program of a layer that is in one piece.

        Raises
        ------
        MappingError
            For a reshape, which has none, or a layer in several pieces.
        """
        programs = list(self.programs(planned))
        if len(programs) != 1:
            raise MappingError(
                f"layer '{planned.layer.name}': has {len(programs)} programs, not 1"
                + ("; a reshape moves no data" if not programs else "")
            )
        return programs[0]

    def programs(self, planned: PlannedLayer) -> Iterator[Program]:
        """Yield a layer's programs, which run one after the other; none for a reshape."""
        work = self.works[planned.work]
        if work.fused is not None:
            yield self._group_program(planned, work.fused)
        for stage in work.stages:
            for pieces in stage.rounds:
                yield self._program(planned, pieces)

    def all_programs(self) -> Iterator[Program]:
        """Yield the programs of all layers, in the order in which they run."""
        for planned in self.layers:
            yield from self.programs(planned)

    def program_count(self, planned: PlannedLayer) -> int:
        """Return the number of a layer's programs."""
        work = self.works[planned.work]
        return sum(stage.round_count for stage in work.stages) + (work.fused is not None)

    def distinct_programs(self, work: int) -> Iterator[tuple[Program, int]]:
        """Yield a work's programs that differ in more than addresses, and how often each runs."""
        planned = self.representative(work)
        fused = self.works[work].fused
        if fused is not None:
            yield self._group_program(planned, fused), 1
        for stage in self.works[work].stages:
            for pieces, count in stage.distinct_rounds:
                yield self._program(planned, pieces), count

    def _program(self, planned: PlannedLayer, pieces: tuple[Piece, ...]) -> Program:
        places = self.places(planned.layer)
        free_bytes = self.works[planned.work].free_bytes
        return side_by_side(
            [
                lower(
                    piece.kernels,
                    piece.mappings,
                    self.spec,
                    places,
                    self.memory_bytes,
                    free_bytes,
                    piece.core,
                )
                for piece in pieces
            ]
        )

    def _group_program(self, planned: PlannedLayer, fused: FusedGroup) -> Program:
        return lower_group(
            fused.steps,
            fused.mapping,
            self.spec,
            [self.places(layer) for layer in planned.computing],
            self.memory_bytes,
            self.works[planned.work].free_bytes,
        )

    def places(self, layer: Layer) -> dict[str, Placement]:
        """Return the role of each operand of a layer to where its tensor lives."""
        return {
            role: self.placements[name]
            for role, name in _roles(layer).items()
            if name in self.placements
        }

    def layer(self, name: str) -> PlannedLayer:
        """Return the layer of this name.

        Raises
        ------
        MappingError
            When there is none: the nearest name is suggested.
        """
        for planned in self.layers:
            if name == planned.name or any(layer.name == name for layer in planned.layers):
                return planned
        known = [planned.name for planned in self.layers]
        raise MappingError(
            f"layer '{name}': network '{self.graph.name}' has no such layer{nearest(name, known)}"
        )

    def mappings_yaml(self, layer: str | None = None) -> str:
        """Return the mappings as a file: of equal layers once, or of one layer only.

        Layers that run as groups have none of their own.

        Raises
        ------
        MappingError
            When there is no such layer.
        """
        if layer is not None:
            chosen = [self.layer_mapping(self.layer(layer))]
        else:
            chosen = [
                self.layer_mapping(self.representative(number)) for number in range(len(self.works))
            ]
        head = f"How {self.graph.name}, batch {self.graph.batch}, is mapped onto {self.spec.name}."
        return mappings_text([one for one in chosen if one.kernels], self.spec, head)

    def layer_mapping(self, planned: PlannedLayer) -> LayerMapping:
        """Return how a layer is mapped, with the names of the layers that share its work."""
        work = self.works[planned.work]
        alike = [other.layer.name for other in self.layers if other.work == planned.work]
        name = planned.layer.name
        return LayerMapping(
            name=name,
            also=tuple(other for other in alike if other != name),
            kernels=tuple(kernel for stage in work.stages for kernel in stage.kernels),
            splits=tuple(split for stage in work.stages for split in stage.splits),
            mappings=tuple(mapping for stage in work.stages for mapping in stage.mappings),
        )

    def representative(self, work: int) -> PlannedLayer:
        """Return the first layer that does a piece of work."""
        return next(planned for planned in self.layers if planned.work == work)


def make_plan(
    graph: Graph,
    spec: AcceleratorSpec,
    *,
    split: str = "auto",
    across: Sequence[str] = (),
    cores: Sequence[int] | None = None,
    share_equal_work: bool = True,
    occupied: Dictionary[str, int] | None = None,
    options: SearchOptions = DEFAULT,
    mappings: MappingFile | None = None,
    constraints: Constraints | None = None,
    progress: Callable[[str], None] | None = None,
) -> Plan:
    """Return the plan that runs one layer after the other.

    Parameters
    ----------
    graph, spec
        What is mapped, onto what.
    split
        Along what products are split over cores: one of `mapper.splits.CHOICES`.
    across
        Passes over several layers: some of ``ACROSS``. Without any, every tensor goes through main
        memory.
    cores
        Numbers of the cores that take part, all by default.
    share_equal_work
        Whether equal layers are one piece of work, which is simulated once.
    occupied
        Main memory name to bytes at its start that others use, none by default.
    options
        What is asked of the search for mappings.
    mappings
        Of some layers: they run exactly so, the others are searched. Not with ``across``.
    constraints
        What the search may not try. Not with ``across``.
    progress
        Called with the name of each layer that is about to be mapped.

    Raises
    ------
    SpecError
        When the array doesn't multiply a layer's dtype.
    MappingError
        When a layer doesn't fit, a mapping is given that the machine can't run, or a constraint
        leaves nothing.
    """
    numbers = range(spec.cores) if cores is None else cores
    orders = Orders(graph, mappings, constraints, across)
    mapper = _Mapper(graph, spec, numbers, split, options, orders, progress)
    orders.check_names(mapper.kernels)
    memory_plan = MemoryPlan({pad.name: pad.capacity_bytes for pad in spec.scratchpads})
    if can_keep(spec, numbers):
        if "residency" in across:
            memory_plan = mapper.keep(memory_plan)
        if "fusion" in across:
            mapper.fuse(memory_plan)
            memory_plan = MemoryPlan(memory_plan.capacity_bytes)
            if "residency" in across:
                memory_plan = mapper.keep(memory_plan)
    kept = memory_plan.placements()
    placements, memory_bytes = _place(graph, spec, occupied or {}, kept, mapper.passed)
    known: dict[object, int] = {}
    works: list[Work] = []
    layers = []
    for number, unit in enumerate(mapper.units):
        own = tuple(graph.layers[n] for n in unit)
        kind, work = mapper.work(number, memory_plan)
        key = kind if share_equal_work else own[0].name
        if key not in known:
            known[key] = len(works)
            works.append(work)
        layers.append(PlannedLayer(layers=own, work=known[key]))
    _place_partial_sums(works, spec, placements, memory_bytes)
    return Plan(
        graph=graph,
        spec=spec,
        works=tuple(works),
        layers=tuple(layers),
        placements=placements,
        memory_bytes=memory_bytes,
        split=split,
        across=tuple(across),
        lifetimes={
            name: range(candidate.first, candidate.last + 1)
            for name, (candidate, _) in memory_plan.places.items()
        },
        options=options,
    )


class _Mapper:
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
        self._graph = graph
        self._spec = spec
        self._cores = cores
        self._split = split
        self._sources = view_sources(graph)
        self._signatures = [_signature(graph, layer) for layer in graph.layers]
        self._ordered = [orders.signature(layer) for layer in graph.layers]
        self._works: dict[object, Work | MappingError] = {}
        kernels: dict[object, tuple[Kernel, ...]] = {}
        #: Of each layer.
        self.kernels: list[tuple[Kernel, ...]] = []
        for layer, signature in zip(graph.layers, self._signatures, strict=True):
            if signature not in kernels:
                kernels[signature] = kernels_of(graph, layer)
                if graph.macs(layer):
                    spec.check_dtype(graph.input_tensors(layer)[0].dtype)
            self.kernels.append(kernels[signature])
        self._fuser = Fuser(graph, spec)
        #: The network as ranges of layers, each alone or a group.
        self.units = [range(n, n + 1) for n in range(len(graph.layers))]

    @property
    def passed(self) -> set[str]:
        """Names of the tensors that never leave a group."""
        return {self._graph.layers[n].name for unit in self.units for n in unit[:-1]}

    def keep(self, plan: MemoryPlan) -> MemoryPlan:
        """Return a memory plan with the activations that are worth their room."""
        candidates = residency_candidates(self._graph, self.kernels, self.units, self._spec)
        return keep_activations(candidates, plan, self.cost)

    def fuse(self, plan: MemoryPlan) -> None:
        """Let neighbours run as groups where that costs less than to run alone under a plan.

        The plan is that of layers alone. A group's estimate is coarse: where its program can be
        priced, it is, and those that don't pay run alone.
        """
        units = self._fuser.units(lambda unit: self._cost([self._try(unit, plan, unit)]))
        self.units = [
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
        alone = sum(self._exact_cycles(one, plan) for one in self._apart(unit))
        return self._exact_cycles(unit, plan) > alone

    def _exact_cycles(self, unit: range, plan: MemoryPlan) -> float:
        """Return what a unit's programs take; what moves all its operands is priced already."""
        _, work = self._try(unit, plan, unit)
        assert not isinstance(work, MappingError), "what is chosen fits"
        if not any(operand.is_kept for kernel in work.kernels for operand in kernel.operands):
            return sum(estimate.cycles for estimate in work.estimates)
        nothing = {memory.name: 0 for memory in self._spec.memories}
        places = [self._somewhere(self._graph.layers[n], plan) for n in unit if self.kernels[n]]
        if work.fused is not None:
            fused = work.fused
            program = lower_group(
                fused.steps, fused.mapping, self._spec, places, nothing, work.free_bytes
            )
            return program_cycles(program, self._spec)
        rounds = [one for stage in work.stages for one in stage.distinct_rounds]
        return sum(
            count
            * program_cycles(
                lower(
                    piece.kernels, piece.mappings, self._spec, places[0], nothing, work.free_bytes
                ),
                self._spec,
            )
            for (piece,), count in rounds
        )

    def _somewhere(self, layer: Layer, plan: MemoryPlan) -> dict[str, Placement]:
        """Return places for a layer's tensors: where they are kept, or at any address."""
        kept, places = plan.placements(), {}
        for role, name in _roles(layer).items():
            tensor = self._graph.tensors.get(name)
            is_parameter = tensor is not None and tensor.kind is TensorKind.PARAMETER
            memory = self._spec.memory_of("parameters" if is_parameter else "activations")
            anywhere = Placement(memory=memory.name, address=0)
            places[role] = kept.get(self._sources.get(name, name), anywhere)
        return places

    def work(self, number: int, plan: MemoryPlan) -> tuple[object, Work]:
        """Return the work of a unit under a memory plan, and what equal works share.

        Raises
        ------
        MappingError
            When it doesn't fit.
        """
        kind, found = self._try(self.units[number], plan, range(number, number + 1))
        if isinstance(found, MappingError):
            raise found
        return kind, found

    def _try(
        self, unit: range, plan: MemoryPlan, times: range
    ) -> tuple[object, Work | MappingError]:
        """Return the work of a range of layers, while what lives at some times is kept."""
        kept = tuple(self._kept(n, plan) for n in unit)
        free = plan.free_bytes(times)
        places = {self._graph.layers[n].name: n - unit.start for n in unit}
        kind = (
            tuple(
                (
                    self._signatures[n],
                    self._ordered[n],
                    tuple(places.get(i) for i in self._graph.layers[n].inputs),
                )
                for n in unit
            ),
            tuple(tuple(own.items()) for own in kept),
            tuple(free.items()),
        )
        if kind not in self._works:
            self._works[kind] = self._mapped(unit, kept, free)
        return kind, self._works[kind]

    def cost(self, plan: MemoryPlan, units: range) -> tuple[float, float]:
        """Return the estimated cycles and bytes of units; infinite where one doesn't fit."""
        return self._cost([self._try(self.units[n], plan, range(n, n + 1)) for n in units])

    @staticmethod
    def _cost(found: Sequence[tuple[object, Work | MappingError]]) -> tuple[float, float]:
        cycles, moved = 0.0, 0.0
        for _, work in found:
            if isinstance(work, MappingError):
                return inf, inf
            cycles += sum(estimate.cycles for estimate in work.estimates)
            moved += sum(estimate.dram_bytes for estimate in work.estimates)
        return cycles, moved

    def _kept(self, number: int, plan: MemoryPlan) -> dict[str, Buffer]:
        """Return role to buffer of the operands of a layer that are kept."""
        return {
            role: plan.places[source][0].buffer
            for role, name in _roles(self._graph.layers[number]).items()
            if (source := self._sources.get(name, name)) in plan.places
        }

    def _mapped(
        self, unit: range, kept: Sequence[Dictionary[str, Buffer]], free: Dictionary[str, int]
    ) -> Work | MappingError:
        pads = tuple(replace(p, capacity_bytes=free[p.name]) for p in self._spec.scratchpads)
        spec = replace(self._spec, scratchpads=pads)
        kernels = [
            tuple(_keeping(kernel, own) for kernel in self.kernels[n])
            for n, own in zip(unit, kept, strict=True)
        ]
        name = self._graph.layers[unit[-1]].name
        if self._progress is not None:
            self._progress(name)
        if len(unit) == 1:
            try:
                return self._alone(self._graph.layers[unit[0]], kernels[0], spec, free)
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

    def _alone(
        self,
        layer: Layer,
        kernels: tuple[Kernel, ...],
        spec: AcceleratorSpec,
        free: Dictionary[str, int],
    ) -> Work:
        """Return the work of a layer that runs alone: as a file says, or as the search finds."""
        written, rules = self._orders.mapping(layer), self._orders.rules(layer)
        if written is not None:
            stages = given_stages(kernels, written, spec, self._cores)
        else:
            stages = best_stages(
                kernels, spec, layer.name, self._cores, self._split, self._options, rules
            )
        return Work(kernels=kernels, stages=stages, free_bytes=free, rules=rules)


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


def _signature(graph: Graph, layer: Layer) -> object:
    """Return what layers must share to be one piece of work."""
    tensors = (*graph.input_tensors(layer), *graph.parameter_tensors(layer).values())
    shapes = tuple((t.shape, t.dtype, t.kind is TensorKind.PARAMETER) for t in tensors)
    return layer.operator, shapes


def _roles(layer: Layer) -> dict[str, str]:
    inputs = {f"input{index}": name for index, name in enumerate(layer.inputs)}
    return {**inputs, **layer.parameters, "output": layer.name, PARTIAL: PARTIAL_SUMS}


def _place(
    graph: Graph,
    spec: AcceleratorSpec,
    occupied: Dictionary[str, int],
    kept: Dictionary[str, Placement],
    passed: set[str],
) -> tuple[dict[str, Placement], dict[str, int]]:
    """Give tensors of main memory addresses of their own; a reshape's output is its input."""
    used = {memory.name: occupied.get(memory.name, 0) for memory in spec.memories}
    views = view_sources(graph)
    placements: dict[str, Placement] = dict(kept)
    for tensor in graph.tensors.values():
        if tensor.name in views or tensor.name in kept or tensor.name in passed:
            continue
        is_parameter = tensor.kind is TensorKind.PARAMETER
        memory = spec.memory_of("parameters" if is_parameter else "activations").name
        placements[tensor.name] = Placement(memory=memory, address=used[memory])
        used[memory] += _aligned(tensor.size_bytes)
    placements.update(
        {name: placements[source] for name, source in views.items() if source in placements}
    )
    return placements, used


def _place_partial_sums(
    works: Sequence[Work],
    spec: AcceleratorSpec,
    placements: dict[str, Placement],
    used: dict[str, int],
) -> None:
    """Give the partial sums of all layers one place behind the tensors."""
    memory = spec.memory_of("activations").name
    sizes = [stage.partial_bytes for work in works for stage in work.stages]
    placements[PARTIAL_SUMS] = Placement(memory=memory, address=used[memory])
    used[memory] += _aligned(max(sizes, default=0))


def _aligned(size_bytes: int) -> int:
    return -(-size_bytes // ALIGNMENT_BYTES) * ALIGNMENT_BYTES
