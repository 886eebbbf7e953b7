"""The roofline in a run's folder: dots are layers, their colour is what bounds them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import atan2, degrees, inf
from pathlib import Path
from typing import TYPE_CHECKING

from reports.figures.placing import Spot, boxes_along, collide, name_spots, spot_box, write
from reports.figures.style import (
    BLUE,
    GREEN,
    GREY,
    LEAST_SHARE,
    ORANGE,
    PURPLE,
    SKY,
    TEXT,
    VERMILION,
    drawn,
    percent,
    style,
)
from reports.roofline import Ceiling, Dot, Roofline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend
    from matplotlib.transforms import Bbox

#: The same in every picture but for main memories, which take theirs in order.
_UNIT_COLOURS = {"array": BLUE, "vector": GREEN, "latency": "#999999"}
_MEMORY_COLOURS = (VERMILION, PURPLE, ORANGE, SKY)
#: Area in points squared of a dot that takes all of the time.
_FULL_AREA = 2600.0
_LEAST_AREA = 14.0
_LABELS = 6
#: Where along its line a bandwidth may have its name, first choice first.
_ALONG = (0.03, 0.16, 0.3, 0.44, 0.58)


def write_roofline(roofline: Roofline, paths: Iterable[Path]) -> None:
    """Draw a roofline into files; a path's suffix says the format. Equal input, equal bytes.

    Dots are layers of equal work: area is their share of the time, colour what bounds them.
    """
    with drawn((path.suffix, path) for path in paths) as figure:
        _draw(figure.add_subplot(), figure, roofline)


def _draw(axes: Axes, figure: Figure, roofline: Roofline) -> None:
    from matplotlib.ticker import EngFormatter

    x_range, y_range = _limits(roofline)
    axes.set(xscale="log", yscale="log", xlim=x_range, ylim=y_range)
    style(
        axes,
        roofline.title,
        "arithmetic intensity (operations per main-memory byte)",
        "performance (operations/s)",
    )
    axes.yaxis.set_major_formatter(EngFormatter(unit="OP/s"))
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:,g}")
    figure.draw_without_rendering()  # fixes the axes' place, on which the slopes' angle depends
    colours = _colours(roofline.dots)
    _draw_dots(axes, roofline.dots, colours)
    spots = [_spot(dot) for dot in sorted(roofline.dots, key=lambda dot: -dot.time_share)]
    dots = [spot_box(axes, spot) for spot in spots]
    peaks = [c for c in roofline.ceilings if c.ops_per_s]
    texts = [_legend(axes, roofline.dots, colours).get_window_extent()]
    texts += [_draw_peak(axes, ceiling, right=x_range[1]) for ceiling in peaks]
    for ceiling in roofline.ceilings:
        if ceiling.bytes_per_s:
            texts += _draw_slope(axes, ceiling, roofline, [*texts, *dots])
    name_spots(axes, spots[:_LABELS], texts, dots)


def _draw_dots(axes: Axes, dots: Sequence[Dot], colours: Mapping[str, str]) -> None:
    for dot in sorted(dots, key=lambda dot: -dot.time_share):
        axes.scatter(
            dot.intensity_ops_per_byte,
            dot.ops_per_s,
            s=_area(dot),
            color=colours[dot.bound_by],
            alpha=0.75,
            edgecolors="white",
            linewidths=0.8,
            zorder=3,
        )


def _area(dot: Dot) -> float:
    """Return a dot's area in points squared."""
    return max(_LEAST_AREA, _FULL_AREA * dot.time_share)


def _spot(dot: Dot) -> Spot:
    return Spot(dot.label, dot.intensity_ops_per_byte, dot.ops_per_s, _area(dot))


def _limits(roofline: Roofline) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return ranges that hold every dot, the ridge and the highest roof, in whole decades or so."""
    peak = max(c.ops_per_s for c in roofline.ceilings if c.ops_per_s)
    slopes = [c.bytes_per_s for c in roofline.ceilings if c.bytes_per_s]
    ridge = peak / min(slopes) if slopes else 1.0
    intensities = [dot.intensity_ops_per_byte for dot in roofline.dots] + [ridge]
    heights = [dot.ops_per_s for dot in roofline.dots]
    return (
        (min(intensities) / 2, max(intensities) * 4),
        (min([*heights, peak]) / 2.5, peak * 2.2),
    )


def _draw_peak(axes: Axes, ceiling: Ceiling, right: float) -> Bbox:
    """Draw a flat roof with its name at its right end, and return the name's place."""
    assert ceiling.ops_per_s is not None, "a peak is flat"
    line = "-" if ceiling.is_main else "--"
    axes.axhline(ceiling.ops_per_s, color=GREY, linewidth=1.4, linestyle=line)
    place = (right, ceiling.ops_per_s)
    options = {"ha": "right", "va": "bottom", "color": TEXT, "fontsize": 8, "zorder": 2.5}
    return write(axes, ceiling.label, place, (-4, 3), **options).get_window_extent()


def _draw_slope(
    axes: Axes, ceiling: Ceiling, roofline: Roofline, occupied: Sequence[Bbox]
) -> list[Bbox]:
    """Draw a bandwidth up to the highest roof, with its name along it; return the name's place."""
    slope = ceiling.bytes_per_s
    assert slope is not None, "a bandwidth is a slope"
    (left, right), (bottom, _) = axes.get_xlim(), axes.get_ylim()
    start = max(left, bottom / slope)
    end = min(right, max(c.ops_per_s for c in roofline.ceilings if c.ops_per_s) / slope)
    if start >= end:
        return []
    line = "-" if ceiling.is_main else ":"
    axes.plot([start, end], [start * slope, end * slope], color=GREY, lw=1.2, ls=line)
    (x0, y0), (x1, y1) = axes.transData.transform([(start, start * slope), (end, end * slope)])
    is_above = _has_room_above(slope, [c.bytes_per_s for c in roofline.ceilings if c.bytes_per_s])
    boxes: list[Bbox] = []
    for along in _ALONG:
        x = start * (end / start) ** along
        text = write(
            axes,
            ceiling.label,
            (x, x * slope),
            (-1, 2) if is_above else (1, -2),
            rotation=degrees(atan2(y1 - y0, x1 - x0)),
            rotation_mode="anchor",
            ha="left",
            va="bottom" if is_above else "top",
            color=TEXT,
            fontsize=8,
            zorder=2.5,  # the halo must not cover dots
        )
        boxes = boxes_along(text)
        if along == _ALONG[-1] or not collide(boxes, occupied):
            break
        text.remove()
    return boxes


def _has_room_above(slope: float, slopes: Sequence[float]) -> bool:
    """Whether the next bandwidth above is further away than the next below."""
    above = min((other / slope for other in slopes if other > slope), default=inf)
    below = min((slope / other for other in slopes if other < slope), default=inf)
    return above >= below


def _colours(dots: Sequence[Dot]) -> dict[str, str]:
    """Return a colour for each thing that bounds a layer."""
    names = sorted({dot.bound_by for dot in dots})
    memories = [name for name in names if name not in _UNIT_COLOURS]
    count = len(_MEMORY_COLOURS)
    return {name: _UNIT_COLOURS[name] for name in names if name in _UNIT_COLOURS} | {
        name: _MEMORY_COLOURS[number % count] for number, name in enumerate(memories)
    }


def _legend(axes: Axes, dots: Sequence[Dot], colours: Mapping[str, str]) -> Legend:
    shares = {name: sum(dot.time_share for dot in dots if dot.bound_by == name) for name in colours}
    handles = [
        axes.scatter(
            [], [], s=60, color=colour, label=f"{name}: {percent(shares[name])} of the time"
        )
        for name, colour in sorted(colours.items(), key=lambda item: -shares[item[0]])
    ]
    without = 1 - sum(shares.values())
    if without >= LEAST_SHARE:  # of layers that only move data, or keep it on the chip
        label = f"without a dot: {percent(without)} of the time"
        handles.append(axes.scatter([], [], s=0, label=label))
    return axes.legend(
        handles=handles, title="bound by (area = share of the time)", loc="lower right",
        frameon=True, framealpha=0.9, edgecolor="none", fontsize=8, title_fontsize=8,
    )  # fmt: skip
