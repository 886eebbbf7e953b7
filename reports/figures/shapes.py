"""A heat map over array shapes from a table: a result for each number of rows and columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from foundation.errors import RooftileError
from reports.figures.heat import Heat, draw_heat
from reports.figures.style import format_ratio, shortened, style
from reports.figures.table import Scale, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROWS, COLUMNS = "rows", "columns"
#: Rows or columns of a picture, at most.
_MOST = 64
#: Colours go by the logarithm if the largest value is so many times the smallest.
_WIDE = 10
_NOTHING = float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayShapes:
    """Results by shape, None where the table has none; both axes ascend."""

    title: str
    column: str
    scale: Scale
    rows: tuple[int, ...]
    columns: tuple[int, ...]
    values: tuple[tuple[float | None, ...], ...]

    def records(self) -> list[dict[str, Any]]:
        """Return a line for each shape that has a result."""
        return [
            {ROWS: r, COLUMNS: c, self.column: value}
            for r, row in zip(self.rows, self.values, strict=True)
            for c, value in zip(self.columns, row, strict=True)
            if value is not None
        ]


def array_shapes(table: Table, column: str) -> ArrayShapes:
    """Return the results of a table with the columns rows, columns and a result.

    Raises
    ------
    RooftileError
        A column is missing, a size isn't a whole number, a shape is there twice, or there are too
        many.
    """
    rows, columns = _sizes(table, ROWS), _sizes(table, COLUMNS)
    results = table.numbers(column)
    found: dict[tuple[int, int], float] = {}
    for i, shape in enumerate(zip(rows, columns, strict=True)):
        if shape in found:
            raise table.failure(i, ROWS, f"shape {shape[0]}x{shape[1]} is there twice; remove one")
        found[shape] = results[i]
    heights, widths = tuple(sorted(set(rows))), tuple(sorted(set(columns)))
    if max(len(heights), len(widths)) > _MOST:
        raise RooftileError(
            f"{table.name}: has {len(heights)} numbers of rows and {len(widths)} of columns but at"
            f" most {_MOST} of each are drawn; leave some out"
        )
    return ArrayShapes(
        title=f"{table.title}: {table.scale(column).label} by the shape of the array",
        column=column,
        scale=table.scale(column),
        rows=heights,
        columns=widths,
        values=tuple(tuple(found.get((r, c)) for c in widths) for r in heights),
    )


def _sizes(table: Table, column: str) -> list[int]:
    numbers = table.numbers(column, least=1)
    for i, number in enumerate(numbers):
        if number != int(number):
            raise table.failure(i, column, f"must be a whole number but is {number:g}")
    return [int(number) for number in numbers]


def draw_array_shapes(figure: Figure, shapes: ArrayShapes) -> None:
    """Draw a cell for each shape."""
    values = [value for row in shapes.values for value in row if value is not None]
    figure.set_size_inches(
        3.2 + 0.62 * max(5, min(len(shapes.columns), 12)), 1.4 + 0.42 * max(5, len(shapes.rows))
    )
    axes = figure.add_subplot()
    style(axes, shortened(shapes.title, 200), "columns of the array (PEs)", "rows (PEs)")
    heat = Heat(
        rows=[str(r) for r in shapes.rows],
        columns=[str(c) for c in shapes.columns],
        values=_filled(shapes.values),
        low=min(values),
        high=max(values),
        label=shapes.scale.label,
        ticks=shapes.scale.text,
        text=_short(shapes.scale),
        is_log=0 < min(values) < max(values) / _WIDE,
    )
    draw_heat(figure, axes, heat)


def _short(scale: Scale) -> Callable[[float], str]:
    """Return what writes a number into a cell."""
    return (lambda value: scale.text(float(f"{value:.3g}"))) if scale.unit else format_ratio


def _filled(values: Sequence[Sequence[float | None]]) -> list[list[float]]:
    return [[_NOTHING if value is None else value for value in row] for row in values]
