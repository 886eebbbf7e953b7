"""Search spaces in NNI's JSON: what they say, every mistake with its line, and searches in them."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from foundation.errors import SweepError
from rooftile.sweep.names import SAMPLERS
from rooftile.sweep.optimize import optimize
from rooftile.sweep.quantities import Written, amount_of
from rooftile.sweep.run import run_sweep
from rooftile.sweep.space import Point, Space
from rooftile.sweep.sweep_file import load_sweep
from tests.rooftile.command import Command
from tests.rooftile.sweep.sweeps import loaded, table, write

DRAM = [
    {"_name": "slow", "memories.dram.bandwidth": {"_type": "uniform", "_value": [4e9, 8e9]}},
    {
        "_name": "fast",
        "memories.dram.bandwidth": {"_type": "loguniform", "_value": ["16GB/s", "64GB/s"]},
        "memories.dram.latency": {"_type": "qnormal", "_value": ["100ns", "10ns", "1ns"]},
    },
]
NNI: dict[str, Any] = {
    "array.rows": {"_type": "choice", "_value": [8, 16, 32]},
    "vector.lanes": {"_type": "randint", "_value": [8, 11]},
    "scratchpads.input.capacity": {"_type": "quniform", "_value": ["16KiB", "64KiB", "1KiB"]},
    "dram": {"_type": "choice", "_value": DRAM},
}
SPACE: dict[str, Any] = {
    "hardware": "edge_32x32",
    "networks": ["gemm.yaml"],
    "space": "space.json",
    "derived": {"array.columns": "256 // array.rows"},
}


def written(folder: Path, nni: object = NNI, data: dict[str, Any] = SPACE) -> Path:
    """Write a sweep's file, and its search space beside it."""
    (folder / "space.json").write_text(nni if isinstance(nni, str) else json.dumps(nni, indent=1))
    return write(folder, data)


class Draws:
    """Draws evenly."""

    def __init__(self, seed: int = 0) -> None:
        self._draws = Random(seed)

    def option(self, _: str, count: int, /) -> int:
        return self._draws.randrange(count)

    place = option

    def quantile(self, _: str, /) -> float:
        return self._draws.random()


def points(folder: Path, nni: object = NNI, count: int = 200) -> list[Point]:
    space, draws = Space(load_sweep(written(folder, nni))), Draws()
    return [space.drawn(draws) for _ in range(count)]


def values(folder: Path, key: str, kind: str, own: list[object]) -> set[Written]:
    found = points(folder, {key: {"_type": kind, "_value": own}})
    return {point.values[key] for point in found}


def test_every_type_gives_values_that_files_write(tmp_path: Path) -> None:
    found = points(tmp_path)
    assert {point.values["array.rows"] for point in found} == {8, 16, 32}
    assert {point.values["vector.lanes"] for point in found} == {8, 9, 10}, "11 is left out"
    assert {"17KiB", "18KiB", "63KiB"} <= {p.values["scratchpads.input.capacity"] for p in found}
    assert all(p.values["array.columns"] == 256 // int(p.values["array.rows"]) for p in found)


def test_variables_of_an_option_come_with_it(tmp_path: Path) -> None:
    for point in points(tmp_path):
        amount = amount_of(point.values["memories.dram.bandwidth"])
        assert amount is not None
        rate = amount.value
        if point.values["dram"] == "slow":
            assert 4e9 <= rate <= 8e9
            assert "memories.dram.latency" not in point.values
        else:
            assert 16e9 <= rate <= 64e9
            latency = amount_of(point.values["memories.dram.latency"])
            assert latency is not None
            assert latency.unit == "fs"
            assert latency.value % 10**6 == 0, "whole nanoseconds"


def test_nested_choices_of_a_key_give_their_name(tmp_path: Path) -> None:
    options = [
        {"_name": rows, "array.columns": {"_type": "choice", "_value": [256 // rows]}}
        for rows in (8, 16)
    ]
    data = {key: value for key, value in SPACE.items() if key != "derived"}
    path = written(tmp_path, {"array.rows": {"_type": "choice", "_value": options}}, data)
    space, draws = Space(load_sweep(path)), Draws()
    found = {tuple(space.drawn(draws).values.items())[1:] for _ in range(20)}
    assert found == {(("array.rows", rows), ("array.columns", 256 // rows)) for rows in (8, 16)}


@pytest.mark.parametrize(
    ("key", "kind", "own", "some"),
    [
        ("clock", "choice", [1e9, "2GHz"], {"1GHz", "2GHz"}),
        ("array.rows", "quniform", [1, 3, 1], {1, 2, 3}),
        ("array.rows", "qloguniform", [1, 7, 4], {1, 4, 7}),
        ("array.rows", "qlognormal", [2.0, 0.01, 8], {8}),
        ("clock", "normal", ["1GHz", "1Hz"], {"1GHz"}),
        ("batch", "randint", [1, 3], {1, 2}),
        ("phase", "choice", ["prefill:8"], {"prefill:8"}),
    ],
)
def test_numbers_are_in_the_smallest_unit(
    tmp_path: Path, key: str, kind: str, own: list[object], some: set[Written]
) -> None:
    assert some <= values(tmp_path, key, kind, own)


def failure(folder: Path, nni: object, data: dict[str, Any] = SPACE) -> str:
    with pytest.raises(SweepError) as error:
        load_sweep(written(folder, nni, data))
    return str(error.value).replace(f"{folder}/", "")


def one(kind: str, own: object, key: str = "array.rows") -> dict[str, Any]:
    return {key: {"_type": kind, "_value": own}}


@pytest.mark.parametrize(
    ("nni", "message"),
    [
        (one("choise", [1]), "space.json:3: array.rows._type: must be one of choice, randint"),
        (one("choise", [1]), "but is 'choise'; did you mean 'choice'?"),
        (one("layer_choice", [1]), "but is 'layer_choice'"),
        (one("choice", []), "space.json:4: array.rows._value: is empty"),
        (one("choice", 8), "array.rows._value: must be a list but is '8'"),
        (one("choice", [None]), "array.rows._value[0]: must be a number or a word"),
        (one("choice", [0]), "array.rows._value: must be at least 1 but is 0"),
        (one("choice", ["5.5B"], "scratchpads.psum.capacity"), "must be a whole number of B"),
        (one("uniform", [1]), "uniform takes 2 numbers but has 1"),
        (one("quniform", [1, 2]), "quniform takes 3 numbers but has 2"),
        (one("uniform", [8, 2]), "low must be less than high but they are 8 and 2"),
        (one("uniform", [8, 64]), "is 29.390096; use quniform with a whole q, or randint"),
        (one("quniform", [8, 64, 0]), "the step q must be positive but is 0"),
        (one("loguniform", [0, 2]), "low must be positive"),
        (one("normal", [0, -1]), "sigma must be positive but is -1"),
        (one("normal", [True, 1]), "array.rows._value[0]: must be a number, or one with a unit"),
        (one("normal", ["a", 1]), "must be a number, or one with a unit, but is 'a'"),
        (one("lognormal", ["1Hz", 1], "clock"), "clock._value[0]: must be a number but is '1Hz'"),
        (one("uniform", ["1KiB", "2KiB"], "clock"), "is in B but 'clock' in Hz"),
        (one("uniform", [1, "2KiB"]), "is in B but 'array.rows' in plain numbers"),
        (one("randint", [1.5, 3]), "must be a whole number but is 1.5"),
        (one("randint", [3, 3]), "lower must be less than upper (exclusive) but they are 3 and 3"),
        (one("uniform", [0, 10**30]), "is beyond the 9,223,372,036,854,775,807 allowed"),
        (one("lognormal", [900, 1]), "is beyond the 9,223,372,036,854,775,807 allowed"),
        (one("choice", [1], "array.row"), "space.json:2: array.row: no key of the machine"),
        (one("choice", [1], "array.row"), "did you mean 'array.rows'?"),
        (one("choice", [{"_name": 1}], "array.row"), "did you mean 'array.rows'?"),
        (one("choice", [{"_name": 1}, 2]), "either all options are objects, or none is"),
        (one("choice", [{}]), 'array.rows._value[0]: needs a "_name"'),
        (one("choice", [{"_name": 1}, {"_name": 1}]), "has a _name twice"),
        (one("choice", [{"_name": "a"}], "Status"), "results have a column 'Status' already"),
        (one("choice", [{"_name": 1, **one("choice", [2])}]), "is varied twice at once"),
        (
            {**one("choice", DRAM, "dram"), **one("choice", ["1GB/s"], "memories.dram.bandwidth")},
            "'memories.dram.bandwidth' is varied twice at once",
        ),
        ({"array.rows": [1]}, 'must be {"_type": TYPE, "_value": [...]}'),
        ({"array.rows": {**one("choice", [1])["array.rows"], "a": 1}}, "unknown key; use _type"),
        ({}, "has nothing to search"),
        ([], "must be an object"),
        (one("choice", ["no"], "network"), "'network' is on an axis, too"),
        (one("choice", [4], "array.columns"), "is on an axis, too, or in the space"),
        ('{"clock": 1, "clock": 2}', "key 'clock' is given twice"),
        ("{", "isn't valid JSON"),
        ("[" * 100_000, "nesting is deeper than the 50 levels allowed"),
        ('{"clock": {"_type": "uniform", "_value": [1e999, 2]}}', "is beyond the"),
    ],
)  # fmt: skip
def test_mistakes(tmp_path: Path, nni: object, message: str) -> None:
    assert message in failure(tmp_path, nni)


def test_many_variables(tmp_path: Path) -> None:
    options = [{"_name": n, **one("choice", ["1GHz"], "clock")} for n in range(300)]
    message = failure(tmp_path, one("choice", options, "label"))
    assert "has more than 200 variables" in message


def test_a_space_that_isnt_named(tmp_path: Path) -> None:
    assert "space: must name a JSON file" in failure(tmp_path, NNI, {**SPACE, "space": 3})
    assert "no such file" in failure(tmp_path, NNI, {**SPACE, "space": "other.json"})


def test_a_sweep_has_no_last_point(tmp_path: Path) -> None:
    with pytest.raises(SweepError, match="are drawn, there is no last one; use rooftile optimize"):
        run_sweep(load_sweep(written(tmp_path)), tmp_path / "out")


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_same_seed_proposes_the_same_and_goes_on(tmp_path: Path, sampler: str) -> None:
    sweep = load_sweep(written(tmp_path))

    def search(name: str, trials: int, *, resume: bool = False, jobs: int = 1) -> Any:
        return optimize(
            sweep,
            tmp_path / name,
            objectives=["time", "dram_bytes"],
            sampler=sampler,
            trials=trials,
            resume=resume,
            jobs=jobs,
        )

    whole = search("whole", 18, jobs=2)
    search("part", 9)
    rest = search("part", 18, resume=True)
    assert rest.front == whole.front
    assert rest.priced < whole.priced
    rows = table(tmp_path / "part")
    assert rows == table(tmp_path / "whole")
    assert [row[2] for row in rows] == list(range(len(rows))), "numbered as they are proposed"
    assert len({row[5:-5] for row in rows}) == len(rows), "known by their values"


def test_results_of_other_proposals_arent_resumed(tmp_path: Path) -> None:
    import sqlite3

    sweep = load_sweep(written(tmp_path))
    optimize(sweep, tmp_path / "out", objectives=["time"], sampler="random", trials=3)
    with sqlite3.connect(tmp_path / "out" / "results.sqlite") as connection:
        connection.execute('UPDATE points SET "vector.lanes" = 99 WHERE number = 2')
    connection.close()
    with pytest.raises(SweepError, match="point 2 isn't the one that is proposed now"):
        optimize(
            sweep, tmp_path / "out", objectives=["time"], sampler="random", trials=4, resume=True
        )


def test_another_space_is_another_sweep(tmp_path: Path) -> None:
    one_sweep = load_sweep(written(tmp_path))
    other = load_sweep(written(tmp_path, {**NNI, "vector.lanes": NNI["array.rows"]}))
    assert one_sweep.text == other.text
    assert one_sweep != other


def test_a_grid_beside_a_space(tmp_path: Path) -> None:
    data = {**SPACE, "grid": {"clock": ["500MHz", "1GHz"]}, "constraints": ["array.rows <= 16"]}
    optimize(
        load_sweep(written(tmp_path, NNI, data)), tmp_path / "out", objectives=["time"], trials=16
    )
    rows = table(tmp_path / "out")
    assert {row[6] for row in rows} == {5e8, 1e9}
    assert {row[3] for row in rows} == {"ok", "excluded"}


def test_values_that_no_machine_has_are_failures(tmp_path: Path) -> None:
    nni = one("qnormal", [8, 20, 1])
    sweep = load_sweep(written(tmp_path, nni, {**SPACE, "derived": {}}))
    optimize(sweep, tmp_path / "out", objectives=["time"], sampler="random", trials=6)
    failed = [row for row in table(tmp_path / "out") if row[3] == "failed"]
    assert failed
    assert all("array.rows" in row[4] for row in failed)


def test_the_command_its_results_and_its_page(rooftile: Command, tmp_path: Path) -> None:
    done = rooftile(
        *("optimize", written(tmp_path), "-o", tmp_path / "out", "--trials", "8"),
        *("--sampler", "random", "--no-mapping-cache"),
    )
    assert done.status == 0, done.err
    assert "8 points proposed" in done.out
    fast = rooftile("results", tmp_path / "out", "--where", "dram=fast", "--csv").out
    assert "memories.dram.latency [fs]" in fast
    assert len(json.loads(rooftile("results", tmp_path / "out", "--json").out)["rows"]) == 8
    page = rooftile("report", tmp_path / "out", "-o", tmp_path / "page.html")
    assert page.status == 0, page.err
    assert rooftile("sweep", written(tmp_path), "-o", tmp_path / "no").status == 2


def test_loaded_sweeps_without_a_space_have_none(tmp_path: Path) -> None:
    assert loaded(tmp_path, {"hardware": "edge_32x32", "networks": ["gemm.yaml"]}).space == ()
