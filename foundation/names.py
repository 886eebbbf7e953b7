"""Names that other tools give become names that our format takes."""

from __future__ import annotations

import re
from collections.abc import Callable

LONGEST = 150


class Names:
    """Hands out names, each once.

    Parameters
    ----------
    is_taken
        Whether a name is taken; by default those are that were handed out.
    """

    def __init__(self, is_taken: Callable[[str], bool] | None = None) -> None:
        self._given: set[str] = set()
        self._is_taken = is_taken or self._given.__contains__
        # The number at which the last search for each name ended: many may ask for the same one.
        self._numbers: dict[str, int] = {}

    def unique(self, name: str) -> str:
        """Return ``name`` with ``_`` for what may not stand in one.

        If it is taken, ``name_2``, ``name_3`` and so on are tried.
        """
        plain = plain_name(name)
        number = self._numbers.get(plain, 1)
        while self._is_taken(result := plain if number == 1 else f"{plain}_{number}"):
            number += 1
        self._numbers[plain] = number
        self._given.add(result)
        return result


def plain_name(name: str) -> str:
    """Return ``name`` with ``_`` for every character that a name may not have."""
    plain = re.sub(r"[^A-Za-z0-9_./-]", "_", name)[:LONGEST]
    return plain if re.match("[A-Za-z_]", plain) else f"_{plain}"
