"""A plan: a network's layers in order, each mapped, and where every tensor lives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass

from accel.spec import AcceleratorSpec
from foundation.errors import MappingError, nearest
from isa.program import Program, side_by_side
from mapper.kernel import Kernel
from mapper.lower import Placement, lower
from mapper.operators import kernels_of
from mapper.search.find import DEFAULT, SearchOptions
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
    """

    kernels: tuple[Kernel, ...]
    stages: tuple[Stage, ...]


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
    options: SearchOptions = DEFAULT,
    progress: Callable[[str], None] | None = None,
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
    options
        What is asked of the search for mappings.
    progress
        Called with the name of each layer that is about to be mapped.

    Raises
    ------
    SpecError
        When the array doesn't multiply a layer's dtype.
    MappingError
        When a layer doesn't fit.
    """
    numbers = range(spec.cores) if cores is None else cores
    placements, memory_bytes = _place(graph, spec, occupied or {})
    known: dict[object, int] = {}
    kinds: dict[object, Work] = {}
    works: list[Work] = []
    layers = []
    for layer in graph.layers:
        kind = _signature(graph, layer)
        if kind not in kinds:
            if progress is not None:
                progress(layer.name)
            kinds[kind] = _work(graph, layer, spec, numbers, split, options)
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
        options=options,
    )


def _work(
    graph: Graph,
    layer: Layer,
    spec: AcceleratorSpec,
    cores: Sequence[int],
    split: str,
    options: SearchOptions,
) -> Work:
    kernels = kernels_of(graph, layer)
    if graph.macs(layer):
        spec.check_dtype(graph.input_tensors(layer)[0].dtype)
    stages = best_stages(kernels, spec, layer.name, cores, split, options)
    return Work(kernels=kernels, stages=stages)


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
