"""Found mappings on disk, by the content of what was asked."""

from __future__ import annotations

import json
import os
import tempfile
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from mapper.search.encoding import as_text, digest

#: Entries that are kept, of 5 to 10 KB each: some hundred networks.
LARGEST_COUNT = 8192
#: Part of them that goes when there are too many: those that were used least recently.
_DROPPED = 0.25
#: What is being written ends in this; one that is older than an hour was left by a crash.
_NEW = ".new"
_ABANDONED_S = 3600.0


def user_folder() -> Path:
    """Return the folder for this user's mappings: ``$XDG_CACHE_HOME``, by default ``~/.cache``."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(home) if Path(home).is_absolute() else Path.home() / ".cache"
    return base / "rooftile" / "mappings"


def _warn(message: str) -> None:
    warnings.warn(message, stacklevel=2)


class MappingCache:
    """A folder of entries, a file each, named by the digest of the key.

    Parameters
    ----------
    folder
        Made when the first entry is written.
    warn
        Called with one line the first time that an entry is damaged, or can't be written; may be
        set anew.
    largest_count
        Entries that are kept.

    Notes
    -----
    An entry is written beside its place and moved there, so that it is there as a whole or not at
    all, whoever reads or writes at the same time. It holds its key and a digest of its text: one
    that is damaged, or of another key, is never used.
    """

    def __init__(
        self,
        folder: Path,
        *,
        warn: Callable[[str], None] = _warn,
        largest_count: int = LARGEST_COUNT,
    ) -> None:
        self._folder = folder
        self.warn = warn
        self._largest_count = largest_count
        self._has_warned = False
        self._room = 0

    def get(self, key: object) -> Any:
        """Return what was put under a key of plain data, None if nothing is there."""
        text = as_text(key)
        path = self._path(text)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            self.say(f"mapping cache '{path}': can't be read ({error.strerror}); it isn't used")
            return None
        value = _entry(content, text)
        if value is None:
            self.say(f"mapping cache '{path}': the entry is damaged; it is made anew")
            return None
        with suppress(OSError):
            os.utime(path)
        return value

    def put(self, key: object, value: object) -> None:
        """Write plain data under a key."""
        text = as_text(key)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._make_room()
            self._write(self._path(text), _content(text, as_text(value)))
        except OSError as error:
            self.say(
                f"mapping cache '{self._folder}': can't be written ({error.strerror}); it isn't"
                " used"
            )

    def say(self, message: str) -> None:
        """Warn, if it is the first time."""
        if not self._has_warned:
            self._has_warned = True
            self.warn(message)

    def _path(self, key_text: str) -> Path:
        return self._folder / f"{digest(key_text)}.json"

    def _write(self, path: Path, content: str) -> None:
        handle, name = tempfile.mkstemp(dir=self._folder, suffix=_NEW)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(content)
            Path(name).replace(path)
        except BaseException:
            with suppress(OSError):
                Path(name).unlink()
            raise
        self._room -= 1

    def _make_room(self) -> None:
        """Drop what was used least recently, and what others left half-written, when full.

        Counts again only when as many entries may have been written as there was room for.
        """
        if self._room > 0:
            return
        found: list[tuple[float, str]] = []
        with os.scandir(self._folder) as entries:
            for entry in entries:
                with suppress(OSError):
                    found.append((entry.stat().st_mtime, entry.path))
        found.sort()
        ages = [one for one in found if one[1].endswith(".json")]
        # Somebody may still write one that is young.
        left = [
            one for one in found if one[1].endswith(_NEW) and one[0] < found[-1][0] - _ABANDONED_S
        ]
        surplus = 0
        if len(ages) >= self._largest_count:
            surplus = max(1, len(ages) - int(self._largest_count * (1 - _DROPPED)))
        for _, path in (*left, *ages[:surplus]):
            with suppress(OSError):
                Path(path).unlink()
        # Others may write as well: half of the room is left to them.
        self._room = max(1, (self._largest_count - len(ages) + surplus) // 2)


def _content(key_text: str, value_text: str) -> str:
    """Return an entry's file: a digest of the rest, the key and the value, a line each."""
    return f"{digest(key_text + value_text)}\n{key_text}\n{value_text}\n"


def _entry(content: bytes, key_text: str) -> Any:
    """Return the value of an entry's file, None if it is damaged or of another key."""
    try:
        _, key, value, _ = content.decode().split("\n")
    except ValueError:
        return None
    if key != key_text or content.decode() != _content(key, value):
        return None
    return json.loads(value)
