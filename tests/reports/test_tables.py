"""Tables: grouping, alignment, and HTML for notebooks."""

from __future__ import annotations

import re
from dataclasses import replace

from accel.spec_file import load_preset
from reports.tables import FOOTNOTES, aligned, report_table, rows
from tests.reports.runs import VIEWS, run, small


def test_layers_that_differ_in_a_number_only_are_one_row() -> None:
    assert [(row.name, len(row.layers)) for row in rows(small().report)] == [
        ("conv", 1),
        ("pool", 1),
        ("flat", 1),
        ("crop", 1),
        ("fc.*", 2),
    ]


def test_layers_of_other_work_are_rows_of_their_own() -> None:
    report = small().report
    other = replace(report.layers[-1], work_number=99)
    report = replace(report, layers=(*report.layers[:-1], other))
    assert [row.name for row in rows(report)][-2:] == ["fc.0", "fc.1"]


def test_columns_are_aligned() -> None:
    heads, rule, *body = aligned(["x"] * 14, [["1"] * 14, ["123"] * 14])
    columns = [match.span() for match in re.finditer("-+", rule)]
    for line in (heads, *body):
        assert all(line[start:end].strip() for start, end in columns)
        assert all(line[end : end + 2].strip() == "" for _, end in columns)


def test_the_table_has_no_escapes_and_ends_in_its_footnotes() -> None:
    text = report_table(small().report)
    assert "\x1b" not in text
    assert text.endswith("\n".join(FOOTNOTES))
    assert not [line for line in text.splitlines() if line != line.rstrip()]


def test_a_network_of_views_has_a_table() -> None:
    assert "Nothing takes time." in report_table(run(VIEWS, load_preset("edge_32x32")).report)


def test_html_escapes_what_the_user_named() -> None:
    report = replace(small().report, network="<b>")
    shown = report._repr_html_()
    assert "&lt;b&gt;" in shown
    assert shown.count("<tr>") == 1 + len(rows(report))
