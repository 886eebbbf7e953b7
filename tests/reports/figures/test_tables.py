"""Pictures of tables: fronts and knees, sensitivities, floors, shapes, and bad tables."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.errors import RooftileError
from reports.figures.capacity import capacity_traffic
from reports.figures.pareto import ParetoFront, pareto_front
from reports.figures.shapes import array_shapes
from reports.figures.table import Table, axis_label, read_table
from reports.figures.tornado import tornado_of
from tests.reports.figures.tables import CAPACITY, FRONT, KNOBS, SHAPES, table


def of_points(points: list[tuple[int, int]], maximized: frozenset[str] = frozenset()) -> Any:
    rows = "".join(f"{i},{x},{y}\n" for i, (x, y) in enumerate(points))
    return pareto_front(table(f"name,x,y\n{rows}"), x="x", y="y", maximized=maximized)


points = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=12)
axes = st.frozensets(st.sampled_from(["x", "y"]))


@given(points, axes)
def test_a_front_is_what_no_other_surpasses(
    given_points: list[tuple[int, int]], maximized: frozenset[str]
) -> None:
    shown: ParetoFront = of_points(given_points, maximized)
    signs = [-1 if axis in maximized else 1 for axis in "xy"]
    costs = [(signs[0] * x, signs[1] * y) for x, y in given_points]
    for candidate, own in zip(shown.candidates, costs, strict=True):
        surpassed = any(a <= own[0] and b <= own[1] and (a, b) != own for a, b in costs)
        assert candidate.is_on_front == (not surpassed)
    knees = [candidate for candidate in shown.candidates if candidate.is_knee]
    assert len(knees) <= 1
    assert all(knee.is_on_front for knee in knees)


def test_the_knee_is_furthest_from_the_line_through_the_ends() -> None:
    shown = pareto_front(table(FRONT), x="time_s", y="pj")
    assert [c.name for c in shown.candidates if c.is_on_front] == ["a", "b", "c", "d"]
    # Scaled: a (0, 1), b (1/7, 1/7), c (3/7, 1/14), d (1, 0): 1 - x - y is 5/7 at b, 1/2 at c.
    assert [c.name for c in shown.candidates if c.is_knee] == ["b"]
    assert shown.title == "table.csv: 4 of 6 rows aren't surpassed"


@pytest.mark.parametrize("front", [[(1, 1)], [(1, 2), (2, 1)], [(0, 2), (1, 1), (2, 0)]])
def test_a_straight_or_short_front_has_no_knee(front: list[tuple[int, int]]) -> None:
    assert not any(candidate.is_knee for candidate in of_points(front).candidates)


def test_knobs_are_sorted_by_swing_and_flagged() -> None:
    shown = tornado_of(table(KNOBS), "time_us")
    assert [(knob.name, knob.swing, knob.is_monotone) for knob in shown.knobs] == [
        ("bandwidth", 60, True),
        ("outstanding", 4, False),
        ("lanes", 0, True),
    ]
    assert shown.base == 100
    first = shown.records()[0]
    assert (first["lowest_setting"], first["lowest_time_us"]) == ("25.6GB/s", 90)
    assert (first["highest_setting"], first["monotone"]) == ("6.4GB/s", "yes")


@given(st.lists(st.integers(0, 5), min_size=1, max_size=6))
def test_monotone_is_sorted_one_way_or_the_other(results: list[int]) -> None:
    rows = "".join(f"k,{i},{result}\n" for i, result in enumerate(results))
    (knob,) = tornado_of(table(f"knob,setting,time_us\nbase,,1\n{rows}"), "time_us").knobs
    assert knob.is_monotone == (sorted(results) in (results, results[::-1]))


def test_curves_are_sorted_by_size_and_never_below_their_floor() -> None:
    one, two = capacity_traffic(table(CAPACITY), label="network").curves
    assert one.capacity_bytes == (16384, 65536, 262144)
    assert one.dram_bytes == (9e6, 3e6, 1e6)
    assert (one.compulsory_bytes, two.compulsory_bytes) == (1e6, 2e6)


def test_shapes_that_are_missing_are_empty() -> None:
    shown = array_shapes(table(SHAPES), "time_us")
    assert (shown.rows, shown.columns) == ((8, 16, 32), (8, 16))
    assert shown.values == ((2974.4, 1500.9), (1568.2, 12.25), (818.8, None))
    assert len(shown.records()) == 5


def test_labels_have_units() -> None:
    assert axis_label("dram_bytes") == "dram (bytes)"
    assert axis_label("total_cycles") == "total (cycles)"
    assert axis_label("time_us") == "time (µs)"
    assert axis_label("arithmetic_intensity_ops_per_byte") == (
        "arithmetic intensity (operations per byte)"
    )
    assert axis_label("pes") == "pes (no unit)"
    assert axis_label("cycles") == "cycles"


Make = Callable[[Table], object]


def _front(given_table: Table) -> object:
    return pareto_front(given_table, x="time_s", y="pj", label="name")


def _tornado(given_table: Table) -> object:
    return tornado_of(given_table, "time_us")


def _shapes(given_table: Table) -> object:
    return array_shapes(given_table, "time_us")


@pytest.mark.parametrize(
    ("make", "text", "message"),
    [
        (
            _front,
            FRONT.replace("pj", "pJ"),
            ":1: column 'pj' is missing, there are name, time_s, pJ; did you mean 'pJ'?",
        ),
        (_front, FRONT.replace("3.5", "x"), ":4: pj: must be a number but is 'x'"),
        (_front, FRONT.replace("3.5", "nan"), ":4: pj: must be at most 1e+30 but is nan"),
        (_front, FRONT.replace("3.5", "-1e31"), ":4: pj: must be at least -1e+30 but is -1e31"),
        (_front, FRONT.replace("c,4", "c" * 200_000 + ",4"), ":4: isn't valid CSV: field larger"),
        (_front, FRONT.replace("c,4,", "c,"), ":4: must have 3 cells, as many as the header, but"),
        (_front, "name,time_s,pj\n", ":1: has no rows after the header; give a CSV file"),
        (_front, "", ":1: has no rows after the header"),
        (_front, "a,a\n1,2\n", ":1: column 'a' is there twice; rename one"),
        (
            _tornado,
            KNOBS.replace("base,,100\n", ""),
            ": must have 1 row whose knob is 'base' but has 0; it is what all others are",
        ),
        (_tornado, KNOBS.replace("lanes,16", "base,16"), ": must have 1 row whose knob is 'base'"),
        (_tornado, "knob,setting,time_us\nbase,,1\n", ": has no row of a knob beside 'base'"),
        (
            capacity_traffic,
            CAPACITY.replace("1000000,1000000", "999999,1000000"),
            ":4: dram_bytes: is 999,999 but at least the floor, 1,000,000, moves",
        ),
        (
            capacity_traffic,
            CAPACITY,
            ":5: compulsory_bytes: is 2,000,000 but 1,000,000 in line 2; name curves with --label",
        ),
        (
            capacity_traffic,
            CAPACITY.replace("16384", "0", 1),
            ":3: capacity_bytes: must be at least 1 but is 0",
        ),
        (_shapes, SHAPES.replace("32,8", "8.5,8"), ":6: rows: must be a whole number but is 8.5"),
        (_shapes, SHAPES.replace("32,8", "8,8"), ":6: rows: shape 8x8 is there twice; remove one"),
        (
            _shapes,
            "rows,columns,time_us\n" + "".join(f"{n},1,1\n" for n in range(1, 70)),
            ": has 69 numbers of rows and 1 of columns but at most 64 of each are drawn",
        ),
    ],
)
def test_bad_tables(tmp_path: Path, make: Make, text: str, message: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(RooftileError, match="^" + re.escape(f"{path}{message}")):
        make(read_table(path))
