"""The files of the page, as they are sent."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from string import Template
from typing import Any

from reports.pages import LIBRARY, embedded, page_text

#: Scripts in the order in which they run, those that pages share first.
SCRIPTS = (
    *("report/dom.js", "report/format.js", "report/theme.js", "report/charts.js"),
    *("explore/session.js", "explore/knobs.js", "explore/charts.js", "explore/main.js"),
)
_STYLES = ("report.css", "explore.css")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """Bytes to send, and of what kind they are."""

    kind: str
    content: bytes


def assets(record: Mapping[str, Any]) -> dict[str, Asset]:
    """Return name to file of the page that shows a session; the page itself has no name."""
    page = Template(page_text("explore.html")).substitute(
        title=html.escape(f"{record['network']} on {record['machine']}"), data=embedded(record)
    )
    script = "\n".join(['"use strict";', *map(page_text, SCRIPTS)])
    style = "\n".join(map(page_text, _STYLES))
    return {
        "": _text("text/html", page),
        "explore.js": _text("text/javascript", script),
        "echarts.js": _text("text/javascript", page_text(LIBRARY)),
        "explore.css": _text("text/css", style),
    }


def _text(kind: str, text: str) -> Asset:
    return Asset(kind=f"{kind}; charset=utf-8", content=text.encode())
