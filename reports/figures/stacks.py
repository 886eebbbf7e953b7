"""Stacked bars, one for each layer: cycles by what they went to, energy by component."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reports.figures.placing import legend_beneath
from reports.figures.style import HATCHES, PALETTE, percent, shortened, style
from reports.report import LayerReport, Report

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Bars of a picture, at most; the smallest are added up into one more.
MOST_BARS = 40
_LETTERS = 34
_BAR_INCHES = 0.2
_FRAME_INCHES = 1.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """Layers of equal work: ``values`` are those of all of them together, by part."""

    name: str
    count: int
    values: Mapping[str, float]

    @property
    def total(self) -> float:
        """All parts."""
        return sum(self.values.values())

    @property
    def label(self) -> str:
        """Its name, and how many there are."""
        return self.name if self.count == 1 else f"{self.name} ×{self.count}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stacks:
    """Bars of layers in execution order.

    Parameters
    ----------
    title
        Of the picture.
    quantity, unit
        What the bars show, the unit as names of columns end.
    axis_unit, in_axis_units
        Unit of the axis, and a value of 1 in it.
    parts
        What they are stacked from, in order.
    bars
        By distinct work.
    """

    title: str
    quantity: str
    unit: str
    axis_unit: str
    in_axis_units: float
    parts: tuple[str, ...]
    bars: tuple[Bar, ...]

    @property
    def tick_unit(self) -> str:
        """Unit of ticks: what isn't a physical unit stands at the axis only."""
        return self.axis_unit if self.axis_unit == "J" else ""

    def records(self) -> list[dict[str, Any]]:
        """Return a line for each bar, with a column for each part."""
        return [
            {
                "layer": bar.name,
                "layers": bar.count,
                **{
                    f"{part.replace(' ', '_')}_{self.unit}": bar.values.get(part, 0)
                    for part in self.parts
                },
            }
            for bar in self.bars
        ]


def grouped(report: Report) -> list[list[LayerReport]]:
    """Return the layers that take time, those of equal work together, in execution order."""
    groups: dict[int, list[LayerReport]] = {}
    for layer in report.layers:
        if layer.work.total_cycles:
            groups.setdefault(layer.work_number, []).append(layer)
    return list(groups.values())


def stacked(bars: Sequence[Bar], most: int = MOST_BARS) -> list[Bar]:
    """Return the largest bars, in their order, and what is left as one more at the end."""
    if len(bars) <= most:
        return list(bars)
    kept = sorted(sorted(range(len(bars)), key=lambda i: -bars[i].total)[:most])
    rest = [bar for number, bar in enumerate(bars) if number not in set(kept)]
    values: dict[str, float] = {}
    for bar in rest:
        for part, value in bar.values.items():
            values[part] = values.get(part, 0) + value
    count = sum(bar.count for bar in rest)
    return [*(bars[number] for number in kept), Bar(name=f"{count} others", count=1, values=values)]


def draw_stacks(figure: Figure, stacks: Stacks) -> None:
    """Draw a horizontal bar for each layer, the first on top, with its share at its end."""
    from matplotlib.patches import Patch
    from matplotlib.ticker import EngFormatter, MaxNLocator

    bars = stacked(stacks.bars)
    figure.set_size_inches(9.6, _FRAME_INCHES + _BAR_INCHES * max(len(bars), 4))
    axes = figure.add_subplot()
    style(axes, shortened(stacks.title, 200), f"{stacks.quantity} ({stacks.axis_unit})", "")
    axes.grid(False, axis="y")
    total = sum(bar.total for bar in bars)
    shown = [part for part in stacks.parts if any(bar.values.get(part) for bar in bars)]
    left = [0.0] * len(bars)
    handles = []
    for part in shown:
        look = _look(stacks.parts.index(part))
        widths = [bar.values.get(part, 0.0) * stacks.in_axis_units for bar in bars]
        axes.barh(range(len(bars)), widths, left=left, height=0.75, **look)
        left = [start + width for start, width in zip(left, widths, strict=True)]
        share = sum(bar.values.get(part, 0.0) for bar in bars) / total
        handles.append(Patch(label=f"{part} {percent(share)}", **look))
    for number, bar in enumerate(bars):
        axes.annotate(
            f"{bar.total / total:.1%}",
            (left[number], number),
            (3, 0),
            textcoords="offset points",
            va="center",
            fontsize=7,
        )
    axes.set_yticks(range(len(bars)), [shortened(bar.label, _LETTERS) for bar in bars], fontsize=8)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(bars) - 0.4, -0.6)
    axes.set_xlim(0, 1.08 * max(left, default=0.0) or 1.0)
    axes.xaxis.set_major_locator(MaxNLocator(7))
    axes.xaxis.set_major_formatter(EngFormatter(unit=stacks.tick_unit))
    legend_beneath(figure, handles, None)


def _look(number: int) -> dict[str, Any]:
    """Return colour and hatch of a part: colours first, then the same ones hatched."""
    return {
        "facecolor": PALETTE[number % len(PALETTE)],
        "hatch": HATCHES[number // len(PALETTE) % len(HATCHES)],
        "edgecolor": "white",
        "linewidth": 0.3,
    }
