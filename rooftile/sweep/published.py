"""Sweeps that come with Rooftile: studies of papers. ``PUBLISHED.md`` shows what they give."""

from __future__ import annotations

from pathlib import Path

from foundation.errors import SweepError, nearest
from rooftile.sources import is_there

_FOLDER = Path(__file__).resolve().parent / "published"
_ENDING = ".sweep.yaml"


def published_names() -> list[str]:
    """Return the names of the sweeps that come with Rooftile, sorted."""
    return sorted(path.name.removesuffix(_ENDING) for path in _FOLDER.glob(f"*{_ENDING}"))


def find_sweep(given: Path) -> Path:
    """Return the file of a sweep that the user names: its path, or a name of `published_names`.

    Raises
    ------
    SweepError
        It is meant as a name, and no sweep has it.
    """
    name, known = str(given), published_names()
    if is_there(given) or given.suffix in (".yaml", ".yml") or "/" in name:
        return given
    if name not in known:
        raise SweepError(
            f"sweep '{name}': neither a file nor one of {', '.join(known)}{nearest(name, known)}"
        )
    return _FOLDER / f"{name}{_ENDING}"
