"""Draws the full roofline: a colour for each level, a mark and a line for each design."""

from __future__ import annotations

from typing import TYPE_CHECKING

from accel.units import format_bandwidth, format_count
from reports.figures.machine_roofline import Design, Level, MachineRoofline, Point
from reports.figures.placing import Spot, legend_beneath, name_heights, name_spots, spot_box
from reports.figures.style import GREY, LINES, MARKS, PALETTE, plain_ticks, shortened, style

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

#: Area in points squared of a dot that takes all of the time, and of one that isn't known.
_FULL_AREA = 2000.0
_LEAST_AREA = 12.0
_PLAIN_AREA = 60.0
_LABELS = 8
#: Letters of names in the margin and at dots.
_LETTERS = 30
#: Length of a dash, in widths of its line, where several lines lie on each other.
_DASH = 5.0


def draw_roofline(figure: Figure, roofline: MachineRoofline) -> None:
    """Draw ceilings and dots; dots of one layer in several designs are joined."""
    axes = figure.add_subplot()
    figure.set_size_inches(9.6, 6.2)
    x_range, y_range = _limits(roofline)
    axes.set(xscale="log", yscale="log", xlim=x_range, ylim=y_range)
    style(
        axes,
        shortened(roofline.title, 200),
        "arithmetic intensity (operations per byte of the dot's level)",
        "performance (operations/s)",
    )
    plain_ticks(axes, "OP/s")
    colours = {
        name: PALETTE[number % len(PALETTE)] for number, name in enumerate(roofline.level_names)
    }
    several = len(roofline.designs) > 1
    for number, design in enumerate(roofline.designs):
        _draw_design(axes, design, number, colours, x_range)
    for points in roofline.joined() if several else ():
        xs, ys = zip(*((p.intensity_ops_per_byte, p.ops_per_s) for p in points), strict=True)
        axes.plot(xs, ys, color=GREY, linewidth=0.7, alpha=0.7, zorder=2.6)
    _legend(figure, roofline, colours)
    names = [
        (peak.ops_per_s, _peak_label(design, peak.name, peak.ops_per_s, several))
        for design in roofline.designs
        for peak in design.peaks
    ]
    name_heights(figure, axes, names)
    _name_dots(axes, roofline)


def _limits(roofline: MachineRoofline) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return ranges that hold every dot, every ridge and every flat roof."""
    points = [point for design in roofline.designs for point in design.points]
    peak = max(design.peak_ops_per_s for design in roofline.designs)
    ridges = [
        design.peak_ops_per_s / level.bytes_per_s
        for design in roofline.designs
        for level in design.levels
    ] or [1.0]
    across = [point.intensity_ops_per_byte for point in points] + ridges
    heights = [point.ops_per_s for point in points] or [peak / 100]
    heights += [one.ops_per_s for design in roofline.designs for one in design.peaks]
    return (min(across) / 3, max(across) * 4), (min(heights) / 3, peak * 2.2)


def _draw_design(
    axes: Axes, design: Design, number: int, colours: dict[str, str], x_range: tuple[float, float]
) -> None:
    line = LINES[number % len(LINES)]
    left, right = x_range
    peak = design.peak_ops_per_s
    for one in design.peaks:
        axes.plot(x_range, [one.ops_per_s] * 2, color=GREY, linewidth=1.3, linestyle=line)
    for level in design.levels:
        ridge = min(right, max(left, peak / level.bytes_per_s))
        xs = [left, ridge]
        ys = [level.bytes_per_s * x for x in xs]
        axes.plot(
            xs,
            ys,
            color=colours[level.name],
            linewidth=1.5,
            linestyle=_shared_line(design, level) or line,
        )
    for point in sorted(design.points, key=lambda one: -area(one)):
        axes.scatter(
            point.intensity_ops_per_byte,
            point.ops_per_s,
            s=area(point),
            marker=MARKS[number % len(MARKS)],
            color=colours[point.level],
            alpha=0.75,
            edgecolors="white",
            linewidths=0.7,
            zorder=3,
        )


def _shared_line(design: Design, level: Level) -> tuple[float, tuple[float, float]] | None:
    """Return dashes that leave room for those of other levels with an equal bandwidth."""
    equal = [one for one in design.levels if one.bytes_per_s == level.bytes_per_s]
    if len(equal) == 1:
        return None
    return -_DASH * equal.index(level), (_DASH, _DASH * (len(equal) - 1))


def area(point: Point) -> float:
    """Return a dot's area in points squared: its share of the time."""
    if point.time_share is None:
        return _PLAIN_AREA
    return max(_LEAST_AREA, _FULL_AREA * point.time_share)


def _legend(figure: Figure, roofline: MachineRoofline, colours: dict[str, str]) -> None:
    """Name levels by colour and designs by mark, with their bandwidths, beneath the axes."""
    from matplotlib.lines import Line2D

    first, *others = roofline.designs
    handles: list[Artist] = []
    for name, colour in colours.items():
        label, mark = (name, "") if others else (_bandwidth(first, name), "o")
        handles.append(Line2D([], [], color=colour, marker=mark, label=shortened(label, 60)))
    for number, design in enumerate(roofline.designs if others else ()):
        mark, line = MARKS[number % len(MARKS)], LINES[number % len(LINES)]
        main = [_bandwidth(design, level.name) for level in design.levels if level.is_main]
        label = shortened(f"{design.name}: {', '.join(main)}", 70)
        handles.append(Line2D([], [], color=GREY, marker=mark, linestyle=line, label=label))
    has_shares = any(p.time_share is not None for d in roofline.designs for p in d.points)
    legend_beneath(figure, handles, "area of dots: share of the time" if has_shares else None)


def _bandwidth(design: Design, name: str) -> str:
    level = next(level for level in design.levels if level.name == name)
    return f"{name} {format_bandwidth(level.bytes_per_s)}"


def _peak_label(design: Design, peak: str, ops_per_s: float, several: bool) -> str:
    whose = f"{shortened(design.name, _LETTERS)}: " if several else ""
    return f"{whose}{shortened(peak, _LETTERS)}\n{format_count(ops_per_s)}OP/s"


def _name_dots(axes: Axes, roofline: MachineRoofline) -> None:
    """Name the dots that take most of the time: each layer once, at its first level."""
    points = [point for design in roofline.designs for point in design.points]
    spots = {id(p): _spot(p) for p in points}
    boxes: list[Bbox] = [spot_box(axes, spot) for spot in spots.values()]
    named: dict[str, Point] = {}
    for point in sorted(points, key=_by_time):
        named.setdefault(point.name, point)
    name_spots(axes, [spots[id(p)] for p in list(named.values())[:_LABELS]], [], boxes)


def _by_time(point: Point) -> float:
    """Return what sorts points: first those that were measured, then the longest."""
    return -2.0 if point.time_share is None else -point.time_share


def _spot(point: Point) -> Spot:
    label = shortened(point.label, _LETTERS)
    return Spot(label, point.intensity_ops_per_byte, point.ops_per_s, area(point))
