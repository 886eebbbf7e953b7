"""Tables and text as HTML for notebooks; all that they say is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape


def html_table(heads: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """Return a table: ``body`` has a cell for each of ``heads`` in every row."""
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in body
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def html_title(text: str) -> str:
    """Return what stands above a table."""
    return f"<p><b>{escape(text)}</b></p>"


def html_lines(lines: Sequence[str]) -> str:
    """Return lines as a paragraph; nothing where there are none."""
    return f"<p>{'<br>'.join(map(escape, lines))}</p>" if lines else ""


def html_code(text: str) -> str:
    """Return text as it is written, spaces and line ends kept."""
    return f"<pre>{escape(text)}</pre>"
