"""A plan: a network's layers in order, each mapped, and where every tensor lives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass

from accel.spec import AcceleratorSpec
from foundation.errors import MappingError, nearest
from isa.program import Program, side_by_side
from mapper.constraints import NO_RULES, Constraints, LayerRules
from mapper.given import given_stages
from mapper.kernel import Kernel
from mapper.lower import Placement, lower
from mapper.mapping_file import LayerMapping, MappingFile, WrittenLayer, mappings_text
from mapper.operators import kernels_of
from mapper.splits import PARTIAL
from mapper.stages import Piece, Stage, best_stages
from workloads.graph import Graph, Layer, TensorKind
from workloads.layers import Reshape

#: Tensors start at multiples of this: a DRAM burst of 64 bytes (JESD79-4: 8 beats of 64 bits).
ALIGNMENT_BYTES = 64
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
    rules
        What the search for them didn't try.
    """

    kernels: tuple[Kernel, ...]
    stages: tuple[Stage, ...]
    rules: LayerRules = NO_RULES


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
    """

    graph: Graph
    spec: AcceleratorSpec
    works: tuple[Work, ...]
    layers: tuple[PlannedLayer, ...]
    placements: Dictionary[str, Placement]
    memory_bytes: Dictionary[str, int]
    split: str

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
        return side_by_side(
            [
                lower(
                    piece.kernels, piece.mappings, self.spec, places, self.memory_bytes, piece.core
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

    def mappings_yaml(self, layer: str | None = None) -> str:
        """Return the mappings as a file: of equal layers once, or of one layer only.

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
    cores: Sequence[int] | None = None,
    share_equal_work: bool = True,
    occupied: Dictionary[str, int] | None = None,
    mappings: MappingFile | None = None,
    constraints: Constraints | None = None,
) -> Plan:
    """Return the plan that runs one layer after the other, every tensor through main memory.

    Parameters
    ----------
    graph, spec
        What is mapped, onto what.
    split
        Along what products are split over cores: one of `mapper.splits.CHOICES`.
    cores
        Numbers of the cores that take part, all by default.
    share_equal_work
        Whether equal layers are one piece of work, which is simulated once.
    occupied
        Main memory name to bytes at its start that others use, none by default.
    mappings
        Of some layers: they run exactly so, the others are searched.
    constraints
        What the search may not try.

    Raises
    ------
    SpecError
        When the array doesn't multiply a layer's dtype.
    MappingError
        When a layer doesn't fit, a mapping is given that the machine can't run, or a constraint
        leaves nothing.
    """
    if constraints is not None:
        constraints.check_names(
            [(layer.name, layer.operator.kind, kernels_of(graph, layer)) for layer in graph.layers]
        )
    given: Dictionary[str, WrittenLayer] = {}
    if mappings is not None:
        mappings.check_names((layer.name for layer in graph.layers), graph.name)
        given = mappings.layers
    numbers = range(spec.cores) if cores is None else cores
    placements, memory_bytes = _place(graph, spec, occupied or {})
    known: dict[object, int] = {}
    kinds: dict[object, Work] = {}
    works: list[Work] = []
    layers = []
    for layer in graph.layers:
        written = given.get(layer.name)
        rules, entries = NO_RULES, tuple[int, ...]()
        if constraints is not None:
            rules = constraints.of(layer.name, layer.operator.kind)
            entries = constraints.numbers(layer.name, layer.operator.kind)
        kind = (_signature(graph, layer), written.name if written is not None else None, entries)
        if kind not in kinds:
            kinds[kind] = _work(graph, layer, spec, numbers, split, written, rules)
        key = kind if share_equal_work else layer.name
        if key not in known:
            known[key] = len(works)
            works.append(kinds[kind])
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
    )


def _work(
    graph: Graph,
    layer: Layer,
    spec: AcceleratorSpec,
    cores: Sequence[int],
    split: str,
    written: WrittenLayer | None,
    rules: LayerRules,
) -> Work:
    kernels = kernels_of(graph, layer)
    if graph.macs(layer):
        spec.check_dtype(graph.input_tensors(layer)[0].dtype)
    if written is not None:
        return Work(kernels=kernels, stages=given_stages(kernels, written, spec, cores))
    stages = best_stages(kernels, spec, layer.name, cores, split, rules)
    return Work(kernels=kernels, stages=stages, rules=rules)


def _signature(graph: Graph, layer: Layer) -> object:
    """Return what layers must share to be one piece of work."""
    tensors = (*graph.input_tensors(layer), *graph.parameter_tensors(layer).values())
    shapes = tuple((t.shape, t.dtype, t.kind is TensorKind.PARAMETER) for t in tensors)
    return layer.operator, shapes


def _roles(layer: Layer) -> dict[str, str]:
    inputs = {f"input{index}": name for index, name in enumerate(layer.inputs)}
    return {**inputs, **layer.parameters, "output": layer.name, PARTIAL: PARTIAL_SUMS}


def _place(
    graph: Graph, spec: AcceleratorSpec, occupied: Dictionary[str, int]
) -> tuple[dict[str, Placement], dict[str, int]]:
    """Give every tensor an address of its own; a reshape's output is its input."""
    used = {memory.name: occupied.get(memory.name, 0) for memory in spec.memories}
    views = {
        layer.name: layer.inputs[0] for layer in graph.layers if isinstance(layer.operator, Reshape)
    }
    placements: dict[str, Placement] = {}
    for tensor in graph.tensors.values():
        if tensor.name in views:
            continue
        is_parameter = tensor.kind is TensorKind.PARAMETER
        memory = spec.memory_of("parameters" if is_parameter else "activations").name
        placements[tensor.name] = Placement(memory=memory, address=used[memory])
        used[memory] += _aligned(tensor.size_bytes)
    for name, source in views.items():
        while source in views:
            source = views[source]
        placements[name] = placements[source]
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
