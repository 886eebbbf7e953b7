"""Residency: activations that stay in a scratchpad until the last layer has read them.

A memory plan gives each a place: buffers that live at the same time don't overlap. They lie at the
upper end of the scratchpad; what is below is left for the tiles of the layers that run meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from accel.spec import AcceleratorSpec
from mapper.buffers import Buffer, axis_runs, common_axes, fitted
from mapper.kernel import Axis, Contraction, Kernel, OperandMap, VectorBody
from mapper.operands import Placement
from workloads.graph import Graph, Layer, TensorKind
from workloads.layers import Reshape


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An activation that could stay on the chip.

    Parameters
    ----------
    tensor
        Its name.
    buffer
        How it would lie in a scratchpad.
    first, last
        Numbers of the unit that computes it, and of the last one that reads it.
    saved_bytes
        What of the main memory's traffic it saves at least.
    """

    tensor: str
    buffer: Buffer
    first: int
    last: int
    saved_bytes: int


@dataclass(slots=True)
class MemoryPlan:
    """Places of buffers in the scratchpads, each for some layers.

    Parameters
    ----------
    capacity_bytes
        Of each scratchpad, by name.
    places
        Tensor to its candidate and address.
    """

    capacity_bytes: Mapping[str, int]
    places: dict[str, tuple[Candidate, int]] = field(default_factory=dict)

    def room_for(self, candidate: Candidate) -> int | None:
        """Return the highest address at which a buffer fits while it lives; None if none does."""
        # By their ends: what is taken at different times may overlap, and begin in any order.
        taken = sorted(
            (
                (address + other.buffer.size_bytes, address)
                for other, address in self.places.values()
                if other.buffer.scratchpad == candidate.buffer.scratchpad
                and other.first <= candidate.last
                and candidate.first <= other.last
            ),
            reverse=True,
        )
        end = self.capacity_bytes[candidate.buffer.scratchpad]
        for high, low in taken:
            if high + candidate.buffer.size_bytes <= end:
                break
            end = min(end, low)
        address = end - candidate.buffer.size_bytes
        return address if address >= 0 else None

    def free_bytes(self, units: range) -> dict[str, int]:
        """Return scratchpad to the bytes below all that lives while units run."""
        free = dict(self.capacity_bytes)
        for candidate, address in self.places.values():
            if candidate.first < units.stop and units.start <= candidate.last:
                name = candidate.buffer.scratchpad
                free[name] = min(free[name], address)
        return free

    @property
    def lifetimes(self) -> dict[str, range]:
        """What is kept to the numbers of the units during which it is."""
        return {
            name: range(candidate.first, candidate.last + 1)
            for name, (candidate, _) in self.places.items()
        }

    def having(self, candidate: Candidate, address: int) -> MemoryPlan:
        """Return a plan in which something more has a place."""
        return MemoryPlan(
            self.capacity_bytes, {**self.places, candidate.tensor: (candidate, address)}
        )

    def without(self, name: str) -> MemoryPlan:
        """Return a plan in which something has no place."""
        places = {key: place for key, place in self.places.items() if key != name}
        return MemoryPlan(self.capacity_bytes, places)

    def placements(self) -> dict[str, Placement]:
        """Return where the tensors that stay live."""
        return {
            name: Placement(
                memory=candidate.buffer.scratchpad, address=address, buffer=candidate.buffer
            )
            for name, (candidate, address) in self.places.items()
        }


def keep_activations(
    candidates: Sequence[Candidate],
    plan: MemoryPlan,
    cost: Callable[[MemoryPlan, range], tuple[float, float]],
) -> MemoryPlan:
    """Return a memory plan with the candidates that are worth their room.

    Parameters
    ----------
    candidates
        In the order in which they are tried.
    plan
        What is there already.
    cost
        Of the layers of a range under a plan, smaller is better; infinite where one doesn't fit.
    """
    for candidate in candidates:
        address = plan.room_for(candidate)
        if address is None:
            continue
        layers = range(candidate.first, candidate.last + 1)
        tried = plan.having(candidate, address)
        if cost(tried, layers) < cost(plan, layers):
            plan = tried
    return plan


@dataclass(slots=True)
class _Uses:
    """Who computes a tensor and who reads it: numbers of layers, with kernels and operands."""

    made: list[tuple[int, Kernel, OperandMap]] = field(default_factory=list)
    read: list[tuple[int, Kernel, OperandMap]] = field(default_factory=list)


def residency_candidates(
    graph: Graph,
    kernels: Sequence[Sequence[Kernel]],
    units: Sequence[range],
    spec: AcceleratorSpec,
) -> list[Candidate]:
    """Return the activations that could stay, those that save most for their room first.

    Parameters
    ----------
    graph
        The network.
    kernels
        Of each of its layers.
    units
        Ranges of layers that run one after the other. What is passed within one stays anyway.
    spec
        The machine.
    """
    sources = view_sources(graph)
    uses: dict[str, _Uses] = {}
    unit_of = [number for number, unit in enumerate(units) for _ in unit]
    for number, layer, own in zip(unit_of, graph.layers, kernels, strict=True):
        for kernel in own:
            for role, operand in _activations(graph, layer, kernel):
                found = uses.setdefault(sources.get(role, role), _Uses())
                (found.made if operand is kernel.output else found.read).append(
                    (number, kernel, operand)
                )
    outputs = {sources.get(name, name) for name in graph.outputs}
    outputs |= {graph.layers[n].name for unit in units for n in unit[:-1]}
    candidates = [
        candidate
        for name, found in uses.items()
        if name not in outputs and (candidate := _candidate(name, found, spec)) is not None
    ]
    return sorted(
        candidates,
        key=lambda c: c.saved_bytes / (c.buffer.size_bytes * (c.last - c.first)),
        reverse=True,
    )


def view_sources(graph: Graph) -> dict[str, str]:
    """Return for each reshape's output the tensor whose bytes it shows."""
    sources: dict[str, str] = {}
    for layer in graph.layers:
        if isinstance(layer.operator, Reshape):
            (source,) = layer.inputs
            sources[layer.name] = sources.get(source, source)
    return sources


def _activations(graph: Graph, layer: Layer, kernel: Kernel) -> Iterator[tuple[str, OperandMap]]:
    """Yield the computed tensors among a kernel's operands, by name."""
    names = {f"input{index}": name for index, name in enumerate(layer.inputs)}
    names["output"] = layer.name
    for operand in kernel.tensors:
        name = names.get(operand.role)
        if name is not None and graph.tensors[name].kind is TensorKind.ACTIVATION:
            yield name, operand


def _candidate(name: str, uses: _Uses, spec: AcceleratorSpec) -> Candidate | None:
    """Return a tensor as a candidate, unless somebody needs it in main memory."""
    everybody = [*uses.made, *uses.read]
    computed = (Contraction, VectorBody)
    if len(uses.made) != 1 or not uses.read:
        return None
    if not all(isinstance(kernel.body, computed) for _, kernel, _ in everybody):
        return None
    pads = {spec.scratchpad_of(operand.scratchpad).name for _, _, operand in uses.read}
    if len(pads) != 1:
        return None
    buffer = _buffer(pads.pop(), [operand for _, _, operand in everybody], uses)
    if buffer is None:
        return None
    if any(fitted(kernel, operand.role, buffer) is None for _, kernel, operand in everybody):
        return None
    ((first, _, output),) = uses.made
    readers = [number for number, _, _ in uses.read]
    return Candidate(
        tensor=name,
        buffer=buffer,
        first=first,
        last=max(readers),
        saved_bytes=output.tensor_bytes * (1 + len(set(readers))),
    )


def _buffer(scratchpad: str, operands: Sequence[OperandMap], uses: _Uses) -> Buffer | None:
    """Return how a whole tensor lies in a scratchpad for all who use it."""
    axes = common_axes([[axis.size for axis in operand.axes] for operand in operands])
    # Who reads segments sees other elements than who writes them.
    if axes is None or len({operand.dtype for operand in operands}) > 1:
        return None
    before, after = [0] * len(axes), [0] * len(axes)
    fills = set()
    for _, kernel, operand in uses.read:
        runs = axis_runs(axes, [axis.size for axis in operand.axes])
        for axis, run in zip(operand.axes, runs, strict=True):
            low, high = _border(axis, kernel.extents)
            if not low and not high:
                continue
            if len(run) != 1:
                return None
            before[run[0]], after[run[0]] = max(before[run[0]], low), max(after[run[0]], high)
            fills.add(operand.fill)
    if len(fills) > 1:
        return None
    sizes = zip(before, axes, after, strict=True)
    return Buffer(
        scratchpad=scratchpad,
        axes=axes,
        before=tuple(before),
        after=tuple(after),
        extents=tuple(map(sum, sizes)),
        element_bytes=operands[0].dtype.size_bytes,
        fill=fills.pop() if fills else 0,
    )


def _border(axis: Axis, extents: Sequence[int]) -> tuple[int, int]:
    """Return the elements of padding before and after that a whole kernel touches."""
    last = axis.offset + sum(c * (extents[d] - 1) for d, c in axis.terms)
    return max(0, -axis.offset), max(0, last - (axis.size - 1))
