"""A file that is written as a whole or not at all."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path

from foundation.errors import OutputError


def check_output_file(path: Path) -> None:
    """Raise OutputError unless ``path`` can be written: before a run, not after it."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        mode = stat.S_IFREG
    except OSError as error:
        raise _cannot_write(path, error) from None
    if stat.S_ISDIR(mode):
        raise OutputError(f"output '{path}': is a folder; give the name of a file")
    if not stat.S_ISREG(mode):  # replacing a device or pipe by a file would break it
        raise OutputError(f"output '{path}': isn't a regular file; choose another name")
    parent = path.absolute().parent
    if not parent.is_dir():
        raise OutputError(f"output '{path}': its parent '{parent}' isn't a folder; make it first")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise OutputError(
            f"output '{path}': no permission to write in '{parent}'; choose another place"
        )


def write_output_file(path: Path, parts: Iterable[str] | Iterable[bytes]) -> None:
    """Write text, or bytes, part by part; a file that is there is replaced once all is written.

    Raises
    ------
    OutputError
        When it can't be written; nothing is left behind.
    """
    partial = None
    try:
        target = path.resolve()
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        partial = Path(name)
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(part.encode() if isinstance(part, str) else part for part in parts)
        partial.chmod(0o644)
        partial.replace(target)
    except OSError as error:
        raise _cannot_write(path, error) from None
    finally:
        if partial is not None:
            partial.unlink(missing_ok=True)


def _cannot_write(path: Path, error: OSError) -> OutputError:
    reason = error.strerror or str(error)
    return OutputError(
        f"output '{path}': can't be written ({reason[:1].lower()}{reason[1:]});"
        " nothing was left behind"
    )
