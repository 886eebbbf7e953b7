"""Pictures of pages: the script's list, the folder and the documentation agree."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.pictures import FOLDER, PICTURES, ROOT

MOST_BYTES = 300_000


def shown(document: Path) -> set[str]:
    """Return the names of the pictures of pages that a document shows, which must be there."""
    links = re.findall(r"!\[[^\]]+\]\(([^)]*docs/pages/[^)]*)\)", document.read_text())
    files = [(document.parent / link).resolve() for link in links]
    assert all(file.parent == FOLDER for file in files)
    return {file.name for file in files}


def test_every_picture_is_made_and_shown() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(PICTURES)
    assert shown(ROOT / "reports" / "page" / "README.md") == set(PICTURES)


@pytest.mark.parametrize("document", ["README.md", "rooftile/explore/README.md"])
def test_others_show_some_of_them(document: str) -> None:
    assert shown(ROOT / document) == {"explore.png"}


def test_pictures_are_small_and_of_their_windows_size() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < MOST_BYTES
    for name, (window, _) in PICTURES.items():
        header = (FOLDER / name).read_bytes()[:24]
        assert header.startswith(b"\x89PNG")
        size = int.from_bytes(header[16:20]), int.from_bytes(header[20:24])
        assert size == (window.width, window.height)
