"""Stages: what the cores of a chip do side by side for one layer, and the choice of a split.

A layer is one stage, or two where its sum is split: the cores first write partial sums to main
memory, then add them up. A stage begins when the one before has finished on all cores.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, zip_longest
from math import inf, log, prod
from typing import NamedTuple

from accel.several_arrays import matmul_work
from accel.spec import AcceleratorSpec
from foundation.errors import MappingError
from mapper.check import check
from mapper.constraints import NO_RULES, LayerRules
from mapper.cost import COSTS, CostEstimate
from mapper.kernel import Contraction, Kernel, Role, box_bytes
from mapper.mapping import Mapping
from mapper.parts import Part, cut, whole
from mapper.search.dataflows import dataflows_of
from mapper.search.find import DEFAULT, Found, SearchOptions, find_mapping
from mapper.search.objective import objective_of
from mapper.splits import PARTIAL, Split, divided, reduction, splits

#: How many splits are mapped, those with the lowest bounds.
TRIED = 8
#: Bounds that differ by less than this factor count as equal.
_NEAR = 1.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one core does of a stage.

    Parameters
    ----------
    core
        Number of the core.
    parts
        What it runs one after the other: parts of its only kernel, or, for a concatenation, one
        part that holds all kernels.
    """

    core: int
    parts: tuple[tuple[Part, ...], ...]


class Piece(NamedTuple):
    """One of the equal pieces of a part, on a core."""

    core: int
    part: tuple[Part, ...]
    number: int

    @property
    def kernels(self) -> list[Kernel]:
        """What it computes."""
        return [part.piece(self.number) for part in self.part]

    @property
    def mappings(self) -> list[Mapping]:
        """How."""
        return [part.piece_mapping for part in self.part]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Kernels that cores compute side by side, each its share.

    Parameters
    ----------
    kernels, splits, mappings, estimates
        One of each per kernel: the whole, how it is split, and how its largest part is mapped. Of
        the estimates, cycles and tiles are those of the largest part, bytes those of all.
    cores
        Numbers of the cores that take part.
    """

    kernels: tuple[Kernel, ...]
    splits: tuple[Split, ...]
    mappings: tuple[Mapping, ...]
    estimates: tuple[CostEstimate, ...]
    cores: tuple[int, ...]

    @property
    def shares(self) -> tuple[Share, ...]:
        """What each core does."""
        parts = zip(*map(divided, self.kernels, self.splits), strict=True)
        return tuple(
            Share(core=core, parts=_parts(own, self.mappings))
            for core, own in zip(self.cores, parts, strict=True)
        )

    @property
    def tile_counts(self) -> tuple[int, ...]:
        """Number of tiles of each kernel, on all cores."""
        return tuple(
            sum(mapping.within(k.extents).tile_count(k.extents) for k in divided(kernel, split))
            for kernel, split, mapping in zip(self.kernels, self.splits, self.mappings, strict=True)
        )

    @property
    def rounds(self) -> Iterator[tuple[Piece, ...]]:
        """Yield the pieces that run side by side, one for each core that still has some."""
        lines = [
            [
                Piece(share.core, part, number)
                for part in share.parts
                for number in range(len(part[0].lows))
            ]
            for share in self.shares
        ]
        for pieces in zip_longest(*lines):
            yield tuple(piece for piece in pieces if piece is not None)

    @property
    def distinct_rounds(self) -> Iterator[tuple[tuple[Piece, ...], int]]:
        """Yield rounds that differ in more than addresses, and how often each runs."""
        for _, equal in groupby(self.rounds, lambda pieces: [(p.core, id(p.part)) for p in pieces]):
            first, *others = equal
            yield first, 1 + len(others)

    @property
    def round_count(self) -> int:
        """Number of rounds."""
        return max(sum(len(part[0].lows) for part in share.parts) for share in self.shares)

    @property
    def partial_bytes(self) -> int:
        """Bytes of the partial sums that it reads, if it does."""
        operands = (operand for kernel in self.kernels for operand in kernel.inputs)
        return sum(operand.tensor_bytes for operand in operands if operand.role == PARTIAL)


def best_stages(
    kernels: Sequence[Kernel],
    spec: AcceleratorSpec,
    name: str,
    cores: Sequence[int],
    choice: str,
    options: SearchOptions = DEFAULT,
    rules: LayerRules = NO_RULES,
) -> tuple[Stage, ...]:
    """Return the stages of a layer that are best by the search's objective.

    Parameters
    ----------
    kernels
        The layer's: several for a concatenation, none for a reshape.
    spec
        The machine.
    name
        The layer's, for errors.
    cores
        Numbers of the cores that may take part.
    choice
        One of `mapper.splits.CHOICES`.
    options
        What is asked of the search for mappings.
    rules
        What may not be tried.

    Raises
    ------
    MappingError
        When no split fits, or a constraint leaves none.
    """
    if not kernels:
        return ()
    if len(kernels) > 1:
        return (_copies(kernels, spec, name, cores, options, rules),)
    (kernel,) = kernels
    found = rules.allowed_splits(kernel, splits(kernel, len(cores), choice), name)
    if len(found) > TRIED:
        found = _promising(kernel, found, spec, dataflows_of(kernel, spec, name, rules))
    candidates: list[tuple[Stage, ...]] = []
    failures: list[MappingError] = []
    for split in found:
        try:
            candidates.append(_stages(kernel, split, spec, name, cores, options, rules))
        except MappingError as error:
            failures.append(error)
    if not candidates:
        raise failures[0]
    objective = objective_of(options.objective)
    return min(candidates, key=lambda stages: float(objective.value(_total(stages))))


def estimated_cycles(stages: Sequence[Stage]) -> float:
    """Return the estimated cycles of stages that run one after the other."""
    return sum(estimate.cycles for stage in stages for estimate in stage.estimates)


def _total(stages: Sequence[Stage]) -> CostEstimate:
    """Return what stages that run one after the other cost together."""
    estimates = [estimate for stage in stages for estimate in stage.estimates]
    return CostEstimate(
        **{name: sum(getattr(estimate, name) for estimate in estimates) for name in COSTS}
    )


def _stages(
    kernel: Kernel,
    split: Split,
    spec: AcceleratorSpec,
    name: str,
    cores: Sequence[int],
    options: SearchOptions,
    rules: LayerRules,
) -> tuple[Stage, ...]:
    first = _stage([kernel], [split], spec, name, cores, options, rules)
    along_k = split.along_k(kernel)
    if along_k == 1:
        return (first,)
    return (
        first,
        *best_stages([reduction(kernel, along_k)], spec, name, cores, "auto", options, rules),
    )


def _stage(
    kernels: Sequence[Kernel],
    chosen: Sequence[Split],
    spec: AcceleratorSpec,
    name: str,
    cores: Sequence[int],
    options: SearchOptions,
    rules: LayerRules,
) -> Stage:
    """Return kernels as a stage: every core maps its parts as it would the largest one."""
    found = []
    for kernel, split in zip(kernels, chosen, strict=True):
        mapping, estimate = search(kernel, split, spec, name, options, rules).best()
        mapping = mapping.canonical(split.largest_extents(kernel))
        check(next(divided(kernel, split)), spec, mapping)
        found.append((mapping, estimate))
    return stage_of(kernels, chosen, found, cores)


def stage_of(
    kernels: Sequence[Kernel],
    chosen: Sequence[Split],
    found: Sequence[tuple[Mapping, CostEstimate]],
    cores: Sequence[int],
) -> Stage:
    """Return kernels as a stage of ``cores``, with the mapping of each one's largest part."""
    count = chosen[0].parts
    return Stage(
        kernels=tuple(kernels),
        splits=tuple(chosen),
        mappings=tuple(mapping for mapping, _ in found),
        estimates=tuple(
            replace(estimate, dram_bytes=count * estimate.dram_bytes) for _, estimate in found
        ),
        cores=tuple(cores[:count]),
    )


def search(
    kernel: Kernel,
    split: Split,
    spec: AcceleratorSpec,
    name: str,
    options: SearchOptions = DEFAULT,
    rules: LayerRules = NO_RULES,
) -> Found:
    """Return what the search for the mapping of a split kernel's largest part finds.

    ``name`` is the layer's, for the error when nothing fits or ``rules`` leave nothing.
    """
    return find_mapping(*largest_part(kernel, split, spec), name, options, rules)


def largest_part(
    kernel: Kernel, split: Split, spec: AcceleratorSpec
) -> tuple[Kernel, AcceleratorSpec]:
    """Return the largest part of a split kernel, and the machine as its core sees it."""
    largest = next(divided(kernel, split))
    return largest, _with_share(spec, split.parts, _repeated(kernel, largest, split.parts))


def _parts(kernels: Sequence[Kernel], mappings: Sequence[Mapping]) -> tuple[tuple[Part, ...], ...]:
    fitting = [m.within(k.extents) for k, m in zip(kernels, mappings, strict=True)]
    if len(kernels) == 1:
        return tuple((part,) for part in cut(kernels[0], fitting[0]))
    return (tuple(whole(k, m) for k, m in zip(kernels, fitting, strict=True)),)


def _copies(
    kernels: Sequence[Kernel],
    spec: AcceleratorSpec,
    name: str,
    cores: Sequence[int],
    options: SearchOptions,
    rules: LayerRules,
) -> Stage:
    """Return the stage of several copies, all split over equally many cores.

    Each is cut along its first dimension that is long enough, so that parts stay contiguous.
    """
    count = min(len(cores), rules.most_cores, *(max(kernel.extents) for kernel in kernels))
    chosen = [Split()] * len(kernels)
    if count > 1:
        chosen = [
            Split(ways=((next(d for d, e in enumerate(k.extents) if e >= count), count),))
            for k in kernels
        ]
    return _stage(kernels, chosen, spec, name, cores, options, rules)


def _repeated(kernel: Kernel, largest: Kernel, parts: int) -> float:
    """Return how often cores move what a kernel touches: more than once where parts share it."""
    moved, touched = (
        sum(box_bytes(operand, one.extents) for operand in one.operands)
        for one in (largest, kernel)
    )
    return max(1.0, parts * moved / touched)


def _with_share(spec: AcceleratorSpec, cores: int, repeated: float) -> AcceleratorSpec:
    """Return a machine as one of several cores sees it.

    # Approximation: each gets an equal part of the bandwidth of main memories and their ports. A
    shared buffer gives what is moved ``repeated`` times from one fetch.
    """
    if cores == 1 and spec.network is None and spec.shared_buffer is None:
        return spec
    ports = inf
    if spec.network is not None:
        ports = len(spec.network.ports) * spec.network.link_bytes_per_cycle * spec.clock_hz
    from_memory = 1.0
    if spec.shared_buffer is not None:
        ports = min(ports, spec.shared_buffer.bandwidth_bytes_per_cycle * spec.clock_hz)
        from_memory = 1 / repeated
    memories = tuple(
        replace(
            memory,
            bandwidth_bytes_per_s=min(memory.bandwidth_bytes_per_s / from_memory, ports) / cores,
        )
        for memory in spec.memories
    )
    return replace(spec, memories=memories)


def _promising(
    kernel: Kernel,
    found: Sequence[Split],
    spec: AcceleratorSpec,
    dataflows: Sequence[str | None],
) -> list[Split]:
    """Return the splits with the lowest bounds: ``TRIED`` for each dataflow."""
    chosen: dict[Split, None] = {}
    for dataflow in dataflows:
        machine = spec.with_dataflow(dataflow)
        ordered = sorted(found, key=lambda split: _promise(kernel, split, machine))
        chosen |= dict.fromkeys(ordered[:TRIED])
    return list(chosen)


def _promise(kernel: Kernel, split: Split, spec: AcceleratorSpec) -> tuple[int, int]:
    """Return what sorts splits: a bound of their cycles, then the number of cores."""
    return round(log(_bound_cycles(kernel, split, spec)) / log(_NEAR)), split.parts


def _bound_cycles(kernel: Kernel, split: Split, spec: AcceleratorSpec) -> float:
    """Return the cycles that a split takes at least: of its largest part, and of all bytes."""
    extents = split.largest_extents(kernel)
    # A shared buffer fetches once what several parts need.
    times, space = (split.parts, extents) if spec.shared_buffer is None else (1, kernel.extents)
    moved = times * sum(box_bytes(operand, space) for operand in kernel.operands)
    along_k = split.along_k(kernel)
    if along_k > 1:  # partial sums are read again
        moved += (along_k + 1) * box_bytes(kernel.output, kernel.extents)
    memory = moved / spec.bandwidth_bytes_per_s * spec.clock_hz
    if not isinstance(kernel.body, Contraction):
        return 1 + max(memory, prod(extents) / spec.vector.lanes)
    groups, m, n, k = (
        prod(extents[number] for number in kernel.numbers(role))
        for role in (Role.GROUP, Role.M, Role.N, Role.K)
    )
    work = matmul_work(spec.array, groups=groups, m=m, n=n, k=k, accumulate=0)
    return max(memory, float(work.timing.occupancy_cycles))
