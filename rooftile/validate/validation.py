"""What a comparison comes to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """The outcome of a comparison: text to print, and whether all of it agrees."""

    text: str
    passed: bool
