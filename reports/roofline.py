"""The roofline as data: ceilings and dots. `reports.figures.run_roofline` draws it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory

from accel.spec import AcceleratorSpec
from accel.units import format_bandwidth, format_count, format_time
from accel.vector import peak_operations_per_cycle
from foundation.errors import SimulationError
from reports.report import LayerReport, Report

#: Rounding of float64 where a dot is compared with its roof.
_SLACK = 1 + 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """A roof: a bandwidth (a slope) or a peak (flat).

    Parameters
    ----------
    label
        Name and value with its unit.
    is_main
        A main memory or the array, as against a scratchpad or the vector unit.
    bytes_per_s
        Slope, None for a flat roof.
    ops_per_s
        Height, None for a slope.
    """

    label: str
    is_main: bool
    bytes_per_s: float | None = None
    ops_per_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """Layers of equal work.

    Parameters
    ----------
    label
        The first layer's name, and how many there are.
    intensity_ops_per_byte, ops_per_s
        Where it stands.
    time_share
        Its layers' share of the network's time.
    bound_by
        As in `reports.report.WorkReport`.
    """

    label: str
    intensity_ops_per_byte: float
    ops_per_s: float
    time_share: float
    bound_by: str


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Roofline:
    """Ceilings and dots of a network on a machine; a picture in a notebook."""

    title: str
    ceilings: tuple[Ceiling, ...]
    dots: tuple[Dot, ...]

    def __repr__(self) -> str:
        return f"<Roofline {self.title}, {len(self.dots)} dots>"

    def _repr_png_(self) -> bytes:
        from reports.figures.run_roofline import write_roofline

        with TemporaryDirectory() as folder:
            path = Path(folder) / "roofline.png"
            write_roofline(self, [path])
            return path.read_bytes()


def make_roofline(report: Report) -> Roofline:
    """Return the roofline of a report.

    Layers whose operands all stay on the chip have no place on it: they move no byte.

    Raises
    ------
    SimulationError
        When a dot lies above its roof: the simulation can't be right.
    """
    groups: dict[int, list[LayerReport]] = {}
    for layer in report.layers:
        if layer.operations and layer.work.total_cycles and layer.work.total_dram_bytes:
            groups.setdefault(layer.work_number, []).append(layer)
    vector = peak_operations_per_cycle(report.spec) * report.spec.clock_hz
    dots = tuple(_dot(report, layers, vector) for layers in groups.values())
    title = (
        f"{report.network} on {report.spec.name}: {format_time(report.time_fs)}"
        f" for {report.batch} inference{'s' if report.batch > 1 else ''}"
    )
    roofs = tuple(ceilings(report.spec, report.peak_ops_per_s))
    return Roofline(title=title, ceilings=roofs, dots=dots)


def _dot(report: Report, layers: list[LayerReport], vector_ops_per_s: float) -> Dot:
    first = layers[0]
    spec = report.spec
    seconds = first.work.total_cycles / spec.clock_hz
    achieved = first.operations / seconds
    intensity = first.arithmetic_intensity
    is_matrix = first.work.macs > 0
    peak = vector_ops_per_s
    if is_matrix:
        peak = spec.peak_ops_per_s * first.work.macs_per_cycle
    roof = min(peak, intensity * spec.bandwidth_bytes_per_s)
    if achieved > roof * _SLACK:
        raise SimulationError(
            f"layer '{first.name}' does {achieved:.4g} ops/s but its roof is {roof:.4g} ops/s",
            unit="roofline",
            time=f"{first.work.total_cycles} cycles",
        )
    return Dot(
        label=first.name if len(layers) == 1 else f"{first.name} ×{len(layers)}",
        intensity_ops_per_byte=intensity,
        ops_per_s=achieved,
        time_share=first.work.total_cycles * len(layers) / report.total_cycles,
        bound_by=first.work.bound_by,
    )


def ceilings(spec: AcceleratorSpec, array_ops_per_s: float) -> Iterable[Ceiling]:
    """Yield the roofs of a machine whose arrays do so much at most."""
    vector = peak_operations_per_cycle(spec) * spec.clock_hz
    label = f"array {format_count(array_ops_per_s)}OP/s"
    yield Ceiling(label=label, is_main=True, ops_per_s=array_ops_per_s)
    yield Ceiling(label=f"vector unit {format_count(vector)}OP/s", is_main=False, ops_per_s=vector)
    slopes = [(memory.name, True, memory.bandwidth_bytes_per_s) for memory in spec.memories]
    if len(slopes) > 1:
        slopes.append(("main memories together", True, spec.bandwidth_bytes_per_s))
    slopes += [
        (pad.name, False, spec.cores * pad.bandwidth_bytes_per_cycle * spec.clock_hz)
        for pad in spec.scratchpads
    ]
    names: dict[tuple[bool, float], list[str]] = {}
    for name, is_main, bandwidth in slopes:
        if bandwidth != inf:
            names.setdefault((is_main, bandwidth), []).append(name)
    for (is_main, bandwidth), equal in names.items():
        label = f"{', '.join(equal)} {format_bandwidth(bandwidth)}"
        yield Ceiling(label=label, is_main=is_main, bytes_per_s=bandwidth)
