"""The roofline of energy: operations per joule over operational intensity.

References
----------
.. [1] J. W. Choi, D. Bedard, R. Fowler and R. Vuduc, "A roofline model of energy", IPDPS 2013.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any

from accel.energy import BITS_PER_BYTE, required_energies
from accel.energy_spec import EnergySpec
from accel.spec import AcceleratorSpec
from accel.units import format_count, format_energy
from accel.vector import peak_operations_per_cycle
from reports.figures.machine_roofline import computing_groups
from reports.figures.placing import Spot, legend_beneath, name_heights, name_spots, spot_box
from reports.figures.style import LINES, MARKS, PALETTE, format_ratio, plain_ticks, shortened, style
from reports.report import Report

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PJ_PER_J = 1e12
_PJ_PER_MW_S = 1e9
_OPERATIONS_PER_MAC = 2
#: Area in points squared of a dot that takes all of the energy.
_FULL_AREA = 2000.0
_LEAST_AREA = 12.0
_LABELS = 8
#: Points of an arch that are drawn.
_STEPS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Arch:
    """The most operations per joule over an intensity: ``W / E`` in [1]_.

    Parameters
    ----------
    name
        What computes, in which type.
    pj_per_operation, pj_per_byte
        Energy of an operation, and of a byte of main memory.
    constant_pj_per_s
        What the chip takes all the time.
    ops_per_s, bytes_per_s
        Peak and bandwidth, on which the time depends; ``inf`` for no limit.
    """

    name: str
    pj_per_operation: float
    pj_per_byte: float
    constant_pj_per_s: float
    ops_per_s: float
    bytes_per_s: float

    def ops_per_joule(self, intensity_ops_per_byte: float) -> float:
        """Return the roof over an intensity.

        Notes
        -----
        ``E = W·ε_op + Q·ε_byte + π·T``, where ``T = max(W / peak, Q / bandwidth)``: time overlaps,
        energy doesn't, so the roof is an arch without an edge.
        """
        byte = 1 / intensity_ops_per_byte
        time_s = max(1 / self.ops_per_s, byte / self.bytes_per_s)
        each = self.pj_per_operation + self.pj_per_byte * byte + self.constant_pj_per_s * time_s
        return _PJ_PER_J / each if each else inf

    @property
    def limit_ops_per_joule(self) -> float:
        """The roof where nothing crosses main memory."""
        return self.ops_per_joule(inf)

    @property
    def balance_ops_per_byte(self) -> float:
        """The intensity at which operations and bytes take the same energy: ``B_ε`` in [1]_."""
        return self.pj_per_byte / self.pj_per_operation if self.pj_per_operation else inf

    @property
    def time_balance_ops_per_byte(self) -> float:
        """The intensity at which they take the same time: ``B_τ`` in [1]_."""
        return self.ops_per_s / self.bytes_per_s


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyPoint:
    """Layers of equal work; ``energy_share`` is theirs of the network's energy."""

    name: str
    count: int
    intensity_ops_per_byte: float
    ops_per_joule: float
    energy_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyDesign:
    """A machine, with what ran on it."""

    name: str
    arches: tuple[Arch, ...]
    points: tuple[EnergyPoint, ...]
    counts_leakage: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyRoofline:
    """Designs side by side."""

    title: str
    designs: tuple[EnergyDesign, ...]

    def records(self) -> list[dict[str, Any]]:
        """Return a line for each arch and dot."""
        return [row for design in self.designs for row in _records(design)]


_COLUMNS = (
    *("layers", "intensity_ops_per_byte", "ops_per_joule", "energy_share"),
    *("pj_per_operation", "pj_per_byte", "constant_pj_per_s", "balance_ops_per_byte"),
)


def _records(design: EnergyDesign) -> Iterator[dict[str, Any]]:
    def record(kind: str, name: str, **values: Any) -> dict[str, Any]:
        head = {"design": design.name, "kind": kind, "name": name}
        return {**head, **dict.fromkeys(_COLUMNS), **values}

    for arch in design.arches:
        yield record(
            "arch",
            arch.name,
            ops_per_joule=arch.limit_ops_per_joule,
            pj_per_operation=arch.pj_per_operation,
            pj_per_byte=arch.pj_per_byte,
            constant_pj_per_s=arch.constant_pj_per_s,
            balance_ops_per_byte=arch.balance_ops_per_byte,
        )
    for point in design.points:
        yield record(
            "dot",
            point.name,
            layers=point.count,
            intensity_ops_per_byte=point.intensity_ops_per_byte,
            ops_per_joule=point.ops_per_joule,
            energy_share=point.energy_share,
        )


def energy_design(report: Report, *, name: str | None = None) -> EnergyDesign:
    """Return the design of a run: arches of its machine, and a dot for each layer.

    Raises
    ------
    SpecError
        The machine has no energies, or the analytical engine ran.
    """
    total_pj = report.energy_pj
    points = []
    for layers in computing_groups(report).values():
        first = layers[0]
        if first.work.total_dram_bytes and first.work.energy_pj:
            points.append(
                EnergyPoint(
                    name=first.name,
                    count=len(layers),
                    intensity_ops_per_byte=first.arithmetic_intensity,
                    ops_per_joule=_PJ_PER_J * first.operations / first.work.energy_pj,
                    energy_share=len(layers) * first.work.energy_pj / total_pj,
                )
            )
    energy = required_energies(report.spec)
    return EnergyDesign(
        name=name or report.spec.name,
        arches=tuple(arches_of(report.spec)),
        points=tuple(points),
        counts_leakage=energy.leakage_mw is not None,
    )


def energy_title(report: Report) -> str:
    """Return what ran where, and what it took."""
    energy = format_energy(report.energy_pj / report.batch)
    return f"{report.network} on {report.spec.name}: {energy} an inference"


def arches_of(spec: AcceleratorSpec) -> Iterator[Arch]:
    """Yield an arch for each type that the array multiplies, then that of the vector unit.

    # Approximation: a byte takes what the cheapest access to any main memory does, and scratchpads,
    registers and the network take nothing: an arch is a bound, and layers lie below it.
    """
    energy = required_energies(spec)
    costs: list[tuple[str, float, float]] = []
    for product in spec.array.products:
        mac_pj = energy.mac_pj.get(product.input)
        if mac_pj is not None:
            rate = spec.peak_ops_per_s * float(product.macs_per_cycle)
            costs.append((f"array {product.label}", mac_pj / _OPERATIONS_PER_MAC, rate))
    if energy.vector_pj is not None:
        vector = peak_operations_per_cycle(spec) * spec.clock_hz
        costs.append(("vector unit", energy.vector_pj, vector))
    for name, operation_pj, peak in costs:
        yield Arch(
            name=name,
            pj_per_operation=operation_pj,
            pj_per_byte=_cheapest_byte_pj(energy),
            constant_pj_per_s=(energy.leakage_mw or 0.0) * _PJ_PER_MW_S,
            ops_per_s=peak,
            bytes_per_s=spec.bandwidth_bytes_per_s,
        )


def _cheapest_byte_pj(energy: EnergySpec) -> float:
    bits = [
        min(access.read_pj_per_bit, access.write_pj_per_bit) for access in energy.memories.values()
    ]
    return BITS_PER_BYTE * min(bits, default=0.0)


def draw_energy_roofline(figure: Figure, roofline: EnergyRoofline) -> None:
    """Draw arches and dots: a colour, a line and a mark for each design."""
    figure.set_size_inches(9.6, 6.2)
    axes = figure.add_subplot()
    x_range, y_range = _limits(roofline)
    axes.set(xscale="log", yscale="log", xlim=x_range, ylim=y_range)
    style(
        axes,
        shortened(roofline.title, 200),
        "operational intensity (operations per main-memory byte)",
        "energy efficiency (operations/J)",
    )
    plain_ticks(axes, "OP/J")
    several = len(roofline.designs) > 1
    names = []
    for number, design in enumerate(roofline.designs):
        _draw_design(axes, design, number, x_range)
        whose = f"{shortened(design.name, 30)}: " if several else ""
        for arch in design.arches:
            height = arch.ops_per_joule(x_range[1])
            label = f"{format_count(arch.limit_ops_per_joule)}OP/J"
            names.append((height, f"{whose}{shortened(arch.name, 30)}\n{label}"))
    _legend(figure, roofline)
    name_heights(figure, axes, names)
    _name_dots(axes, roofline)


def _limits(roofline: EnergyRoofline) -> tuple[tuple[float, float], tuple[float, float]]:
    across = [p.intensity_ops_per_byte for d in roofline.designs for p in d.points]
    heights = [p.ops_per_joule for d in roofline.designs for p in d.points]
    arches = [arch for design in roofline.designs for arch in design.arches]
    across += [a.balance_ops_per_byte for a in arches if 0 < a.balance_ops_per_byte < inf]
    across = across or [1.0]
    highest = max(a.limit_ops_per_joule for a in arches)
    right = max(across) * 10
    heights = [*(heights or [highest / 100]), *(a.ops_per_joule(right) for a in arches)]
    return (min(across) / 3, right), (min(heights) / 3, highest * 2)


def _draw_design(
    axes: Axes, design: EnergyDesign, number: int, x_range: tuple[float, float]
) -> None:
    line, colour = LINES[number % len(LINES)], PALETTE[number % len(PALETTE)]
    left, right = x_range
    xs = [left * (right / left) ** (step / _STEPS) for step in range(_STEPS + 1)]
    for arch in design.arches:
        ys = [arch.ops_per_joule(x) for x in xs]
        axes.plot(xs, ys, color=colour, linewidth=1.5, linestyle=line)
    if len(design.arches) and design.arches[0].balance_ops_per_byte < inf:
        for place, dashes in _balances(design):
            axes.axvline(place, color=colour, linewidth=0.9, linestyle=dashes)
    for point in sorted(design.points, key=lambda one: -one.energy_share):
        axes.scatter(
            point.intensity_ops_per_byte,
            point.ops_per_joule,
            s=_area(point),
            marker=MARKS[number % len(MARKS)],
            color=colour,
            alpha=0.75,
            edgecolors="white",
            linewidths=0.7,
            zorder=3,
        )


def _balances(design: EnergyDesign) -> list[tuple[float, str]]:
    """Return the first arch's balances of energy and of time, with their lines."""
    arch = design.arches[0]
    return [(arch.balance_ops_per_byte, ":"), (arch.time_balance_ops_per_byte, "--")]


def _area(point: EnergyPoint) -> float:
    return max(_LEAST_AREA, _FULL_AREA * point.energy_share)


def _legend(figure: Figure, roofline: EnergyRoofline) -> None:
    from matplotlib.lines import Line2D

    handles: list[Artist] = []
    for number, design in enumerate(roofline.designs):
        colour, mark = PALETTE[number % len(PALETTE)], MARKS[number % len(MARKS)]
        line = LINES[number % len(LINES)]
        (energy, _), (time, _) = _balances(design)
        leaks = "" if design.counts_leakage else "; leakage not counted"
        label = f"{shortened(design.name, 30)}: balance {format_ratio(energy)} OP/B of energy"
        label += f" (dotted), {format_ratio(time)} OP/B of time (dashed){leaks}"
        handles.append(Line2D([], [], color=colour, marker=mark, linestyle=line, label=label))
    legend_beneath(figure, handles, "area of dots: share of the energy")


def _name_dots(axes: Axes, roofline: EnergyRoofline) -> None:
    points = [point for design in roofline.designs for point in design.points]
    points.sort(key=lambda one: -one.energy_share)
    spots = [
        Spot(
            shortened(p.name if p.count == 1 else f"{p.name} ×{p.count}", 30),
            p.intensity_ops_per_byte,
            p.ops_per_joule,
            _area(p),
        )
        for p in points
    ]
    first = {point.name: spot for point, spot in reversed(list(zip(points, spots, strict=True)))}
    named = [spot for spot in spots if spot in first.values()][:_LABELS]
    name_spots(axes, named, [], [spot_box(axes, spot) for spot in spots])
