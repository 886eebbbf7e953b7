"""The folder of a run: complete and reproducible, or not there at all."""

from __future__ import annotations

import csv
import errno
import hashlib
import json
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from accel.spec_file import load_preset
from foundation.errors import OutputError
from reports import files
from reports.files import check_output_folder, digest, read_summary, write_folder
from rooftile.simulation import Result
from tests.reports.runs import VIEWS, run, small

INPUTS = {"network.yaml": "name: small\n", "hardware.yaml": "name: edge\n"}
NAMES = ["hardware.yaml", "layers.csv", "network.yaml", "summary.json", "timeline.json"]


def write(folder: Path, made: Result | None = None, *, plots: bool = False) -> Path:
    made = made or small()
    return write_folder(
        folder, made.report, made.plan, made.traces, inputs=INPUTS, tool_version="9.9", plots=plots
    )


def exactly(message: str) -> str:
    return f"^{re.escape(message)}$"


def test_the_folder_holds_all_files_and_nothing_stays_beside_it(tmp_path: Path) -> None:
    folder = write(tmp_path / "out")
    assert sorted(path.name for path in folder.iterdir()) == NAMES
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (folder / "network.yaml").read_text() == INPUTS["network.yaml"]
    assert stat.S_IMODE(folder.stat().st_mode) & 0o700 == 0o700


def test_every_layer_is_in_the_csv(tmp_path: Path) -> None:
    with (write(tmp_path / "out") / "layers.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    for row, record in zip(rows, small().report.records(), strict=True):
        assert row == {key: str(value) for key, value in record.items()}


def test_the_summary_has_versions_hash_and_totals(tmp_path: Path) -> None:
    report = small().report
    summary = read_summary(write(tmp_path / "out"))
    assert summary["schema_version"] == 4
    assert summary["tool_version"] == "9.9"
    both = INPUTS["hardware.yaml"] + "\0" + INPUTS["network.yaml"]
    assert summary["configuration_sha256"] == hashlib.sha256(both.encode()).hexdigest()
    assert summary["total_cycles"] == report.total_cycles
    assert summary["compute_cycles"] + summary["stall_cycles"] == report.total_cycles
    assert summary["time_fs"] == report.time_fs
    assert summary["dram_bytes"] >= summary["compulsory_bytes"]


def test_the_hash_changes_with_either_input() -> None:
    assert len({digest(INPUTS), *(digest({**INPUTS, name: "x"}) for name in INPUTS)}) == 3


def test_equal_runs_write_equal_bytes(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a", plots=True), write(tmp_path / "b", plots=True)
    names = sorted(path.name for path in first.iterdir())
    assert names == sorted([*NAMES, "roofline.png", "roofline.svg"])
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes(), name


def test_a_network_of_views_writes_valid_json(tmp_path: Path) -> None:
    def refuse(constant: str) -> None:
        pytest.fail(f"{constant} isn't JSON")

    folder = write(tmp_path / "out", run(VIEWS, load_preset("edge_32x32")), plots=True)
    text = (folder / "summary.json").read_text()
    assert json.loads(text, parse_constant=refuse)["inferences_per_s"] is None


def make_file(path: Path) -> None:
    path.write_text("")


def make_dangling_link(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere"))


@pytest.mark.parametrize("make", [Path.mkdir, make_file, make_dangling_link])
def test_what_exists_is_never_replaced(tmp_path: Path, make: Callable[[Path], Any]) -> None:
    folder = tmp_path / "out"
    make(folder)
    message = f"output folder '{folder}': exists already; choose another name or remove it"
    with pytest.raises(OutputError, match=exactly(message)):
        write(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("parent", ["missing", "file"])
def test_the_parent_must_be_a_folder(tmp_path: Path, parent: str) -> None:
    (tmp_path / "file").write_text("")
    folder = tmp_path / parent / "out"
    message = (
        f"output folder '{folder}': its parent '{folder.parent}' isn't a folder; make it first"
    )
    with pytest.raises(OutputError, match=exactly(message)):
        check_output_folder(folder)


def test_a_read_only_parent_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_access(path: Path, mode: int) -> bool:
        return path != tmp_path

    monkeypatch.setattr(os, "access", no_access)  # root may write anywhere
    folder = tmp_path / "out"
    message = (
        f"output folder '{folder}': no permission to write in '{tmp_path}'; choose another place"
    )
    with pytest.raises(OutputError, match=exactly(message)):
        check_output_folder(folder)


def test_a_name_that_the_file_system_refuses_is_an_error(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 300)
    message = (
        f"output folder '{folder}': can't be written (file name too long); nothing was left behind"
    )
    with pytest.raises(OutputError, match=exactly(message)):
        check_output_folder(folder)


@pytest.mark.parametrize(
    ("number", "reason"),
    [(errno.ENOSPC, "no space left on device"), (errno.EROFS, "read-only file system")],
)
def test_a_failing_disk_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, reason: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(files, "write_timeline", fail)
    folder = tmp_path / "out"
    message = f"output folder '{folder}': can't be written ({reason}); nothing was left behind"
    with pytest.raises(OutputError, match=exactly(message)):
        write(folder)
    assert list(tmp_path.iterdir()) == []


def test_an_interruption_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(files, "write_timeline", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", [None, "", "{", "\x00"])
def test_a_folder_that_is_not_a_run_cannot_be_read(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "summary.json").write_text(text)
    message = (
        f"folder '{tmp_path}': has no readable summary.json; give the folder of a finished run"
        " (`rooftile run NETWORK --hw SPEC -o FOLDER` makes one)"
    )
    with pytest.raises(OutputError, match=exactly(message)):
        read_summary(tmp_path)


@pytest.mark.parametrize(("text", "version"), [('{"schema_version": 7}', "7"), ("[]", "None")])
def test_another_schema_version_cannot_be_read(tmp_path: Path, text: str, version: str) -> None:
    (tmp_path / "summary.json").write_text(text)
    message = (
        f"folder '{tmp_path}': its summary has schema version {version} but this version reads 4;"
        " run it again"
    )
    with pytest.raises(OutputError, match=exactly(message)):
        read_summary(tmp_path)
