"""A tornado from a table: how far each knob moves a result, and which aren't monotone."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from foundation.errors import RooftileError
from reports.figures.placing import legend_beneath
from reports.figures.style import BLUE, GREY, ORANGE, TEXT, VERMILION, shortened, style
from reports.figures.table import Scale, Table, ticks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: The row of the table with the result that all are compared with.
BASE = "base"
KNOB, SETTING = "knob", "setting"
_LETTERS = 10
#: Room for settings beside the bars, as a share of what these span.
_ROOM = 0.35


@dataclass(frozen=True, slots=True, kw_only=True)
class Knob:
    """A knob: its settings in the table's order, and the result of each."""

    name: str
    settings: tuple[str, ...]
    results: tuple[float, ...]

    @property
    def swing(self) -> float:
        """How far the results lie apart."""
        return max(self.results) - min(self.results)

    @property
    def is_monotone(self) -> bool:
        """Whether results only rise, or only fall, from setting to setting."""
        steps = [after - before for before, after in pairwise(self.results)]
        return all(step >= 0 for step in steps) or all(step <= 0 for step in steps)

    def setting_of(self, result: float) -> str:
        """Return the setting of the lowest or highest result."""
        return self.settings[self.results.index(result)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tornado:
    """Knobs, the largest swing first."""

    title: str
    column: str
    scale: Scale
    base: float
    knobs: tuple[Knob, ...]

    def records(self) -> list[dict[str, Any]]:
        """Return a line for each knob."""
        return [
            {
                "knob": knob.name,
                "lowest_setting": knob.setting_of(min(knob.results)),
                f"lowest_{self.column}": min(knob.results),
                "highest_setting": knob.setting_of(max(knob.results)),
                f"highest_{self.column}": max(knob.results),
                f"base_{self.column}": self.base,
                "monotone": "yes" if knob.is_monotone else "no",
            }
            for knob in self.knobs
        ]


def tornado_of(table: Table, column: str) -> Tornado:
    """Return the sensitivities in a table with the columns knob, setting and a result.

    The row whose knob is ``base`` has the result that all are compared with. A knob's settings
    stand in order, the base's own among them if the knob isn't to miss it.

    Raises
    ------
    RooftileError
        A column is missing, or there is no base, or more than one, or no knob.
    """
    table.require([KNOB, SETTING])
    results = table.numbers(column)
    rows = list(zip(table.rows, results, strict=True))
    bases = [result for row, result in rows if row[KNOB] == BASE]
    if len(bases) != 1:
        raise RooftileError(
            f"{table.name}: must have 1 row whose {KNOB} is '{BASE}' but has {len(bases)}; it is"
            " what all others are compared with"
        )
    names = dict.fromkeys(row[KNOB] for row, _ in rows if row[KNOB] != BASE)
    if not names:
        raise RooftileError(f"{table.name}: has no row of a {KNOB} beside '{BASE}'; add some")
    knobs = []
    for name in names:
        own = [(row[SETTING], result) for row, result in rows if row[KNOB] == name]
        settings, values = zip(*own, strict=True)
        knobs.append(Knob(name=name, settings=settings, results=values))
    knobs.sort(key=lambda knob: -knob.swing)
    return Tornado(
        title=f"{table.title}: what moves {table.scale(column).label}",
        column=column,
        scale=table.scale(column),
        base=bases[0],
        knobs=tuple(knobs),
    )


def draw_tornado(figure: Figure, tornado: Tornado) -> None:
    """Draw a bar for each knob from its lowest to its highest result, around the base."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    count = len(tornado.knobs)
    figure.set_size_inches(9.6, 1.9 + 0.34 * max(count, 3))
    axes = figure.add_subplot()
    style(axes, shortened(tornado.title, 200), tornado.scale.label, "")
    axes.grid(False, axis="y")
    results = [result for knob in tornado.knobs for result in knob.results] + [tornado.base]
    span = (max(results) - min(results)) or abs(tornado.base) or 1.0
    axes.set_xlim(min(results) - _ROOM * span, max(results) + _ROOM * span)
    axes.set_ylim(count - 0.4, -0.6)
    for number, knob in enumerate(tornado.knobs):
        low, high = min(knob.results), max(knob.results)
        hatch = "" if knob.is_monotone else "////"
        for start, end, colour in (
            (low, min(high, tornado.base), BLUE),
            (max(low, tornado.base), high, VERMILION),
        ):
            if end > start:
                axes.barh(
                    number,
                    end - start,
                    left=start,
                    height=0.62,
                    color=colour,
                    hatch=hatch,
                    edgecolor="white",
                    linewidth=0.4,
                )
        axes.plot(knob.results, [number] * len(knob.results), "|", color=TEXT, markersize=9)
        ends = ((low, -5, "right"), (high, 5, "left"))
        for result, offset, side in ends if knob.swing else ends[1:]:
            axes.annotate(
                shortened(knob.setting_of(result), _LETTERS),
                (result, number),
                (offset, 0),
                textcoords="offset points",
                ha=side,
                va="center",
                fontsize=7.5,
            )
    axes.axvline(tornado.base, color=GREY, linewidth=1.2)
    names = [
        shortened(knob.name, 28) + ("" if knob.is_monotone else " (not monotone)")
        for knob in tornado.knobs
    ]
    axes.set_yticks(range(count), names, fontsize=8)
    for text, knob in zip(axes.get_yticklabels(), tornado.knobs, strict=True):
        if not knob.is_monotone:
            text.set_color(VERMILION)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_formatter(ticks(tornado.scale))
    handles = [
        Patch(color=BLUE, label="below the base"),
        Patch(color=VERMILION, label="above it"),
        Line2D([], [], color=GREY, label=f"base {tornado.scale.text(tornado.base)}"),
        Line2D([], [], color=TEXT, marker="|", linestyle="", label="a setting"),
    ]
    if any(not knob.is_monotone for knob in tornado.knobs):
        look: dict[str, Any] = {"facecolor": ORANGE, "edgecolor": "white"}
        handles.append(Patch(hatch="////", label="not monotone: results rise and fall", **look))
    legend_beneath(figure, handles, None)
