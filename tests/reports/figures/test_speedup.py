"""Speed-ups between runs: ratios, geometric means, and what can't be compared."""

from __future__ import annotations

import csv
import re
from math import nan
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.errors import OutputError
from reports.figures.speedup import RunTimes, geometric_mean, read_times, speed_ups
from rooftile.simulation import simulate
from tests.reports.runs import small


def times(hardware: str, network: str = "net", folder: str = "out", **layers: float) -> RunTimes:
    return RunTimes(
        folder=folder,
        network=network,
        hardware=hardware,
        time_s=sum(layers.values()),
        layers_s=layers,
    )


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=8))
def test_a_geometric_mean_is_the_root_of_the_product(values: list[float]) -> None:
    assert geometric_mean(values) == pytest.approx(float(np.prod(values)) ** (1 / len(values)))
    inverse = geometric_mean([1 / value for value in values])
    assert geometric_mean(values) * inverse == pytest.approx(1)


def test_of_nothing_there_is_no_mean() -> None:
    assert geometric_mean([]) == pytest.approx(nan, nan_ok=True)


def test_of_one_network_layer_by_layer() -> None:
    shown = speed_ups([times("slow", a=4, b=2, c=1), times("fast", a=1, b=4, d=5)])
    assert (shown.baseline, shown.designs) == ("slow", ("fast",))
    assert shown.rows == (("a", 4 / 7, (4.0,)), ("b", 2 / 7, (0.5,)), ("c", 1 / 7, (None,)))
    assert shown.means == pytest.approx((2**0.5,))
    assert shown.totals == (0.7,)
    assert [record["name"] for record in shown.records()] == [
        *("a", "b", "c", "geometric mean", "total"),
    ]


def test_of_several_networks() -> None:
    runs = [
        times("slow", "one", a=4),
        times("fast", "one", a=2),
        times("slow", "two", a=9),
        times("fast", "two", a=1),
        times("third", "two", a=3),
    ]
    shown = speed_ups(runs)
    assert shown.designs == ("fast", "third")
    assert [(name, values) for name, _, values in shown.rows] == [
        ("one", (2.0, None)),
        ("two", (9.0, 3.0)),
    ]
    assert shown.means == pytest.approx((18**0.5, 3.0))
    assert shown.totals == (13 / 3, 3.0)


def test_runs_on_one_machine_are_named_by_their_folders() -> None:
    shown = speed_ups([times("m", folder="out/a", x=2), times("m", folder="out/b", x=1)])
    assert (shown.baseline, shown.designs) == ("out/a", ("out/b",))


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ([times("a", x=1)], "speedup: compares 2 or more runs but 1 is given; give more"),
        (
            [times("a", "one", x=1), times("a", "two", x=1)],
            "speedup: 2 networks run on 1 machine, 'a'; give runs on another machine, too",
        ),
        (
            [
                times("a", "one", x=1),
                times("b", "two", "p", x=1),
                times("b", "two", "q", x=1),
            ],
            "speedup: 'q' and 'p' are both two on b; leave one out",
        ),
        (
            [times("a", "one", x=1), times("b", "two", x=1)],
            "speedup: two has no run on 'a', with which all are compared; give it, or give another"
            " run first",
        ),
    ],
)
def test_what_cannot_be_compared(runs: list[RunTimes], message: str) -> None:
    with pytest.raises(OutputError, match="^" + re.escape(message)):
        speed_ups(runs)


def test_times_come_from_the_runs_folder(tmp_path: Path) -> None:
    small().write(tmp_path / "run", plots=False)
    found = read_times(tmp_path / "run")
    report = small().report
    assert found.time_s == pytest.approx(report.time_s)
    assert sum(found.layers_s.values()) == pytest.approx(report.time_s)
    assert list(found.layers_s) == [layer.name for layer in report.layers]


def test_times_are_those_of_an_inference(tmp_path: Path) -> None:
    result = simulate("lenet", "edge_32x32", batch=4, engine="analytical")
    result.write(tmp_path / "run", plots=False)
    assert read_times(tmp_path / "run").time_s == pytest.approx(result.report.time_s / 4)


def test_a_folder_without_layers_is_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    small().write(folder, plots=False)
    rows = list(csv.reader((folder / "layers.csv").open()))
    rows[0][0] = "name"
    (folder / "layers.csv").write_text("\n".join(",".join(row) for row in rows))
    with pytest.raises(OutputError, match=r"has no readable layers\.csv"):
        read_times(folder)
