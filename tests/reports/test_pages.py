"""Pages that need nothing else: what they embed is what it says, and no data becomes script."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from base64 import b64encode
from pathlib import Path

import pytest

from reports import pages
from reports.pages import LIBRARY, PAGES, SCRIPTS, embedded, page_text, report_page
from tests.reports.made_up_sweep import view

ROOT = Path(pages.__file__).parents[1]
ATTACKS = ["</script><script>alert(1)</script>", "<!--<script>", "${title} $data", "a\u2028b"]


def test_the_library_is_the_one_that_its_readme_names() -> None:
    readme = (PAGES / "vendor/README.md").read_text()
    rows = re.findall(r"^\| `(.+?)` \|.*\| ([\w.-]+) \| `([0-9a-f]{64})` \|$", readme, re.MULTILINE)
    assert [name for name, _, _ in rows] == [Path(LIBRARY).name]
    for name, licence, digest in rows:
        assert hashlib.sha256((PAGES / "vendor" / name).read_bytes()).hexdigest() == digest
        assert licence == "Apache-2.0"
    assert "Apache License" in (PAGES / "vendor/LICENSE").read_text()
    assert (PAGES / "vendor/NOTICE").read_text().startswith("Apache ECharts")


def test_no_script_ends_its_element() -> None:
    for name in (LIBRARY, *(f"report/{script}.js" for script in SCRIPTS)):
        assert not re.search("</script|<!--", page_text(name), re.IGNORECASE), name


def test_all_scripts_are_in_the_page_and_named_in_its_readme() -> None:
    assert sorted(path.stem for path in (PAGES / "report").iterdir()) == sorted(SCRIPTS)
    readme = (PAGES / "README.md").read_text()
    assert all(f"`{name}.js`" in readme for name in SCRIPTS)


def test_all_that_pages_are_made_of_is_installed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    patterns = project["tool"]["setuptools"]["package-data"]["reports"]
    folder = ROOT / "reports"
    installed = {path for pattern in patterns for path in folder.glob(pattern)}
    assert {path for path in PAGES.rglob("*") if path.is_file()} <= installed


@pytest.mark.parametrize("text", ATTACKS)
def test_data_comes_back_out_of_the_page(text: str) -> None:
    one = {**view(), "sentences": [text]}
    page = report_page(text, [one])
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert json.loads(data) == {"title": text, "views": [one]}
    assert embedded({"text": text}).count("<") == 0
    assert page.count("<script") == 3 + page_text(LIBRARY).count("<script")


def test_only_the_pages_own_scripts_may_run() -> None:
    page = report_page("made up", [view()])
    (policy,) = re.findall(r'Content-Security-Policy"\s+content="(.*?)"', page)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    scripts = re.findall(r"<script>(.*?)</script>", page, re.S)
    digests = [b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in scripts]
    assert rules["script-src"].split() == [f"'sha256-{digest}'" for digest in digests]
    assert set(rules) == {"default-src", "script-src", "style-src", "base-uri", "form-action"}


def test_the_pages_own_files_name_nothing_outside() -> None:
    for name in ("report.html", "report.css", *(f"report/{script}.js" for script in SCRIPTS)):
        text = page_text(name)
        assert not re.search(r"https?:|@import|url\(|\s(src|srcset|action)\s*=", text), name
        assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", text), (
            name
        )


def test_equal_views_give_equal_pages() -> None:
    assert report_page("made up", [view()]) == report_page("made up", [view()])
