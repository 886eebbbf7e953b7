"""The full roofline as data: every memory level and every peak of designs, and dots at each level.

A level's dot stands at the operations for each byte that crosses that level; all dots of a layer
have one height. `reports.figures.roofline` draws it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from accel.spec import AcceleratorSpec
from accel.trace import OPCODES, SCRATCHPAD_COLUMNS, Repeated
from accel.units import format_time
from accel.vector import peak_operations_per_cycle
from foundation.errors import SimulationError
from reports.cores import plain_name
from reports.report import LayerReport, Report
from reports.stats import added

#: Rounding of float64 where a dot is compared with its roof.
_SLACK = 1 + 1e-9
#: Opcodes of what works on scratchpads through their ports; a DMA has a port of its own.
_ON_PORTS = (OPCODES.index("matmul"), OPCODES.index("vector"))
#: All main memories as one level.
MAIN = "main memory"


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A memory with a bandwidth, in bytes per second; ``is_main`` for what lies off the chip."""

    name: str
    bytes_per_s: float
    is_main: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """What an array, in a type, or a vector unit does at most."""

    name: str
    ops_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Layers of equal work at one level.

    Parameters
    ----------
    name, count
        The first layer's, and how many there are.
    level
        Name of the level.
    intensity_ops_per_byte, ops_per_s
        Where it stands.
    time_share
        Its layers' share of the network's time; None where that isn't known.
    """

    name: str
    count: int
    level: str
    intensity_ops_per_byte: float
    ops_per_s: float
    time_share: float | None

    @property
    def label(self) -> str:
        """Its name, and how many there are."""
        return self.name if self.count == 1 else f"{self.name} ×{self.count}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """A machine, with what ran on it."""

    name: str
    levels: tuple[Level, ...]
    peaks: tuple[Peak, ...]
    points: tuple[Point, ...]

    @property
    def peak_ops_per_s(self) -> float:
        """The highest roof."""
        return max(peak.ops_per_s for peak in self.peaks)

    def attainable_ops_per_s(self, level: str, intensity_ops_per_byte: float) -> float:
        """Return the roof over an intensity at a level."""
        bandwidth = next(one.bytes_per_s for one in self.levels if one.name == level)
        return min(self.peak_ops_per_s, bandwidth * intensity_ops_per_byte)


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineRoofline:
    """Designs side by side."""

    title: str
    designs: tuple[Design, ...]

    @property
    def level_names(self) -> tuple[str, ...]:
        """Levels of all designs, each once."""
        return tuple(dict.fromkeys(level.name for d in self.designs for level in d.levels))

    def joined(self) -> list[tuple[Point, ...]]:
        """Return the points of a layer in several designs, at one level, in the designs' order."""
        found: dict[tuple[str, str], list[Point]] = {}
        for design in self.designs:
            for point in design.points:
                found.setdefault((point.name, point.level), []).append(point)
        return [tuple(points) for points in found.values() if len(points) > 1]

    def records(self) -> list[dict[str, Any]]:
        """Return a line for each bandwidth, peak and dot."""
        return [row for design in self.designs for row in _records(design)]


_COLUMNS = ("layers", "level", "intensity_ops_per_byte", "ops_per_s", "bytes_per_s", "time_share")


def _records(design: Design) -> Iterator[dict[str, Any]]:
    def record(kind: str, name: str, **values: Any) -> dict[str, Any]:
        head = {"design": design.name, "kind": kind, "name": name}
        return {**head, **dict.fromkeys(_COLUMNS), **values}

    for level in design.levels:
        yield record("bandwidth", level.name, bytes_per_s=level.bytes_per_s)
    for peak in design.peaks:
        yield record("peak", peak.name, ops_per_s=peak.ops_per_s)
    for point in design.points:
        yield record(
            "dot",
            point.name,
            layers=point.count,
            level=point.level,
            intensity_ops_per_byte=point.intensity_ops_per_byte,
            ops_per_s=point.ops_per_s,
            time_share=point.time_share,
        )


def design_of_run(
    report: Report,
    traces: Sequence[Sequence[Repeated]],
    *,
    name: str | None = None,
    only_main: bool = False,
) -> Design:
    """Return the design of a run, with a point for each layer at each level that it uses.

    Parameters
    ----------
    report, traces
        The run. The analytical engine has no traces: it knows what crosses main memories only.
    name
        Of the design; by default the machine's.
    only_main
        One level for all main memories together, none on the chip.

    Raises
    ------
    SimulationError
        When a point lies above its roof: the simulation can't be right.
    """
    spec = report.spec
    levels = tuple(levels_of(spec, on_chip=bool(traces) and not only_main, together=only_main))
    design = Design(name=name or spec.name, levels=levels, peaks=tuple(peaks_of(spec)), points=())
    points = []
    for number, layers in computing_groups(report).items():
        first = layers[0]
        sizes = {**first.work.memory_bytes, MAIN: first.work.total_dram_bytes}
        if traces:
            sizes |= _bytes_on_chip(traces[number])
        seconds = first.work.total_cycles / spec.clock_hz
        for level in levels:
            if sizes.get(level.name):
                point = Point(
                    name=first.name,
                    count=len(layers),
                    level=level.name,
                    intensity_ops_per_byte=first.operations / sizes[level.name],
                    ops_per_s=first.operations / seconds,
                    time_share=len(layers) * first.work.total_cycles / report.total_cycles,
                )
                _check_below(design, point)
                points.append(point)
    return Design(name=design.name, levels=levels, peaks=design.peaks, points=tuple(points))


def computing_groups(report: Report) -> dict[int, list[LayerReport]]:
    """Return the layers that compute and take time, by the number of their work."""
    groups: dict[int, list[LayerReport]] = {}
    for layer in report.layers:
        if layer.operations and layer.work.total_cycles:
            groups.setdefault(layer.work_number, []).append(layer)
    return groups


def run_title(report: Report) -> str:
    """Return what ran where, and how long it took."""
    inferences = f"{report.batch} inference{'s' if report.batch > 1 else ''}"
    return f"{report.network} on {report.spec.name}: {format_time(report.time_fs)} for {inferences}"


def peaks_of(spec: AcceleratorSpec) -> Iterator[Peak]:
    """Yield what the array does in each type that it multiplies, then what the vector unit does.

    Types of one rate are one peak.
    """
    by_rate: dict[float, list[str]] = {}
    for product in spec.array.products:
        rate = spec.peak_ops_per_s * float(product.macs_per_cycle)
        by_rate.setdefault(rate, []).append(product.label)
    for rate, labels in sorted(by_rate.items(), reverse=True):
        yield Peak(name=f"array {', '.join(labels)}", ops_per_s=rate)
    vector = peak_operations_per_cycle(spec) * spec.clock_hz
    yield Peak(name="vector unit", ops_per_s=vector)


def levels_of(spec: AcceleratorSpec, *, on_chip: bool, together: bool) -> Iterator[Level]:
    """Yield the levels that have a bandwidth, the furthest from the array first."""
    off = [(memory.name, memory.bandwidth_bytes_per_s) for memory in spec.memories]
    if together:
        off = [(MAIN, spec.bandwidth_bytes_per_s)]
    for name, bandwidth in off:
        if bandwidth != inf:
            yield Level(name=name, bytes_per_s=bandwidth, is_main=True)
    if not on_chip:
        return
    on: list[tuple[str, float]] = []
    if spec.shared_buffer is not None:
        on.append(("shared buffer", spec.shared_buffer.bandwidth_bytes_per_cycle))
    on += [(pad.name, spec.cores * pad.bandwidth_bytes_per_cycle) for pad in spec.scratchpads]
    for name, per_cycle in on:
        if per_cycle != inf:
            yield Level(name=name, bytes_per_s=per_cycle * spec.clock_hz, is_main=False)


def _bytes_on_chip(pieces: Sequence[Repeated]) -> dict[str, int]:
    """Return the bytes that crossed each scratchpad's ports, and that the shared buffer gave."""
    return added(_bytes_of_piece(piece) for piece in pieces)


def _bytes_of_piece(piece: Repeated) -> Mapping[str, int]:
    trace, count = piece.trace, piece.count
    on_ports = (trace["opcode"] == _ON_PORTS[0]) | (trace["opcode"] == _ON_PORTS[1])
    sizes = {
        name: count * int(sum(trace[column][on_ports].sum() for column in columns))
        for name, columns in zip(trace.scratchpads, SCRATCHPAD_COLUMNS, strict=False)
    }
    loads = [n for n, unit in enumerate(trace.units) if plain_name(unit).startswith("load:")]
    given = sum(int(trace["moved_bytes"][trace["unit"] == number].sum()) for number in loads)
    return {**sizes, "shared buffer": count * given}


def _check_below(design: Design, point: Point) -> None:
    roof = design.attainable_ops_per_s(point.level, point.intensity_ops_per_byte)
    if point.ops_per_s > roof * _SLACK:
        raise SimulationError(
            f"layer '{point.name}' does {point.ops_per_s:.4g} ops/s but its roof at"
            f" '{point.level}' is {roof:.4g} ops/s",
            unit="roofline",
            time=f"intensity {point.intensity_ops_per_byte:.4g}",
        )
