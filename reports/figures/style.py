"""What all pictures have in common: paper, fonts, colours, axes. Equal drawings are equal bytes."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
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
_SETTINGS = {
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "font.size": 9,
    "hatch.linewidth": 0.6,
    "svg.fonttype": "path",
    "svg.hashsalt": "rooftile",
}
_DOTS_PER_INCH = 150
#: Letters of a title of 11 points in an inch, at most.
_LETTERS_PER_INCH = 12.5


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
    """Give axes their title, wrapped to their figure's width, their labels and a light grid."""
    width = int(axes.figure.get_figwidth() * _LETTERS_PER_INCH)
    axes.set_title("\n".join(textwrap.wrap(title, width)), loc="left", fontsize=11)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.grid(True, which="major", color="#e6e6e6", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


#: The least share that is 1 % when rounded.
LEAST_SHARE = 0.005


def percent(share: float) -> str:
    """Return a share in whole percents: ``<1%`` rather than ``0%``."""
    return f"{share:.0%}" if share >= LEAST_SHARE else "<1%"


def shortened(text: str, letters: int) -> str:
    """Return text with its middle left out where it has more letters."""
    if len(text) <= letters:
        return text
    half = (letters - 1) // 2
    return f"{text[:half]}…{text[len(text) - (letters - 1 - half) :]}"
