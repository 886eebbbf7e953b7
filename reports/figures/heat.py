"""A heat map: rows against columns, one hue from light to dark, the value in each cell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isnan
from typing import TYPE_CHECKING

from reports.figures.style import HEAT_MAP, LIGHT_GREY, shortened, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

#: Inches of a letter on a cell, and of what stands beside all cells.
_LETTER_INCHES = 0.065
_MARGIN_INCHES = 2.6
#: Of the range, from which on text on a cell is white.
_DARK = 0.6
_NOT_A_NUMBER = float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class Heat:
    """Values of a heat map; NaN is nothing there.

    Parameters
    ----------
    rows, columns
        Names.
    values
        By row and column.
    low, high
        The range of the colours.
    label
        What the values are, with their unit.
    text
        A value as it stands in its cell.
    is_log
        Whether colours go by the logarithm; then ``low`` is above 0.
    ticks
        A value as it stands at the scale of the colours.
    """

    rows: Sequence[str]
    columns: Sequence[str]
    values: Sequence[Sequence[float]]
    low: float
    high: float
    label: str
    text: Callable[[float], str]
    is_log: bool = False
    ticks: Callable[[float], str] = "{:,g}".format


def draw_heat(figure: Figure, axes: Axes, heat: Heat) -> None:
    """Draw cells, their values where there is room, and the scale of colours."""
    import numpy as np
    from matplotlib import colormaps
    from matplotlib.colors import LogNorm, Normalize

    hues = colormaps[HEAT_MAP].with_extremes(bad="white")
    values = np.array(heat.values, dtype=np.float64)
    norm = (LogNorm if heat.is_log else Normalize)(heat.low, heat.high)
    image = axes.imshow(np.ma.masked_invalid(values), cmap=hues, norm=norm, aspect="auto")
    axes.set_xticks(range(len(heat.columns)), [shortened(name, 16) for name in heat.columns])
    axes.set_yticks(range(len(heat.rows)), [shortened(name, 34) for name in heat.rows])
    axes.tick_params(length=0, labelsize=8)
    axes.set_xticks(np.arange(len(heat.columns) - 1) + 0.5, minor=True)
    axes.set_yticks(np.arange(len(heat.rows) - 1) + 0.5, minor=True)
    axes.grid(False, which="major")
    axes.grid(True, which="minor", color="white", linewidth=1)
    axes.tick_params(which="minor", length=0)
    axes.spines[:].set_visible(False)
    colour_scale(figure, axes, image, heat.label, is_log=heat.is_log, ticks=heat.ticks)
    longest = max(len(heat.text(value)) for row in heat.values for value in row)
    cell_inches = (figure.get_figwidth() - _MARGIN_INCHES) / len(heat.columns)
    if longest * _LETTER_INCHES <= cell_inches:
        _write_values(axes, heat, norm)


def colour_scale(
    figure: Figure,
    axes: Axes,
    image: ScalarMappable,
    label: str,
    *,
    is_log: bool = False,
    ticks: Callable[[float], str] = "{:,g}".format,
) -> None:
    """Draw the scale of a heat map's colours beside it."""
    from matplotlib.ticker import LogLocator

    words = wrapped(label, 0.85 * figure.get_figheight())
    scale = figure.colorbar(image, ax=axes, label=words, pad=0.02, fraction=0.05, aspect=50)
    scale.outline.set_visible(False)
    if is_log:
        scale.ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    scale.ax.yaxis.set_major_formatter(lambda value, _: ticks(value))
    scale.ax.yaxis.set_minor_formatter(lambda *_: "")


def _write_values(axes: Axes, heat: Heat, norm: Normalize) -> None:
    for i, row in enumerate(heat.values):
        for j, value in enumerate(row):
            if isnan(value):
                axes.text(j, i, "–", ha="center", va="center", fontsize=7, color=LIGHT_GREY)
                continue
            colour = "white" if norm(value) > _DARK else "black"
            axes.text(j, i, heat.text(value), ha="center", va="center", fontsize=7, color=colour)
