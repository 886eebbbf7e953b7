"""A plan: a network's layers in order, each mapped, and where every tensor lives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass, field, replace
from math import inf

from accel.spec import AcceleratorSpec
from foundation.errors import MappingError, nearest
from isa.program import Program, side_by_side
from mapper.buffers import Buffer, fitted
from mapper.kernel import Kernel
from mapper.lower import lower
from mapper.operands import Placement
from mapper.operators import kernels_of
from mapper.residency import (
    MemoryPlan,
    keep_activations,
    residency_candidates,
    view_sources,
)
from mapper.splits import PARTIAL
from mapper.stages import Piece, Stage, best_stages, estimated_cycles
from workloads.graph import Graph, Layer, TensorKind

#: Tensors start at multiples of this: a DRAM burst of 64 bytes (JESD79-4: 8 beats of 64 bits).
ALIGNMENT_BYTES = 64
#: Passes over several layers that can be switched on.
ACROSS = ("residency",)
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
    """

    kernels: tuple[Kernel, ...]
    stages: tuple[Stage, ...]
    free_bytes: Dictionary[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedLayer:
    """A layer, the number of its work in ``Plan.works``, and the tensor behind each role."""

    layer: Layer
    work: int
    roles: Dictionary[str, str]


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
        for stage in self.works[planned.work].stages:
            for pieces in stage.rounds:
                yield self._program(planned, pieces)

    def all_programs(self) -> Iterator[Program]:
        """Yield the programs of all layers, in the order in which they run."""
        for planned in self.layers:
            yield from self.programs(planned)

    def program_count(self, planned: PlannedLayer) -> int:
        """Return the number of a layer's programs."""
        return sum(stage.round_count for stage in self.works[planned.work].stages)

    def distinct_programs(self, work: int) -> Iterator[tuple[Program, int]]:
        """Yield a work's programs that differ in more than addresses, and how often each runs."""
        planned = self.representative(work)
        for stage in self.works[work].stages:
            for pieces, count in stage.distinct_rounds:
                yield self._program(planned, pieces), count

    def _program(self, planned: PlannedLayer, pieces: tuple[Piece, ...]) -> Program:
        places = {role: self.placements[name] for role, name in planned.roles.items()}
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

    def layer(self, name: str) -> PlannedLayer:
        """Return the layer of this name.

        Raises
        ------
        MappingError
            When there is none: the nearest name is suggested.
        """
        for planned in self.layers:
            if planned.layer.name == name:
                return planned
        known = [planned.layer.name for planned in self.layers]
        raise MappingError(
            f"layer '{name}': network '{self.graph.name}' has no such layer{nearest(name, known)}"
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

    Raises
    ------
    SpecError
        When the array doesn't multiply a layer's dtype.
    MappingError
        When a layer doesn't fit.
    """
    numbers = range(spec.cores) if cores is None else cores
    mapper = _LayerMapper(graph, spec, numbers, split)
    memory_plan = MemoryPlan({pad.name: pad.capacity_bytes for pad in spec.scratchpads})
    if "residency" in across and can_keep(spec, numbers):
        candidates = residency_candidates(graph, mapper.kernels, spec)
        memory_plan = keep_activations(candidates, memory_plan, mapper.cost)
    kept = memory_plan.placements()
    placements, memory_bytes = _place(graph, spec, occupied or {}, kept)
    known: dict[object, int] = {}
    works: list[Work] = []
    layers = []
    for number, layer in enumerate(graph.layers):
        kind, work = mapper.work(number, memory_plan)
        key = kind if share_equal_work else layer.name
        if key not in known:
            known[key] = len(works)
            works.append(work)
        layers.append(PlannedLayer(layer=layer, work=known[key], roles=_roles(layer)))
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
    )


class _LayerMapper:
    """Maps layers one by one, equal work once.

    Parameters
    ----------
    graph, spec
        What is mapped, onto what.
    cores
        Numbers of the cores that take part.
    split
        One of `mapper.splits.CHOICES`.
    """

    def __init__(
        self, graph: Graph, spec: AcceleratorSpec, cores: Sequence[int], split: str
    ) -> None:
        self._graph = graph
        self._spec = spec
        self._cores = cores
        self._split = split
        self._sources = view_sources(graph)
        self._signatures = [_signature(graph, layer) for layer in graph.layers]
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

    def work(self, number: int, plan: MemoryPlan) -> tuple[object, Work]:
        """Return the work of a layer under a memory plan, and what equal works share.

        Raises
        ------
        MappingError
            When it doesn't fit.
        """
        layer = self._graph.layers[number]
        kept = {
            role: plan.places[source][0].buffer
            for role, name in _roles(layer).items()
            if (source := self._sources.get(name, name)) in plan.places
        }
        free = plan.free_bytes(number)
        kind = (self._signatures[number], tuple(kept.items()), tuple(free.items()))
        if kind not in self._works:
            self._works[kind] = self._mapped(number, kept, free)
        found = self._works[kind]
        if isinstance(found, MappingError):
            raise found
        return kind, found

    def cost(self, plan: MemoryPlan, layers: range) -> tuple[float, float]:
        """Return the estimated cycles and bytes of layers; infinite where one doesn't fit."""
        try:
            stages = [stage for n in layers for stage in self.work(n, plan)[1].stages]
        except MappingError:
            return inf, inf
        moved = sum(estimate.dram_bytes for stage in stages for estimate in stage.estimates)
        return estimated_cycles(stages), moved

    def _mapped(
        self, number: int, kept: Dictionary[str, Buffer], free: Dictionary[str, int]
    ) -> Work | MappingError:
        kernels = tuple(_keeping(kernel, kept) for kernel in self.kernels[number])
        pads = tuple(replace(p, capacity_bytes=free[p.name]) for p in self._spec.scratchpads)
        name = self._graph.layers[number].name
        try:
            stages = best_stages(
                kernels, replace(self._spec, scratchpads=pads), name, self._cores, self._split
            )
        except MappingError as error:
            return error
        return Work(kernels=kernels, stages=stages, free_bytes=free)


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
) -> tuple[dict[str, Placement], dict[str, int]]:
    """Give every tensor that isn't kept an address of its own; a reshape's output is its input."""
    used = {memory.name: occupied.get(memory.name, 0) for memory in spec.memories}
    views = view_sources(graph)
    placements: dict[str, Placement] = dict(kept)
    for tensor in graph.tensors.values():
        if tensor.name in views or tensor.name in kept:
            continue
        is_parameter = tensor.kind is TensorKind.PARAMETER
        memory = spec.memory_of("parameters" if is_parameter else "activations").name
        placements[tensor.name] = Placement(memory=memory, address=used[memory])
        used[memory] += _aligned(tensor.size_bytes)
    placements.update({name: placements[source] for name, source in views.items()})
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
