"""A plan: a network's layers in order, each mapped, and where every tensor lives."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass

from accel.spec import AcceleratorSpec
from foundation.errors import MappingError, nearest
from isa.program import Program
from mapper.cost import CostEstimate
from mapper.kernel import Kernel
from mapper.lower import Placement, lower
from mapper.mapping import Mapping
from mapper.operators import kernels_of
from mapper.parts import Part, cut, whole
from mapper.search import best_mapping
from workloads.graph import Graph, Layer, TensorKind
from workloads.layers import Reshape

#: Tensors start at multiples of this: a DRAM burst of 64 bytes (JESD79-4: 8 beats of 64 bits).
ALIGNMENT_BYTES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What layers of equal operator, shapes, dtypes and placement share.

    Parameters
    ----------
    kernels, mappings, estimates
        One of each per kernel; a reshape has none.
    parts
        The pieces that run one after the other: of the only kernel, or, for a concatenation, one
        piece that holds all kernels.
    """

    kernels: tuple[Kernel, ...]
    mappings: tuple[Mapping, ...]
    estimates: tuple[CostEstimate, ...]
    parts: tuple[tuple[Part, ...], ...]


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
    """

    graph: Graph
    spec: AcceleratorSpec
    works: tuple[Work, ...]
    layers: tuple[PlannedLayer, ...]
    placements: Dictionary[str, Placement]
    memory_bytes: Dictionary[str, int]

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
        """Yield the programs of a layer's pieces, which run in this order; none for a reshape."""
        for part in self.works[planned.work].parts:
            for number in range(len(part[0].lows)):
                yield self._piece(planned, part, number)

    def distinct_programs(self, work: int) -> Iterator[tuple[Program, int]]:
        """Yield a work's programs that differ in more than addresses, and how often each runs."""
        planned = self.representative(work)
        for part in self.works[work].parts:
            yield self._piece(planned, part, 0), len(part[0].lows)

    def _piece(self, planned: PlannedLayer, parts: tuple[Part, ...], number: int) -> Program:
        places = {role: self.placements[name] for role, name in planned.roles.items()}
        kernels = [part.piece(number) for part in parts]
        mappings = [part.piece_mapping for part in parts]
        return lower(kernels, mappings, self.spec, places, self.memory_bytes)

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


def make_plan(graph: Graph, spec: AcceleratorSpec) -> Plan:
    """Return the plan that runs every layer on its own, every tensor through main memory.

    Raises
    ------
    SpecError
        When the array doesn't multiply a layer's dtype.
    MappingError
        When a layer doesn't fit.
    """
    placements, memory_bytes = _place(graph, spec)
    known: dict[object, int] = {}
    works: list[Work] = []
    layers = []
    for layer in graph.layers:
        key = _signature(graph, layer)
        if key not in known:
            known[key] = len(works)
            works.append(_work(graph, layer, spec))
        layers.append(PlannedLayer(layer=layer, work=known[key], roles=_roles(layer)))
    return Plan(
        graph=graph,
        spec=spec,
        works=tuple(works),
        layers=tuple(layers),
        placements=placements,
        memory_bytes=memory_bytes,
    )


def _work(graph: Graph, layer: Layer, spec: AcceleratorSpec) -> Work:
    kernels = kernels_of(graph, layer)
    if graph.macs(layer):
        spec.check_dtype(graph.input_tensors(layer)[0].dtype)
    chosen = [best_mapping(kernel, spec, layer.name) for kernel in kernels]
    mappings = tuple(mapping for mapping, _ in chosen)
    return Work(
        kernels=kernels,
        mappings=mappings,
        estimates=tuple(estimate for _, estimate in chosen),
        parts=_parts(kernels, mappings),
    )


def _parts(
    kernels: tuple[Kernel, ...], mappings: tuple[Mapping, ...]
) -> tuple[tuple[Part, ...], ...]:
    if len(kernels) == 1:
        return tuple((part,) for part in cut(kernels[0], mappings[0]))
    wholes = tuple(whole(k, m) for k, m in zip(kernels, mappings, strict=True))
    return (wholes,) if wholes else ()


def _signature(graph: Graph, layer: Layer) -> object:
    """Return what layers must share to be one piece of work."""
    tensors = (*graph.input_tensors(layer), *graph.parameter_tensors(layer).values())
    shapes = tuple((t.shape, t.dtype, t.kind is TensorKind.PARAMETER) for t in tensors)
    return layer.operator, shapes


def _roles(layer: Layer) -> dict[str, str]:
    inputs = {f"input{index}": name for index, name in enumerate(layer.inputs)}
    return {**inputs, **layer.parameters, "output": layer.name}


def _place(graph: Graph, spec: AcceleratorSpec) -> tuple[dict[str, Placement], dict[str, int]]:
    """Give every tensor an address of its own; a reshape's output is its input."""
    used = {memory.name: 0 for memory in spec.memories}
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
        used[memory] += -(-tensor.size_bytes // ALIGNMENT_BYTES) * ALIGNMENT_BYTES
    for name, source in views.items():
        while source in views:
            source = views[source]
        placements[name] = placements[source]
    return placements, used
