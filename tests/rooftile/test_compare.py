"""`rooftile compare`, as a user and as a pipeline gives it."""

from __future__ import annotations

import csv
import json
import shutil
from io import StringIO
from pathlib import Path

import pytest

from tests.rooftile.command import Command
from tests.rooftile.test_cli import TINY

FASTER = """\
base: edge_32x32
name: wide
memories: {dram: {bandwidth: 25.6GB/s}}
"""


@pytest.fixture
def runs(rooftile: Command) -> Command:
    Path("tiny.yaml").write_text(TINY)
    Path("wide.yaml").write_text(FASTER)
    Path("other.yaml").write_text(TINY.replace("tiny", "other").replace("name: ", "name: x"))
    for network, hardware, folder in (
        ("tiny.yaml", "edge_32x32", "narrow"),
        ("tiny.yaml", "wide.yaml", "wide"),
        ("other.yaml", "edge_32x32", "other"),
    ):
        assert rooftile("run", network, "--hw", hardware, "-o", folder, "--no-plots").status == 0
    return rooftile


def test_it_says_what_is_faster_what_changed_and_why(runs: Command) -> None:
    done = runs("compare", "narrow", "wide")
    assert (done.status, done.err) == (0, "")
    first, *rest = done.out.splitlines()
    totals = [json.loads(Path(f, "summary.json").read_text()) for f in ("narrow", "wide")]
    ratio = totals[0]["time_fs"] / totals[1]["time_fs"]
    assert first.startswith(f"wide is {ratio:.3g} times as fast as narrow: ")
    assert any(
        line.split() == ["hardware", "memories.dram.bandwidth", "12.8GB/s", "25.6GB/s"]
        for line in rest
    )
    for text in ("DRAM bandwidth", "time bound by ", "speed-up", "flat", "fc"):
        assert text in done.out


def test_json_and_csv_are_all_of_standard_output_in_a_stable_order(runs: Command) -> None:
    found = json.loads(runs("compare", "narrow", "wide", "--json").out)
    rows = list(csv.DictReader(StringIO(runs("compare", "narrow", "wide", "--csv").out)))
    assert [row["layer"] for row in rows] == ["conv", "pool", "flat", "fc"]
    assert [x["layer"] for x in found["comparisons"][0]["layers"]] == [r["layer"] for r in rows]
    again = runs("compare", "narrow", "wide", "--csv").out
    assert again == runs("compare", "narrow", "wide", "--csv").out


def test_a_pipeline_fails_where_it_got_slower(runs: Command) -> None:
    gate = ("--fail-on-regression", "5%")
    assert runs("compare", "narrow", "wide", *gate, "--per-layer").status == 0
    done = runs("compare", "wide", "narrow", *gate, "--json")
    assert done.status == 1
    assert done.err.startswith("regression: narrow: the total is ")
    assert json.loads(done.out)["before"] == "wide"
    assert runs("compare", "wide", "narrow", "--fail-on-regression", "1000%").status == 0
    layers = runs("compare", "wide", "narrow", *gate, "--per-layer").err
    assert "layer 'conv' is " in layers
    assert "flat" not in layers, "a view takes no time in either run"


def spoil_layers(folder: Path) -> None:
    path = folder / "layers.csv"
    path.write_text(path.read_text().replace("macs", "products", 1))


def drop_layer(folder: Path) -> None:
    path = folder / "layers.csv"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]))


def edit_input(folder: Path) -> None:
    path = folder / "hardware.yaml"
    path.write_text(path.read_text().replace("1GHz", "2GHz"))


def older(folder: Path) -> None:
    path = folder / "summary.json"
    path.write_text(path.read_text().replace('"schema_version": 4', '"schema_version": 1'))


def no_digest(folder: Path) -> None:
    path = folder / "summary.json"
    path.write_text(path.read_text().replace('"configuration_sha256"', '"x"'))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (shutil.rmtree, "has no readable summary.json; give the folder of a finished run"),
        (spoil_layers, "has no readable summary.json and layers.csv; give the folder of a"),
        (no_digest, "has no readable summary.json and layers.csv; give the folder of a"),
        (drop_layer, "run it again into a new folder"),
        (edit_input, "its inputs have been changed since the run"),
        (older, "its summary has schema version 1 but this version reads 4; run it again"),
    ],
)
def test_a_folder_that_isnt_a_whole_run_is_an_error(
    runs: Command, spoil: object, message: str
) -> None:
    assert callable(spoil)
    spoil(Path("wide"))
    done = runs("compare", "narrow", "wide")
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("error: folder 'wide': ")
    assert message in done.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("narrow",), "'narrow': one run alone doesn't compare; give two or more"),
        (("narrow", "other"), "no layer has the same name in both; compare runs of one network"),
        (("narrow", "wide", "--fail-on-regression", "5"), "'5' must be a percentage, such as 5%"),
        (("narrow", "wide", "--fail-on-regression", "-5%"), "'-5%' must be a percentage"),
        (("narrow", "wide", "--per-layer"), "add --fail-on-regression"),
        (("narrow", "wide", "--json", "--csv"), "leave out one"),
        ((), "Missing argument 'RUN...'"),
    ],
)
def test_what_doesnt_compare_is_an_error(
    runs: Command, arguments: tuple[str, ...], message: str
) -> None:
    done = runs("compare", *arguments)
    assert (done.status, done.out) == (2, "")
    assert message in done.err
