"""A line on the terminal that says what is going on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

_CLEAR_LINE = "\r\033[K"


@contextmanager
def progress_line() -> Iterator[Callable[[str], None] | None]:
    """Yield what shows a text on the terminal, over the one before; None where there is none."""
    if not sys.stderr.isatty():
        yield None
        return

    def show(text: str) -> None:
        click.echo(f"{_CLEAR_LINE}{text}", err=True, nl=False)

    try:
        yield show
    finally:
        click.echo(_CLEAR_LINE, err=True, nl=False)
