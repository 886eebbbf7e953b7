"""Puts web pages together that need no other file and no network: text, styles, scripts, data."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha256
from html import escape
from pathlib import Path
from string import Template
from typing import Any

PAGES = Path(__file__).resolve().parent / "page"

#: The charting library, embedded as it is.
LIBRARY = "vendor/echarts.min.js"
#: The page's own scripts in the order in which they run: each uses only what stands before it.
SCRIPTS = (
    *("dom", "format", "view", "theme", "definitions", "charts"),
    *("panel_numbers", "panel_filter", "panel_table", "panel_roofline", "panel_stacks"),
    *("timeline_data", "panel_timeline", "panel_parallel", "panel_pareto"),
    *("panel_configuration", "details", "main"),
)


@cache
def page_text(name: str) -> str:
    """Return the text of a file of the folder of pages."""
    return (PAGES / name).read_text(encoding="utf-8")


def embedded(record: Mapping[str, Any]) -> str:
    """Return a record as JSON that may stand inside a script element.

    There, text that looks like the element's end would end it.
    """
    data = json.dumps(record, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return data.replace("<", "\\u003c")


def report_page(title: str, views: Sequence[Mapping[str, Any]]) -> str:
    """Return views as one HTML page; no text in them can become markup or script.

    Parameters
    ----------
    title
        Of the page.
    views
        What can be looked at, one at a time: see ``reports/page/README.md``.
    """
    library = page_text(LIBRARY)
    script = "\n".join(['"use strict";', *(page_text(f"report/{name}.js") for name in SCRIPTS)])
    return Template(page_text("report.html")).substitute(
        title=escape(title),
        style=page_text("report.css"),
        library=library,
        script=script,
        # Only these two scripts may run, whatever the data says.
        script_hashes=" ".join(f"'{_hash(text)}'" for text in (library, script)),
        data=embedded({"title": title, "views": list(views)}),
    )


def _hash(text: str) -> str:
    """Return the hash by which a browser knows a script."""
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"
