"""The record that a page shows: the numbers of the run, each with its definition."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from accel.spec_file import load_preset
from foundation.errors import OutputError
from reports.quantities import LAYER, SUMMARY
from reports.run_record import RunFolder, read_run, rerun_command, run_record
from rooftile.simulation import simulate
from tests.reports.runs import VIEWS, run, small, zoo_run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return small().write(tmp_path / "run", plots=False)


def column(view: dict[str, Any], key: str) -> list[Any]:
    place = [one["key"] for one in view["table"]["columns"]].index(key)
    return [row[place] for row in view["table"]["rows"]]


def number(view: dict[str, Any], key: str) -> Any:
    return next(one["value"] for one in view["numbers"] if one["key"] == key)


def test_numbers_are_those_of_the_report(folder: Path) -> None:
    report, view = small().report, run_record(read_run(folder), {})
    works = [layer.work for layer in report.layers]
    assert column(view, "layer") == [layer.name for layer in report.layers]
    assert column(view, "total_cycles") == [work.total_cycles for work in works]
    assert column(view, "waits_for") == [dict(work.stalls) for work in works]
    assert column(view, "stall_causes") == [dict(work.causes) for work in works]
    assert column(view, "dram_bytes") == [work.total_dram_bytes for work in works]
    assert column(view, "mac_utilization") == [w.mac_utilization if w.macs else None for w in works]
    assert sum(column(view, "time_share")) == pytest.approx(1)
    seconds = report.time_s
    assert number(view, "time_s") == seconds
    assert number(view, "peak_share") == report.ops_per_s / report.peak_ops_per_s
    operations = sum(layer.operations for layer in report.layers)
    rates = zip(column(view, "ops_per_s"), column(view, "time_share"), strict=True)
    assert sum(rate * share for rate, share in rates) * seconds == pytest.approx(operations)


@pytest.mark.parametrize("engine", ["cycle", "analytical"])
def test_every_number_of_a_run_has_its_definition(tmp_path: Path, engine: str) -> None:
    result = simulate(small().plan.graph, "edge_32x32", engine=engine)
    found = read_run(result.write(tmp_path / "run", plots=False))
    columns = set((tmp_path / "run/layers.csv").read_text().partition("\n")[0].split(","))
    known = {one.key for one in LAYER if not one.is_derived}
    assert columns <= known
    assert known - columns <= {
        one.key
        for one in LAYER
        if engine == "analytical" and (one.key.startswith("energy") or one.unit == "parts")
    }
    assert {one.key for one in SUMMARY if not one.is_derived} <= set(found.summary)
    for quantities in (LAYER, SUMMARY):
        assert len({one.key for one in quantities}) == len(quantities)
        assert all(one.meaning.endswith(".") and one.unit for one in quantities)


def test_an_estimate_has_no_timeline_and_no_causes(tmp_path: Path) -> None:
    result = simulate(small().plan.graph, "edge_32x32", engine="analytical")
    view = run_record(read_run(result.write(tmp_path / "run", plots=False)), {})
    assert [panel["kind"] for panel in view["panels"]] == ["roofline", "stacks", "table"]
    assert "waits_for" not in [one["key"] for one in view["table"]["columns"]]


def test_a_network_that_takes_no_time_has_a_record(tmp_path: Path) -> None:
    views = run(VIEWS, load_preset("edge_32x32")).write(tmp_path / "run", plots=False)
    view = run_record(read_run(views), {})
    assert view["sentences"] == ["views takes no time on edge_32x32: it moves no data."]
    assert column(view, "ops_per_s") == [0]


def test_the_summary_in_words(tmp_path: Path) -> None:
    view = run_record(
        read_run(zoo_run("alexnet", "tpu_v1").write(tmp_path / "run", plots=False)), {}
    )
    first, work, limit, longest, *others = view["sentences"]
    report = zoo_run("alexnet", "tpu_v1").report
    assert first.startswith("alexnet, batch 1, takes ")
    assert " on tpu_v1 (256x256 WS, 700 MHz): " in first
    share = sum(layer.work.compute_cycles for layer in report.layers) / report.total_cycles
    assert f"in {share:.0%} of the cycles what computes works" in work
    assert limit.startswith("Main memory 'weights' limits alexnet")
    slowest = max(report.layers, key=lambda layer: layer.work.total_cycles)
    assert f"The longest layer is {slowest.name} (" in longest
    assert len(others) == 1, "no energies"


def test_mappings_that_are_equal_are_there_once(folder: Path) -> None:
    view = run_record(read_run(folder), {"conv": ["a", "  b"], "pool": ["c"], "crop": ["a", "  b"]})
    assert view["mappings"]["texts"] == ["a\n  b", "c"]
    assert view["mappings"]["of_layer"] == [0, 1, None, 0, None, None]


def test_the_record_is_json_and_always_the_same(folder: Path) -> None:
    first, second = (json.dumps(run_record(read_run(folder), {})) for _ in range(2))
    assert first == second


def summary(**changed: Any) -> dict[str, Any]:
    search = {"objective": "dram", "strategy": "random", "seed": 3, "time_limit_s": None}
    return {"across": [], "split": "k", "engine": "cycle", "search": search} | changed


def test_the_command_that_runs_it_again() -> None:
    common = "rooftile run network.yaml --hw hardware.yaml"
    assert rerun_command(summary()) == (
        f"{common} --mapping mapping.yaml --split k --engine cycle -o ../again"
    )
    assert rerun_command(summary(across=["fusion", "order"], split="auto")) == (
        f"{common} --across fusion,order --objective dram --search random --seed 3 --split auto"
        " --engine cycle -o ../again"
    )


def changed(folder: Path, name: str, text: str | None) -> None:
    if text is None:
        (folder / name).unlink()
    else:
        (folder / name).write_text(text)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("summary.json", None, "has no readable summary.json; give the folder of a finished run"),
        ("layers.csv", None, "has no readable layers.csv; give the folder of a finished run"),
        ("layers.csv", "layer\nconv\n", "its layers.csv isn't the one that the run wrote"),
        ("layers.csv", "a\n1\n2\n3\n4\n5\n6\n", "its layers.csv isn't the one that the run wrote"),
        ("timeline.json", None, "has no readable timeline.json; give the folder of a finished"),
        ("timeline.json", "{", "its timeline.json isn't the one that the run wrote"),
        (
            "timeline.json",
            '{"traceEvents": [{}]}',
            "timeline.json isn't the one that the run wrote",
        ),
        ("network.yaml", None, "network.yaml, hardware.yaml or mapping.yaml is missing"),
        ("hardware.yaml", "name: other\n", "its inputs have been changed since the run"),
    ],
)
def test_what_is_wrong_is_named(folder: Path, name: str, text: str | None, message: str) -> None:
    changed(folder, name, text)
    with pytest.raises(OutputError, match=message) as raised:
        run_record(read_run(folder), {})
    assert str(folder) in str(raised.value)


def test_what_is_no_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="isn't a folder; `rooftile run NETWORK --hw SPEC -o"):
        read_run(tmp_path / "none")


def test_long_inputs_are_left_out_but_not_their_hashes(folder: Path) -> None:
    found = read_run(folder)
    inputs = {**found.inputs, "mapping.yaml": "#" * 400_001}
    one = RunFolder(**{name: getattr(found, name) for name in found.__slots__} | {"inputs": inputs})
    files = {file["name"]: file for file in run_record(one, {})["configuration"]["files"]}
    assert files["mapping.yaml"]["text"] is None
    assert files["mapping.yaml"]["characters"] == 400_001
    assert files["network.yaml"]["text"] == found.inputs["network.yaml"]
    assert all(len(file["sha256"]) == 64 for file in files.values())
