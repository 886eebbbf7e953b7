"""The analytical engine against the cycle engine: layer by layer, and mapping by mapping."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import inf

import numpy as np
from numpy.typing import NDArray

from accel.machine import Machine
from accel.spec import AcceleratorSpec
from accel.units import Clock
from mapper.analytical import AnalyticalEngine, analytical_cycles
from mapper.held import memory_of
from mapper.kernel import Contraction, Kernel, Role
from mapper.lower import lower
from mapper.mapping import Mapping
from mapper.operands import Placement, aligned
from mapper.parts import piece_of
from mapper.plan import Plan
from mapper.planner import make_plan
from mapper.search.sample import sample_mappings
from rooftile.validate.validation import Validation
from workloads.graph import Graph

Reals = NDArray[np.float64]

#: Of the median layer, of the 90th percentile of all layers, and of rank correlations.
MEDIAN_PERCENT, PERCENTILE_PERCENT, RANK = 3.0, 5.0, 0.95
#: Mappings of one layer that are ranked, and the most tiles that they may have.
SAMPLED, MOST_TILES = 12, 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A network on a machine by both engines.

    Parameters
    ----------
    network, hardware
        Their names.
    simulated, estimated
        Cycles of each layer that takes any.
    unequal
        Pieces of layers whose times differ where the memory is ideal.
    rank
        Spearman's correlation of mappings of one layer.
    """

    network: str
    hardware: str
    simulated: Reals
    estimated: Reals
    unequal: int
    rank: float

    @property
    def differences_percent(self) -> Reals:
        """Of each layer how far the estimate is off."""
        return np.abs(self.estimated / self.simulated - 1) * 100

    @property
    def line(self) -> str:
        """A line of the table."""
        total = float(self.estimated.sum() / self.simulated.sum() - 1) * 100
        off = self.differences_percent
        return (
            f"{self.network:<18} {self.hardware:<16} {len(off):>6} {total:>+9.2f} %"
            f" {np.median(off):>8.2f} % {np.quantile(off, 0.9):>8.2f} % {self.unequal:>7}"
            f" {self.rank:>7.3f}"
        )


HEAD = (
    f"{'network':<18} {'hardware':<16} {'layers':>6} {'total':>11} {'median':>10} {'90th pct.':>10}"
    f" {'ideal':>7} {'rank':>7}"
)
FOOTNOTE = (
    "total, median, 90th pct.: how far the analytical engine's cycles are off; ideal: layers that"
    " differ with ideal memory; rank: Spearman's correlation over mappings of one layer"
)


def validate_engines(
    pairs: Sequence[tuple[Graph, AcceleratorSpec]],
    *,
    within_percent: float = MEDIAN_PERCENT,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
    row: Callable[[str], None] | None = None,
) -> Validation:
    """Compare the engines on networks and machines.

    Parameters
    ----------
    pairs
        What runs, on what.
    within_percent
        How far the median layer of a network may be off to pass.
    seed
        Of the mappings that are ranked.
    progress
        Called with what is about to be compared.
    row
        Called with the lines of the table as they come, which the text has otherwise: some pairs
        take long.

    Notes
    -----
    Besides, the 90th percentile of all layers must be within ``PERCENTILE_PERCENT``, no layer may
    differ with ideal memory, and rank correlations must reach ``RANK``.
    """
    found: list[Comparison] = []
    rows: list[str] = []
    add = row or rows.append
    add(HEAD)
    for graph, spec in pairs:
        if progress is not None:
            progress(f"{graph.name} on {spec.name}")
        found.append(compare(graph, spec, seed))
        add(found[-1].line)
    layers = np.concatenate([one.differences_percent for one in found])
    percentile = float(np.quantile(layers, 0.9))
    misses = [
        f"{one.network} on {one.hardware}: {what}"
        for one in found
        for what in _misses(one, within_percent)
    ]
    if percentile > PERCENTILE_PERCENT:
        misses.append(
            f"all layers: the 90th percentile is {percentile:.2f} % off but"
            f" {PERCENTILE_PERCENT:g} % are allowed"
        )
    closing = f"{len(layers)} layers: 90th percentile {percentile:.2f} %"
    text = "\n".join([*rows, closing, *misses, FOOTNOTE])
    return Validation(text=text, passed=not misses)


def _misses(one: Comparison, within_percent: float) -> Iterator[str]:
    median = float(np.median(one.differences_percent))
    if median > within_percent:
        yield f"the median layer is {median:.2f} % off but {within_percent:g} % are allowed"
    if one.unequal:
        yield f"{one.unequal} layers differ with ideal memory"
    if one.rank < RANK:
        yield f"the rank correlation is {one.rank:.3f} but {RANK:g} is needed"


def compare(graph: Graph, spec: AcceleratorSpec, seed: int) -> Comparison:
    """Run a network by both engines."""
    plan = make_plan(graph, spec)
    works = [number for number, work in enumerate(plan.works) if work.stages]
    engine, ideal = AnalyticalEngine(plan), with_ideal_memory(spec)
    ideal_engine = AnalyticalEngine(replace(plan, spec=ideal))
    simulated = {work: _simulated(plan, work, spec) for work in works}
    estimated = {work: _total(engine, work) for work in works}
    unequal = sum(_simulated(plan, work, ideal) != _total(ideal_engine, work) for work in works)
    layers = [planned.work for planned in plan.layers if planned.work in simulated]
    return Comparison(
        network=graph.name,
        hardware=spec.name,
        simulated=np.array([simulated[work] for work in layers], dtype=np.float64),
        estimated=np.array([estimated[work] for work in layers], dtype=np.float64),
        unequal=unequal,
        rank=_rank(plan, seed),
    )


def with_ideal_memory(spec: AcceleratorSpec) -> AcceleratorSpec:
    """Return a machine whose memories answer at once, with nothing before them."""
    memories = tuple(
        replace(memory, bandwidth_bytes_per_s=inf, latency_fs=0, dram=None)
        for memory in spec.memories
    )
    return replace(spec, memories=memories, network=None, shared_buffer=None)


def suitable_dtype(spec: AcceleratorSpec) -> str:
    """Return the type in which networks run on a machine: int8 where it is there."""
    return "int8" if "int8" in spec.array.dtypes else spec.array.dtypes[0]


def _simulated(plan: Plan, work: int, spec: AcceleratorSpec) -> int:
    machine, clock = Machine(spec), Clock(hz=spec.clock_hz)
    return sum(
        count * clock.cycle_at_or_after(machine.run(program).end_fs)
        for program, count in plan.distinct_programs(work)
    )


def _total(engine: AnalyticalEngine, work: int) -> int:
    return sum(one.count * one.cycles for one in engine.estimates(work))


def _rank(plan: Plan, seed: int) -> float:
    """Return the rank correlation over mappings of the network's middle layer with products.

    Of a layer all of whose mappings have many tiles they are those of a part.
    """
    kernels = [
        work.kernels[0]
        for work in plan.works
        if len(work.kernels) == 1 and isinstance(work.kernels[0].body, Contraction)
    ]
    if not kernels:
        return 1.0
    kernel, mappings = _sampled(kernels[len(kernels) // 2], plan.spec, seed)
    pairs = [_both(kernel, mapping, plan.spec) for mapping in mappings]
    first, second = zip(*pairs, strict=True)
    return spearman(first, second)


def _sampled(kernel: Kernel, spec: AcceleratorSpec, seed: int) -> tuple[Kernel, Sequence[Mapping]]:
    """Return mappings of a kernel, or of as large a part of it as has mappings of few tiles."""
    while True:
        mappings = sample_mappings(kernel, spec, SAMPLED, MOST_TILES, seed)
        free = kernel.numbers(Role.GROUP, Role.M, Role.N)
        largest = max(free, key=lambda d: kernel.extents[d])
        are_few = all(mapping.tile_count(kernel.extents) <= MOST_TILES for mapping in mappings)
        if are_few or kernel.extents[largest] == 1:
            return kernel, mappings
        kernel = piece_of(kernel, {largest: 0}, {largest: kernel.extents[largest] // 2})


def _both(kernel: Kernel, mapping: Mapping, spec: AcceleratorSpec) -> tuple[int, int]:
    """Return the cycles of a mapping by both engines, on one core and with tensors in a row."""
    places: dict[str, Placement] = {}
    used = {memory.name: 0 for memory in spec.memories}
    for operand in kernel.tensors:
        name = memory_of(operand, spec).name
        places[operand.role] = Placement(memory=name, address=used[name])
        used[name] += aligned(operand.tensor_bytes)
    program = lower([kernel], [mapping], spec, places, used, {})
    simulated = Clock(hz=spec.clock_hz).cycle_at_or_after(Machine(spec).run(program).end_fs)
    addresses = {role: place.address for role, place in places.items()}
    return simulated, analytical_cycles(kernel, spec, mapping, addresses)


def spearman(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the correlation of the ranks of two samples; equal values share a rank."""
    one, other = (_ranks(np.array(values, dtype=np.float64)) for values in (first, second))
    one, other = one - one.mean(), other - other.mean()
    scale = float(np.sqrt((one**2).sum() * (other**2).sum()))
    if not scale:
        return 1.0 if np.array_equal(one, other) else 0.0
    return float((one * other).sum() / scale)


def _ranks(values: Reals) -> Reals:
    _, numbers, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    result: Reals = (last - (counts - 1) / 2)[numbers.ravel()]
    return result
