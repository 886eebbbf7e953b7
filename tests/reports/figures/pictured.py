"""Pictures with everything in its place, and whether their text can be read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO
from itertools import combinations
from math import cos, radians, sin
from typing import Any

from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.text import Text

from reports.figures.style import drawn

Corners = list[tuple[float, float]]


def pictured(shown: Any, draw: Callable[[Figure, Any], None]) -> Figure:
    """Return what is drawn, as it is saved."""
    with drawn([(".png", BytesIO())]) as figure:
        draw(figure, shown)
    return figure


def assert_readable(figure: Figure) -> None:
    """Check that no text is cut off by the picture's edge, or lies on other text."""
    figure.draw_without_rendering()
    texts = [(text.get_text(), _corners(text)) for text in _visible(figure)]
    width, height = figure.bbox.width, figure.bbox.height
    assert texts
    for text, corners in texts:
        inside = all(-1 <= x <= width + 1 and -1 <= y <= height + 1 for x, y in corners)
        assert inside, f"'{text}' is cut off"
    for (one, a), (other, b) in combinations(texts, 2):
        assert _are_apart(a, b), f"'{one}' lies on '{other}'"


def _visible(figure: Figure) -> Iterator[Text]:
    hidden = {id(text) for axis in figure.findobj(Axis) for text in _unseen(axis)}
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        is_shown = text.get_visible() and text.get_text().strip()
        if is_shown and id(text) not in hidden:
            yield text


def _unseen(axis: Any) -> Iterator[Text]:
    """Yield labels of ticks that aren't drawn: outside the axis, or of hidden ones."""
    low, high = sorted(axis.get_view_interval())
    drawn_ticks = {id(tick) for tick in axis._update_ticks()}
    for tick in [*axis.majorTicks, *axis.minorTicks]:
        slack = 1e-9 * (high - low)
        is_inside = low - slack <= tick.get_loc() <= high + slack
        if id(tick) not in drawn_ticks or not is_inside or not axis.get_visible():
            yield from (tick.label1, tick.label2)


def _corners(text: Text) -> Corners:
    """Return the corners of the text's own rectangle, which a slanted text has, too."""
    angle = text.get_rotation()
    straight = Text.get_window_extent(text)  # without the line that leads to what it names
    if angle % 90 == 0:
        (x0, y0), (x1, y1) = straight.min, straight.max
        return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
    text.set_rotation(0)
    flat = Text.get_window_extent(text)
    text.set_rotation(angle)
    c, s = cos(radians(angle)), sin(radians(angle))
    middle = (straight.x0 + straight.x1) / 2, (straight.y0 + straight.y1) / 2
    halves = [(i * flat.width / 2, j * flat.height / 2) for i, j in _SIGNS]
    return [(middle[0] + c * x - s * y, middle[1] + s * x + c * y) for x, y in halves]


_SIGNS = ((-1, -1), (1, -1), (1, 1), (-1, 1))


def _are_apart(a: Corners, b: Corners) -> bool:
    """Whether a line along an edge of one rectangle parts the two (separating axes)."""
    for corners in (a, b):
        for (x0, y0), (x1, y1) in zip(corners, [*corners[1:], corners[0]], strict=True):
            normal = (y1 - y0, x0 - x1)
            spans = [[x * normal[0] + y * normal[1] for x, y in each] for each in (a, b)]
            slack = 0.5 * (normal[0] ** 2 + normal[1] ** 2) ** 0.5
            if max(spans[0]) <= min(spans[1]) + slack or max(spans[1]) <= min(spans[0]) + slack:
                return True
    return False
