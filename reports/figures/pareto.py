"""A Pareto front from a table: what no other row surpasses in both columns, and its knee."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mapper.search.pareto import on_front
from reports.figures.placing import Spot, legend_beneath, name_spots, spot_box
from reports.figures.style import BLUE, LIGHT_GREY, VERMILION, shortened, style
from reports.figures.table import Scale, Table, ticks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Rows of a front that has a knee, at least.
_LEAST_FOR_KNEE = 3
_AREA = 36.0
_KNEE_AREA = 90.0
#: An axis whose largest value is so many times its smallest is logarithmic.
_WIDE = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A row: its name, its place, and whether no other surpasses it."""

    name: str
    x: float
    y: float
    is_on_front: bool
    is_knee: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ParetoFront:
    """Candidates in the order of the table; less is better unless ``maximized`` has the axis."""

    title: str
    x_column: str
    y_column: str
    x_scale: Scale
    y_scale: Scale
    maximized: frozenset[str]
    candidates: tuple[Candidate, ...]

    @property
    def front(self) -> list[Candidate]:
        """Those that no other surpasses, by x."""
        return sorted((c for c in self.candidates if c.is_on_front), key=lambda c: (c.x, c.y))

    def records(self) -> list[dict[str, Any]]:
        """Return a line for each candidate."""
        return [
            {
                "name": c.name,
                self.x_column: c.x,
                self.y_column: c.y,
                "on_front": "yes" if c.is_on_front else "no",
                "knee": "yes" if c.is_knee else "no",
            }
            for c in self.candidates
        ]


def pareto_front(
    table: Table,
    *,
    x: str,
    y: str,
    label: str | None = None,
    maximized: frozenset[str] = frozenset(),
) -> ParetoFront:
    """Return the Pareto front of a table's rows.

    Parameters
    ----------
    table
        The rows.
    x, y
        Columns of the axes.
    label
        Column with names; by default the first one.
    maximized
        Which of ``x`` and ``y`` are better if they are larger.

    Notes
    -----
    The knee is the point of the front that lies furthest from the line through its ends, both axes
    scaled to the front's ranges: there a little more of the one costs most of the other.

    References
    ----------
    .. [1] I. Das, "On characterizing the 'knee' of the Pareto curve based on Normal-Boundary
       Intersection", Structural Optimization 18, 1999.
    """
    named = label or table.columns[0]
    table.require([named])
    xs, ys = table.numbers(x), table.numbers(y)
    signs = tuple(-1.0 if axis in maximized else 1.0 for axis in ("x", "y"))
    costs = [(signs[0] * one, signs[1] * other) for one, other in zip(xs, ys, strict=True)]
    front = set(np.flatnonzero(on_front(np.array(costs).reshape(-1, 2))).tolist())
    knee = _knee(costs, front)
    return ParetoFront(
        title=f"{table.title}: {len(front)} of {len(xs)} rows aren't surpassed",
        x_column=x,
        y_column=y,
        x_scale=table.scale(x),
        y_scale=table.scale(y),
        maximized=maximized,
        candidates=tuple(
            Candidate(
                name=table.rows[i][named],
                x=xs[i],
                y=ys[i],
                is_on_front=i in front,
                is_knee=i == knee,
            )
            for i in range(len(xs))
        ),
    )


def _knee(costs: Sequence[tuple[float, float]], front: set[int]) -> int | None:
    """Return the row furthest below the line through the front's ends, None without any."""
    rows = sorted(front, key=lambda i: costs[i])
    if len({costs[i] for i in rows}) < _LEAST_FOR_KNEE:
        return None
    (x0, y0), (x1, y1) = costs[rows[0]], costs[rows[-1]]

    def below(i: int) -> float:
        return 1 - (costs[i][0] - x0) / (x1 - x0) - (costs[i][1] - y1) / (y0 - y1)

    knee = max(rows, key=below)
    return knee if below(knee) > 0 else None


def draw_pareto_front(figure: Figure, shown: ParetoFront) -> None:
    """Draw surpassed rows in grey, the front with its line, and the knee with its name."""
    from matplotlib.lines import Line2D

    axes = figure.add_subplot()
    style(axes, shortened(shown.title, 200), shown.x_scale.label, shown.y_scale.label)
    for axis, scale, values in (
        ("x", shown.x_scale, [c.x for c in shown.candidates]),
        ("y", shown.y_scale, [c.y for c in shown.candidates]),
    ):
        if min(values) > 0 and max(values) > _WIDE * min(values):
            axes.set(**{f"{axis}scale": "log"})
        getattr(axes, f"{axis}axis").set_major_formatter(ticks(scale))
    axes.margins(0.12)
    front = shown.front
    others = [c for c in shown.candidates if not c.is_on_front]
    axes.scatter([c.x for c in others], [c.y for c in others], s=_AREA, color=LIGHT_GREY)
    axes.plot([c.x for c in front], [c.y for c in front], color=BLUE, linewidth=1.2)
    axes.scatter([c.x for c in front], [c.y for c in front], s=_AREA, color=BLUE, zorder=3)
    knees = [c for c in front if c.is_knee]
    marks: dict[str, Any] = {"s": _KNEE_AREA, "color": VERMILION, "marker": "D", "zorder": 4}
    axes.scatter([c.x for c in knees], [c.y for c in knees], **marks)
    handles = [
        Line2D([], [], color=BLUE, marker="o", label="not surpassed"),
        Line2D([], [], color=LIGHT_GREY, marker="o", linestyle="", label="surpassed"),
    ]
    if knees:
        label = f"knee: {shortened(knees[0].name, 40)}"
        handles.append(Line2D([], [], color=VERMILION, marker="D", linestyle="", label=label))
    better = [f"{axis}: {'more' if axis in shown.maximized else 'less'} is better" for axis in "xy"]
    legend_beneath(figure, handles, ", ".join(better))
    figure.draw_without_rendering()
    ordered = sorted(front, key=lambda c: not c.is_knee)
    areas = {True: _KNEE_AREA, False: _AREA}
    named = [Spot(shortened(c.name, 30), c.x, c.y, areas[c.is_knee]) for c in ordered]
    dots = [spot_box(axes, Spot("", c.x, c.y, areas[c.is_knee])) for c in shown.candidates]
    name_spots(axes, named, [], dots)
