"""Two runs side by side: laws of speed-ups, and numbers computed apart from the code."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from io import StringIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel.spec_file import load_preset
from foundation.errors import OutputError
from reports.compare import Comparison, compare_runs
from reports.compare_records import comparisons_csv, comparisons_record
from reports.compare_text import comparisons_html, comparisons_text
from reports.finished_run import LayerRecord, RunRecord
from rooftile.comparison import compare
from tests.reports.runs import SMALL, run, small

INPUTS = {"network.yaml": "name: n\n", "hardware.yaml": "clock: 1GHz\n", "mapping.yaml": "{}\n"}
SUMMARY: dict[str, Any] = {
    **{"network": "n", "engine": "cycle", "split": "auto", "across": [], "search": {}},
    **{"tool_version": "1", "batch": 1, "clock_hz": 10**9, "time_share_by_bound": {}},
}


def layer(name: str, compute: int, causes: dict[str, int]) -> LayerRecord:
    return LayerRecord(
        name=name,
        operator="conv",
        shape="",
        macs=0,
        operations=0,
        compute_cycles=compute,
        stall_cycles=sum(causes.values()),
        causes=causes,
        dram_bytes={"input": 1, "weight": 0, "output": 2},
        bound_by="array",
    )


def record(layers: Sequence[LayerRecord], name: str = "a", **summary: Any) -> RunRecord:
    return RunRecord(name=name, summary={**SUMMARY, **summary}, layers=tuple(layers), inputs=INPUTS)


CYCLES = st.integers(0, 10**6)
LAYERS = st.lists(
    st.tuples(
        st.sampled_from("abcdef"),
        CYCLES,
        st.dictionaries(st.sampled_from(["DRAM latency", "dependency"]), CYCLES),
    ),
    unique_by=lambda parts: parts[0],
    min_size=1,
).map(lambda found: [layer(*parts) for parts in found])


@given(first=LAYERS, second=LAYERS, batch=st.integers(1, 8), clock=st.integers(1, 10**9))
def test_differences_add_up_and_turn_around(
    first: list[LayerRecord], second: list[LayerRecord], batch: int, clock: int
) -> None:
    before, after = record(first), record(second, "b", batch=batch, clock_hz=clock)
    there, back = (
        Comparison(before=before, after=after),
        Comparison(before=after, after=before),
    )
    total = there.total
    assert total.before_s == Fraction(sum(x.total_cycles for x in first), 10**9)
    assert total.after_s == Fraction(sum(x.total_cycles for x in second), clock * batch)
    assert sum(total.saved_s.values()) == total.before_s - total.after_s
    if there.geometric_mean is not None:
        assert back.geometric_mean == pytest.approx(1 / there.geometric_mean)
    names = [*(x.name for x in there.layers), *(x.name for x in there.only_before)]
    assert sorted(names) == sorted(x.name for x in first)
    assert {x.name for x in there.only_after} == {x.name for x in back.only_before}
    slower = total.after_s > total.before_s
    assert bool(there.regressions(Fraction(0), per_layer=False)) == slower


@given(LAYERS)
def test_a_run_is_as_fast_as_itself(layers: list[LayerRecord]) -> None:
    same = Comparison(before=record(layers), after=record(layers))
    assert {x.difference.speed_up for x in same.layers} <= {1.0, None}
    assert not same.changes
    assert not same.warnings
    assert same.regressions(Fraction(0), per_layer=True) == ()
    assert "nothing changed" in comparisons_text([same]).lower()


def test_a_regression_is_more_than_the_limit_and_not_the_limit() -> None:
    before = record([layer("x", 1000, {}), layer("y", 1000, {})])
    after = record([layer("x", 1050, {}), layer("y", 1051, {})], "b")
    comparison = Comparison(before=before, after=after)
    assert comparison.regressions(Fraction(1, 20), per_layer=True) == (
        "b: the total is 5.05% slower than in a, more than 5%",
        "b: layer 'y' is 5.1% slower than in a, more than 5%",
    )
    assert len(comparison.regressions(Fraction(1, 20), per_layer=False)) == 1
    assert comparison.regressions(Fraction(51, 1000), per_layer=True) == ()


def test_the_main_part_is_what_most_of_a_difference_is() -> None:
    before = record([layer("x", 100, {"dependency": 10, "DRAM latency": 50})])
    after = record([layer("x", 110, {"dependency": 9, "DRAM latency": 0})], "b")
    (found,) = Comparison(before=before, after=after).layers
    assert found.difference.main_part == "DRAM latency"
    (found,) = Comparison(before=after, after=before).layers
    assert found.difference.main_part == "DRAM latency"


def test_runs_without_causes_compare_by_stalls() -> None:
    known = record([layer("x", 100, {"dependency": 10})])
    unknown = record([replace(known.layers[0], causes=None, stall_cycles=30)], engine="analytical")
    comparison = Comparison(before=known, after=unknown)
    assert comparison.total.saved_s == {"compute": 0, "stall": Fraction(-20, 10**9)}
    assert "engines differ: cycle and analytical; causes of stalls don't compare" in (
        comparison.warnings
    )


def test_numbers_are_those_of_the_reports() -> None:
    """The independent check: everything once more from the reports, with NumPy."""
    faster = run(SMALL, load_preset("tpu_v1"))
    compared = compare(small(), faster)
    rows, others = small().report.to_numpy(), faster.report.to_numpy()
    assert list(rows["layer"]) == list(others["layer"])
    before_s = rows["total_cycles"] / small().report.spec.clock_hz
    after_s = others["total_cycles"] / faster.report.spec.clock_hz
    (found,) = compared.record()["comparisons"]
    runs = before_s > 0
    ratios = before_s[runs] / after_s[runs]
    assert found["total"]["speed_up"] == pytest.approx(before_s.sum() / after_s.sum())
    assert found["total"]["geometric_mean_speed_up"] == pytest.approx(np.exp(np.log(ratios).mean()))
    assert [x["speed_up"] for x in found["layers"] if x["before_cycles"]] == pytest.approx(ratios)
    for operand in ("input", "weight", "output"):
        sizes = found["dram_bytes"][operand]
        assert sizes["before_bytes"] == rows[f"dram_{operand}_bytes"].sum()
        assert sizes["after_bytes"] == others[f"dram_{operand}_bytes"].sum()
    parts = found["total"]["parts"]
    assert parts["compute"]["before_s"] == pytest.approx(
        rows["compute_cycles"].sum() / small().report.spec.clock_hz
    )
    changed = {(c["part"], c["key"]): (c["before"], c["after"]) for c in found["changes"]}
    assert changed["hardware", "clock"] == ("1GHz", "700MHz")
    assert changed["hardware", "array.rows"] == ("32", "256")
    assert not [part for part, _ in changed if part == "network"]
    assert json.loads(compared.json()) == compared.record()


def test_csv_has_a_row_for_each_layer_of_each_run() -> None:
    runs = [
        record([layer("x", 1, {}), layer("y", 2, {})]),
        record([layer("z", 1, {}), layer("x", 3, {})], "b"),
        record([layer("x", 1, {})], "c"),
    ]
    rows = list(csv.DictReader(StringIO(comparisons_csv(compare_runs(runs)))))
    assert [(row["after"], row["layer"]) for row in rows] == [
        *(("b", "x"), ("b", "y"), ("b", "z"), ("c", "x"), ("c", "y"))
    ]
    assert [row["after_cycles"] for row in rows] == ["3", "", "1", "1", ""]
    text = comparisons_text(compare_runs(runs))
    assert "only in a: y\nonly in b: z" in text
    assert text.startswith("run  time for an inference")


def test_a_layer_that_takes_no_time_any_more_has_no_finite_speed_up() -> None:
    runs = [record([layer("x", 5, {}), layer("y", 1, {})]), record([layer("x", 0, {})], "b")]
    (found,) = comparisons_record(compare_runs(runs))["comparisons"]
    assert [x["speed_up"] for x in found["layers"]] == [None, None]
    assert "∞" in comparisons_text(compare_runs(runs))


def test_other_work_under_the_same_name_is_said() -> None:
    ours = layer("x", 5, {})
    batch = replace(ours, macs=ours.macs, operations=8)
    assert Comparison(
        before=record([replace(ours, operations=2)]), after=record([batch], batch=4)
    ).warnings == ("batches differ: 1 and 4; times are for an inference",)
    assert "layers of equal names do other work: x" in (
        Comparison(before=record([ours]), after=record([batch])).warnings
    )


def test_different_networks_have_no_regressions() -> None:
    runs = [record([layer("x", 5, {})]), record([layer("x", 9, {})], "b", network="m")]
    (comparison,) = compare_runs(runs)
    with pytest.raises(OutputError, match="'b': is a run of 'm' but 'a' is one of 'n'"):
        comparison.regressions(Fraction(0), per_layer=False)


def test_html_escapes_what_the_user_named() -> None:
    runs = [record([layer("<x>", 5, {})], "<a>"), record([layer("<x>", 9, {})], "<b>")]
    page = comparisons_html(compare_runs(runs))
    assert "&lt;x&gt;" in page
    assert "<x>" not in page
    assert "<a>" not in page
