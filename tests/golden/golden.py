"""Text files that say, character by character, what the code gives."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """Golden files of one folder.

    Parameters
    ----------
    folder
        Where they lie.
    is_update
        Rewrite instead of compare.
    """

    folder: Path
    is_update: bool

    def check(self, name: str, text: str) -> None:
        """Compare text with a file; run with ``--update-golden`` where a change is meant."""
        path = self.folder / name
        if self.is_update:
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8")
