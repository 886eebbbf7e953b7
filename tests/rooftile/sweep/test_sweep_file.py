"""Sweep files: what they say, and every mistake with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from foundation.errors import SweepError
from rooftile.sweep.space import Space
from rooftile.sweep.sweep_file import load_sweep
from tests.rooftile.sweep.sweeps import NETWORK, SMALL, loaded

GOOD = """\
hardware: edge_32x32
networks: [gemm.yaml]
grid:
  array.rows: [16, 32]
"""


def failure(folder: Path, text: str) -> str:
    (folder / "gemm.yaml").write_text(NETWORK)
    (folder / "s.yaml").write_text(text)
    with pytest.raises(SweepError) as error:
        load_sweep(folder / "s.yaml")
    return str(error.value).replace(f"{folder}/", "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            GOOD.replace("array.rows", "array.row"),
            "s.yaml:4: grid.array.row: no key of the machine",
        ),
        (GOOD.replace("array.rows", "array.row"), "did you mean 'array.rows'"),
        (GOOD.replace("[16, 32]", "[]"), "s.yaml:4: grid.array.rows: is empty"),
        (GOOD.replace("[16, 32]", "[0]"), "s.yaml:4: grid.array.rows: must be at least 1 but is 0"),
        (
            GOOD.replace("array.rows: [16, 32]", "memories.dram.bandwidth: [64KiB]"),
            "s.yaml:4: grid.memories.dram.bandwidth: '64KiB': 'KiB' isn't a unit of a bandwidth",
        ),
        (
            GOOD.replace("array.rows: [16, 32]", "clock: {from: 1GHz, to: 2GHz, step: 1KiB}"),
            "s.yaml:4: grid.clock: 'step' must be positive and of the same kind of unit",
        ),
        (
            GOOD.replace("[16, 32]", "{from: 1, to: 65536, step: 1}")
            + "  array.columns: {from: 1, to: 65536, step: 1}\n",
            "has 4,294,967,296 points (1 x 65,536 x 65,536) but at most 10,000,000 are allowed",
        ),
        (
            GOOD.replace("[16, 32]", "{from: 1, to: 1000000, step: 1}")
            + "  array.columns: {from: 1, to: 1000000, step: 1}\n",
            "has 1,000,000,000,000 points (1 x 1,000,000 x 1,000,000) but at most 10,000,000 are"
            " allowed; write 'limit: N' to allow N, or leave some out",
        ),
        (GOOD + "limit: 1\n", "s.yaml:5: limit: has 2 points (1 x 2) but at most 1 are allowed"),
        (GOOD + "derived: {array.columns: array.rws}\n", "'array.rws' is unknown"),
        (GOOD + "derived: {array.rows: '2'}\n", "is on an axis, too"),
        (GOOD + "constraints: [array.rows]\n", "must be a comparison"),
        (GOOD + "engine: fast\n", "s.yaml:5: engine: must be one of estimate, analytical, cycle"),
        (GOOD + "best: {by: cycle}\n", "did you mean 'cycles'"),
        (GOOD + "best: {count: 0}\n", "must be from 1 to 10,000"),
        (GOOD + "grids: {}\n", "s.yaml:5: grids: unknown key"),
        (GOOD.replace("edge_32x32", "edge_32"), "s.yaml:1: hardware: hardware 'edge_32'"),
        (GOOD.replace("[gemm.yaml]", "[gem]"), "s.yaml:2: networks[0]: network 'gem'"),
        (GOOD.replace("[gemm.yaml]", "[]"), "must list one network"),
        (
            GOOD + "zip: {array.columns: [1, 2], clock: [1GHz]}\n",
            "s.yaml:5: zip: must have equally many values but has array.columns 2, clock 1",
        ),
        (GOOD + "zip: {array.rows: [1, 2]}\n", "'array.rows' is on two axes"),
        ("- 1\n", "a sweep is a mapping"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, message: str) -> None:
    assert message in failure(tmp_path, text)


def test_a_trillion_points_are_counted_at_once(tmp_path: Path) -> None:
    grid = "\n".join(
        f"  {key}: {{from: 1, to: 1000, step: 1}}"
        for key in ("array.rows", "array.columns", "vector.lanes", "cores")
    )
    message = failure(tmp_path, f"hardware: edge_32x32\nnetworks: [gemm.yaml]\ngrid:\n{grid}\n")
    assert "has 1,000,000,000,000 points" in message
    assert "write 'limit: N'" in message


def test_every_combination_is_a_point(tmp_path: Path) -> None:
    space = Space(loaded(tmp_path, SMALL))
    points = [space.point(number).values for number in range(len(space))]
    assert len(points) == 2 * 6 * 2
    assert len({tuple(point.items()) for point in points}) == len(points)
    assert points[0]["array.rows"] == 16
    assert points[-1] == {
        "network": points[0]["network"],
        "array.rows": 32,
        "memories.dram.bandwidth": "32GB/s",
        "clock": "1GHz",
    }


def test_what_is_zipped_goes_together(tmp_path: Path) -> None:
    data = {**SMALL, "grid": {}, "zip": {"array.rows": [1, 2, 4], "array.columns": [4, 2, 1]}}
    space = Space(loaded(tmp_path, data))
    pairs = [space.point(n).values for n in range(len(space))]
    assert [(p["array.rows"], p["array.columns"]) for p in pairs] == [(1, 4), (2, 2), (4, 1)]


def test_what_is_derived_follows(tmp_path: Path) -> None:
    derived = {
        "array.columns": "512 // array.rows",
        "scratchpads.input.capacity": "array.columns * 4KiB",
    }
    space = Space(loaded(tmp_path, {**SMALL, "derived": derived}))
    point = space.point(0)
    assert point.values["array.columns"] == 32
    assert point.values["scratchpads.input.capacity"] == "128KiB"


def test_constraints_exclude(tmp_path: Path) -> None:
    data = {**SMALL, "constraints": ["array.rows * array.columns <= 600"]}
    space = Space(loaded(tmp_path, data))
    excluded = [space.point(n).excluded for n in range(len(space))]
    assert excluded[0] == ""
    assert excluded[-1] == "array.rows * array.columns <= 600: 1024, 600"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            GOOD + "batch: two\n",
            "s.yaml:5: batch: must be a whole number, at least 1, but is 'two'",
        ),
        (
            GOOD.replace("array.rows: [16, 32]", "batch: [0]"),
            "s.yaml:4: grid.batch: must be a whole",
        ),
        (GOOD + "phase: 3\n", "s.yaml:5: phase: must be a word but is '3'"),
        (GOOD.replace("gemm.yaml", "n" * 300), "s.yaml:2: networks[0]: network 'nnn"),
        (GOOD + "derived: {array.columns: 1if 2}\n", "isn't arithmetic"),
        (
            GOOD + "objective: dram\n",
            "s.yaml:5: objective: estimates have 'objective' latency",
        ),
        (
            GOOD.replace("array.rows: [16, 32]", "split: [n, m]"),
            "s.yaml:4: grid.split: estimates have 'split' auto only; write 'engine: analytical'",
        ),
        (GOOD + "engine: cycle\nobjective: speed\n", "s.yaml:6: objective: objective 'speed'"),
    ],
)
def test_values_of_a_wrong_kind(tmp_path: Path, text: str, message: str) -> None:
    assert message in failure(tmp_path, text)
