"""Array cycles that were measured on other people's RTL."""

from __future__ import annotations

import csv
from pathlib import Path

from rooftile.validate.designs import validate_designs

REFERENCE = Path(__file__).with_name("third_party_rtl.csv")


def test_every_row_is_exact() -> None:
    validation = validate_designs(REFERENCE)
    assert validation.text.splitlines()[-1] == "225 rows, 225 exact"
    assert validation.passed


def test_all_three_designs_are_there() -> None:
    with REFERENCE.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["design"] for row in rows} == {
        "tiny_tpu",
        "ws_systolic_array_soc",
        "axis_systolic_array",
    }
