"""A picture as files: the drawing, and beside it a CSV with all that it shows."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from io import BytesIO, StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from foundation.errors import OutputError
from foundation.output_file import check_output_file, write_output_file
from reports.figures.style import SUFFIXES, drawn

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Shown(Protocol):
    """What a picture shows, as data."""

    def records(self) -> list[dict[str, Any]]:
        """Return flat mappings with the same keys, each of which ends in its unit."""


S = TypeVar("S", bound=Shown)


def check_picture(path: Path, inputs: Iterable[Path] = ()) -> None:
    """Raise OutputError unless a picture can be written: before the work, not after it.

    Parameters
    ----------
    path
        Of the picture: its suffix says the format.
    inputs
        Files that it is made from, which its data mustn't replace.
    """
    if path.suffix not in SUFFIXES:
        *others, last = SUFFIXES
        raise OutputError(
            f"output '{path}': its suffix must be {', '.join(others)} or {last} but is"
            f" '{path.suffix}'; rename it"
        )
    data = data_path(path)
    for given in inputs:
        if given.exists() and data.resolve() == given.resolve():
            raise OutputError(
                f"output '{path}': its data, '{data}', would replace what it is made from; choose"
                " another name"
            )
    check_output_file(path)
    check_output_file(data)


def data_path(path: Path) -> Path:
    """Return where the data of a picture stands."""
    return path.with_suffix(".csv")


def write_picture(path: Path, shown: S, draw: Callable[[Figure, S], None]) -> None:
    """Draw what is shown into a file, and write its data beside it. Equal input, equal bytes.

    Raises
    ------
    OutputError
        When they can't be written, or the format isn't known.
    """
    check_picture(path)
    image = BytesIO()
    with drawn([(path.suffix, image)]) as figure:
        draw(figure, shown)
    write_output_file(path, [image.getvalue()])
    write_output_file(data_path(path), [as_csv(shown.records())])


def as_csv(records: list[dict[str, Any]]) -> str:
    """Return records as CSV with a header; None is empty."""
    stream = StringIO()
    writer = csv.DictWriter(stream, fieldnames=list(records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return stream.getvalue()
