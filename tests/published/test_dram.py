"""The DRAM controllers against DRAMsim3 and Ramulator 2.1."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from foundation.errors import RooftileError
from rooftile.validate.dram import validate_dram
from rooftile.validate.patterns import PATTERNS, Geometry, stream, stream_hash

FOLDER = Path(__file__).with_name("dram")
TIMINGS = FOLDER / "timings.csv"


@pytest.mark.slow
@pytest.mark.parametrize(("name", "every"), [("reference", 19), ("ablation", 31)])
def test_a_sample_of_rows_is_exact(name: str, every: int) -> None:
    validation = validate_dram(FOLDER / f"{name}.csv", TIMINGS, every=every)
    assert validation.passed
    for line in validation.text.splitlines()[-2:]:
        rows, exact = (int(words.split()[-2]) for words in line.split(";")[0].split(","))
        assert rows == exact, validation.text


def test_patterns_are_the_streams_that_were_run() -> None:
    seen = set()
    with (FOLDER / "reference.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            sizes = tuple(
                int(row[name]) for name in ("transaction_bytes", "row_bytes", "bank_stride_bytes")
            )
            if (row["pattern"], sizes) not in seen:
                seen.add((row["pattern"], sizes))
                geometry = Geometry(
                    transaction_bytes=sizes[0], row_bytes=sizes[1], bank_stride_bytes=sizes[2]
                )
                found = stream(row["pattern"], int(row["n_requests"]), geometry)
                assert stream_hash(*found) == row["trace_fnv"], row["pattern"]
    assert len({pattern for pattern, _ in seen}) == 15


@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_has_whole_transactions(name: str) -> None:
    geometry = Geometry(transaction_bytes=64, row_bytes=8192, bank_stride_bytes=262144)
    addresses, writes = stream(name, 1000, geometry)
    assert (addresses % 64 == 0).all()
    assert (addresses >= 0).all()
    assert len(writes) == 1000


def edited(tmp_path: Path, column: str, value: str, name: str = "reference.csv") -> Path:
    """Return a file with its first row only, one column changed."""
    with (FOLDER / name).open(newline="") as file:
        row = next(csv.DictReader(file))
    row[column] = value
    path = tmp_path / "edited.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, row)
        writer.writeheader()
        writer.writerow(row)
    return path


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("config", "ddr9", "config 'ddr9' isn't in"),
        ("pattern", "seqrd", "pattern 'seqrd': must be one of seq_rd"),
        ("trace_fnv", "0", "column 'trace_fnv' is 0 but pattern 'gemm3_al' is the stream 79f4"),
        ("cycles", "many", "column 'cycles' must be a number but is 'many'"),
        ("inject_width", "0", "column 'inject_width' must be a whole number of at least 1"),
        ("elig_den", "0", "column 'elig_den' must be a whole number of at least 1"),
    ],
)
def test_a_wrong_row(tmp_path: Path, column: str, value: str, message: str) -> None:
    with pytest.raises(RooftileError, match=message):
        validate_dram(edited(tmp_path, column, value), TIMINGS)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("tRCDRD", "soon", "column 'tRCDRD' must be a number but is 'soon'"),
        ("ranks", "0", "column 'ranks' must be a whole number of at least 1"),
        (
            "addr_map_lsb_to_msb",
            "co:7 xx:1",
            "'addr_map_lsb_to_msb': 'xx:1': must be one of",
        ),
    ],
)
def test_a_wrong_configuration(tmp_path: Path, column: str, value: str, message: str) -> None:
    timings = edited(tmp_path, column, value, "timings.csv")
    with pytest.raises(RooftileError, match=message):
        validate_dram(FOLDER / "reference.csv", timings, every=1000)


def test_timings_without_a_column(tmp_path: Path) -> None:
    path = tmp_path / "timings.csv"
    path.write_text(TIMINGS.read_text().replace("tRFC", "tRefresh", 1))
    with pytest.raises(RooftileError, match=r"timings.csv:1: columns missing: tRFC$"):
        validate_dram(FOLDER / "reference.csv", path, every=1000)
