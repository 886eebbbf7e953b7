"""`rooftile sweep` and `rooftile results` as a user meets them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from tests.rooftile.command import Command
from tests.rooftile.sweep.sweeps import SMALL, write


@pytest.fixture
def swept(rooftile: Command, tmp_path: Path) -> Path:
    """Return the folder of a sweep that ran."""
    done = rooftile("sweep", write(tmp_path, SMALL), "-o", tmp_path / "out", "--no-mapping-cache")
    assert done.status == 0, done.err
    assert "24 points: 24 ok, 0 excluded by constraints, 0 failed" in done.out
    return tmp_path / "out"


def test_a_table_of_the_best(rooftile: Command, swept: Path) -> None:
    shown = rooftile("results", swept, "--sort", "time", "--limit", "3").out.splitlines()
    assert shown[0].split()[0] == "number"
    assert "time [s]" in shown[0]
    assert "networks" not in shown[0]
    assert len(shown) == 2 + 3 + 1, "heads, a rule, three rows, and what is the same in all"
    assert shown[-1].startswith("the same in all 3 rows: engine ")
    assert "status ok" in shown[-1]
    assert "dram_bytes 12,544 B" in shown[-1]


def test_more_rows_are_counted(rooftile: Command, swept: Path) -> None:
    assert "and 4 more rows; --limit shows more, --csv all" in rooftile("results", swept).out


def test_csv_is_complete_and_in_order(rooftile: Command, swept: Path) -> None:
    text = rooftile("results", swept, "--csv").out
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [int(row["number"]) for row in rows] == list(range(24))
    assert float(rows[0]["memories.dram.bandwidth [B/s]"]) == 1e9
    assert text == rooftile("results", swept, "--csv").out


def test_filters_take_units(rooftile: Command, swept: Path) -> None:
    def numbers(*where: str) -> int:
        options = [part for one in where for part in ("--where", one)]
        text = rooftile("results", swept, "--csv", *options).out
        return len(text.splitlines()) - 1

    assert numbers("memories.dram.bandwidth>=8GB/s") == 12
    assert numbers("memories.dram.bandwidth=8GB/s", "clock<1GHz") == 2
    assert numbers("network=gemm.yaml") == 0
    assert numbers("status=ok", "time<1s") == 24


def test_json_has_what_was_swept(rooftile: Command, swept: Path) -> None:
    data = json.loads(rooftile("results", swept, "--json").out)
    assert len(data["rows"]) == data["points"] == 24
    assert data["units"]["time"] == "s"
    assert "edge_32x32" in data["sweep"]


def test_parquet_is_read_back(rooftile: Command, swept: Path, tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    rooftile("results", swept, "--parquet", tmp_path / "it's.parquet")
    assert len(duckdb.read_parquet(str(tmp_path / "it's.parquet")).fetchall()) == 24


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--where", "cyles<5"], "no column is called 'cyles'"),
        (["--where", "cyles<5"], "did you mean 'cycles'"),
        (["--where", "cycles"], "must be a comparison such as cycles<1e6"),
        (["--where", "clock<5KiB"], "clock is in Hz, not B"),
        (["--sort", "tim"], "did you mean 'time'"),
    ],
)
def test_mistakes(rooftile: Command, swept: Path, arguments: list[str], message: str) -> None:
    failed = rooftile("results", swept, *arguments)
    assert failed.status == 2
    assert message in failed.err


def test_a_folder_without_results(rooftile: Command, tmp_path: Path) -> None:
    failed = rooftile("results", tmp_path)
    assert failed.status == 2
    assert "make one with rooftile sweep" in failed.err
