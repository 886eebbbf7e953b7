"""The text of a file that a user names, or one message that says why it can't be read."""

from __future__ import annotations

from pathlib import Path

from foundation.errors import RooftileError

MAX_SIZE_BYTES = 1_000_000


def read_text(
    path: Path,
    error: type[RooftileError],
    kind: str = "a YAML file",
    *,
    most_bytes: int = MAX_SIZE_BYTES,
) -> str:
    """Return the text of the file at ``path``; ``kind`` is what the user should give.

    Raises
    ------
    RooftileError
        Of class ``error``: there is no such file, it can't be read, or isn't UTF-8 text.
    """
    try:
        if path.is_dir():
            raise error(f"{path}: is a folder; give {kind}")
        if not path.exists():
            raise error(f"{path}: no such file")
        if not path.is_file():
            raise error(f"{path}: isn't a regular file; give {kind}")
        size_bytes = path.stat().st_size
        if size_bytes > most_bytes:
            raise error(f"{path}: has {size_bytes} bytes but at most {most_bytes} are read")
        content = path.read_bytes()
    except OSError as problem:
        raise error(f"{path}: can't be read: {problem.strerror}") from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = content.count(b"\n", 0, problem.start) + 1
        raise error(f"{path}:{line}: isn't UTF-8 text; give {kind}") from None
