"""Makes plans: maps every layer, decides what stays on the chip, and gives tensors places."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Mapping as Dictionary
from dataclasses import replace

from accel.spec import AcceleratorSpec
from mapper.concurrent import Concurrency
from mapper.constraints import Constraints
from mapper.layer_mapper import LayerMapper, can_keep
from mapper.mapping_file import MappingFile
from mapper.operands import Placement, aligned
from mapper.order import best_order
from mapper.orders import Orders
from mapper.plan import Plan
from mapper.prefetcher import Prefetcher
from mapper.residency import MemoryPlan, view_sources
from mapper.search.find import DEFAULT, SearchOptions
from mapper.works import PARTIAL_SUMS, PlannedLayer, Unit
from workloads.graph import Graph, TensorKind


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
    nothing = MemoryPlan({pad.name: pad.capacity_bytes for pad in spec.scratchpads})
    if "order" in across and can_keep(spec, numbers):
        mapper = best_order(mapper, lambda one: one.cost(_memory_plan(one, nothing, across)))
    given, graph = graph, mapper.graph
    memory_plan = _memory_plan(mapper, nothing, across) if can_keep(spec, numbers) else nothing
    kept = memory_plan.placements()
    placements, memory_bytes = _place(graph, spec, occupied or {}, kept, mapper.passed)
    works = mapper.works(memory_plan)
    units = [Unit(tuple(unit), *work) for unit, work in zip(mapper.units, works, strict=True)]
    if "concurrent" in across and len(numbers) > 1:
        units = Concurrency(graph, spec, numbers, units, placements, mapper.on_cores).units()
    different = {id(unit.work): unit.work for unit in units}.values()
    partial_bytes = max((work.partial_starts[-1] for work in different), default=0)
    memory_bytes[placements[PARTIAL_SUMS].memory] += partial_bytes
    plan = Plan(
        graph=graph,
        spec=spec,
        works=tuple(unit.work for unit in units),
        layers=tuple(
            PlannedLayer(layers=tuple(graph.layers[n] for n in unit.numbers), work=number)
            for number, unit in enumerate(units)
        ),
        placements=placements,
        memory_bytes=memory_bytes,
        split=split,
        across=tuple(across),
        given=given if given is not graph else None,
        lifetimes=memory_plan.lifetimes,
        options=options,
    )
    kinds = [unit.kind for unit in units]
    if "prefetch" in across and can_keep(spec, numbers):
        plan, kinds = Prefetcher(plan, kinds, mapper, memory_plan).run()
    return _with_shared_works(plan, kinds) if share_equal_work else plan


def _memory_plan(mapper: LayerMapper, nothing: MemoryPlan, across: Sequence[str]) -> MemoryPlan:
    """Choose the mapper's units, and return what is kept on the chip between them.

    Groups and kept activations want the same room. What costs least is taken: layers alone or in
    groups, formed beside what could be kept or without, and with activations kept or not.
    """
    alone, keeps = mapper.units, "residency" in across
    kept = mapper.keep(nothing) if keeps else nothing
    options = [(alone, nothing)]
    if keeps:
        options.append((alone, kept))
    if "fusion" in across:
        for around in (kept, nothing) if keeps else (nothing,):
            mapper.units = mapper.fused(around)
            options.append((mapper.units, nothing))
            if keeps:
                options.append((mapper.units, mapper.keep(nothing)))
            mapper.units = alone

    def cost(option: tuple[list[range], MemoryPlan]) -> tuple[float, float]:
        mapper.units, plan = option
        return mapper.cost(plan)

    mapper.units, plan = min(options, key=cost) if len(options) > 1 else options[0]
    return plan


def _with_shared_works(plan: Plan, kinds: Sequence[object]) -> Plan:
    """Return a plan in which layers of one kind share a work, which is simulated once."""
    numbers = {kind: number for number, kind in enumerate(dict.fromkeys(kinds))}
    works = {numbers[kind]: work for kind, work in reversed([*zip(kinds, plan.works, strict=True)])}
    return replace(
        plan,
        works=tuple(works[number] for number in range(len(works))),
        layers=tuple(
            replace(planned, work=numbers[kind])
            for kind, planned in zip(kinds, plan.layers, strict=True)
        ),
    )


def memory_bytes(graph: Graph, spec: AcceleratorSpec) -> dict[str, int]:
    """Return the bytes of a network's tensors in each main memory, with nothing on the chip."""
    return _place(graph, spec, {}, {}, set())[1]


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
