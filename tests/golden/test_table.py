"""The table of a small network, character by character."""

from __future__ import annotations

from pathlib import Path

import pytest

from accel.spec_file import load_preset
from reports.tables import report_table
from tests.reports.runs import SMALL, run

HERE = Path(__file__).parent


@pytest.mark.parametrize("hardware", ["edge_32x32", "tpu_v1"])
def test_the_table_of_a_small_network(hardware: str, update_golden: bool) -> None:
    text = report_table(run(SMALL, load_preset(hardware)).report) + "\n"
    golden = HERE / f"table-small-{hardware}.txt"
    if update_golden:
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")
