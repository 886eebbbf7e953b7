"""The best mappings against those that another mapper found for the same layers and hardware."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from pathlib import Path
from time import perf_counter

from accel.spec import AcceleratorSpec
from mapper.bounds import bounds, stream_cycles
from mapper.kernel import Kernel
from mapper.mapping import Mapping
from mapper.mapping_file import LayerMapping, mappings_text, parse_mappings
from mapper.operators import kernels_of
from mapper.search.exhaustive import exhaustive
from mapper.search.objective import Objective, fastest_within
from mapper.search.problem import Effort, problem_of
from mapper.search.shortlist import Candidate
from mapper.splits import Split
from mapper.stages import estimated_cycles
from rooftile.simulation import simulate
from rooftile.sources import find_hardware
from rooftile.validate.reference import number_in, read_rows
from rooftile.validate.shapes import layer_of
from rooftile.validate.validation import Validation
from workloads.graph import Graph

_BYTES = ("dram_rd_bytes", "dram_wr_bytes", "dram_compulsory_bytes")
_REQUIRED = ("accelerator", "layer", "shape", "latency_cycles", *_BYTES)
_ENERGY = "energy_pj"
_HEADS = ("DRAM bytes", "bounded", "closed form", "simulated")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reference:
    """The best that the rows of one layer on one machine say: each by itself.

    ``energy_pj`` is infinite where they don't say any.
    """

    shape: str
    where: str
    compulsory_bytes: int
    dram_bytes: int
    cycles: float
    energy_pj: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """One of our mappings of a layer.

    ``bounded_cycles`` are those of the array's streams, all folds counted, or of the main memory
    for ``dram_bytes``, whichever is more; ``energy_pj`` is the run's, None without energies.
    """

    dram_bytes: int
    bounded_cycles: float
    closed_cycles: float
    simulated_cycles: int
    energy_pj: float | None


def validate_mapping(reference: Path, progress: Callable[[str], None] | None = None) -> Validation:
    """Map every layer of a reference file and compare with the best row for it.

    A layer passes when one of our mappings moves no more main-memory bytes than the row with the
    fewest, and its bound, array or main memory, isn't above the latency of the fastest row: what a
    mapping decides, not what two simulators assume of the rest. Energies are shown beside it where
    the machine has some.

    Parameters
    ----------
    reference
        CSV with accelerator (a preset or YAML file), layer, shape, latency, bytes read and written,
        and energy where it is known.
    progress
        Called with the name of each layer that is about to be mapped.

    Raises
    ------
    RooftileError
        When the file isn't such a reference: which line and column.
    """
    lines, passed = [], 0
    references = _references(reference)
    for (accelerator, layer), best in references.items():
        if progress is not None:
            progress(f"{layer} on {accelerator}")
        spec = find_hardware(accelerator)
        graph = layer_of(layer, best.shape, best.compulsory_bytes, best.where)
        text, is_as_good = _compared(f"{layer} on {accelerator}", graph, spec, best)
        lines += text
        passed += is_as_good
    lines.append(f"{len(references)} layers, {passed} no worse than the reference's best")
    return Validation(text="\n".join(lines), passed=passed == len(references))


def _references(reference: Path) -> dict[tuple[str, str], _Reference]:
    """Return accelerator and layer to the best of their rows."""
    found: dict[tuple[str, str], _Reference] = {}
    for number, row in read_rows(reference, _REQUIRED):
        where = f"{reference}:{number}"
        read, written, compulsory = (round(number_in(row, name, where)) for name in _BYTES)
        one = _Reference(
            shape=row["shape"],
            where=where,
            compulsory_bytes=compulsory,
            dram_bytes=read + written,
            cycles=number_in(row, "latency_cycles", where),
            energy_pj=number_in(row, _ENERGY, where) if _ENERGY in row else inf,
        )
        key = row["accelerator"], row["layer"]
        other = found.get(key, one)
        found[key] = _Reference(
            shape=other.shape,
            where=other.where,
            compulsory_bytes=other.compulsory_bytes,
            dram_bytes=min(one.dram_bytes, other.dram_bytes),
            cycles=min(one.cycles, other.cycles),
            energy_pj=min(one.energy_pj, other.energy_pj),
        )
    return found


def _compared(
    title: str, graph: Graph, spec: AcceleratorSpec, best: _Reference
) -> tuple[list[str], bool]:
    """Return the lines of one layer, and whether ours is no worse."""
    (kernel,) = kernels_of(graph, graph.layers[0])
    started = perf_counter()
    fewest = _best(kernel, spec, "dram")
    as_few = fastest_within(max(fewest.cost.dram_bytes, best.dram_bytes))
    mappings = {
        "fewest bytes": fewest.mapping,
        "as few bytes": _best(kernel, spec, as_few).mapping,
        "fewest cycles": _best(kernel, spec, "latency").mapping,
    }
    if spec.energy is not None:
        mappings["least energy"] = _best(kernel, spec, "energy").mapping
    seconds = perf_counter() - started
    found = {name: _found(graph, kernel, one, spec) for name, one in mappings.items()}
    frugal = found["as few bytes"]
    is_as_good = frugal.dram_bytes <= best.dram_bytes and frugal.bounded_cycles <= best.cycles
    least = bounds(kernel, spec)
    lines = [
        f"{title}: {best.shape}, mapped in {seconds:.2f} s:"
        f" {'no worse' if is_as_good else 'WORSE'}",
        f"  {'':<14}" + "".join(f"{head:>14}" for head in _heads(spec)),
        f"  {'reference':<14}{best.dram_bytes:>14,}{best.cycles:>14,.0f}"
        + (f"{'':>28}{_microjoules(best.energy_pj)}" if best.energy_pj < inf else ""),
    ]
    lines += [
        f"  {name:<14}{one.dram_bytes:>14,}{one.bounded_cycles:>14,.0f}"
        f"{one.closed_cycles:>14,.0f}{one.simulated_cycles:>14,}"
        + ("" if one.energy_pj is None else _microjoules(one.energy_pj))
        for name, one in found.items()
    ]
    lines.append(
        f"  {'lower bound':<14}{least.traffic_bytes:>14,.0f}{least.cycles:>14,.0f}"
        f"  (compulsory {least.compulsory_bytes:,} bytes; {least.resource})"
    )
    return lines, is_as_good


def _heads(spec: AcceleratorSpec) -> tuple[str, ...]:
    return _HEADS if spec.energy is None else (*_HEADS, "energy [uJ]")


def _microjoules(energy_pj: float) -> str:
    return f"{energy_pj / 1e6:>14,.2f}"


def _best(kernel: Kernel, spec: AcceleratorSpec, objective: str | Objective) -> Candidate:
    """Return the best of all mappings."""
    problem = problem_of(kernel, spec, "", objective)
    return exhaustive(problem, Effort()).shortlist.best()


def _found(graph: Graph, kernel: Kernel, mapping: Mapping, spec: AcceleratorSpec) -> _Found:
    """Simulate a mapping as if it stood in a file."""
    written = LayerMapping(
        name=graph.layers[0].name,
        also=(),
        kernels=(kernel,),
        splits=(Split(),),
        mappings=(mapping,),
    )
    mappings = parse_mappings(mappings_text([written], spec, "found"), "the mapping found")
    result = simulate(graph, spec, mappings=mappings)
    (layer,) = result.report.layers
    moved = layer.work.total_dram_bytes
    memory_cycles = moved / spec.bandwidth_bytes_per_s * spec.clock_hz
    return _Found(
        dram_bytes=moved,
        bounded_cycles=max(stream_cycles(kernel, spec, mapping), memory_cycles),
        closed_cycles=estimated_cycles(result.plan.works[0].stages),
        simulated_cycles=layer.work.total_cycles,
        energy_pj=None if result.report.no_energy else layer.work.energy_pj,
    )
