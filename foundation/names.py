"""Names that other tools give become names that our format takes."""

from __future__ import annotations

import re
from collections.abc import Callable

LONGEST = 150


class Names:
    """Hands out names, each once."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def unique(self, name: str) -> str:
        """Return ``name`` with ``_`` for what may not stand in one, numbered if it is taken."""
        result = numbered(plain_name(name), self._taken.__contains__)
        self._taken.add(result)
        return result


def numbered(name: str, is_taken: Callable[[str], bool]) -> str:
    """Return ``name``, or the first of ``name_2``, ``name_3`` and so on that isn't taken."""
    number, result = 1, name
    while is_taken(result):
        number += 1
        result = f"{name}_{number}"
    return result


def plain_name(name: str) -> str:
    """Return ``name`` with ``_`` for every character that a name may not have."""
    plain = re.sub(r"[^A-Za-z0-9_./-]", "_", name)[:LONGEST]
    return plain if re.match("[A-Za-z_]", plain) else f"_{plain}"
