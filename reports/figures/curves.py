"""Curves: a step's time by its context, the share of requests that take at most a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from reports.figures.style import BLUE, ORANGE, PURPLE, SKY, VERMILION, drawn, style


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Points in the order in which a line joins them: ``x`` and ``y`` have equal lengths.

    Parameters
    ----------
    label
        What the legend calls it.
    x, y
        The points.
    is_marked
        Whether each has a mark.
    """

    label: str
    x: Sequence[float]
    y: Sequence[float]
    is_marked: bool = True


def write_curves(
    curves: Sequence[Curve], paths: Iterable[Path], *, title: str, x_label: str, y_label: str
) -> None:
    """Draw curves into files, both axes linear and y from 0. Equal input, equal bytes."""
    with drawn((path.suffix, path) for path in paths) as figure:
        axes = figure.add_subplot()
        style(axes, title, x_label, y_label)
        for curve, colour in zip(curves, cycle((BLUE, VERMILION, PURPLE, ORANGE, SKY))):
            axes.plot(
                curve.x,
                curve.y,
                color=colour,
                marker="o" if curve.is_marked else "",
                markersize=4,
                linewidth=1.4,
                label=curve.label,
                clip_on=False,
            )
        axes.set_ylim(0, 1.1 * max((y for curve in curves for y in curve.y), default=1.0))
        axes.xaxis.set_major_formatter(lambda x, _: f"{x:,g}")
        axes.yaxis.set_major_formatter(lambda y, _: f"{y:,g}")
        axes.legend(loc="lower right", frameon=False, fontsize=8)
