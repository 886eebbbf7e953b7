"""What all pictures have in common: paper, fonts, colours, axes. Equal drawings are equal bytes."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Colours that people with any colour vision tell apart: M. Okabe and K. Ito, "Color Universal
#: Design", 2008. Black is left to text, and yellow, which white paper swallows, comes last.
BLUE, VERMILION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ORANGE, SKY, YELLOW = "#E69F00", "#56B4E9", "#F0E442"
PALETTE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, YELLOW)
#: Of what is left over, or is no colour's matter.
LIGHT_GREY, GREY, TEXT = "#c8c8c8", "#767676", "#404040"
#: Hatches tell apart what comes after the palette's end.
HATCHES = ("", "////", "....", "xxxx")
#: Of designs side by side.
MARKS = ("o", "s", "^", "D", "v", "P")
LINES: tuple[Any, ...] = ("-", "--", "-.", ":")
#: Of heat maps: one hue from light to dark, so that its order survives any colour vision, and grey.
HEAT_MAP = "Blues"
SIZE_INCHES = (9.0, 5.6)
SUFFIXES = (".png", ".svg", ".pdf")

#: Nothing of a file may tell when, or with which settings of a user, it was made.
_METADATA: dict[str, dict[str, Any]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None},
}
_SETTINGS: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "font.size": 9,
    "hatch.linewidth": 0.6,
    "svg.fonttype": "path",
    "svg.hashsalt": "rooftile",
}
_DOTS_PER_INCH = 150
#: Letters of a title of 11 points, and of a label of 9 points, in an inch.
_TITLE_LETTERS_PER_INCH = 12.5
_LETTERS_PER_INCH = 12
#: What may stand to the left of a title.
_MARGIN_INCHES = 2.0


@contextmanager
def drawn(files: Iterable[tuple[str, Path | BytesIO]]) -> Iterator[Figure]:
    """Give a figure to draw on, which is then saved to files, each with its suffix."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_SETTINGS)
        figure = Figure(figsize=SIZE_INCHES, layout="constrained")
        FigureCanvasAgg(figure)
        yield figure
        for suffix, file in files:
            figure.savefig(file, format=suffix[1:], dpi=_DOTS_PER_INCH, metadata=_METADATA[suffix])


def style(axes: Axes, title: str, x_label: str, y_label: str) -> None:
    """Give axes their title, their labels, all wrapped to the picture's size, and a light grid."""
    box, dots = axes.figure.bbox, axes.figure.get_dpi()
    title_inches = box.width / dots - _MARGIN_INCHES
    lines = textwrap.wrap(title, int(title_inches * _TITLE_LETTERS_PER_INCH))
    axes.set_title("\n".join(lines), loc="left", fontsize=11)
    axes.set_xlabel(wrapped(x_label, box.width / dots))
    axes.set_ylabel(wrapped(y_label, box.height / dots))
    axes.grid(True, which="major", color="#e6e6e6", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def wrapped(label: str, inches: float) -> str:
    """Return an axis's label in as many lines as its length needs."""
    lines = [textwrap.wrap(line, int(inches * _LETTERS_PER_INCH)) for line in label.split("\n")]
    return "\n".join(text for line in lines for text in line)


_HUNDRED, _HUGE = 100, 1e7
#: The least share that is 1 % when rounded.
LEAST_SHARE = 0.005


def percent(share: float) -> str:
    """Return a share in whole percents: ``<1%`` rather than ``0%``."""
    return f"{share:.0%}" if share >= LEAST_SHARE else "<1%"


def shortened(text: str, letters: int) -> str:
    """Return text with its middle left out where it has more letters."""
    if len(text) > letters:
        half = (letters - 1) // 2
        text = f"{text[:half]}…{text[len(text) - (letters - 1 - half) :]}"
    return text.replace("$", r"\$")  # which would begin a formula


def distinct_names(names: Sequence[str], others: Sequence[str]) -> list[str]:
    """Return names, or the others where these aren't distinct."""
    return list(names if len(set(names)) == len(names) else others)


def format_ratio(value: float) -> str:
    """Return a number with three digits, as a power only if it is huge: ``1,067``, ``0.82``."""
    return f"{value:,.0f}" if _HUNDRED <= abs(value) < _HUGE else f"{value:.3g}"


def plain_ticks(axes: Axes, unit: str) -> None:
    """Write ticks of logarithmic axes without powers: ``0.1``, ``1,000``; ``100 G`` of a unit."""
    from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

    axes.yaxis.set_major_formatter(EngFormatter(unit=unit))
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:,g}")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(numticks=9))
        axis.set_minor_formatter(NullFormatter())
