"""Pictures. The only module that imports matplotlib, and only when it draws."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, product
from math import atan2, degrees, inf, pi
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports.roofline import Ceiling, Dot, Roofline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend
    from matplotlib.text import Annotation
    from matplotlib.transforms import Bbox

#: Colours that people with any colour vision tell apart, M. Okabe and K. Ito, 2008. The same in
#: every picture but for main memories, which take theirs in order.
_UNIT_COLOURS = {"array": "#0072B2", "vector": "#009E73", "latency": "#999999"}
_MEMORY_COLOURS = ("#D55E00", "#CC79A7", "#E69F00", "#56B4E9")
_GREY = "#767676"
_TEXT = "#404040"
_SIZE_INCHES = (9.0, 5.6)
#: Area in points squared of a dot that takes all of the time.
_FULL_AREA = 2600.0
_LEAST_AREA = 14.0
_LABELS = 6
#: Pixels between a dot's name and other names, and other dots, which its halo would cover.
_GAP = 3
_GAP_TO_DOTS = 1.5
#: Where along its line a bandwidth may have its name, first choice first.
_ALONG = (0.03, 0.16, 0.3, 0.44, 0.58)
_POINTS_PER_INCH = 72
#: The least share of the time that is 1 % when rounded.
_LEAST_SHARE = 0.005


def write_roofline(roofline: Roofline, paths: Iterable[Path]) -> None:
    """Draw a roofline into files; a path's suffix says the format. Equal input, equal bytes.

    Dots are layers of equal work: area is their share of the time, colour what bounds them.
    """
    with _written(paths) as figure:
        _draw(figure.add_subplot(), figure, roofline)


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
    with _written(paths) as figure:
        axes = figure.add_subplot()
        _style(axes, title, x_label, y_label)
        colours = (_UNIT_COLOURS["array"], *_MEMORY_COLOURS)
        for curve, colour in zip(curves, cycle(colours)):
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


@contextmanager
def _written(paths: Iterable[Path]) -> Iterator[Figure]:
    """Give a figure to draw on, which is then saved: equal drawings, equal bytes."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.hashsalt": "rooftile", "font.size": 9, "svg.fonttype": "path"}):
        figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
        FigureCanvasAgg(figure)
        yield figure
        for path in paths:
            metadata = {"Date": None} if path.suffix == ".svg" else {"Software": None}
            figure.savefig(path, dpi=150, metadata=metadata)


def _style(axes: Axes, title: str, x_label: str, y_label: str) -> None:
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.grid(True, which="major", color="#e6e6e6", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _draw(axes: Axes, figure: Figure, roofline: Roofline) -> None:
    from matplotlib.ticker import EngFormatter

    x_range, y_range = _limits(roofline)
    axes.set(xscale="log", yscale="log", xlim=x_range, ylim=y_range)
    _style(
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
    dots = [_dot_box(axes, dot) for dot in roofline.dots]
    peaks = [c for c in roofline.ceilings if c.ops_per_s]
    texts = [_legend(axes, roofline.dots, colours).get_window_extent()]
    texts += [_draw_peak(axes, ceiling, right=x_range[1]) for ceiling in peaks]
    for ceiling in roofline.ceilings:
        if ceiling.bytes_per_s:
            texts += _draw_slope(axes, ceiling, roofline, [*texts, *dots])
    _label_dots(axes, roofline.dots, texts, dots)


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


def _dot_box(axes: Axes, dot: Dot) -> Bbox:
    """Return the square in a dot's circle, in pixels: corners may be written on."""
    from matplotlib.transforms import Bbox

    x, y = axes.transData.transform((dot.intensity_ops_per_byte, dot.ops_per_s))
    half = (_area(dot) / pi / 2) ** 0.5 * axes.figure.get_dpi() / _POINTS_PER_INCH
    return Bbox.from_extents(x - half, y - half, x + half, y + half)


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


def _write(
    axes: Axes, text: str, place: tuple[float, float], offset: tuple[float, float], **options: Any
) -> Annotation:
    """Write text at a place in data, off it by points, with a halo where it crosses lines."""
    from matplotlib.patheffects import withStroke

    written = axes.annotate(
        text,
        place,
        offset,
        textcoords="offset points",
        path_effects=[withStroke(linewidth=2.5, foreground="white")],
        **options,
    )
    written.set_in_layout(False)
    return written


def _draw_peak(axes: Axes, ceiling: Ceiling, right: float) -> Bbox:
    """Draw a flat roof with its name at its right end, and return the name's place."""
    assert ceiling.ops_per_s is not None, "a peak is flat"
    style = "-" if ceiling.is_main else "--"
    axes.axhline(ceiling.ops_per_s, color=_GREY, linewidth=1.4, linestyle=style)
    place = (right, ceiling.ops_per_s)
    options = {"ha": "right", "va": "bottom", "color": _TEXT, "fontsize": 8, "zorder": 2.5}
    return _write(axes, ceiling.label, place, (-4, 3), **options).get_window_extent()


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
    style = "-" if ceiling.is_main else ":"
    axes.plot([start, end], [start * slope, end * slope], color=_GREY, lw=1.2, ls=style)
    (x0, y0), (x1, y1) = axes.transData.transform([(start, start * slope), (end, end * slope)])
    is_above = _has_room_above(slope, [c.bytes_per_s for c in roofline.ceilings if c.bytes_per_s])
    boxes: list[Bbox] = []
    for along in _ALONG:
        x = start * (end / start) ** along
        text = _write(
            axes,
            ceiling.label,
            (x, x * slope),
            (-1, 2) if is_above else (1, -2),
            rotation=degrees(atan2(y1 - y0, x1 - x0)),
            rotation_mode="anchor",
            ha="left",
            va="bottom" if is_above else "top",
            color=_TEXT,
            fontsize=8,
            zorder=2.5,  # the halo must not cover dots
        )
        boxes = _boxes_along(text)
        if along == _ALONG[-1] or not _collide(boxes, occupied):
            break
        text.remove()
    return boxes


def _has_room_above(slope: float, slopes: Sequence[float]) -> bool:
    """Whether the next bandwidth above is further away than the next below."""
    above = min((other / slope for other in slopes if other > slope), default=inf)
    below = min((slope / other for other in slopes if other < slope), default=inf)
    return above >= below


def _boxes_along(text: Annotation) -> list[Bbox]:
    """Return small boxes that cover a slanted text, whose bounding box is mostly empty."""
    from matplotlib.transforms import Bbox

    box = text.get_window_extent()
    pieces = max(1, len(text.get_text()) // 2)
    width, height = box.width / pieces, box.height / pieces
    return [
        Bbox.from_bounds(box.x0 + i * width, box.y0 + i * height, width, height)
        for i in range(pieces)
    ]


def _collide(boxes: Iterable[Bbox], occupied: Sequence[Bbox]) -> bool:
    return any(box.overlaps(other) for box in boxes for other in occupied)


def _colours(dots: Sequence[Dot]) -> dict[str, str]:
    """Return a colour for each thing that bounds a layer."""
    names = sorted({dot.bound_by for dot in dots})
    memories = [name for name in names if name not in _UNIT_COLOURS]
    count = len(_MEMORY_COLOURS)
    return {name: _UNIT_COLOURS[name] for name in names if name in _UNIT_COLOURS} | {
        name: _MEMORY_COLOURS[number % count] for number, name in enumerate(memories)
    }


def _label_dots(
    axes: Axes, dots: Sequence[Dot], texts: Sequence[Bbox], dot_boxes: Sequence[Bbox]
) -> None:
    """Name the dots that take most of the time, as far as there is room for their names."""
    placed, drawn = list(texts), [box.padded(_GAP_TO_DOTS) for box in dot_boxes]
    by_time = sorted(dots, key=lambda dot: -dot.time_share)
    for dot in by_time[:_LABELS]:
        away = (_area(dot) / pi) ** 0.5 + 2
        aside = away / 2**0.5
        sides = (
            (0, -away, "center", "top"),
            (0, away, "center", "bottom"),
            (away, 0, "left", "center"),
            (-away, 0, "right", "center"),
            (aside, -aside, "left", "top"),
            (-aside, aside, "right", "bottom"),
        )
        # A side where nothing is; or, for the largest dot, one where only dots are.
        crowds = [[*placed, *drawn], *([placed] if dot is by_time[0] else [])]
        for occupied, (x, y, ha, va) in product(crowds, sides):
            text = _write(
                axes,
                dot.label,
                (dot.intensity_ops_per_byte, dot.ops_per_s),
                (x, y),
                ha=ha,
                va=va,
                fontsize=7.5,
                zorder=4,
            )
            box = text.get_window_extent()
            is_inside = axes.bbox.x0 + 3 <= box.x0 and box.x1 <= axes.bbox.x1 - 3
            if is_inside and not _collide([box], occupied):
                placed.append(box.padded(_GAP))
                break
            text.remove()


def _legend(axes: Axes, dots: Sequence[Dot], colours: Mapping[str, str]) -> Legend:
    shares = {name: sum(dot.time_share for dot in dots if dot.bound_by == name) for name in colours}
    handles = [
        axes.scatter(
            [], [], s=60, color=colour, label=f"{name}: {_percent(shares[name])} of the time"
        )
        for name, colour in sorted(colours.items(), key=lambda item: -shares[item[0]])
    ]
    without = 1 - sum(shares.values())
    if without >= _LEAST_SHARE:  # of layers that only move data, or keep it on the chip
        label = f"without a dot: {_percent(without)} of the time"
        handles.append(axes.scatter([], [], s=0, label=label))
    return axes.legend(
        handles=handles, title="bound by (area = share of the time)", loc="lower right",
        frameon=True, framealpha=0.9, edgecolor="none", fontsize=8, title_fontsize=8,
    )  # fmt: skip


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= _LEAST_SHARE else "<1%"
