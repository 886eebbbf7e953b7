"""Where text goes: beside what it names, and never on other text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product
from math import pi
from typing import TYPE_CHECKING, Any, NamedTuple

from reports.figures.style import GREY, TEXT

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Annotation
    from matplotlib.transforms import Bbox

#: Pixels between a dot's name and other names, and other dots, which its halo would cover.
_GAP = 3
_GAP_TO_DOTS = 1.5
#: Pixels between two names in the margin.
_MARGIN_GAP = 2.0
#: Letters of 8 points in an inch of a legend, and as many as a mark takes.
_LETTERS_PER_INCH = 12
_LETTERS_OF_MARK = 7
_POINTS_PER_INCH = 72


class Spot(NamedTuple):
    """A dot with a name: its place in data, its area in points squared."""

    label: str
    x: float
    y: float
    area: float


def write(
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


def boxes_along(text: Annotation) -> list[Bbox]:
    """Return small boxes that cover a slanted text, whose bounding box is mostly empty."""
    from matplotlib.transforms import Bbox

    box = text.get_window_extent()
    pieces = max(1, len(text.get_text()) // 2)
    width, height = box.width / pieces, box.height / pieces
    return [
        Bbox.from_bounds(box.x0 + i * width, box.y0 + i * height, width, height)
        for i in range(pieces)
    ]


def collide(boxes: Iterable[Bbox], occupied: Sequence[Bbox]) -> bool:
    """Whether any of the boxes overlaps what is occupied."""
    return any(box.overlaps(other) for box in boxes for other in occupied)


def spot_box(axes: Axes, spot: Spot) -> Bbox:
    """Return the square in a dot's circle, in pixels: corners may be written on."""
    from matplotlib.transforms import Bbox

    x, y = axes.transData.transform((spot.x, spot.y))
    half = (spot.area / pi / 2) ** 0.5 * axes.figure.get_dpi() / _POINTS_PER_INCH
    return Bbox.from_extents(x - half, y - half, x + half, y + half)


def name_spots(
    axes: Axes, spots: Sequence[Spot], texts: Sequence[Bbox], dots: Sequence[Bbox]
) -> None:
    """Name dots, as far as there is room for their names; for the first one dots may give way.

    Parameters
    ----------
    axes
        Whose limits and size are final.
    spots
        Those to name, the most important first.
    texts, dots
        Pixels of other text, and of all dots.
    """
    placed, drawn = list(texts), [box.padded(_GAP_TO_DOTS) for box in dots]
    for number, spot in enumerate(spots):
        away = (spot.area / pi) ** 0.5 + 2
        aside = away / 2**0.5
        sides = (
            (0, -away, "center", "top"),
            (0, away, "center", "bottom"),
            (away, 0, "left", "center"),
            (-away, 0, "right", "center"),
            (aside, -aside, "left", "top"),
            (-aside, aside, "right", "bottom"),
        )
        # A side where nothing is; or, for the first dot, one where only dots are.
        crowds = [[*placed, *drawn], *([placed] if number == 0 else [])]
        for occupied, (x, y, ha, va) in product(crowds, sides):
            text = write(
                axes, spot.label, (spot.x, spot.y), (x, y), ha=ha, va=va, fontsize=7.5, zorder=4
            )
            box = text.get_window_extent()
            if _is_inside(axes, box) and not collide([box], occupied):
                placed.append(box.padded(_GAP))
                break
            text.remove()


def _is_inside(axes: Axes, box: Bbox) -> bool:
    frame = axes.bbox
    is_across = frame.x0 + _GAP <= box.x0 and box.x1 <= frame.x1 - _GAP
    return bool(is_across and frame.y0 <= box.y0 and box.y1 <= frame.y1)


def legend_beneath(figure: Figure, handles: Sequence[Artist], title: str | None) -> None:
    """Put a legend below the axes, in as many columns as its names leave room for."""
    longest = max((len(str(handle.get_label())) for handle in handles), default=1)
    columns = int(figure.get_figwidth() * _LETTERS_PER_INCH // (longest + _LETTERS_OF_MARK))
    figure.legend(
        handles=handles,
        loc="outside lower left",
        ncols=max(1, min(columns, len(handles))),
        frameon=False,
        fontsize=8,
        title=title,
        title_fontsize=8,
        alignment="left",
    )


def name_heights(figure: Figure, axes: Axes, names: Sequence[tuple[float, str]]) -> None:
    """Write names in the right margin at heights in data, apart from each other."""
    ordered = sorted(names)
    texts = [
        axes.annotate(
            name,
            (1.0, height),
            (12, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            va="center",
            color=TEXT,
            fontsize=7.5,
            arrowprops={"arrowstyle": "-", "color": GREY, "lw": 0.6, "shrinkA": 0, "shrinkB": 0},
            annotation_clip=False,
        )
        for height, name in ordered
    ]
    figure.draw_without_rendering()
    sizes = [text.get_window_extent() for text in texts]
    wanted = [axes.transData.transform((1.0, height))[1] for height, _ in ordered]
    points = _POINTS_PER_INCH / figure.get_dpi()
    halves = [(box.height + _MARGIN_GAP) / 2 for box in sizes]
    for text, place, at in zip(texts, apart(wanted, halves), wanted, strict=True):
        text.set_position((12, (place - at) * points))


def apart(wanted: Sequence[float], halves: Sequence[float]) -> list[float]:
    """Return centres near those wanted, in order, such that none overlap.

    Parameters
    ----------
    wanted
        Ascending centres.
    halves
        Half of each one's size.
    """
    groups: list[list[int]] = []
    centres: list[float] = []

    def centre(group: list[int]) -> float:
        """Return the middle of a stack that is nearest to what its members want."""
        bottom, offsets = 0.0, []
        for i in group:
            offsets.append(wanted[i] - (bottom + halves[i]))
            bottom += 2 * halves[i]
        return sum(offsets) / len(offsets) + bottom / 2

    def half(group: list[int]) -> float:
        return sum(halves[i] for i in group)

    for number in range(len(wanted)):
        groups.append([number])
        centres.append(wanted[number])
        while len(groups) > 1 and centres[-2] + half(groups[-2]) > centres[-1] - half(groups[-1]):
            last = groups.pop()
            centres.pop()
            groups[-1] += last
            centres[-1] = centre(groups[-1])
    places = [0.0] * len(wanted)
    for group, middle in zip(groups, centres, strict=True):
        bottom = middle - half(group)
        for i in group:
            places[i] = bottom + halves[i]
            bottom += 2 * halves[i]
    return places
