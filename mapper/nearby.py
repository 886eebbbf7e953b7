"""What a kernel takes in mappings near one that was found elsewhere: an answer without a search.

The mapping may be of another machine, or of the same kernel with other extents (another batch). Its
loops and places stay; its steps are tried as they are and times small factors, all combinations at
once, and the one of least cycles that fits is taken. Loops over outputs that had
one turn come before those over K, where they may have more. Where none fits, inputs are held tile
by tile.

# Approximation: orders of loops, and places of operands, that are better on the new machine aren't
found; rules other than scratchpads' capacities aren't checked. Cycles are the closed form's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accel.spec import AcceleratorSpec
from isa.instruction import Operand
from mapper.check import violations
from mapper.cost import NestCosts
from mapper.held import memory_of
from mapper.kernel import Kernel, Role
from mapper.layouts import with_layouts
from mapper.mapping import Mapping
from mapper.nest import Nests
from mapper.pipeline import Pipeline
from mapper.place_costs import PlaceCosts
from mapper.scores import Scores
from mapper.search.price import exact_cycles
from mapper.stages import is_copied

#: What each dimension's steps are multiplied by, as far as there is room for combinations.
FACTORS = (1.0, 0.5, 2.0, 1.5, 0.75, 0.25, 4.0, 0.125)
#: Combinations that are tried at once.
MOST_NESTS = 1024
#: Mappings of each place that are worth a second look.
BEST = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a mapped kernel takes by the closed form.

    Parameters
    ----------
    cycles
        In all.
    array_cycles, vector_cycles
        In which these units work.
    operand_bytes
        Main-memory bytes by operand.
    memory_bytes
        Main memory to bytes.
    tiles
        Number of tiles.
    mapping
        How the kernel is mapped.
    """

    cycles: float
    array_cycles: float
    vector_cycles: float
    operand_bytes: Dictionary[Operand, int]
    memory_bytes: Dictionary[str, int]
    tiles: int
    mapping: Mapping


def nearby_price(
    kernel: Kernel, spec: AcceleratorSpec, mapping: Mapping, extents: Sequence[int]
) -> Price | None:
    """Return the price of the best mapping near one that was found; None where none fits.

    Parameters
    ----------
    kernel, spec
        What is mapped, onto what.
    mapping
        Of a kernel with the same dimensions.
    extents
        That kernel's.
    """
    return next(nearby_prices(kernel, spec, mapping, extents), None)


def nearby_prices(
    kernel: Kernel, spec: AcceleratorSpec, mapping: Mapping, extents: Sequence[int]
) -> Iterator[Price]:
    """Yield prices of mappings near one that was found, as `nearby_price`.

    Inputs are held as they were, then tile by tile, each by itself and all; for each of these
    places, with as many buffers as there were and with one, the best few come, best first.
    """
    mapping = opened(kernel, mapping.canonical(extents))
    dataflow = mapping.dataflow if mapping.dataflow in spec.array.dataflows else None
    machine = spec.with_dataflow(dataflow)
    nests = _nests(kernel, mapping, extents)
    costs = NestCosts(nests, machine)
    slots = tuple(count > 1 for count in mapping.num_buffers)
    for held in _places(mapping):
        place = costs.at(held)
        for doubled in dict.fromkeys((slots, (False,) * len(slots))):
            scores = place.scores(doubled)
            cycles = np.where(scores.fits(machine), scores.cycles, np.inf)
            for number in cycles.argsort(kind="stable")[:BEST].tolist():
                if np.isinf(cycles[number]):
                    break
                buffers = tuple(int(count[number]) for count in scores.num_buffers)
                near = Mapping(
                    loops=nests.loops(number), held=held, num_buffers=buffers, dataflow=dataflow
                )
                yield _price(place, scores, number, near)


def _places(mapping: Mapping) -> list[tuple[int, ...]]:
    """Return where operands are held, and the same with inputs tile by tile: all, and each."""
    own, depth = mapping.held, len(mapping.loops)
    inputs = range(len(own) - 1)
    each = (tuple(depth if n == one else at for n, at in enumerate(own)) for one in inputs)
    return list(dict.fromkeys((own, (*(depth for _ in inputs), own[-1]), *each)))


def checked_cycles(
    kernels: Sequence[Kernel], spec: AcceleratorSpec, mappings: Sequence[Mapping]
) -> float | None:
    """Return what the engine says that a layer's kernels take; None where a rule is broken.

    Parameters
    ----------
    kernels, mappings
        What runs, and how; one after the other, unless data is only moved.
    spec
        A machine of one core, whose memories have bandwidth and latency.
    """
    own = [
        with_layouts(kernel, mapping.canonical(kernel.extents), spec)
        for kernel, mapping in zip(kernels, mappings, strict=True)
    ]
    for kernel, mapping in zip(kernels, own, strict=True):
        if any(violations(kernel, spec, mapping)):
            return None
    if len(kernels) > 1 and is_copied(kernels):
        return Pipeline(spec).cycles(kernels, own)
    return sum(
        exact_cycles(kernel, spec, [mapping])[0]
        for kernel, mapping in zip(kernels, own, strict=True)
    )


def _price(place: PlaceCosts, scores: Scores, number: int, mapping: Mapping) -> Price:
    """Return the price of one of the nests."""
    spec, shape = place.spec, place.shape
    index = np.unravel_index(number, shape)

    def one(values: NDArray[Any]) -> float:
        return float(np.broadcast_to(values, shape)[index])

    operand_bytes: dict[Operand, int] = {}
    memory_bytes = {memory.name: 0 for memory in spec.memories}
    for what, moved in place.traffic:
        size, memory = round(one(moved)), memory_of(what, spec).name
        operand_bytes[what.operand] = operand_bytes.get(what.operand, 0) + size
        memory_bytes[memory] += size
    return Price(
        cycles=float(scores.cycles[number]),
        array_cycles=one(place.units.array),
        vector_cycles=one(place.vector),
        operand_bytes=operand_bytes,
        memory_bytes=memory_bytes,
        tiles=int(scores.tiles[number]),
        mapping=mapping,
    )


def opened(kernel: Kernel, mapping: Mapping) -> Mapping:
    """Return the same mapping with loops of one turn over outputs outside of those over K.

    ``mapping`` is canonical. Its psums don't wait, or it stays as it is.
    """
    first = next(
        (n for n, (d, _) in enumerate(mapping.loops) if kernel.dimensions[d].role is Role.K), None
    )
    if first is None or mapping.psums_wait:
        return mapping
    outer = [
        n
        for n, (d, _) in enumerate(mapping.loops)
        if n > first and kernel.dimensions[d].role in (Role.GROUP, Role.M, Role.N)
    ]
    order = [
        *range(first),
        *outer,
        *(n for n in range(first, len(mapping.loops)) if n not in outer),
    ]
    held = (
        depth if depth <= first else depth + sum(n >= depth for n in outer)
        for depth in mapping.held
    )
    return replace(mapping, loops=tuple(mapping.loops[n] for n in order), held=tuple(held))


def _nests(kernel: Kernel, mapping: Mapping, extents: Sequence[int]) -> Nests:
    """Return a grid of nests with the loops of a mapping: an axis for each dimension."""
    steps = {
        d: _choices(nested, kernel.extents[d], extents[d], is_fixed)
        for d, nested in mapping.steps.items()
        for is_fixed in [kernel.dimensions[d].role is Role.WHOLE]
    }
    _thin_out(steps)
    axes = {d: number for number, d in enumerate(steps)}
    columns, seen = [], dict.fromkeys(steps, 0)
    for d, _ in mapping.loops:
        shape = [1] * len(steps)
        shape[axes[d]] = len(steps[d])
        columns.append(np.array([choice[seen[d]] for choice in steps[d]]).reshape(shape))
        seen[d] += 1
    return Nests(kernel, [d for d, _ in mapping.loops], columns)


def _choices(nested: Sequence[int], extent: int, was: int, is_fixed: bool) -> list[tuple[int, ...]]:
    """Return the steps that are tried of a dimension's loops, those that were found first."""
    if is_fixed or extent == 1:
        return [(extent,) * len(nested)]
    found: list[tuple[int, ...]] = []
    for factor in FACTORS:
        steps: list[int] = []
        for step in nested:
            # What was whole stays whole, and then its parts.
            size = extent if step == was else step
            largest = steps[-1] if steps else extent
            steps.append(min(largest, max(1, round(size * factor))))
        found.append(tuple(steps))
    return list(dict.fromkeys(found))


def _thin_out(steps: dict[int, list[tuple[int, ...]]]) -> None:
    """Drop the last choices of the dimensions with most, until there are few combinations."""
    while np.prod([len(choices) for choices in steps.values()]) > MOST_NESTS:
        max(steps.values(), key=len).pop()
