"""Values as plain data that is the same in every process: what keys of the cache are made of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

#: Folders whose code decides what a search finds.
_SOURCES = ("accel", "foundation", "mapper")


def plain(value: object) -> Any:
    """Return a value as lists, dictionaries with text keys, numbers and text.

    Raises
    ------
    TypeError
        When it holds anything but records, enumerations, sequences, sets, mappings, numbers, text.
    """
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float | Fraction):
        return repr(value)
    if isinstance(value, Enum):
        return [type(value).__name__, value.name]
    if is_dataclass(value) and not isinstance(value, type):
        found = {one.name: plain(getattr(value, one.name)) for one in fields(value)}
        return [type(value).__name__, found]
    if isinstance(value, Mapping):
        return {str(key): plain(value[key]) for key in sorted(value)}
    if isinstance(value, frozenset):
        return sorted((plain(one) for one in value), key=as_text)
    if isinstance(value, Sequence):
        return [plain(one) for one in value]
    raise TypeError(f"{type(value).__name__} isn't plain data")


def as_text(data: object) -> str:
    """Return plain data as JSON, the same text for the same data."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"))


def digest(text: str) -> str:
    """Return 64 hexadecimal digits that stand for a text."""
    return hashlib.sha256(text.encode()).hexdigest()


@lru_cache(maxsize=1)
def version() -> str:
    """Return a digest of the code: whoever changes a formula or the map space changes it."""
    found = hashlib.sha256()
    root = Path(__file__).parents[2]
    for folder in _SOURCES:
        for path in sorted((root / folder).rglob("*.py")):
            found.update(f"{path.relative_to(root)}\n".encode())
            found.update(path.read_bytes())
    return found.hexdigest()
