"""A design from a YAML file of its peaks alone, with dots that somebody measured."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from accel.model_types import Bandwidth, Intensity, Part, Performance
from foundation.document import Document, Path_, json_schema, parse, read
from foundation.errors import SpecError, nearest
from reports.figures.machine_roofline import Design, Level, Peak, Point

_PUBLISHED = Path(__file__).resolve().parent / "published"
_Text = Annotated[str, Field(min_length=1, max_length=200)]


class DotPart(Part):
    """A dot: what was measured, and at which bandwidth."""

    name: _Text
    intensity: Intensity
    performance: Performance
    level: _Text | None = Field(
        default=None, description="Key of a bandwidth; needn't be given if there is one only."
    )
    share: Annotated[float, Field(gt=0, le=1)] | None = Field(
        default=None, description="Share of the time, which is the dot's area."
    )


class PeaksFile(Part):
    """The peaks of a machine: what it computes and moves at most."""

    name: _Text
    notes: str = ""
    peaks: Annotated[dict[_Text, Performance], Field(min_length=1)]
    bandwidths: Annotated[dict[_Text, Bandwidth], Field(min_length=1)]
    dots: list[DotPart] = Field(default=[])


def published_names() -> list[str]:
    """Return the names of the peaks files that come with Rooftile, sorted."""
    return sorted(path.stem for path in _PUBLISHED.glob("*.yaml"))


def published_path(name: str) -> Path:
    """Return the path of a peaks file that comes with Rooftile."""
    return _PUBLISHED / f"{name}.yaml"


def load_peaks(path: Path) -> Design:
    """Return the design of a YAML file.

    Raises
    ------
    SpecError
        ``FILE:LINE: key: rule``, when it isn't one, or a dot lies above its roof.
    """
    return _design(read(path, SpecError))


def parse_peaks(text: str, name: str) -> Design:
    """Return the design of a file's text: as `load_peaks`, ``name`` is for errors."""
    return _design(parse(text, name, SpecError))


def schema() -> dict[str, Any]:
    """Return the JSON Schema of peaks files, for editors."""
    return json_schema(PeaksFile)


def _design(document: Document) -> Design:
    given = document.validate(PeaksFile)
    first = next(iter(given.bandwidths))
    design = Design(
        name=given.name,
        levels=tuple(
            Level(name=name, bytes_per_s=bandwidth, is_main=True)
            for name, bandwidth in given.bandwidths.items()
        ),
        peaks=tuple(Peak(name=name, ops_per_s=peak) for name, peak in given.peaks.items()),
        points=tuple(
            Point(
                name=dot.name,
                count=1,
                level=dot.level or first,
                intensity_ops_per_byte=dot.intensity,
                ops_per_s=dot.performance,
                time_share=dot.share,
            )
            for dot in given.dots
        ),
    )
    for number, dot in enumerate(given.dots):
        _check_dot(document, ("dots", number), design, dot)
    return design


def _check_dot(document: Document, path: Path_, design: Design, dot: DotPart) -> None:
    known = [level.name for level in design.levels]
    if dot.level is None and len(known) > 1:
        raise document.failure(
            path, f"key 'level' is missing but there are {len(known)} bandwidths; add it"
        )
    if dot.level is not None and dot.level not in known:
        raise document.failure(
            (*path, "level"),
            f"must be one of {', '.join(known)} but is '{dot.level}'{nearest(dot.level, known)}",
        )
    roof = design.attainable_ops_per_s(dot.level or known[0], dot.intensity)
    if dot.performance > roof:
        raise document.failure(
            (*path, "performance"),
            f"is {dot.performance:.4g} operations/s but the roof over its intensity is {roof:.4g};"
            " correct peaks, bandwidths or the dot",
        )
