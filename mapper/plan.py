"""A plan: a network's layers in order, each mapped, and where every tensor lives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass, field

from accel.spec import AcceleratorSpec
from foundation.errors import MappingError, nearest
from isa.program import Program, side_by_side
from mapper.concurrent import Concurrency
from mapper.constraints import Constraints
from mapper.fusion import FusedGroup
from mapper.layer_mapper import LayerMapper, can_keep
from mapper.lower import lower
from mapper.lower_group import lower_group
from mapper.mapping_file import LayerMapping, MappingFile, mappings_text
from mapper.operands import Placement, aligned
from mapper.orders import Orders
from mapper.residency import (
    MemoryPlan,
    view_sources,
)
from mapper.search.find import DEFAULT, SearchOptions
from mapper.stages import Piece
from mapper.works import PARTIAL_SUMS, PlannedLayer, Unit, Work, places_of
from workloads.graph import Graph, Layer, TensorKind

#: Passes over several layers that can be switched on.
ACROSS = ("fusion", "residency", "concurrent")


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
        for pieces in work.rounds:
            yield self._program(planned, pieces)

    def all_programs(self) -> Iterator[Program]:
        """Yield the programs of all layers, in the order in which they run."""
        for planned in self.layers:
            yield from self.programs(planned)

    def program_count(self, planned: PlannedLayer) -> int:
        """Return the number of a layer's programs."""
        work = self.works[planned.work]
        return work.round_count + (work.fused is not None)

    def distinct_programs(self, work: int) -> Iterator[tuple[Program, int]]:
        """Yield a work's programs that differ in more than addresses, and how often each runs."""
        planned = self.representative(work)
        fused = self.works[work].fused
        if fused is not None:
            yield self._group_program(planned, fused), 1
        for pieces, count in self.works[work].distinct_rounds:
            yield self._program(planned, pieces), count

    def _program(self, planned: PlannedLayer, pieces: tuple[Piece, ...]) -> Program:
        places = self.operand_places(planned)
        free_bytes = self.works[planned.work].free_bytes
        return side_by_side(
            [
                lower(
                    piece.kernels,
                    piece.mappings,
                    self.spec,
                    places[piece.layer],
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
            self.operand_places(planned),
            self.memory_bytes,
            self.works[planned.work].free_bytes,
        )

    def places(self, layer: Layer) -> dict[str, Placement]:
        """Return the role of each operand of a layer to where its tensor lives."""
        return places_of(layer, self.placements)

    def operand_places(self, planned: PlannedLayer) -> list[dict[str, Placement]]:
        """Return ``places`` of each layer that computes, its own partial sums included."""
        return self.works[planned.work].operand_places(planned.computing, self.placements)

    def results(self, planned: PlannedLayer) -> tuple[Layer, ...]:
        """Return the layers whose outputs leave a planned one."""
        is_beside = self.works[planned.work].beside is not None
        return planned.layers if is_beside else (planned.layer,)

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
    mapper = LayerMapper(graph, spec, numbers, split, options, orders, progress)
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
    units = [
        Unit(tuple(unit), *mapper.work(number, memory_plan))
        for number, unit in enumerate(mapper.units)
    ]
    if "concurrent" in across and len(numbers) > 1:
        units = Concurrency(graph, spec, numbers, units, placements, mapper.on_cores).units()
    known: dict[object, int] = {}
    works: list[Work] = []
    layers = []
    for unit in units:
        own = tuple(graph.layers[n] for n in unit.numbers)
        key = unit.kind if share_equal_work else own[0].name
        if key not in known:
            known[key] = len(works)
            works.append(unit.work)
        layers.append(PlannedLayer(layers=own, work=known[key]))
    partial_bytes = max((work.partial_starts[-1] for work in works), default=0)
    memory_bytes[placements[PARTIAL_SUMS].memory] += partial_bytes
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


def _place(
    graph: Graph,
    spec: AcceleratorSpec,
    occupied: Dictionary[str, int],
    kept: Dictionary[str, Placement],
    passed: set[str],
) -> tuple[dict[str, Placement], dict[str, int]]:
    """Give tensors of main memory addresses of their own; a reshape's output is its input.

    Partial sums of all layers share one place behind the tensors.
    """
    used = {memory.name: occupied.get(memory.name, 0) for memory in spec.memories}
    views = view_sources(graph)
    placements: dict[str, Placement] = dict(kept)
    for tensor in graph.tensors.values():
        if tensor.name in views or tensor.name in kept or tensor.name in passed:
            continue
        is_parameter = tensor.kind is TensorKind.PARAMETER
        memory = spec.memory_of("parameters" if is_parameter else "activations").name
        placements[tensor.name] = Placement(memory=memory, address=used[memory])
        used[memory] += aligned(tensor.size_bytes)
    placements.update(
        {name: placements[source] for name, source in views.items() if source in placements}
    )
    memory = spec.memory_of("activations").name
    placements[PARTIAL_SUMS] = Placement(memory=memory, address=used[memory])
    return placements, used
