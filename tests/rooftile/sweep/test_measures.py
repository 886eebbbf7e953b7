"""Results that a sweep asks for: area, energy, and what is made of them."""

from __future__ import annotations

import csv
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from accel.area import area_of_parts, known_area_um2
from accel.spec import AcceleratorSpec
from accel.spec_file import load_spec
from foundation.errors import SweepError
from mapper.cost import energies_pj
from mapper.operators import kernels_of
from mapper.paces import CLOSED_FORM
from mapper.search.find import find_mapping
from rooftile.simulation import simulate
from rooftile.sources import find_network
from rooftile.sweep.names import ALL_RESULTS, MORE_RESULTS
from rooftile.sweep.optimize import optimize
from rooftile.sweep.run import run_sweep
from rooftile.sweep.store import FILE, Results
from tests.rooftile.command import Command
from tests.rooftile.sweep.sweeps import SMALL, loaded, write

MACHINE = """\
base: edge_32x32
name: edge_45nm
energy: {technology: {node: 45nm, dram: generic}}
area: {technology: 45nm, other: 1mm2}
"""
ASKS: dict[str, Any] = {
    "hardware": "edge_45nm.yaml",
    "networks": ["gemm.yaml"],
    "grid": {"array.rows": [16, 32, 64], "clock": ["500MHz", "1GHz"]},
    "results": list(MORE_RESULTS),
}
GRID = {"array.rows": [32], "clock": ["500MHz", "1GHz"]}


def ran(folder: Path, data: dict[str, Any], machine: str = MACHINE) -> list[dict[str, Any]]:
    """Return the rows of a sweep by column."""
    (folder / "edge_45nm.yaml").write_text(machine)
    run_sweep(loaded(folder, data), folder / "out")
    return rows_of(folder / "out")


def rows_of(folder: Path) -> list[dict[str, Any]]:
    with closing(Results(folder)) as results:
        return [dict(zip(results.columns, row, strict=True)) for row in results.rows()]


def machine_at(folder: Path, row: dict[str, Any]) -> AcceleratorSpec:
    """Return the machine of a row, from a file that is written without the sweep."""
    own = {"array": {"rows": int(row["array.rows"])}, "clock": f"{int(row['clock'])}Hz"}
    (folder / "one.yaml").write_text(yaml.safe_dump({**yaml.safe_load(MACHINE), **own}))
    return load_spec(folder / "one.yaml")


def test_areas_are_those_of_the_machines(tmp_path: Path) -> None:
    rows = ran(tmp_path, ASKS)
    for row in rows:
        parts = area_of_parts(machine_at(tmp_path, row))
        assert row["area_mm2"] == pytest.approx(known_area_um2(parts) / 1e6)
    assert len({row["area_mm2"] for row in rows}) == 3


def test_estimated_energies_are_those_of_a_search(tmp_path: Path) -> None:
    """Of the best mapping of every layer in closed form, with what leaks meanwhile."""
    graph = find_network("lenet")
    for row in ran(tmp_path, {**ASKS, "networks": ["lenet"], "grid": GRID}):
        spec, total_pj = machine_at(tmp_path, row), 0.0
        for layer in graph.layers:
            for kernel in kernels_of(graph, layer):
                best = find_mapping(kernel, spec, layer.name, CLOSED_FORM).chosen[0]
                total_pj += sum(energies_pj(kernel, spec, best.mapping, best.cost.cycles).values())
        assert row["energy"] == pytest.approx(total_pj / 1e12, rel=0.03)


@pytest.mark.parametrize("engine", ["estimate", "cycle"])
def test_results_go_together(tmp_path: Path, engine: str) -> None:
    data = {**ASKS, "engine": engine, "grid": {"array.rows": [32]}}
    (row,) = ran(tmp_path, data)
    graph = find_network(str(tmp_path / "gemm.yaml"))
    assert row["power"] == pytest.approx(row["energy"] / row["time"])
    macs = row["mac_utilization"] * row["cycles"] * 1024
    assert row["ops_per_joule"] == pytest.approx(2 * macs / row["energy"])
    assert macs == pytest.approx(graph.total_macs)
    assert 0 < row["compulsory_bytes"] <= row["dram_bytes"]


def test_energy_is_that_of_an_inference(tmp_path: Path) -> None:
    data = {**ASKS, "networks": ["lenet"], "batch": 4, "grid": {"array.rows": [32]}}
    (row,) = ran(tmp_path, data)
    assert row["energy"] == pytest.approx(row["power"] / row["inferences_per_s"])
    assert row["energy"] == pytest.approx(row["power"] * row["time"] / 4)


def test_energies_of_the_cycle_engine_are_its_reports(tmp_path: Path) -> None:
    data = {**ASKS, "networks": ["lenet"], "grid": {"array.rows": [32]}}
    (row,) = ran(tmp_path, {**data, "engine": "cycle"})
    report = simulate(find_network("lenet"), load_spec(tmp_path / "edge_45nm.yaml")).report
    assert row["energy"] == report.energy_pj / 1e12
    assert row["ops_per_joule"] == pytest.approx(2 * report.total_macs / report.energy_pj * 1e12)
    (tmp_path / "estimated").mkdir()
    (near,) = ran(tmp_path / "estimated", data)
    assert near["energy"] == pytest.approx(row["energy"], rel=0.15)


def test_asking_for_more_changes_nothing_else(tmp_path: Path) -> None:
    more = ran(tmp_path, ASKS)
    run_sweep(loaded(tmp_path, {**ASKS, "results": []}), tmp_path / "plain")
    plain = rows_of(tmp_path / "plain")
    assert set(more[0]) - set(plain[0]) == set(MORE_RESULTS)
    assert [{key: row[key] for key in plain[0] if key != "message"} for row in more] == [
        {key: row[key] for key in row if key != "message"} for row in plain
    ]


def test_kept_searches_have_energies(tmp_path: Path) -> None:
    (tmp_path / "edge_45nm.yaml").write_text(MACHINE)
    sweep = loaded(tmp_path, ASKS)
    for name in ("first", "again"):
        run_sweep(sweep, tmp_path / name, cache_folder=tmp_path / "cache")
    assert rows_of(tmp_path / "first") == rows_of(tmp_path / "again")


def test_a_limit_on_the_area(tmp_path: Path) -> None:
    """Machines that are too large aren't mapped onto: their rows have the area alone."""
    areas = sorted({row["area_mm2"] for row in ran(tmp_path, ASKS)})
    limit = (areas[0] + areas[1]) / 2
    for number, text in enumerate((f"area_mm2 <= {limit}", f"area <= {limit}mm2")):
        (tmp_path / str(number)).mkdir()
        rows = ran(tmp_path / str(number), {**ASKS, "results": [], "constraints": [text]})
        assert [row["status"] for row in rows] == ["ok"] * 2 + ["excluded"] * 4
        assert all(row["area_mm2"] in areas for row in rows)
        assert rows[-1]["message"].startswith(f"{text}: {areas[2]:g}"[:20])
        assert rows[-1]["time"] is None


def test_a_limit_on_the_energy_has_units(tmp_path: Path) -> None:
    energies = sorted(row["energy"] for row in ran(tmp_path, ASKS))
    limit = (energies[2] + energies[3]) / 2
    (tmp_path / "again").mkdir()
    constraints = [f"energy <= {limit * 1e6}uJ", "power > 1uW", "ops_per_joule > 1"]
    rows = ran(tmp_path / "again", {**ASKS, "results": [], "constraints": constraints})
    assert sum(row["status"] == "ok" for row in rows) == 3


def test_lower_bounds_say_so(tmp_path: Path) -> None:
    machine = MACHINE.replace("other: 1mm2", "other: null").replace(
        "energy: {", "energy: {vector: null, "
    )
    for row in ran(tmp_path, ASKS, machine):
        assert row["status"] == "ok"
        assert "area_mm2: a lower bound, without other (no number)" in row["message"]
        assert "energy is a lower bound, without vector unit (no number)" in row["message"]


def test_what_has_no_number_is_null_and_says_why(tmp_path: Path) -> None:
    machine = "base: edge_32x32\nname: bare\n"
    rows = ran(tmp_path, {**ASKS, "engine": "analytical", "grid": {"array.rows": [32]}}, machine)
    (row,) = rows
    assert row["status"] == "ok"
    assert [row[name] for name in ("area_mm2", "energy", "power", "ops_per_joule")] == [None] * 4
    assert "area_mm2: machine 'bare': key 'area' is missing" in row["message"]
    assert "energy, power, ops_per_joule: the analytical engine doesn't count" in row["message"]


PARTLY = """\
base: edge_32x32
name: partly
energy: {technology: {node: 45nm}}
area: {technology: 45nm}
"""


@pytest.mark.parametrize(
    ("data", "machine", "message"),
    [
        (
            {"constraints": ["time < 1s", "area_mm2 <= 100"]},
            "base: edge_32x32\nname: bare\n",
            "constraints[1]: 'area_mm2' has no number: machine 'bare': key 'area' is missing",
        ),
        (
            {"constraints": ["area <= 100mm2"]},
            PARTLY,
            "'area.other' is missing but the machine has it; add an area, or null",
        ),
        (
            {"best": {"by": "energy", "engine": "analytical"}},
            MACHINE,
            "best: 'energy' has no number: the analytical engine doesn't count",
        ),
        (
            {"constraints": ["power < 5W"], "hardware": "gemmini_default"},
            MACHINE,
            "machine 'gemmini_default': key 'energy' is missing but its energy is asked for",
        ),
        ({"results": ["enery"]}, MACHINE, "results[0]: must be one of"),
        ({"results": "energy"}, MACHINE, "results: must be a list of some of"),
        (
            {"constraints": ["area_mm2 < 1mm2"]},
            MACHINE,
            "a plain number and an area can't be compared",
        ),
        ({"constraints": ["energy < 1ms"]}, MACHINE, "an energy and a duration can't be compared"),
    ],
)
def test_mistakes(tmp_path: Path, data: dict[str, Any], machine: str, message: str) -> None:
    with pytest.raises(SweepError) as error:
        ran(tmp_path, {**ASKS, "results": [], **data}, machine)
    assert message in str(error.value)


def test_an_energy_that_a_layer_needs_is_missing(tmp_path: Path) -> None:
    """Asked for it is NULL; where it decides the point has failed."""
    data = {**ASKS, "results": ["energy"], "grid": {"array.rows": [32]}}
    machine = PARTLY.replace("area: {technology: 45nm}\n", "")
    (row,) = ran(tmp_path, data, machine)
    assert (row["status"], row["energy"]) == ("ok", None)
    assert "key 'energy.memories.dram' is missing" in row["message"]
    with pytest.raises(SweepError, match=r"no point has a result; .*'energy.memories.dram'"):
        run_sweep(loaded(tmp_path, {**data, "constraints": ["energy < 1J"]}), tmp_path / "needed")
    with pytest.raises(SweepError, match="no point that was proposed is ok"):
        optimize(loaded(tmp_path, data), tmp_path / "best", objectives=["energy"], trials=4)


def test_the_least_energy(rooftile: Command, tmp_path: Path) -> None:
    least = min(row["energy"] for row in ran(tmp_path, ASKS))
    done = rooftile(
        *("optimize", write(tmp_path, {**ASKS, "results": []}), "-o", tmp_path / "best"),
        *("--objective", "energy", "--objective", "time", "--trials", "48", "--no-mapping-cache"),
    )
    assert done.status == 0, done.err
    assert "energy [J]" in done.out
    assert min(row["energy"] for row in rows_of(tmp_path / "best")) == pytest.approx(least)


def test_an_objective_without_numbers(rooftile: Command, tmp_path: Path) -> None:
    failed = rooftile("optimize", write(tmp_path, SMALL), "-o", "out", "--objective", "area_mm2")
    assert failed.status == 2
    assert "area_mm2: machine 'edge_32x32': key 'area' is missing" in failed.err


def test_filters_and_order(rooftile: Command, tmp_path: Path) -> None:
    rows = ran(tmp_path, ASKS)
    limit = sorted(row["area_mm2"] for row in rows)[3]
    for where in (f"area_mm2<={limit}", f"area_mm2<={limit}mm2"):
        done = rooftile("results", tmp_path / "out", "--where", where, "--sort", "energy", "--csv")
        energies = [float(row["energy [J]"]) for row in csv.DictReader(done.out.splitlines())]
        assert energies == sorted(row["energy"] for row in rows if row["area_mm2"] <= limit)
    shown_table = rooftile("results", tmp_path / "out", "--sort", "energy").out
    assert "energy, power, ops_per_joule: leakage of memories on the chip only" in shown_table


def test_a_column_that_nobody_asked_for(rooftile: Command, tmp_path: Path) -> None:
    run_sweep(loaded(tmp_path, SMALL), tmp_path / "out")
    failed = rooftile("results", tmp_path / "out", "--where", "energy<1")
    assert failed.status == 2
    assert "'energy' wasn't asked for; add it to 'results' of the sweep's file" in failed.err


def test_the_format_before_this_one_is_refused(rooftile: Command, tmp_path: Path) -> None:
    run_sweep(loaded(tmp_path, SMALL), tmp_path / "out")
    with closing(sqlite3.connect(tmp_path / "out" / FILE)) as connection, connection:
        connection.execute("UPDATE meta SET value = '1' WHERE key = 'format'")
        connection.execute("DELETE FROM meta WHERE key = 'results'")
    for arguments in (["results"], ["report", "-o", "page.html"]):
        failed = rooftile(arguments[0], tmp_path / "out", *arguments[1:])
        assert failed.status == 2
        assert "of format 1 but this version reads 2; run the sweep again" in failed.err


def test_every_result_has_a_unit() -> None:
    assert list(ALL_RESULTS)[-len(MORE_RESULTS) :] == list(MORE_RESULTS)
