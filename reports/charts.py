"""Pictures. The only module that imports matplotlib, and only when it draws."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import atan2, degrees, pi
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports.roofline import Ceiling, Dot, Roofline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Colours that people with any colour vision tell apart, M. Okabe and K. Ito, 2008.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_GREY = "#767676"
_TEXT = "#404040"
_SIZE_INCHES = (9.0, 5.6)
#: Area in points squared of a dot that takes all of the time.
_FULL_AREA = 2600.0
_LEAST_AREA = 14.0
_LABELS = 6


def write_roofline(roofline: Roofline, paths: Iterable[Path]) -> None:
    """Draw a roofline into files; a path's suffix says the format. Equal input, equal bytes.

    Dots are layers of equal work: area is their share of the time, colour what bounds them.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.hashsalt": "rooftile", "font.size": 9, "svg.fonttype": "path"}):
        figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
        FigureCanvasAgg(figure)
        _draw(figure.add_subplot(), figure, roofline)
        for path in paths:
            metadata = {"Date": None} if path.suffix == ".svg" else {"Software": None}
            figure.savefig(path, dpi=150, metadata=metadata)


def _draw(axes: Axes, figure: Figure, roofline: Roofline) -> None:
    from matplotlib.ticker import EngFormatter

    x_range, y_range = _limits(roofline)
    axes.set(xscale="log", yscale="log", xlim=x_range, ylim=y_range)
    axes.set_title(roofline.title, loc="left", fontsize=11)
    axes.set_xlabel("arithmetic intensity (operations per main-memory byte)")
    axes.set_ylabel("performance (operations/s)")
    axes.yaxis.set_major_formatter(EngFormatter(unit="OP/s"))
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:g}")
    axes.grid(True, which="major", color="#e6e6e6", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    for ceiling in roofline.ceilings:
        if ceiling.ops_per_s:
            _draw_peak(axes, ceiling, right=x_range[1])
    figure.draw_without_rendering()  # fixes the axes' place, on which the slopes' angle depends
    for number, ceiling in enumerate(c for c in roofline.ceilings if c.bytes_per_s):
        _draw_slope(axes, ceiling, roofline, number)
    colours = _colours(roofline.dots)
    for dot in sorted(roofline.dots, key=lambda dot: -dot.time_share):
        axes.scatter(
            dot.intensity_ops_per_byte,
            dot.ops_per_s,
            s=max(_LEAST_AREA, _FULL_AREA * dot.time_share),
            color=colours[dot.bound_by],
            alpha=0.75,
            edgecolors="white",
            linewidths=0.8,
            zorder=3,
        )
    _label_dots(axes, roofline.dots)
    _legend(axes, roofline.dots, colours)


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


def _draw_peak(axes: Axes, ceiling: Ceiling, right: float) -> None:
    """Draw a flat roof with its name at its right end."""
    assert ceiling.ops_per_s is not None, "a peak is flat"
    style = "-" if ceiling.is_main else "--"
    axes.axhline(ceiling.ops_per_s, color=_GREY, linewidth=1.4, linestyle=style)
    axes.annotate(
        ceiling.label,
        (right, ceiling.ops_per_s),
        (-4, 3),
        textcoords="offset points",
        ha="right",
        va="bottom",
        color=_TEXT,
        fontsize=8,
    )


def _draw_slope(axes: Axes, ceiling: Ceiling, roofline: Roofline, number: int) -> None:
    """Draw a bandwidth up to the highest roof, with its name along it.

    Names of main memories stand further up than one another, so that close slopes stay legible.
    """
    slope = ceiling.bytes_per_s
    assert slope is not None, "a bandwidth is a slope"
    (left, right), (bottom, _) = axes.get_xlim(), axes.get_ylim()
    start = max(left, bottom / slope)
    end = min(right, max(c.ops_per_s for c in roofline.ceilings if c.ops_per_s) / slope)
    if start >= end:
        return
    style = "-" if ceiling.is_main else ":"
    axes.plot([start, end], [start * slope, end * slope], color=_GREY, lw=1.2, ls=style)
    (x0, y0), (x1, y1) = axes.transData.transform([(start, start * slope), (end, end * slope)])
    along = start * (end / start) ** (0.02 + 0.13 * (number % 3))
    axes.annotate(
        ceiling.label,
        (along, along * slope),
        (-2, 3),
        textcoords="offset points",
        rotation=degrees(atan2(y1 - y0, x1 - x0)),
        rotation_mode="anchor",
        ha="left",
        va="bottom",
        color=_TEXT,
        fontsize=8,
    ).set_in_layout(False)


def _colours(dots: Sequence[Dot]) -> dict[str, str]:
    """Return a colour for each thing that bounds a layer, in the order of their names."""
    names = sorted({dot.bound_by for dot in dots})
    return {name: _COLOURS[i % len(_COLOURS)] for i, name in enumerate(names)}


def _label_dots(axes: Axes, dots: Sequence[Dot]) -> None:
    """Name the dots that take most of the time, as far as their names don't collide."""
    placed: list[Any] = []
    for dot in sorted(dots, key=lambda dot: -dot.time_share)[:_LABELS]:
        radius = (max(_LEAST_AREA, _FULL_AREA * dot.time_share) / pi) ** 0.5
        text = axes.annotate(
            dot.label,
            (dot.intensity_ops_per_byte, dot.ops_per_s),
            (0, -radius - 2),
            textcoords="offset points",
            ha="center",
            va="top",
            fontsize=7.5,
            zorder=4,
        )
        text.set_in_layout(False)
        box = text.get_window_extent()
        if any(box.overlaps(other) for other in placed):
            text.remove()
        else:
            placed.append(box)


def _legend(axes: Axes, dots: Sequence[Dot], colours: dict[str, str]) -> None:
    shares = {name: sum(dot.time_share for dot in dots if dot.bound_by == name) for name in colours}
    handles = [
        axes.scatter([], [], s=60, color=colour, label=f"{name}: {shares[name]:.0%} of the time")
        for name, colour in sorted(colours.items(), key=lambda item: -shares[item[0]])
    ]
    axes.legend(
        handles=handles, title="bound by (area = share of the time)", loc="lower right",
        frameon=True, framealpha=0.9, edgecolor="none", fontsize=8, title_fontsize=8,
    )  # fmt: skip
