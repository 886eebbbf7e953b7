"""Stages: what the cores of a chip do side by side for one layer, and the choice of a split.

A kernel is one stage, or two where its sum is split: the cores first write partial sums to main
memory, then add them up. The copies of a concatenation are one stage together. A stage begins when
the one before has finished on all cores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import zip_longest
from math import inf, log, prod
from typing import NamedTuple

from accel.energy_spec import EnergySpec
from accel.spec import AcceleratorSpec
from foundation.errors import MappingError, SpecError
from mapper.check import check
from mapper.constraints import NO_RULES, LayerRules
from mapper.cost import COSTS, CostEstimate, energies_pj
from mapper.energy_counts import least_energy_pj
from mapper.kernel import Contraction, Copy, Kernel, box_bytes, touched_bytes
from mapper.mapping import Mapping
from mapper.parts import Part, cut, whole
from mapper.search.dataflows import dataflows_of
from mapper.search.find import DEFAULT, Found, SearchOptions, find_mapping
from mapper.search.objective import Bounds, Objective, objective_of
from mapper.splits import PARTIAL, Split, divided, reduction, splits
from mapper.unit_cycles import product_work

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
    #: Number of its layer, among those that run at the same time.
    layer: int = 0

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
        the estimates, cycles and tiles are those of the largest part, bytes and energy those of
        all.
    cores
        Numbers of the cores that take part.
    sharing
        Cores among which the main memories' bandwidth is shared, where others work meanwhile.
    """

    kernels: tuple[Kernel, ...]
    splits: tuple[Split, ...]
    mappings: tuple[Mapping, ...]
    estimates: tuple[CostEstimate, ...]
    cores: tuple[int, ...]
    sharing: int = 1

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
    def round_count(self) -> int:
        """Number of rounds."""
        return max(sum(len(part[0].lows) for part in share.parts) for share in self.shares)

    @property
    def partial_bytes(self) -> int:
        """Bytes of the room for the partial sums that it reads, if any: a whole tensor's."""
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
    sharing: int = 1,
) -> tuple[Stage, ...]:
    """Return the stages of a layer that are best by the search's objective.

    Parameters
    ----------
    kernels
        The layer's: none for a reshape.
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
    sharing
        As in `Stage`.

    Raises
    ------
    MappingError
        When no split fits, or a constraint leaves none.
    """
    if len(kernels) > 1 and is_copied(kernels):
        return (_copies(kernels, spec, name, cores, options, rules, sharing),)
    return tuple(
        stage
        for kernel in kernels
        for stage in _best_stages(kernel, spec, name, cores, choice, options, rules, sharing)
    )


def is_copied(kernels: Sequence[Kernel]) -> bool:
    """Whether kernels only move data: several of them are one stage."""
    return all(isinstance(kernel.body, Copy) for kernel in kernels)


def _best_stages(
    kernel: Kernel,
    spec: AcceleratorSpec,
    name: str,
    cores: Sequence[int],
    choice: str,
    options: SearchOptions,
    rules: LayerRules,
    sharing: int,
) -> tuple[Stage, ...]:
    """Return the stages of one kernel; parameters are those of `best_stages`."""
    found = rules.allowed_splits(kernel, splits(kernel, len(cores), choice), name)
    objective = objective_of(options.objective)
    if len(found) > TRIED:
        promise = partial(_promise, kernel, objective=objective, sharing=sharing)
        found = _promising(found, spec, dataflows_of(kernel, spec, name, rules), promise)
    candidates: list[tuple[Stage, ...]] = []
    failures: list[MappingError] = []
    for split in found:
        try:
            candidates.append(_stages(kernel, split, spec, name, cores, options, rules, sharing))
        except MappingError as error:
            failures.append(error)
    if not candidates:
        raise failures[0]

    def value(stages: tuple[Stage, ...]) -> tuple[float, float]:
        total = _total(stages)
        return float(objective.value(total)), total.cycles

    return min(candidates, key=value)


def estimated_cycles(stages: Sequence[Stage]) -> float:
    """Return the estimated cycles of stages that run one after the other."""
    return sum(estimate.cycles for stage in stages for estimate in stage.estimates)


def _total(stages: Sequence[Stage]) -> CostEstimate:
    """Return what stages that run one after the other cost together."""
    estimates = [estimate for stage in stages for estimate in stage.estimates]
    energies = [one.energy_pj for one in estimates if one.energy_pj is not None]
    return CostEstimate(
        **{name: sum(getattr(estimate, name) for estimate in estimates) for name in COSTS},
        energy_pj=sum(energies) if len(energies) == len(estimates) else None,
    )


def _stages(
    kernel: Kernel,
    split: Split,
    spec: AcceleratorSpec,
    name: str,
    cores: Sequence[int],
    options: SearchOptions,
    rules: LayerRules,
    sharing: int,
) -> tuple[Stage, ...]:
    first = _stage([kernel], [split], spec, name, cores, options, rules, sharing)
    along_k = split.along_k(kernel)
    if along_k == 1:
        return (first,)
    return (
        first,
        *best_stages(
            [reduction(kernel, along_k)], spec, name, cores, "auto", options, rules, sharing
        ),
    )


def _stage(
    kernels: Sequence[Kernel],
    chosen: Sequence[Split],
    spec: AcceleratorSpec,
    name: str,
    cores: Sequence[int],
    options: SearchOptions,
    rules: LayerRules,
    sharing: int,
) -> Stage:
    """Return kernels as a stage: every core maps its parts as it would the largest one."""
    found = []
    for kernel, split in zip(kernels, chosen, strict=True):
        mapping, estimate = search(kernel, split, spec, name, options, rules, sharing).best()
        mapping = mapping.canonical(split.largest_extents(kernel))
        check(next(divided(kernel, split)), spec, mapping)
        found.append((mapping, estimate))
    return stage_of(kernels, chosen, found, cores, sharing)


def stage_of(
    kernels: Sequence[Kernel],
    chosen: Sequence[Split],
    found: Sequence[tuple[Mapping, CostEstimate]],
    cores: Sequence[int],
    sharing: int = 1,
) -> Stage:
    """Return kernels as a stage of ``cores``, with the mapping of each one's largest part."""
    count = chosen[0].parts
    return Stage(
        kernels=tuple(kernels),
        splits=tuple(chosen),
        mappings=tuple(mapping for mapping, _ in found),
        estimates=tuple(_of_all(estimate, count) for _, estimate in found),
        cores=tuple(cores[:count]),
        sharing=sharing,
    )


def split_energies_pj(
    kernel: Kernel, split: Split, spec: AcceleratorSpec, mapping: Mapping, cycles: float
) -> dict[str, float] | None:
    """Return the picojoules of a split kernel by component, in closed form.

    None where the machine has no energies, or not those of all components that the kernel uses.

    Parameters
    ----------
    kernel, split, spec
        What is split over the cores of which machine.
    mapping, cycles
        Of its largest part.
    """
    if spec.energy is None:
        return None
    part, seen = largest_part(kernel, split, spec)
    try:
        found = energies_pj(part, seen, mapping, cycles)
    except SpecError:
        return None
    return {component: split.parts * part_pj for component, part_pj in found.items()}


def _of_all(estimate: CostEstimate, parts: int) -> CostEstimate:
    """Return what parts cost side by side.

    # Approximation: all move as much, and take as much energy, as the largest.
    """
    energy_pj = None if estimate.energy_pj is None else parts * estimate.energy_pj
    return replace(estimate, dram_bytes=parts * estimate.dram_bytes, energy_pj=energy_pj)


def search(
    kernel: Kernel,
    split: Split,
    spec: AcceleratorSpec,
    name: str,
    options: SearchOptions = DEFAULT,
    rules: LayerRules = NO_RULES,
    sharing: int = 1,
) -> Found:
    """Return what the search for the mapping of a split kernel's largest part finds.

    ``name`` is the layer's, for the error when nothing fits or ``rules`` leave nothing.
    """
    return find_mapping(*largest_part(kernel, split, spec, sharing), name, options, rules)


def largest_part(
    kernel: Kernel, split: Split, spec: AcceleratorSpec, sharing: int = 1
) -> tuple[Kernel, AcceleratorSpec]:
    """Return the largest part of a split kernel, and the machine as its core sees it."""
    largest = next(divided(kernel, split))
    cores = max(split.parts, sharing)
    return largest, _with_share(spec, cores, _repeated(kernel, largest, split.parts))


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
    sharing: int,
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
    return _stage(kernels, chosen, spec, name, cores, options, rules, sharing)


def _repeated(kernel: Kernel, largest: Kernel, parts: int) -> float:
    """Return how often cores move what a kernel touches: more than once where parts share it."""
    moved, touched = (
        sum(box_bytes(operand, one.extents) for operand in one.operands)
        for one in (largest, kernel)
    )
    return max(1.0, parts * moved / touched)


def _with_share(spec: AcceleratorSpec, cores: int, repeated: float) -> AcceleratorSpec:
    """Return a machine as one of several cores sees it.

    # Approximation: each gets an equal part of the bandwidth of main memories and their ports, and
    of the leakage. A shared buffer gives what is moved ``repeated`` times from one fetch.
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
    return replace(spec, memories=memories, energy=_share_of_energy(spec, cores, from_memory))


def _share_of_energy(spec: AcceleratorSpec, cores: int, from_memory: float) -> EnergySpec | None:
    """Return the energies of a machine as one of several cores sees them.

    ``from_memory`` is the part of what it loads that is fetched for it.
    """
    energy = spec.energy
    if energy is None:
        return None
    buffer = energy.shared_buffer
    if buffer is not None:
        buffer = replace(buffer, write_pj_per_bit=buffer.write_pj_per_bit * from_memory)
    return replace(
        energy,
        memories={
            name: replace(access, read_pj_per_bit=access.read_pj_per_bit * from_memory)
            for name, access in energy.memories.items()
        },
        shared_buffer=buffer,
        leakage_mw=None if energy.leakage_mw is None else energy.leakage_mw / cores,
    )


def _promising(
    found: Sequence[Split],
    spec: AcceleratorSpec,
    dataflows: Sequence[str | None],
    promise: Callable[[Split, AcceleratorSpec], tuple[int, int]],
) -> list[Split]:
    """Return the splits that promise most: ``TRIED`` for each dataflow."""
    chosen: dict[Split, None] = {}
    for dataflow in dataflows:
        machine = spec.with_dataflow(dataflow)
        ordered = sorted(found, key=lambda split: promise(split, machine))
        chosen |= dict.fromkeys(ordered[:TRIED])
    return list(chosen)


def _promise(
    kernel: Kernel, split: Split, spec: AcceleratorSpec, objective: Objective, sharing: int
) -> tuple[int, int]:
    """Return what sorts splits: a bound of their value, then the number of cores."""
    moved = _moved_bytes(kernel, split, spec)
    cycles = _bound_cycles(kernel, split, spec, moved, sharing)
    energy_pj = _bound_energy_pj(kernel, split, spec, cycles) if objective.needs_energy else None
    value = cycles
    if objective.bound is not None:
        value = float(objective.bound(Bounds(cycles, moved, split.parts, energy_pj)))
    return round(log(max(1.0, value)) / log(_NEAR)), split.parts


def _moved_bytes(kernel: Kernel, split: Split, spec: AcceleratorSpec) -> int:
    """Return the main-memory bytes that all parts of a split move at least."""
    # A shared buffer fetches once what several parts need.
    times, space = (
        (split.parts, split.largest_extents(kernel))
        if spec.shared_buffer is None
        else (1, kernel.extents)
    )
    moved = times * sum(box_bytes(operand, space) for operand in kernel.operands)
    along_k = split.along_k(kernel)
    if along_k > 1:  # partial sums are read again
        moved += (along_k + 1) * box_bytes(kernel.output, kernel.extents)
    return moved


def _bound_energy_pj(kernel: Kernel, split: Split, spec: AcceleratorSpec, cycles: float) -> float:
    """Return what a split takes at least: as often as there are parts what the largest does."""
    part, seen = largest_part(kernel, split, spec)
    least = split.parts * _least_energy_pj(part, seen, cycles)
    along_k = split.along_k(kernel)
    return least + (_least_energy_pj(reduction(kernel, along_k), spec, 0.0) if along_k > 1 else 0.0)


def _least_energy_pj(kernel: Kernel, spec: AcceleratorSpec, cycles: float) -> float:
    touched = [touched_bytes(operand, kernel) for operand in kernel.operands]
    return float(least_energy_pj(kernel, spec, touched, cycles))


def _bound_cycles(
    kernel: Kernel, split: Split, spec: AcceleratorSpec, moved_bytes: int, sharing: int
) -> float:
    """Return the cycles that a split takes at least: of its largest part, and of all bytes."""
    extents = split.largest_extents(kernel)
    memory = moved_bytes / spec.bandwidth_bytes_per_s * spec.clock_hz
    memory *= max(1, sharing / split.parts)
    if not isinstance(kernel.body, Contraction):
        return 1 + max(memory, prod(extents) / spec.vector.lanes)
    work = product_work(kernel, spec, extents)
    return max(memory, float(work.timing.occupancy_cycles))
