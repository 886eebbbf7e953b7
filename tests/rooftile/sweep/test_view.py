"""A sweep's results as a web page."""

from __future__ import annotations

from pathlib import Path

import pytest

from foundation.errors import SweepError
from rooftile.report import write_report
from rooftile.sweep import view as module
from rooftile.sweep.run import run_sweep
from rooftile.sweep.view import sweep_view
from tests.rooftile.sweep.sweeps import SMALL, loaded, table


def test_a_view_has_what_the_results_have(tmp_path: Path) -> None:
    run_sweep(loaded(tmp_path, SMALL), tmp_path / "out")
    view = sweep_view(tmp_path / "out")
    keys = [column["key"] for column in view["table"]["columns"]]
    rows = {row[0]: dict(zip(keys, row, strict=True)) for row in view["table"]["rows"]}
    assert len(rows) == 24
    for record in table(tmp_path / "out"):
        row = rows[str(record[2])]
        assert sorted(map(str, row.values())) == sorted(map(str, (record[2], *record[5:])))
    units = {column["key"]: column["unit"] for column in view["table"]["columns"]}
    assert units["memories.dram.bandwidth"] == "B/s"
    assert units["array.rows"] == ""
    assert "It has 24 points." in view["sentences"]
    assert "memories.dram.bandwidth 32 GB/s" in view["sentences"][1]


def test_the_fastest_of_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_POINTS", 5)
    run_sweep(loaded(tmp_path, SMALL), tmp_path / "out")
    view = sweep_view(tmp_path / "out")
    assert len(view["table"]["rows"]) == 5
    assert "the 5 fastest of its 24 points" in view["sentences"][0]


def test_a_page_of_a_sweep(tmp_path: Path) -> None:
    run_sweep(loaded(tmp_path, SMALL), tmp_path / "out")
    size_bytes = write_report([tmp_path / "out"], tmp_path / "page.html")
    assert size_bytes < 5_000_000
    assert "parallel" in (tmp_path / "page.html").read_text()


def test_a_sweep_without_results(tmp_path: Path) -> None:
    sweep = loaded(tmp_path, {**SMALL, "constraints": ["array.rows > 64"]})
    with pytest.raises(SweepError):
        run_sweep(sweep, tmp_path / "out")
    with pytest.raises(SweepError, match="no point of the sweep is ok"):
        sweep_view(tmp_path / "out")


def test_a_second_look_is_told(tmp_path: Path) -> None:
    best = {"count": 3, "by": "time", "engine": "analytical"}
    run_sweep(loaded(tmp_path, {**SMALL, "best": best}), tmp_path / "out")
    (told,) = (one for one in sweep_view(tmp_path / "out")["sentences"] if "again" in one)
    assert told.startswith("The best were priced again by the analytical engine: the fastest of")
