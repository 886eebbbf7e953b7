"""Buffer size against traffic from a table, with the compulsory traffic as the floor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reports.figures.placing import legend_beneath
from reports.figures.style import GREY, LINES, MARKS, PALETTE, shortened, style
from reports.figures.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CAPACITY, TRAFFIC, FLOOR = "capacity_bytes", "dram_bytes", "compulsory_bytes"
_BYTES_PER_KIB = 1024
#: Traffic is on a logarithmic axis if it spans so many times its least.
_WIDE = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficCurve:
    """Main-memory bytes by the size of a buffer, ascending, and the fewest of any."""

    name: str
    capacity_bytes: tuple[float, ...]
    dram_bytes: tuple[float, ...]
    compulsory_bytes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityTraffic:
    """A curve for each thing that is compared."""

    title: str
    curves: tuple[TrafficCurve, ...]

    def records(self) -> list[dict[str, Any]]:
        """Return a line for each point."""
        return [
            {
                "name": curve.name,
                CAPACITY: capacity,
                TRAFFIC: traffic,
                FLOOR: curve.compulsory_bytes,
                "traffic_of_floor": traffic / curve.compulsory_bytes,
            }
            for curve in self.curves
            for capacity, traffic in zip(curve.capacity_bytes, curve.dram_bytes, strict=True)
        ]


def capacity_traffic(table: Table, *, label: str | None = None) -> CapacityTraffic:
    """Return the curves of a table with the columns capacity_bytes, dram_bytes, compulsory_bytes.

    Parameters
    ----------
    table
        The rows, in any order.
    label
        Column whose values are the curves' names; by default all rows are one curve.

    Raises
    ------
    RooftileError
        A column is missing, traffic lies below its floor, or a curve has two floors.
    """
    capacities, traffics, floors = (
        table.numbers(column, least=1) for column in (CAPACITY, TRAFFIC, FLOOR)
    )
    if label is not None:
        table.require([label])
    groups: dict[str, list[int]] = {}
    for i, row in enumerate(table.rows):
        groups.setdefault(row[label] if label else "traffic", []).append(i)
        if traffics[i] < floors[i]:
            raise table.failure(
                i, TRAFFIC, f"is {traffics[i]:,.0f} but at least the floor, {floors[i]:,.0f}, moves"
            )
    curves = []
    for name, rows in groups.items():
        for i in rows:
            if floors[i] != floors[rows[0]]:
                raise table.failure(
                    i,
                    FLOOR,
                    f"is {floors[i]:,.0f} but {floors[rows[0]]:,.0f} in line"
                    f" {table.lines[rows[0]]}; name curves with --label",
                )
        rows = sorted(rows, key=lambda i: capacities[i])
        curves.append(
            TrafficCurve(
                name=name,
                capacity_bytes=tuple(capacities[i] for i in rows),
                dram_bytes=tuple(traffics[i] for i in rows),
                compulsory_bytes=floors[rows[0]],
            )
        )
    return CapacityTraffic(
        title=f"{table.title}: main-memory traffic by the size of a buffer", curves=tuple(curves)
    )


def draw_capacity_traffic(figure: Figure, shown: CapacityTraffic) -> None:
    """Draw curves by the logarithm of the size, each with its floor dashed in its colour."""
    from matplotlib.lines import Line2D
    from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

    axes = figure.add_subplot()
    style(axes, shortened(shown.title, 200), "buffer size (bytes)", "main-memory traffic (bytes)")
    axes.set_xscale("log", base=2)
    handles = []
    for number, curve in enumerate(shown.curves):
        colour = PALETTE[number % len(PALETTE)]
        look: dict[str, Any] = {
            "color": colour,
            "marker": MARKS[number % len(MARKS)],
            "markersize": 5,
        }
        axes.plot(curve.capacity_bytes, curve.dram_bytes, linewidth=1.4, **look)
        axes.axhline(curve.compulsory_bytes, color=colour, linewidth=1.1, linestyle=LINES[1])
        handles.append(Line2D([], [], label=shortened(curve.name, 40), **look))
    handles.append(
        Line2D([], [], color=GREY, linestyle=LINES[1], label="compulsory: every byte once")
    )
    low = min(curve.compulsory_bytes for curve in shown.curves)
    high = max(max(curve.dram_bytes) for curve in shown.curves)
    if high > _WIDE * low:
        axes.set(yscale="log", ylim=(low / 1.5, high * 1.5))
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        margin = 0.08 * (high - low) or 0.05 * high
        axes.set_ylim(low - margin, high + margin)
    axes.xaxis.set_major_locator(LogLocator(base=4, numticks=9))
    axes.xaxis.set_major_formatter(lambda x, _: _binary(x))
    axes.yaxis.set_major_formatter(EngFormatter(unit="B"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    legend_beneath(figure, handles, None)


def _binary(size_bytes: float) -> str:
    """Return a power of two with a binary prefix: ``64 KiB``."""
    for prefix in ("", "Ki", "Mi", "Gi", "Ti", "Pi"):
        if size_bytes < _BYTES_PER_KIB:
            return f"{size_bytes:g} {prefix}B"
        size_bytes /= _BYTES_PER_KIB
    return f"{size_bytes:.3g} EiB"
