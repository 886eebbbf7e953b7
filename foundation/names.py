"""Names that other tools give become names that our format takes."""

from __future__ import annotations

import re

LONGEST = 150


class Names:
    """Hands out names, each once."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def unique(self, name: str) -> str:
        """Return ``name`` with ``_`` for what may not stand in one, numbered if it is taken."""
        plain = plain_name(name)
        number, result = 1, plain
        while result in self._taken:
            number += 1
            result = f"{plain}_{number}"
        self._taken.add(result)
        return result


def plain_name(name: str) -> str:
    """Return ``name`` with ``_`` for every character that a name may not have."""
    plain = re.sub(r"[^A-Za-z0-9_./-]", "_", name)[:LONGEST]
    return plain if re.match("[A-Za-z_]", plain) else f"_{plain}"
