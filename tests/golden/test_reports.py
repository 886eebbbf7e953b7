"""The table of a small network and the explanation of its layers, character by character."""

from __future__ import annotations

import pytest

from accel.spec_file import load_preset
from reports.explain import explain_text
from reports.tables import report_table
from tests.golden.golden import Golden
from tests.reports.runs import SMALL, run

HARDWARE = ["edge_32x32", "tpu_v1"]


@pytest.mark.parametrize("hardware", HARDWARE)
def test_the_table_of_a_small_network(hardware: str, golden: Golden) -> None:
    text = report_table(run(SMALL, load_preset(hardware)).report)
    golden.check(f"table-small-{hardware}.txt", text + "\n")


@pytest.mark.parametrize("hardware", HARDWARE)
@pytest.mark.parametrize("layer", ["conv", "crop"])
def test_the_explanation_of_a_layer(hardware: str, layer: str, golden: Golden) -> None:
    result = run(SMALL, load_preset(hardware))
    text = explain_text(result.report, result.plan, layer)
    golden.check(f"explain-small-{layer}-{hardware}.txt", text + "\n")
