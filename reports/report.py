"""The report: statistics of every layer and of the network, computed from traces."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf, prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from accel.energy import component_energies_pj, required_energies, unknown_components
from accel.spec import AcceleratorSpec
from accel.trace import Repeated, Trace
from accel.units import FS_PER_SECOND, Clock, format_bytes
from accel.vector import peak_operations_per_cycle
from foundation.dtype import Dtype
from foundation.errors import SpecError
from isa.instruction import Operand
from mapper.kernel import Contraction, Kernel
from mapper.plan import Plan
from mapper.works import PlannedLayer, Work
from reports.cores import plain_name
from reports.cycles import total_cycles
from reports.energy import by_part, energy_counts
from reports.labels import operator_label, shape_label
from reports.least import least_of
from reports.stats import UnitCycles, added

if TYPE_CHECKING:
    import pandas as pd

#: Under which name the bytes of a DMA are reported.
BYTE_CLASSES = {
    Operand.INPUT: "input",
    Operand.INDEX: "input",
    Operand.WEIGHT: "weight",
    Operand.BIAS: "weight",
    Operand.OUTPUT: "output",
}


#: Columns of traces that a work adds up.
_SUMMED = (
    "macs",
    "folds",
    "mapped_pes",
    "input_reads",
    "weight_reads",
    "psum_reads",
    "psum_writes",
    "operations",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkReport:
    """What the trace of one piece of work says.

    Parameters
    ----------
    compute_cycles, stall_cycles, total_cycles
        Cycles in which the primary unit works (the array, else the vector unit), the others, all:
        of the core that finishes last.
    stalls
        What is waited for, to stall cycles; they add up.
    causes
        Why, to stall cycles; they add up as well.
    units
        Unit to where its cycles went.
    resources
        Array, vector unit (of the core that uses it most) and each main memory to the cycles that
        its work takes at least: a memory's bytes at full bandwidth.
    macs
        Multiply-accumulates that the array does: it skips those of sparse weights that it can.
    spatial_utilization
        Mapped PEs over PEs, averaged over folds; 0 without matrix work.
    mac_utilization
        MACs over those of all PEs in the total cycles.
    dram_bytes
        Operand (input, weight, output) to main-memory bytes.
    memory_bytes
        Main memory to bytes.
    compulsory_bytes
        Bytes of every touched element once.
    scratchpad_accesses
        Operand to scratchpad elements read or written by the array.
    folds, tiles, events
        Array folds, tiles, and events of the engine.
    bound_by
        The resource that was busy longest; ``latency`` if none was for half of the time.
    bound_cycles
        The least cycles that the roofs allow for its MACs, its vector operations and the bytes that
        this mapping moves; never above ``total_cycles``.
    energies_pj
        Component to picojoules (`accel.energy.component_energies_pj`); empty where the machine
        doesn't say what they are.
    lower_bound_cycles, lower_bound_bytes
        The least cycles and main-memory bytes of any mapping onto this machine
        (`mapper.bounds.Bounds`), of its kernels one after the other unless layers run together.
    macs_per_cycle
        What a PE can do in a cycle of its fastest product.
    unknown_energies
        Keys of components that did something but are said to have no number.
    """

    compute_cycles: int
    stall_cycles: int
    total_cycles: int
    stalls: Mapping[str, int]
    causes: Mapping[str, int]
    units: Mapping[str, UnitCycles]
    resources: Mapping[str, float]
    macs: int
    spatial_utilization: float
    mac_utilization: float
    dram_bytes: Mapping[str, int]
    memory_bytes: Mapping[str, int]
    compulsory_bytes: int
    scratchpad_accesses: Mapping[str, int]
    folds: int
    tiles: int
    events: int
    bound_by: str
    bound_cycles: float
    energies_pj: Mapping[str, float]
    lower_bound_cycles: float
    lower_bound_bytes: float
    macs_per_cycle: float = 1.0
    unknown_energies: tuple[str, ...] = ()

    @property
    def cycles_of_lower_bound(self) -> float:
        """Total cycles over the least, 1 for what takes none."""
        return self.total_cycles / self.lower_bound_cycles if self.lower_bound_cycles else 1.0

    @property
    def traffic_of_lower_bound(self) -> float:
        """Main-memory bytes over the fewest, 1 for what moves none."""
        return self.total_dram_bytes / self.lower_bound_bytes if self.lower_bound_bytes else 1.0

    @property
    def total_dram_bytes(self) -> int:
        """Main-memory bytes of all operands."""
        return sum(self.dram_bytes.values())

    @property
    def energy_pj(self) -> float:
        """Picojoules of all components."""
        return sum(self.energies_pj.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerReport:
    """One layer: its names, and the report of its work."""

    name: str
    operator: str
    shape: str
    operations: int
    work_number: int
    work: WorkReport

    @property
    def arithmetic_intensity(self) -> float:
        """Operations per main-memory byte, 0 for a layer that computes or moves nothing."""
        dram_bytes = self.work.total_dram_bytes
        return self.operations / dram_bytes if dram_bytes else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A network on a machine.

    Parameters
    ----------
    network, batch
        What ran.
    spec
        On what.
    layers
        In execution order.
    warnings
        What a reader should know before trusting the numbers.
    no_energy
        Why the energy isn't known; empty if it is.
    engine
        ``cycle``, or ``analytical``: no timeline, no causes of stalls.
    """

    network: str
    batch: int
    spec: AcceleratorSpec
    layers: tuple[LayerReport, ...]
    warnings: tuple[str, ...]
    no_energy: str
    engine: str = "cycle"

    @property
    def is_estimate(self) -> bool:
        """Whether the analytical engine made it."""
        return self.engine == "analytical"

    @property
    def total_cycles(self) -> int:
        """Core cycles of all layers, one after the other."""
        return sum(layer.work.total_cycles for layer in self.layers)

    @property
    def total_macs(self) -> int:
        """Multiply-accumulates of all layers."""
        return sum(layer.work.macs for layer in self.layers)

    @property
    def time_fs(self) -> int:
        """Duration in femtoseconds."""
        return Clock(hz=self.spec.clock_hz).edge_fs(self.total_cycles)

    @property
    def time_s(self) -> float:
        """Duration in seconds."""
        return self.time_fs / FS_PER_SECOND

    @property
    def inferences_per_s(self) -> float:
        """Throughput: the batch over the duration."""
        return self.batch / self.time_s if self.time_fs else inf

    @property
    def ops_per_s(self) -> float:
        """2 per MAC over the duration."""
        return 2 * self.total_macs / self.time_s if self.time_fs else 0.0

    @property
    def peak_ops_per_s(self) -> float:
        """Operations per second of all arrays at full use, at the rate of the fastest product."""
        rates = [layer.work.macs_per_cycle for layer in self.layers if layer.work.macs]
        return self.spec.peak_ops_per_s * max(rates, default=1.0)

    @property
    def energies_pj(self) -> dict[str, float]:
        """Picojoules of all layers by component.

        Raises
        ------
        SpecError
            The machine has no energies, or not those of all components that the network uses.
        """
        if self.no_energy:
            raise SpecError(self.no_energy)
        return added(layer.work.energies_pj for layer in self.layers)

    @property
    def energy_pj(self) -> float:
        """Picojoules of all layers and components; raises as ``energies_pj``."""
        return sum(self.energies_pj.values())

    @property
    def unknown_energies(self) -> tuple[str, ...]:
        """Keys of components without a number: with any, energies are lower bounds."""
        keys = (key for layer in self.layers for key in layer.work.unknown_energies)
        return tuple(dict.fromkeys(keys))

    @property
    def energy_delay_pj_s(self) -> float:
        """Energy times duration, of the whole batch; raises as ``energies_pj``."""
        return self.energy_pj * self.time_s

    def layer(self, name: str) -> LayerReport:
        """Return the layer of this name."""
        return next(layer for layer in self.layers if layer.name == name)

    def records(self) -> list[dict[str, Any]]:
        """Return one flat mapping per layer; every key ends in its unit."""
        records = [
            {**_record(layer), **({} if self.no_energy else _energy_record(layer.work))}
            for layer in self.layers
        ]
        if self.is_estimate:
            for record in records:
                del record["waits_for"], record["stall_causes"]
        return records

    def to_numpy(self) -> NDArray[np.void]:
        """Return a structured array, one row per layer."""
        records = self.records()
        kinds = {
            key: f"U{max(len(record[key]) for record in records)}"
            if isinstance(value, str)
            else {int: "i8", float: "f8"}[type(value)]
            for key, value in records[0].items()
        }
        return np.array([tuple(record.values()) for record in records], dtype=list(kinds.items()))

    def to_dataframe(self) -> pd.DataFrame:
        """Return a pandas DataFrame, one row per layer; pandas must be installed."""
        import pandas as pd

        return pd.DataFrame(self.records())

    def _repr_html_(self) -> str:
        from reports.tables import report_html

        return report_html(self)


def make_report(plan: Plan, traces: Sequence[Sequence[Repeated]]) -> Report:
    """Return the report of a plan from the traces of its works' pieces; none for a reshape."""
    works = [
        _work_report(plan, number, pieces) if pieces else EMPTY
        for number, pieces in enumerate(traces)
    ]
    works, no_energy = _with_energies(plan, works, traces)
    return assembled(plan, works, engine="cycle", no_energy=no_energy)


def assembled(plan: Plan, works: Sequence[WorkReport], *, engine: str, no_energy: str) -> Report:
    """Return the report of a plan from those of its works, by an engine.

    ``no_energy`` says why their energies aren't known, empty if they are.
    """
    warnings = [*plan.graph.notes, *capacity_warnings(plan.spec, plan.memory_bytes)]
    if no_energy and plan.spec.energy is not None:
        warnings.append(f"no energy is reported: {no_energy}")
    return Report(
        network=plan.graph.name,
        batch=plan.graph.batch,
        spec=plan.spec,
        layers=tuple(_layer_report(plan, planned, works) for planned in plan.layers),
        warnings=tuple(warnings),
        no_energy=no_energy,
        engine=engine,
    )


def _with_energies(
    plan: Plan, works: list[WorkReport], traces: Sequence[Sequence[Repeated]]
) -> tuple[list[WorkReport], str]:
    """Return works with their energies, or as they are and why these aren't known."""
    spec, result = plan.spec, []
    try:
        required_energies(spec)
        for work, pieces, planned in zip(works, traces, plan.works, strict=True):
            if not pieces:
                result.append(work)
                continue
            time_s = work.total_cycles / spec.clock_hz
            counts = energy_counts(spec, multiplied(planned), pieces, time_s)
            result.append(
                replace(
                    work,
                    energies_pj=component_energies_pj(spec, counts),
                    unknown_energies=unknown_components(spec, counts),
                )
            )
    except SpecError as error:
        return works, str(error)
    return result, ""


def multiplied(work: Work) -> Dtype:
    """Return the type of what a work's products multiply, or of what it computes on."""
    products = (kernel for kernel in work.kernels if isinstance(kernel.body, Contraction))
    return next(products, work.kernels[0]).multiplied


def macs_per_cycle(work: Work, spec: AcceleratorSpec) -> float:
    """Return the multiply-accumulates that a PE can do in a cycle: of a work's fastest product."""
    rates = (
        kernel.reduction(spec.array).macs_per_cycle
        for kernel in work.kernels
        if isinstance(kernel.body, Contraction)
    )
    return float(max(rates, default=1))


def skipped_operations(kernels: Sequence[Kernel], spec: AcceleratorSpec) -> int:
    """Return the operations of products with weights that the array skips."""
    return sum(
        2 * prod(kernel.extents) * (kernel.stored.length - kernel.reduction(spec.array).macs)
        for kernel in kernels
        if kernel.stored is not None
    )


def _layer_report(plan: Plan, planned: PlannedLayer, works: Sequence[WorkReport]) -> LayerReport:
    return LayerReport(
        name=planned.name,
        operator=" + ".join(operator_label(layer) for layer in planned.computing),
        shape=" + ".join(shape_label(plan.graph, layer) for layer in plan.results(planned)),
        operations=sum(plan.graph.operations(layer) for layer in planned.layers)
        - skipped_operations(plan.works[planned.work].kernels, plan.spec),
        work_number=planned.work,
        work=works[planned.work],
    )


def _work_report(plan: Plan, number: int, pieces: Sequence[Repeated]) -> WorkReport:
    spec, work = plan.spec, plan.works[number]
    cycles = total_cycles(pieces, Clock(hz=spec.clock_hz))
    units, total = cycles.units, cycles.total
    sums = {name: _total(pieces, name) for name in _SUMMED}
    macs, folds = sums["macs"], sums["folds"]
    rate = macs_per_cycle(work, spec)
    memory_bytes = _total_by(pieces, lambda trace: _bytes_by_memory(spec, trace))
    least = least_of(work, spec)
    resources = {
        "array": _busiest(units, "matrix"),
        "vector": _busiest(units, "vector"),
        **transfer_cycles(spec, memory_bytes),
    }
    return WorkReport(
        compute_cycles=cycles.compute,
        stall_cycles=total - cycles.compute,
        total_cycles=total,
        stalls=cycles.stalls,
        causes=cycles.causes,
        units=units,
        resources=resources,
        macs=macs,
        spatial_utilization=sums["mapped_pes"] / (folds * spec.array.rows * spec.array.columns)
        if folds
        else 0.0,
        macs_per_cycle=rate,
        mac_utilization=macs / (spec.pes * rate * total) if total else 0.0,
        dram_bytes=_total_by(pieces, _bytes_by_operand),
        memory_bytes=memory_bytes,
        compulsory_bytes=least.compulsory_bytes,
        scratchpad_accesses={
            name: sums[name]
            for name in ("input_reads", "weight_reads", "psum_reads", "psum_writes")
        },
        folds=folds,
        tiles=work.tile_count,
        events=sum(piece.trace.events for piece in pieces),
        bound_by=bound_by(resources, total),
        bound_cycles=bound_cycles(spec, macs / rate, sums["operations"], memory_bytes),
        energies_pj={},
        lower_bound_cycles=least.cycles,
        lower_bound_bytes=least.traffic_bytes,
    )


def _busiest(units: Mapping[str, UnitCycles], name: str) -> float:
    """Return the busy cycles of the core that uses a unit most."""
    return float(max(unit.busy for full, unit in units.items() if plain_name(full) == name))


def _total(pieces: Sequence[Repeated], column: str) -> int:
    return sum(piece.count * int(piece.trace[column].sum()) for piece in pieces)


def _total_by(
    pieces: Sequence[Repeated], count: Callable[[Trace], dict[str, int]]
) -> dict[str, int]:
    return added(
        {name: piece.count * value for name, value in count(piece.trace).items()}
        for piece in pieces
    )


def _bytes_by_operand(trace: Trace) -> dict[str, int]:
    parts = [
        {name: int(trace["bytes"][trace["operand"] == operand].sum())}
        for operand, name in BYTE_CLASSES.items()
    ]
    return added(parts)


def _bytes_by_memory(spec: AcceleratorSpec, trace: Trace) -> dict[str, int]:
    is_dma = trace["operand"] >= 0
    found = {}
    for memory in spec.memories:
        engines = [n for n, name in enumerate(trace.units) if name.endswith(f":{memory.name}")]
        rows = is_dma & np.isin(trace["unit"], engines)
        found[memory.name] = int(trace["bytes"][rows].sum())
    return found


def transfer_cycles(spec: AcceleratorSpec, memory_bytes: Mapping[str, int]) -> dict[str, float]:
    """Return for each main memory the core cycles of its bytes at full bandwidth."""
    return {
        memory.name: memory_bytes[memory.name] / memory.bandwidth_bytes_per_s * spec.clock_hz
        for memory in spec.memories
    }


def bound_by(resources: Mapping[str, float], total: int) -> str:
    """Return the resource that was busy longest, or ``latency``."""
    name, busy = max(resources.items(), key=lambda item: item[1])
    return name if 2 * busy >= total else "latency"


def bound_cycles(
    spec: AcceleratorSpec, steps: float, operations: int, memory_bytes: Mapping[str, int]
) -> float:
    """Return the least cycles that the roofs allow; ``steps`` are the cycles of all PEs."""
    vector = operations / peak_operations_per_cycle(spec)
    return max(steps / spec.pes, vector, *transfer_cycles(spec, memory_bytes).values())


def capacity_warnings(spec: AcceleratorSpec, memory_bytes: Mapping[str, int]) -> list[str]:
    """Return a sentence for each main memory that is smaller than the bytes that it holds."""
    return [
        f"memory '{memory.name}': the tensors need {format_bytes(memory_bytes[memory.name])}"
        f" but {format_bytes(memory.capacity_bytes)} are there; simulated as if they were enough"
        for memory in spec.memories
        if memory_bytes[memory.name] > memory.capacity_bytes
    ]


def _record(layer: LayerReport) -> dict[str, Any]:
    work = layer.work
    return {
        "layer": layer.name,
        "operator": layer.operator,
        "shape": layer.shape,
        "macs": work.macs,
        "operations": layer.operations,
        "compute_cycles": work.compute_cycles,
        "stall_cycles": work.stall_cycles,
        "total_cycles": work.total_cycles,
        "waits_for": "; ".join(f"{cause} {cycles}" for cause, cycles in work.stalls.items()),
        "stall_causes": "; ".join(f"{cause} {cycles}" for cause, cycles in work.causes.items()),
        "spatial_utilization": work.spatial_utilization,
        "mac_utilization": work.mac_utilization,
        "dram_input_bytes": work.dram_bytes.get("input", 0),
        "dram_weight_bytes": work.dram_bytes.get("weight", 0),
        "dram_output_bytes": work.dram_bytes.get("output", 0),
        "compulsory_bytes": work.compulsory_bytes,
        "arithmetic_intensity_ops_per_byte": layer.arithmetic_intensity,
        "bound_by": work.bound_by,
        "bound_cycles": float(work.bound_cycles),
        "lower_bound_cycles": float(work.lower_bound_cycles),
        "cycles_of_lower_bound": work.cycles_of_lower_bound,
        "lower_bound_bytes": float(work.lower_bound_bytes),
        "traffic_of_lower_bound": work.traffic_of_lower_bound,
        "tiles": work.tiles,
        "folds": work.folds,
    }


def _energy_record(work: WorkReport) -> dict[str, float]:
    parts = {f"energy_{part}_pj": energy for part, energy in by_part(work.energies_pj).items()}
    return {"energy_pj": float(work.energy_pj), **parts}


#: A reshape: no data moves.
EMPTY = WorkReport(
    compute_cycles=0,
    stall_cycles=0,
    total_cycles=0,
    stalls={},
    causes={},
    units={},
    resources={},
    macs=0,
    spatial_utilization=0.0,
    mac_utilization=0.0,
    dram_bytes={},
    memory_bytes={},
    compulsory_bytes=0,
    scratchpad_accesses={},
    folds=0,
    tiles=0,
    events=0,
    bound_by="-",
    bound_cycles=0.0,
    energies_pj={},
    lower_bound_cycles=0.0,
    lower_bound_bytes=0.0,
)
